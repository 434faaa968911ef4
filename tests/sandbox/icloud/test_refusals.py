"""What CloudKit and its double refuse: malformed queries, and who is not signed in."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.icloud import ICloud
from tests.sandbox.icloud.client import ALL, PRIMARY, WebClient


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"query": {"recordType": ALL}}, 400, "BAD_REQUEST"),
        ({"query": {"recordType": "Nonsense"}, "zoneID": PRIMARY}, 400, "BAD_REQUEST"),
        ({"query": {"recordType": ALL}, "zoneID": {"zoneName": "Mine"}}, 404, "ZONE_NOT_FOUND"),
        ({"query": {"recordType": ALL}, "zoneID": PRIMARY, "limit": 3}, 400, "BAD_REQUEST"),
        (
            {
                "query": {
                    "recordType": ALL,
                    "filterBy": [
                        {
                            "fieldName": "colour",
                            "comparator": "EQUALS",
                            "fieldValue": {"type": "STRING", "value": "red"},
                        }
                    ],
                },
                "zoneID": PRIMARY,
            },
            400,
            "BAD_REQUEST",
        ),
    ],
)
def test_malformed_queries_are_refused(
    client: WebClient, body: dict[str, Any], status: int, code: str
) -> None:
    answer = client.cloudkit("records/query", body)
    assert (answer.status_code, answer.json()["serverErrorCode"]) == (status, code)


def test_who_is_not_signed_in_is_refused(client: WebClient, cloud: ICloud) -> None:
    with WebClient() as stranger:
        answer = stranger.cloudkit("zones/list", {})
        assert answer.status_code == 401
        assert answer.json()["reason"] == "Missing X-APPLE-WEBAUTH-TOKEN cookie"
    client.dsid = "999"
    assert client.cloudkit("zones/list", {}).status_code == 401
    cloud.expire_sessions()
    client.dsid = cloud.account.dsid
    answer = client.cloudkit("zones/list", {})
    assert (answer.status_code, answer.json()["serverErrorCode"]) == (
        421,
        "AUTHENTICATION_REQUIRED",
    )
    assert client.http.post("https://setup.icloud.com/setup/ws/1/validate").status_code == 421

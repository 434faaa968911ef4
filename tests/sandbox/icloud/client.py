"""A web client of the tests' own, so that no library's idea of the protocol is tested."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import requests
import srp

from sandbox.icloud.signin import WIDGET

AUTH = "https://idmsa.apple.com/appleauth/auth"
SETUP = "https://setup.icloud.com/setup/ws/1"
DATABASE = "https://p61-ckdatabasews.icloud.com:443/database/1/com.apple.photos.cloud/production"
PRIMARY = {"zoneName": "PrimarySync"}
ALL = "CPLAssetAndMasterByAssetDateWithoutHiddenOrDeleted"
OAUTH = {
    "Accept": "application/json",
    "X-Apple-OAuth-Client-Id": WIDGET,
    "X-Apple-OAuth-Client-Type": "firstPartyAuth",
    "X-Apple-OAuth-Redirect-URI": "https://www.icloud.com",
    "X-Apple-OAuth-Require-Grant-Code": "true",
    "X-Apple-OAuth-Response-Mode": "web_message",
    "X-Apple-OAuth-Response-Type": "code",
    "X-Apple-OAuth-State": "auth-state",
    "X-Apple-Widget-Key": WIDGET,
}
_KEPT = ("scnt", "X-Apple-ID-Session-Id")


class _Stretched:
    """The password as SRP wants it, once salt and protocol are known."""

    def __init__(self, password: str) -> None:
        self._digest = hashlib.sha256(password.encode()).digest()
        self.challenge: dict[str, Any] = {}

    def encode(self) -> bytes:
        fo = self.challenge["protocol"] == "s2k_fo"
        secret = self._digest.hex().encode() if fo else self._digest
        salt = base64.b64decode(self.challenge["salt"])
        return hashlib.pbkdf2_hmac("sha256", secret, salt, self.challenge["iteration"], 32)


class WebClient:
    def __init__(self, name: str = "demo@example.com", password: str = "sandbox-password") -> None:
        self.http = requests.Session()
        self.files = requests.Session()  # the content host wants no cookies
        self.headers = dict(OAUTH)
        self.name = name
        self.password = password
        self.token = ""
        self.trust = ""
        self.dsid = ""

    def __enter__(self) -> WebClient:
        return self

    def __exit__(self, *exc: object) -> None:
        self.http.close()
        self.files.close()

    def auth(self, method: str, path: str, body: Any = None, **headers: str) -> requests.Response:
        answer = self.http.request(
            method, AUTH + path, json=body, headers={**self.headers, **headers}
        )
        for name in _KEPT:
            if name in answer.headers:
                self.headers[name] = answer.headers[name]
        self.token = answer.headers.get("X-Apple-Session-Token", self.token)
        self.trust = answer.headers.get("X-Apple-TwoSV-Trust-Token", self.trust)
        return answer

    def begin(self) -> tuple[requests.Response, requests.Response]:
        """Both steps of the password; the answers of init and complete."""
        srp.rfc5054_enable()
        srp.no_username_in_x()
        secret = _Stretched(self.password)
        user = srp.User(self.name, secret, hash_alg=srp.SHA256, ng_type=srp.NG_2048)
        _, public = user.start_authentication()
        first = self.auth(
            "POST",
            "/signin/init",
            {"a": _b64(public), "accountName": self.name, "protocols": ["s2k", "s2k_fo"]},
        )
        secret.challenge = first.json()
        proof = user.process_challenge(
            base64.b64decode(secret.challenge["salt"]), base64.b64decode(secret.challenge["b"])
        )
        return first, self.auth(
            "POST",
            "/signin/complete?isRememberMeEnabled=true",
            {
                "accountName": self.name,
                "c": secret.challenge["c"],
                "m1": _b64(proof),
                "m2": _b64(user.H_AMK),
                "rememberMe": True,
                "trustTokens": [self.trust] if self.trust else [],
            },
        )

    def login(self) -> requests.Response:
        answer = self.http.post(
            f"{SETUP}/accountLogin",
            json={
                "accountCountryCode": "USA",
                "dsWebAuthToken": self.token,
                "extended_login": True,
                "trustToken": self.trust,
            },
        )
        if answer.ok:
            self.dsid = answer.json()["dsInfo"]["dsid"]
        return answer

    def cloudkit(self, endpoint: str, body: Any, scope: str = "private") -> requests.Response:
        return self.http.post(
            f"{DATABASE}/{scope}/{endpoint}",
            params={"dsid": self.dsid, "remapEnums": "True", "getCurrentSyncToken": "True"},
            data=json.dumps(body),
            headers={"Content-type": "text/plain"},
        )

    def query(
        self,
        kind: str = ALL,
        rank: int | None = 0,
        direction: str = "ASCENDING",
        scope: str = "private",
        zone: Any = PRIMARY,
        extra: dict[str, str] | None = None,
        **more: Any,
    ) -> Any:
        filters = [] if rank is None else [_equals("startRank", "INT64", rank)]
        if rank is not None:
            filters.append(_equals("direction", "STRING", direction))
        filters += [_equals(name, "STRING", value) for name, value in (extra or {}).items()]
        query = {"recordType": kind, "filterBy": filters}
        answer = self.cloudkit("records/query", {"query": query, "zoneID": zone, **more}, scope)
        return answer.json()

    def everything(self, kind: str = ALL, **more: Any) -> list[Any]:
        """All records of a list, page after page by rank."""
        records: list[Any] = []
        rank = 0
        while True:
            page = self.query(kind, rank, **more)["records"]
            if not page:
                return records
            records += page
            rank += sum(record.get("recordType") == "CPLAsset" for record in page)

    def lookup(self, *names: str) -> list[Any]:
        body = {"records": [{"recordName": name} for name in names], "zoneID": PRIMARY}
        records: list[Any] = self.cloudkit("records/lookup", body).json()["records"]
        return records

    def changes(self, token: str | None, scope: str = "private", zone: Any = PRIMARY) -> Any:
        asked = {"zoneID": zone, **({} if token is None else {"syncToken": token})}
        return self.cloudkit("changes/zone", {"zones": [asked]}, scope).json()["zones"][0]

    def modify(self, *changes: tuple[Any, dict[str, int]], atomic: bool = True) -> Any:
        operations = [
            {
                "operationType": "update",
                "record": {
                    "recordName": record["recordName"],
                    "recordType": "CPLAsset",
                    "recordChangeTag": record["recordChangeTag"],
                    "fields": {name: {"value": value} for name, value in fields.items()},
                },
            }
            for record, fields in changes
        ]
        body = {"atomic": atomic, "operations": operations, "zoneID": PRIMARY}
        return self.cloudkit("records/modify", body).json()

    def count(self, index: str) -> int:
        query = {
            "recordType": "HyperionIndexCountLookup",
            "filterBy": {
                "fieldName": "indexCountID",
                "comparator": "IN",
                "fieldValue": {"type": "STRING_LIST", "value": [index]},
            },
        }
        batch = {"resultsLimit": 1, "query": query, "zoneWide": True, "zoneID": PRIMARY}
        answer = self.cloudkit("internal/records/query/batch", {"batch": [batch]}).json()
        return int(answer["batch"][0]["records"][0]["fields"]["itemCount"]["value"])

    def fetch(
        self, record: Any, field: str = "resOriginalRes", **headers: str
    ) -> requests.Response:
        """A file by its address, without cookies."""
        url = record["fields"][field]["value"]["downloadURL"]
        return self.files.get(url, headers=headers, timeout=10)


def _equals(name: str, kind: str, value: Any) -> dict[str, Any]:
    return {
        "fieldName": name,
        "comparator": "EQUALS",
        "fieldValue": {"type": kind, "value": value},
    }


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def masters(records: list[Any]) -> list[Any]:
    return [record for record in records if record.get("recordType") == "CPLMaster"]


def assets(records: list[Any]) -> list[Any]:
    return [record for record in records if record.get("recordType") == "CPLAsset"]

"""Apple's three steps of an upload: reserve an address, send the bytes, register the photo.

As the web client does it since 2026. The content host answers the bytes with Apple's own
fingerprint of them; only registering makes them a photo.
"""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import Any

import requests
import urllib3
from pyicloud.exceptions import PyiCloudConnectionException, PyiCloudException

from connectors.base import Body
from connectors.errors import CapacityExceeded, OutpourError, Transient, Unreadable
from connectors.icloud.account import Account
from connectors.icloud.cloudkit import of_own, unsent
from connectors.icloud.content import FAILURES
from connectors.icloud.errors import of_answer
from connectors.icloud.session import CONNECTIONS, Api
from connectors.icloud.signin_errors import signin_error
from connectors.network_errors import network_error
from connectors.pools import CONNECT_TIMEOUT, Pools

# Apple answers only when it has taken in and hashed the whole file.
_PATIENT = urllib3.Timeout(connect=CONNECT_TIMEOUT, read=300.0)

Single = dict[str, Any]
"""What the content host says it received; registering sends it back unchanged."""


class Uploads:
    """Every method is one request and may be called from any thread."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._pools = Pools(CONNECTIONS)

    def close(self) -> None:
        self._pools.close()

    def reserve(self, size: int) -> str:
        """An address that takes ``size`` bytes once. Raises CapacityExceeded."""
        client = str(uuid.uuid4())
        answer = self._post("createUploadUrl", {"assets": {client: size}})
        try:
            url = str(answer["uploadUrls"][client])
        except (KeyError, TypeError) as error:
            raise Transient("iCloud gave no address to upload to") from error
        if not url.startswith("https://"):
            raise Unreadable("iCloud gave an address that is not encrypted")
        return url

    def send(self, url: str, body: Body) -> Single:
        """Send a file's bytes, streamed. Nothing is visible yet."""
        headers = {"Content-Length": str(body.size), "Content-Type": "application/octet-stream"}
        try:
            answer = self._pools.reaching(url).request(
                "POST",
                url,
                body=body.pieces(0, body.size),
                headers=headers,
                redirect=False,
                retries=False,
                timeout=_PATIENT,
            )
        except FAILURES as error:
            raise network_error(error, "iCloud") from error
        if answer.status != 200:
            raise _refusal(answer)
        try:
            return dict(json.loads(answer.data)["singleFile"])
        except (ValueError, KeyError, TypeError) as error:
            raise Transient("iCloud's answer to an upload makes no sense") from error

    def register(self, files: Sequence[tuple[str, datetime | None, Single]]) -> list[Any]:
        """Make photos of (name, capture time, what was received); an answer for each."""
        body = {
            "files": [_file(name, taken, single) for name, taken, single in files],
            "localTimeZoneId": "UTC",
            "importGroup": str(uuid.uuid4()),
        }
        answers = self._post("putAsset", body)
        if not isinstance(answers, list) or len(answers) != len(files):
            raise Transient("iCloud's answer to a registration makes no sense")
        return answers

    def _post(self, step: str, body: Mapping[str, Any]) -> Any:
        def post(api: Api) -> Any:
            return of_own(api, lambda name: _post(api, step, {"zoneName": name, **body}))

        return self._account.use(post)


class Once:
    """What was sent and is not registered yet, by fingerprint: equal files that come at the
    same time are sent by the first, and the others wait for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sent: dict[str, Future[Single]] = {}

    def get(self, fingerprint: str, send: Callable[[], Single]) -> Single:
        """What ``send`` returned to whoever came first; raises what it raised."""
        with self._lock:
            there = self._sent.get(fingerprint)
            mine: Future[Single] = Future()
            if there is None:
                self._sent[fingerprint] = mine
        if there is not None:
            return there.result()
        try:
            mine.set_result(send())
        except BaseException as error:  # noqa: BLE001  (raised again where it is waited for)
            self.forget(fingerprint)
            mine.set_exception(error)
        return mine.result()

    def forget(self, fingerprint: str) -> None:
        """It is a photo now, or its bytes are no longer there."""
        with self._lock:
            self._sent.pop(fingerprint, None)


def _post(api: Api, step: str, body: object) -> Any:
    try:
        root = api.get_webservice_url("photosupload").rstrip("/")
        answer: requests.Response = api.session.request_raw(
            "POST", f"{root}/photosupload/{step}", params=api.params, json=body
        )
    except PyiCloudConnectionException as error:
        raise signin_error(error, api.account_name) from error
    except PyiCloudException as error:
        raise unsent(error, api) from error
    if not answer.ok:
        raise of_answer(answer.status_code, answer.headers, answer.content)
    try:
        data = answer.json()
    except ValueError as error:
        raise Transient("iCloud's answer is cut short or no JSON") from error
    if isinstance(data, dict) and "serverErrorCode" in data:
        raise of_answer(answer.status_code, answer.headers, answer.content)
    return data


def _file(name: str, taken: datetime | None, single: Single) -> dict[str, Any]:
    moment = taken or datetime.now(UTC)
    offset = moment.utcoffset()
    return {
        "fileName": name,
        "lastModDate": int(moment.timestamp() * 1000),
        # Minutes west of UTC, as JavaScript's getTimezoneOffset counts.
        "timeZoneOffset": -int(offset.total_seconds() // 60) if offset else 0,
        "singleFileUploadRequest": single,
    }


def _refusal(answer: urllib3.BaseHTTPResponse) -> OutpourError:
    error = of_answer(answer.status, answer.headers, answer.data)
    # The address has a signature of its own: a refusal says nothing about the session.
    return error if isinstance(error, CapacityExceeded | Transient) else Transient(str(error))

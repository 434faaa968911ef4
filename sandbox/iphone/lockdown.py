"""lockdownd: who may talk to the phone, and the ports of its services.

Messages are property lists behind a big-endian length. A session starts in plain text and
goes on in TLS on the same stream; StopSession ends the TLS after its answer.
"""

from __future__ import annotations

import uuid
from typing import Any

from sandbox.iphone.phone import Phone, Trust
from sandbox.iphone.stream import Stream

PORT = 62078
SERVICES = {"com.apple.afc"}
_NEEDS_SESSION = {"StartService", "StopSession"}


def serve(stream: Stream, phone: Phone) -> None:
    """Answer until the stream ends (Hangup)."""
    session = _Session(phone)
    while True:
        message = stream.read_plist()
        request = str(message.get("Request", ""))
        answer = session.answer(request, message)
        stream.write_plist({"Request": request, **answer})
        if request == "StartSession" and answer.get("EnableSessionSSL"):
            stream.start_tls(phone.context)
        elif request == "StopSession" and "Error" not in answer:
            stream.stop_tls()


class _Session:
    def __init__(self, phone: Phone) -> None:
        self._phone = phone
        self._id = ""

    def answer(self, request: str, message: dict[str, Any]) -> dict[str, Any]:
        if request in _NEEDS_SESSION and not self._id:
            return {"Error": "SessionInactive"}
        match request:
            case "QueryType":
                return {"Type": "com.apple.mobile.lockdown"}
            case "GetValue":
                return self._value(message.get("Domain"), message.get("Key"))
            case "Pair":
                return self._pair(message.get("PairRecord", {}))
            case "ValidatePair":
                known = message.get("PairRecord", {}).get("HostID") in self._phone.hosts
                return {} if known else {"Error": "InvalidHostID"}
            case "Unpair":
                self._phone.hosts.discard(message.get("PairRecord", {}).get("HostID", ""))
                return {}
            case "StartSession":
                return self._start(message.get("HostID", ""))
            case "StopSession":
                self._id = ""
                return {}
            case "StartService":
                return self._service(message.get("Service", ""))
        return {"Error": "InvalidRequest"}

    def _value(self, domain: str | None, key: str | None) -> dict[str, Any]:
        values = self._phone.values() if not domain else {}
        if domain == "com.apple.disk_usage":
            values = {
                "TotalDiskCapacity": self._phone.capacity,
                "TotalDataAvailable": self._phone.free,
            }
        if key is None:
            return {"Value": values, **({"Domain": domain} if domain else {})}
        if key not in values:
            return {"Key": key, "Error": "MissingValue"}
        return {"Key": key, "Value": values[key]}

    def _pair(self, record: dict[str, Any]) -> dict[str, Any]:
        if self._phone.is_locked:
            return {"Error": "PasswordProtected"}
        match self._phone.answer_to_trust:
            case Trust.PENDING:
                return {"Error": "PairingDialogResponsePending"}
            case Trust.NO:
                return {"Error": "UserDeniedPairing"}
        self._phone.hosts.add(record.get("HostID", ""))
        return {"EscrowBag": uuid.uuid4().bytes * 2}

    def _start(self, host: str) -> dict[str, Any]:
        if host not in self._phone.hosts:
            return {"Error": "InvalidHostID"}
        self._id = str(uuid.uuid4()).upper()
        return {"SessionID": self._id, "EnableSessionSSL": self._phone.tls}

    def _service(self, name: str) -> dict[str, Any]:
        if name not in SERVICES:
            return {"Error": "InvalidService"}
        if self._phone.is_locked:
            return {"Error": "PasswordProtected"}
        port = self._phone.start_service()
        return {"Service": name, "Port": port, "EnableServiceSSL": self._phone.tls}

"""CloudKit's own answers and strictness: what it refuses, and in which words."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from typing import Any

from sandbox.messages import Answer, json_answer

MOST_RECORDS = 200
STATUS = {
    "BAD_REQUEST": 400,
    "ATOMIC_ERROR": 400,
    "AUTHENTICATION_FAILED": 401,
    "ACCESS_DENIED": 403,
    "NOT_FOUND": 404,
    "ZONE_NOT_FOUND": 404,
    "CONFLICT": 409,
    "QUOTA_EXCEEDED": 413,
    "AUTHENTICATION_REQUIRED": 421,
    "THROTTLED": 429,
    "INTERNAL_ERROR": 500,
    "TRY_AGAIN_LATER": 503,
}


class Refused(Exception):
    """The request as a whole is refused with a server error code."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason

    def answer(self, status: int | None = None) -> Answer:
        body = {"uuid": str(uuid.uuid4()), "serverErrorCode": self.code, "reason": self.reason}
        return json_answer(body, STATUS[self.code] if status is None else status)


def only(body: Any, known: Collection[str], needed: Collection[str] = ()) -> Mapping[str, Any]:
    """``body`` as an object that has what is needed and nothing unknown."""
    if not isinstance(body, dict):
        raise Refused("BAD_REQUEST", "Expected a JSON object")
    unknown = sorted(set(body) - set(known))
    if unknown:
        raise Refused("BAD_REQUEST", f"Unknown field '{unknown[0]}'")
    missing = sorted(set(needed) - set(body))
    if missing:
        raise Refused("BAD_REQUEST", f"missing required field '{missing[0]}'")
    return body


def error_item(name: str, code: str, reason: str, **more: Any) -> dict[str, Any]:
    return {"recordName": name, "reason": reason, "serverErrorCode": code, **more}

"""Refusals as Google writes them: ``{"error": {"code", "message", "errors": [{reason}]}}``."""

from __future__ import annotations

from sandbox.messages import Answer, json_answer


class Refused(Exception):
    """An answer that is no success."""

    def __init__(
        self, status: int, reason: str, message: str, domain: str = "global", where: str = ""
    ) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.domain = domain
        self.where = where

    def answer(self) -> Answer:
        entry = {"domain": self.domain, "reason": self.reason, "message": str(self)}
        if self.where:
            entry |= {"locationType": "parameter", "location": self.where}
        error = {"code": self.status, "message": str(self), "errors": [entry]}
        return json_answer({"error": error}, self.status)


def bad(message: str, reason: str = "badRequest", where: str = "") -> Refused:
    return Refused(400, reason, message, where=where)


def invalid(name: str, value: str) -> Refused:
    return bad(f"Invalid value '{value}' for parameter {name}", "invalidParameter", name)


def missing(identity: str) -> Refused:
    return Refused(404, "notFound", f"File not found: {identity}.", where="fileId")


def unsigned() -> Refused:
    return Refused(401, "authError", "Invalid Credentials", where="Authorization")


def no_right() -> Refused:
    message = "The user does not have sufficient permissions for this file."
    return Refused(403, "insufficientFilePermissions", message)

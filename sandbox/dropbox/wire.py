"""Dropbox's three route styles, with every argument, answer and error held against Stone.

The types are those the vendor's own SDK ships, decoded strictly: an unknown field, a value
out of range or a tag that does not exist fails, on the client's side (400, as Dropbox does)
and on ours (an AssertionError, because then the double would be wrong). Sources: the SDK's
``ROUTES`` of each namespace; Dropbox's HTTP documentation for the error envelopes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import dropbox.auth
import dropbox.files
import dropbox.team
import dropbox.users
from dropbox.auth import AccessError_validator, AuthError_validator, RateLimitError_validator
from dropbox.common import PathRootError_validator
from stone.backends.python_rsrc import stone_serializers
from stone.backends.python_rsrc.stone_validators import ValidationError

from sandbox.messages import Answer, Request

JSON = "application/json"  # the SDK wants exactly this
decode: Any = stone_serializers.json_compat_obj_decode
_NAMESPACES = {
    "auth": dropbox.auth.ROUTES,
    "files": dropbox.files.ROUTES,
    "team": dropbox.team.ROUTES,
    "users": dropbox.users.ROUTES,
}


class Refused(Exception):
    """An answer other than success."""

    def __init__(self, answer: Answer, reason: str) -> None:
        super().__init__(reason)
        self.answer = answer
        self.reason = reason


class Route:
    """One route of the API: ``name`` as in its address, such as files/delete_v2."""

    def __init__(self, name: str, spec: Any) -> None:
        self.name = name
        self._spec = spec
        self.host: str = spec.attrs["host"] or "api"
        self.style: str = spec.attrs["style"] or "rpc"

    def argument(self, request: Request) -> Any:
        """The decoded argument; 400 where it is not what the type says."""
        where = "request body" if self.style == "rpc" else 'HTTP header "Dropbox-API-Arg"'
        try:
            if self.style == "rpc":
                obj = request.json()
            else:
                header = request.headers.get("dropbox-api-arg") or "null"
                # Clients should escape what is not ASCII; UTF-8 is taken too, as rclone knows.
                obj = json.loads(header.encode("latin-1").decode())
            return decode(self._spec.arg_type, obj, strict=True)
        except (ValueError, ValidationError) as error:
            raise self.bad(f"{where}: {error}") from None

    def answered(self, obj: Any) -> Answer:
        """Success. ``obj`` is JSON of the route's result type."""
        _checked(self._spec.result_type, obj)
        return Answer(200, {"Content-Type": JSON}, dumped(obj))

    def streamed(self, obj: Any, answer: Answer) -> Answer:
        """The result of a download travels in a header."""
        _checked(self._spec.result_type, obj)
        answer.headers["Dropbox-API-Result"] = json.dumps(obj)  # ASCII, as a header must be
        return answer

    def failed(self, error: Mapping[str, Any]) -> Refused:
        """409 with the route's own error."""
        _checked(self._spec.error_type, error)
        return refused(409, error)

    def bad(self, why: str) -> Refused:
        text = f'Error in call to API function "{self.name}": {why}'
        return plain(400, text, "bad_input")


def find(path: str) -> Route:
    """The route at an address such as /2/files/upload_session/append_v2."""
    parts = path.split("/", 3)
    if len(parts) == 4 and parts[1] == "2" and parts[2] in _NAMESPACES:
        name, _, version = parts[3].rpartition("_v")
        key = f"{name}:{version}" if name and version.isdigit() else parts[3]
        spec = _NAMESPACES[parts[2]].get(key)
        if spec is not None:
            return Route(f"{parts[2]}/{parts[3]}", spec)
    raise unknown(path)


def unknown(path: str) -> Refused:
    return plain(400, f'Unknown API function: "{path.removeprefix("/2/")}"', "unknown_route")


def unauthorized(tag: str, **fields: str) -> Refused:
    """401 with an auth.AuthError."""
    error = {".tag": tag, **fields}
    _checked(AuthError_validator, error)
    return refused(401, error)


def no_such_root(error: Mapping[str, Any]) -> Refused:
    """422 with a common.PathRootError."""
    _checked(PathRootError_validator, error)
    return refused(422, error)


def lacks_scope(route: str) -> Refused:
    """400 in words, where a permission was taken from the app after the sign-in."""
    text = (
        f'Error in call to API function "{route}": Your app (ID: 1) is not permitted to access '
        "this endpoint because it does not have the required scope 'files.content.write'. The "
        "owner of the app can enable the scope for the app using the Permissions tab on the App "
        "Console."
    )
    return plain(400, text, "scope_taken")


def denied(what: str = "endpoint", told: str = "") -> Refused:
    """403 with an auth.AccessError; ``told`` is for the person."""
    tag = "invalid_account_type"
    error = {".tag": tag, tag: {".tag": what}}
    _checked(AccessError_validator, error)
    return refused(403, error, told=told)


def too_many(reason: str, seconds: int | None) -> Refused:
    """429 as JSON, with a Retry-After header where ``seconds`` are given."""
    error: dict[str, Any] = {"reason": {".tag": reason}}
    if seconds is not None:
        error["retry_after"] = seconds
    _checked(RateLimitError_validator, error)
    made = refused(429, error, reason)
    if seconds is not None:
        made.answer.headers["Retry-After"] = str(seconds)
    return made


def plain(status: int, text: str, reason: str) -> Refused:
    headers = {"Content-Type": "text/plain; charset=utf-8"}
    return Refused(Answer(status, headers, text.encode()), reason)


def refused(status: int, error: Mapping[str, Any], reason: str = "", told: str = "") -> Refused:
    summary = "/".join(_tags(error)) or reason
    body: dict[str, Any] = {"error_summary": f"{summary}/...", "error": error}
    if told:
        body["user_message"] = {"locale": "en", "text": told}
    return Refused(Answer(status, {"Content-Type": JSON}, dumped(body)), summary)


def dumped(obj: Any) -> bytes:
    return json.dumps(obj, separators=(",", ":")).encode()


def _tags(error: Any) -> list[str]:
    """Tags from the outside in, as Dropbox joins them in a summary."""
    if not isinstance(error, dict) or ".tag" not in error:
        return []
    tag = error[".tag"]
    inner = error.get(tag)
    return [tag, *(_tags(inner) if inner is not None else _tags(error.get("reason")))]


def _checked(kind: Any, obj: Any) -> None:
    try:
        decode(kind, obj, strict=True)
    except ValidationError as error:
        raise AssertionError(f"the sandbox made an answer Dropbox would not: {error}") from error

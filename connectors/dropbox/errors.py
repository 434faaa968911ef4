"""What Dropbox's refusals mean for the caller.

Sources: the Stone unions of the SDK (files.WriteError, files.LookupError,
files.UploadSessionLookupError, auth.AuthError...), Dropbox's error handling guide and its
performance guide. ``too_many_write_operations`` comes in three forms: as a 429, as a
WriteError and as the failure of one entry of a batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectors.errors import (
    CapacityExceeded,
    Fatal,
    ItemError,
    LimitReached,
    NotFound,
    OutpourError,
    PathConflict,
    SessionExpired,
    Throttled,
    Transient,
)
from connectors.headers import retry_after

RECONNECT = "run: outpour connect dropbox"
_ROOM = "Free space in Dropbox, get more of it, or add another sink; then run again."
_FULL = {
    "insufficient_space": "Dropbox is full",
    "team_folder_insufficient_space": "the team folder is full",
    "member_folder_insufficient_space": "the member's folder is full",
}
_RIGHTS = {
    "no_write_permission": "this account may not write to the folder",
    "access_restricted": "a team administrator does not allow it",
    "team_folder": "the folder is a team folder",
}


class NoRoute(ItemError):
    """The service, or a gateway before it, does not know or take such a request: its route
    is unknown, or its header or body is longer than something on the way allows."""


class Forbidden(Fatal):
    """The account, or the app, may not do this at all."""


class UsedUp(LimitReached):
    """A team has used up its uploads of a month, as Dropbox's page "Data transport limit" tells it;
    of a route that not all have it may be that the plan does not hold it."""


class SessionGone(OutpourError):
    """An upload session cannot be used any more: begin another one."""


def throttled(headers: Mapping[str, str], body: Any) -> Throttled:
    """A 429, whose wait stands in a header, in its JSON, or nowhere."""
    waits = [retry_after(headers)]
    reason = ""
    if isinstance(body, dict) and isinstance(body.get("error"), dict):
        reason = tag_of(body["error"].get("reason"))
        told = body["error"].get("retry_after")
        waits.append(float(told) if isinstance(told, int | float) else None)
    told_waits = [wait for wait in waits if wait is not None]
    what = "too many writes at once" if reason == "too_many_write_operations" else "fewer requests"
    return Throttled(
        f"Dropbox asks for a pause: {what}", retry_after=max(told_waits) if told_waits else None
    )


def forbidden(body: Any, *, uploading: bool) -> OutpourError:
    """A 403, with an auth.AccessError unless it is a gateway's."""
    if not isinstance(body, dict):
        return Transient("something before Dropbox refused a request (HTTP 403)")
    error = body.get("error")
    why = tag_of(error)
    told = body.get("user_message")
    if uploading and _is_feature(error) and isinstance(told, dict) and told.get("text"):
        return UsedUp(
            f"Dropbox takes no more uploads of this team: {told['text']}",
            hint="Wait for the next month, get a larger plan, or add another sink.",
        )
    return Forbidden(
        f"Dropbox does not let this account in ({why or 'no access'})",
        hint="Check the account, its team's rules for apps, and the app's status in the console.",
    )


def _is_feature(error: Any) -> bool:
    """Whether an auth.AccessError is of a feature that the account's plan does not hold."""
    if tag_of(error) != "invalid_account_type" or not isinstance(error, dict):
        return False
    return tag_of(error.get("invalid_account_type")) == "feature"


def sign_in_refused(error: Any) -> OutpourError:
    """An auth.AuthError union."""
    tag = tag_of(error)
    if tag == "missing_scope":
        return lacks(getattr(error.get_missing_scope(), "required_scope", ""))
    if tag == "expired_access_token":
        return Transient("Dropbox calls a fresh access token expired")
    if tag in ("user_suspended", "invalid_select_user", "invalid_select_admin"):
        return SessionExpired(
            f"Dropbox does not let this account in ({tag})",
            hint="Ask the team's administrator to restore it, then run again.",
        )
    return SessionExpired(f"the sign-in to Dropbox has ended ({tag})", hint=RECONNECT)


def lacks(scope: str) -> SessionExpired:
    """A permission that the app does not have, or not any more."""
    return SessionExpired(
        f"the app lacks the permission {scope}",
        hint=f"Tick {scope} under Permissions in the app console, submit, connect again.",
    )


def root_refused(error: Any) -> OutpourError:
    """A common.PathRootError union: the team's space is not where it was, or closed."""
    tag = tag_of(error)
    if tag == "no_permission":
        return Fatal(
            "Dropbox does not let this app into the team's space",
            hint="It takes an app with access to the Full Dropbox, and the member's right.",
        )
    return Fatal(
        f"Dropbox does not let this account into the team's space any more ({tag})",
        hint="Run again; if it says so again, ask the team's administrator.",
    )


def write_refused(error: Any, path: str) -> OutpourError:
    """A files.WriteError union. A file in the way is for the caller to compare first."""
    tag = tag_of(error)
    if tag in _FULL:
        return CapacityExceeded(f"{_FULL[tag]}: no room for {path}", hint=_ROOM)
    if tag == "upload_traffic_limit_reached":
        return LimitReached(
            "the account's monthly upload traffic is used up",
            hint="Wait for the next month, get a larger plan, or add another sink.",
        )
    if tag == "too_many_write_operations":
        return Throttled("Dropbox asks for a pause: too many writes at once")
    if tag == "conflict":
        return _in_the_way(tag_of(error.get_conflict()), path)
    if tag in _RIGHTS:
        return Fatal(
            f"Dropbox refuses to take files: {_RIGHTS[tag]}",
            hint="Choose another folder, or ask who manages this one.",
        )
    if tag == "operation_suppressed":
        return ItemError(
            f"Dropbox refuses {path}: it does not allow files there",
            hint="Choose another folder, or ask who manages this one.",
        )
    if tag in ("disallowed_name", "malformed_path"):
        return ItemError(
            f"Dropbox does not take the name {path} ({tag})",
            hint="Choose another path template for Dropbox.",
        )
    return Transient(f"Dropbox could not write {path} ({tag})")


def _in_the_way(what: str, path: str) -> OutpourError:
    if what == "file_ancestor":
        return ItemError(
            f"{path}: one of its folders is a file in Dropbox",
            hint="Rename that file, or choose another folder.",
        )
    return PathConflict(f"{path} holds other content in Dropbox ({what})")


def entry_refused(error: Any, path: str) -> OutpourError:
    """A files.UploadSessionFinishError union, of one file."""
    tag = tag_of(error)
    if tag == "path":
        return write_refused(error.get_path(), path)
    if tag == "too_many_write_operations":
        return Throttled("Dropbox asks for a pause: too many writes at once")
    if tag in ("lookup_failed", "concurrent_session_not_closed", "concurrent_session_missing_data"):
        why = tag_of(error.get_lookup_failed()) if tag == "lookup_failed" else tag
        return NotFound(
            f"the bytes of {path} are not at Dropbox ({why})", hint="They will be sent again."
        )
    if tag in ("properties_error", "encryption_not_supported"):
        return ItemError(f"Dropbox does not take {path} ({tag})")
    return Transient(f"Dropbox could not keep {path} ({tag})")


def path_refused(error: Any, path: str) -> OutpourError:
    """A files.LookupError union: reading, listing or asking for ``path``."""
    tag = tag_of(error)
    if tag == "not_found":
        return NotFound(f"{path or '/'} is not in Dropbox")
    return ItemError(f"Dropbox cannot show {path or '/'} ({tag})")


def tag_of(union: Any) -> str:
    """The tag of a Stone union or of its JSON; blank for neither."""
    if isinstance(union, dict):
        return str(union.get(".tag", ""))
    return union if isinstance(union, str) else str(getattr(union, "_tag", ""))

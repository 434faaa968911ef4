"""Errors, named by what the caller should do.

OutpourError
├── Transient           wait (``retry_after`` seconds where the place said so), then try again
│   ├── Paused          leave the whole place alone for so long; it is not the item's fault
│   │   └── Throttled   the same, and ask this place for less from then on
│   ├── Leftover        the same, and tell the person what stays there of this attempt
│   ├── Unready         the same, and tell the person: the place is busy with itself
│   └── Unreachable     nothing answers: it is the line, not the item; wait longer
├── SessionExpired      pause this place, ask the person to connect again, go on
├── CapacityExceeded    pause this sink, let policy route, resume when there is room
│   └── LimitReached    the same, though there may be room: only a try tells when it is over
│       └── DailyLimit  the same, and ``resume_at`` says when it will be over
├── ItemError           record it against this one item, go on with the others
│   ├── NotFound        the item is not there (any more)
│   ├── InBin           it lies in the place's own bin already: it is ours only if we asked before
│   ├── PathConflict    the path holds other content: choose another name
│   └── Unreadable      what the place gave makes no sense, or is less than it said
├── CursorLost          the change token is no longer honoured: list everything
└── Fatal               stop; the ledger keeps all that was reached
    ├── DiskFailed      a disk of this computer that everything needs cannot be used
    │   └── DiskFull    the same, because it has no room left
    └── Misconfigured   a person's mistake in settings or arguments

``hint`` is one sentence that tells a person what to do, empty where nothing helps but waiting.
A connector may subclass these for itself; the engine has one of its own, ``limits.GivenUp``.
Messages never carry a token, a password or a signed address (see ``redact``).
"""

from __future__ import annotations

import errno
import re
from datetime import datetime


class OutpourError(Exception):
    """Base of all errors a connector raises on purpose."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(redact(message))
        self.hint = hint

    @property
    def advice(self) -> str:
        """What is wrong and what to do, in one line."""
        if not self.hint:
            return str(self)
        return f"{str(self).rstrip('.')}. {self.hint[0].upper()}{self.hint[1:]}"


class Transient(OutpourError):
    """Trying again may help. ``retry_after`` is in seconds, None where the place said nothing."""

    def __init__(self, message: str, *, retry_after: float | None = None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class Paused(Transient):
    """The place cannot be asked for now, whatever it is asked.

    With a hint, the person is told while the place is waited for.
    """


class Throttled(Paused):
    """The place asks for fewer requests."""


class Unreachable(Transient):
    """No connection to the place can be made: its name, its host or this computer's network."""


class Leftover(Transient):
    """An attempt left something at the place that only a person can remove."""


class Unready(Transient):
    """The place cannot be used before it is done with work of its own, which may take long: the
    person is told while it is waited for."""


class SessionExpired(OutpourError):
    """The sign-in is no longer accepted; only a person can renew it."""


class CapacityExceeded(OutpourError):
    """The place has no room for this item. Nothing of the item is visible there."""


class LimitReached(CapacityExceeded):
    """The place takes no more, whatever room it has: a number of files, or the traffic of a
    month. How much is free does not tell when that is over."""


class DailyLimit(LimitReached):
    """A limit that time lifts. ``resume_at`` is timezone-aware."""

    def __init__(self, message: str, *, resume_at: datetime, hint: str = "") -> None:
        super().__init__(message, hint=hint or f"It goes on {resume_at.astimezone():%d %b %H:%M}.")
        self.resume_at = resume_at


class ItemError(OutpourError):
    """This item failed for good; others are not affected."""


class NotFound(ItemError):
    """The item does not exist at the place."""


class InBin(ItemError):
    """What was to be moved to the place's bin lies in it already."""


class PathConflict(ItemError):
    """The path is taken by different content, which stays untouched."""


class Unreadable(ItemError):
    """What the place gave for this item makes no sense, or is less than it said."""


class CursorLost(OutpourError):
    """The change token is unknown or too old; a full listing is needed."""


class Fatal(OutpourError):
    """Going on makes no sense. The ledger keeps what was reached."""


class DiskFailed(Fatal):
    """The disk of the ledger or of staging cannot be written: nothing can go on, at any place."""


class DiskFull(DiskFailed):
    """It has no room left: nothing can go on before there is some."""


class Misconfigured(Fatal):
    """A setting, an argument or a variable of the environment is wrong."""


def is_full(error: OSError) -> bool:
    """Whether the system refused for want of room, on the disk or in a person's share of it."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


_SECRETS = re.compile(
    # Query strings carry signatures and keys; urllib3 tells an address without its host.
    r"(?P<url>(?:https?://|(?<=url: )/)[^\s?\"'<>]+)\?[^\s\"'<>]+"
    r"|(?P<bearer>(?i:bearer)\s+)[A-Za-z0-9._~+/=-]+"
    r"|(?P<field>(?i:password|token|secret|session_id|upload_id|code)[\"']?\s*[:=]\s*[\"']?)"
    r"[^\s\"',}&]+"
)


def unexpected(error: BaseException) -> str:
    """An error that nobody raised on purpose, in one line without secrets."""
    told = str(error).partition("\n")[0]
    return redact(f"unexpected {type(error).__name__}: {told}")


def redact(text: str) -> str:
    """Return text with signed addresses, bearer tokens and secret-looking fields blanked."""

    def blank(match: re.Match[str]) -> str:
        kept = match.group("url") or match.group("bearer") or match.group("field") or ""
        return f"{kept}?…" if match.group("url") else f"{kept}…"

    return _SECRETS.sub(blank, text)

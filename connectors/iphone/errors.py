"""Why the phone cannot be asked right now, and what a person does about each reason."""

from __future__ import annotations

from enum import Enum


class Trouble(Enum):
    """(what is wrong, what to do); ``action`` and ``hint`` make one sentence of the latter."""

    NO_SERVICE = (
        "nothing on this computer talks to iPhones (no usbmuxd answers)",
        "Install usbmuxd, plug the iPhone in",
    )
    ABSENT = (
        "no iPhone is plugged in",
        "Plug the iPhone in with a cable that carries data, unlock it",
    )
    ANOTHER = (
        "the iPhone asked for is not plugged in",
        "Plug that iPhone in with a cable that carries data, unlock it, or name one that is there",
    )
    LOCKED = (
        "the iPhone is locked",
        "Unlock the iPhone with its passcode, leave it unlocked",
    )
    UNTRUSTED = (
        "the iPhone has not been told to trust this computer yet",
        "Unlock the iPhone, tap Trust, enter its passcode if it asks for it",
    )
    REFUSED = (
        "the iPhone was told not to trust this computer",
        "Unplug the iPhone, plug it in again, tap Trust when it asks",
    )
    UNPAIRED = (
        "the iPhone no longer knows this computer",
        "Unplug the iPhone, plug it in again, unlock it, tap Trust",
    )
    CUT = (
        "the connection to the iPhone broke off",
        "Plug the iPhone in again (try another cable or port if this repeats)",
    )
    SILENT = (
        "the iPhone stopped answering",
        "Unlock the iPhone, plug it in again if that does not help",
    )
    ODD = (
        "the iPhone gave an answer that is not understood",
        "Restart the iPhone, plug it in again",
    )

    @property
    def text(self) -> str:
        return self.value[0]

    @property
    def action(self) -> str:
        """For somebody who is waited for."""
        return f"{self.value[1]}."

    @property
    def hint(self) -> str:
        """For somebody who has to start again."""
        return f"{self.value[1]}, then run again."


class Away(Exception):
    """The phone cannot be asked right now; ``first``: what was under way met that before all else
    on its connections."""

    def __init__(self, trouble: Trouble, detail: str = "") -> None:
        super().__init__(f"{trouble.text}: {detail}" if detail else trouble.text)
        self.trouble = trouble
        self.first = False


class Missing(Exception):
    """Nothing is at that path."""


class Denied(Exception):
    """The phone answered, and refused this one operation; ``passing`` if asking again may help."""

    def __init__(self, message: str, *, passing: bool) -> None:
        super().__init__(message)
        self.passing = passing

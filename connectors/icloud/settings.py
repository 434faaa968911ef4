"""What may stand under an ``icloud`` place in YAML. Never a secret."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from connectors.registry import Settings


class Library(StrEnum):
    PRIMARY = "primary"
    SHARED = "shared"
    ALL = "all"


class ICloudSettings(Settings):
    """One Apple Account's photo library.

    ``account`` is the e-mail address signed in with; left out, the only account connected on
    this computer is meant. ``parallel`` is how many listing requests are under way at once.
    """

    account: str = ""
    library: Library = Library.PRIMARY
    china: bool = False
    hidden: bool = True
    trashed: bool = False
    parallel: int = Field(default=12, ge=1, le=32)


def same(one: ICloudSettings, other: ICloudSettings) -> bool | None:
    """Whether both are one library, however it is written; None where only the sign-in tells
    whose an account left out is, or both are libraries of one account."""
    accounts = {settings.account.strip().casefold() for settings in (one, other)}
    if len(accounts) > 1:
        return None if "" in accounts else False
    shared = {settings.library is Library.SHARED for settings in (one, other)}
    return True if len(shared) == 1 else None

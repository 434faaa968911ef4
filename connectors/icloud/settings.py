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

"""What may stand under an ``icloud`` place in YAML. Never a secret."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from connectors.registry import Settings

PASSWORD_VARIABLE = "OUTPOUR_ICLOUD_PASSWORD"  # noqa: S105  (its name)
"""The environment variable that may hold the password of one account."""


class Library(StrEnum):
    PRIMARY = "primary"
    SHARED = "shared"
    ALL = "all"


class ICloudSettings(Settings):
    """One Apple Account's photo library."""

    account: str = Field(
        default="",
        description="The e-mail address signed in with; left out, the only account connected on "
        "this computer is meant.",
    )
    library: Library = Field(
        default=Library.PRIMARY,
        description="primary: the account's own; shared: the Shared Photo Library; all: both.",
    )
    china: bool = Field(
        default=False, description="The account is of mainland China, where it has other hosts."
    )
    hidden: bool = Field(default=True, description="Also take what is hidden.")
    trashed: bool = Field(default=False, description="Also take what is in Recently Deleted.")
    parallel: int = Field(
        default=12, ge=1, le=32, description="Listing requests that are under way at once."
    )


def same(one: ICloudSettings, other: ICloudSettings) -> bool | None:
    """Whether both are one library, however it is written; None where only the sign-in tells
    whose an account left out is, or both are libraries of one account."""
    accounts = {settings.account.strip().casefold() for settings in (one, other)}
    if len(accounts) > 1:
        return None if "" in accounts else False
    shared = {settings.library is Library.SHARED for settings in (one, other)}
    return True if len(shared) == 1 else None

"""What may stand under a Google Drive sink in YAML. No secret is among it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal
from unicodedata import normalize
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from connectors.registry import Settings

SCOPE = "https://www.googleapis.com/auth/"
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


class DriveSettings(Settings):
    """A folder in My Drive or in a shared drive."""

    folder: str = Field(default="Outpour", description="The path below which copies are kept.")
    drive: str | None = Field(
        default=None, description="The id of a shared drive; without it My Drive is meant."
    )
    scope: Literal["drive.file", "drive"] = Field(
        default="drive.file",
        description="drive.file reaches only what Outpour made; drive reaches everything, and is "
        "needed where the folder or the shared drive was made by others.",
    )
    account: str = Field(
        default="default", description="Tells sign-ins apart where a pipeline uses two."
    )
    client: Path | None = Field(
        default=None,
        description="A client file from Google's console; otherwise the environment says.",
    )
    service_account: Path | None = Field(
        default=None, description="The key file of a service account, which then signs in."
    )
    impersonate: str | None = Field(
        default=None, description="The person that the service account acts for."
    )
    root_url: str = Field(
        default="https://www.googleapis.com/", description="Of a gateway instead of Google itself."
    )
    chunk_mib: int = Field(
        default=1024,
        ge=1,
        le=1024 * 1024,
        description="The most that one upload request carries, in MiB.",
    )

    @field_validator("folder")
    @classmethod
    def _a_path(cls, folder: str) -> str:
        parts = normalize("NFC", folder).strip("/").split("/")  # as names are compared there
        if any(part in ("", ".", "..") for part in parts):
            raise ValueError("folder names a folder in Drive, such as Outpour or Backups/Photos")
        return "/".join(parts)

    @field_validator("root_url")
    @classmethod
    def _a_root(cls, url: str) -> str:
        split = urlsplit(url)
        if not split.hostname or split.scheme not in ("http", "https"):
            raise ValueError("root_url is an address such as https://gateway.example.com/google/")
        if split.scheme == "http" and split.hostname not in _LOOPBACK:
            raise ValueError("root_url must be https: a sign-in would travel readable over http")
        return url.rstrip("/") + "/"

    @model_validator(mode="after")
    def _a_service_account_that_can_work(self) -> DriveSettings:
        if self.impersonate and not self.service_account:
            raise ValueError("impersonate needs service_account, the key file that acts for them")
        if self.service_account and not (self.drive or self.impersonate):
            raise ValueError(
                "a service account owns no storage, so its uploads would be refused: "
                "give drive (a shared drive it is a member of) or impersonate (a person)"
            )
        return self

    @property
    def person(self) -> str:
        """Whose My Drive is meant, as far as settings tell: a person that a service account acts
        for, or the name of a sign-in."""
        return self.impersonate.casefold() if self.impersonate else self.account

    @property
    def scopes(self) -> list[str]:
        return [SCOPE + self.scope]


def same(one: DriveSettings, other: DriveSettings) -> bool | None:
    """Whether both are one folder: of a shared drive, whoever signs in; None where two sign-ins may
    be of one person."""
    if (one.drive, one.folder) != (other.drive, other.folder):
        return False
    if one.drive is not None:
        return True
    who = [(s.account, s.service_account, s.impersonate, s.root_url) for s in (one, other)]
    return True if who[0] == who[1] else None

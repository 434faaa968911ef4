"""What may stand under a Dropbox sink in YAML. No secret is among it."""

from __future__ import annotations

import os
import re
from unicodedata import normalize

from pydantic import Field, field_validator

from connectors.errors import Misconfigured
from connectors.registry import Settings

GUIDE = (
    "Make one in Dropbox's App Console, for free: an app with scoped access, its permissions for "
    "account_info.read and the files ticked; then copy its App key."
)
_KEY = "OUTPOUR_DROPBOX_APP_KEY"
# Sources: Dropbox's help on names that it refuses and on files that it ignores.
_REFUSED = re.compile(r"[\\\x00-\x1f\x7f]")
_LONGEST = 255  # characters of one name
_IGNORED = frozenset(
    ("desktop.ini", "thumbs.db", ".ds_store", ".dropbox", ".dropbox.attr", ".dropbox.cache")
)
# Dropbox's own type, common.EmailAddress: the SDK takes no other.
_ADDRESS = r"^['#&A-Za-z0-9._%+-]+@[A-Za-z0-9-][A-Za-z0-9.-]*\.[A-Za-z]{2,15}$"
_HOST = re.compile(r"[A-Za-z0-9.-]+(:\d{1,5})?")


class DropboxSettings(Settings):
    """A folder in a person's Dropbox, or in a team's. The hosts are always spoken to over TLS."""

    folder: str = Field(
        default="/Outpour",
        description="Where copies are kept; blank is the top, which for an app with a folder of "
        "its own is that folder.",
    )
    app_key: str | None = Field(
        default=None,
        description="Names the app from Dropbox's console; no secret. Otherwise the environment "
        "says, or the sign-in remembers.",
    )
    account: str = Field(
        default="default", description="Tells sign-ins apart where a pipeline uses two."
    )
    impersonate: str | None = Field(
        default=None,
        description="The address of the member of a team to act for; an administrator of the team "
        "connects, once for all of them.",
    )
    team_space: bool = Field(
        default=False,
        description="The folder lies in the space of the person's team, where others of the team "
        "may see it, and not in the person's own.",
    )
    api_host: str = Field(
        default="api.dropboxapi.com",
        description="Of a gateway instead of Dropbox itself, with a port where it is not 443.",
    )
    content_host: str = Field(
        default="content.dropboxapi.com", description="The same, for the bytes of files."
    )
    web_host: str = Field(
        default="www.dropbox.com", description="The same, for signing in with a browser."
    )

    @field_validator("folder")
    @classmethod
    def _a_path(cls, folder: str) -> str:
        folder = normalize("NFC", folder).strip("/")
        if not folder:
            return ""
        parts = folder.split("/")
        if any(part in ("", ".", "..") or part != part.strip() for part in parts):
            raise ValueError("folder names a folder in Dropbox, such as /Outpour, or is blank")
        for part in parts:
            if _REFUSED.search(part) or len(part) > _LONGEST or part.lower() in _IGNORED:
                raise ValueError(f"Dropbox takes no folder called {part}: choose another name")
        return "/" + "/".join(parts)

    @field_validator("app_key")
    @classmethod
    def _a_key(cls, key: str | None) -> str | None:
        if key is not None and not re.fullmatch(r"[a-z0-9]{5,40}", key):
            raise ValueError("app_key is the short key of letters and digits in the app console")
        return key

    @field_validator("impersonate")
    @classmethod
    def _a_member(cls, address: str | None) -> str | None:
        if address is not None and not re.fullmatch(_ADDRESS, address):
            raise ValueError("impersonate is the address of a member, such as ann@example.com")
        return address

    @field_validator("api_host", "content_host", "web_host")
    @classmethod
    def _a_host(cls, host: str) -> str:
        if not _HOST.fullmatch(host):
            raise ValueError("a host is a name such as dropbox.gateway.example.com, without https:")
        return host


def same(one: DropboxSettings, other: DropboxSettings) -> bool | None:
    """Whether both are one folder, whose name Dropbox reads without regard to case; None where two
    sign-ins may be of one account, and two members may see one folder of their team."""
    if one.folder.lower() != other.folder.lower():
        return False
    who = [(s.account, s.api_host, _lower(s.impersonate), s.team_space) for s in (one, other)]
    return True if who[0] == who[1] else None


def _lower(address: str | None) -> str | None:
    return address and address.lower()


def app_key(settings: DropboxSettings) -> str:
    """The key of the app to sign in with; Misconfigured where nobody says one."""
    key = settings.app_key or os.environ.get(_KEY)
    if not key:
        raise Misconfigured(f"Dropbox needs an app key: set 'app_key' or {_KEY}", hint=GUIDE)
    return key

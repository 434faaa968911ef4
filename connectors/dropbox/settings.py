"""What may stand under a Dropbox sink in YAML. No secret is among it."""

from __future__ import annotations

import os
import re
from unicodedata import normalize

from pydantic import field_validator

from connectors.errors import Misconfigured
from connectors.registry import Settings

GUIDE = "docs/cloud-sign-in.md shows how to get an app key of your own in five minutes."
_KEY = "OUTPOUR_DROPBOX_APP_KEY"
_HOST = re.compile(r"[A-Za-z0-9.-]+(:\d{1,5})?")


class DropboxSettings(Settings):
    """``folder`` is where copies are kept, such as /Outpour; blank is the top, which for an
    app with a folder of its own is that folder.

    ``app_key`` names the app from Dropbox's console and is no secret (otherwise the
    environment says, or the sign-in remembers). ``account`` tells sign-ins apart where a
    pipeline uses two. The hosts replace Dropbox's own by those of a gateway, with a port
    where it is not 443; they are always spoken to over TLS.
    """

    folder: str = "/Outpour"
    app_key: str | None = None
    account: str = "default"
    api_host: str = "api.dropboxapi.com"
    content_host: str = "content.dropboxapi.com"
    web_host: str = "www.dropbox.com"

    @field_validator("folder")
    @classmethod
    def _a_path(cls, folder: str) -> str:
        folder = normalize("NFC", folder).strip("/")
        if not folder:
            return ""
        parts = folder.split("/")
        if any(part in ("", ".", "..") or part != part.strip() for part in parts):
            raise ValueError("folder names a folder in Dropbox, such as /Outpour, or is blank")
        return "/" + "/".join(parts)

    @field_validator("app_key")
    @classmethod
    def _a_key(cls, key: str | None) -> str | None:
        if key is not None and not re.fullmatch(r"[a-z0-9]{5,40}", key):
            raise ValueError("app_key is the short key of letters and digits in the app console")
        return key

    @field_validator("api_host", "content_host", "web_host")
    @classmethod
    def _a_host(cls, host: str) -> str:
        if not _HOST.fullmatch(host):
            raise ValueError("a host is a name such as dropbox.gateway.example.com, without https:")
        return host


def dropbox_settings(settings: Settings) -> DropboxSettings:
    """The settings as what they are; Misconfigured if they are another place's."""
    if not isinstance(settings, DropboxSettings):
        raise Misconfigured(f"these are no Dropbox settings: {type(settings).__name__}")
    return settings


def app_key(settings: DropboxSettings) -> str:
    """The key of the app to sign in with; Misconfigured where nobody says one."""
    key = settings.app_key or os.environ.get(_KEY)
    if not key:
        raise Misconfigured(f"Dropbox needs an app key: set 'app_key' or {_KEY}", hint=GUIDE)
    return key

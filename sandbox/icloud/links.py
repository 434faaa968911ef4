"""Signed addresses on the content host, good for an hour, and what they lead to.

Nothing is kept: an address carries which file it is for, until when, and a signature.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping
from typing import Any

from sandbox.faults import Faults
from sandbox.library import Asset, File

LIFETIME = 3600


class Links:
    """``lifetime`` is in seconds; ``clock`` can be moved to make addresses old."""

    def __init__(self, faults: Faults, host: str) -> None:
        self.lifetime = LIFETIME
        self.ahead = 0.0  # seconds the content host's clock runs ahead of now
        self._faults = faults
        self.host = host
        self._key = secrets.token_bytes(16)

    def now(self) -> float:
        return time.time() + self.ahead

    def checksum(self, asset: Asset, file: File) -> str:
        """The file's fingerprint, or one of a scheme nobody can recompute."""
        known = file.fingerprint
        if self._faults.hit("foreign_checksum", asset.id):
            raw = base64.b64decode(known)
            return base64.b64encode(b"\x81" + hashlib.sha1(raw).digest()).decode()
        return known

    def has(self, trait: str, asset: Asset) -> bool:
        """Whether an asset's records are of some kind that is asked for as a fault."""
        return self._faults.hit(trait, f"record/{asset.id}")

    def token(self, asset: Asset, file: File, zone: Mapping[str, Any]) -> dict[str, Any]:
        """The value of an ASSETID field."""
        checksum = self.checksum(asset, file)
        seed = hashlib.blake2b(file.content.tag.encode(), digest_size=36).digest()
        reference = base64.b64encode(b"\x01" + seed[:20]).decode()
        wrapping = base64.b64encode(seed[20:]).decode()
        until = int(self.now() + self.lifetime)
        what = _pack(f"{asset.number}/{file.role}/{file.content.tag}")
        path = (checksum + reference).translate(_URL)
        size = file.size
        if self._faults.hit("wrong_size", asset.id):
            size += 7
        return {
            "fileChecksum": checksum,
            "size": size,
            "wrappingKey": wrapping,
            "referenceChecksum": reference,
            "downloadURL": f"{self.host}/B/{path}/${{f}}?o={what}&v=1&x=3&a={_pack(reference)}"
            f"&e={until}&fl=&r=00000000-0000-4000-8000-000000000000-1"
            f"&k={wrapping.translate(_URL).rstrip('=')}&ckc=com.apple.photos.cloud"
            f"&ckz={zone['zoneName']}&y=1&p=61&s={self._sign(what, str(until))}",
        }

    def open(self, query: Mapping[str, str]) -> tuple[int, str, str] | None:
        """The asset's number, the role and the content's tag; None for a bad signature."""
        what, until = query.get("o", ""), query.get("e", "")
        if not hmac.compare_digest(query.get("s", ""), self._sign(what, until)):
            return None
        number, role, tag = _unpack(what).split("/", 2)
        return int(number), role, tag

    def expired(self, query: Mapping[str, str]) -> bool:
        return self.now() > int(query.get("e", "0"))

    def _sign(self, what: str, until: str) -> str:
        mark = hmac.new(self._key, f"{what}\0{until}".encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(mark[:20]).rstrip(b"=").decode()


_URL = str.maketrans("+/", "-_")


def _pack(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def _unpack(text: str) -> str:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()

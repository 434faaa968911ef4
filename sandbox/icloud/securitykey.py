"""A FIDO2 security key of the account: Apple's side checks it, a test may play the key."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

_RP = "apple.com"


class SecurityKey:
    """``handle`` is the credential id, base64url without padding."""

    def __init__(self) -> None:
        self._private = ec.generate_private_key(ec.SECP256R1())
        self._credential = secrets.token_bytes(32)
        self.handle = _url(self._credential)

    def answer(self, challenge: str) -> dict[str, str]:
        """What the touched key makes of a challenge, as the client sends it to Apple."""
        client = json.dumps(
            {"type": "webauthn.get", "challenge": challenge, "origin": "https://apple.com"}
        ).encode()
        device = hashlib.sha256(_RP.encode()).digest() + b"\x01" + bytes(4)
        signed = device + hashlib.sha256(client).digest()
        return {
            "challenge": challenge,
            "clientData": _plain(client),
            "signatureData": _plain(self._private.sign(signed, ec.ECDSA(hashes.SHA256()))),
            "authenticatorData": _plain(device),
            "userHandle": "",
            "credentialID": _plain(self._credential),
            "rpId": _RP,
        }

    def check(self, body: dict[str, Any], challenge: str) -> bool:
        try:
            client = base64.b64decode(body["clientData"])
            device = base64.b64decode(body["authenticatorData"])
            signature = base64.b64decode(body["signatureData"])
            if json.loads(client)["challenge"] != challenge or body["rpId"] != _RP:
                return False
            if base64.b64decode(body["credentialID"]) != self._credential:
                return False
            signed = device + hashlib.sha256(client).digest()
            self._private.public_key().verify(signature, signed, ec.ECDSA(hashes.SHA256()))
        except (InvalidSignature, KeyError, ValueError, TypeError):
            return False
        return device[:32] == hashlib.sha256(_RP.encode()).digest()


def _url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _plain(data: bytes) -> str:
    return base64.b64encode(data).decode()

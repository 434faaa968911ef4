"""The server's half of Apple's SRP-6a sign-in, verified for real.

RFC 5054 group of 2048 bits, SHA-256, no user name in x. The password is first hashed with
SHA-256 and then stretched with PBKDF2 (protocol ``s2k``: over the raw digest, ``s2k_fo``:
over its hex form).
"""

from __future__ import annotations

import hashlib
import hmac
import os

_N = int(
    "AC6BDB41324A9A9BF166DE5E1389582FAF72B6651987EE07FC3192943DB56050A37329CBB4"
    "A099ED8193E0757767A13DD52312AB4B03310DCD7F48A9DA04FD50E8083969EDB767B0CF60"
    "95179A163AB3661A05FBD5FAAAE82918A9962F0B93B855F97993EC975EEAA80D740ADBF4FF"
    "747359D041D5C33EA71D281E446B14773BCA97B43A23FB801676BD207A436C6481F1D2B907"
    "8717461A5B9D32E688F87748544523B524B0D57D5EA77A2775D2ECFA032CFBDBF52FB37861"
    "60279004E57AE6AF874E7303CE53299CCC041C7BC308D82A5698F3A8D0C38271AE35F8E9DB"
    "FBB694B5C803D89F7AE435DE236D525F54759B65E372FCD68EF20FA7111F9E4AFF73",
    16,
)
_G = 2
_WIDTH = 256
ITERATIONS = 20_073
PROTOCOLS = ("s2k", "s2k_fo")


def _bytes(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def _hash(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def _padded(number: int) -> bytes:
    return number.to_bytes(_WIDTH, "big")


class Exchange:
    """One sign-in: made from the client's ``a``, then asked to ``check`` its proof."""

    def __init__(self, name: str, password: str, public: bytes, protocol: str) -> None:
        if protocol not in PROTOCOLS:
            raise ValueError(f"unknown protocol {protocol}")
        self._client = int.from_bytes(public, "big")
        if self._client % _N == 0:
            raise ValueError("the client's public value is zero")
        self.protocol = protocol
        # A common client drops leading zero bytes of the salt, so there are none.
        self.salt = b"\x51" + os.urandom(15)
        self._name = name.encode()
        digest = hashlib.sha256(password.encode()).digest()
        secret = digest.hex().encode() if protocol == "s2k_fo" else digest
        key = hashlib.pbkdf2_hmac("sha256", secret, self.salt, ITERATIONS, 32)
        x = int.from_bytes(_hash(self.salt, _hash(b":", key)), "big")
        self._verifier = pow(_G, x, _N)
        self._private = int.from_bytes(os.urandom(32), "big")
        k = int.from_bytes(_hash(_bytes(_N), _padded(_G)), "big")
        self._public = (k * self._verifier + pow(_G, self._private, _N)) % _N

    @property
    def public(self) -> bytes:
        """What the client gets as ``b``."""
        return _bytes(self._public)

    def check(self, proof: bytes, second: bytes) -> bool:
        """Whether ``m1`` and ``m2`` come from someone who knows the password."""
        u = int.from_bytes(_hash(_padded(self._client), _padded(self._public)), "big")
        shared = pow(self._client * pow(self._verifier, u, _N), self._private, _N)
        key = _hash(_bytes(shared))
        mixed = bytes(
            left ^ right for left, right in zip(_hash(_bytes(_N)), _hash(_padded(_G)), strict=True)
        )
        public = _bytes(self._client)
        expected = _hash(mixed, _hash(self._name), self.salt, public, self.public, key)
        return hmac.compare_digest(proof, expected) and hmac.compare_digest(
            second, _hash(public, proof, key)
        )

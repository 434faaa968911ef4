"""Which certificates are trusted.

The environment says so as it does to requests, and by SSL_CERT_FILE too, which requests does not
know; without a word of it, those of certifi are.
"""

from __future__ import annotations

import os
import ssl
from pathlib import Path

import certifi

from connectors.errors import Misconfigured

_NAMES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")  # the strongest first


def ca_bundle() -> str:
    """The file, or the folder of hashed ones; Misconfigured where the one named is not there, or
    cannot be read: of that, requests would say only that a connection failed."""
    for name in _NAMES:
        if path := os.environ.get(name):
            if not Path(path).exists():
                raise Misconfigured(
                    f"{name} names certificates that are not there: {path}",
                    hint=f"correct {name}, or unset it",
                )
            _context(path)
            return path
    return certifi.where()


def trust() -> ssl.SSLContext:
    """A context that takes no others. Raises what ``ca_bundle`` raises."""
    return _context(ca_bundle())


def _context(bundle: str) -> ssl.SSLContext:
    folder = Path(bundle).is_dir()
    try:
        return ssl.create_default_context(
            cafile=None if folder else bundle, capath=bundle if folder else None
        )
    except (OSError, ssl.SSLError) as error:
        raise Misconfigured(
            f"the certificates in {bundle} cannot be read: {error}",
            hint=f"Correct or unset {', '.join(_NAMES)}.",
        ) from error

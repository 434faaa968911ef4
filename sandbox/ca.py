"""The sandbox's own certificate authority: any host name, certificates made on demand."""

from __future__ import annotations

import ssl
import threading
from datetime import datetime
from pathlib import Path
from typing import Any

import trustme


class _Served(ssl.SSLSocket):
    """Closed where the peer is gone before its handshake: ``ssl`` raises then, and leaves it open
    (CPython's ``SSLSocket._create`` asks for the peer before anything else)."""

    def getpeername(self) -> Any:
        try:
            return super().getpeername()
        except OSError:
            self.close()
            raise


def server_context() -> ssl.SSLContext:
    """What a double speaks TLS with; it has no certificate yet."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sslsocket_class = _Served
    context.num_tickets = 0  # no client here resumes sessions
    return context


class Authority:
    """A fresh authority; ``write`` gives the PEM that clients must trust.

    ``valid_from`` and ``valid_until`` bound the certificates of hosts: against a clock that
    is wrong, Apple's look expired or not valid yet.
    """

    def __init__(
        self, *, valid_from: datetime | None = None, valid_until: datetime | None = None
    ) -> None:
        self._from, self._until = valid_from, valid_until
        self._ca = trustme.CA(organization_name="Outpour sandbox")
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._lock = threading.Lock()

    def write(self, path: Path) -> None:
        self._ca.cert_pem.write_to_path(str(path))

    def context(self, host: str) -> ssl.SSLContext:
        """A server context with a certificate for ``host`` (a name or an IP address)."""
        with self._lock:
            context = self._contexts.get(host)
            if context is None:
                context = server_context()
                context.set_alpn_protocols(["http/1.1"])
                made = self._ca.issue_cert(
                    host.lower(), not_before=self._from, not_after=self._until
                )
                made.configure_cert(context)
                self._contexts[host] = context
            return context

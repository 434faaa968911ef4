"""The sandbox's own certificate authority: any host name, certificates made on demand."""

from __future__ import annotations

import ssl
import threading
from pathlib import Path

import trustme


class Authority:
    """A fresh authority; ``write`` gives the PEM that clients must trust."""

    def __init__(self) -> None:
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
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.set_alpn_protocols(["http/1.1"])
                context.num_tickets = 0  # no client here resumes sessions
                self._ca.issue_cert(host.lower()).configure_cert(context)
                self._contexts[host] = context
            return context

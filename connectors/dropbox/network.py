"""Connections to Dropbox: one pool for all threads, through whatever proxy is set.

requests takes proxies from the environment (HTTPS_PROXY, NO_PROXY; on macOS and Windows the
system's settings) and the CA from REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE. SSL_CERT_FILE, which
it does not know, is honoured too.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPSConnection
from urllib3.exceptions import NewConnectionError, ProxyError

from connectors import proxies
from connectors.errors import Fatal, Misconfigured, Transient, Unreachable

TIMEOUT = (10.0, 150.0)  # seconds to connect, and between bytes: 1,000 commits take their time


class _Adapter(HTTPAdapter):
    """Sends at once through a proxy too: urllib3 leaves Nagle's algorithm on there, which
    against delayed acknowledgements costs 40 ms for every request with a body."""

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        kwargs.setdefault("socket_options", HTTPSConnection.default_socket_options)
        return super().proxy_manager_for(proxy, **kwargs)


def session(connections: int) -> requests.Session:
    """A session whose pool keeps ``connections`` connections per host.

    It never repeats a request by itself. Misconfigured if SSL_CERT_FILE names nothing.
    """
    made = requests.Session()
    made.mount("https://", _Adapter(4, connections, max_retries=0))
    bundle = os.environ.get("SSL_CERT_FILE")
    if bundle:
        if not Path(bundle).exists():
            raise Misconfigured(f"SSL_CERT_FILE names {bundle}, which does not exist")
        made.verify = bundle  # REQUESTS_CA_BUNDLE, where set, is stronger
    return made


def explain(error: requests.RequestException | OSError, host: str) -> Transient | Fatal:
    """The meaning of a request that brought no answer."""
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return Fatal(
            f"the certificate of {host} is not trusted",
            hint="Behind a company proxy set REQUESTS_CA_BUNDLE to its CA; check the clock too.",
        )
    if isinstance(error, requests.exceptions.ProxyError) and _refused(error):
        return Unreachable(
            f"{host} cannot be reached through the proxy", hint="Check HTTPS_PROXY and NO_PROXY."
        )
    if isinstance(error, OSError) and "CA certificate bundle" in str(error):
        return Fatal(f"{host}: {error}", hint="Correct or unset REQUESTS_CA_BUNDLE.")
    if _unconnected(error):
        return Unreachable(f"{host} cannot be reached", hint="Check the network connection.")
    return Transient(
        f"the connection to {host} failed ({type(error).__name__})", hint="Check the network."
    )


def _unconnected(error: requests.RequestException | OSError) -> bool:
    """Whether not even a connection could be made."""
    return isinstance(error, requests.exceptions.ConnectTimeout) or isinstance(
        _inner(error), NewConnectionError
    )


def _refused(error: requests.exceptions.ProxyError) -> bool:
    inner = _inner(error)
    return not isinstance(inner, ProxyError) or proxies.refused(inner)


def _inner(error: requests.RequestException | OSError) -> object:
    """urllib3's own error behind one of requests."""
    inner = error.args[0] if error.args else None
    return getattr(inner, "reason", inner)

"""How this machine reaches Apple: certificates, proxies, Retry-After, quiet logs.

Everything obeys the environment as requests does (``HTTPS_PROXY``, ``NO_PROXY``,
``REQUESTS_CA_BUNDLE``, ``CURL_CA_BUNDLE``), and ``SSL_CERT_FILE`` too, which requests does not.
"""

from __future__ import annotations

import logging
import os
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import certifi
import requests.utils
import urllib3
import urllib3.exceptions
from requests.adapters import HTTPAdapter

from connectors import proxies
from connectors.errors import Fatal, Misconfigured, Unreachable

CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 60.0
_STREAM_TIMEOUT = 30.0  # between two packets of a body
_CONNECTIONS = 32  # for each host: more than any engine opens at once
# urllib3 leaves Nagle's algorithm on behind a proxy: against delayed acknowledgements it would
# cost 40 ms for every request with a body.
_AT_ONCE = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]


def ca_bundle() -> str:
    """The file (or folder) of trusted certificates; Misconfigured when it is missing."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        if path := os.environ.get(name):
            if Path(path).exists():
                return path
            raise Misconfigured(
                f"{name} names certificates that are not there: {path}",
                hint=f"correct {name}, or unset it",
            )
    return certifi.where()


class Adapter(HTTPAdapter):
    """What a requests session needs to serve many threads well."""

    def __init__(self) -> None:
        super().__init__(pool_connections=8, pool_maxsize=_CONNECTIONS)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        return super().proxy_manager_for(proxy, socket_options=_AT_ONCE, **kwargs)


class Network:
    """Pooled connections to content hosts, made for the environment as it was at first use."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pools: dict[str, urllib3.PoolManager] = {}
        self._proxies: dict[str, str] = {}  # by host: the environment is slow to ask
        self._context: ssl.SSLContext | None = None

    def pool(self, url: str) -> urllib3.PoolManager:
        """The pool that reaches ``url``, through a proxy where the environment names one."""
        scheme, _, rest = url.partition("://")
        host = f"{scheme}://{rest.partition('/')[0]}"
        with self._lock:
            proxy = self._proxies.get(host)
            if proxy is None:
                proxies = requests.utils.get_environ_proxies(host)
                proxy = self._proxies[host] = requests.utils.select_proxy(host, proxies) or ""
            if proxy not in self._pools:
                self._pools[proxy] = self._make(proxy)
            return self._pools[proxy]

    def close(self) -> None:
        with self._lock:
            pools, self._pools = self._pools, {}
        for pool in pools.values():
            pool.clear()

    def _make(self, proxy: str) -> urllib3.PoolManager:
        if self._context is None:
            bundle = Path(ca_bundle())
            folder = bundle.is_dir()
            self._context = ssl.create_default_context(
                cafile=None if folder else bundle, capath=bundle if folder else None
            )
        timeout = urllib3.Timeout(connect=CONNECT_TIMEOUT, read=_STREAM_TIMEOUT)
        if not proxy:
            return urllib3.PoolManager(
                maxsize=_CONNECTIONS, retries=False, timeout=timeout, ssl_context=self._context
            )
        if "://" not in proxy:
            proxy = f"http://{proxy}"
        user, password = requests.utils.get_auth_from_url(proxy)
        headers = urllib3.make_headers(proxy_basic_auth=f"{user}:{password}") if user else None
        return urllib3.ProxyManager(
            proxy,
            maxsize=_CONNECTIONS,
            retries=False,
            timeout=timeout,
            ssl_context=self._context,
            proxy_headers=headers,
            socket_options=_AT_ONCE,
        )


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and all it came from, outermost first."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


_NOT_YET_VALID, _EXPIRED = 9, 10  # OpenSSL's X509_V_ERR_CERT_NOT_YET_VALID, _HAS_EXPIRED


def untrusted(error: BaseException) -> Fatal | None:
    """What to say when the cause is a certificate that is not trusted here; None if it is not.

    Waiting does not help, so nothing of it is Transient.
    """
    # urllib3 keeps the real one only as an argument of its own.
    for known in (part for cause in causes(error) for part in (cause, *cause.args)):
        if not isinstance(known, ssl.SSLCertVerificationError):
            continue
        if known.verify_code in {_NOT_YET_VALID, _EXPIRED}:
            wrong = "is not valid yet" if known.verify_code == _NOT_YET_VALID else "has expired"
            return Fatal(
                f"by this computer's clock ({date.today():%d %B %Y}) iCloud's certificate {wrong}",
                hint="Correct this computer's date and time, then run again.",
            )
        return Fatal(
            f"iCloud's certificate is not trusted here ({known.verify_message})",
            hint="Where a proxy or virus scanner looks into connections, name its certificate in "
            "REQUESTS_CA_BUNDLE; otherwise try another network.",
        )
    return None


_NO_CONNECTION = (
    urllib3.exceptions.NewConnectionError,  # no such host, nobody there, no network
    urllib3.exceptions.ConnectTimeoutError,
)


def unreachable(error: BaseException) -> Unreachable | None:
    """What it means that not even a connection could be made; None where one was."""
    for cause in causes(error):
        for part in (cause, *cause.args, getattr(cause, "reason", None)):
            if isinstance(part, urllib3.exceptions.ProxyError) and proxies.refused(part):
                return Unreachable(
                    "iCloud cannot be reached through the proxy",
                    hint="Check HTTPS_PROXY and NO_PROXY.",
                )
            if isinstance(part, _NO_CONNECTION):
                return Unreachable("iCloud cannot be reached", hint="Check the network connection.")
    return None


class _NoQueries(logging.Filter):
    """Drops query strings: pyicloud and urllib3 log whole signed addresses at DEBUG level."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = re.sub(r"\?[^\s\"'<>]+", "?…", record.getMessage())
        record.args = ()
        return True


_LOGGERS = (
    "pyicloud.base",
    "pyicloud.common.cloudkit.client",
    "pyicloud.hsa2_bridge",
    "pyicloud.services.photos_cloudkit.upload",
    "pyicloud.session",
    "urllib3.connectionpool",
)


def keep_logs_clean() -> None:
    """Make these libraries' logs fit to be shown. Repeating changes nothing."""
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(known, _NoQueries) for known in logger.filters):
            logger.addFilter(_NoQueries())

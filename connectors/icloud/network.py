"""How this machine reaches Apple: certificates, proxies, Retry-After, quiet logs.

Everything obeys the environment as requests does (``HTTPS_PROXY``, ``NO_PROXY``,
``REQUESTS_CA_BUNDLE``, ``CURL_CA_BUNDLE``), and ``SSL_CERT_FILE`` too, which requests does not.
"""

from __future__ import annotations

import logging
import re
import socket
import ssl
import threading
from typing import Any

import requests.utils
import urllib3
from requests.adapters import HTTPAdapter

from connectors.certificates import trust

CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 60.0
_STREAM_TIMEOUT = 30.0  # between two packets of a body
_CONNECTIONS = 32  # for each host: more than any engine opens at once
# urllib3 leaves Nagle's algorithm on behind a proxy: against delayed acknowledgements it would
# cost 40 ms for every request with a body.
_AT_ONCE = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]


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
            self._context = trust()
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

"""Kept-alive connections for many threads, through whatever proxy is set.

Proxies come from the environment (HTTPS_PROXY, NO_PROXY; on macOS and Windows from the system's
settings), as it is when a host is first asked.
"""

from __future__ import annotations

import ssl
import threading
import urllib.request
from functools import cache
from typing import Any
from urllib.parse import unquote, urlsplit

import urllib3

from connectors.certificates import trust
from connectors.errors import Misconfigured
from connectors.sending import SOCKET_OPTIONS, steady

CONNECT_TIMEOUT = 10.0  # seconds


class Pools:
    """Thread-safe; ``connections`` are kept to each host. What is closed may be used again."""

    def __init__(self, connections: int) -> None:
        self._connections = connections
        self._tls: ssl.SSLContext | None = None
        self._by_proxy: dict[str, urllib3.PoolManager] = {}
        self._by_host: dict[tuple[str, str], urllib3.PoolManager] = {}
        self._lock = threading.Lock()

    def reaching(self, url: str) -> urllib3.PoolManager:
        """What connects to the host of ``url``.

        Misconfigured where the environment names a proxy or certificates that cannot be used.
        """
        split = urlsplit(url)
        host = (split.scheme, split.netloc)
        with self._lock:
            found = self._by_host.get(host)
            if found is None:
                proxy = proxy_for(*host)  # slow to ask
                found = self._by_proxy.get(proxy) or self._made(proxy)
                self._by_host[host] = self._by_proxy[proxy] = found
        return found

    def close(self) -> None:
        """Close what is idle; requests in flight end first."""
        with self._lock:
            pools = list(self._by_proxy.values())
            self._by_proxy.clear()
            self._by_host.clear()
        for pool in pools:
            pool.clear()

    def _made(self, proxy: str) -> urllib3.PoolManager:
        self._tls = self._tls or trust()
        made = self._through(proxy) if proxy else urllib3.PoolManager(**self._options)
        steady(made)
        return made

    @property
    def _options(self) -> dict[str, Any]:
        most = self._connections
        return {"maxsize": most, "ssl_context": self._tls, "socket_options": SOCKET_OPTIONS}

    def _through(self, proxy: str) -> urllib3.ProxyManager:
        check_proxy(proxy)
        split = urlsplit(proxy)
        if split.scheme not in ("http", "https"):
            raise unusable(proxy)
        headers = {}
        if split.username:
            login = f"{unquote(split.username)}:{unquote(split.password or '')}"
            headers = urllib3.make_headers(proxy_basic_auth=login)
        return urllib3.ProxyManager(proxy, proxy_headers=headers, **self._options)


@cache
def check_proxy(proxy: str) -> None:
    """Misconfigured where nobody can make out the address of the proxy."""
    split = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    try:
        found = split.hostname and (split.port is None or split.port > 0)
    except ValueError:
        found = False
    if not found:
        where = split.netloc.rpartition("@")[2]  # without a password
        hint = "Write it as http://proxy.example.com:3128 in HTTPS_PROXY."
        raise Misconfigured(f"{where or 'that'} is no address of a proxy", hint=hint)


def unusable(proxy: str) -> Misconfigured:
    """The error for a proxy of a kind that nobody here speaks with."""
    kind = urlsplit(proxy).scheme
    return Misconfigured(
        f"a {kind} proxy is not supported; use an http one", hint="Check HTTPS_PROXY and NO_PROXY."
    )


def proxy_for(scheme: str, host: str) -> str:
    """The proxy for an address, blank for none."""
    if urllib.request.proxy_bypass(host):
        return ""
    proxies = urllib.request.getproxies()
    proxy = proxies.get(scheme) or proxies.get("all") or ""
    return proxy if "://" in proxy or not proxy else f"http://{proxy}"

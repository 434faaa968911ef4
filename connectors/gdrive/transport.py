"""One pool of kept-alive connections for all threads, through whatever proxy is set.

httplib2, which Google's client brings, ignores HTTPS_PROXY and is not thread-safe; the client
takes any object with its ``request`` method instead, and this is one. Proxies come from the
environment (HTTPS_PROXY, NO_PROXY; on macOS and Windows the system's settings), the CA from
REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE or SSL_CERT_FILE, else from certifi.
"""

from __future__ import annotations

import threading
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

import urllib3
import urllib3.exceptions as broken
from urllib3.connection import HTTPConnection

from connectors.certificates import trust
from connectors.errors import Misconfigured
from connectors.unanswered import explain

Body = bytes | Callable[[], Iterable[bytes]] | None
"""Bytes, or what makes a fresh stream of them for each attempt (with Content-Length set)."""

_TIMEOUT = urllib3.Timeout(connect=10, read=120)  # Drive takes its time to seal a large file


@dataclass(frozen=True, slots=True)
class Answer:
    """Header names are lower-case."""

    status: int
    headers: Mapping[str, str]
    data: bytes


class Transport:
    """Thread-safe. Every failure to get an answer is Transient, save a refused certificate."""

    def __init__(self, connections: int) -> None:
        self._connections = connections
        self._tls = trust()
        self._pools: dict[str, urllib3.PoolManager] = {}
        self._routes: dict[tuple[str, str], urllib3.PoolManager] = {}
        self._lock = threading.Lock()

    def send(self, method: str, url: str, headers: Mapping[str, str], body: Body = None) -> Answer:
        response = self.open(method, url, headers, body, preload=True)
        lowered = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status, lowered, response.data)

    def open(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: Body = None,
        *,
        preload: bool = False,
    ) -> urllib3.BaseHTTPResponse:
        """Send one request, following no redirect; the body is left to read unless preloaded."""
        try:
            return self._route(url).request(
                method,
                url,
                headers=dict(headers),
                body=body() if callable(body) else body,
                preload_content=preload,
                redirect=False,
                retries=False,
                timeout=_TIMEOUT,
            )
        except (broken.HTTPError, OSError) as error:
            raise explain(error, urlsplit(url).hostname or "") from error

    def close(self) -> None:
        with self._lock:
            for pool in self._pools.values():
                pool.clear()

    def _route(self, url: str) -> urllib3.PoolManager:
        split = urlsplit(url)
        key = (split.scheme, split.netloc)
        route = self._routes.get(key)
        if route is None:
            with self._lock:
                proxy = proxy_for(split.scheme, split.netloc)
                route = self._pools.get(proxy)
                if route is None:
                    route = self._pools[proxy] = self._pool(proxy)
                self._routes[key] = route
        return route

    def _pool(self, proxy: str) -> urllib3.PoolManager:
        most = self._connections
        if not proxy:
            return urllib3.PoolManager(8, maxsize=most, block=False, ssl_context=self._tls)
        split = urlsplit(proxy)
        if split.scheme not in ("http", "https"):
            raise Misconfigured(f"a {split.scheme} proxy is not supported; use an http one")
        headers = {}
        if split.username:
            login = f"{unquote(split.username)}:{unquote(split.password or '')}"
            headers = urllib3.make_headers(proxy_basic_auth=login)
        return urllib3.ProxyManager(
            proxy, 8, proxy_headers=headers, maxsize=most, ssl_context=self._tls,
            # As without a proxy; there urllib3 lets small requests wait for acknowledgements.
            socket_options=HTTPConnection.default_socket_options,
        )  # fmt: skip


def proxy_for(scheme: str, host: str) -> str:
    """The proxy for an address, blank for none."""
    if urllib.request.proxy_bypass(host):
        return ""
    proxies = urllib.request.getproxies()
    proxy = proxies.get(scheme) or proxies.get("all") or ""
    return proxy if "://" in proxy or not proxy else f"http://{proxy}"

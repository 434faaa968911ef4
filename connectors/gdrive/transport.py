"""Requests to Google, of all threads, on one pool of connections.

httplib2, which Google's client brings, ignores HTTPS_PROXY and is not thread-safe; the client
takes any object with its ``request`` method instead, which ``Channel`` makes of this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import urllib3
import urllib3.exceptions as broken

from connectors.network_errors import network_error
from connectors.pools import CONNECT_TIMEOUT, Pools

RequestBody = bytes | Callable[[], Iterable[bytes]] | None
"""Bytes, or what makes a fresh stream of them for each attempt (with Content-Length set)."""

_TIMEOUT = urllib3.Timeout(connect=CONNECT_TIMEOUT, read=120)  # a large file takes time to seal


@dataclass(frozen=True, slots=True)
class Answer:
    """Header names are lower-case."""

    status: int
    headers: Mapping[str, str]
    data: bytes


class Transport:
    """Thread-safe. Raises what ``network_errors`` and ``Pools`` make of no answer."""

    def __init__(self, connections: int) -> None:
        self._pools = Pools(connections)

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: RequestBody = None
    ) -> Answer:
        response = self.open(method, url, headers, body, preload=True)
        lowered = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status, lowered, response.data)

    def open(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: RequestBody = None,
        *,
        preload: bool = False,
    ) -> urllib3.BaseHTTPResponse:
        """Send one request, following no redirect; the body is left to read unless preloaded."""
        try:
            return self._pools.reaching(url).request(
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
            raise network_error(error, urlsplit(url).hostname or "") from error

    def close(self) -> None:
        self._pools.close()

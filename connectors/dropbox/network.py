"""Connections to Dropbox: one pool for all threads, through whatever proxy is set.

requests takes it from the environment (HTTPS_PROXY, NO_PROXY) or, on macOS and Windows, from the
system's settings.
"""

from __future__ import annotations

from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPSConnection

from connectors.certificates import ca_bundle

TIMEOUT = (10.0, 150.0)  # seconds to connect, and between bytes: 1,000 commits take their time


class _Adapter(HTTPAdapter):
    """Sends at once through a proxy too: urllib3 leaves Nagle's algorithm on there, which
    against delayed acknowledgements costs 40 ms for every request with a body."""

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        kwargs.setdefault("socket_options", HTTPSConnection.default_socket_options)
        return super().proxy_manager_for(proxy, **kwargs)


def session(connections: int) -> requests.Session:
    """A session whose pool keeps ``connections`` connections per host.

    It never repeats a request by itself. Raises what ``ca_bundle`` raises.
    """
    made = requests.Session()
    made.mount("https://", _Adapter(4, connections, max_retries=0))
    made.verify = ca_bundle()
    return made

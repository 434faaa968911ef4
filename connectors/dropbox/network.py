"""Connections to Dropbox: one pool for all threads, through whatever proxy is set.

requests takes it from the environment (HTTPS_PROXY, NO_PROXY) or, on macOS and Windows, from the
system's settings.
"""

from __future__ import annotations

import requests

from connectors.adapter import Adapter
from connectors.certificates import ca_bundle
from connectors.pools import CONNECT_TIMEOUT

TIMEOUT = (CONNECT_TIMEOUT, 150.0)  # between bytes: 1,000 commits take theirs


def session(connections: int) -> requests.Session:
    """A session whose pool keeps ``connections`` connections per host.

    It never repeats a request by itself. Raises what ``ca_bundle`` raises.
    """
    made = requests.Session()
    made.mount("https://", Adapter(connections))
    made.verify = ca_bundle()
    return made

"""A request without an answer means the same, whichever library asked."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
import requests
import urllib3

from connectors.certificates import ca_bundle, trust
from connectors.errors import Fatal, Transient, Unreachable
from connectors.network_errors import network_error
from sandbox.ca import Authority
from sandbox.server import Sandbox

Ask = Callable[[str, str], object]  # an address, and the proxy to it or a blank

LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)
HOST, NOBODY = "content.example.com", "127.0.0.1:9"


def by_urllib3(address: str, proxy: str) -> None:
    through = urllib3.ProxyManager(proxy, ssl_context=trust()) if proxy else urllib3.PoolManager()
    through.request("GET", address, retries=False)


def by_requests(address: str, proxy: str) -> None:
    with requests.Session() as session:
        session.trust_env = False
        session.verify = ca_bundle()
        session.get(address, proxies={"https": proxy}, timeout=10)


@pytest.fixture(params=[by_urllib3, by_requests])
def ask(request: pytest.FixtureRequest) -> Ask:
    asks: Ask = request.param
    return asks


def meaning(ask: Ask, host: str, proxy: str = "") -> Fatal | Transient:
    with pytest.raises((OSError, urllib3.exceptions.HTTPError)) as caught:
        ask(f"https://{host}/a.jpg?signature=s3cret", proxy)
    found = network_error(caught.value, "the attic")
    assert "the attic" in str(found) and "s3cret" not in f"{found} {found.hint}"
    return found


def test_a_certificate_of_somebody_else(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox([]) as ours, Sandbox([]) as stranger:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(ours.ca_file))
        found = meaning(ask, HOST, stranger.proxy_url)
    assert isinstance(found, Fatal) and "is not trusted here" in str(found)
    assert "REQUESTS_CA_BUNDLE" in found.hint


def test_a_wrong_clock(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    old = Authority(valid_from=LONG_AGO, valid_until=LONG_AGO.replace(year=2002))
    with Sandbox([], authority=old) as sandbox:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(sandbox.ca_file))
        found = meaning(ask, HOST, sandbox.proxy_url)
    assert isinstance(found, Fatal) and "has expired" in str(found)
    assert "date and time" in found.hint


def test_nobody_there(ask: Ask) -> None:
    found = meaning(ask, NOBODY)
    assert isinstance(found, Unreachable) and "proxy" not in str(found)


def test_no_proxy_there(ask: Ask) -> None:
    found = meaning(ask, HOST, f"http://{NOBODY}")
    assert isinstance(found, Unreachable) and "through the proxy" in str(found)
    assert "HTTPS_PROXY" in found.hint


def test_a_connection_that_ends_is_made_again(ask: Ask) -> None:
    """Something did answer, so the line is not down for everybody."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=lambda: server.accept()[0].close(), daemon=True).start()
        found = meaning(ask, f"127.0.0.1:{server.getsockname()[1]}")
    assert type(found) is Transient and "the connection to the attic failed" in str(found)

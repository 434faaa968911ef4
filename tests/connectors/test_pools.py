"""Which way connections take, whoever makes them."""

from __future__ import annotations

import pytest

from connectors.errors import Misconfigured
from connectors.pools import Pools, proxy_for


def test_no_proxy_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "proxy.example.com:3128")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "localhost,.internal.example.com")
    assert proxy_for("https", "www.googleapis.com") == "http://proxy.example.com:3128"
    assert proxy_for("https", "gateway.internal.example.com") == ""


def test_a_proxy_of_another_kind_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "socks5://127.0.0.1:9")
    with pytest.raises(Misconfigured, match="socks5"):
        Pools(1).reaching("https://www.example.com/")


@pytest.mark.parametrize("address", ["http://127.0.0.1:notaport", "http://:3128", "a b:99999999"])
def test_a_proxy_whose_address_makes_no_sense_is_named(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, address)
    with pytest.raises(Misconfigured, match="is no address of a proxy"):
        Pools(1).reaching("https://www.example.com/")


def test_hosts_share_a_pool_until_it_is_closed() -> None:
    pools = Pools(1)
    one = pools.reaching("https://one.example.com/a.jpg?signature=s3cret")
    assert pools.reaching("https://two.example.com/b.jpg") is one
    pools.close()
    assert pools.reaching("https://one.example.com/a.jpg") is not one

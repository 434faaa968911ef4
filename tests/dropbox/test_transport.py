"""Proxies, certificates and connections: what a home or a company network asks for."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.dropbox import DropboxSettings
from connectors.errors import Fatal, Misconfigured, Unreachable
from sandbox.dropbox import Dropbox as Double
from sandbox.server import Sandbox
from tests.conformance.making import Bench, content
from tests.dropbox.bench import DropboxPlace, held
from tests.pointing import Point

CAS = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_threads_share_one_pool_of_kept_connections(use_sandbox: Point, bench: Bench) -> None:
    double = Double()
    with Sandbox([double], faults=double.faults) as sandbox:
        use_sandbox(sandbox)
        sink = DropboxPlace(double).open()
        staged = [bench.stage(f"{n % 7}/{n}.jpg", content(1000 + n)) for n in range(120)]
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda item: bench.transfer(sink, item), staged))
        assert sandbox.requests["content.dropboxapi.com"] == 120
        assert sandbox.connections <= 2 * 16 + 2  # to each of the two hosts
        sink.close()


def test_a_company_gateway(
    use_sandbox: Point, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every call goes to the hosts in the settings: the renewal of the sign-in too."""
    double = Double()
    with Sandbox([double], faults=double.faults) as sandbox:
        use_sandbox(sandbox)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        host = sandbox.direct(double).removeprefix("https://")
        sink = DropboxPlace(double, api_host=host, content_host=host).open()
        bench.place(sink, "2024/a.jpg", content(1000))
        bench.place(sink, "2024/b.mov", content(9 * 1024 * 1024))
        receipt = sink.stat("2024/a.jpg")
        assert receipt and b"".join(sink.read(receipt)) == content(1000)
        assert set(sandbox.requests) == {"127.0.0.1"}
    assert len(held(double)) == 2


def test_an_unknown_certificate_is_one_clear_line(
    double: Double, place: DropboxPlace, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in CAS:
        monkeypatch.delenv(name)
    with pytest.raises(Fatal, match="not trusted") as caught:
        bench.place(place.open(), "a.jpg", content(10))
    assert "REQUESTS_CA_BUNDLE" in caught.value.hint and "\n" not in str(caught.value)


@pytest.mark.parametrize("name", CAS)
def test_each_way_to_name_a_ca(
    double: Double, place: DropboxPlace, bench: Bench, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    bundle = os.environ[name]
    for other in CAS:
        monkeypatch.delenv(other)
    monkeypatch.setenv(name, bundle)
    bench.place(place.open(), "a.jpg", content(10))
    assert held(double) == {"/Outpour/a.jpg": content(10)}


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_a_missing_ca_file_is_named(
    place: DropboxPlace, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for other in CAS:
        monkeypatch.delenv(other)
    monkeypatch.setenv(name, "/nowhere/ca.pem")
    with pytest.raises((Fatal, Misconfigured), match=r"/nowhere/ca\.pem"):
        place.open().stat("a.jpg")


def test_a_ca_file_that_cannot_be_read_is_named(
    place: DropboxPlace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    with pytest.raises(Misconfigured, match=r"ca\.pem cannot be read"):
        place.open().stat("a.jpg")


@pytest.mark.parametrize("scheme", ["socks5", "nonsense"])
def test_a_proxy_of_another_kind_is_refused(
    place: DropboxPlace, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, f"{scheme}://127.0.0.1:9")
    with pytest.raises(Misconfigured, match=f"a {scheme} proxy is not supported"):
        place.open().stat("a.jpg")


def test_a_proxy_whose_address_makes_no_sense_is_named(
    place: DropboxPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://me:Zq7@127.0.0.1:notaport")
    with pytest.raises(Misconfigured, match="notaport is no address"):
        place.open().stat("a.jpg")


def test_a_dead_proxy_is_a_place_that_cannot_be_reached(
    place: DropboxPlace, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with pytest.raises(Unreachable) as caught:
        bench.place(place.open(), "a.jpg", content(10))
    assert "HTTPS_PROXY" in caught.value.hint


@pytest.mark.parametrize(
    "settings",
    [
        {"folder": "a//b"},
        {"folder": "../x"},
        {"folder": "/a /b"},
        {"folder": "Backups\\Photos"},
        {"folder": "/x/desktop.ini"},
        {"folder": f"/{'x' * 256}"},
        {"app_key": "https://"},
        {"api_host": "https://gateway.example.com"},
        {"content_host": "gateway.example.com/x"},
        {"password": "x"},
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        DropboxSettings(**settings)

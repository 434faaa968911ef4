"""Proxies, certificates and connections: what a home or a company network asks for."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.errors import Fatal, Misconfigured, Unreachable
from connectors.gdrive import DriveSettings
from sandbox.gdrive import GoogleDrive as Double
from sandbox.server import Sandbox
from tests.conformance.making import Bench, content
from tests.gdrive.bench import DrivePlace, held
from tests.pointing import Point


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_threads_share_one_pool_of_kept_connections(use_sandbox: Point, bench: Bench) -> None:
    """Some 130 requests of 16 threads, through the proxy, on at most 17 connections."""
    double = Double()
    with Sandbox([double, double.signin]) as sandbox:
        use_sandbox(sandbox)
        sink = DrivePlace(double).open()
        staged = [bench.stage(f"{n % 7}/{n}.jpg", content(1000 + n)) for n in range(120)]
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda item: bench.transfer(sink, item), staged))
        assert sandbox.requests["www.googleapis.com"] >= 120
        assert sandbox.connections <= 16 + 1  # and one to the sign-in service
        sink.close()
    double.close()


def test_dropped_idle_connections_are_replaced(use_sandbox: Point, bench: Bench) -> None:
    double = Double()
    with Sandbox([double, double.signin]) as sandbox:
        use_sandbox(sandbox)
        sink = DrivePlace(double).open()
        for n in range(3):
            bench.place(sink, f"{n}.jpg", content(100 + n))
            sandbox.drop_connections()
            threading.Event().wait(0.05)
        assert sandbox.connections >= 3, "they were kept: proves nothing"
    assert held(double) == {f"Outpour/{n}.jpg": 1 for n in range(3)}
    double.close()


def test_a_company_gateway(
    use_sandbox: Point, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every call to Drive goes to root_url, uploads and sessions too."""
    double = Double()
    with Sandbox([double, double.signin]) as sandbox:
        use_sandbox(sandbox)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        sink = DrivePlace(double, root_url=sandbox.direct(double)).open()
        bench.place(sink, "2024/a.jpg", content(1000))
        bench.place(sink, "2024/b.mov", content(6 * 1024 * 1024))
        receipt = sink.stat("2024/a.jpg")
        assert receipt and b"".join(sink.read(receipt)) == content(1000)
        assert set(sandbox.requests) == {"127.0.0.1", "oauth2.googleapis.com"}
    assert len(held(double)) == 2
    double.close()


def test_an_unknown_certificate_is_one_clear_line(
    double: Double, place: DrivePlace, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name)
    with pytest.raises(Fatal, match="not trusted") as caught:
        bench.place(place.open(), "a.jpg", content(10))
    assert "REQUESTS_CA_BUNDLE" in caught.value.hint


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_each_way_to_name_a_ca(
    double: Double, place: DrivePlace, bench: Bench, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    import os

    bundle = os.environ[name]
    for other in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(other)
    monkeypatch.setenv(name, bundle)
    bench.place(place.open(), "a.jpg", content(10))
    assert held(double) == {"Outpour/a.jpg": 1}


@pytest.mark.parametrize("text", [None, "no certificate"])
def test_a_wrong_ca_file_is_named(
    place: DrivePlace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None
) -> None:
    path = tmp_path / "ca.pem"
    if text:
        path.write_text(text)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(path))
    with pytest.raises(Misconfigured, match=r"ca\.pem"):
        place.open().stat("a.jpg")


def test_a_dead_proxy_is_a_place_that_cannot_be_reached(
    place: DrivePlace, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with pytest.raises(Unreachable) as caught:
        bench.place(place.open(), "a.jpg", content(10))
    assert "proxy" in caught.value.hint.lower()


def test_a_socks_proxy_is_refused(
    place: DrivePlace, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "socks5://127.0.0.1:9")
    with pytest.raises(Misconfigured, match="socks5"):
        bench.place(place.open(), "a.jpg", content(10))


@pytest.mark.parametrize(
    "settings",
    [
        {"folder": ""},
        {"folder": "a//b"},
        {"folder": "../x"},
        {"root_url": "gateway"},
        {"root_url": "http://gateway.example.com/"},
        {"impersonate": "sam@example.com"},
        {"chunk_mib": 0},
        {"scope": "drive.readonly"},
        {"password": "x"},
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        DriveSettings(**settings)

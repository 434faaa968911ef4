"""Which certificates are trusted, whatever library the connections are of."""

from __future__ import annotations

import ssl
from pathlib import Path

import certifi
import pytest

from connectors.certificates import ca_bundle, trust
from connectors.errors import Misconfigured

NAMES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


@pytest.fixture(autouse=True)
def _silent(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def test_tls_is_checked_by_default() -> None:
    context = trust()
    assert context.verify_mode is ssl.CERT_REQUIRED and context.check_hostname
    assert ca_bundle() == certifi.where()


def test_the_strongest_name_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in reversed(NAMES):
        (tmp_path / name).write_text(Path(certifi.where()).read_text())
        monkeypatch.setenv(name, str(tmp_path / name))
        assert ca_bundle() == str(tmp_path / name)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_there_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "/nowhere/ca.pem")
    with pytest.raises(Misconfigured, match=rf"{name} .*/nowhere/ca\.pem"):
        ca_bundle()


def test_what_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with pytest.raises(Misconfigured, match=r"ca\.pem cannot be read") as caught:
        trust()
    assert "SSL_CERT_FILE" in caught.value.hint


def test_a_folder_of_them_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path))
    assert trust().verify_mode is ssl.CERT_REQUIRED

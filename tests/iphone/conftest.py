"""A sandbox phone on the cable, and what tests ask of it again and again."""

from __future__ import annotations

import contextlib
import plistlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from connectors.base import Asset, Source
from pipeline.cli.app import invoke
from sandbox.iphone import OnPhone, Phone, SandboxPhones
from sandbox.library import Library
from tests.pointing import Point

if TYPE_CHECKING:  # it needs the extra, and what is here serves tests without it too
    from connectors.iphone.source import IPhoneSource

Open = Callable[..., "IPhoneSource"]
Outpour = Callable[..., tuple[int, str]]
Plug = Callable[..., SandboxPhones]


@pytest.fixture
def outpour(capfd: pytest.CaptureFixture[str]) -> Outpour:
    """``outpour("run", ...)``: exit code and all that was printed."""

    def outpour(*arguments: str) -> tuple[int, str]:
        code = invoke(arguments)
        printed = capfd.readouterr()
        return code, printed.out + printed.err

    return outpour


@pytest.fixture
def use(use_sandbox: Point, monkeypatch: pytest.MonkeyPatch) -> Point:
    """``use(double)`` points this process at a sandbox iCloud, whose password it knows."""
    monkeypatch.setenv("OUTPOUR_ICLOUD_PASSWORD", "sandbox-password")
    return use_sandbox


@pytest.fixture
def plug(monkeypatch: pytest.MonkeyPatch) -> Iterator[Plug]:
    """``plug(phone, ...)`` puts phones on the cable and points this process at them."""
    running: list[SandboxPhones] = []

    def plug(*phones: Phone) -> SandboxPhones:
        served = SandboxPhones(phones)
        running.append(served)
        for name, value in served.environ().items():
            monkeypatch.setenv(name, value)
        return served

    yield plug
    for served in running:
        served.close()


@pytest.fixture
def on_phone(plug: Plug) -> OnPhone:
    """A phone with a small library of every kind of asset, plugged in."""
    phone = Phone(away=0.1)
    plug(phone)
    return OnPhone(phone, Library(60))


@pytest.fixture
def open_source() -> Iterator[Open]:
    """``open_source(**settings)`` makes an iPhone source, closed at the end of the test."""
    pytest.importorskip("pymobiledevice3")
    from connectors.iphone import connector
    from connectors.iphone.source import IPhoneSource

    made: list[IPhoneSource] = []

    def make(**settings: Any) -> IPhoneSource:
        assert connector.source is not None
        source = connector.source("phone", connector.settings(**{"wait": 5, **settings}))
        assert isinstance(source, IPhoneSource)
        made.append(source)
        return source

    yield make
    for source in made:
        source.close()


def listed(source: Source) -> dict[str, Asset]:
    found = [asset for page in source.pages() for asset in page.assets]
    assert len({asset.id for asset in found}) == len(found)
    return {asset.id: asset for asset in found}


def problems(source: Source) -> list[str]:
    return [problem.reason for page in source.pages() for problem in page.problems]


def read(source: Source, asset: Asset, role: str = "original") -> bytes:
    resource = next(part for part in asset.resources if part.role == role)
    stream = source.open(asset.id, resource)
    try:
        return b"".join(stream)
    finally:
        stream.close()


def strange_database(path: Path) -> bytes:
    """A database of a data model nobody knows."""
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE ZPHOTON (Z_PK INTEGER PRIMARY KEY)")
        db.execute("CREATE TABLE Z_METADATA (Z_VERSION INTEGER, Z_UUID TEXT, Z_PLIST BLOB)")
        model = plistlib.dumps({"PLModelVersion": 99999}, fmt=plistlib.FMT_BINARY)
        db.execute("INSERT INTO Z_METADATA VALUES (1, '', ?)", (model,))
    return path.read_bytes()

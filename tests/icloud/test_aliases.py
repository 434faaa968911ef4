"""Promise: an Apple account is one place, whichever of its addresses it is signed in with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.icloud import connector
from connectors.icloud.settings import ICloudSettings
from connectors.icloud.sink import ICloudSink
from pipeline.cli.app import invoke
from pipeline.states import Exit
from sandbox.library import Library
from tests.icloud.rig import PASSWORD, Person, Rig, rig
from tests.pointing import Point

ACCOUNT, ALIAS = "demo@example.com", "demo@alias.example.com"


@pytest.fixture
def made(use_sandbox: Point) -> Iterator[Rig]:
    library = Library(6, size=1500, plain=True)
    with rig(use_sandbox, library, apple_id=ACCOUNT, aliases=(ALIAS,)) as made:
        made.connect()
        assert connector.connect is not None
        connector.connect(ICloudSettings(account=ALIAS), Person(PASSWORD, 1))
        yield made


def pipeline(folder: Path, source: str, *sinks: str) -> str:
    path = folder / "family.yaml"
    path.write_text(f"source: {source}\nsinks: [{', '.join(sinks)}]\n")
    return str(path)


def of_itself(folder: Path) -> str:
    second = f"{{type: icloud, name: second, account: {ALIAS}}}"
    return pipeline(folder, f"{{type: icloud, account: {ACCOUNT}}}", second)


@pytest.mark.parametrize("command", ["run", "plan"])
def test_it_is_no_sink_of_itself(
    command: str, made: Rig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke([command, of_itself(tmp_path)]) == Exit.USAGE
    assert "second is the source itself, icloud" in capsys.readouterr().err


def test_its_photos_are_no_copies_of_themselves(
    made: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where a ledger took them for copies before this was looked at."""
    config = of_itself(tmp_path)
    with monkeypatch.context() as earlier:
        earlier.setattr(ICloudSink, "whereabouts", lambda _: "another")
        assert invoke(["run", config]) == Exit.OK
    free = ["reclaim", config, "--older-than", "1d", "--keep", "0d", "--copies", "1", "--yes"]
    assert invoke(free) == Exit.USAGE
    assert "second is the source itself, icloud" in capsys.readouterr().err
    assert not made.ids("trashed")


def test_it_is_no_second_place_for_copies(
    made: Rig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sinks = [f"{{type: icloud, name: {one[:-12]}, account: {one}}}" for one in (ACCOUNT, ALIAS)]
    (tmp_path / "in").mkdir()
    assert invoke(["run", pipeline(tmp_path, "./in", *sinks)]) == Exit.USAGE
    assert "is the same place as" in capsys.readouterr().err

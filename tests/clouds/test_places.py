"""Promise: another folder or account under a sink's name is not said to hold the copies."""

from __future__ import annotations

from dataclasses import replace

import pytest

from connectors import dropbox, gdrive
from connectors.dropbox.auth import load_grant as load_dropbox
from connectors.dropbox.auth import store_grant as store_dropbox
from connectors.gdrive.auth import load_grant as load_drive
from connectors.gdrive.auth import store_grant as store_drive
from pipeline.states import Exit
from tests.rehearsal.fanout import FanOut

SINKS = {"gdrive": "drive", "dropbox": "dropbox"}


def sign_in_somebody_else(kind: str, who: str) -> None:
    if kind == "gdrive":
        drive = gdrive.DriveSettings()
        store_drive(drive, replace(load_drive(drive), user=who))
    else:
        settings = dropbox.DropboxSettings()
        store_dropbox(settings, replace(load_dropbox(settings), account=who))


def empty(job: FanOut, kind: str) -> None:
    """The other account has nothing of ours."""
    if kind == "gdrive":
        store = job.world.drive.store
        for node in [node for nodes in store.paths().values() for node in nodes]:
            store.delete(node)
    else:
        job.world.dropbox.tree.remove("/outpour")


@pytest.mark.parametrize("kind", SINKS)
def test_another_folder(job: FanOut, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    job.config.write_text(f"source: icloud:demo@example.com\nsinks: [{kind}]\n")
    assert job.run() == Exit.OK
    job.config.write_text(f"source: icloud:demo@example.com\nsinks: ['{kind}:Elsewhere']\n")
    assert job.run() == Exit.USAGE
    assert f"{kind} holds none of the copies that were made there" in capsys.readouterr().err
    assert job.held()[SINKS[kind]] == job.wanted()
    job.config.write_text(
        f"source: icloud:demo@example.com\nsinks: [{{type: {kind}, name: b, folder: Elsewhere}}]\n"
    )
    assert job.run() == Exit.OK
    assert job.held()[SINKS[kind]] == job.wanted() + job.wanted()


@pytest.mark.parametrize("kind", SINKS)
def test_another_account(job: FanOut, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    job.config.write_text(f"source: icloud:demo@example.com\nsinks: [{kind}]\n")
    assert job.run() == Exit.OK
    sign_in_somebody_else(kind, "second")
    assert job.run() == Exit.OK, "its copies are there, so it is the same place after all"
    sign_in_somebody_else(kind, "third")
    empty(job, kind)
    capsys.readouterr()
    assert job.run() == Exit.USAGE
    assert f"{kind} holds none of the copies that were made there" in capsys.readouterr().err
    assert not job.held()[SINKS[kind]]

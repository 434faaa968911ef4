"""Promise: another folder or account under a sink's name is not said to hold the copies."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from unicodedata import normalize

import pytest

from connectors import dropbox, gdrive
from connectors.dropbox.auth import load_grant as load_dropbox
from connectors.dropbox.auth import store_grant as store_dropbox
from connectors.gdrive.auth import load_grant as load_drive
from connectors.gdrive.auth import store_grant as store_drive
from pipeline.cli.app import invoke
from pipeline.config.load import load
from pipeline.ledger import places
from pipeline.runner.places.sink_locks import exclusive_sinks
from pipeline.states import Exit
from sandbox.dropbox.tree import File
from sandbox.gdrive.store import FOLDER, Node
from sandbox.messages import Answer, Request
from tests.clouds.conftest import ledger_of
from tests.gdrive.bench import DrivePlace
from tests.rehearsal.fanout import FanOut

pytestmark = pytest.mark.wide

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
def test_another_account_is_the_same_place_only_while_the_copies_are_in_it(
    job: FanOut, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
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


def test_another_service_that_has_the_same_tree_is_another_place(
    job: FanOut, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its files are others, of which nobody has seen the bytes, whatever they are called."""
    source = "source: icloud:demo@example.com\n"
    both = "{type: gdrive, name: drive}, {type: dropbox, name: dropbox}"
    job.config.write_text(f"{source}sinks: [{both}]\n")
    assert job.run() == Exit.OK
    before = job.held()
    exchanged = "{type: gdrive, name: dropbox}, {type: dropbox, name: drive}"
    for sinks in ("{type: dropbox, name: drive}", exchanged):
        job.config.write_text(f"{source}sinks: [{sinks}]\n")
        for command in ("run", "verify"):
            capsys.readouterr()
            assert invoke([command, str(job.config)]) == Exit.USAGE
            said = capsys.readouterr().err
            assert "drive holds none of the copies" in said or "dropbox holds none" in said
            assert "A new place gets a name of its own" in said
    assert job.held() == before
    job.config.write_text(f"{source}sinks: [{both}]\n")
    assert job.run() == Exit.OK


@pytest.mark.parametrize("kind", SINKS)
def test_one_account_under_two_sign_in_names(
    job: FanOut, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It would hold one copy, not two."""
    alone(job, kind)
    assert job.run() == Exit.OK
    if kind == "gdrive":
        store_drive(gdrive.DriveSettings(account="work"), load_drive(gdrive.DriveSettings()))
    else:
        grant = load_dropbox(dropbox.DropboxSettings())
        store_dropbox(dropbox.DropboxSettings(account="work"), grant)
    again = f"  - {{type: {kind}, name: again, account: work}}\n"
    job.config.write_text(
        f"source: icloud:demo@example.com\nsinks:\n"
        f"  - {{type: {kind}, name: {SINKS[kind]}}}\n{again}"
    )
    capsys.readouterr()
    assert job.run() == Exit.USAGE
    assert f"again is the same place as {SINKS[kind]}: name it once" in capsys.readouterr().err
    assert job.held()[SINKS[kind]] == job.wanted()


def alone(job: FanOut, kind: str, **settings: str) -> None:
    """The pipeline with this one sink."""
    more = "".join(f", {key}: {value!r}" for key, value in settings.items())
    job.config.write_text(
        f"source: icloud:demo@example.com\nsinks: [{{type: {kind}, name: {SINKS[kind]}{more}}}]\n"
    )


def named(job: FanOut, name: str) -> Node:
    """A folder in Google Drive."""
    nodes = job.world.drive.store.nodes.values()
    (found,) = [node for node in nodes if node.folder and node.name == name]
    return found


def rename(job: FanOut, name: str, new: str) -> None:
    node = named(job, name)
    job.world.drive.store.move(node, node.parent, new)


def move_away(job: FanOut, name: str) -> None:
    store, node = job.world.drive.store, named(job, name)
    attic = Node(store.issue(1)[0], "Attic", FOLDER, store.root, node.app, 0.0, 0.0)
    store.add(attic, None)
    store.move(node, attic.id, name)


def to_mine(job: FanOut) -> None:
    rename(job, "Outpour", "Mine")


def to_the_bin(job: FanOut) -> None:
    named(job, "Outpour").trashed = True


def delete_for_good(job: FanOut) -> None:
    job.world.drive.store.delete(named(job, "Outpour"))


def delete_at_dropbox(job: FanOut) -> None:
    job.world.dropbox.tree.remove("/outpour")


def another_client(job: FanOut) -> None:
    """Signed in with a client that was made anew: with drive.file it sees nothing of the old."""
    drive = job.world.drive
    drive.signin.client = replace(drive.signin.client, id="2-new.apps.googleusercontent.com")
    DrivePlace(drive)


GONE: dict[str, tuple[str, Callable[[FanOut], None], str]] = {
    "renamed": ("gdrive", to_mine, "rename it back, or set folder: Mine"),
    "in the bin": ("gdrive", to_the_bin, "is in the bin of Google Drive: bring it back"),
    "deleted": ("gdrive", delete_for_good, "deleted, or made with another client"),
    "another client": ("gdrive", another_client, "set scope: drive"),
    "deleted at Dropbox": ("dropbox", delete_at_dropbox, "Connect the disk or account that does"),
}


@pytest.mark.parametrize("how", GONE)
def test_a_folder_that_is_not_there_is_not_filled_anew(
    job: FanOut, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    kind, happens, hint = GONE[how]
    alone(job, kind)
    assert job.run() == Exit.OK
    happens(job)
    sent = job.world.drive.received, job.world.dropbox.received
    for new in (False, True):
        if new:
            job.world.cloud.library.add("NEW.JPG")
        for command in ("run", "plan", "verify", "rebuild"):
            capsys.readouterr()
            assert invoke([command, str(job.config)]) == Exit.USAGE, (command, new)
            said = capsys.readouterr().err
            assert f"{SINKS[kind]} holds none of the copies that were made there" in said
            assert hint in said, said
    assert (job.world.drive.received, job.world.dropbox.received) == sent


def test_a_folder_that_came_back_is_the_same(job: FanOut) -> None:
    alone(job, "gdrive")
    assert job.run() == Exit.OK
    to_mine(job)
    assert job.run() == Exit.USAGE
    rename(job, "Mine", "Outpour")
    job.world.cloud.library.add("NEW.JPG")
    assert job.run() == Exit.OK
    assert job.held()["drive"] == job.wanted()


def test_a_renamed_folder_is_found_by_its_new_name(job: FanOut) -> None:
    alone(job, "gdrive")
    assert job.run() == Exit.OK
    to_mine(job)
    alone(job, "gdrive", folder="Mine")
    sent = job.world.drive.received
    assert job.run() == Exit.OK
    assert job.world.drive.received == sent and job.held()["drive"] == job.wanted()


def test_a_folder_below_others_is_told_by_them(
    job: FanOut, capsys: pytest.CaptureFixture[str]
) -> None:
    alone(job, "gdrive", folder="Backups/Photos")
    assert job.run() == Exit.OK
    rename(job, "Backups", "Old")
    capsys.readouterr()
    assert job.run() == Exit.USAGE
    assert "set folder: Old/Photos" in capsys.readouterr().err
    rename(job, "Old", "Backups")
    move_away(job, "Photos")
    assert job.run() == Exit.USAGE
    assert "'Backups/Photos' lies elsewhere in Google Drive now: move it back" in (
        capsys.readouterr().err
    )


def test_a_moved_folder_is_the_same(job: FanOut) -> None:
    """Where it lies, drive.file may not look up; its name and id are as they were."""
    alone(job, "gdrive")
    assert job.run() == Exit.OK
    move_away(job, "Outpour")
    job.world.cloud.library.add("NEW.JPG")
    assert job.run() == Exit.OK
    assert job.held()["drive"] == job.wanted()
    assert job.world.drive.store.folders().count("Attic/Outpour") == 1


@pytest.mark.parametrize("kind", SINKS)
def test_a_folder_that_the_first_run_makes_is_the_place_from_then_on(
    job: FanOut, kind: str
) -> None:
    """Also where listings do not show yet what was made."""
    job.world.cloud.faults.add("listing_lag")
    alone(job, kind)
    assert job.run() == Exit.OK
    assert job.run() == Exit.OK
    assert job.held()[SINKS[kind]] == job.wanted()


@pytest.mark.parametrize("kind", SINKS)
def test_a_ledger_of_an_earlier_version_goes_on(job: FanOut, kind: str) -> None:
    """It remembers no folder but its name; a copy that a person removed makes no other place."""
    alone(job, kind)
    assert job.run() == Exit.OK
    if kind == "gdrive":
        store = job.world.drive.store
        store.delete(store.paths()[sorted(store.paths())[0]][0])
    else:
        held = [node for node in job.world.dropbox.tree.nodes.values() if isinstance(node, File)]
        job.world.dropbox.tree.remove(held[0].display.lower())
    with ledger_of(job) as ledger:
        kind_, where = json.loads(places.remembered(ledger, SINKS[kind]) or "")
        places.remember(ledger, SINKS[kind], json.dumps([kind_, where.rpartition(" ")[0]]))
    assert job.run() == Exit.OK
    with ledger_of(job) as ledger:
        places.remember(ledger, SINKS[kind], json.dumps([kind_, where.rpartition(" ")[0]]))
    delete_for_good(job) if kind == "gdrive" else delete_at_dropbox(job)
    assert job.run() == Exit.USAGE


def test_the_top_of_dropbox_that_was_emptied_is_not_filled_anew(job: FanOut) -> None:
    """An app's own folder has no id; one that was deleted comes back empty."""
    alone(job, "dropbox", folder="")
    assert job.run() == Exit.OK
    assert job.run() == Exit.OK
    tree = job.world.dropbox.tree
    for path in [path for path in tree.nodes if path.count("/") == 1]:
        tree.remove(path)
    job.world.cloud.library.add("NEW.JPG")
    assert job.run() == Exit.USAGE
    assert not job.held()["dropbox"]


def test_a_folder_of_dropbox_that_is_deleted_in_mid_run_is_missed(
    job: FanOut, capsys: pytest.CaptureFixture[str]
) -> None:
    """Dropbox makes it anew for what comes next; what was in it is gone."""
    alone(job, "dropbox")
    assert job.run() == Exit.OK
    job.world.cloud.library.add("NEW.JPG")
    double = job.world.dropbox
    handle = double.handle

    def watched(request: Request) -> Answer:
        if request.path.endswith("finish_batch_v2"):
            delete_at_dropbox(job)
        return handle(request)

    capsys.readouterr()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(double, "handle", watched)
        assert job.run() == Exit.FATAL
    assert "dropbox is another place: 12 of 13 copies" in capsys.readouterr().err
    assert job.run() == Exit.USAGE
    assert invoke(["verify", str(job.config)]) == Exit.ITEMS_FAILED
    assert job.run() == Exit.OK
    assert job.held()["dropbox"] == job.wanted()


@pytest.mark.parametrize("kind", SINKS)
def test_a_folder_that_is_written_in_decomposed_letters(job: FanOut, kind: str) -> None:
    """As text comes from a Mac, in a file or in a table."""
    folder = normalize("NFD", "Fotos Zoé")
    job.config.write_text(f"source: icloud:demo@example.com\nsinks: ['{kind}:{folder}']\n")
    for _ in range(2):
        assert job.run() == Exit.OK
    assert invoke(["verify", str(job.config)]) == Exit.OK
    assert job.held()[SINKS[kind]] == job.wanted()


def test_one_pipeline_at_a_time_fills_a_drive_folder(
    job: FanOut, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names are no keys there: two would put each file twice, or two files under one name."""
    monkeypatch.setattr("pipeline.runner.places.sink_locks._BRIEF", 0.1)
    with exclusive_sinks(load(job.config)):
        assert job.run() == Exit.FATAL
        assert "drive: left out" in (err := capsys.readouterr().err)
        assert "another pipeline is putting files there" in err
    held = job.held()
    assert not held["drive"] and held["folder"] == held["dropbox"] == job.wanted()
    assert job.run() == Exit.OK
    assert job.held()["drive"] == job.wanted()

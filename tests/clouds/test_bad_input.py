"""What people get wrong with Drive and Dropbox: one clear line each, and nothing lost.

Each ends with the exit code that says what to do; once it is put right, the same command
completes the library.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from connectors.private import forget_secret, store_secret
from pipeline.cli.app import invoke
from pipeline.states import Exit
from sandbox.dropbox.content import Content
from sandbox.dropbox.tree import Commit
from sandbox.gdrive.store import FOLDER, Node, SharedDrive
from sandbox.messages import Answer, Request
from tests.cases import wide_after
from tests.clouds.conftest import COUNT
from tests.dropbox.bench import DropboxPlace, shifted
from tests.gdrive.bench import DrivePlace
from tests.rehearsal.fanout import FanOut

Say = Callable[[], str]


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Say:
    """What stands on standard error after the name of the program: the line a person reads."""

    def read() -> str:
        found = [line for line in capsys.readouterr().err.splitlines() if line[:8] == "outpour:"]
        assert len(found) == 1, found
        return found[0]

    return read


def to(job: FanOut, *sinks: str) -> None:
    job.config.write_text(
        f"source: icloud:demo@example.com\nsinks: [{', '.join(sinks)}]\nlimits: {{attempts: 2}}\n"
    )


@pytest.mark.parametrize(
    ("kind", "needs"), [("gdrive", "needs a client id"), ("dropbox", "needs an app key")]
)
def test_no_client_id_and_no_app_key(
    job: FanOut,
    capsys: pytest.CaptureFixture[str],
    said: Say,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    needs: str,
) -> None:
    for name in ("GDRIVE_CLIENT_ID", "GDRIVE_CLIENT_SECRET", "DROPBOX_APP_KEY"):
        monkeypatch.delenv(f"OUTPOUR_{name}")
    assert invoke(["connect", kind]) == Exit.USAGE
    err = capsys.readouterr().err
    assert needs in err and "Traceback" not in err
    assert "Make one in" in err and "docs/" not in err, "no installed Outpour brings that file"


@pytest.mark.parametrize("kind", ["gdrive", "dropbox"])
def test_never_connected(job: FanOut, said: Say, kind: str) -> None:
    forget_secret(f"{kind}:default")
    to(job, kind)
    assert job.run() == Exit.NEEDS_PERSON
    # Not "connect gdrive": the file may name an account or a folder of its own.
    assert f"outpour connect {job.config}" in said()
    _ = DrivePlace(job.world.drive), DropboxPlace(job.world.dropbox)
    assert job.run() == 0


KEYS = {"gdrive": ("refresh_token", "client_id"), "dropbox": ("refresh_token", "app_key")}


@pytest.mark.parametrize("kept", wide_after(1, ["{not json", "[]", '{"foo": 1}', "", None, "a\nb"]))
@pytest.mark.parametrize("kind", ["gdrive", "dropbox"])
def test_a_stored_sign_in_that_is_damaged_is_one_that_has_ended(
    job: FanOut, said: Say, kind: str, kept: str | None
) -> None:
    if kept is None or kept[:1] not in ("{", "["):  # of the right form
        kept = json.dumps(dict.fromkeys(KEYS[kind], kept))
    store_secret(f"{kind}:default", kept)
    to(job, kind)
    assert job.run() == Exit.NEEDS_PERSON
    told = said()
    assert "its stored sign-in is damaged" in told and f"outpour connect {job.config}" in told
    assert invoke(["status", str(job.config)]) == Exit.OK


@pytest.mark.parametrize("kind", ["gdrive", "dropbox"])
def test_a_sign_in_that_was_taken_back_in_mid_run(job: FanOut, said: Say, kind: str) -> None:
    """After a third of the files: a folder beside it gets all of them nevertheless; connected
    again, the same command brings the rest."""
    to(job, kind, str(job.folder))
    drive, dropbox = job.world.drive, job.world.dropbox
    revoke = DrivePlace(drive).expire if kind == "gdrive" else dropbox.signin.revoke
    fake = job.world.cloud.handle
    seen = 0

    def handle(request: Request) -> Answer:
        nonlocal seen
        seen += "content" in request.host or "cvws" in request.host
        if seen == 6:
            revoke()
        return fake(request)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job.world.cloud, "handle", handle)
        assert job.run() == Exit.NEEDS_PERSON
    assert f"outpour connect {job.config}" in said()
    assert job.held()["folder"] == job.wanted()
    _ = DrivePlace(drive), DropboxPlace(dropbox)
    assert job.run() == 0
    held = job.held()["drive" if kind == "gdrive" else "dropbox"]
    assert held == job.wanted()


@pytest.mark.parametrize("hours", wide_after(1, [-24, 24]))
def test_a_clock_that_is_a_day_off(
    job: FanOut, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    """No sign-in of a person depends on it: all goes well."""
    import google.auth._helpers

    real: Callable[[], datetime] = google.auth._helpers.utcnow
    off = timedelta(hours=hours)
    monkeypatch.setattr("google.auth._helpers.utcnow", lambda: real() + off)
    monkeypatch.setattr("dropbox.dropbox_client.datetime", shifted(off))
    monkeypatch.setattr("connectors.dropbox.client.datetime", shifted(off))
    assert job.run() == 0
    job.assert_whole()


@pytest.mark.parametrize("folder", ["/Outpour", "/Outpour/Photos/Family"])
def test_a_folder_that_is_a_file_in_dropbox_or_would_be_in_one(
    job: FanOut, said: Say, folder: str
) -> None:
    to(job, f"{{type: dropbox, folder: {folder}}}")
    job.world.dropbox.tree.write(Commit("/Outpour"), Content.of(b"notes", keep=True))
    assert job.run() == Exit.USAGE
    assert "/Outpour is a file in Dropbox, not a folder" in said()
    job.world.dropbox.tree.remove("/outpour")
    assert job.run() == 0 and job.held()["dropbox"] == job.wanted()


@pytest.mark.parametrize("kind", ["gdrive", "dropbox"])
def test_a_full_cloud_ends_with_4_and_the_next_run_completes_it(
    job: FanOut, said: Say, kind: str
) -> None:
    to(job, kind)
    if kind == "gdrive":
        job.world.drive.store.limit = 0
    else:
        job.world.dropbox.tree.limit = 0
    assert job.run() == Exit.NO_ROOM
    assert "room" in said()
    assert job.world.drive.received == job.world.dropbox.received == 0
    job.world.drive.store.limit = job.world.dropbox.tree.limit = 10**9
    assert job.run() == 0


def test_one_full_sink_does_not_keep_the_others_from_their_copies(job: FanOut, said: Say) -> None:
    job.world.drive.store.limit = 0
    assert job.run() == Exit.NO_ROOM
    assert "room" in said()
    held = job.held()
    assert held["folder"] == held["dropbox"] == job.wanted() and not held["drive"]
    job.world.drive.store.limit = 10**9
    sent = job.world.dropbox.received
    job.assert_brought_back()
    assert job.world.dropbox.received == sent


@pytest.mark.parametrize(
    ("role", "code", "why"),
    [
        ("reader", Exit.FATAL, "Ask the owner for the right to add files there"),
        ("", Exit.USAGE, "the shared drive cannot be found"),  # no member at all
    ],
)
def test_a_shared_drive_without_rights(
    job: FanOut, said: Say, role: str, code: Exit, why: str
) -> None:
    job.world.drive.store.drives["0AShared"] = SharedDrive("0AShared", "Family", role)
    to(job, "{type: gdrive, drive: 0AShared}", f"{{type: local, path: {job.folder}}}")
    assert job.run() == code
    assert why in said()
    assert not job.held()["drive"]
    job.world.drive.store.drives["0AShared"] = SharedDrive("0AShared", "Family")
    assert job.run() == 0 and job.held()["drive"] == job.held()["folder"] == job.wanted()


@pytest.mark.wide
def test_a_contributor_of_a_shared_drive_cannot_empty_it_and_need_not(
    job: FanOut, capsys: pytest.CaptureFixture[str]
) -> None:
    """An upload is damaged, and the bin is refused: it goes aside, which is said once, and it
    counts for nothing later."""
    job.world.drive.store.drives["0AShared"] = SharedDrive("0AShared", "Family", "writer")
    to(job, "{type: gdrive, drive: 0AShared}")
    job.world.cloud.faults.once("stored_flip", "upload.*")
    assert job.run() == 0
    assert capsys.readouterr().err.count(".damaged") == 1
    copies = job.held()["drive"]
    assert not job.wanted() - copies and copies.total() == COUNT + 1
    assert job.run() == 0 and job.held()["drive"] == copies
    assert invoke(["verify", str(job.config)]) == 0
    told = capsys.readouterr().out
    assert "1 file there that the ledger knows nothing of:" in told and ".damaged" in told


def test_a_dropbox_folder_without_the_right_to_write(
    job: FanOut, capsys: pytest.CaptureFixture[str]
) -> None:
    """A shared folder that we may only look at: once that is known nothing is fetched for it."""
    to(job, "dropbox")
    job.config.write_text(job.config.read_text() + "staging: {size: 45kB}\n")
    job.world.cloud.faults.add("no_write")
    assert job.run() == Exit.FATAL
    sent, fetched = job.world.dropbox.received, job.world.cloud.counts["content"]
    assert fetched <= 4 and sent <= 4 * 20_000
    assert "ask who manages" in capsys.readouterr().err
    job.world.cloud.faults.clear()
    assert job.run() == 0 and job.held()["dropbox"] == job.wanted()


def test_a_file_where_the_folder_of_a_year_goes(
    job: FanOut, capsys: pytest.CaptureFixture[str]
) -> None:
    to(job, "gdrive")
    store, app = job.world.drive.store, job.world.drive.signin.client.id
    top, year = store.issue(2)
    content = store.content()
    content.add(b"notes")
    store.add(Node(top, "Outpour", FOLDER, store.root, app, 0.0, 0.0), None)
    store.add(Node(year, "2026", "text/plain", top, app, 0.0, 0.0), content)
    assert job.run() == Exit.ITEMS_FAILED
    told = "'Outpour/2026' is a file in Google Drive, not a folder. Rename that file"
    assert told in capsys.readouterr().out
    store.move(store.get(year), top, "notes.txt")
    assert job.run() == 0 and not job.wanted() - job.held()["drive"]


def test_names_that_dropbox_refuses(job: FanOut, capsys: pytest.CaptureFixture[str]) -> None:
    """Those photos are named, the others arrive; another template brings them too."""
    to(job, "dropbox")
    text = job.config.read_text()
    job.config.write_text(text + 'path: "thumbs.db/{filename}"\n')
    assert job.run() == Exit.ITEMS_FAILED
    shown = capsys.readouterr()
    assert "Dropbox does not take the name" in shown.out and "Traceback" not in shown.err
    assert not job.held()["dropbox"] and f"0 of {COUNT}" in shown.out


@pytest.mark.wide
@pytest.mark.parametrize("refused", [False, True])
def test_a_date_of_long_ago_costs_no_photo(job: FanOut, refused: bool) -> None:
    """A scan dated by hand: its date is kept where the place takes it."""
    taken = datetime(5, 6, 7, tzinfo=UTC)
    job.world.cloud.library.add("OLD", created=int(taken.timestamp() * 1000))
    if refused:
        job.world.cloud.faults.add("date_refused", 1.0, "create/OLD*")
    assert job.run() == 0
    job.assert_whole()
    (path,) = [path for path in job.world.drive.store.paths() if "OLD" in path]
    (node,) = job.world.drive.store.paths()[path]
    assert (node.modified == taken.timestamp()) is not refused


def test_a_service_account_that_cannot_work_is_refused_with_the_reason(
    job: FanOut, said: Say
) -> None:
    to(job, "{type: gdrive, service_account: ./robot.json}")
    assert job.run() == Exit.USAGE
    assert "a service account owns no storage" in said()

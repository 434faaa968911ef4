"""Which sinks count as a copy of their own: never the source, nor one account under two names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from connectors.dropbox import DropboxSettings
from connectors.dropbox import auth as dropbox_auth
from connectors.gdrive import DriveSettings
from connectors.gdrive import auth as drive_auth
from connectors.icloud.session import remember_account
from pipeline.cli.opening import job_of
from pipeline.config.load import load
from pipeline.reclaim.groups import SinkGroups, group_sinks


@contextmanager
def judged(
    folder: Path, source: str, sinks: str, *, same_disk: bool = False
) -> Iterator[SinkGroups]:
    path = folder / "p.yaml"
    path.write_text(f"source: {source}\nsinks: {sinks}\n")
    pipeline = load(path)
    with job_of(pipeline) as job:
        yield group_sinks(pipeline, job.sinks, same_disk=same_disk)


ANN = "icloud:ann@example.com"


@pytest.mark.parametrize(
    ("source", "sink"),
    [
        (ANN, "{type: icloud, name: same}"),
        ("icloud", "{type: icloud, name: same, account: ann@example.com}"),
        (
            "{type: icloud, account: ann@example.com, library: shared}",
            "{type: icloud, name: same, account: Ann@Example.com}",
        ),
    ],
    ids=["no account at the sink", "no account at the source", "another library of the account"],
)
def test_what_may_be_the_source_itself_is_no_copy(source: str, sink: str, tmp_path: Path) -> None:
    for same_disk in (False, True):
        with judged(tmp_path, source, f"[{sink}, ./Photos]", same_disk=same_disk) as found:
            assert found.groups == (("local",),)
            assert any("same does not count: it is the source" in line for line in found.remarks)


def test_another_account_is_a_copy(tmp_path: Path) -> None:
    sinks = "[{type: icloud, name: other, account: bob@example.com}, ./Photos]"
    with judged(tmp_path, ANN, sinks) as found:
        assert found.groups == (("other",), ("local",)) and not found.remarks


def let_in(account: str, user: str) -> None:
    """What a sign-in to Drive and one to Dropbox leave under this name."""
    drive_auth.store_grant(
        DriveSettings(account=account), drive_auth.Grant("token", "id", "secret", "uri", user)
    )
    dropbox_auth.store_grant(
        DropboxSettings(account=account), dropbox_auth.Grant("token", "appkey", user)
    )


@pytest.mark.parametrize("kind", ["gdrive", "dropbox"])
def test_two_folders_of_one_account_are_one_copy_unless_said(kind: str, tmp_path: Path) -> None:
    let_in("default", "ann")
    sinks = f"[{kind}, {{type: {kind}, name: again, folder: Other}}]"
    with judged(tmp_path, "memory:x", sinks) as found:
        assert found.groups == ((kind, "again"),)
        assert "count as one copy: they are on one disk or account" in found.remarks[0]
    with judged(tmp_path, "memory:x", sinks, same_disk=True) as found:
        assert found.groups == ((kind,), ("again",)) and not found.remarks


@pytest.mark.parametrize("kind", ["gdrive", "dropbox"])
@pytest.mark.parametrize(
    ("second", "copies"), [("ann", 1), ("bob", 2), ("", 1)], ids=["same", "other", "not kept"]
)
def test_it_is_the_person_who_signed_in_that_counts(
    kind: str, second: str, copies: int, tmp_path: Path
) -> None:
    """An earlier version did not keep who it was: that may be the other account."""
    let_in("default", "ann")
    let_in("second", second)
    sinks = f"[./Photos, {kind}, {{type: {kind}, name: again, account: second}}]"
    with judged(tmp_path, "memory:x", sinks) as found:
        assert len(found.groups) == 1 + copies


def test_a_shared_drive_is_a_place_of_its_own_whoever_signs_in(tmp_path: Path) -> None:
    let_in("default", "ann")
    let_in("second", "bob")
    sinks = (
        "[gdrive, {type: gdrive, name: team, drive: abc},"
        " {type: gdrive, name: again, drive: abc, folder: B, account: second}]"
    )
    with judged(tmp_path, "memory:x", sinks) as found:
        assert found.groups == (("gdrive",), ("team", "again"))


def test_two_sinks_of_one_icloud_account_are_one_copy(tmp_path: Path) -> None:
    remember_account("ann@example.com")
    sinks = "[icloud, {type: icloud, name: again, account: Ann@Example.com}]"
    with judged(tmp_path, "memory:x", sinks) as found:
        assert found.groups == (("icloud", "again"),)


def test_a_cloud_nobody_signed_in_to_keeps_nobody_from_the_others(tmp_path: Path) -> None:
    sinks = "[./Photos, dropbox, {type: dropbox, name: again, account: second}]"
    with judged(tmp_path, "memory:x", sinks) as found:
        assert found.groups == (("local",), ("dropbox", "again"))

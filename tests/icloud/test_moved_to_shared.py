"""Promise: a photo that was moved to a Shared Library is no trouble of the person's own.

Of each a record stays in the own zone that stands for it and has no files (kei's issue 765).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.errors import ItemError, NotFound
from connectors.icloud import records
from connectors.icloud.listing import VISIBLE
from connectors.icloud.presence import Presence
from connectors.icloud.settings import Library as Choice
from connectors.icloud.signed_urls import SignedUrls
from pipeline.cli.app import invoke
from pipeline.states import Exit
from sandbox.library import Asset
from tests.icloud.rig import Rig, cursor, listing

pytestmark = pytest.mark.wide


def own(ready: Rig) -> Asset:
    """A photo of the person's own library, whose original no other has."""
    number = ready.library.view("listed")[3]
    return ready.library.get(number)


def test_it_is_gone_from_the_own_library(ready: Rig) -> None:
    since, moved = cursor(ready.source()), own(ready)
    ready.library.share(moved.id)
    assets, problems, gone = listing(ready.source(), since)
    assert (assets, problems, gone) == ([], [], [moved.id])
    *_, last = ready.source().pages(since)
    assert last.cursor and not last.full


def test_it_comes_with_the_shared_library_where_that_is_wanted(ready: Rig) -> None:
    source = ready.source(library=Choice.ALL)
    since, moved = cursor(source), own(ready)
    ready.library.share(moved.id)
    assets, problems, gone = listing(source, since)
    assert [records.split_id(asset.id)[1] for asset in assets] == [moved.id]
    assert assets[0].library and not problems and gone == [moved.id]


def test_a_listing_by_the_record_of_the_library_passes_it_over(ready: Rig) -> None:
    """The record is read as a whole because Apple does not count."""
    ready.faults.add("bad_index", key=f"index/{VISIBLE.count}")
    moved = own(ready)
    ready.library.share(moved.id)
    *pages, last = ready.source().pages()
    named = {asset.id for page in (*pages, last) for asset in page.assets}
    assert named == ready.ids("shown", "hidden") and moved.id not in named
    assert last.full and last.cursor and not any(page.problems for page in (*pages, last))
    assert ready.icloud.counts["changes"]


def test_it_is_neither_deleted_nor_brought_back(ready: Rig) -> None:
    source, moved = ready.source(), own(ready)
    asset = next(one for one in listing(source)[0] if one.id == moved.id)
    ready.library.share(moved.id)
    for revision in (asset.revision, "a/b"):
        (refusal,) = source.trash([(moved.id, revision)])
        assert isinstance(refusal, ItemError) and str(refusal) == "it was moved to a Shared Library"
    (refusal,) = source.restore([moved.id])
    assert isinstance(refusal, NotFound)
    assert not ready.library.find(moved.id).trashed


def test_its_content_is_not_taken_for_there(ready: Rig) -> None:
    cloudkit, moved = ready.source()._cloudkit, own(ready)
    presence = Presence(cloudkit, SignedUrls(cloudkit), 4)
    wanted = {moved.original.fingerprint: moved.id}
    assert list(presence.photos(wanted)) == list(wanted)
    ready.library.share(moved.id)
    assert not presence.photos(wanted)


def test_what_is_copied_stays_copied(
    ready: Rig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ["run", "--from", "icloud:demo@example.com", "--to", str(tmp_path / "Photos")]
    assert invoke(run) == Exit.OK
    before = {path.name for path in (tmp_path / "Photos").rglob("*.*")}
    moved = own(ready)
    ready.library.share(moved.id)
    capsys.readouterr()
    for _ in range(2):
        assert invoke(run) == Exit.OK
    assert "unavailable" not in capsys.readouterr().out
    assert {path.name for path in (tmp_path / "Photos").rglob("*.*")} >= before

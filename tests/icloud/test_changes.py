"""What changed since last time: complete, cheap, and never guessed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from connectors.errors import CursorLost, Transient
from connectors.icloud.settings import Library as Choice
from sandbox.icloud import changes
from sandbox.icloud.records import Keys, Record
from sandbox.icloud.wire import error_item
from sandbox.icloud.zones import Zone
from sandbox.library import Event
from tests.icloud.rig import Rig, cursor, listing


def test_an_unchanged_library_costs_at_most_five_requests(ready: Rig) -> None:
    for choice, most in ((Choice.PRIMARY, 2), (Choice.ALL, 5)):
        since = cursor(ready.source(library=choice))
        ready.icloud.reset_counts()
        pages = list(ready.source(library=choice).pages(since))
        assert sum(ready.icloud.counts.values()) <= most, ready.icloud.counts
        assert pages[-1].cursor and not any(page.assets or page.gone for page in pages)
        assert not any(page.albums_changed for page in pages)


def test_each_kind_of_change(ready: Rig) -> None:
    source = ready.source()
    since = cursor(source)
    library = ready.library
    names = [library.get(number).id for number in library.view("shown")[:5]]
    edited, favoured, trashed, purged, hidden = names
    library.edit(edited)
    library.change(favoured, favorite=True)
    library.trash(trashed)
    library.purge(purged)
    library.change(hidden, hidden=True)
    added = library.add("NEW").id
    assets, problems, gone = listing(source, since)
    assert not problems
    assert {a.id for a in assets} == {edited, favoured, added, hidden}
    assert {trashed, purged} <= set(gone)
    changed = {asset.id: asset for asset in assets}
    assert changed[favoured].metadata.favorite and changed[hidden].metadata.hidden
    assert any(r.id == "resJPEGFull" for r in changed[edited].resources)


def test_who_does_not_want_hidden_assets_sees_them_go(ready: Rig) -> None:
    source = ready.source(hidden=False)
    since = cursor(source)
    name = ready.library.get(ready.library.view("shown")[0]).id
    ready.library.change(name, hidden=True)
    assert listing(source, since)[2] == [name]
    assert listing(ready.source(), cursor(ready.source())) == ([], [], [])


def test_changes_during_a_full_listing_are_changes_of_the_next(ready: Rig) -> None:
    source = ready.source()
    pages = source.pages()
    next(pages)
    name = ready.library.get(ready.library.view("shown")[9]).id
    ready.library.change(name, favorite=True)
    *_, last = pages
    assert last.cursor
    assert name in {asset.id for asset in listing(source, last.cursor)[0]}


def test_albums_are_said_to_have_changed(ready: Rig) -> None:
    source = ready.source()
    since = cursor(source)
    album = next(iter(source.albums()))
    asset = ready.library.get(ready.library.view("shown")[2]).id
    ready.library.put(asset, ready.library.albums.get(album.id))
    assert any(page.albums_changed for page in source.pages(since))


def test_many_changes_come_in_pages(ready: Rig) -> None:
    source = ready.source()
    since = cursor(source)
    added = {ready.library.add(f"N{number}").id for number in range(320)}
    pages = list(source.pages(since))
    assert len(pages) > 3
    assert {a.id for page in pages for a in page.assets} == added
    assert not any(page.full for page in pages)


def test_empty_answers_that_promise_more_are_no_end(ready: Rig) -> None:
    source = ready.source()
    since = cursor(source)
    added = ready.library.add("NEW").id
    ready.faults.add("empty_page", key="changes/*", times=3)
    assert {asset.id for asset in listing(source, since)[0]} == {added}


def test_promises_without_end_are_not_believed(ready: Rig) -> None:
    source = ready.source()
    since = cursor(source)
    ready.library.add("NEW")
    ready.faults.add("empty_page", key="changes/*")
    with pytest.raises(Transient):
        list(source.pages(since))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: "nonsense",
        lambda text: json.dumps({**json.loads(text), "v": 99}),
        lambda text: json.dumps({**json.loads(text), "at": {"private|PrimarySync|": "AQID"}}),
        lambda text: json.dumps({**json.loads(text), "at": {"private|Other|": "AQID"}}),
        lambda text: json.dumps({**json.loads(text), "at": []}),
    ],
    ids=["no json", "other format", "bad token", "other library", "no tokens"],
)
def test_a_cursor_that_is_not_honoured_is_lost(ready: Rig, spoil: Callable[[str], str]) -> None:
    source = ready.source()
    with pytest.raises(CursorLost):
        next(iter(source.pages(spoil(cursor(source)))))


def test_another_choice_of_assets_needs_a_full_listing(ready: Rig) -> None:
    since = cursor(ready.source())
    for settings in ({"hidden": False}, {"trashed": True}, {"library": Choice.ALL}):
        with pytest.raises(CursorLost):
            next(iter(ready.source(**settings).pages(since)))


def test_files_that_change_without_their_asset_lead_to_a_full_listing(
    ready: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Apple may tell of a changed master alone; which assets it belongs to, nobody says."""
    source = ready.source()
    since = cursor(source)
    name = ready.library.get(ready.library.view("shown")[4]).id
    ready.library.change(name, favorite=True)
    told = changes._told

    def masters_only(zone: Zone, event: Event, keys: Keys) -> list[Record]:
        return [r for r in told(zone, event, keys) if r["recordType"] != "CPLAsset"]

    monkeypatch.setattr(changes, "_told", masters_only)
    pages = list(source.pages(since))
    assert pages[-1].full and pages[-1].cursor
    assert name in {asset.id for page in pages for asset in page.assets}


@pytest.fixture
def told_as_errors(ready: Rig, monkeypatch: pytest.MonkeyPatch) -> Rig:
    """Whatever changes comes as an error item; asked for by name, it is there."""
    told = changes._told

    def failing(zone: Zone, event: Event, keys: Keys) -> list[Record]:
        why = "Could not read the record"
        return [
            one if one.get("deleted") else error_item(one["recordName"], "INTERNAL_ERROR", why)
            for one in told(zone, event, keys)
        ]

    monkeypatch.setattr(changes, "_told", failing)
    monkeypatch.setattr(changes, "_delta", erring(changes._delta))
    return ready


def erring(delta: Callable[..., Any]) -> Callable[..., Any]:
    """The same, with the type that the double looks at where a record is an error."""

    def made(*given: Any) -> Any:
        found, position, more = delta(*given)
        for one in found:
            one.setdefault("recordType", "")
        return found, position, more

    return made


def test_changes_that_come_as_errors_are_asked_for_by_name(told_as_errors: Rig) -> None:
    """Else what went into the bin would look present, and an album unchanged."""
    rig, source = told_as_errors, told_as_errors.source()
    since, library = cursor(source), rig.library
    trashed, favoured, member = (library.get(number).id for number in library.view("shown")[:3])
    library.trash(trashed)
    library.change(favoured, favorite=True)
    assets, problems, gone = listing(source, since)
    assert [asset.id for asset in assets] == [favoured] and gone == [trashed] and not problems
    since, album = cursor(source), next(iter(source.albums()))
    library.put(member, library.albums.get(album.id))
    assert any(page.albums_changed for page in source.pages(since))

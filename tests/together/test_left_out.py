"""Promise: one of several sources that is away holds up no other, and nothing of it is lost,
doubled or taken for deleted meanwhile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from connectors.abilities import Album, Prompter
from connectors.base import Kind, Page, Problem, Resource, Role, Stream
from connectors.errors import (
    Fatal,
    ItemError,
    Misconfigured,
    OutpourError,
    SessionExpired,
    Unreachable,
)
from connectors.memory import Library
from pipeline.config.models import Select
from pipeline.ledger import Ledger
from pipeline.runner import run
from pipeline.states import AssetState, Exit
from pipeline.stopping import Stop
from tests.engine.rig import Recorder
from tests.engine.test_full_and_lost import Nobody
from tests.together.rig import START, Counting, Photo, World, files
from tests.together.test_together import states

pytestmark = pytest.mark.wide

ERRORS = [
    SessionExpired("no iPhone is plugged in", hint="Plug it in."),
    Misconfigured("there is no folder /card"),
    Unreachable("phone cannot be reached"),
    Fatal("the phone says no"),
]
errors = pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)


class Phone(Counting):
    """Is away while it has an ``error``; goes away after so many files."""

    def __init__(self, library: Library) -> None:
        super().__init__("phone", library)
        self.error: OutpourError | None = None
        self.goes: tuple[int, OutpourError] | None = None
        self.mended = 0

    def pages(self, since: str | None = None) -> Iterator[Page]:
        if self.error:
            raise self.error
        yield from super().pages(since)

    def albums(self) -> Iterator[Album]:
        if self.error:
            raise self.error
        yield from super().albums()

    def members(self, album: Album) -> Iterator[str]:
        if self.error:
            raise self.error
        yield from super().members(album)

    def open(self, asset_id: str, resource: Resource, offset: int = 0) -> Stream:
        if self.goes and self.opened.total() >= self.goes[0]:
            self.error = self.goes[1]
        if self.error:
            raise self.error
        return super().open(asset_id, resource, offset)

    def reconnect(self, prompter: Prompter) -> None:
        del prompter
        self.error, self.goes = None, None
        self.mended += 1


class Cloud(Counting):
    """While it is ``odd``, one of its items makes no sense. ``refuses`` some files for good."""

    odd = False
    refuses: Collection[str] = ()
    refused = 0

    def open(self, asset_id: str, resource: Resource, offset: int = 0) -> Stream:
        if asset_id in self.refuses:
            self.refused += 1
            raise ItemError(f"{asset_id} cannot be had")
        return super().open(asset_id, resource, offset)

    def pages(self, since: str | None = None) -> Iterator[Page]:
        problems = (Problem("C99", "its record makes no sense"),) if self.odd else ()
        for page in super().pages(since):
            yield replace(page, problems=problems)


class Pair(World):
    """``away`` is the phone; the cloud is always there. Everything has been copied once."""

    def __post_init__(self) -> None:
        self.away = Phone(self.phone)
        self.there = Cloud("cloud", self.cloud)
        self.sources = [self.away, self.there]
        self.wanted: list[Photo] = []

    def begun(self) -> Pair:
        for number in (1, 2, 3):
            self.wanted.append(self.both(number))
        for number in (4, 5):
            self.wanted.append(self.only(self.phone, number))
        self.wanted.append(self.only(self.cloud, 6, Role.ORIGINAL, Role.LIVE_VIDEO))
        assert self.run().exit is Exit.OK and self.whole()
        return self

    def whole(self, *but: Photo) -> bool:
        return self.landed() == sum((files(p) for p in self.wanted if p not in but), Counter())


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.retry._FIRST", 0.001)
    monkeypatch.setattr("pipeline.retry._OUTAGE_BUDGET", 0.1)


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return Pair(tmp_path)


def code(error: OutpourError) -> Exit:
    return Exit.NEEDS_PERSON if isinstance(error, SessionExpired) else Exit.FATAL


@errors
def test_what_the_other_has_is_copied_in_this_run_and_in_the_next(
    pair: Pair, error: OutpourError
) -> None:
    pair.begun()
    pair.wanted += [pair.both(10), pair.only(pair.cloud, 11)]
    late = pair.only(pair.phone, 12)
    pair.wanted.append(late)
    pair.away.error = error
    for _ in range(2):
        outcome = pair.run()
        assert outcome.exit is code(error) and str(error) in outcome.error
        assert pair.whole(late)
        assert states(pair)[AssetState.GONE] == states(pair)[AssetState.FAILED] == 0
        assert outcome.summary.missing == 0
    pair.away.error = None
    assert pair.run().exit is Exit.OK and pair.whole()


@errors
def test_what_the_other_has_in_a_selected_album_is_copied_too(
    pair: Pair, error: OutpourError
) -> None:
    """The albums of the one that is away stay as they are known, in every run."""
    mine, theirs = Album("a", ("Trip",)), Album("b", ("Trip",))
    chosen = Select(albums=("Trip",))
    pair.wanted += [pair.both(1), pair.only(pair.phone, 4), pair.only(pair.cloud, 6)]
    pair.phone.albums[mine], pair.cloud.albums[theirs] = ("P1", "P4"), ("C6",)
    assert pair.run(select=chosen).exit is Exit.OK and pair.whole()
    pair.away.error = error
    for number in (11, 12):
        pair.wanted.append(pair.only(pair.cloud, number))
        pair.cloud.albums[theirs] = (*pair.cloud.albums[theirs], f"C{number}")
        outcome = pair.run(select=chosen)
        assert outcome.exit is code(error) and str(error) in outcome.error
        assert pair.whole()
    pair.wanted.append(pair.only(pair.phone, 13))
    pair.phone.albums[mine] = ("P1", "P13")
    pair.away.error = None
    assert pair.run(select=chosen).exit is Exit.OK and pair.whole()
    assert states(pair) == {AssetState.CONFIRMED: 5, AssetState.EXCLUDED: 1}


@errors
def test_what_was_listed_and_not_copied_waits(pair: Pair, error: OutpourError) -> None:
    pair.begun()
    pair.away.broken = True
    late = pair.only(pair.phone, 12)
    pair.wanted += [late, pair.only(pair.cloud, 13)]
    assert pair.run().exit is Exit.ITEMS_FAILED
    pair.away.broken, pair.away.error = False, error
    assert pair.run().exit is code(error) and pair.whole(late)
    assert states(pair)[AssetState.WAITING] == 1 and states(pair)[AssetState.FAILED] == 0
    pair.away.error = None
    assert pair.run().exit is Exit.OK and pair.whole()


@pytest.mark.parametrize("files_before", [0, 1, 5])
@errors
def test_one_that_goes_in_mid_run(
    pair: Pair, error: OutpourError, files_before: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.retry._OUTAGE_BUDGET", 20)
    monkeypatch.setattr("pipeline.retry._OUTAGE_LONGEST", 0.02)
    monkeypatch.setattr("pipeline.together.source._OUTAGE", 0.1)
    pair.begun()
    both = [pair.both(number) for number in range(20, 28)]
    alone = [pair.only(pair.phone, number) for number in range(30, 38)]
    pair.wanted += [*both, *alone]
    pair.away.opened.clear()
    pair.away.goes = (files_before, error)
    outcome = pair.run()
    assert outcome.exit is code(error) and str(error) in outcome.error
    assert states(pair)[AssetState.FAILED] == states(pair)[AssetState.GONE] == 0
    assert states(pair)[AssetState.WAITING] >= len(alone) - files_before
    landed = pair.landed()
    assert all(not files(photo) - landed for photo in both), "the cloud has them too"
    pair.away.error = pair.away.goes = None
    assert pair.run().exit is Exit.OK and pair.whole()


@errors
def test_one_that_was_never_listed_is_needed(pair: Pair, error: OutpourError) -> None:
    pair.only(pair.cloud, 1)
    pair.away.error = error
    outcome = pair.run()
    assert outcome.exit in (Exit.USAGE, code(error)) and str(error) in outcome.error
    assert not pair.landed()


@errors
def test_nor_is_one_known_that_comes_to_a_library_of_another(
    pair: Pair, error: OutpourError
) -> None:
    pair.wanted.append(pair.only(pair.cloud, 1))
    assert pair.run([pair.there]).exit is Exit.OK and pair.whole()
    pair.only(pair.cloud, 2)
    pair.away.error = error
    outcome = pair.run()
    assert outcome.exit in (Exit.USAGE, code(error)) and pair.whole()


def test_without_any_the_run_ends(pair: Pair) -> None:
    pair.begun()
    pair.away.error = SessionExpired("no iPhone is plugged in")
    other = Phone(pair.cloud)
    other.name, other.error = "cloud", SessionExpired("the sign-in has ended")
    outcome = pair.run([pair.away, other])
    assert outcome.exit is Exit.NEEDS_PERSON and outcome.error == "the sign-in has ended"


def test_everything_listed_anew_without_it_takes_none_of_its_photos_for_deleted(
    pair: Pair,
) -> None:
    pair.begun()
    pair.there.odd = True
    assert pair.run().exit is Exit.ITEMS_FAILED  # it is in no later change: next, all is listed
    pair.there.odd = False
    pair.away.error = ERRORS[0]
    pair.wanted.append(pair.only(pair.cloud, 11))
    outcome = pair.run()
    assert outcome.exit is Exit.NEEDS_PERSON and pair.whole()
    assert states(pair)[AssetState.GONE] == 0 and outcome.summary.missing == 0
    pair.away.error = None
    assert pair.run().exit is Exit.OK and pair.whole()


def test_another_selection_is_made_of_all_of_them_once_it_is_back(pair: Pair) -> None:
    early = START + timedelta(minutes=5)
    pair.wanted += [pair.only(pair.phone, 8), pair.only(pair.cloud, 9)]
    before = [pair.only(pair.phone, 1), pair.only(pair.cloud, 2)]
    assert pair.run(select=Select(since=early)).exit is Exit.OK and pair.whole()
    pair.away.error = ERRORS[0]
    assert pair.run().exit is Exit.NEEDS_PERSON
    pair.wanted.append(before[1])
    assert pair.whole()
    pair.away.error = None
    pair.wanted.append(before[0])
    assert pair.run().exit is Exit.OK and pair.whole()


def test_another_selection_used_for_once_hides_nothing_for_ever(pair: Pair) -> None:
    pair.begun()
    pair.away.error = ERRORS[0]
    pair.wanted.append(pair.only(pair.cloud, 8))
    late = Select(since=START + timedelta(days=1))
    assert pair.run(select=late).exit is Exit.NEEDS_PERSON
    pair.away.error = None
    assert pair.run().exit is Exit.OK and pair.whole()


@errors
def test_what_the_other_refuses_is_offered_once(pair: Pair, error: OutpourError) -> None:
    """The one that is away may have it: it waits, and the run comes to its end."""
    pair.begun()
    photo = pair.both(10)
    pair.wanted.append(photo)
    pair.away.broken = True
    pair.there.refuses = {"C10"}
    assert pair.run().exit is Exit.ITEMS_FAILED
    pair.away.broken, pair.away.error = False, error
    assert pair.run().exit is code(error) and pair.whole(photo)
    assert states(pair)[AssetState.WAITING] == 1 and pair.there.refused <= 3
    pair.away.error = None
    assert pair.run().exit is Exit.OK and pair.whole()


def test_the_only_source_until_now_is_needed_when_another_joins_it(pair: Pair) -> None:
    photos = [pair.only(pair.phone, number, known=False) for number in range(4)]
    assert pair.run([pair.away]).exit is Exit.OK
    for photo in photos:
        pair.put(pair.cloud, photo, photo.asset(f"C{photo.number}", known=False))
    pair.away.error = ERRORS[0]
    pair.run()
    pair.wanted += photos
    assert pair.whole(), "copied again"
    pair.away.error = None
    assert pair.run().exit is Exit.OK and pair.whole()


def test_what_only_bytes_can_tell_apart_is_not_copied_twice(pair: Pair) -> None:
    """A photo of the phone's, come to the cloud meanwhile: nobody can compare them yet."""
    old = pair.only(pair.phone, 7, known=False)
    pair.wanted.append(old)
    pair.begun()
    pair.put(pair.cloud, old, old.asset("C7", known=False))
    pair.away.error = ERRORS[0]
    pair.run()
    assert pair.whole()
    pair.away.error = None
    assert pair.run().exit is Exit.OK and pair.whole()


def test_a_person_is_asked_for_the_one_that_is_away(pair: Pair) -> None:
    pair.begun()
    pair.wanted += [pair.only(pair.phone, 12), pair.only(pair.cloud, 13)]
    pair.away.error = ERRORS[0]
    with Ledger.open(pair.ledger) as ledger:
        outcome = run(pair.job(), ledger, Recorder(), stop=Stop(), prompter=Nobody())
    assert outcome.exit is Exit.OK and pair.away.mended == 1 and pair.whole()


def test_and_for_one_that_goes_in_mid_run(pair: Pair) -> None:
    pair.begun()
    pair.wanted += [pair.only(pair.phone, number) for number in range(12, 20)]
    pair.away.opened.clear()
    pair.away.goes = (2, ERRORS[0])
    with Ledger.open(pair.ledger) as ledger:
        outcome = run(pair.job(), ledger, Recorder(), stop=Stop(), prompter=Nobody())
    assert outcome.exit is Exit.OK and pair.away.mended >= 1 and pair.whole()


def test_edits_of_what_both_have_come_from_the_other(pair: Pair) -> None:
    pair.begun()
    photo = pair.wanted[0]
    edited = Photo(photo.number, {**photo.files, "edited": (Role.EDITED, b"in black and white")})
    asset = replace(edited.asset("C1"), revision="2", kind=Kind.PHOTO)
    pair.put(pair.cloud, edited, asset)
    pair.wanted[0] = edited
    pair.away.error = ERRORS[0]
    assert pair.run().exit is Exit.NEEDS_PERSON and pair.whole()

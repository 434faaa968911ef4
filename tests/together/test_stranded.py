"""What is at one source only, right to the asset, without reading a file."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from connectors.base import Page, Problem, Role
from connectors.errors import Misconfigured
from connectors.memory import MemorySource
from pipeline.cli.app import invoke
from pipeline.cli.stranded import show
from pipeline.ledger import Ledger
from pipeline.report import document
from pipeline.report.whereabouts import Whereabouts
from pipeline.runner.comparing import Compared, compare
from pipeline.states import Exit
from pipeline.stopping import Stop
from tests.engine.rig import Recorder
from tests.together.rig import Photo, World, other_scheme


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def compared(world: World) -> Whereabouts:
    before = world.ledger.exists()
    found = compare(world.sources, world.ledger, Recorder(), stop=Stop(), attempts=2)
    assert world.ledger.exists() is before, "nothing is changed"
    assert not any(source.opened for source in world.sources), "nothing is read"
    assert found.exit is Exit.OK and not found.problem_count
    return found.where


def shown(found: Compared) -> str:
    text = io.StringIO()
    show(Console(file=text), found)
    return text.getvalue()


def parts(found: Whereabouts) -> dict[tuple[str, ...], int]:
    return {part.sources: part.assets for part in found.parts}


def test_it_is_right_to_the_asset(world: World) -> None:
    for number in range(30):
        world.both(number, Role.ORIGINAL, Role.LIVE_VIDEO)
    stranded = [world.only(world.phone, number) for number in range(100, 117)]
    for number in range(200, 205):
        world.only(world.cloud, number)
    away = Photo.made(300)
    world.put(world.phone, away, away.asset("P300", absent=["original"]))
    world.put(world.cloud, away, away.asset("C300"))
    found = compared(world)
    assert parts(found) == {("phone", "cloud"): 30, ("phone",): 17, ("cloud",): 6}
    only = found.only("phone")
    assert only is not None and only.oldest == "IMG_0100.HEIC"
    assert only.bytes == sum(len(data) for p in stranded for _, data in p.files.values())
    assert only.first and only.last and only.first < only.last


def test_what_nobody_can_tell_without_the_bytes_is_counted_apart(world: World) -> None:
    photo = Photo.made(1)
    world.put(world.phone, photo, photo.asset("P1"))
    world.put(world.cloud, photo, other_scheme(photo.asset("C1")))
    world.only(world.phone, 2, known=False)  # nothing there has its size: it is alone for sure
    found = compared(world)
    assert found.unproven == 2
    assert parts(found) == {("phone",): 1}
    world.phone.trash("P2")
    text = shown(Compared(compared(world)))
    assert "✔" not in text and "not known     2 assets" in text


def test_after_a_run_everything_is_known_and_stands_in_the_report(world: World) -> None:
    photo = Photo.made(1)
    world.put(world.phone, photo, photo.asset("P1", known=False))
    world.put(world.cloud, photo, photo.asset("C1"))
    world.run()
    for source in world.sources:
        source.opened.clear()
    assert parts(compared(world)) == {("phone", "cloud"): 1}
    with Ledger.open(world.ledger, exclusive=False) as ledger:
        told = json.loads("".join(document.as_json(ledger)))["whereabouts"]
        assert '"whereabouts"' in "".join(document.as_page(ledger))
    assert told["sources"] == ["phone", "cloud"]
    assert [part["sources"] for part in told["parts"]] == [["phone", "cloud"]]


class Partly(MemorySource):
    """Cannot show one item, and counts one that it does not list."""

    def pages(self, since: str | None = None) -> Iterator[Page]:
        for page in super().pages(since):
            expected = None if page.expected is None else page.expected + 2
            yield replace(page, problems=(Problem("DCIM/x", "refused"),), expected=expected)


def test_what_could_not_be_listed_is_told(world: World) -> None:
    """It may be stranded too: nobody should give the phone away for what is missing here."""
    world.both(1)
    sources = [Partly("phone", world.phone), world.sources[1]]
    found = compare(sources, world.ledger, Recorder(), stop=Stop(), attempts=2)
    assert found.exit is Exit.ITEMS_FAILED
    assert (found.problem_count, found.unlisted) == (1, 1)
    text = shown(found)
    assert "✔" not in text and "Nothing is known to be only on phone" in text
    assert "1 asset more that a source counts" in text and "phone/DCIM/x  refused" in text


def test_one_source_has_nothing_to_be_compared_with(world: World) -> None:
    with pytest.raises(Misconfigured, match="at least two"):
        compare(world.sources[:1], world.ledger, Recorder(), stop=Stop(), attempts=2)


def test_without_places_it_says_what_to_write(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["stranded"]) == Exit.USAGE
    assert "--from iphone --from icloud:ann@example.com" in capsys.readouterr().err

"""A phone through the engine and the command line: what the person sees, and what lands."""

from __future__ import annotations

import contextlib
import random
import sqlite3
import sys
from collections import Counter
from pathlib import Path

import pytest

from sandbox.iphone import OnPhone, Phone, Placement
from sandbox.iphone.media import File
from sandbox.library import Library
from tests.iphone.conftest import Outpour, Plug, strange_database
from tests.rehearsal.rig import added, killed_in_transit, landed, sha, until_struck

pytest.importorskip("pymobiledevice3")


@pytest.fixture
def whole(plug: Plug) -> OnPhone:
    """A phone that has everything itself."""
    return filled(plug, 60)


def filled(plug: Plug, count: int, size: int | None = None) -> OnPhone:
    phone = Phone(away=0.02)
    plug(phone)
    library = Library(count, size=size)
    return OnPhone(phone, library, place=lambda asset: Placement(synced=asset.number % 4 == 1))


def held(on_phone: OnPhone) -> Counter[str]:
    """Every file that has to land, by content; the recipes of edits too."""
    found: Counter[str] = Counter()
    for asset in on_phone.library:
        if asset.trashed is None and not asset.shared:
            found.update(sha(file.content.read()) for file in asset.files)
            if any(file.role.startswith("edited") for file in asset.files):
                folder, _, name = on_phone.path(asset).rpartition("/")
                stem = name.rpartition(".")[0]
                path = f"PhotoData/Mutations/{folder}/{stem}/Adjustments/Adjustments.plist"
                recipe = on_phone.phone.media.find(path)
                sidecar = asset.file("sidecar")
                if sidecar is None:
                    assert isinstance(recipe, File)
                    found[sha(recipe.content.read())] += 1
    return found


def run(folder: Path) -> list[str]:
    return ["run", "--from", "iphone", "--to", str(folder)]


def test_a_pulled_cable_is_said_waited_for_and_gone_on_from(
    whole: OnPhone, outpour: Outpour, tmp_path: Path
) -> None:
    whole.phone.unplug_after(400_000, back_after=1.5)
    code, said = outpour(*run(tmp_path))
    assert code == 0, said
    assert "no iPhone is plugged in; waiting up to 120 s for it" in said
    assert "Plug the iPhone in" in said and "goes on" in said
    assert landed(tmp_path) == held(whole)


def test_a_phone_that_stays_away_ends_the_run_and_the_next_one_goes_on(
    whole: OnPhone, outpour: Outpour, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUTPOUR_SOURCE__IPHONE__WAIT", "1")
    whole.phone.unplug_after(600_000)
    code, said = outpour(*run(tmp_path))
    assert code == 3, said
    assert "no iPhone is plugged in (waited 1 s). Plug the iPhone in" in said
    before = sum(landed(tmp_path).values())
    assert before < sum(held(whole).values())
    whole.phone.plug()
    bytes_before, everything = (
        whole.phone.bytes_read,
        sum(file.size for asset in whole.library for file in asset.files),
    )
    code, said = outpour(*run(tmp_path))
    assert code == 0, said
    assert landed(tmp_path) == held(whole)
    again = whole.phone.bytes_read - bytes_before
    assert again < everything, "what had arrived is not read again"


def test_another_phone_is_refused_until_it_is_named(
    whole: OnPhone, plug: Plug, outpour: Outpour, tmp_path: Path
) -> None:
    """Also after a listing that could not show all: what the first has would count as deleted."""
    whole.phone.faults.add("denied", key="DCIM/100APPLE")
    config = tmp_path / "phone.yaml"
    config.write_text("source: iphone\nsinks: [./photos]\n")
    (tmp_path / "photos").mkdir()
    assert outpour("run", str(config))[0] == 1
    before = landed(tmp_path / "photos")
    other = Phone(udid="00008030-00112233AABBCCDD")
    theirs = OnPhone(other, Library(5, seed=7, plain=True), place=lambda _: Placement())
    plug(other)
    for command in ("run", "plan"):
        code, said = outpour(command, str(config))
        assert code == 2 and "another iPhone is plugged in" in said, said
    assert landed(tmp_path / "photos") == before
    config.write_text(f"source: {{type: iphone, device: {other.udid}}}\nsinks: [./photos]\n")
    code, said = outpour("run", str(config))
    assert code == 0, said
    assert landed(tmp_path / "photos") == before + held(theirs)


def test_a_phone_that_was_replugged_locked_is_waited_for_until_it_is_unlocked(
    whole: OnPhone, outpour: Outpour, tmp_path: Path
) -> None:
    phone = whole.phone
    phone.unplug_after(400_000, back_after=0)

    # It says so to the next questions: a clock might end before the run has asked.
    def lock(_: Phone, attached: bool) -> None:
        if attached:
            phone.faults.add("locked", times=6)

    phone.watchers.append(lock)
    code, said = outpour(*run(tmp_path))
    assert code == 0, said
    assert "the iPhone is locked; waiting up to 120 s for it" in said
    assert "Unlock the iPhone with its passcode" in said
    assert landed(tmp_path) == held(whole)


@pytest.mark.parametrize("name", ["a/b.JPG", "a\0b.JPG", "../../../etc/passwd"])
def test_a_name_that_cannot_be_is_named_and_its_file_lands_all_the_same(
    whole: OnPhone, outpour: Outpour, tmp_path: Path, name: str
) -> None:
    victim = next(a for a in whole.library if a.trashed is None and len(a.files) == 1)
    whole.lie(victim, "DCIM/100APPLE", name)
    code, said = outpour(*run(tmp_path / "photos"))
    assert code == 1, said
    assert "the phone's library has a file named" in said
    assert landed(tmp_path) == held(whole)
    assert not [path for path in tmp_path.iterdir() if path.name != "photos"]


def test_a_library_of_an_unknown_ios_is_one_line_and_every_file_lands(
    whole: OnPhone, outpour: Outpour, tmp_path: Path
) -> None:
    whole.phone.media.add("PhotoData/Photos.sqlite", strange_database(tmp_path / "strange"))
    whole.phone.media.remove("PhotoData/Photos.sqlite-wal")
    code, said = outpour(*run(tmp_path / "photos"))
    assert code == 1, said
    lines = [line for line in said.splitlines() if "cannot be read (model 99999" in line]
    assert len(lines) == 1 and "files were listed as they lie" in said
    assert not held(whole) - landed(tmp_path / "photos"), "all of it, and what is in the bin"


@pytest.mark.parametrize(
    "odd",
    [
        "ZADDITIONALASSETATTRIBUTES SET ZTIMEZONEOFFSET = 'x', ZTITLE = x'00ff'",
        "ZADDITIONALASSETATTRIBUTES SET ZORIGINALFILESIZE = 'x', ZORIGINALFILENAME = x'00ff'",
        "ZASSET SET ZDATECREATED = 'x', ZADDEDDATE = x'00ff'",
        "ZASSET SET ZLATITUDE = 'x', ZLONGITUDE = 12.5",
        "ZINTERNALRESOURCE SET ZDATALENGTH = 'x'",
    ],
)
def test_a_value_that_is_of_no_use_keeps_no_photo_back(
    whole: OnPhone, outpour: Outpour, tmp_path: Path, odd: str
) -> None:
    """SQLite keeps any kind of value in any column, and finds nothing wrong with that."""
    change(whole, tmp_path / "Photos.sqlite", f"UPDATE {odd}")
    code, said = outpour(*run(tmp_path / "photos"))
    assert code == 0, said
    assert landed(tmp_path / "photos") == held(whole)


def test_a_zone_that_cannot_be_costs_no_capture_time(
    whole: OnPhone, outpour: Outpour, tmp_path: Path
) -> None:
    zone = "UPDATE ZADDITIONALASSETATTRIBUTES SET ZTIMEZONEOFFSET = 90000"
    change(whole, tmp_path / "Photos.sqlite", zone)
    code, said = outpour(*run(tmp_path / "photos"))
    assert code == 0, said
    assert landed(tmp_path / "photos") == held(whole)
    assert not (tmp_path / "photos" / "undated").exists()


def change(on_phone: OnPhone, path: Path, statement: str) -> None:
    """Another value in the phone's library."""
    media = on_phone.phone.media
    for end in ("", "-wal"):
        found = media.find(f"PhotoData/Photos.sqlite{end}")
        if isinstance(found, File):
            Path(f"{path}{end}").write_bytes(found.content.read())
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute(statement)
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    media.add("PhotoData/Photos.sqlite", path.read_bytes())
    media.remove("PhotoData/Photos.sqlite-wal")


def pulled(on_phone: OnPhone, folder: Path, outpour: Outpour, pulls: int) -> None:
    """One run with so many pulls at random; everything lands once and whole."""
    on_phone.phone.faults.add("unplug", 0.1, times=pulls)
    code, said = outpour(*run(folder))
    assert code == 0, said
    assert on_phone.phone.faults.counts["unplug"] == pulls
    assert landed(folder) == held(on_phone)


def test_the_cable_is_pulled_again_and_again_during_a_run(
    whole: OnPhone, outpour: Outpour, tmp_path: Path
) -> None:
    pulled(whole, tmp_path, outpour, 5)


@pytest.mark.slow
def test_the_cable_is_pulled_fifty_times_during_a_run_of_a_thousand(
    plug: Plug, outpour: Outpour, tmp_path: Path
) -> None:
    pulled(filled(plug, 1000), tmp_path, outpour, 50)


def killed(on_phone: OnPhone, folder: Path, outpour: Outpour, kills: int, seed: int) -> None:
    """Runs that are killed underway, then one that ends: everything once and whole."""
    phone, library, chance = on_phone.phone, on_phone.library, random.Random(seed)
    phone.latency = 0.004
    command = [sys.executable, "-m", "pipeline.cli", *run(folder)]
    most = library.used() // 4

    def more() -> None:
        added(library, 30, 40_000)
        on_phone.update()

    until_struck(
        kills, lambda: killed_in_transit(command, lambda: phone.bytes_read, most, chance), more
    )
    phone.latency = 0
    code, said = outpour(*run(folder))
    assert code == 0, said
    assert landed(folder) == held(on_phone)


def test_a_killed_run_goes_on(whole: OnPhone, outpour: Outpour, tmp_path: Path) -> None:
    killed(whole, tmp_path, outpour, 2, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(10))
def test_killed_two_hundred_times(plug: Plug, outpour: Outpour, tmp_path: Path, seed: int) -> None:
    killed(filled(plug, 150), tmp_path, outpour, 20, seed)

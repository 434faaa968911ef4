"""Promise: the instructions of an edit are copied along, so that it can be taken back elsewhere,
and nothing is deleted of which Photos keeps more than is copied."""

from __future__ import annotations

import base64
import plistlib
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Asset, Resource, Role
from connectors.errors import ItemError
from connectors.icloud import changes, records, signed_urls
from connectors.icloud.cloudkit import Zone
from pipeline.cli.app import invoke
from pipeline.states import Exit
from sandbox.library import edits
from tests.cases import wide_after
from tests.icloud.rig import Rig, listing, read

KINDS = ("small_instructions", "instructions")
RUN = ["run", "-q", "--from", "icloud:demo@example.com", "--to"]


def edited(ready: Rig) -> set[str]:
    return {
        asset.id
        for asset in map(ready.library.find, ready.ids("shown", "hidden"))
        if any(file.role.startswith("edited") for file in asset.files)
    }


def instructions(asset: Asset) -> list[Resource]:
    return [one for one in asset.resources if one.filename.endswith(".AAE")]


@pytest.mark.parametrize("kind", KINDS)
def test_every_edit_comes_with_them(ready: Rig, kind: str) -> None:
    ready.faults.add(kind)
    source = ready.source()
    assets = listing(source)[0]
    found = {asset.id: one for asset in assets for one in instructions(asset)}
    assert found.keys() == edited(ready) != set()
    for asset in assets:
        for one in instructions(asset):
            data = read(source, asset, one)
            told = plistlib.loads(data)
            truth = edits.instructions(ready.library.find(asset.id))
            assert (told["adjustmentData"], one.size, one.role) == (truth, len(data), Role.SIDECAR)
            assert told["adjustmentFormatIdentifier"] == "com.apple.photo"
            assert read(source, asset, one, 10) == data[10:]
            assert one.checksum and one.checksum.verifiable


def test_of_two_kinds_the_file_is_taken(ready: Rig) -> None:
    for kind in KINDS:
        ready.faults.add(kind)
    for asset in listing(ready.source())[0]:
        assert [one.id for one in instructions(asset)] == ["resAdjData"] * (
            asset.id in edited(ready)
        )


@pytest.mark.parametrize("kind", wide_after(1, KINDS))
@pytest.mark.parametrize("private", wide_after(1, [True, False]))
def test_they_are_copied_also_where_they_were_not_asked_for(
    ready: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, private: bool
) -> None:
    """Ledgers of earlier versions lack them, and the assets have not changed since."""
    ready.faults.add(kind)
    if private:
        ready.faults.add("private_facts")
    to = tmp_path / "to"
    with monkeypatch.context() as earlier:
        keys = tuple(key for key in records.KEYS if "adj" not in key.casefold())
        earlier.setattr(records, "KEYS", keys)
        earlier.setattr(changes, "_FORMAT", 3)
        assert invoke([*RUN, str(to)]) == Exit.OK
    assert not list(to.rglob("*.AAE"))
    ready.icloud.reset_counts()
    assert invoke([*RUN, str(to)]) == Exit.OK
    files = list(to.rglob("*.AAE"))
    assert len(files) == len(edited(ready))
    assert all(list(file.parent.glob(f"{file.stem}-edited.*")) for file in files)
    assert ready.icloud.counts["lookup"] < 5, "they come many at a time"
    assert invoke(["verify", *RUN[2:], str(to)]) == Exit.OK


@pytest.mark.parametrize("kind", KINDS)
def test_where_they_were_not_copied_nothing_is_deleted(ready: Rig, kind: str) -> None:
    ready.faults.add(kind)
    source = ready.source()
    asset = next(one for one in listing(source)[0] if instructions(one))
    assert asset.revision is not None
    earlier = asset.revision.removesuffix("/edit")
    (refusal,) = source.trash([(asset.id, earlier)])
    assert str(refusal) == "it was changed in iCloud since it was copied"
    assert source.trash([(asset.id, asset.revision)]) == [None]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("adjustmentCreatorCode", "a\x01b"),
        ("adjustmentCompoundVersion", "\ud800"),
        ("adjustmentRenderType", 2**70),
        ("adjustmentType", None),
    ],
)
def test_what_no_instructions_can_say_is_left_out_of_them(field: str, value: object) -> None:
    facts = {
        "adjustmentType": {"value": "com.apple.photo"},
        "adjustmentSimpleDataEnc": {"value": "aGk="},
    }
    master = {"recordName": "M", "fields": {}}
    record = {"recordName": "A", "fields": {**facts, field: {"value": value}}}
    (one,) = instructions(records.asset(Zone(), record, master))
    ((_, address, checksum),) = records.signed_urls(record)
    data = base64.b64decode(address.removeprefix(records.HELD))
    assert plistlib.loads(data)["adjustmentData"] == b"hi"
    assert one.checksum and one.checksum.value == checksum


def test_those_that_records_hold_take_bounded_memory(
    ready: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not kept is looked up again."""
    monkeypatch.setattr(signed_urls, "_MOST_BYTES", 4000)
    ready.faults.add("small_instructions")
    source = ready.source()
    assets = listing(source)[0]
    assert sum(bool(read(source, asset, one)) for asset in assets for one in instructions(asset))
    known = source._urls._known
    kept = [len(one.url) for files in known.values() for one in files.values()]
    assert sum(kept) == source._urls._bytes and sum(kept) <= 4000


def test_a_part_that_makes_no_sense_is_no_reason_to_delete() -> None:
    values: tuple[Any, ...] = ("x", [1], {})
    for value in values:
        record = {"fields": {"resAdjBaseJPEGRes": {"value": value}}}
        assert records.has_uncopied(record, {}) and records.has_uncopied({}, record)
    assert not records.has_uncopied({"fields": {"resAdjBaseJPEGRes": {"value": None}}}, {})


def test_what_an_edit_began_with_is_not_deleted(ready: Rig) -> None:
    source = ready.source()
    assets = listing(source)[0]
    ready.faults.add("base")
    with_base, without = (
        next((one.id, one.revision) for one in assets if (one.id in edited(ready)) is wanted)
        for wanted in (True, False)
    )
    refusal, done = source.trash([with_base, without])
    assert isinstance(refusal, ItemError) and "not copied" in str(refusal) and done is None


def test_an_edit_that_is_made_anew_is_listed_anew(ready: Rig) -> None:
    ready.faults.add("small_instructions")
    source = ready.source()
    *_, last = source.pages()
    asset = next(one for one in listing(source)[0] if instructions(one))
    ready.library.edit(asset.id)
    with pytest.raises(ItemError, match="changed in iCloud"):
        read(ready.source(), asset, instructions(asset)[0])
    later = ready.source()
    (now,) = listing(later, last.cursor)[0]
    told = plistlib.loads(read(later, now, instructions(now)[0]))
    assert told["adjustmentData"] == edits.instructions(ready.library.find(asset.id))

"""Promise: facts that a phone keeps encrypted are read as they are, not as they look beside that.

Apple's own client of iOS 26 writes moment, zone, burst and type of a photo so where an account has
Advanced Data Protection, and moves the plain moment on by up to a minute.
"""

from __future__ import annotations

import base64
import plistlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import tenacity

from connectors.base import Asset
from connectors.icloud import changes as icloud_changes
from connectors.icloud import fields, records
from connectors.icloud.cloudkit import Record, Zone
from pipeline.cli.app import invoke
from pipeline.states import Exit
from sandbox.icloud import changes
from sandbox.icloud.wire import Refused
from sandbox.library import Library
from tests.icloud.rig import Rig, listing, rig
from tests.pointing import Point

pytestmark = pytest.mark.wide

BURST = "B0000000-0000-4000-8000-00000000B057"


@pytest.fixture
def made(use_sandbox: Point) -> Iterator[Rig]:
    with rig(use_sandbox, Library(30)) as made:
        made.connect()
        yield made


def told(asset: Asset) -> tuple[Any, ...]:
    zone = asset.created and asset.created.utcoffset()
    return asset.id, asset.kind, asset.created, zone, asset.metadata, asset.resources[0].filename


def test_they_are_the_same_whichever_way_they_are_kept(made: Rig) -> None:
    made.library.add("", form="png", title="without a name")
    before = [told(asset) for asset in listing(made.source())[0]]
    made.faults.add("private_facts")
    assert [told(asset) for asset in listing(made.source())[0]] == before


def test_all_pictures_of_a_burst_are_listed(made: Rig) -> None:
    """Only their records tell of those behind the one in front."""
    made.faults.add("private_facts")
    for number in range(3):
        made.library.add(f"IMG_9{number:03}", burst=BURST, stacked=number > 0)
    *pages, last = made.source().pages()
    bursts = [a for page in (*pages, last) for a in page.assets if a.metadata.burst == BURST]
    assert len(bursts) == 3 and last.full
    assert {a.id for page in (*pages, last) for a in page.assets} == made.ids("shown", "hidden")


@pytest.mark.parametrize("private", [True, False])
def test_a_broken_asset_hides_no_pictures_of_a_burst(made: Rig, private: bool) -> None:
    """Encrypted fields are no part of an answer that Apple fails over with them: whatever they
    would have said is asked for asset by asset."""
    if private:
        made.faults.add("private_facts")
    for number in range(3):
        made.library.add(f"IMG_9{number:03}", burst=BURST, stacked=number > 0)
    broken = made.library.get(made.library.view("listed")[9])
    made.faults.add("unservable", key=f"record/{broken.id}")
    assets, problems, _ = listing(made.source())
    assert len([asset for asset in assets if asset.metadata.burst == BURST]) == 3
    assert len(problems) == 1 and "cannot serve it" in problems[0].reason


@pytest.mark.parametrize("failures", [1, 2])
def test_answers_that_fail_in_passing_hide_none_either(
    made: Rig, monkeypatch: pytest.MonkeyPatch, failures: int
) -> None:
    made.faults.add("private_facts")
    for number in range(3):
        made.library.add(f"IMG_9{number:03}", burst=BURST, stacked=number > 0)
    left, one = iter(range(failures)), changes.Changes._one

    def failing(self: changes.Changes, scope: str, item: Any, limit: int | None) -> Any:
        whole = "syncToken" not in item and "burstIdEnc" in item["desiredKeys"]
        if whole and next(left, None) is not None:
            raise Refused("INTERNAL_ERROR", "try again")
        return one(self, scope, item, limit)

    monkeypatch.setattr("connectors.patience._backoff", tenacity.wait_none())
    monkeypatch.setattr(changes.Changes, "_one", failing)
    *pages, last = made.source().pages()
    named = {asset.id for page in (*pages, last) for asset in page.assets}
    assert named == made.ids("shown", "hidden") and last.full
    assert next(left, None) is None


def tags(*pair: Record) -> str:
    """A revision as earlier versions told it of most."""
    return "/".join(record["recordChangeTag"] for record in pair)


def test_ledgers_of_earlier_versions_learn_them(
    made: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The assets have not changed since."""
    made.faults.add("private_facts")
    run = ["run", "-q", "--from", "icloud:demo@example.com", "--to"]
    with monkeypatch.context() as earlier:
        hidden = ("assetDateEnc", "timeZoneOffsetEnc")
        earlier.setattr(records, "KEYS", tuple(key for key in records.KEYS if key not in hidden))
        earlier.setattr(records, "revision", tags)
        earlier.setattr(icloud_changes, "_FORMAT", 3)
        assert invoke([*run, str(tmp_path / "a")]) == Exit.OK
    for folder in ("a", "b"):
        assert invoke([*run, str(tmp_path / folder)]) == Exit.OK
    told = [
        sorted(path.read_text() for path in (tmp_path / folder).rglob("*.xmp"))
        for folder in ("a", "b")
    ]
    assert told[0] == told[1] != []


def test_the_type_names_a_photo_without_a_name() -> None:
    vague, real = {"value": "public.image"}, base64.b64encode(b"public.heic").decode()
    types = {"itemType": vague, "itemTypeEnc": {"type": "ENCRYPTED_BYTES", "value": real}}
    record = {"recordName": "A-1", "fields": {}}
    asset = records.asset(Zone(), record, {"recordName": "M", "fields": types})
    assert asset.resources[0].filename == "IMG_A1.HEIC"


WHEN = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
_PLIST = base64.b64encode(
    plistlib.dumps(WHEN.replace(tzinfo=None), fmt=plistlib.FMT_BINARY)
).decode()
_DIGITS = base64.b64encode(str(int(WHEN.timestamp() * 1000)).encode()).decode()


@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        ({"type": "TIMESTAMP", "value": int(WHEN.timestamp() * 1000)}, WHEN),
        ({"type": "ENCRYPTED_BYTES", "value": _PLIST}, WHEN),
        ({"type": "ENCRYPTED_BYTES", "value": _DIGITS}, WHEN),
        ({"type": "ENCRYPTED_BYTES", "value": "%%"}, datetime(1970, 1, 1, tzinfo=UTC)),
        ({"type": "ENCRYPTED_BYTES", "value": "/w=="}, datetime(1970, 1, 1, tzinfo=UTC)),
        ({"type": "TIMESTAMP", "value": None}, datetime(1970, 1, 1, tzinfo=UTC)),
        (None, datetime(1970, 1, 1, tzinfo=UTC)),
    ],
)
def test_what_cannot_be_read_leaves_the_plain_value(kept: Any, expected: datetime) -> None:
    record = {"fields": {"assetDate": {"value": 0, "type": "TIMESTAMP"}, "assetDateEnc": kept}}
    assert fields.instant(record, "assetDate") == expected


def test_a_broken_burst_names_none() -> None:
    for value in (7, "", {"a": 1}):
        assert records.burst({"fields": {"burstIdEnc": {"value": value}}}) is None
    digits = {"type": "ENCRYPTED_BYTES", "value": base64.b64encode(b"123").decode()}
    assert records.burst({"fields": {"burstIdEnc": digits}}) == "123"

"""What may go is always a part of what is proven, by an oracle that shares no code with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypedDict, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Table, insert, update

from pipeline.ledger import Ledger, reclaimable, schema
from pipeline.ledger.items import Totals
from pipeline.ledger.reclaimable import Rules
from pipeline.states import AssetState, CopyState, Proof

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SINKS = ("a", "b", "c")
Row = dict[str, object]
T = TypeVar("T")


class File(TypedDict):
    chosen: bool
    proof: Proof
    copies: dict[str, CopyState | None]


class Drawn(TypedDict):
    """An asset; ``created`` and ``added`` are so many days ago."""

    state: AssetState
    created: int | None
    added: int | None
    favorite: bool
    library: str
    revision: str | None
    size: int
    files: list[File]


def days_ago(days: int | None) -> str | None:
    return None if days is None else (NOW - timedelta(days=days)).isoformat()


# Weighted towards what may go, or hardly any would and the property would say nothing.
def mostly(usual: T, *others: T) -> st.SearchStrategy[T]:
    return st.sampled_from([usual] * (12 * len(others)) + list(others))


copy_states = st.fixed_dictionaries(
    {sink: mostly(CopyState.CONFIRMED, None, *CopyState) for sink in SINKS}
)
files = st.fixed_dictionaries(
    {
        "chosen": mostly(True, False),
        "proof": mostly(Proof.CHECKSUM, Proof.SIZE, Proof.NONE),
        "copies": copy_states,
    }
)
assets = st.fixed_dictionaries(
    {
        "state": mostly(AssetState.CONFIRMED, *AssetState),
        "created": mostly(400, None, 3, 29, 30, 31),
        "added": mostly(None, 3, 29, 31, 400),
        "favorite": mostly(False, True),
        "revision": mostly("1", None),
        "library": mostly("", "SharedSync-1"),
        "size": st.integers(0, 1000),
        "files": st.lists(files, min_size=0, max_size=3),
    }
)
rules = st.builds(
    Rules,
    source=st.none(),
    groups=st.sampled_from([(("a",), ("b",), ("c",)), (("a", "b"), ("c",)), (("a",), ("b",))]),
    copies=st.integers(1, 2),
    proofs=st.sampled_from([(Proof.CHECKSUM,), (Proof.CHECKSUM, Proof.SIZE)]),
    favorites=st.booleans(),
    fresh=st.just(days_ago(30)),
    before=st.sampled_from([None, days_ago(100)]),
)


def proven(asset: Drawn, rules: Rules) -> bool:
    """The promise in plain words, from the drawn values alone."""
    held = asset["files"]
    whole = [
        group
        for group in rules.groups
        if any(all(f["copies"][sink] == "confirmed" for f in held) for sink in group)
    ]
    dates = [d for d in (asset["created"], asset["added"]) if d is not None]
    captured = asset["created"] if asset["created"] is not None else asset["added"]
    return (
        asset["state"] == "confirmed"
        and bool(held)
        and all(f["proof"] in rules.proofs for f in held)
        and all(f["chosen"] or "confirmed" in f["copies"].values() for f in held)
        and len(whole) >= rules.copies
        and asset["revision"] is not None
        and not asset["library"]
        and (rules.favorites or not asset["favorite"])
        and captured is not None
        and min(dates) > 30
        and (rules.before is None or captured > 100)
    )


def write(ledger: Ledger, drawn: list[Drawn], first: int = 1) -> None:
    tables: dict[Table, list[Row]] = {schema.assets: [], schema.resources: [], schema.copies: []}
    resource = 0
    for number, asset in enumerate(drawn, first):
        added = days_ago(asset["added"])
        tables[schema.assets].append(
            {
                "id": number, "asset_id": f"x{number}", "kind": "photo",
                "library": asset["library"],
                "created": days_ago(asset["created"]),
                "filename": f"{number}.jpg", "size": asset["size"], "seen": 1,
                "favorite": asset["favorite"], "revision": asset["revision"],
                "metadata": f'{{"added": "{added}"}}' if added else "{}",
                "state": asset["state"], "reason": "",
            }
        )  # fmt: skip
        for at, file in enumerate(asset["files"]):
            resource += 1
            tables[schema.resources].append(
                {
                    "id": resource, "asset": number, "resource_id": str(at),
                    "role": "original", "filename": f"{resource}", "handle": "", "local": True,
                    "chosen": file["chosen"], "proof": file["proof"], "sha256": "00",
                    "received": 1,
                }
            )  # fmt: skip
            tables[schema.copies] += [
                {"resource": resource, "sink": sink, "state": state, "path": "p", "size": 1,
                 "reason": ""}
                for sink, state in file["copies"].items() if state is not None
            ]  # fmt: skip
    with ledger.read():
        for table, rows in tables.items():
            if rows:
                ledger.transact(inserting(table, rows))


SAME = ("its checksum", "what was received", "unknown")
_ANOTHERS = "9"
OTHER = ("other bytes", "not joined", "another's file")
halves = st.fixed_dictionaries(
    {
        "source": mostly("cloud", "phone"),
        "gone": mostly(False, True),
        "created": mostly(None, 3, 31, 400),
        "added": mostly(None, 3, 400),
        "library": mostly("", "SharedSync-1"),
        "revision": mostly("1", None),
        "size": st.integers(0, 1000),
        "files": st.lists(
            st.sampled_from([SAME[0]] * 8 + ["absent", *SAME, *OTHER]), min_size=3, max_size=3
        ),
    }
)


class Half(TypedDict):
    """An asset as one of several sources lists it: what each file is there, of as many as the
    asset has."""

    source: str
    gone: bool
    created: int | None
    added: int | None
    library: str
    revision: str | None
    size: int
    files: list[str]


def half_proven(asset: Drawn, half: Half, rules: Rules) -> bool:
    """The same promise of what the cloud has of an asset that a phone may have too."""
    there = [how for how, _ in zip(half["files"], asset["files"], strict=False) if how != "absent"]
    merged: Drawn = {**asset, "revision": half["revision"], "library": half["library"]}
    dates = [d for d in (half["created"], half["added"]) if d is not None]
    dated: Drawn = merged
    if asset["created"] is None and asset["added"] is None and dates:
        dated = {**merged, "created": dates[0]}
    return (
        (half["source"], half["gone"]) == ("cloud", False)
        and bool(there)
        and all(how in SAME for how in there)
        and all(d > 30 for d in dates)
        and proven(dated, rules)
    )


def write_halves(ledger: Ledger, drawn: list[Drawn], parts: list[Half]) -> None:
    sightings: list[Row] = []
    prints: list[Row] = []
    for number, (asset, half) in enumerate(zip(drawn, parts, strict=True), 1):
        added = days_ago(half["added"])
        metadata = json.dumps({"added": added} if added else {})
        sightings.append(
            {
                "id": number, "source": half["source"], "asset_id": f"C{number}",
                "revision": half["revision"], "principal": f"x{number}",
                "asset": json.dumps({"library": half["library"], "metadata": metadata}),
                "created": days_ago(half["created"]), "filename": "C", "size": half["size"],
                "local": True, "seen": 1, "gone": half["gone"],
            }
        )  # fmt: skip
        for n, _ in enumerate(asset["files"]):
            how = half["files"][n]
            merged = {OTHER[1]: None, OTHER[2]: _ANOTHERS}
            contents = {SAME[0]: "apple:B", SAME[1]: "apple:A", OTHER[0]: "apple:C"}
            if how != "absent":
                prints.append(
                    {
                        "sighting": number, "resource_id": str(n), "source": half["source"],
                        "role": "original", "size": 1, "content": contents.get(how),
                        "computed": False, "merged": merged.get(how, str(n)),
                    }
                )  # fmt: skip
    # Another asset has a file of that id, with the same digests.
    other: Drawn = {
        "state": AssetState.CONFIRMED, "created": 400, "added": None, "favorite": False,
        "library": "", "revision": "1", "size": 1, "files": [],
    }  # fmt: skip
    write(ledger, [other], first=len(drawn) + 1)
    file = {"id": 1000, "asset": len(drawn) + 1, "resource_id": _ANOTHERS, "role": "original",
            "filename": "", "handle": "", "local": True, "chosen": True}  # fmt: skip
    ledger.transact(inserting(schema.resources, [file]))
    digests = update(schema.resources).values(apple="A", checksum="apple:B")
    ledger.transact(lambda connection: connection.execute(digests))
    for table, rows in ((schema.sightings, sightings), (schema.prints, prints)):
        if rows:
            ledger.transact(inserting(table, rows))


def inserting(table: Table, rows: list[Row]) -> Callable[[Connection], object]:
    return lambda connection: connection.execute(insert(table), rows)


@settings(max_examples=120)
@given(st.lists(assets, min_size=1, max_size=12), rules, st.integers(1, 12))
def test_what_may_go_is_what_is_proven(drawn: list[Drawn], rules: Rules, most: int) -> None:
    expected = {f"x{n}" for n, asset in enumerate(drawn, 1) if proven(asset, rules)}
    with TemporaryDirectory() as folder, Ledger.open(Path(folder, "l.sqlite")) as ledger:
        write(ledger, drawn)
        chosen = reclaimable.candidates(ledger, rules, "largest", len(drawn), None)
        assert {candidate.asset for candidate in chosen} == expected
        assert [candidate.size for candidate in chosen] == sorted(
            (c.size for c in chosen), reverse=True
        )
        some = reclaimable.candidates(ledger, rules, "oldest", most, 500)
        assert {candidate.asset for candidate in some} <= expected and len(some) <= most
        assert sum(candidate.size for candidate in some[:-1]) < 500
        tally = reclaimable.tally(ledger, rules)
        assert tally.get(None, Totals()).assets == len(expected)
        present = [asset for asset in drawn if asset["state"] != AssetState.GONE]
        assert sum(total.assets for total in tally.values()) == len(present)
        keys = [candidate.key for candidate in chosen]
        with ledger.read() as connection:
            assert set(reclaimable.still(connection, rules, range(1, 13))) == set(keys)


both = st.lists(st.tuples(assets, halves), min_size=1, max_size=12)


@pytest.mark.wide
@settings(max_examples=120)
@given(both, rules)
def test_of_several_sources_what_is_proven_of_the_one_may_go(
    pairs: list[tuple[Drawn, Half]], rules: Rules
) -> None:
    rules = replace(rules, source="cloud")
    expected = {
        f"C{n}": (half["size"], half["revision"])
        for n, (asset, half) in enumerate(pairs, 1)
        if half_proven(asset, half, rules)
    }
    with TemporaryDirectory() as folder, Ledger.open(Path(folder, "l.sqlite")) as ledger:
        write(ledger, [asset for asset, _ in pairs])
        write_halves(ledger, [asset for asset, _ in pairs], [half for _, half in pairs])
        chosen = reclaimable.candidates(ledger, rules, "largest", len(pairs), None)
        assert {one.asset: (one.size, one.revision) for one in chosen} == expected
        tally = reclaimable.tally(ledger, rules)
        assert tally.get(None, Totals()).assets == len(expected)
        with ledger.read() as connection:
            still = reclaimable.still(connection, rules, range(1, 13))
        assert still == {one.key: (one.asset, one.revision) for one in chosen}

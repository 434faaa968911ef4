"""Ledgers as earlier versions of outpour left them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """The file itself; sqlite3's own context commits and does not close."""
    with closing(sqlite3.connect(path)) as raw, raw:
        yield raw


def as_version_one(path: Path) -> None:
    as_version_two(path)
    with opened(path) as raw:
        raw.executescript(
            "alter table copies drop column replaces; drop table sightings; drop table prints;"
        )
    set_version(path, 1)


def as_version_seven(path: Path) -> None:
    with opened(path) as raw:
        raw.executescript(
            "alter table events drop column sink; alter table runs add column summary varchar;"
        )
    set_version(path, 7)


def as_version_six(path: Path) -> None:
    as_version_seven(path)
    with opened(path) as raw:
        raw.executescript(
            "alter table sightings drop column freed; alter table trash rename to later;"
            "create table trash (run integer not null, asset integer not null, "
            "state varchar not null, evidence varchar not null, time varchar not null, "
            "reason varchar not null, primary key (run, asset));"
            "insert into trash select run, asset, state, evidence, time, reason from later;"
            "drop table later;"
        )
    set_version(path, 6)


def as_version_five(path: Path) -> None:
    as_version_six(path)
    with opened(path) as raw:
        raw.execute("drop table lookalikes")
    set_version(path, 5)


def as_version_four(path: Path) -> None:
    as_version_five(path)
    with opened(path) as raw:
        raw.execute("drop index copies_missing")
    set_version(path, 4)


def as_version_three(path: Path) -> None:
    as_version_four(path)
    with opened(path) as raw:
        raw.execute("drop index resources_size")
    set_version(path, 3)


def as_version_two(path: Path, *, first: bool = False) -> None:
    """The ``first`` ones knew nothing of ``prints.source`` and had another index."""
    as_version_three(path)
    with opened(path) as raw:
        for column in ("revisions", "instead"):
            raw.execute(f"alter table resources drop column {column}")
        if first:
            raw.executescript(
                "drop index prints_size; alter table prints drop column source;"
                "create index prints_unsettled on prints (size) where content is null;"
            )
    set_version(path, 2)


def set_version(path: Path, number: int) -> None:
    with opened(path) as raw:
        raw.execute("update meta set value = ? where key = 'schema'", (str(number),))


def version(path: Path) -> int:
    with opened(path) as raw:
        return int(raw.execute("select value from meta where key = 'schema'").fetchone()[0])

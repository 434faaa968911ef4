"""The ledger's file: what it says is durable survives a kill, and one process has it at a time."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import Connection, bindparam, insert, inspect, select, update
from sqlalchemy.exc import OperationalError

from connectors.errors import DiskFull, Fatal, Misconfigured
from pipeline.ledger import Ledger, migrations, schema, store
from tests.ledger.disk import Trouble, disk
from tests.ledger.earlier import as_version_one, as_version_seven, opened, set_version, version

PUT = store.Op(0, insert(schema.meta))
_CHILD = """
import sys
from pathlib import Path
from sqlalchemy import insert
from pipeline.ledger import Ledger, schema, store

put = store.Op(0, insert(schema.meta))
ledger = Ledger.open(Path(sys.argv[1]))
for number in range(1_000_000):
    ticket = ledger.add(put, key=f"{sys.argv[2]}-{number}", value="x" * 100)
    if number % 7 == 0:
        ledger.wait_durable(ticket)
        print(number, flush=True)
"""


def keys(path: Path) -> set[str]:
    with Ledger.open(path, exclusive=False) as ledger, ledger.read() as connection:
        return set(connection.execute(select(schema.meta.c.key)).scalars())


def test_what_was_settled_survives_kill_9(tmp_path: Path) -> None:
    """Promise 1 rests on this: a row the ledger called durable is there after any crash."""
    path = tmp_path / "l.sqlite"
    for life in range(3):
        command = [sys.executable, "-c", _CHILD, str(path), str(life)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            last = [int(next(child.stdout)) for _ in range(20 + 30 * life)][-1]
            os.kill(child.pid, signal.SIGKILL)
        found = keys(path)
        assert {f"{life}-{number}" for number in range(last + 1)} <= found
        with opened(path) as raw:
            assert raw.execute("pragma integrity_check").fetchone() == ("ok",)


def test_a_second_process_is_told_and_readers_are_not_kept_out(tmp_path: Path) -> None:
    path = tmp_path / "family.sqlite"
    with Ledger.open(path) as ledger:
        ledger.wait_durable(ledger.add(PUT, key="a", value="1"))
        with pytest.raises(Misconfigured, match="another run of pipeline 'family'"):
            Ledger.open(path)
        assert "a" in keys(path)
    with Ledger.open(path):
        pass


def test_rows_of_many_threads_arrive_in_each_thread_s_order(tmp_path: Path) -> None:
    """Grouping rows by statement must not let an update overtake the insert it needs."""
    change = store.Op(
        1,
        update(schema.meta)
        .where(schema.meta.c.key == bindparam("at"))
        .values(value=bindparam("to")),
    )
    with Ledger.open(tmp_path / "l.sqlite") as ledger:

        def work(name: int) -> None:
            for number in range(200):
                ledger.add(PUT, key=f"{name}-{number}", value="new")
                ledger.add(change, at=f"{name}-{number}", to="changed")

        threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        ledger.flush()
        with ledger.read() as connection:
            rows = connection.execute(
                select(schema.meta.c.value).where(schema.meta.c.key.like("%-%"))
            )
            assert list(rows.scalars()) == ["changed"] * 1600


def test_a_piece_of_work_that_fails_undoes_itself_alone(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "l.sqlite") as ledger:
        ledger.add(PUT, key="before", value="1")

        def fails(connection: Connection) -> None:
            connection.execute(insert(schema.meta).values(key="inside", value="1"))
            raise ValueError("half-way")

        with pytest.raises(ValueError, match="half-way"):
            ledger.transact(fails)
        ledger.add(PUT, key="after", value="1")
        ledger.flush()
        with ledger.read() as connection:
            found = set(connection.execute(select(schema.meta.c.key)).scalars())
    assert {"before", "after"} <= found and "inside" not in found


def test_a_ledger_that_cannot_be_written_says_so_and_to_everybody(tmp_path: Path) -> None:
    """Nothing may go on as if it were recorded."""
    with Ledger.open(tmp_path / "l.sqlite") as ledger:
        ledger.add(PUT, key="same", value="1")
        ledger.flush()
        ledger.add(PUT, key="same", value="2")  # breaks the primary key: the commit fails
        with pytest.raises(Fatal, match="cannot write the ledger"):
            ledger.flush()
        with pytest.raises(Fatal, match="cannot write the ledger") as caught:
            ledger.add(PUT, key="other", value="1")
        assert caught.value.hint


class Queued:
    """A ledger whose writer is held up until ``go``: what is added waits in its queue."""

    def __init__(self, path: Path) -> None:
        self.ledger = Ledger.open(path)
        self.free = threading.Event()
        self.ledger.later(lambda _: self.free.wait(10))

    def __enter__(self) -> Queued:
        return self

    def __exit__(self, *_: object) -> None:
        self.free.set()
        self.ledger.close()

    def go(self) -> None:
        self.free.set()


def test_after_a_commit_that_failed_nothing_is_written_or_called_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was queued meanwhile rests on rows that are lost."""
    monkeypatch.setattr(store, "_MOST", 1)  # a transaction for each
    path = tmp_path / "l.sqlite"
    with Queued(path) as queued:
        ledger = queued.ledger
        first = ledger.add(PUT, key="first", value="1")
        lost = ledger.add(PUT, key="first", value="2")  # breaks the primary key
        after = ledger.add(PUT, key="after", value="1")
        answer = ledger.later(lambda c: c.execute(insert(schema.meta).values(key="w", value="1")))
        queued.go()
        for ticket in (lost, after):
            with pytest.raises(Fatal, match="cannot write the ledger"):
                ledger.wait_durable(ticket)
        for wait in (answer, ledger.flush, lambda: ledger.transact(lambda _: None)):
            with pytest.raises(Fatal, match="cannot write the ledger"):
                wait()
        ledger.wait_durable(first)  # it was durable before
    assert keys(path) == {"schema", "first"}


@pytest.mark.parametrize(
    ("trouble", "hint"), [("full", "Make room on its disk"), ("read-only", "may you write")]
)
def test_trouble_of_the_disk_is_one_line_and_says_what_to_do(
    trouble: Trouble, hint: str, tmp_path: Path
) -> None:
    path = tmp_path / "l.sqlite"
    with disk() as below, Ledger.open(path) as ledger:
        below.trouble = trouble
        ticket = ledger.add(PUT, key="large", value="x" * 100_000)
        with pytest.raises(Fatal, match="cannot write the ledger") as caught:
            ledger.wait_durable(ticket)
        assert len(str(caught.value).splitlines()) == 1
        assert hint in caught.value.hint
        assert isinstance(caught.value, DiskFull) == (trouble == "full")


@pytest.mark.parametrize("refusal", [sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE])
def test_a_disk_that_is_full_when_the_ledger_is_opened_is_said_to_be_full(
    refusal: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite says either, by the file that no longer fits."""

    def refused(*_: object, **__: object) -> None:
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = refusal
        raise OperationalError(None, None, error)

    with monkeypatch.context() as full:
        full.setattr(migrations, "upgrade", refused)
        with pytest.raises(DiskFull, match=r"l\.sqlite cannot be opened") as caught:
            Ledger.open(tmp_path / "l.sqlite")
    assert "Make room on its disk" in caught.value.hint
    Ledger.open(tmp_path / "l.sqlite").close()


def test_no_room_for_a_copy_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan works on a copy: that TMPDIR is full says nothing of the ledger."""
    with Ledger.open(tmp_path / "l.sqlite"):
        pass
    connect = sqlite3.connect

    def small(file: Path) -> sqlite3.Connection:
        database = connect(file)
        database.execute("pragma max_page_count=2")
        return database

    with monkeypatch.context() as full:
        full.setattr(sqlite3, "connect", small)
        with pytest.raises(DiskFull, match="no room for a copy of the ledger in"):
            Ledger.copy(tmp_path / "l.sqlite", tmp_path / "copy.sqlite")
    (tmp_path / "none.sqlite").write_bytes(b"no ledger at all, but long enough" * 100)
    with pytest.raises(Misconfigured, match="is not a readable ledger"):
        Ledger.copy(tmp_path / "none.sqlite", tmp_path / "copy.sqlite")


def test_a_full_disk_in_a_piece_of_work_takes_no_row_with_it_unnoticed(tmp_path: Path) -> None:
    """SQLite then undoes the whole transaction: what was in it before the work, too."""
    path = tmp_path / "l.sqlite"
    with disk() as below, Queued(path) as queued:
        ledger = queued.ledger
        before = ledger.add(PUT, key="before", value="1")
        large = insert(schema.meta).values(key="large", value="x" * 100_000)
        answer = ledger.later(lambda connection: connection.execute(large))
        after = ledger.add(PUT, key="after", value="1")
        below.trouble = "full"
        queued.go()
        with pytest.raises(Fatal, match="database or disk is full"):
            answer()
        for ticket in (before, after):
            with pytest.raises(Fatal, match="database or disk is full"):
                ledger.wait_durable(ticket)
    assert keys(path) == {"schema"}


def test_a_file_that_is_no_ledger_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "l.sqlite"
    path.write_bytes(b"holiday plans" * 500)
    with pytest.raises(Misconfigured, match="not a readable ledger"):
        Ledger.open(path)
    assert path.read_bytes() == b"holiday plans" * 500
    with Ledger.open(tmp_path / "other.sqlite"):
        pass  # the lock was given back


def test_a_ledger_of_a_newer_outpour_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "l.sqlite"
    Ledger.open(path).close()
    set_version(path, schema.VERSION + 1)
    with pytest.raises(Misconfigured, match="install the newer outpour"):
        Ledger.open(path)
    assert version(path) == schema.VERSION + 1


def test_an_older_ledger_is_brought_up_step_by_step_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "l.sqlite"
    Ledger.open(path).close()
    set_version(path, schema.VERSION - 2)
    steps = {
        schema.VERSION - 2: lambda c: c.execute(insert(schema.meta).values(key="one", value="")),
        schema.VERSION - 1: lambda c: 1 / 0,
    }
    monkeypatch.setattr(migrations, "STEPS", steps)
    with pytest.raises(ZeroDivisionError):
        Ledger.open(path)
    assert version(path) == schema.VERSION - 2
    steps[schema.VERSION - 1] = lambda c: c.execute(insert(schema.meta).values(key="two", value=""))
    assert {"one", "two"} <= keys(path)
    assert version(path) == schema.VERSION


def test_a_ledger_of_the_first_version_keeps_all_it_knows(tmp_path: Path) -> None:
    path = tmp_path / "l.sqlite"
    Ledger.open(path).close()
    as_version_one(path)
    with opened(path) as raw:
        raw.execute("insert into meta values ('kept', 'yes')")
    assert "kept" in keys(path)
    assert version(path) == schema.VERSION
    with Ledger.open(path) as ledger, ledger.read() as connection:
        assert connection.execute(select(schema.copies.c.replaces)).all() == []
        assert connection.execute(select(schema.sightings)).all() == []
        assert connection.execute(select(schema.resources.c.instead)).all() == []
        assert "resources_size" in {i["name"] for i in inspect(connection).get_indexes("resources")}


def test_an_accepted_loss_of_earlier_versions_is_of_the_sink_that_its_text_names(
    tmp_path: Path,
) -> None:
    path = tmp_path / "l.sqlite"
    Ledger.open(path).close()
    as_version_seven(path)
    with opened(path) as raw:
        raw.execute("insert into runs values (1, 'verify', '2026', '2026', 'complete', '')")
        for number, sink in enumerate(("my", "my: disk")):
            kept = (number, sink, "confirmed", "a.jpg", "")
            columns = "resource, sink, state, path, reason"
            raw.execute(f"insert into copies ({columns}) values (?, ?, ?, ?, ?)", kept)
        for told in ("my: a.jpg is missing", "my: disk: a.jpg is missing", "gone: a.jpg"):
            row = (1, "2026", "accepted", told)
            raw.execute("insert into events (run, time, kind, detail) values (?, ?, ?, ?)", row)
    with Ledger.open(path) as ledger, ledger.read() as connection:
        sinks = connection.execute(select(schema.events.c.sink)).scalars().all()
    assert sinks == ["my", "my: disk", "gone"]


def test_a_database_of_others_is_not_taken_for_an_empty_ledger(tmp_path: Path) -> None:
    path = tmp_path / "l.sqlite"
    with opened(path) as raw:
        raw.execute("create table songs (title text)")
    before = path.read_bytes()
    with pytest.raises(Misconfigured, match="not a readable ledger"):
        Ledger.open(path)
    with opened(path) as raw:
        assert raw.execute("select name from sqlite_master").fetchall() == [("songs",)]
    assert len(before) == path.stat().st_size

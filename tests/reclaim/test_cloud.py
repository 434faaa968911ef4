"""Over the wire to an iCloud: nothing goes without proof, whatever dies in between."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from pipeline.cli.app import invoke
from pipeline.ledger import Ledger, schema
from pipeline.reclaim import Done, Session, reclaiming
from pipeline.runner import run
from pipeline.states import Exit
from pipeline.stopping import Stop
from sandbox.library import Library
from tests.engine.rig import Recorder
from tests.icloud.rig import Rig, rig
from tests.pointing import Point
from tests.reclaim.cloud import PACE, POLICY, act, close, job, ledger_of

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.reclaim.cloud"])


class Cloud:
    """All photos of a small iCloud, confirmed in two folders."""

    def __init__(self, made: Rig, folder: Path) -> None:
        self.library = made.library
        self.folder = folder
        made.connect()
        for name in sorted(self.ids("shown"))[:2]:
            self.library.change(name, favorite=True)
        work = job(folder)
        with Ledger.open(ledger_of(folder)) as ledger:
            outcome = run(work, ledger, Recorder(), stop=Stop(), prompter=None)
        close(work)
        assert outcome.exit is Exit.OK, outcome

    def ids(self, view: str) -> set[str]:
        return {self.library.get(number).id for number in self.library.view(view)}

    def session(self, what: Callable[[Session], Any]) -> Any:
        work = job(self.folder)
        with (
            Ledger.open(ledger_of(self.folder)) as ledger,
            reclaiming(work, ledger, Recorder(), stop=Stop(), pace=PACE) as session,
        ):
            answer = what(session)
        close(work)
        return answer

    def reclaim(self) -> Done:
        done: Done = self.session(lambda s: s.free(POLICY, s.survey(POLICY)))
        return done

    def die(self, what: str, after: int) -> int:
        """Exit code of a process that is killed after so many steps (0: never)."""
        process = PROCESSES.Process(
            target=act, args=(self.folder, what, after, dict(os.environ)), daemon=True
        )
        process.start()
        process.join(60)
        code = process.exitcode
        process.close()
        assert code is not None
        return code

    def written(self) -> dict[str, list[tuple[str, Any]]]:
        """State and evidence of every deletion the ledger speaks of, by asset."""
        found: dict[str, list[tuple[str, Any]]] = {}
        query = select(schema.assets.c.asset_id, schema.trash.c.state, schema.trash.c.evidence)
        path = ledger_of(self.folder)
        with Ledger.open(path, exclusive=False) as ledger, ledger.read() as connection:
            for name, state, evidence in connection.execute(query.join(schema.trash)):
                key = name.rpartition("/")[2]
                found.setdefault(key, []).append((state, json.loads(evidence)))
        return found

    def check(self, untouchable: set[str]) -> None:
        """What is in Recently Deleted was proven, and the ledger says so."""
        trashed = self.ids("trashed")
        assert not trashed & untouchable, "deleted without proof"
        written = self.written()
        for name in trashed:
            states = [state for state, _ in written[name]]
            assert set(states) & {"intended", "trashed"}, (name, states)
            for _, evidence in written[name]:
                for file in evidence["files"]:
                    assert {copy["sink"] for copy in file["copies"]} == {"a", "b"}


@pytest.fixture
def made(use_sandbox: Point) -> Iterator[Rig]:
    with rig(use_sandbox, Library(24, size=1500, plain=True)) as made:
        yield made


def old(cloud: Cloud) -> set[str]:
    """The assets that are no favourites."""
    shown = cloud.ids("shown")
    return {name for name in shown if not cloud.library.find(name).favorite}


def damaged(cloud: Cloud) -> set[str]:
    """Five photos with a copy that is corrupt, cut, swapped, gone, or someone else's."""
    by_name = {cloud.library.find(name).original.filename: name for name in sorted(old(cloud))}
    victims = list(by_name)[:6]
    paths = {name: next((cloud.folder / "b").rglob(name)) for name in victims}
    flip, cut, gone, one, other, empty = (paths[name] for name in victims)
    data = bytearray(flip.read_bytes())
    data[-1] ^= 1
    flip.write_bytes(data)
    os.truncate(cut, cut.stat().st_size - 1)
    gone.unlink()
    ours, theirs = one.read_bytes(), other.read_bytes()
    one.write_bytes(theirs)
    other.write_bytes(ours)
    empty.write_bytes(b"")
    return {by_name[name] for name in victims}


def test_what_is_proven_goes_to_recently_deleted_and_back(made: Rig, tmp_path: Path) -> None:
    cloud = Cloud(made, tmp_path)
    shown, may_go = cloud.ids("shown"), old(cloud)
    done = cloud.reclaim()
    assert done.whole and cloud.ids("trashed") == may_go
    after = cloud.session(lambda session: session.aftermath(done))
    assert after.binned.assets == len(may_go) == after.ours.assets
    assert after.first and after.last and "Recently Deleted" in after.emptying
    undone = cloud.session(lambda session: session.undo(None))
    assert undone.whole and cloud.ids("shown") == shown and not cloud.ids("trashed")


def test_damaged_copies_and_later_changes_keep_their_photos(made: Rig, tmp_path: Path) -> None:
    cloud = Cloud(made, tmp_path)
    may_go, untouchable = old(cloud), damaged(cloud)
    edited = sorted(may_go - untouchable)[0]
    cloud.library.edit(edited)
    untouchable.add(edited)
    cloud.reclaim()
    cloud.check(untouchable)
    assert cloud.ids("trashed") == may_go - untouchable


def test_a_change_while_we_decide_is_refused_by_icloud(made: Rig, tmp_path: Path) -> None:
    cloud = Cloud(made, tmp_path)
    changed = sorted(old(cloud))[0]

    def late(session: Session) -> Done:
        chosen = session.survey(POLICY)
        cloud.library.change(changed, favorite=True)
        return session.free(POLICY, chosen)

    done = cloud.session(late)
    assert len(done.refused) == 1 and changed in cloud.ids("shown")


def test_deletions_that_icloud_does_not_answer_for_are_known_and_come_back(
    made: Rig, tmp_path: Path
) -> None:
    cloud = Cloud(made, tmp_path)
    shown, may_go = cloud.ids("shown"), old(cloud)
    for name in sorted(may_go)[:3]:
        made.faults.once("omitted_record", f"record/{name}")
    done = cloud.reclaim()
    assert made.faults.counts["omitted_record"] == 3
    assert done.whole and cloud.ids("trashed") == may_go
    assert cloud.session(lambda session: session.undo(None)).whole
    assert cloud.ids("shown") == shown


def kills(cloud: Cloud, number: int, seed: int) -> None:
    """Die ``number`` times while freeing and undoing; check after each death."""
    chance = random.Random(seed)
    everything, untouchable = cloud.ids("shown"), damaged(cloud)
    may_go = old(cloud) - untouchable
    deaths, what = 0, "free"
    while deaths < number:
        code = cloud.die(what, chance.randint(1, 60))
        cloud.check(untouchable)
        deaths += code == -signal.SIGKILL
        assert code in (0, -signal.SIGKILL)
        trashed = cloud.ids("trashed")
        what = "undo" if trashed == may_go else "free" if not trashed else what
    assert cloud.die("free", 0) == 0
    cloud.check(untouchable)
    assert cloud.ids("trashed") == may_go, "the last run did not finish what the others began"
    while cloud.ids("trashed"):
        assert cloud.die("undo", 0) == 0
    assert cloud.ids("shown") == everything


def test_killed_between_any_two_steps(made: Rig, tmp_path: Path) -> None:
    kills(Cloud(made, tmp_path), 10, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", range(2, 6))
def test_killed_fifty_times(made: Rig, tmp_path: Path, seed: int) -> None:
    """Two hundred kills in all."""
    kills(Cloud(made, tmp_path), 50, seed)


def test_with_the_bin_in_the_pipeline_nothing_is_offered(
    made: Rig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is deleted would stay in the listing."""
    made.connect()
    config = tmp_path / "all.yaml"
    config.write_text(
        "source: {type: icloud, account: demo@example.com, trashed: true}\n"
        "sinks: [{type: local, name: a, path: a}, {type: local, name: b, path: b}]\n"
    )
    assert invoke(["run", "-q", str(config)]) == Exit.OK
    capsys.readouterr()
    code = invoke(["reclaim", str(config), "--older-than", "1d", "--same-disk"])
    told = capsys.readouterr()
    assert code == Exit.USAGE and not told.out
    assert "'trashed: true'" in told.err and "frees space" in told.err

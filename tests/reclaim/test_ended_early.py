"""Promise: however ``outpour reclaim`` ends, it says what it did till then, and how to go on."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from connectors.base import Asset
from connectors.memory import library
from pipeline.cli.app import invoke
from pipeline.reclaim import Pace, session
from pipeline.states import Exit
from sandbox.library import Library
from tests.engine.rig import fill
from tests.icloud.rig import PASSWORD, Rig, rig
from tests.ledger.disk import Disk, Trouble
from tests.pointing import Point

pytestmark = pytest.mark.wide

COUNT = 8
BATCH = 3
LAST = 6  # the first of the third batch: freed by age, and brought back the other way round
CONNECT = "then connect again with: outpour connect icloud"
GOAL = ["--older-than", "1d", "--copies", "1", "--keep", "0d", "--favorites"]
RUN = 2  # the first reclaim; the first run copied

REFUSED = {
    "AUTHENTICATION_REQUIRED": (Exit.NEEDS_PERSON, CONNECT),
    "ACCESS_DENIED": (Exit.NEEDS_PERSON, "turn on Access iCloud Data on the Web"),
    "QUOTA_EXCEEDED": (Exit.NO_ROOM, "free space in iCloud"),
    "BAD_REQUEST": (Exit.FATAL, "run again later"),
    "ZONE_NOT_FOUND": (Exit.FATAL, "turn on iCloud Photos"),
}
# One for each way in which a command ends; the rehearsal has all.
IN_JSON = [
    "ACCESS_DENIED",
    "QUOTA_EXCEEDED",
    "BAD_REQUEST",
    pytest.param("AUTHENTICATION_REQUIRED", marks=pytest.mark.slow),
    pytest.param("ZONE_NOT_FOUND", marks=pytest.mark.slow),
]


@pytest.fixture(autouse=True)
def _brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "Pace", lambda: Pace(batch=BATCH, pause=0))


class Cloud:
    """An iCloud whose photos are in a folder, and the command line over both."""

    def __init__(self, made: Rig, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.made = made
        self.capsys = capsys
        self.places = ["--from", "icloud:demo@example.com", "--to", str(folder / "Photos")]
        made.connect()
        assert invoke(["run", "-q", *self.places]) == Exit.OK
        self.order = [asset.id for asset in sorted(made.library, key=lambda one: one.created)]

    def reclaim(self, *arguments: str) -> tuple[int, str, str]:
        self.capsys.readouterr()
        code = invoke(["reclaim", *self.places, *arguments])
        told = self.capsys.readouterr()
        return code, told.out, told.err

    def refuse(self, code: str, number: int) -> None:
        self.made.faults.add("refused_change", key=f"change/{code}/{self.order[number]}")


@pytest.fixture
def cloud(
    use_sandbox: Point,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Cloud]:
    with rig(use_sandbox, Library(COUNT, size=1500, plain=True)) as made:
        monkeypatch.setenv("OUTPOUR_ICLOUD_PASSWORD", PASSWORD)
        yield Cloud(made, tmp_path, capsys)


@pytest.mark.parametrize("refusal", REFUSED)
def test_what_was_freed_before_icloud_refused_is_told_and_comes_back(
    cloud: Cloud, refusal: str
) -> None:
    everything = cloud.made.ids("shown")
    cloud.refuse(refusal, LAST)
    code, out, err = cloud.reclaim(*GOAL, "--yes")
    wanted, hint = REFUSED[refusal]
    assert code == wanted, err
    assert len(cloud.made.ids("trashed")) == LAST
    assert f"{LAST} assets" in out and f"moved to the bin  run {RUN}" in out
    assert f"iCloud says {refusal}" in err and hint in err

    cloud.made.faults.clear()
    cloud.made.connect()
    assert cloud.reclaim("--undo", str(RUN))[0] == Exit.OK
    assert cloud.made.ids("shown") == everything


@pytest.mark.parametrize("refusal", REFUSED)
def test_what_came_back_before_icloud_refused_is_told(cloud: Cloud, refusal: str) -> None:
    assert cloud.reclaim(*GOAL, "--yes")[0] == Exit.OK
    cloud.refuse(refusal, -1 - LAST)
    code, out, err = cloud.reclaim("--undo")
    wanted, hint = REFUSED[refusal]
    assert code == wanted, err
    assert len(cloud.made.ids("shown")) == LAST
    assert f"{LAST} assets of run {RUN} came back" in out
    assert f"iCloud says {refusal}" in err and hint in err

    cloud.made.faults.clear()
    cloud.made.connect()
    assert cloud.reclaim("--undo")[0] == Exit.OK
    assert len(cloud.made.ids("shown")) == COUNT


@pytest.mark.parametrize("refusal", IN_JSON)
def test_a_program_reads_what_was_freed_in_which_run(cloud: Cloud, refusal: str) -> None:
    cloud.refuse(refusal, LAST)
    code, out, _ = cloud.reclaim(*GOAL, "--yes", "--json")
    freed = json.loads(out)["freed"]
    assert (freed["run"], freed["assets"], freed["unclear"]) == (RUN, LAST, COUNT - LAST)
    assert refusal in freed["error"] and freed["exit"] == code == REFUSED[refusal][0]


@pytest.mark.parametrize("refusal", IN_JSON)
def test_a_program_reads_what_came_back_of_which_run(cloud: Cloud, refusal: str) -> None:
    assert cloud.reclaim(*GOAL, "--yes")[0] == Exit.OK
    cloud.refuse(refusal, -1 - LAST)
    code, out, _ = cloud.reclaim("--undo", "--json")
    back = json.loads(out)["restored"]
    assert (back["run"], back["assets"], back["unclear"]) == (RUN, LAST, COUNT - LAST)
    assert refusal in back["error"] and back["exit"] == code == REFUSED[refusal][0]


def test_what_was_freed_is_told_where_the_bin_cannot_be_looked_into_any_more(cloud: Cloud) -> None:
    for json_ in (False, True):
        cloud.made.faults.add("expired_session", key="cloudkit/records/query")
        code, out, err = cloud.reclaim(*GOAL, "--yes", *(["--json"] if json_ else []))
        assert code == Exit.NEEDS_PERSON and CONNECT in err
        if json_:
            assert json.loads(out)["freed"]["run"] == RUN + 1 and json.loads(out)["bin"] is None
        else:
            assert f"{COUNT} assets" in out and f"moved to the bin  run {RUN}" in out
        cloud.made.faults.clear()
        cloud.made.connect()


# --- trouble that no place answers with -----------------------------------------------------


class Shelf(dict[str, Asset]):
    """Whoever takes the first asset of the second batch meets the ``trouble``."""

    def __init__(self, held: Mapping[str, Asset], trouble: Callable[[], None]) -> None:
        super().__init__(held)
        self._trouble = trouble
        self._taken = 0

    def pop(self, *args: Any) -> Any:
        self._taken += 1
        if self._taken == BATCH + 1:
            self._trouble()
        return super().pop(*args)


def defect() -> None:
    raise ZeroDivisionError("division by zero")


def no_room() -> None:
    raise OSError(errno.ENOSPC, "No space left on device", "/var/lib")


def ledger_is(trouble: Trouble) -> Callable[[], None]:
    def begin() -> None:
        BELOW.trouble = trouble

    return begin


BELOW = Disk()
TROUBLES: dict[str, tuple[Callable[[], None], Exit, str]] = {
    "a defect": (defect, Exit.FATAL, "unexpected ZeroDivisionError: division by zero"),
    "no room": (no_room, Exit.NO_ROOM, "/var/lib: No space left on device"),
    "a full ledger": (ledger_is("full"), Exit.NO_ROOM, "cannot write the ledger"),
    "a locked ledger": (ledger_is("read-only"), Exit.FATAL, "cannot write the ledger"),
}


class Memory:
    """A library in memory that has landed, and the command line over it."""

    def __init__(self, store: str, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.library = library(store)
        self.config = config
        self.capsys = capsys
        fill(self.library, COUNT)
        config.write_text(f"source: memory:{store}\nsinks: [memory:{store}-sink]\n")
        assert invoke(["run", "-q", str(config)]) == Exit.OK

    def reclaim(self, *arguments: str) -> tuple[int, str, str]:
        self.capsys.readouterr()
        code = invoke(["reclaim", str(self.config), *arguments])
        BELOW.trouble = ""
        told = self.capsys.readouterr()
        return code, told.out, told.err


@pytest.fixture
def memory(
    request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Iterator[Memory]:
    event.listen(Engine, "begin", BELOW.begin)
    store = "".join(filter(str.isalnum, request.node.name))
    yield Memory(store, tmp_path / "family.yaml", capsys)
    event.remove(Engine, "begin", BELOW.begin)


@pytest.mark.parametrize("name", TROUBLES)
def test_what_was_freed_before_any_trouble_is_told_and_comes_back(
    name: str, memory: Memory
) -> None:
    trouble, wanted, line = TROUBLES[name]
    memory.library.assets = Shelf(memory.library.assets, trouble)
    code, out, err = memory.reclaim(*GOAL, "--yes")
    assert code == wanted and line in err and "Traceback" not in err
    freed = len(memory.library.bin)
    assert BATCH <= freed < COUNT
    assert f"{freed} assets" in out and f"moved to the bin  run {RUN}" in out
    assert memory.reclaim("--undo", str(RUN))[0] == Exit.OK
    assert len(memory.library.assets) == COUNT


# A disk that is full still lets a row be written over another.
@pytest.mark.parametrize("name", sorted(TROUBLES.keys() - {"a full ledger"}))
def test_what_came_back_before_any_trouble_is_told(name: str, memory: Memory) -> None:
    trouble, wanted, line = TROUBLES[name]
    assert memory.reclaim(*GOAL, "--yes")[0] == Exit.OK
    memory.library.bin = Shelf(memory.library.bin, trouble)
    code, out, err = memory.reclaim("--undo")
    assert code == wanted and line in err and "Traceback" not in err
    back = len(memory.library.assets)
    assert BATCH <= back < COUNT
    assert f"{back} assets of run {RUN} came back" in out
    assert memory.reclaim("--undo")[0] == Exit.OK
    assert len(memory.library.assets) == COUNT


@pytest.mark.parametrize("name", TROUBLES)
def test_a_program_reads_what_was_done_before_any_trouble(name: str, memory: Memory) -> None:
    trouble, wanted, line = TROUBLES[name]
    memory.library.assets = Shelf(memory.library.assets, trouble)
    code, out, _ = memory.reclaim(*GOAL, "--yes", "--json")
    freed = json.loads(out)["freed"]
    assert (freed["run"], freed["assets"]) == (RUN, len(memory.library.bin))
    assert line in freed["error"] and freed["exit"] == code == wanted

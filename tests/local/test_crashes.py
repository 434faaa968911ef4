"""A process that dies while it writes to a folder: nothing torn, and no stray in the end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from connectors.base import Transferred
from connectors.errors import NotFound
from connectors.local.folders import PREFIX
from connectors.local.sink import LocalSink
from tests.conformance.making import Bench, content, only
from tests.local.conftest import files

REPOSITORY = Path(__file__).parents[2]

CRASH = """
import os, sys
from pathlib import Path
from connectors import durable
from connectors.local import disk
from connectors.local.sink import LocalSink
from tests.conformance.making import Bench, content

WATCHED = {"open", "os.mkdir", "os.remove", "os.rename", "os.link", "os.utime", "os.scandir"}
top = Path(sys.argv[1])
(top / "staging").mkdir()

def transfer_and_commit(root, last):
    count = 0
    def step():
        nonlocal count
        count += 1
        if count == last:
            os._exit(9)
    def around(function):
        def stepped(*args):
            step()
            function(*args)
            step()
        return stepped
    # Linux tells of most system calls; these three it does not.
    for room, name in ((durable, "sync"), (durable, "sync_folder"), (disk, "publish")):
        setattr(room, name, around(getattr(room, name)))
    sys.addaudithook(lambda event, args: step() if event in WATCHED else None)
    sink, bench = LocalSink("folder", root), Bench(top / "staging")
    sink.commit([bench.send(sink, f"2021/0{n}/IMG.jpg", content(4000 + n)) for n in (1, 2)])
    os._exit(0)

for last in range(1, 500):
    child = os.fork()
    if not child:
        transfer_and_commit(top / f"{last}", last)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code != 9:
        sys.exit(code)
"""


def test_a_crash_between_any_two_steps_leaves_only_strays_that_the_next_run_removes(
    tmp_path: Path, bench: Bench
) -> None:
    """A process dies at its first, second, third ... step until one gets through."""
    top = tmp_path / "crashes"
    top.mkdir()
    subprocess.run([sys.executable, "-c", CRASH, str(top)], check=True, cwd=REPOSITORY)
    roots = [path for path in top.iterdir() if path.name != "staging"]
    assert len(roots) > 30
    for root in roots:
        for path in root.rglob("*.*"):
            expected = content(4000 + int(path.parent.name))
            assert path.name.startswith(PREFIX) or path.read_bytes() == expected
        sink = LocalSink("folder", root)
        for n in (1, 2):
            bench.place(sink, f"2021/0{n}/IMG.jpg", content(4000 + n))
        assert files(root) == ["2021/01/IMG.jpg", "2021/02/IMG.jpg"]


def test_strays_of_dead_processes_go_and_those_of_living_ones_stay(
    root: Path, bench: Bench
) -> None:
    root.mkdir()
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as living:
        names = {
            f"{PREFIX}{dead.pid}-00000000-1": False,
            f"{PREFIX}{living.pid}-00000000-1": True,
            f"{PREFIX}{os.getpid()}-00000000-1": False,  # an earlier bearer of our number
            f"{PREFIX}notes.txt": True,  # not one of ours
        }
        for name in names:
            (root / name).write_bytes(b"x")
        sink = LocalSink("folder", root)
        sent = bench.send(sink, "IMG_1.jpg", content(10))
        bench.send(LocalSink("folder", root), "IMG_2.jpg", content(10))
        assert {name for name in names if (root / name).exists()} == {
            name for name, stays in names.items() if stays
        }
        only(sink.commit([sent]))
        living.communicate(b"\n")


def test_a_stale_token_leaves_no_stray(sink: LocalSink, root: Path, bench: Bench) -> None:
    sent = bench.send(sink, "2021/IMG_1.jpg", content(5000))
    put, body = bench.stage("2021/IMG_1.jpg", content(5000))
    again = sink.transfer(put, body, sent.token, bench.keep)
    only(sink.commit([again]))
    assert files(root) == ["2021/IMG_1.jpg"]
    (lost,) = sink.commit([Transferred(bench.stage("2021/x.jpg", content(9))[0], sent.token)])
    assert isinstance(lost, NotFound)

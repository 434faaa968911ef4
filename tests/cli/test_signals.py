"""Promise: stopping is always clean, at once if need be, and the same command goes on."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from connectors.private import state_path
from pipeline.cli.signals import Interrupts
from pipeline.states import Exit
from pipeline.stopping import Stop
from tests.cases import wide_after
from tests.cli.terminal import CTRL_C, at_terminal

COMMAND = [sys.executable, "-m", "tests.cli.stage"]
RUN = [*COMMAND, "run", "--from", "memory:stage", "--to"]


def start(folder: Path, trouble: str = "", argv: list[str] | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        argv or [*RUN, str(folder / "Photos")],
        env={**os.environ, "STAGE": trouble},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def until_files(folder: Path, count: int) -> None:
    """Wait until some files are there."""
    deadline = time.monotonic() + 30
    while len(list(folder.glob("Photos/*/*/*.*"))) < count:
        assert time.monotonic() < deadline, "nothing arrives"
        time.sleep(0.02)


@pytest.mark.parametrize("number", wide_after(1, [signal.SIGINT, signal.SIGTERM]))
def test_the_first_signal_ends_cleanly_and_the_same_command_goes_on(
    number: signal.Signals, tmp_path: Path
) -> None:
    running = start(tmp_path, "slow:0.3")
    until_files(tmp_path, 3)
    running.send_signal(number)
    out, err = running.communicate(timeout=30)
    assert running.returncode == Exit.INTERRUPTED
    (line,) = [line for line in err.splitlines() if line.startswith("stopping")]
    assert "Ctrl-C again" in line and len(f"^C{line}") < 80
    again = f"outpour run --from memory:stage --to {tmp_path}/Photos"
    assert f"go on with: {again}" in err
    assert re.search(r"waiting +\d+ assets: interrupted", out)
    assert "Traceback" not in err
    assert not list(tmp_path.rglob("*.part*"))

    rest = start(tmp_path)
    out, err = rest.communicate(timeout=60)
    assert rest.returncode == Exit.OK, err
    assert "All 60 assets confirmed" in out
    files = [path for path in tmp_path.rglob("*.*") if path.is_file()]
    assert len([path for path in files if path.suffix != ".xmp"]) == 72
    assert len([path for path in files if path.suffix == ".xmp"]) == 20, "one for each favourite"


def test_the_second_signal_stops_now_and_loses_nothing(tmp_path: Path) -> None:
    running = start(tmp_path, "slow:600")
    assert running.stderr is not None
    for said in ("moving", "stopping"):
        assert any(line.startswith(said) for line in running.stderr), f"it never said {said}"
        running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=60)  # far less than what is in flight would take
    assert running.returncode == Exit.INTERRUPTED
    assert "Traceback" not in err
    rest = start(tmp_path)
    assert "All 60 assets confirmed" in rest.communicate(timeout=60)[0]
    assert rest.returncode == Exit.OK


@pytest.mark.wide
def test_a_run_that_was_killed_is_not_called_running(tmp_path: Path) -> None:
    def status() -> str:
        return subprocess.run(
            [*COMMAND, "status"], capture_output=True, text=True, check=True, timeout=30
        ).stdout

    running = start(tmp_path, "slow:0.3")
    until_files(tmp_path, 3)
    assert "  running  " in status()
    running.kill()
    running.communicate(timeout=10)
    kept = state_path("pipelines")
    for lock in kept.glob("*.lock"):
        lock.unlink()
    assert "  interrupted  " in status()
    assert not list(kept.glob("*.lock")), "whoever only reads makes no file"


def test_a_reader_that_goes_away_is_no_trouble(tmp_path: Path) -> None:
    with start(tmp_path, argv=[*RUN, str(tmp_path / "Photos"), "--json"]) as running:
        assert running.stdout is not None and running.stderr is not None
        running.stdout.readline()
        running.stdout.close()
        assert running.stderr.read() == ""
        assert running.wait(60) == Exit.OK


def test_a_secret_is_not_shown_while_it_is_typed(tmp_path: Path) -> None:
    asking = (
        "from pipeline.cli.prompter import TerminalPrompter as P\n"
        "p = P()\n"
        "assert p.ask('Password', secret=True) == 'hunter2'\n"
        "assert p.ask('Code') == '123456'\n"
    )
    shown, code = at_terminal([sys.executable, "-c", asking], typed="hunter2\n123456\n")
    assert code == 0
    assert "Password: " in shown and "Code: " in shown
    assert "hunter2" not in shown


def test_a_terminal_sees_progress_and_then_only_the_summary(tmp_path: Path) -> None:
    argv = [*RUN, str(tmp_path / "Photos")]
    shown, code = at_terminal(argv, STAGE="slow:0.05")
    assert code == Exit.OK
    assert "Moving" in shown and "%" in shown
    assert "\x1b[32m" in shown  # colour
    assert shown.rstrip().count("\n") >= 3
    plain, code = at_terminal(argv, NO_COLOR="1")
    assert code == Exit.OK
    assert not re.search(r"\x1b\[3\d(;|m)", plain)
    assert "All 60 assets confirmed" in plain


def test_ctrl_c_at_a_terminal_ends_cleanly(tmp_path: Path) -> None:
    argv = [*RUN, str(tmp_path / "Photos")]
    shown, code = at_terminal(argv, when={"Moving": CTRL_C}, STAGE="slow:0.3")
    assert code == Exit.INTERRUPTED
    assert "Ctrl-C again" in shown and "go on with: outpour run" in shown
    assert "Traceback" not in shown
    assert shown.endswith("Photos\r\n"), "the last line is whole, the prompt stands below it"
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h"), "the cursor is hidden"
    shown, code = at_terminal(argv)
    assert code == Exit.OK and "All 60 assets confirmed" in shown


WAITING = """
import threading
from connectors.memory import MemorySource, library
from pipeline.cli import main
from tests.cli import stage

def reconnect(self, prompter):
    prompter.tell("Plug it in")
    threading.Event().wait(20)
    prompter.tell("Nobody came")

MemorySource.reconnect = reconnect
on_stage = library("stage")
on_stage.contents = stage.contents_for("expire:5")
stage.fill(on_stage, 60)
main()
"""


def test_ctrl_c_ends_what_waits_for_a_person(tmp_path: Path) -> None:
    """A phone to be plugged in, a browser to be signed in with: no question is open then."""
    words = [*RUN[RUN.index("run") :], str(tmp_path / "Photos")]
    shown, code = at_terminal([sys.executable, "-c", WAITING, *words], when={"Plug it in": CTRL_C})
    assert code == Exit.INTERRUPTED and "Nobody came" not in shown
    assert "go on with: outpour run" in shown and "Traceback" not in shown


def test_ctrl_c_leaves_no_display_halfway() -> None:
    """It ends the question as soon as the screen has been handed over."""
    stop, whole = Stop(), []
    with Interrupts(stop, lambda: None), stop.question(), pytest.raises(KeyboardInterrupt):
        with stop.undisturbed():
            os.kill(os.getpid(), signal.SIGINT)
            whole.append(True)
        raise AssertionError("the question went on")
    assert whole


def test_a_second_ctrl_c_gives_the_terminal_back_at_once(tmp_path: Path) -> None:
    argv = [*RUN, str(tmp_path / "Photos")]
    shown, code = at_terminal(
        argv, when={"Moving": CTRL_C, "Ctrl-C again": CTRL_C}, STAGE="slow:20"
    )
    assert code == Exit.INTERRUPTED
    assert shown.rfind("\x1b[?25h") > shown.rfind("\x1b[?25l"), "the cursor is hidden"
    assert "Traceback" not in shown


EARLY = """
import os, signal, sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "typer":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Finder())
from pipeline.cli import main
main()
"""


@pytest.mark.parametrize("json", [False, True])
def test_ctrl_c_while_it_is_still_loading_is_answered_alike(tmp_path: Path, json: bool) -> None:
    command = [sys.executable, "-c", EARLY, "status", str(tmp_path / "p.yaml")]
    loading = start(tmp_path, argv=[*command, *(["--json"] if json else [])])
    out, err = loading.communicate(timeout=30)
    assert (loading.returncode, err) == (Exit.INTERRUPTED, "outpour: stopped\n")
    assert ('"exit": 130' in out) is json

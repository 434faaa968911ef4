"""Promise: a sign-in that ends in mid-run costs nothing but a person's answer.

At a terminal the person is asked and the run goes on; elsewhere it ends with exit code 3 and
goes on after ``connect``.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.private import state_dir
from pipeline.states import Exit
from sandbox.faults import Faults
from sandbox.icloud import ICloud
from tests.cli.terminal import at_terminal
from tests.rehearsal.rig import ARGUMENTS, cloud, landed, strays, wanted

OUTPOUR = [sys.executable, "-m", "pipeline.cli"]
CONNECT = [*OUTPOUR, "connect", "icloud:demo@example.com"]
PASSWORD_NOT_KEPT = "sandbox-password\n2\n"


@pytest.fixture
def double(monkeypatch: pytest.MonkeyPatch) -> Iterator[ICloud]:
    """Signed in to, the password nowhere on this computer."""
    with cloud(15, Faults()) as made:
        monkeypatch.delenv("OUTPOUR_ICLOUD_PASSWORD")
        shown, code = at_terminal(CONNECT, PASSWORD_NOT_KEPT)
        assert code == 0 and "Connected to iCloud as demo@example.com" in shown
        assert "sandbox-password" not in shown
        yield made


def expire_in_the_middle(double: ICloud) -> None:
    """One address is gone, and the lookup that renews it finds the session at its end."""
    double.faults.once("gone", "content/*")
    double.faults.once("expired_session", "*/records/lookup")


@pytest.mark.wide
def test_at_a_terminal_the_person_is_asked_and_the_run_goes_on(
    double: ICloud, tmp_path: Path
) -> None:
    expire_in_the_middle(double)
    folder = tmp_path / "Photos"
    shown, code = at_terminal([*OUTPOUR, *ARGUMENTS, str(folder)], PASSWORD_NOT_KEPT)
    assert double.faults.counts["expired_session"] == 1, "nothing expired: proves nothing"
    assert "waits for you: " in shown and "Password of demo@example.com" in shown
    assert code == Exit.OK, shown
    assert landed(folder) == wanted(double.library)


@pytest.mark.wide
def test_without_one_it_ends_with_3_and_goes_on_after_connect(
    double: ICloud, tmp_path: Path
) -> None:
    expire_in_the_middle(double)
    folder = tmp_path / "Photos"

    def unattended() -> subprocess.CompletedProcess[str]:
        command = [*OUTPOUR, *ARGUMENTS, str(folder)]
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
        )

    first = unattended()
    assert first.returncode == Exit.NEEDS_PERSON, first.stderr
    assert "outpour connect icloud:demo@example.com" in first.stderr
    assert landed(folder) < wanted(double.library)
    assert unattended().returncode == Exit.NEEDS_PERSON, "nobody has signed in meanwhile"
    shown, code = at_terminal(CONNECT, PASSWORD_NOT_KEPT)
    assert code == 0, shown
    assert unattended().returncode == Exit.OK
    assert landed(folder) == wanted(double.library)
    assert strays(folder) == []


def test_what_is_kept_of_a_session_is_for_its_owner_alone(double: ICloud) -> None:
    kept = list(state_dir("icloud").rglob("*"))
    assert len(kept) >= 4, "a folder, a session, a jar, a card"
    for path in kept:
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path

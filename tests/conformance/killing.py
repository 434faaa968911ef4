"""Processes that upload a tree and are killed, one after the other, around chosen requests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.conformance.making import content
from tests.conformance.mortal import D, Mortal

ROOT = Path(__file__).parent.parent.parent


def kill_at(
    mortal: Mortal[D],
    kind: str,
    settings: Mapping[str, Any],
    files: Mapping[str, int],
    folder: Path,
    moments: Sequence[int],
) -> int:
    """Lives of a process that uploads ``files`` (sizes by path) and dies at these requests;
    every other one only after its last request was answered. The last life is whole.

    How many were killed: some may have finished before their moment came.
    """
    struck = 0
    tree = folder / "tree"
    for path, size in files.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_bytes(content(size))
    for number, moment in enumerate(moments):
        mortal.arm(moment, after=bool(number % 2))
        child = _start(kind, settings, tree, folder)
        while child.poll() is None and not mortal.died.wait(0.01):
            pass
        struck += mortal.died.is_set()
        child.kill()
        child.wait()
    mortal.revive()
    last = _start(kind, settings, tree, folder)
    assert last.wait(60) == 0
    return struck


def _start(
    kind: str, settings: Mapping[str, Any], tree: Path, folder: Path
) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.conformance.child", kind, json.dumps(settings)]
    return subprocess.Popen(
        [*command, str(tree), str(folder / "tokens")],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.DEVNULL,
    )

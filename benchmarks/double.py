"""The benchmark's end of a double that runs in another process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import IO, Any

ROOT = Path(__file__).parent.parent


class Double(AbstractContextManager["Double"]):
    """Runs ``benchmarks.serve`` until it is closed. ``told`` is what the double says of itself."""

    def __init__(self, kind: str, **options: Any) -> None:
        command = [sys.executable, "-m", "benchmarks.serve", json.dumps({"kind": kind, **options})]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.told = self._read()
        self._cpu = 0.0

    def environ(self, home: Path) -> dict[str, str]:
        """What sends a contestant here, with a home of its own: no settings but these."""
        kept = {name: value for name, value in os.environ.items() if "OUTPOUR" not in name}
        places = {f"XDG_{name}_HOME": str(home) for name in ("CONFIG", "STATE", "DATA", "CACHE")}
        keyring = {"PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"}
        return {**kept, **self.told["environ"], **places, **keyring, "HOME": str(home)}

    def reset(self) -> dict[str, Any]:
        """Count from zero; a sink also forgets what it holds."""
        answer = self.ask("reset")
        self._cpu = answer["cpu"]
        return answer

    def count(self) -> dict[str, Any]:
        """``requests`` since the reset and the ``cpu`` seconds they cost the double."""
        answer = self.ask("count")
        answer["cpu"] -= self._cpu
        return answer

    def ask(self, word: str) -> dict[str, Any]:
        pipe = _pipe(self._process.stdin)
        pipe.write(word + "\n")
        pipe.flush()
        return self._read()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _pipe(self._process.stdin).close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        _pipe(self._process.stdout).close()

    def _read(self) -> dict[str, Any]:
        line = _pipe(self._process.stdout).readline()
        if not line:
            raise RuntimeError("the double ended; its own words stand above")
        found: dict[str, Any] = json.loads(line)
        return found


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe

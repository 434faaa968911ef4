"""Uploads a tree as the engine would, tokens in a file, to be killed at any moment.

python -m tests.conformance.child CONNECTOR SETTINGS TREE TOKENS
"""

from __future__ import annotations

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Lock

from connectors import registry
from connectors.abilities import Reserves
from connectors.base import Body, Put, Sink, Transferred
from connectors.checksums import digest
from connectors.errors import OutpourError


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

    def keep(self, path: str, token: str, _held: int = 0) -> None:
        with self._lock:
            self._out.write("\n" + json.dumps({path: token}) + "\n")
            self._out.flush()
            os.fsync(self._out.fileno())


def upload(tree: Path, tokens: Tokens, sink: Sink) -> None:
    paths = sorted(path for path in tree.rglob("*") if path.is_file())
    fresh = sink.reserve(len(paths)) if isinstance(sink, Reserves) else []
    for path, token in zip(paths, fresh, strict=False):
        name = path.relative_to(tree).as_posix()
        if name not in tokens.known:
            tokens.keep(name, token)
            tokens.known[name] = token

    def one(path: Path) -> Transferred:
        name, data = path.relative_to(tree).as_posix(), path.read_bytes()
        put, body = Put(name, digest([data])), Body(path, len(data))
        sent = sink.transfer(put, body, tokens.known.get(name), partial(tokens.keep, name))
        tokens.keep(name, sent.token)
        return sent

    with ThreadPoolExecutor(4) as pool:
        sent = list(pool.map(one, paths))
    for start in range(0, len(sent), sink.traits.commit_batch):
        for answer in sink.commit(sent[start : start + sink.traits.commit_batch]):
            if isinstance(answer, OutpourError):
                raise answer


if __name__ == "__main__":
    kind, settings, folder, kept = sys.argv[1:]
    place = registry.get(kind)
    assert place.sink
    made = place.sink(kind, place.settings(**json.loads(settings)))
    upload(Path(folder), Tokens(Path(kept)), made)

"""The album index at a sink: albums.json for programs, albums.txt for people."""

from __future__ import annotations

import json
from pathlib import Path

from connectors.base import Body, Put, Sink
from connectors.checksums import Algorithm, Digests, Hasher
from connectors.errors import PathConflict
from pipeline.ledger import album_indexes
from pipeline.stages.confirm import commit_one, confirm
from pipeline.stages.context import Run


def write_index(run: Run, sink: Sink) -> None:
    """Bring both files up to date. What somebody else wrote or edited stays, with a notice."""
    for name in album_indexes.NAMES:
        staged = run.staging.folder / f"index-{name}"
        with run.staging.in_use():
            digests = _staged(run, sink.name, name, staged)
        try:
            _bring(run, sink, name, staged, digests)
        except PathConflict as error:
            run.notice("warning", f"{error}: that stays, and is no index of now", sink.name)
        finally:
            staged.unlink(missing_ok=True)


def _bring(run: Run, sink: Sink, name: str, staged: Path, digests: Digests) -> None:
    value = digests[Algorithm.SHA256]
    before = album_indexes.written(run.ledger, sink.name, name)
    there = sink.stat(name) if before[0] == value else None
    if there is not None and there.size == digests.size:
        return
    # Ours whatever a crash leaves: what was there, and what is on its way.
    ours = list(dict.fromkeys(["", *before, value]))
    album_indexes.remember(run.ledger, sink.name, name, ours)
    put = Put(name, digests, replaces=frozenset(filter(None, ours)))
    sent = sink.transfer(put, Body(staged, digests.size), None, lambda *_: None)
    confirm(sink.traits, commit_one(sink, sent), digests)
    album_indexes.remember(run.ledger, sink.name, name, [value])


def _staged(run: Run, sink: str, name: str, staged: Path) -> Digests:
    """Write the index album by album, so that none is held whole."""
    hasher = Hasher()
    with staged.open("wb") as out, run.ledger.read() as connection:

        def say(text: str) -> None:
            data = text.encode("utf-8", "replace")
            hasher.update(data)
            out.write(data)

        as_json = name.endswith(".json")
        say('{"albums": [' if as_json else "")
        for number, (path, files) in enumerate(album_indexes.albums(connection, sink)):
            if as_json:
                album = json.dumps({"path": path, "files": files}, ensure_ascii=False)
                say(f"{',' if number else ''}\n{album}")
            else:
                lines = "".join(f"    {file}\n" for file in files)
                title = " / ".join(" ".join(part.split()) for part in path)
                say(f"{title} ({len(files)})\n{lines}\n")
        say("\n]}\n" if as_json else "")
    return hasher.digests()

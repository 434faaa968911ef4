"""What became of the sink's own folder, as far as the id tells that it was made with."""

from __future__ import annotations

from collections.abc import Collection

from connectors.gdrive.api import Api, File
from connectors.gdrive.folders import Reserved

_GONE = (
    "was deleted, or made with another client: with scope drive.file a client sees only what it "
    "made itself, so sign in with that one or set scope: drive."
)


def trace(api: Api, reserved: Reserved, base: str, here: Collection[str]) -> str:
    """A sentence for the person; empty where it is ``here``, the folders that are at its path,
    or others made it, whose ids nobody kept."""
    if reserved.peek(base) in here:
        return ""
    names = base.split("/")
    ours = False
    for depth, name in enumerate(names, 1):
        identity = reserved.peek("/".join(names[:depth]))
        if identity is None:
            continue
        ours = True
        found = api.get(identity)
        if found is None or found.get("trashed") or found["name"] != name:
            return f"Its folder {'/'.join(names[:depth])!r} {_fate(found, names, depth)}"
    if not ours:
        return ""
    return f"Its folder {base!r} lies elsewhere in Google Drive now: move it back."


def _fate(found: File | None, names: list[str], depth: int) -> str:
    if found is None:
        return _GONE
    if found.get("trashed"):
        return "is in the bin of Google Drive: bring it back."
    now = found["name"]
    path = "/".join([*names[: depth - 1], now, *names[depth:]])
    return f"is called {now!r} now: rename it back, or set folder: {path}."

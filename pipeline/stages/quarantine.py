"""Quarantine: bytes that contradict the source's checksum are put aside for a person to look at."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from connectors.durable import sync, sync_folder

_CHUNK = 1024 * 1024


def put_aside(path: Path, folder: Path, name: str) -> str:
    """Move a staged file into quarantine. Says where it is kept, or why it could not be; staging
    is rid of it either way."""
    kept = folder / name
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            path.replace(kept)
        except OSError:  # as a rule another file system; copying tells if it is more than that
            _copy(path, kept)
        sync_folder(folder)
    except OSError as error:
        return f"it could not be kept in {folder}: {error.strerror or error}"
    finally:
        with contextlib.suppress(OSError):
            path.unlink()
    return f"kept as {kept}"


def _copy(path: Path, kept: Path) -> None:
    """Under its name the copy is whole, also after a power cut."""
    temporary = kept.with_name(f"{kept.name}.part")
    try:
        temporary.touch(mode=0o600)
        with path.open("rb") as source, temporary.open("wb") as out:
            shutil.copyfileobj(source, out, _CHUNK)
            out.flush()
            sync(out.fileno())
        temporary.replace(kept)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise

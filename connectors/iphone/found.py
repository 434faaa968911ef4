"""The files that lie on the phone for one asset, and what each is to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from connectors.base import Role
from connectors.iphone import names

RENDERED = "FullSizeRender"
RECIPE = "Adjustments.plist"


@dataclass(slots=True)
class Found:
    """What lies on the phone for one asset. ``beside`` are names in its own folder (None where
    the phone does not show them), ``edits`` those in ``edit_folder``."""

    folder: str
    beside: list[str] | None = field(default_factory=list)
    edit_folder: str = ""
    edits: list[str] = field(default_factory=list)


def edit_folder(folder: str, stem: str) -> str:
    return f"{names.MUTATIONS}/{folder}/{stem}/Adjustments"


def companions(
    folder: str, main: str, others: Sequence[str], *, still: bool, twin: Role = Role.RAW
) -> dict[Role, str]:
    """Files beside the main one by role; ``twin`` is that of the other half of a RAW pair."""
    files: dict[Role, str] = {}
    for name in others:
        suffix = names.split(name)[1]
        edited = names.owner(name)[1] == "E"
        role = None
        if suffix in names.SIDECARS:
            role = Role.SIDECAR
        elif suffix in names.VIDEOS:
            role = Role.LIVE_VIDEO if still else None
            if edited:
                role = Role.EDITED_LIVE_VIDEO if still else Role.EDITED_VIDEO
        elif edited:
            role = Role.EDITED
        elif (
            still
            and names.is_media(name)
            and (suffix in names.RAWS) != (names.split(main)[1] in names.RAWS)
        ):
            role = twin if (twin is Role.RAW) == (suffix in names.RAWS) else None
        if role is not None:
            files.setdefault(role, f"{folder}/{name}")
    return files


def with_edits(files: dict[Role, str], found: Found, *, still: bool) -> dict[Role, str]:
    """A recipe beside the original is the camera's own where the edit has one, as of a portrait
    (osxphotos#2043): that of the edit is taken."""
    return files | renderings(found, still=still)


def renderings(found: Found, *, still: bool) -> dict[Role, str]:
    """The rendered files of an edit and its recipe."""
    files = {}
    for name in sorted(found.edits):
        stem, suffix = names.split(name)
        path = f"{found.edit_folder}/{name}"
        if stem == RENDERED and suffix in names.VIDEOS:
            files[Role.EDITED_LIVE_VIDEO if still else Role.EDITED_VIDEO] = path
        elif stem == RENDERED and still:
            files[Role.EDITED] = path
        elif name == RECIPE:
            files[Role.SIDECAR] = path
    return files


def rank(name: str) -> int:
    """What of several files of one stem is the original: a still before RAW before a video."""
    suffix = names.split(name)[1]
    if names.owner(name)[1] or suffix in names.SIDECARS:
        return 3
    return 2 if suffix in names.VIDEOS else 1 if suffix in names.RAWS else 0

"""The video of a Live Photo is edited along with its picture: neither is left behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.base import Role
from connectors.icloud import changes, records
from pipeline.cli.app import invoke
from pipeline.states import Exit
from tests.icloud.rig import Rig, listing

pytestmark = pytest.mark.wide


def videos(ready: Rig) -> set[bytes]:
    """The edited videos of all Live Photos that are shown."""
    found = (ready.library.find(id).file("edited_live_video") for id in ready.ids("shown"))
    return {file.content.read() for file in found if file is not None}


def held(folder: Path) -> set[bytes]:
    return {path.read_bytes() for path in folder.rglob("*.[Mm][Oo][Vv]")}


def test_where_it_was_not_asked_for_it_is_copied_now(
    ready: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ledgers of the first version lack it, and the assets have not changed since."""
    run = ["run", "-q", "--from", "icloud:demo@example.com", "--to", str(tmp_path / "to")]
    with monkeypatch.context() as earlier:
        keys = tuple(key for key in records.KEYS if not key.startswith(records.EDITED_LIVE))
        earlier.setattr(records, "KEYS", keys)
        earlier.setattr(changes, "_FORMAT", 1)
        assert invoke(run) == Exit.OK
    assert videos(ready) and not videos(ready) & held(tmp_path / "to")
    assert invoke(run) == Exit.OK
    assert videos(ready) <= held(tmp_path / "to")


def test_where_it_was_not_copied_nothing_is_deleted(ready: Rig) -> None:
    with_video = next(
        asset
        for asset in listing(ready.source())[0]
        if any(resource.role is Role.EDITED_LIVE_VIDEO for resource in asset.resources)
    )
    assert with_video.revision is not None
    earlier = with_video.revision.replace("/live", "")
    source = ready.source()
    assert [str(answer) for answer in source.trash([(with_video.id, earlier)])] == [
        "it was changed in iCloud since it was copied"
    ]
    assert source.trash([(with_video.id, with_video.revision)]) == [None]

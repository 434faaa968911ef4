"""Promise: what happens while a person thinks it over counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.cli.app import invoke
from pipeline.cli.prompter import TerminalPrompter
from pipeline.reclaim import session
from pipeline.states import Exit
from sandbox.library import Library
from tests.icloud.rig import rig
from tests.pointing import Point

GOAL = ["--older-than", "1d", "--same-disk", "--keep", "0d", "--favorites"]


def test_photos_put_into_an_album_meanwhile_stay_until_their_sidecars_say_so(
    use_sandbox: Point,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The source forgets with a photo which albums it was in."""
    with rig(use_sandbox, Library(5, size=1500, plain=True)) as made:
        places = ["--from", "icloud:demo@example.com"]
        places += [word for name in "AB" for word in ("--to", str(tmp_path / name))]
        made.connect()
        assert invoke(["run", *places]) == Exit.OK
        photos = [asset.id for asset in made.library]
        album = made.library.albums.add("Wedding")

        def thinking(_prompter: TerminalPrompter, _question: str) -> str:
            for photo in photos[:2]:
                made.library.put(photo, album)
            return "free 5"

        monkeypatch.setattr("pipeline.cli.working.at_terminal", lambda: True)
        monkeypatch.setattr(session, "_FRESH", 0.0)
        with monkeypatch.context() as asked:
            asked.setattr(TerminalPrompter, "ask", thinking)
            assert invoke(["reclaim", *places, *GOAL]) == Exit.ITEMS_FAILED
        assert "another in the ledger" in capsys.readouterr().out
        assert made.ids("shown") == set(photos[:2])
        assert invoke(["run", *places]) == Exit.OK
        sidecars = [path.read_text() for path in (tmp_path / "A").rglob("*.xmp")]
        assert sum("Wedding" in text for text in sidecars) == 2
        assert invoke(["reclaim", *places, *GOAL, "--yes"]) == Exit.OK
        assert not made.ids("shown")

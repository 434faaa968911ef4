"""Promise: no run copies the copies of the last one, wherever its source and sink lie."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.cli.app import invoke
from pipeline.states import Exit

WHEN = 1_600_000_000  # 2020-09


def files(folder: Path) -> list[str]:
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".xmp"
    )


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder with one folder of unsorted photos in it."""
    unsorted = tmp_path / "Pictures" / "2020"
    unsorted.mkdir(parents=True)
    for number in range(3):
        photo = unsorted / f"IMG_{number}.jpg"
        photo.write_bytes(bytes([number]) * 1000)
        os.utime(photo, (WHEN, WHEN))
    return tmp_path / "Pictures"


@pytest.mark.parametrize("command", ["run", "plan"])
def test_a_template_that_leads_back_into_the_source_is_refused(
    pictures: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files(pictures)
    assert invoke([command, "--from", str(pictures / "2020"), "--to", str(pictures)]) == Exit.USAGE
    said = capsys.readouterr().err
    assert "local: 2020/09/IMG_" in said and "would lie within the source" in said
    assert "another path template" in said and "Traceback" not in said
    assert files(pictures) == before


def test_one_that_leads_past_it_sorts_the_photos_once(pictures: Path, tmp_path: Path) -> None:
    config = tmp_path / "p.yaml"
    ends = f"source: {pictures / '2020'}\nsinks: [{pictures}]\n"
    config.write_text(ends + "path: '{created:%Y-%m}/{filename}'\n")
    for _ in range(2):
        assert invoke(["run", str(config)]) == Exit.OK
        assert files(pictures) == [
            f"{folder}/IMG_{number}.jpg" for folder in ("2020-09", "2020") for number in range(3)
        ]


def test_a_template_that_was_corrected_is_taken(pictures: Path, tmp_path: Path) -> None:
    config = tmp_path / "p.yaml"
    config.write_text(f"source: {pictures / '2020'}\nsinks: [{pictures}]\n")
    assert invoke(["run", str(config)]) == Exit.USAGE
    config.write_text(config.read_text() + "path: 'sorted/{filename}'\n")
    assert invoke(["run", str(config)]) == Exit.OK
    assert len(files(pictures)) == 6

"""Promise: a path template that was corrected counts for all that no place has yet, and nothing
that a place has is copied again because of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.faults import Faults
from tests.rehearsal.rig import assert_kept, cloud, landed, run, wanted

pytestmark = pytest.mark.wide

SORTED = "sorted/{created:%Y}/{filename}"


def paths(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def test_what_was_listed_but_not_copied_takes_the_new_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUTPOUR_LIMITS__ATTEMPTS", "1")
    with cloud(25, Faults.of("flip_byte")) as double:  # every download is refused
        assert run(tmp_path / "Photos") == 1
        assert not landed(tmp_path / "Photos")
        double.faults.clear()
        monkeypatch.setenv("OUTPOUR_PATH", SORTED)
        assert run(tmp_path / "Photos") == 0
        assert landed(tmp_path / "Photos") == wanted(double.library)
        assert_kept(tmp_path / "Photos", double.library)
    assert {path.split("/")[0] for path in paths(tmp_path / "Photos")} == {"sorted"}


@pytest.mark.parametrize("template", [SORTED, "{filename}", "{created:%Y/%m}/{year}-{filename}"])
def test_an_edit_stands_beside_what_was_copied_before(
    template: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with cloud(9, Faults.of("")) as double:
        assert run(tmp_path / "Photos") == 0
        before = paths(tmp_path / "Photos")
        monkeypatch.setenv("OUTPOUR_PATH", template)
        double.library.edit(next(iter(double.library)).id)
        assert run(tmp_path / "Photos") == 0
        assert landed(tmp_path / "Photos") == wanted(double.library)
    (edited,) = paths(tmp_path / "Photos") - before
    folder, _, name = edited.rpartition("/")
    beside = {path for path in before if path.startswith(f"{folder}/{name.split('-edited')[0]}.")}
    assert len(beside) == 2, f"{edited} stands apart from its original and its sidecar"


def test_what_was_copied_stays_and_is_not_copied_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with cloud(25, Faults.of("")) as double:
        assert run(tmp_path / "Photos") == 0
        before = paths(tmp_path / "Photos")
        monkeypatch.setenv("OUTPOUR_PATH", SORTED)
        double.library.add("IMG_NEW", created=1_500_000_000_000)
        assert run(tmp_path / "Photos") == 0
        assert landed(tmp_path / "Photos") == wanted(double.library)
        assert_kept(tmp_path / "Photos", double.library)
    new = paths(tmp_path / "Photos") - before
    assert before < paths(tmp_path / "Photos")
    assert {path.partition(".")[0] for path in new} == {"sorted/2017/IMG_NEW"}

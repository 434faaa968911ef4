"""A pipeline whose sources are named, ordered or chosen otherwise than before."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.cli.app import invoke
from pipeline.cli.opening import ledger_path
from pipeline.ledger import Ledger, work
from pipeline.states import AssetState, Exit

pytestmark = pytest.mark.wide

COUNT = 4


class Family:
    """Folders that share a library, and the pipeline file that moves them together."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "family.yaml"
        for number in range(COUNT):
            self.write("a", f"IMG_{number}.JPG", f"photo {number}")
            self.write("b", f"other_{number}.JPG", f"photo {number}")
        self.write("b", "only.JPG", "only b")

    def write(self, place: str, name: str, text: str) -> None:
        (self.folder / place).mkdir(exist_ok=True)
        (self.folder / place / name).write_text(text)

    def of(self, **names: str) -> Path:
        """The pipeline file with these sources, folders by name."""
        places = [{"type": "local", "name": n, "path": f"./{p}"} for n, p in names.items()]
        self.config.write_text(json.dumps({"source": places, "sinks": ["./to"]}))
        return self.config

    def run(self, **names: str) -> int:
        return invoke(["run", str(self.of(**names))])

    def landed(self) -> list[str]:
        return sorted(path.read_text() for path in (self.folder / "to").rglob("*.*"))


@pytest.fixture
def family(tmp_path: Path) -> Family:
    made = Family(tmp_path)
    assert made.run(one="a", two="b") == Exit.OK
    return made


EVERY = sorted(["only b", *(f"photo {number}" for number in range(COUNT))])


@pytest.mark.parametrize(
    "names",
    [{"one": "a", "phone": "b"}, {"two": "a", "one": "b"}, {"two": "b", "one": "a"}],
    ids=["renamed", "names exchanged", "another order"],
)
def test_sources_may_have_other_names_or_another_order(
    family: Family, names: dict[str, str]
) -> None:
    assert family.run(**names) == Exit.OK
    assert family.landed() == EVERY
    family.write("b", "new.JPG", "new b")
    (family.folder / "a" / "IMG_0.JPG").unlink()
    assert family.run(**names) == Exit.OK
    assert family.landed() == sorted([*EVERY, "new b"])
    assert invoke(["plan", str(family.config)]) == Exit.OK
    assert invoke(["stranded", str(family.config)]) == Exit.OK


@pytest.mark.parametrize("command", ["plan", "stranded", "run"])
def test_a_ledger_of_other_sources_is_refused_by_every_command(
    family: Family, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    family.write("c", "c.JPG", "c")
    assert invoke([command, str(family.of(one="a", three="c"))]) == Exit.USAGE
    assert "belongs to another source" in capsys.readouterr().err


def test_what_left_a_source_is_gone_also_once_it_has_another_name(tmp_path: Path) -> None:
    """A new name begins no new count of listings."""
    family = Family(tmp_path)
    for _ in range(3):
        assert family.run(one="b") == Exit.OK
    (family.folder / "b" / "only.JPG").unlink()
    assert family.run(phone="b") == Exit.OK
    with Ledger.open(ledger_path("family")) as ledger:
        assert work.counts(ledger) == {AssetState.CONFIRMED: COUNT, AssetState.GONE: 1}

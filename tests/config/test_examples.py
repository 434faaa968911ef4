"""Promise: the files in configs/ and in the documentation are correct."""

from __future__ import annotations

import re
import string
from importlib.util import find_spec
from pathlib import Path

import pytest

from connectors.errors import Misconfigured
from pipeline.config.load import load_all
from pipeline.config.models import Choices
from pipeline.config.schema import schema
from pipeline.naming import Template
from pipeline.states import Exit

ROOT = Path(__file__).parent.parent.parent
GUIDE = (ROOT / "docs" / "configuration.md").read_text()
STAFF = (ROOT / "configs" / "staff.csv").read_text()
README = (ROOT / "README.md").read_text()


def needs_extra(text: str) -> None:
    if "iphone" in text and find_spec("pymobiledevice3") is None:
        pytest.skip("the iPhone extra is not installed")


@pytest.mark.parametrize("path", sorted(ROOT.glob("configs/*.yaml")), ids=lambda path: path.name)
def test_example_files_load(path: Path) -> None:
    needs_extra(path.read_text())
    for _, made in load_all(path):
        assert made.sinks
        folders = [getattr(sink.settings, "path", ROOT) for sink in made.sinks]
        inside = [one for one in folders if one.resolve().is_relative_to(ROOT / "configs")]
        assert not inside, "whoever tries it finds photos among the examples"


@pytest.mark.parametrize("text", re.findall(r"```yaml\n(.*?)```", GUIDE + README, re.S))
def test_examples_in_the_guide_load(text: str, tmp_path: Path) -> None:
    needs_extra(text)
    whole = "" if "source:" in text else "source: memory:a\n"
    whole += "" if "sinks:" in text else "sinks: [./Photos]\n"
    (tmp_path / "p.yaml").write_text(whole + text)
    (tmp_path / "staff.csv").write_text(STAFF)
    for _, made in load_all(tmp_path / "p.yaml"):
        assert made.sources and made.sinks


def test_the_guide_names_every_key_and_exit_code() -> None:
    for name, field in Choices.model_fields.items():
        assert f"`{name}`" in GUIDE, name
        for inner in getattr(field.annotation, "model_fields", {}):
            if name != "when":
                assert f"`{inner}`" in GUIDE, f"{name}.{inner}"
    for code in Exit:
        assert f"| {int(code)} |" in GUIDE


def test_the_schema_says_what_each_setting_of_a_place_means() -> None:
    known = schema()["$defs"]
    for place in ("icloud", "gdrive", "dropbox", "local"):
        silent = [
            key
            for key, said in known[place]["properties"].items()
            if key != "type" and not said.get("description")
        ]
        assert not silent, f"{place}: {silent}"


def test_the_defaults_of_the_schema_are_what_it_allows() -> None:
    allowed, *_ = schema()["properties"]["when"]["anyOf"]
    assert schema()["properties"]["when"]["default"] in allowed["enum"]


def test_the_guide_lists_the_date_styles_that_a_template_takes() -> None:
    (listed,) = re.findall(r"styles of a date are ([^.]*)\.", GUIDE)
    for style in string.ascii_letters:
        if f"`%{style}`" in listed:
            Template(f"{{created:%{style}}}/{{filename}}")
        else:
            with pytest.raises(Misconfigured):
                Template(f"{{created:%{style}}}/{{filename}}")

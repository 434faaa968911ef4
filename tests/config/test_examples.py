"""Promise: the files in configs/ and in the documentation are correct."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from pipeline.config.load import load
from pipeline.config.models import Choices
from pipeline.states import Exit

ROOT = Path(__file__).parent.parent.parent
GUIDE = (ROOT / "docs" / "configuration.md").read_text()
README = (ROOT / "README.md").read_text()


def needs_extra(text: str) -> None:
    if "iphone" in text and find_spec("pymobiledevice3") is None:
        pytest.skip("the iPhone extra is not installed")


@pytest.mark.parametrize("path", sorted(ROOT.glob("configs/*.yaml")), ids=lambda path: path.name)
def test_example_files_load(path: Path) -> None:
    needs_extra(path.read_text())
    assert load(path).sinks


@pytest.mark.parametrize("text", re.findall(r"```yaml\n(.*?)```", GUIDE + README, re.S))
def test_examples_in_the_guide_load(text: str, tmp_path: Path) -> None:
    needs_extra(text)
    whole = "" if "source:" in text else "source: memory:a\n"
    whole += "" if "sinks:" in text else "sinks: [./Photos]\n"
    (tmp_path / "p.yaml").write_text(whole + text)
    made = load(tmp_path / "p.yaml")
    assert made.sources and made.sinks


def test_the_guide_names_every_key_and_exit_code() -> None:
    for name, field in Choices.model_fields.items():
        assert f"`{name}`" in GUIDE, name
        for inner in getattr(field.annotation, "model_fields", {}):
            if name != "when":
                assert f"`{inner}`" in GUIDE, f"{name}.{inner}"
    for code in Exit:
        assert f"| {int(code)} |" in GUIDE

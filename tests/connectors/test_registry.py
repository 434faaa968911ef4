"""Connectors are found by name, ours and others', and what is wrong is one clear line."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from connectors import registry
from connectors.base import Sink, Source
from connectors.errors import Misconfigured
from connectors.registry import Connector

Install = Callable[[str, str, str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Installs a distribution that registers ``name = module:object`` and holds that module."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def install(name: str, target: str, text: str) -> None:
        info = tmp_path / f"other_{name}-1.0.dist-info"
        info.mkdir()
        about = f"Name: other-{name}\nVersion: 1.0\nProvides-Extra: phone2\n"
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\n{about}")
        (info / "entry_points.txt").write_text(f"[{registry.GROUP}]\n{name} = {target}\n")
        module = target.partition(":")[0]
        (tmp_path / f"{module}.py").write_text(text)
        monkeypatch.delitem(sys.modules, module, raising=False)

    return install


OURS = {"local", "icloud", "gdrive", "dropbox", "iphone"}


def test_our_own_places_are_there() -> None:
    assert set(registry.names()) >= OURS


def test_nobody_is_offered_a_place_that_forgets_everything_at_its_end() -> None:
    """The reference implementation holds what it got until its process ends: it would confirm
    photos that are gone a moment later."""
    whole = tomllib.loads(Path(__file__).parents[2].joinpath("pyproject.toml").read_text())
    assert set(whole["project"]["entry-points"][registry.GROUP]) == OURS


@pytest.mark.parametrize("name", ["memory", "local"])
def test_a_connector_makes_its_source_and_sink(name: str, tmp_path: Path) -> None:
    connector = registry.get(name)
    assert connector.location and connector.source and connector.sink
    settings = connector.settings(**{connector.location: str(tmp_path)})
    source, sink = connector.source("a", settings), connector.sink("b", settings)
    assert isinstance(source, Source) and isinstance(sink, Sink)
    assert (source.name, sink.name) == ("a", "b")


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(Misconfigured) as caught:
        registry.get("gphotos")
    assert "'gphotos'" in str(caught.value) and "local, memory" in str(caught.value)


def test_a_third_party_s_connector_is_found(install: Install) -> None:
    install(
        "usbstick",
        "other_usbstick:connector",
        "from connectors.registry import Connector, Settings\nconnector = Connector(Settings)\n",
    )
    assert "usbstick" in registry.names()
    assert isinstance(registry.get("usbstick"), Connector)


def test_a_missing_package_names_the_extra(install: Install) -> None:
    install("phone2", "other_phone2:connector", "import no_such_package_anywhere\n")
    with pytest.raises(Misconfigured) as caught:
        registry.get("phone2")
    assert "no_such_package_anywhere" in str(caught.value)
    assert "pip install 'other-phone2[phone2]'" in caught.value.hint


def test_a_defect_is_not_taken_for_a_missing_extra(install: Install) -> None:
    install("stick", "other_stick:connector", "import no_such_package_anywhere\n")
    with pytest.raises(
        Misconfigured, match=r"'stick' cannot be loaded: .*no_such_package"
    ) as caught:
        registry.get("stick")
    assert not caught.value.hint


def test_what_is_no_connector_is_one_clear_line(install: Install) -> None:
    install("broken", "other_broken:connector", "connector = 'not one'\n")
    with pytest.raises(Misconfigured, match=r"broken.*other_broken:connector"):
        registry.get("broken")


def test_an_object_that_is_not_there_is_one_clear_line(install: Install) -> None:
    install("empty", "other_empty:connector", "")
    with pytest.raises(Misconfigured, match="'empty'"):
        registry.get("empty")

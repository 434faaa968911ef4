"""Promise: a pipeline file means the same wherever and however it is started."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from connectors.base import Kind, Role
from connectors.errors import Misconfigured
from pipeline.config.document import parse
from pipeline.config.load import load, one_place, one_shot, several_places
from pipeline.config.models import Pipeline, Select
from pipeline.config.sizes import parse_rate, parse_size
from pipeline.wording import show_size

FULL = """
name: family
source: {type: memory, store: phone}
sinks:
  - {type: local, path: ./Photos}
  - {type: local, name: second, path: /srv/photos}
select:
  since: 2020-01-01
  until: 2020-12-31
  albums: [Trips/Italy, Garden]
  favorites: true
  hidden: false
  kinds: [live, photo]
  roles: original
  min_size: 1MB
  max_size: 4GB
path: "{created:%Y}/{filename}"
staging: {path: stage, size: 2GiB}
limits: {downloads: 4, uploads: 2, attempts: 3}
verify: {attempts: 2}
"""


def test_every_key_arrives(tmp_path: Path) -> None:
    pipeline = _load(tmp_path, FULL)
    assert pipeline.name == "family"
    assert [(place.name, place.type) for place in pipeline.sources] == [("memory", "memory")]
    assert [place.name for place in pipeline.sinks] == ["local", "second"]
    select = pipeline.select
    assert select.since == dt.datetime(2020, 1, 1).astimezone()
    assert select.until == dt.datetime(2021, 1, 1).astimezone()  # the last day counts whole
    assert select.albums == ("Trips/Italy", "Garden")
    assert (select.favorites, select.hidden) == (True, False)
    assert select.kinds == (Kind.PHOTO, Kind.LIVE)
    assert select.roles == (Role.ORIGINAL,)
    assert (select.min_size, select.max_size) == (10**6, 4 * 10**9)
    assert pipeline.staging.size == 2 * 1024**3
    assert (pipeline.limits.downloads, pipeline.limits.uploads) == (4, 2)


def test_folders_count_from_the_file_not_from_where_we_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    pipeline = _load(tmp_path, FULL)
    assert _sink_path(pipeline, 0) == tmp_path / "Photos"
    assert _sink_path(pipeline, 1) == Path("/srv/photos")
    assert pipeline.staging.path == tmp_path / "stage"


def test_home_is_resolved(tmp_path: Path) -> None:
    pipeline = _load(tmp_path, "source: memory:a\nsinks: [~/Photos]\n")
    assert _sink_path(pipeline, 0) == Path.home() / "Photos"


def test_the_file_gives_the_default_name(tmp_path: Path) -> None:
    assert _load(tmp_path, "source: memory:a\nsinks: [./A]\n").name == "p"


def test_variables_override_by_key_position_and_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUTPOUR_SOURCE__STORE", "other")
    monkeypatch.setenv("OUTPOUR_SINKS__0__PATH", "/zero")
    monkeypatch.setenv("OUTPOUR_SINKS__SECOND__PATH", "/second")
    monkeypatch.setenv("OUTPOUR_LIMITS__UPLOADS", "7")
    monkeypatch.setenv("OUTPOUR_SELECT__KINDS", "[video]")
    pipeline = _load(tmp_path, FULL)
    assert pipeline.sources[0].settings.model_dump()["store"] == "other"
    assert [_sink_path(pipeline, at) for at in (0, 1)] == [Path("/zero"), Path("/second")]
    assert (pipeline.limits.downloads, pipeline.limits.uploads) == (4, 7)
    assert pipeline.select.kinds == (Kind.VIDEO,)


def test_variables_are_of_sources_without_a_file_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUTPOUR_SOURCE__1__STORE", "other")
    found = several_places(["memory:one", "memory:two"], tmp_path)
    assert [place.settings.model_dump()["store"] for place in found] == ["one", "other"]
    monkeypatch.setenv("OUTPOUR_SOURCE__THREE__STORE", "other")
    with pytest.raises(Misconfigured, match="no place is called 'three'"):
        several_places(["memory:one", "memory:two"], tmp_path)


def test_a_variable_can_replace_all_sinks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTPOUR_SINKS", "[/one, 'memory:two']")
    assert [place.name for place in _load(tmp_path, FULL).sinks] == ["local", "memory"]


def test_one_shot_pipelines_are_named_by_their_places_alone(tmp_path: Path) -> None:
    first = one_shot(["memory:a"], ["./Photos"], {"select": {"since": "2020-01-01"}}, tmp_path)
    again = one_shot(["memory:a"], ["./Photos"], {}, tmp_path)
    other = one_shot(["memory:b"], ["./Photos"], {}, tmp_path)
    elsewhere = one_shot(["memory:a"], ["./Photos"], {}, tmp_path / "x")
    assert first.name == again.name
    assert len({again.name, other.name, elsewhere.name}) == 3


def test_one_shot_sinks_of_one_type_are_numbered(tmp_path: Path) -> None:
    pipeline = one_shot(["./Old"], ["./A", "./B"], {}, tmp_path)
    assert [place.name for place in pipeline.sinks] == ["local", "local-2"]
    assert pipeline.sources[0].name == "local-source"


def test_a_misspelt_connector_never_becomes_a_folder(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"unknown connector 'Photos'.*\./Photos"):
        one_shot(["memory:a"], ["Photos"], {}, tmp_path)


def test_one_place_takes_settings_beside(tmp_path: Path) -> None:
    place = one_place("memory", {"store": "x", "limit": "5"}, tmp_path)
    assert place.settings.model_dump() == {"store": "x", "limit": 5}


# --- properties --------------------------------------------------------------------------

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=5), plain, min_size=1, max_size=4))
def test_documents_read_what_yaml_writes(data: dict[str, object]) -> None:
    assert parse(yaml.safe_dump(data), "x").data == data


@given(
    st.integers(0, 10**6),
    st.sampled_from(
        [("", 0, 0), ("kB", 1, 0), ("MB", 2, 0), ("gb", 3, 0), ("MiB", 0, 2), ("TiB", 0, 4)]
    ),
)
def test_sizes_mean_their_unit(number: int, unit: tuple[str, int, int]) -> None:
    name, decimal, binary = unit
    expected = number * 1000**decimal * 1024**binary
    assert parse_size(f"{number}{name}") == parse_size(f" {number} {name} ") == expected
    assert parse_rate(f"{number}{name}") == parse_rate(f"{number} {name} / s") == expected


@given(st.integers(0, 10**16))
def test_a_shown_size_is_near_and_short(size: int) -> None:
    shown = show_size(size)
    assert abs(parse_size(shown) - size) <= size * 0.05
    assert len(shown.split()[0]) <= 4


@given(st.dates(dt.date(1900, 1, 1), dt.date(2200, 1, 1)))
def test_a_day_is_in_the_selection_that_begins_and_ends_with_it(day: dt.date) -> None:
    select = Select.model_validate({"since": day, "until": day})
    assert select.since is not None and select.until is not None
    noon = dt.datetime.combine(day, dt.time(12)).astimezone()
    assert select.since <= noon < select.until
    assert Select.model_validate({"since": str(day), "until": str(day)}) == select


def _load(folder: Path, text: str) -> Pipeline:
    path = folder / "p.yaml"
    path.write_text(text)
    return load(path)


def _sink_path(pipeline: Pipeline, at: int) -> Path:
    return Path(pipeline.sinks[at].settings.model_dump()["path"])

"""Which sinks count as a copy of their own: never the source, nor one account under two names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.cli.opening import job_of
from pipeline.config.load import load
from pipeline.reclaim.witness import Panel, panel


@contextmanager
def judged(folder: Path, source: str, sinks: str, *, same_disk: bool = False) -> Iterator[Panel]:
    path = folder / "p.yaml"
    path.write_text(f"source: {source}\nsinks: {sinks}\n")
    pipeline = load(path)
    with job_of(pipeline) as job:
        yield panel(pipeline, job.sinks, same_disk=same_disk)


ANN = "icloud:ann@example.com"


@pytest.mark.parametrize(
    ("source", "sink"),
    [
        (ANN, "{type: icloud, name: same}"),
        ("icloud", "{type: icloud, name: same, account: ann@example.com}"),
        (
            "{type: icloud, account: ann@example.com, library: shared}",
            "{type: icloud, name: same, account: Ann@Example.com}",
        ),
    ],
    ids=["no account at the sink", "no account at the source", "another library of the account"],
)
def test_what_may_be_the_source_itself_is_no_copy(source: str, sink: str, tmp_path: Path) -> None:
    for same_disk in (False, True):
        with judged(tmp_path, source, f"[{sink}, ./Photos]", same_disk=same_disk) as found:
            assert found.groups == (("local",),)
            assert any("same does not count: it is the source" in line for line in found.remarks)


def test_another_account_is_a_copy(tmp_path: Path) -> None:
    sinks = "[{type: icloud, name: other, account: bob@example.com}, ./Photos]"
    with judged(tmp_path, ANN, sinks) as found:
        assert found.groups == (("other",), ("local",)) and not found.remarks

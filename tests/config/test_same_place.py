"""Promise: one place under two names is refused, however it is written, and two are told apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.errors import Misconfigured
from pipeline.config.load import load, one_shot
from pipeline.config.passwords import Passwords
from tests.config.writing import written


def test_a_link_to_a_sink_is_no_second_sink(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    text = (
        "source: memory:a\nsinks: [./real, {type: local, name: usb, path: ./link, readback: true}]"
    )
    with pytest.raises(Misconfigured, match="'usb' is the same place as 'local'"):
        load(written(tmp_path, text))


def test_dropbox_folds_case_and_nothing_else(tmp_path: Path) -> None:
    text = (
        "source: memory:a\nsinks: ['dropbox:/Straße', {type: dropbox, name: b, folder: /Strasse}]"
    )
    assert len(load(written(tmp_path, text)).sinks) == 2


def test_whose_drive_a_service_account_fills_tells_two_places_apart(tmp_path: Path) -> None:
    key = "{type: gdrive, service_account: k.json, name: %s, impersonate: %s}"
    sinks = ", ".join(key % pair for pair in (("a", "Ann@x.org"), ("b", "bob@x.org")))
    made = load(written(tmp_path, f"source: memory:a\nsinks: [{sinks}]"))
    assert [sink.exclusive for sink in made.sinks] == [
        "gdrive ann@x.org Outpour",
        "gdrive bob@x.org Outpour",
    ]


def test_one_password_is_compared_with_every_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUTPOUR_ICLOUD_PASSWORD", "word")
    made = load(
        written(
            tmp_path,
            "source: [icloud, {type: icloud, name: a, account: ann@example.com}]\n"
            "sinks: ['icloud:bob@example.com']",
        )
    )
    with pytest.raises(Misconfigured, match="would be tried at ann@example"):
        Passwords().check(*made.sources, *made.sinks)


@pytest.mark.parametrize("again", ["./Photos", "./Photos/../Photos"])
def test_a_folder_named_twice_on_the_command_line_is_not_two_copies(
    again: str, tmp_path: Path
) -> None:
    with pytest.raises(Misconfigured, match="'local-2' is the same place as 'local'"):
        one_shot(["memory:a"], ["./Photos", again], {}, tmp_path)

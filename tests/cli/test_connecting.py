"""What asks for a new sign-in names the pipeline file, which knows the account, and nothing else
of a sentence is touched."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pipeline.display.connecting import addressed, connect_by


@pytest.fixture(autouse=True)
def file() -> Iterator[None]:
    connect_by("outpour connect fam.yaml")
    yield
    connect_by("")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("run: outpour connect gdrive", "run: outpour connect fam.yaml"),
        ("run: outpour connect icloud:ann@example.com", "run: outpour connect fam.yaml"),
        ("(run: outpour connect icloud:a@example.com).", "(run: outpour connect fam.yaml)."),
        ("outpour connect icloud:o'b@example.com; then", "outpour connect fam.yaml; then"),
        ("outpour connect asks for passwords", "outpour connect asks for passwords"),
        ("outpour connect gdrive-like", "outpour connect gdrive-like"),
    ],
)
def test_the_command_and_not_what_stands_around_it(said: str, told: str) -> None:
    assert addressed(said) == told


def test_without_a_file_the_place_is_named() -> None:
    connect_by("")
    assert addressed("run: outpour connect gdrive") == "run: outpour connect gdrive"

"""``outpour connect`` and ``outpour disconnect``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from connectors.errors import Misconfigured, OutpourError, SessionExpired
from connectors.private import keyring_answers
from pipeline.cli import options as o
from pipeline.cli.opening import current_folder
from pipeline.cli.output import paper
from pipeline.cli.prompter import TerminalPrompter
from pipeline.config.load import load, one_place
from pipeline.config.models import Place
from pipeline.config.passwords import Passwords

Targets = Annotated[
    list[str],
    typer.Argument(
        metavar="TYPE[:WHERE] | PIPELINE.yaml",
        help="For example icloud:ann@example.com, gdrive, iphone; or a pipeline file, whose "
        "places are taken one after the other.",
    ),
]
Sets = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="A setting of the place, as it would stand in a file.",
        show_default=False,
    ),
]


def connect(targets: Targets, for_: o.Row = None, set_: Sets = None) -> int:
    """Sign in to a place, once. Passwords and codes are asked for, never given as arguments."""
    settings = dict(_setting(text) for text in set_ or [])
    places = [place for target in targets for place in _places(target, settings, for_)]
    Passwords().check(*places)
    prompter = TerminalPrompter()
    for place in places:
        if place.connector.connect is None:
            _say(f"{place.name}: nothing to connect")
            continue
        place.connector.connect(place.settings, prompter)
        _say(f"{place.name}: connected")
    return 0


def disconnect(targets: Targets, for_: o.Row = None, set_: Sets = None) -> int:
    """Sign out of a place and forget it on this computer. Copies and ledgers stay."""
    settings = dict(_setting(text) for text in set_ or [])
    failed: OutpourError | None = None
    for place in [place for target in targets for place in _places(target, settings, for_)]:
        try:
            _say(f"{place.name}: {_disconnected(place)}")
        except OutpourError as error:  # the others are left all the same
            failed = failed or error
    if failed is not None:
        raise failed
    return 0


def _disconnected(place: Place) -> str:
    if place.connector.disconnect is None:
        return "nothing to disconnect"
    try:
        left = place.connector.disconnect(place.settings)
    except SessionExpired:
        if not keyring_answers():
            raise SessionExpired(
                f"{place.name}: the keyring does not say what it holds",
                hint="Unlock it, then disconnect again.",
            ) from None
        return "was not connected"
    return f"disconnected. {left}" if left else "disconnected"


def _places(target: str, settings: dict[str, Any], row: str | None) -> list[Place]:
    path = Path(target)
    if path.suffix not in (".yaml", ".yml"):
        if row is not None:
            raise Misconfigured("--for goes with a pipeline file, not with a place")
        return [one_place(target, settings, current_folder())]
    if settings:
        raise Misconfigured("--set goes with a place, not with a pipeline file")
    pipeline = load(path, row)
    return [*pipeline.sources, *pipeline.sinks]


def _setting(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise Misconfigured(f"--set {text}: write key=value")
    return key.strip(), value


def _say(text: str) -> None:
    with paper() as console:
        console.print(text)

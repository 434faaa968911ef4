"""Arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[
    Path | None,
    typer.Argument(metavar="PIPELINE.yaml", help="A pipeline file.", show_default=False),
]
Row = Annotated[
    str | None,
    typer.Option(
        "--for",
        metavar="ROW",
        help="Which row of the table, where the pipeline file has one (each: people.csv).",
        show_default=False,
    ),
]
From = Annotated[
    list[str] | None,
    typer.Option(
        "--from",
        metavar="TYPE[:WHERE]",
        help="Source, for example icloud:ann@example.com or ./Archive; may be given several times.",
        show_default=False,
    ),
]
To = Annotated[
    list[str] | None,
    typer.Option(
        "--to",
        metavar="TYPE[:WHERE]",
        help="Sink, for example ./Photos or gdrive:Outpour; may be given several times.",
        show_default=False,
    ),
]
Since = Annotated[str | None, typer.Option(metavar="DATE", help="Captured on or after.")]
Until = Annotated[
    str | None,
    typer.Option(metavar="DATE", help="Captured on or before."),
]
Album = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ALBUM",
        help="Only this album or folder of albums; may be given several times.",
        show_default=False,
    ),
]
Kind = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KIND",
        help="Only photo, video or live; may be given several times.",
        show_default=False,
    ),
]
Favorites = Annotated[
    bool | None,
    typer.Option("--favorites/--no-favorites", help="Only favourites."),
]
Template = Annotated[
    str | None,
    typer.Option(
        "--path",
        metavar="TEMPLATE",
        help="Where each file goes, for example '{created:%Y}/{filename}'.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="JSON on standard output, for programs.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress; only what is wrong.")]


def chosen(row: str | None) -> list[str]:
    """How a row is said on a command line: joined, or one that begins with a dash would be taken
    for an option."""
    return [] if row is None else [f"--for={row}"]

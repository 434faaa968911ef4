"""A pipeline file that stands for many: one for each row of a table."""

from __future__ import annotations

import csv
import hashlib
import io
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connectors.errors import Misconfigured
from pipeline.config.document import Loc, text_of
from pipeline.config.problems import Mistake, Mistakes, close, is_secret, suggest

BLANK = re.compile(r"\$\{([^{}]*)\}")  # what a row fills in
_MOST_TOLD = 20
_SEPARATORS = ",;\t"  # spreadsheets write one or the other, by the country they are set to


@dataclass(frozen=True, slots=True)
class Row:
    """``key`` is the first cell, which names the row; ``values`` are all of them, by column."""

    key: str
    values: Mapping[str, str]
    where: str  # file:line

    @property
    def slug(self) -> str:
        """The key as part of a file's name; two keys never have the same."""
        key = _one_spelling(self.key)
        plain = re.sub(r"[^\w.@-]+", "_", key)
        return plain if plain == key else f"{plain}-{hashlib.sha256(key.encode()).hexdigest()[:6]}"


class Table:
    """The rows of a CSV file in UTF-8 whose first line names the columns."""

    def __init__(self, name: str, rows: Sequence[Row]) -> None:
        self.name = name
        self.rows = rows

    def row(self, key: str) -> Row:
        """The row of this key; Misconfigured if there is none."""
        for row in self.rows:
            if _alike(row.key) == _alike(key):
                return row
        near = close(key, [row.key for row in self.rows])
        hint = f"Did you mean {near[0]!r}?" if near else f"The first is {self.rows[0].key!r}."
        raise Misconfigured(f"{self.name}: has no row {key!r}", hint=hint)


def read(path: Path, name: str) -> Table:
    """The table in a file; Misconfigured in one line if it is none, in a line for each row that
    is not whole. ``name`` stands for the file in messages."""
    text = text_of(path, name, "table")
    if "\0" in text:
        raise Misconfigured(f"{name}: is not a text file")
    wrong: list[str] = []
    try:
        rows = list(_rows(text, name, wrong))
    except csv.Error as error:
        raise Misconfigured(f"{name}: is not valid CSV ({error})") from None
    wrong += _repeated(rows)
    if wrong:
        raise Misconfigured(some_of(wrong))
    if not rows:
        raise Misconfigured(f"{name}: has no rows below the names of its columns")
    return Table(name, rows)


def some_of(mistakes: Sequence[str]) -> str:
    """Mistakes of a table, a line each: the first, and how many more there are."""
    left = len(mistakes) - _MOST_TOLD
    return "\n".join([*mistakes[:_MOST_TOLD], *([f"and {left} more"] if left > 0 else [])])


def fill(data: Mapping[str, Any], row: Row) -> dict[str, Any]:
    """The pipeline with each ``${column}`` as the row has it. Raises Mistakes."""
    mistakes: list[Mistake] = []

    def written(text: str, loc: Loc) -> str:
        return BLANK.sub(lambda blank: _cell(blank, row, loc, mistakes), text)

    filled = {key: _mapped(value, (key,), written) for key, value in data.items()}
    if mistakes:
        raise Mistakes(mistakes)
    return filled


def unfilled(data: Mapping[str, Any]) -> list[Mistake]:
    """What only a table would fill in, of a pipeline that has none."""
    mistakes: list[Mistake] = []

    def look(text: str, loc: Loc) -> str:
        if blank := BLANK.search(text):
            what = "write it out, or name a table (each: people.csv)"
            mistakes.append(Mistake(loc, f"{blank[0]!r} is not filled in; {what}"))
        return text

    _mapped(data, (), look)
    return mistakes


def _mapped(value: Any, loc: Loc, change: Callable[[str, Loc], str]) -> Any:
    """The same with every text in it changed, which is told where it stands."""
    if isinstance(value, dict):
        return {key: _mapped(part, (*loc, key), change) for key, part in value.items()}
    if isinstance(value, list):
        return [_mapped(part, (*loc, at), change) for at, part in enumerate(value)]
    return change(value, loc) if isinstance(value, str) else value


def _cell(blank: re.Match[str], row: Row, loc: Loc, mistakes: list[Mistake]) -> str:
    column = _one_spelling(blank[1].strip())
    if column not in row.values:
        table = row.where.rpartition(":")[0]
        known = suggest(column, row.values)
        mistakes.append(Mistake(loc, f"{table} has no column {column!r}; {known}"))
    elif not row.values[column]:
        # Half an address is another address: ./Photos/${who} would be everybody's folder.
        mistakes.append(Mistake(loc, f"{row.where} has nothing in column {column!r}"))
    return row.values.get(column, "")


def _rows(text: str, name: str, wrong: list[str]) -> Iterator[Row]:
    """Those that are whole; what is ``wrong`` with the others is added there."""
    first = re.split(r"[\r\n]", text, maxsplit=1)[0]
    separator = max(_SEPARATORS, key=first.count)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    columns = [_one_spelling(cell.strip()) for cell in next(lines, [])]
    _check_columns(columns, name)
    last = lines.line_num
    for cells in lines:
        where, last = f"{name}:{last + 1}", lines.line_num  # of a row on several lines the first
        values = [cell.strip() for cell in cells]
        if not any(values):
            continue
        if len(values) != len(columns):
            number = f"{len(values)} cell{'s' if len(values) > 1 else ''}"
            wrong.append(f"{where}: has {number}, the first line has {len(columns)}")
        elif not values[0]:
            wrong.append(f"{where}: {columns[0]} is empty; it names the row")
        else:
            yield Row(values[0], dict(zip(columns, values, strict=True)), where)


def _one_spelling(text: str) -> str:
    """Of the several that Unicode has for one text. Not for values: a folder is called as it is."""
    return unicodedata.normalize("NFC", text)


def _alike(key: str) -> str:
    return _one_spelling(key.strip()).casefold()


def _check_columns(columns: Sequence[str], name: str) -> None:
    if not any(columns):
        raise Misconfigured(f"{name}: is empty; its first line names the columns")
    for at, column in enumerate(columns):
        if not column:
            raise Misconfigured(f"{name}:1: column {at + 1} has no name")
        if column in columns[:at]:
            raise Misconfigured(f"{name}:1: two columns are called {column!r}")
        if is_secret(column):
            raise Misconfigured(
                f"{name}:1: {column!r} must not stand here; remove the column",
                hint="outpour connect asks for passwords and keeps them in the keyring.",
            )


def _repeated(rows: Sequence[Row]) -> Iterator[str]:
    """What is wrong where several have one key: each row has a ledger of its own."""
    seen: dict[str, Row] = {}
    for row in rows:
        other = seen.setdefault(_alike(row.key), row)
        if other is not row:
            first = other.where.rpartition(":")[2]
            yield f"{row.where}: {row.key!r} stands in line {first} already"

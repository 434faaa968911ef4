"""A pipeline file that stands for many: one for each row of a table."""

from __future__ import annotations

import csv
import hashlib
import io
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from connectors.errors import Misconfigured
from pipeline.config.document import Loc, text_of
from pipeline.config.problems import Mistake, Mistakes, close, is_secret, suggest
from pipeline.wording import counted

BLANK = re.compile(r"\$\{([^{}]*)\}")  # what a row fills in
LEDGERS = (".sqlite", ".sqlite.lock", ".sqlite-journal", ".sqlite-shm", ".sqlite-wal")
"""Endings of the names of ledgers and of what lies beside them."""
_MOST_TOLD = 20
_SEPARATORS = ",;\t"  # spreadsheets write one or the other, by the country they are set to
_SEPARATOR_TOLD = re.compile(r'[\r\n]*"?sep=([^\w\s"]|\t)"?[,;\t ]*(?:\r\n|\r|\n)', re.IGNORECASE)
_QUOTED = re.compile(rf'(?:^|(?<=[{_SEPARATORS}])) *"(?:[^"]|"")*"')  # a cell


@dataclass(frozen=True, slots=True)
class Row:
    """``key`` is the first cell, which names the row; ``values`` are all of them, by column.
    ``wrong`` says why it is none that can be used."""

    key: str
    values: Mapping[str, str]
    where: str  # file:line
    wrong: str = ""

    @property
    def slug(self) -> str:
        """The key as part of a file's name; two keys never have the same."""
        key = _one_spelling(self.key)
        plain = re.sub(r"[^\w.@-]+", "_", key)
        if plain == key and not plain.casefold().endswith(LEDGERS):
            return plain
        return f"{plain}-{hashlib.sha256(key.encode()).hexdigest()[:6]}"


class Table:
    """The rows of a CSV file in UTF-8 whose first line names the columns."""

    def __init__(self, name: str, rows: Sequence[Row]) -> None:
        self.name = name
        self._rows = rows

    def rows(self) -> Sequence[Row]:
        """All of them; Misconfigured in a line for each that is not whole."""
        return _whole(self._rows)

    def row(self, key: str) -> Row:
        """The row of this key; Misconfigured if there is none, or several. What is wrong with
        others is not looked at: the table may be at work while a batch of its rows is."""
        found = _whole([row for row in self._rows if _alike(row.key) == _alike(key)])
        if found:
            return found[0]
        _whole([row for row in self._rows if not row.key])  # it may be among them
        keys = [row.key for row in self._rows if row.key]
        near = close(key, keys)
        first = f"The first is {keys[0]!r}." if keys else ""
        hint = f"Did you mean {near[0]!r}?" if near else first
        raise Misconfigured(f"{self.name}: has no row {key!r}", hint=hint)


def read(path: Path, name: str) -> Table:
    """The table in a file; Misconfigured in one line if it is none. ``name`` stands for the file
    in messages."""
    text = text_of(path, name, "table")
    if "\0" in text:
        raise Misconfigured(f"{name}: is not a text file", hint="Save it as CSV in UTF-8.")
    rows = list(_told_apart(_rows(text, name)))
    if not rows:
        raise Misconfigured(f"{name}: has no rows below the names of its columns")
    return Table(name, rows)


def _whole(rows: Sequence[Row]) -> Sequence[Row]:
    wrong = [row.wrong for row in rows if row.wrong]
    if wrong:
        raise Misconfigured(some_of(wrong))
    return rows


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


def _rows(text: str, name: str) -> Iterator[Row]:
    """Below the names of the columns, what is not blank."""
    columns: list[str] = []
    for line, cells in _lines(text):
        where = f"{name}:{line}"
        if isinstance(cells, str):
            if not columns:
                raise Misconfigured(f"{where}: {cells}")
            yield Row("", {}, where, f"{where}: {cells}")
            return
        values = [cell.strip() for cell in cells]
        if not any(values):
            continue
        if not columns:
            columns = [_one_spelling(value) for value in values]
            _check_columns(columns, where)
        elif len(values) != len(columns):
            number = counted(len(values), "cell")
            wrong = f"{where}: has {number}, the line of the columns has {len(columns)}"
            yield Row(values[0], {}, where, wrong)
        elif not values[0]:
            yield Row("", {}, where, f"{where}: {columns[0]} is empty; it names the row")
        else:
            yield Row(values[0], dict(zip(columns, values, strict=True)), where)
    if not columns:
        raise Misconfigured(f"{name}: is empty; its first line names the columns")


def _lines(text: str) -> Iterator[tuple[int, list[str] | str]]:
    """The number of each line, of one on several lines the first, and its cells; or why neither it
    nor what follows can be read."""
    told = _SEPARATOR_TOLD.match(text)  # as a spreadsheet may tell it, in a line of its own
    above = len(told[0].splitlines()) if told else 0
    text = text[told.end() :] if told else text
    separator = told[1] if told else _separator(text)
    lines = csv.reader(
        io.StringIO(text, newline=""), delimiter=separator, strict=True, skipinitialspace=True
    )
    while True:
        line = above + lines.line_num + 1
        try:
            cells = next(lines, None)
        except csv.Error as error:
            why = "a quote is not closed" if "end of data" in str(error) else str(error)
            yield line, f"is not valid CSV ({why})"
            return
        if cells is None:
            return
        yield line, cells


def _separator(text: str) -> str:
    """The one most used in the first line that is not blank, outside of quotes."""
    plain = _QUOTED.sub("", text.lstrip("\r\n" + _SEPARATORS + " "))
    first = re.split(r"[\r\n]", plain, maxsplit=1)[0]
    return max(_SEPARATORS, key=first.count)


def _one_spelling(text: str) -> str:
    """Of the several that Unicode has for one text. Not for values: a folder is called as it is."""
    return unicodedata.normalize("NFC", text)


def _alike(key: str) -> str:
    return _one_spelling(key.strip()).casefold()


def _check_columns(columns: Sequence[str], where: str) -> None:
    for at, column in enumerate(columns):
        if not column:
            raise Misconfigured(f"{where}: column {at + 1} has no name")
        if column in columns[:at]:
            raise Misconfigured(f"{where}: two columns are called {column!r}")
        if is_secret(column):
            raise Misconfigured(
                f"{where}: {column!r} must not stand here; remove the column",
                hint="outpour connect asks for passwords and keeps them in the keyring.",
            )


def _told_apart(rows: Iterable[Row]) -> Iterator[Row]:
    """The same; wrong is what has the key of one before, as each has a ledger of its own."""
    seen: dict[str, Row] = {}
    for row in rows:
        other = row if row.wrong else seen.setdefault(_alike(row.key), row)
        if other is row:
            yield row
        else:
            first = other.where.rpartition(":")[2]
            yield replace(row, wrong=f"{row.where}: {row.key!r} stands in line {first} already")

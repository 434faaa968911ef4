"""A YAML file as plain data that remembers which line each key and item stands on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from connectors.errors import Misconfigured

Loc = tuple[str | int, ...]
_MOST = 100_000  # values in one file


class Document:
    """``data`` is the file's mapping. Lines count from 1."""

    def __init__(self, name: str, data: dict[str, Any], lines: dict[Loc, int]) -> None:
        self.name = name
        self.data = data
        self._lines = lines

    def with_data(self, data: dict[str, Any]) -> Document:
        """The same document, where its values are others."""
        return Document(self.name, data, self._lines)

    def line(self, loc: Loc) -> int | None:
        """The line of exactly this key or item; None if the file does not hold it."""
        return self._lines.get(loc)

    def nearest(self, loc: Loc) -> str:
        """``file:line`` of the closest enclosing thing the file does hold."""
        for end in range(len(loc), 0, -1):
            if line := self._lines.get(loc[:end]):
                return f"{self.name}:{line}"
        return self.name


def read(path: Path) -> Document:
    """Read a pipeline file; Misconfigured in one line if it cannot be read or is no mapping."""
    hint = (
        "outpour schema prints what can stand in it; without a file: "
        "outpour run --from icloud:ann@example.com --to ./Photos"
    )
    return parse(text_of(path, str(path), "pipeline file", hint), str(path))


def text_of(path: Path, name: str, kind: str, missing: str = "") -> str:
    """The text of a file of this ``kind``, without a byte order mark; Misconfigured in one line
    if it cannot be read. ``name`` stands for it in messages, ``missing`` says what to do where
    it is not there."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise Misconfigured(f"{name}: no such file", hint=missing) from None
    except IsADirectoryError:
        raise Misconfigured(f"{name}: is a folder, not a {kind}") from None
    except UnicodeDecodeError:
        raise Misconfigured(
            f"{name}: is not a text file in UTF-8", hint="Save it as UTF-8."
        ) from None
    except OSError as error:
        raise Misconfigured(f"{name}: cannot be read ({error.strerror})") from None


def parse(text: str, name: str) -> Document:
    """The document in ``text``; ``name`` stands for the file in messages."""
    reader = _Reader(name)
    with _readable(name):
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is None:
            raise Misconfigured(f"{name}: is empty; it needs at least source and sinks")
        if not isinstance(root, yaml.MappingNode):
            raise Misconfigured(f"{name}:1: must be 'key: value' lines, such as 'source: ...'")
        return Document(name, reader.mapping(root, ()), reader.lines)


def value(text: str, name: str) -> Any:
    """What ``text`` says, whatever it is; ``name`` stands for it in messages."""
    with _readable(name):
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        return None if root is None else _Reader(name).value(root, ())


@contextlib.contextmanager
def _readable(name: str) -> Iterator[None]:
    try:
        yield
    except yaml.YAMLError as error:
        raise Misconfigured(_syntax(error, name)) from None
    except RecursionError:
        raise Misconfigured(f"{name}: is nested too deeply") from None


def _syntax(error: yaml.YAMLError, name: str) -> str:
    mark = getattr(error, "problem_mark", None)
    where = f"{name}:{mark.line + 1}" if mark else name
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    begun = getattr(error, "context_mark", None)
    since = f", in what began in line {begun.line + 1}" if begun else ""
    return f"{where}: is not valid YAML ({problem}{since})"


class _Reader:
    """Turns nodes into plain data; keys become text, a key given twice is a mistake.

    Numbers to the base of 60 (1:30), which YAML 1.1 has and nobody means, stay text.
    """

    def __init__(self, name: str) -> None:
        self.lines: dict[Loc, int] = {}
        self._name = name
        self._scalars = yaml.constructor.SafeConstructor()
        self._open: set[int] = set()
        self._read = 0

    def mapping(self, node: yaml.MappingNode, loc: Loc) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag.endswith(":merge"):
                raise Misconfigured(f"{self._name}:{line}: a key must be a plain word")
            key = key_node.value
            if key in found:
                first = self.lines[(*loc, key)]
                raise Misconfigured(
                    f"{self._name}:{line}: {key}: given twice, first in line {first}"
                )
            self.lines[(*loc, key)] = line
            found[key] = self.value(value_node, (*loc, key))
        return found

    def value(self, node: yaml.Node, loc: Loc) -> Any:
        if id(node) in self._open:
            raise Misconfigured(f"{self._name}: an alias must not contain itself")
        self._read += 1
        if self._read > _MOST:
            raise Misconfigured(
                f"{self._name}: holds too much; aliases multiply what they stand for"
            )
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self.mapping(node, loc)
            if isinstance(node, yaml.SequenceNode):
                return [self._item(item, (*loc, at)) for at, item in enumerate(node.value)]
            return self._scalar(node)
        finally:
            self._open.discard(id(node))

    def _item(self, node: yaml.Node, loc: Loc) -> Any:
        self.lines[loc] = node.start_mark.line + 1
        return self.value(node, loc)

    def _scalar(self, node: yaml.Node) -> Any:
        if node.tag.endswith((":int", ":float")) and ":" in node.value:
            return node.value
        try:
            return self._scalars.construct_object(node)
        except (yaml.YAMLError, ValueError, AttributeError) as error:
            if node.tag.endswith(":timestamp"):  # a date that there is not: its key's mistake
                return node.value
            line = node.start_mark.line + 1
            reason = getattr(error, "problem", None) or error
            raise Misconfigured(f"{self._name}:{line}: {node.value!r}: {reason}") from None

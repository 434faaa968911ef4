"""The search language of files.list (Drive API guide "Search for files and folders").

Understood: ``'id' in parents``, ``name`` = != contains, ``mimeType`` = != contains,
``trashed``, ``starred``, ``sharedWithMe``, ``modifiedTime`` and ``createdTime`` with
comparisons, ``appProperties has {...}``, ``properties has {...}``, and/or/not, brackets.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sandbox.gdrive.refusal import invalid

Test = Callable[[Any], bool]
_TOKEN = re.compile(r"\s*('(?:[^'\\]|\\.)*'|[A-Za-z]+|!=|<=|>=|[=<>(){}])")


@dataclass(frozen=True)
class Plan:
    """A test for files. ``parents`` and ``name`` narrow where to look, None for everywhere."""

    test: Test
    parents: frozenset[str] | None = None
    name: str | None = None


def parse(text: str, root: str) -> Plan:
    """Read a query, in which the id ``root`` stands for My Drive; refused if it does not parse."""
    reader = _Reader(text, root)
    plan = reader.either()
    if reader.tokens:
        raise invalid("q", text)
    return plan


class _Reader:
    def __init__(self, text: str, root: str) -> None:
        self.text = text
        self.root = root
        self.tokens: list[str] = []
        at = 0
        while at < len(text.rstrip()):
            found = _TOKEN.match(text, at)
            if not found:
                raise invalid("q", text)
            self.tokens.append(found[1])
            at = found.end()

    def take(self, *expected: str) -> str:
        if not self.tokens or (expected and self.tokens[0] not in expected):
            raise invalid("q", self.text)
        return self.tokens.pop(0)

    def string(self) -> str:
        token = self.take()
        if not token.startswith("'"):
            raise invalid("q", self.text)
        return re.sub(r"\\(.)", r"\1", token[1:-1])

    def next(self, word: str) -> bool:
        if self.tokens and self.tokens[0] == word:
            self.tokens.pop(0)
            return True
        return False

    def either(self) -> Plan:
        plan = self.all()
        while self.next("or"):
            plan = _or(plan, self.all())
        return plan

    def all(self) -> Plan:
        plan = self.one()
        while self.next("and"):
            plan = _and(plan, self.one())
        return plan

    def one(self) -> Plan:
        if self.next("not"):
            inner = self.one().test
            return Plan(lambda node: not inner(node))
        if self.next("("):
            plan = self.either()
            self.take(")")
            return plan
        if self.tokens and self.tokens[0].startswith("'"):
            parent = self.string()
            parent = self.root if parent == "root" else parent
            self.take("in")
            self.take("parents")
            return Plan(lambda node: node.parent == parent, frozenset({parent}))
        return self.field(self.take())

    def field(self, name: str) -> Plan:
        if name in ("name", "mimeType"):
            return self.words(name)
        if name in ("trashed", "starred"):
            wanted = self.take("=", "!=") == "="
            wanted = wanted is (self.take("true", "false") == "true")
            return Plan(lambda node: bool(getattr(node, name)) is wanted)
        if name in ("modifiedTime", "createdTime"):
            return self.moment(name.removesuffix("Time"))
        if name in ("appProperties", "properties"):
            return self.has(name)
        if name == "sharedWithMe":
            if self.next("="):
                self.take("true", "false")
            return Plan(lambda _: False)
        raise invalid("q", self.text)

    def words(self, name: str) -> Plan:
        operator, value = self.take("=", "!=", "contains"), self.string()
        folded = value.casefold()  # Drive compares names without regard to case
        if operator == "contains":
            return Plan(lambda node: getattr(node, name).casefold().startswith(folded))
        same: Test = lambda node: getattr(node, name).casefold() == folded  # noqa: E731
        if operator == "!=":
            return Plan(lambda node: not same(node))
        return Plan(same, name=value if name == "name" else None)

    def moment(self, name: str) -> Plan:
        operator, value = self.take("=", "!=", "<", "<=", ">", ">="), self.string()
        try:
            moment = datetime.fromisoformat(value).timestamp()
        except ValueError:
            raise invalid("q", self.text) from None
        compare: dict[str, Callable[[float], bool]] = {
            "=": lambda x: x == moment,
            "!=": lambda x: x != moment,
            "<": lambda x: x < moment,
            "<=": lambda x: x <= moment,
            ">": lambda x: x > moment,
            ">=": lambda x: x >= moment,
        }
        chosen = compare[operator]
        return Plan(lambda node: chosen(getattr(node, name)))

    def has(self, name: str) -> Plan:
        for word in ("has", "{", "key", "="):
            self.take(word)
        key = self.string()
        for word in ("and", "value", "="):
            self.take(word)
        value = self.string()
        self.take("}")
        attribute = "app_properties" if name == "appProperties" else "properties"
        return Plan(lambda node: (getattr(node, attribute) or {}).get(key) == value)


def _and(one: Plan, other: Plan) -> Plan:
    a, b = one.test, other.test
    parents = one.parents if other.parents is None else other.parents
    if one.parents is not None and other.parents is not None:
        parents = one.parents & other.parents
    name = one.name if one.name is not None else other.name
    return Plan(lambda node: a(node) and b(node), parents, name)


def _or(one: Plan, other: Plan) -> Plan:
    a, b = one.test, other.test
    parents = None
    if one.parents is not None and other.parents is not None:
        parents = one.parents | other.parents
    name = one.name if one.name == other.name else None
    return Plan(lambda node: a(node) or b(node), parents, name)

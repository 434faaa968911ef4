"""What this Photos.sqlite calls things; nothing is taken from a table of iOS versions.

Core Data numbers its entities in Z_PRIMARYKEY and names join tables after the numbers, so the
album join is ``Z_{Album}ASSETS (Z_{Album}ALBUMS, Z_{Asset}ASSETS)`` whatever the numbers are.
Columns that come and go (iOS 18 renamed the fingerprint) are looked for by name; one that is
not there reads as NULL.
"""

from __future__ import annotations

import plistlib
import re
import sqlite3
from dataclasses import dataclass

ASSETS = "ZASSET"
ATTRIBUTES = "ZADDITIONALASSETATTRIBUTES"
RESOURCES = "ZINTERNALRESOURCE"
ALBUMS = "ZGENERICALBUM"
DESCRIPTIONS = "ZASSETDESCRIPTION"
KEYWORDS = "ZKEYWORD"

# Without these, assets cannot be told apart, found, or known to be whole.
_NEEDED = {
    ASSETS: {"Z_PK", "ZUUID", "ZDIRECTORY", "ZFILENAME", "ZKIND", "ZTRASHEDSTATE"},
    ATTRIBUTES: {"Z_PK", "ZASSET", "ZORIGINALFILENAME"},
    RESOURCES: {
        "ZASSET", "ZRESOURCETYPE", "ZVERSION", "ZDATASTORESUBTYPE", "ZLOCALAVAILABILITY",
        "ZDATALENGTH",
    },
}  # fmt: skip


class UnknownLibrary(Exception):
    """The database is none this connector understands."""


@dataclass(frozen=True, slots=True)
class Join:
    """A many-to-many table: its name and its two columns."""

    table: str
    left: str
    right: str


@dataclass(frozen=True, slots=True)
class Schema:
    """``model`` is Apple's number of the data model, None where it is not told."""

    model: int | None
    columns: dict[str, frozenset[str]]
    album_join: Join | None
    keyword_join: Join | None

    def column(self, table: str, *names: str) -> str:
        """SQL for the first of ``names`` the table has; NULL if it has none."""
        return next((f"{table}.{name}" for name in names if self.has(table, name)), "NULL")

    def has(self, table: str, name: str = "Z_PK") -> bool:
        return name in self.columns.get(table, frozenset())


def read(db: sqlite3.Connection) -> Schema:
    """Look the schema up. Raises UnknownLibrary."""
    tables = {str(name) for (name,) in db.execute("SELECT name FROM sqlite_master")}
    columns = {
        table: frozenset(str(row[1]) for row in db.execute(f'PRAGMA table_info("{table}")'))
        for table in tables
        if re.fullmatch(r"Z\w+", table)
    }
    model = _model(db) if "Z_METADATA" in tables else None
    for table, needed in _NEEDED.items():
        missing = needed - columns.get(table, frozenset())
        if missing:
            raise UnknownLibrary(
                f"model {model or 'unknown'} has no {table}"
                + (f".{min(missing)}" if table in columns else "")
            )
    entities = _entities(db) if "Z_PRIMARYKEY" in tables else {}
    asset = entities.get("Asset")
    return Schema(
        model,
        columns,
        _join(columns, entities.get("Album"), "ASSETS", "ALBUMS", asset, "ASSETS"),
        _keyword_join(columns, entities),
    )


def _keyword_join(columns: dict[str, frozenset[str]], entities: dict[str, int]) -> Join | None:
    left, right = entities.get("AdditionalAssetAttributes"), entities.get("Keyword")
    return _join(columns, left, "KEYWORDS", "ASSETATTRIBUTES", right, "KEYWORDS")


def _join(
    columns: dict[str, frozenset[str]],
    left: int | None,
    table: str,
    left_name: str,
    right: int | None,
    right_name: str,
) -> Join | None:
    join = Join(f"Z_{left}{table}", f"Z_{left}{left_name}", f"Z_{right}{right_name}")
    return join if {join.left, join.right} <= columns.get(join.table, frozenset()) else None


def _entities(db: sqlite3.Connection) -> dict[str, int]:
    return {str(name): int(number) for number, name in db.execute(
        "SELECT Z_ENT, Z_NAME FROM Z_PRIMARYKEY"
    )}  # fmt: skip


def _model(db: sqlite3.Connection) -> int | None:
    row = db.execute("SELECT Z_PLIST FROM Z_METADATA").fetchone()
    try:
        return int(plistlib.loads(row[0])["PLModelVersion"]) if row else None
    except (plistlib.InvalidFileException, ValueError, TypeError, KeyError):
        return None

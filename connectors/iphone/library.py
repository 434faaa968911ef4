"""What is asked of a Photos.sqlite. Columns and tables are called what ``schema`` found."""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from connectors.abilities import Album
from connectors.iphone import schema

_USER_ALBUM, _ROOT_FOLDER = 2, 3999
_DEEPEST = 20  # folders within folders; a ring of parents would never end

Row = dict[str, Any]

_KINDS: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("created", "added", "utc_offset", "latitude", "longitude"), (int, float)),
    **dict.fromkeys(("original_size", "size"), int),
    **dict.fromkeys(("original_name", "title", "caption", "burst", "fingerprint"), str),
}


class Library:
    """An opened database, never written to. Not for two threads at once.

    Opening raises sqlite3.DatabaseError when it is damaged, UnknownLibrary when it is not
    understood.
    """

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, check_same_thread=False)
        try:
            self._db.text_factory = lambda raw: raw.decode("utf-8", "replace")
            self._db.execute("PRAGMA temp_store=FILE")  # sorting must not fill the memory
            self._check()
            self.schema = schema.read(self._db)
        except BaseException:
            self._db.close()
            raise

    def close(self) -> None:
        self._db.close()

    def rows(self) -> Iterator[Row]:
        """One row for each asset, trashed and shared ones too, folder by folder."""
        see, a, t = self.schema.column, schema.ASSETS, schema.ATTRIBUTES
        joined, caption = "", "NULL"
        if self.schema.has(schema.DESCRIPTIONS, "ZASSETATTRIBUTES"):
            joined = f"LEFT JOIN {schema.DESCRIPTIONS} d ON d.ZASSETATTRIBUTES = {t}.Z_PK"
            caption = "d.ZLONGDESCRIPTION"
        wanted = {
            "key": f"{a}.Z_PK",
            "attributes": f"{t}.Z_PK",
            "id": f"{a}.ZUUID",
            "directory": f"{a}.ZDIRECTORY",
            "filename": f"{a}.ZFILENAME",
            "original_name": f"{t}.ZORIGINALFILENAME",
            "original_size": see(t, "ZORIGINALFILESIZE"),
            "fingerprint": see(t, "ZORIGINALSTABLEHASH", "ZMASTERFINGERPRINT"),
            "kind": f"{a}.ZKIND",
            "created": see(a, "ZDATECREATED"),
            "added": see(a, "ZADDEDDATE"),
            "utc_offset": see(t, "ZTIMEZONEOFFSET"),
            "favorite": see(a, "ZFAVORITE"),
            "hidden": see(a, "ZHIDDEN"),
            "trashed": f"{a}.ZTRASHEDSTATE",
            "latitude": see(a, "ZLATITUDE"),
            "longitude": see(a, "ZLONGITUDE"),
            "burst": see(a, "ZAVALANCHEUUID"),
            "scope": see(a, "ZBUNDLESCOPE"),
            "adjusted": see(a, "ZADJUSTMENTSSTATE", "ZHASADJUSTMENTS"),
            "title": see(t, "ZTITLE"),
            "caption": caption,
        }
        columns = ", ".join(f"{sql} AS {name}" for name, sql in wanted.items())
        rows = self._select(
            f"SELECT {columns} FROM {a} LEFT JOIN {t} ON {t}.ZASSET = {a}.Z_PK {joined} "
            f"ORDER BY {a}.ZDIRECTORY, {a}.Z_PK"
        )
        yield from map(_useful, rows)

    def resources(self, keys: Iterable[int]) -> dict[int, list[Row]]:
        """The resource rows of some assets, by asset."""
        see, r = self.schema.column, schema.RESOURCES
        marks = [see(r, name) for name in ("ZFINGERPRINT", "ZSTABLEHASH")]
        query = (
            "SELECT ZASSET AS asset, ZRESOURCETYPE AS type, ZVERSION AS version, "
            "ZDATASTORESUBTYPE AS subtype, ZLOCALAVAILABILITY AS local, ZDATALENGTH AS size, "
            f"COALESCE({', '.join(marks)}) AS fingerprint, {see(r, 'ZRECIPEID')} AS recipe "
            f"FROM {r} WHERE ZASSET IN ({{}}) ORDER BY Z_PK"
        )
        found: dict[int, list[Row]] = {}
        for row in map(_useful, self._among(query, keys)):
            found.setdefault(row["asset"], []).append(row)
        return found

    def keywords(self, attributes: Iterable[int]) -> dict[int, tuple[str, ...]]:
        """Keywords by the key of an asset's attributes."""
        join = self.schema.keyword_join
        if join is None or not self.schema.has(schema.KEYWORDS, "ZTITLE"):
            return {}
        query = (
            f"SELECT j.{join.left} AS owner, k.ZTITLE AS word FROM {join.table} j "
            f"JOIN {schema.KEYWORDS} k ON k.Z_PK = j.{join.right} "
            f"WHERE j.{join.left} IN ({{}}) AND k.ZTITLE IS NOT NULL ORDER BY k.ZTITLE"
        )
        found: dict[int, tuple[str, ...]] = {}
        for row in self._among(query, attributes):
            found[row["owner"]] = (*found.get(row["owner"], ()), row["word"])
        return found

    def albums(self) -> Iterator[Album]:
        """Albums the person made, under the folders they are in."""
        if self.schema.album_join is None or not self.schema.has(schema.ALBUMS, "ZTITLE"):
            return
        parent = self.schema.column(schema.ALBUMS, "ZPARENTFOLDER")
        trashed = self.schema.column(schema.ALBUMS, "ZTRASHEDSTATE")
        found = {
            row["key"]: row
            for row in self._select(
                f"SELECT Z_PK AS key, ZKIND AS kind, ZUUID AS id, ZTITLE AS title, "
                f"{parent} AS parent FROM {schema.ALBUMS} WHERE COALESCE({trashed}, 0) = 0 "
                "ORDER BY Z_PK"
            )
        }
        for row in found.values():
            if row["kind"] == _USER_ALBUM and row["id"]:
                yield Album(row["id"], tuple(_path(found, row)))

    def members(self, album: Album) -> Iterator[str]:
        join = self.schema.album_join
        if join is None:
            return
        for row in self._select(
            f"SELECT a.ZUUID AS id FROM {join.table} j "
            f"JOIN {schema.ALBUMS} g ON g.Z_PK = j.{join.left} "
            f"JOIN {schema.ASSETS} a ON a.Z_PK = j.{join.right} "
            "WHERE g.ZUUID = ? AND COALESCE(a.ZTRASHEDSTATE, 0) = 0 AND a.ZUUID IS NOT NULL",
            (album.id,),
        ):
            yield row["id"]

    def _check(self) -> None:
        answer = self._db.execute("PRAGMA quick_check(1)").fetchone()
        if answer is None or answer[0] != "ok":
            raise sqlite3.DatabaseError(str(answer[0] if answer else "quick_check is silent"))

    def _among(self, query: str, keys: Iterable[int]) -> Iterator[Row]:
        rest = iter(keys)
        while part := list(itertools.islice(rest, 500)):
            yield from self._select(query.format(",".join("?" * len(part))), part)

    def _select(self, query: str, values: Iterable[Any] = ()) -> Iterator[Row]:
        cursor = self._db.execute(query, tuple(values))
        try:
            names = [column[0] for column in cursor.description]
            for row in cursor:
                yield dict(zip(names, row, strict=True))
        finally:
            with contextlib.suppress(sqlite3.ProgrammingError):  # closed before a caller was done
                cursor.close()


def _useful(row: Row) -> Row:
    """The row, without values of another kind than their columns are for: SQLite keeps any in
    any, and no check of it finds that wrong."""
    for name, value in row.items():
        if value is not None and not isinstance(value, _KINDS.get(name, object)):
            row[name] = None
    return row


def _path(found: dict[int, Row], album: Row) -> list[str]:
    names = [album["title"] or "Untitled"]
    above = found.get(album["parent"])
    while above is not None and above["kind"] != _ROOT_FOLDER and len(names) < _DEEPEST:
        names.insert(0, above["title"] or "Untitled")
        above = found.get(above["parent"])
    return names

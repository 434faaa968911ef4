"""Builds a Photos.sqlite, with its newest rows only in the write-ahead log, as a phone has it."""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.iphone.schema import ASSET, ASSET_ATTRIBUTES, Version, create
from sandbox.library import Album, Asset

_EPOCH = 978_307_200  # Core Data counts from 2001
_KINDS = {"photo": (0, 0), "live": (0, 2), "video": (1, 0)}
_SUBTYPES = {"screenshot": 10, "slomo": 101, "timelapse": 102}
_RENDER_STILL, _RENDER_VIDEO, _RENDER_LIVE = 65938, 131072, 131272

# role: (type, version, subtype, recipe)
_RESOURCES = {
    "live_video": (3, 0, 18, 0),
    "alternate": (4, 0, 17, 0),
    "edited": (0, 2, 2, _RENDER_STILL),
    "edited_video": (1, 2, 16, _RENDER_VIDEO),
    "edited_live_video": (3, 2, 19, _RENDER_LIVE),
    "adjustments": (5, 2, 22, _RENDER_STILL),
}


@dataclass(slots=True)
class Entry:
    """One resource row: what the database believes of one file."""

    role: str
    size: int
    fingerprint: str | None
    local: bool = True


@dataclass(slots=True)
class Row:
    """One asset of the phone. ``entries`` begin with the original's."""

    asset: Asset
    directory: str
    filename: str
    entries: list[Entry] = field(default_factory=list)


def build(
    version: Version, rows: Iterable[Row], albums: Iterable[tuple[Album, list[str]]]
) -> tuple[bytes, bytes]:
    """The main file and its write-ahead log. Albums come with the ids of their members."""
    with tempfile.TemporaryDirectory(prefix="outpour-photos-") as folder:
        path = Path(folder, "Photos.sqlite")
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("PRAGMA journal_mode=WAL")
            create(db, version)
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            _Writer(db, version).write(rows, albums)
            # Read while the connection is open: closing would merge the log.
            return path.read_bytes(), Path(f"{path}-wal").read_bytes()


class _Writer:
    def __init__(self, db: sqlite3.Connection, version: Version) -> None:
        self._db = db
        self._version = version
        self._keys: dict[str, int] = {}
        self._keywords: dict[str, int] = {}

    def write(self, rows: Iterable[Row], albums: Iterable[tuple[Album, list[str]]]) -> None:
        for count, batch in enumerate(_batches(rows)):
            if count == 1:  # what came first is in the main file, the rest only in the log
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                self._db.execute("PRAGMA wal_autocheckpoint=0")
            self._db.execute("BEGIN")
            for row in batch:
                self._asset(row)
            self._db.execute("COMMIT")
        self._db.execute("BEGIN")
        self._albums(list(albums))
        self._db.execute("COMMIT")

    def _asset(self, row: Row) -> None:
        asset, key = row.asset, len(self._keys) + 1
        self._keys[asset.id] = key
        kind, subtype = _KINDS[asset.kind]
        latitude, longitude = asset.location[:2] if asset.location else (-180.0, -180.0)
        edited = any(entry.role.startswith("edited") for entry in row.entries)
        self._insert(
            "ZASSET",
            Z_PK=key,
            Z_ENT=ASSET,
            Z_OPT=asset.revision + 1,
            ZUUID=asset.id,
            ZDIRECTORY=row.directory,
            ZFILENAME=row.filename,
            ZKIND=kind,
            ZKINDSUBTYPE=_SUBTYPES.get(asset.subtype, subtype),
            ZDATECREATED=asset.created / 1000 - _EPOCH,
            ZMODIFICATIONDATE=asset.added / 1000 - _EPOCH + asset.revision,
            ZADDEDDATE=asset.added / 1000 - _EPOCH,
            ZFAVORITE=int(asset.favorite),
            ZHIDDEN=int(asset.hidden),
            ZTRASHEDSTATE=int(asset.trashed is not None),
            ZTRASHEDDATE=asset.trashed / 1000 - _EPOCH if asset.trashed is not None else None,
            ZLATITUDE=latitude,
            ZLONGITUDE=longitude,
            ZAVALANCHEUUID=asset.burst,
            ZBUNDLESCOPE=0,
            ZVISIBILITYSTATE=0,
            ZADDITIONALATTRIBUTES=key,
            **{self._version.adjusted: (2 if self._version.stable_hash else 1) * edited},
        )
        self._attributes(row, key)
        for entry in row.entries:
            self._resource(row, key, entry)

    def _attributes(self, row: Row, key: int) -> None:
        asset, original = row.asset, row.entries[0]
        if asset.caption is not None:
            self._insert(
                "ZASSETDESCRIPTION",
                Z_PK=key,
                ZASSETATTRIBUTES=key,
                ZLONGDESCRIPTION=asset.caption,
            )
        self._insert(
            "ZADDITIONALASSETATTRIBUTES",
            Z_PK=key,
            Z_ENT=ASSET_ATTRIBUTES,
            ZASSET=key,
            ZASSETDESCRIPTION=key if asset.caption is not None else None,
            ZORIGINALFILENAME=asset.original.filename,
            ZORIGINALFILESIZE=original.size,
            ZTIMEZONEOFFSET=asset.utc_offset,
            ZTITLE=asset.title,
            **{self._version.original_hash: original.fingerprint},
        )
        for word in asset.keywords:
            if word not in self._keywords:
                self._keywords[word] = len(self._keywords) + 1
                self._insert("ZKEYWORD", Z_PK=self._keywords[word], ZTITLE=word)
            self._db.execute(
                f"INSERT INTO Z_{ASSET_ATTRIBUTES}KEYWORDS VALUES (?, ?)",
                (key, self._keywords[word]),
            )

    def _resource(self, row: Row, key: int, entry: Entry) -> None:
        video = row.asset.kind == "video"
        kind, version, subtype, recipe = _RESOURCES.get(entry.role, (int(video), 0, 1, 0))
        self._insert(
            "ZINTERNALRESOURCE",
            ZASSET=key,
            ZRESOURCETYPE=kind,
            ZVERSION=version,
            ZDATASTORESUBTYPE=subtype,
            ZLOCALAVAILABILITY=1 if entry.local else -1,
            ZREMOTEAVAILABILITY=int(not entry.local),
            ZDATALENGTH=entry.size,
            ZRECIPEID=recipe,
            ZTRASHEDSTATE=int(row.asset.trashed is not None),
            **{self._version.resource_hash: entry.fingerprint},
        )
        if entry.role == "original":  # a thumbnail is a resource like any other
            self._insert(
                "ZINTERNALRESOURCE",
                ZASSET=key,
                ZRESOURCETYPE=0,
                ZVERSION=0,
                ZDATASTORESUBTYPE=4,
                ZLOCALAVAILABILITY=1,
                ZREMOTEAVAILABILITY=0,
                ZDATALENGTH=321,
                ZRECIPEID=65741,
                ZTRASHEDSTATE=0,
            )

    def _albums(self, albums: list[tuple[Album, list[str]]]) -> None:
        keys = {album.id: number for number, (album, _) in enumerate(albums, 2)}
        self._insert("ZGENERICALBUM", Z_PK=1, ZKIND=3999, ZTRASHEDSTATE=0, ZUUID="root")
        for album, members in albums:
            self._insert(
                "ZGENERICALBUM",
                Z_PK=keys[album.id],
                Z_ENT=self._version.album,
                ZKIND=4000 if album.folder else 2,
                ZTRASHEDSTATE=int(album.deleted),
                ZUUID=album.id,
                ZTITLE=album.title,
                ZPARENTFOLDER=keys.get(album.parent or "", 1),
            )
            join = f"Z_{self._version.album}ASSETS"
            self._db.executemany(
                f"INSERT INTO {join} VALUES (?, ?, ?)",
                [
                    (keys[album.id], self._keys[member], 1024 * place)
                    for place, member in enumerate(members)
                    if member in self._keys
                ],
            )

    def _insert(self, table: str, **values: object) -> None:
        names = ", ".join(values)
        marks = ", ".join("?" * len(values))
        self._db.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(values.values()))


def _batches(rows: Iterable[Row], size: int = 100) -> Iterator[list[Row]]:
    batch: list[Row] = []
    for row in rows:
        batch.append(row)
        if len(batch) == size:
            yield batch
            batch = []
    yield batch

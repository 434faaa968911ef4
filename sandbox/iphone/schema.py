"""The tables of Photos.sqlite as iOS 14, 16, 18 and 26 lay them out; only what matters here.

Core Data numbers its entities (Z_PRIMARYKEY) and names join tables after the numbers, so they
differ from version to version. From iOS 18 on ZMASTERFINGERPRINT is called ZORIGINALSTABLEHASH
and ZHASADJUSTMENTS is ZADJUSTMENTSSTATE.
"""

from __future__ import annotations

import plistlib
import sqlite3
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Version:
    """``model`` is PLModelVersion; ``album`` and ``keyword`` are the numbers of the entities."""

    ios: int
    model: int
    album: int
    keyword: int
    stable_hash: bool  # the names of iOS 18
    resource_hash: str = "ZFINGERPRINT"

    @property
    def original_hash(self) -> str:
        return "ZORIGINALSTABLEHASH" if self.stable_hash else "ZMASTERFINGERPRINT"

    @property
    def adjusted(self) -> str:
        return "ZADJUSTMENTSSTATE" if self.stable_hash else "ZHASADJUSTMENTS"


ASSET_ATTRIBUTES, ASSET = 1, 3
VERSIONS = {
    version.ios: version
    for version in (
        Version(14, 14310, 26, 36, False),
        Version(16, 16320, 28, 40, False),
        Version(18, 18260, 30, 47, True),
        Version(26, 19320, 33, 52, True, "ZSTABLEHASH"),
    )
}


def create(db: sqlite3.Connection, version: Version) -> None:
    """Make the tables of ``version`` in an empty database."""
    hashes = "ZFINGERPRINT TEXT" + (", ZSTABLEHASH TEXT" if version.stable_hash else "")
    db.executescript(f"""
        CREATE TABLE Z_PRIMARYKEY (
            Z_ENT INTEGER PRIMARY KEY, Z_NAME TEXT, Z_SUPER INTEGER, Z_MAX INTEGER);
        CREATE TABLE Z_METADATA (Z_VERSION INTEGER PRIMARY KEY, Z_UUID TEXT, Z_PLIST BLOB);
        CREATE TABLE ZASSET (
            Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, Z_OPT INTEGER, ZUUID TEXT,
            ZDIRECTORY TEXT, ZFILENAME TEXT, ZKIND INTEGER, ZKINDSUBTYPE INTEGER,
            ZDATECREATED REAL, ZMODIFICATIONDATE REAL, ZADDEDDATE REAL,
            ZFAVORITE INTEGER, ZHIDDEN INTEGER, ZTRASHEDSTATE INTEGER, ZTRASHEDDATE REAL,
            ZLATITUDE REAL, ZLONGITUDE REAL, ZAVALANCHEUUID TEXT, ZAVALANCHEPICKTYPE INTEGER,
            ZCLOUDLOCALSTATE INTEGER, ZCLOUDASSETGUID TEXT, ZMASTER INTEGER,
            ZBUNDLESCOPE INTEGER, ZVISIBILITYSTATE INTEGER, {version.adjusted} INTEGER,
            ZADDITIONALATTRIBUTES INTEGER);
        CREATE TABLE ZADDITIONALASSETATTRIBUTES (
            Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, Z_OPT INTEGER, ZASSET INTEGER,
            ZASSETDESCRIPTION INTEGER, ZORIGINALFILENAME TEXT, ZORIGINALFILESIZE INTEGER,
            ZTIMEZONEOFFSET INTEGER, ZTIMEZONENAME TEXT, ZEXIFTIMESTAMPSTRING TEXT,
            ZTITLE TEXT, {version.original_hash} TEXT);
        CREATE TABLE ZINTERNALRESOURCE (
            Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, Z_OPT INTEGER, ZASSET INTEGER,
            ZRESOURCETYPE INTEGER, ZVERSION INTEGER, ZDATASTORESUBTYPE INTEGER,
            ZLOCALAVAILABILITY INTEGER, ZREMOTEAVAILABILITY INTEGER, ZDATALENGTH INTEGER,
            ZRECIPEID INTEGER, ZTRASHEDSTATE INTEGER, {hashes});
        CREATE INDEX ZINTERNALRESOURCE_ZASSET_INDEX ON ZINTERNALRESOURCE (ZASSET);
        CREATE TABLE ZASSETDESCRIPTION (
            Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, Z_OPT INTEGER, ZASSETATTRIBUTES INTEGER,
            ZLONGDESCRIPTION TEXT);
        CREATE TABLE ZKEYWORD (
            Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, Z_OPT INTEGER, ZTITLE TEXT);
        CREATE TABLE Z_{ASSET_ATTRIBUTES}KEYWORDS (
            Z_{ASSET_ATTRIBUTES}ASSETATTRIBUTES INTEGER, Z_{version.keyword}KEYWORDS INTEGER,
            PRIMARY KEY (Z_{ASSET_ATTRIBUTES}ASSETATTRIBUTES, Z_{version.keyword}KEYWORDS));
        CREATE TABLE ZGENERICALBUM (
            Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, Z_OPT INTEGER, ZKIND INTEGER,
            ZTRASHEDSTATE INTEGER, ZUUID TEXT, ZTITLE TEXT, ZPARENTFOLDER INTEGER);
        CREATE TABLE Z_{version.album}ASSETS (
            Z_{version.album}ALBUMS INTEGER, Z_{ASSET}ASSETS INTEGER,
            Z_FOK_{ASSET}ASSETS INTEGER,
            PRIMARY KEY (Z_{version.album}ALBUMS, Z_{ASSET}ASSETS));
    """)
    entities = {
        ASSET_ATTRIBUTES: "AdditionalAssetAttributes",
        ASSET: "Asset",
        version.album - 1: "GenericAlbum",
        version.album: "Album",
        version.keyword: "Keyword",
    }
    db.executemany(
        "INSERT INTO Z_PRIMARYKEY VALUES (?, ?, ?, 0)",
        [
            (number, name, version.album - 1 if name == "Album" else 0)
            for number, name in entities.items()
        ],
    )
    metadata = plistlib.dumps({"PLModelVersion": version.model}, fmt=plistlib.FMT_BINARY)
    db.execute("INSERT INTO Z_METADATA VALUES (1, 'sandbox', ?)", (metadata,))

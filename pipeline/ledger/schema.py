"""Tables of the ledger. Times are ISO 8601 in UTC; sizes are bytes; ids of rows are integers.

``VERSION`` grows with every change of the tables; ``migrations`` holds the steps.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    UniqueConstraint,
    text,
)

VERSION = 8
metadata = MetaData()

meta = Table("meta", metadata, Column("key", String, primary_key=True), Column("value", String))

runs = Table(
    "runs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("command", String, nullable=False),  # run, verify, rebuild, reclaim
    Column("started", String, nullable=False),
    Column("ended", String),
    Column("state", String, nullable=False),
)

assets = Table(
    "assets",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("asset_id", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("created", String),
    Column("filename", String, nullable=False),  # of its first resource, for people
    Column("size", BigInteger, nullable=False),  # of all chosen resources, 0 for unknown
    Column("favorite", Boolean, nullable=False),
    Column("library", String, nullable=False),
    Column("revision", String),
    Column("metadata", String, nullable=False),  # JSON of base.Metadata
    Column("state", String, nullable=False),
    Column("reason", String, nullable=False, default=""),
    Column("seen", Integer, nullable=False),  # number of the listing that last named it
    UniqueConstraint("asset_id"),
    Index("assets_state", "state", "id"),
)

resources = Table(
    "resources",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("asset", ForeignKey("assets.id"), nullable=False),
    Column("resource_id", String, nullable=False),
    Column("role", String, nullable=False),
    Column("filename", String, nullable=False),
    Column("size", BigInteger),
    Column("checksum", String),  # the source's own, as algo:value
    Column("media_type", String),
    Column("handle", String, nullable=False),
    Column("local", Boolean, nullable=False),
    # What the source has in the place of what it does not; words for a person.
    Column("instead", String, nullable=False, default="", server_default=""),
    Column("chosen", Boolean, nullable=False),  # by the plan's selection of roles
    Column("path", String),  # planned, relative, POSIX; fixed once chosen
    Column("proof", String, nullable=False, default=""),
    Column("apple", String),  # digests of the bytes that were received
    Column("sha256", String),
    Column("md5", String),
    Column("dropbox", String),
    Column("received", BigInteger),  # bytes that were received and verified
    Column("revisions", String),  # JSON of base.Resource.revisions; NULL where there are none
    UniqueConstraint("asset", "resource_id"),
    Index("resources_checksum", "checksum"),
    Index("resources_size", "size"),
)

copies = Table(
    "copies",
    metadata,
    Column("resource", ForeignKey("resources.id"), nullable=False),
    Column("sink", String, nullable=False),
    Column("state", String, nullable=False),
    Column("path", String),  # where it is; differs from the plan after a conflict
    Column("token", String),  # goes on with an upload in another process
    Column("remote_id", String),
    Column("checksum", String),  # the sink's own, as algo:value
    Column("size", BigInteger),
    Column("confirmed", String),
    Column("checked", String),  # the last time the sink was asked again
    Column("reason", String, nullable=False, default=""),
    # SHA-256 sums of earlier content of ours that may lie at the path, for generated files.
    Column("replaces", String, nullable=False, default="", server_default=""),
    PrimaryKeyConstraint("resource", "sink"),
    Index("copies_sink_path", "sink", "path"),
    # Few at most, and each run looks for them.
    Index("copies_missing", "sink", "resource", sqlite_where=text("state = 'missing'")),
    sqlite_with_rowid=False,
)

paths = Table(
    "paths",
    metadata,
    # NFC + casefold of a taken path: no two resources differ only in what some system ignores.
    Column("folded", String, primary_key=True),
    Column("resource", Integer, nullable=False),
    sqlite_with_rowid=False,
)

events = Table(
    "events",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("run", ForeignKey("runs.id"), nullable=False),
    Column("time", String, nullable=False),
    Column("kind", String, nullable=False),  # mismatch, quarantined, failed, notice, trashed, ...
    Column("asset", Integer),
    Column("resource", Integer),
    Column("sink", String, nullable=False, default="", server_default=""),  # of a loss
    Column("detail", String, nullable=False),
)

cursors = Table(
    "cursors",
    metadata,
    Column("source", String, primary_key=True),
    Column("cursor", String),
    Column("listing", Integer, nullable=False),  # number of the last listing begun
    Column("complete", Boolean, nullable=False),
    Column("expected", Integer),
    Column("listed", Integer, nullable=False),
)

albums = Table(
    "albums",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("album_id", String, nullable=False, unique=True),
    Column("path", String, nullable=False),  # JSON list, folders outermost first
)

album_members = Table(
    "album_members",
    metadata,
    Column("album", ForeignKey("albums.id"), nullable=False),
    Column("asset_id", String, nullable=False),
    PrimaryKeyConstraint("album", "asset_id"),
    Index("album_members_asset", "asset_id"),
    sqlite_with_rowid=False,
)

sidecars_due = Table(
    "sidecars_due",
    metadata,
    # Assets whose sidecar is to be made anew; their metadata or albums changed.
    Column("asset_id", String, primary_key=True),
    sqlite_with_rowid=False,
)

lookalikes = Table(
    "lookalikes",
    metadata,
    # Files at a sink that may be copies: only the bytes of the library's own files will tell.
    Column("sink", String, nullable=False),
    Column("checksum", String, nullable=False),  # the sink's own, as algo:value
    Column("path", String, nullable=False),
    Column("remote_id", String, nullable=False),  # blank where the sink gives none
    Column("resource", Integer),  # whose copy it is taken for
    PrimaryKeyConstraint("sink", "checksum", "path", "remote_id"),
    sqlite_with_rowid=False,
)

problems = Table(
    "problems",
    metadata,
    # Items of a listing that could not be read: named, counted, never silent.
    Column("id", String, primary_key=True),
    Column("reason", String, nullable=False),
    Column("seen", Integer, nullable=False),
)

sightings = Table(
    "sightings",
    metadata,
    # Only of pipelines with several sources: each asset as each of them lists it.
    Column("id", Integer, primary_key=True),
    Column("source", String, nullable=False),
    Column("asset_id", String, nullable=False),
    Column("revision", String),
    Column("principal", String, nullable=False),  # the merged asset it is part of
    Column("asset", String, nullable=False),  # JSON of base.Asset
    Column("created", String),
    Column("filename", String, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("local", Boolean, nullable=False),  # the source has the original's bytes
    Column("seen", Integer, nullable=False),
    Column("gone", Boolean, nullable=False),
    # Of what is gone since reclaim took it away, the words of ``leaving.by_reclaim``.
    Column("freed", String, nullable=False, default="", server_default=""),
    UniqueConstraint("source", "asset_id"),
    Index("sightings_principal", "principal"),
)

prints = Table(
    "prints",
    metadata,
    # The files of a sighting by content: how assets of two sources are known to be one.
    Column("sighting", ForeignKey("sightings.id"), nullable=False),
    Column("resource_id", String, nullable=False),
    Column("source", String, nullable=False),
    Column("role", String, nullable=False),
    Column("size", BigInteger),
    Column("content", String),  # algo:value; NULL while nothing that can be recomputed is known
    # By us, from bytes that were read; without content, these were of an earlier revision.
    Column("computed", Boolean, nullable=False),
    Column("merged", String),  # the file's id in the merged asset
    PrimaryKeyConstraint("sighting", "resource_id"),
    Index("prints_content", "content"),
    Index("prints_size", "size", "role", "source", "content"),
    sqlite_with_rowid=False,
)

trash = Table(
    "trash",
    metadata,
    # Written before and after each deletion at the source.
    Column("run", ForeignKey("runs.id"), nullable=False),
    Column("asset", ForeignKey("assets.id"), nullable=False),
    Column("state", String, nullable=False),  # intended, trashed, refused, restored
    Column("evidence", String, nullable=False),  # JSON: the copies and their checks
    Column("time", String, nullable=False),
    Column("reason", String, nullable=False, default=""),
    # What went, where the asset is one of several sources.
    Column("sighting", ForeignKey("sightings.id")),
    PrimaryKeyConstraint("run", "asset"),
)

"""Albums of the person's own library, with the folders they lie in, and their members."""

from __future__ import annotations

from collections.abc import Iterator, Set

from connectors.abilities import Album
from connectors.icloud import fields
from connectors.icloud.cloudkit import PAGE_RECORDS, CloudKit, Record, Zone, equals
from connectors.icloud.errors import of_record
from connectors.icloud.patience import Patience, silence

_ALBUM, _FOLDER = 0, 3
_ROOTS = {"----Root-Folder----", "----Project-Root-Folder----"}
_MEMBERS = "CPLContainerRelationLiveByAssetDate"
_COUNT = "CPLContainerRelationNotDeletedByAssetDate:"  # and the album's id
_KEYS = ("albumNameEnc", "albumType", "parentId", "isDeleted", "isExpunged")
_DEEPEST = 32
_ATTEMPTS = 3


def tree(cloudkit: CloudKit) -> Iterator[Album]:
    """Every album, folders entered as they are met."""
    yield from _below(cloudkit, Patience(cloudkit), None, ())


def members(cloudkit: CloudKit, album: Album) -> Iterator[str]:
    """Asset ids of one album. Read again where they are not as many as Apple counts: one may have
    left meanwhile, so that those behind it moved up, or an answer may have lacked one."""
    patience = Patience(cloudkit)

    def count() -> int | None:
        return patience.call(lambda: cloudkit.counts(Zone(), [_COUNT + album.id]))[0]

    expected = count()
    found = _read(cloudkit, patience, album, expected)
    for _ in range(_ATTEMPTS):
        if expected is None or len(found) == expected:
            break
        before, expected = expected, count()
        again = _read(cloudkit, patience, album, expected)
        if expected == before:
            again = found | again
            if len(again) == len(found):
                break  # Apple counts more than it shows
        found = again
    return iter(found)


def _read(
    cloudkit: CloudKit, patience: Patience, album: Album, expected: int | None
) -> dict[str, None]:
    seen: dict[str, None] = {}
    rank, empty = 0, 0
    while empty < silence(rank, expected):
        found = _relations(cloudkit, patience, album, rank)
        # What came before may be of another page: it is no rank, where there is anything new.
        rank += len(found - seen.keys()) or len(found)
        empty = 0 if found else empty + 1
        seen.update(dict.fromkeys(found))
    return seen


def _relations(cloudkit: CloudKit, patience: Patience, album: Album, rank: int) -> Set[str]:
    """The asset ids that one answer has from ``rank`` on, in its order."""
    reply = patience.call(
        lambda: cloudkit.query(
            Zone(),
            _MEMBERS,
            (
                equals("startRank", rank),
                equals("direction", "ASCENDING"),
                equals("parentId", album.id),
            ),
            keys=("itemId", "containerId"),
            limit=PAGE_RECORDS,
        )
    )
    return {item: None for record in reply.records if (item := _item(record))}.keys()


def _item(record: Record) -> str | None:
    """The asset a membership names: in its field, and in its own name, which an error has too."""
    asset, relation, _ = str(record.get("recordName")).partition("-IN-")
    if record.get("recordType") != "CPLContainerRelation" and not relation:
        return None
    return fields.plain(record, "itemId") or asset or None


def _below(
    cloudkit: CloudKit, patience: Patience, folder: str | None, path: tuple[str, ...]
) -> Iterator[Album]:
    marker: str | None = None
    markers, seen = set[str](), set[str]()
    while True:
        reply = patience.call(
            lambda marker=marker: cloudkit.query(  # type: ignore[misc]
                Zone(),
                "CPLAlbumByPositionLive",
                (equals("parentId", folder),) if folder else (),
                keys=_KEYS,
                limit=PAGE_RECORDS,
                marker=marker,
            )
        )
        for record in _whole(cloudkit, patience, reply.records):
            name = str(record.get("recordName"))
            if record.get("recordType") != "CPLAlbum" or name in _ROOTS or _gone(record):
                continue
            if name in seen:
                continue
            seen.add(name)
            here = (*path, fields.text(record, "albumNameEnc") or f"Album {name[:8]}")
            # One that does not tell what it is may be either: left out, it would look deleted.
            kind = fields.number(record, "albumType")
            if kind in {_ALBUM, None}:
                yield Album(name, here)
            if kind in {_FOLDER, None} and len(here) < _DEEPEST:
                yield from _below(cloudkit, patience, name, here)
        marker = reply.data.get("continuationMarker")
        if not marker or marker in markers:
            return
        markers.add(marker)


def _whole(cloudkit: CloudKit, patience: Patience, found: list[Record]) -> Iterator[Record]:
    """Records of albums, where need be asked for by name. Raises what Apple says of one that
    cannot be had: an album that is passed over would look deleted, and so would all below it."""
    failed = []
    for one in found:
        if "serverErrorCode" in one:
            if not one.get("recordName"):
                raise of_record(one)
            failed.append(str(one["recordName"]))

    def again() -> list[Record]:
        records = cloudkit.lookup(Zone(), failed, _KEYS).records
        for record in records:
            if "serverErrorCode" in record and record["serverErrorCode"] != "NOT_FOUND":
                raise of_record(record)
        return records

    yield from found
    if failed:
        yield from patience.call(again)


def _gone(record: Record) -> bool:
    return fields.flag(record, "isDeleted") or fields.flag(record, "isExpunged")

"""One asset out of what several sources say of it. Pure: knows no ledger and no network.

Files are the same when their role and their content agree, by a checksum that can be
recomputed; a name or a size alone never makes two files one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from connectors.base import Asset, Kind, Metadata, Resource, Role

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Sighting:
    """An asset as one source lists it. ``computed`` are checksums, by resource id, of bytes
    that were read because the source's own cannot be recomputed. What was ``freed`` there gives
    no file any more; what the source told of it is still true of the copies."""

    source: str
    asset: Asset
    computed: Mapping[str, str] = field(default_factory=dict)
    freed: bool = False

    def content(self, resource: Resource) -> str | None:
        """The checksum that identifies the file's bytes; None where there is none yet."""
        checksum = resource.checksum
        if checksum is not None and checksum.verifiable:
            return str(checksum)
        return self.computed.get(resource.id)

    @property
    def revision(self) -> str | None:
        """Changes with anything that matters here."""
        if self.asset.revision is None:
            return None
        return f"{self.source}\0{self.asset.revision}\0{sorted(self.computed.items())}"


@dataclass(frozen=True, slots=True)
class KnownFile:
    """A file of the merged asset as the ledger has it already; ``contents`` are the checksums
    it is known by. One that was ``freed`` stands for those bytes alone: no other takes its id."""

    id: str
    role: Role
    contents: frozenset[str]
    freed: bool = False


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a file's bytes can be had."""

    source: str
    asset: str
    resource: str
    handle: str


@dataclass
class _File:
    role: Role
    content: str | None
    resource: Resource
    seen: list[tuple[str, str]]  # (source, resource id)
    origins: list[Origin]
    revisions: list[str]  # of the assets it was seen in
    id: str = ""


@dataclass(frozen=True, slots=True)
class Merged:
    """``ids`` are the merged asset's resource ids by (source, resource id)."""

    asset: Asset
    ids: Mapping[tuple[str, str], str]


def merge(id: str, sightings: Sequence[Sighting], known: Sequence[KnownFile] = ()) -> Merged:
    """The asset that these sightings, in order of preference, are together; one is there still.

    Each file is taken from the first source that has its bytes. A file that ``known`` has, by
    role and content, keeps its id: it does not move again when another source provides it.
    """
    there = [sighting for sighting in sightings if not sighting.freed]
    files = _files(there)
    for sighting in sightings:
        if sighting.freed:
            _vouch(files, sighting)
    _name(files, known)
    resources = tuple(_resource(file) for file in files)
    ids = {key: file.id for file in files for key in file.seen}
    asset = Asset(
        id=id,
        kind=_kind(sightings),
        created=_first(s.asset.created for s in sightings),
        resources=resources,
        metadata=_metadata([s.asset.metadata for s in sightings]),
        revision=_revision(there),
        library=there[0].asset.library,
    )
    return Merged(asset, ids)


def origins(handle: str) -> list[Origin]:
    """Where the bytes of a merged resource can be had, cheapest first.

    ValueError when the handle is not one that ``merge`` made.
    """
    try:
        return [Origin(*entry) for entry in json.loads(handle)]
    except (TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"not the handle of a merged file: {handle!r}") from error


def _files(sightings: Sequence[Sighting]) -> list[_File]:
    files: list[_File] = []
    for sighting in sightings:
        for resource in sighting.asset.resources:
            content = sighting.content(resource)
            file = _same(files, sighting.source, resource.role, content)
            if file is None:
                file = _File(resource.role, content, resource, [], [], [])
                files.append(file)
            else:
                file.resource = _better(file, resource)
            file.seen.append((sighting.source, resource.id))
            if sighting.asset.revision is not None:
                file.revisions.append(sighting.asset.revision)
            if resource.local:
                ids = (sighting.asset.id, resource.id)
                file.origins.append(Origin(sighting.source, *ids, resource.handle))
    return files


def _vouch(files: Sequence[_File], freed: Sighting) -> None:
    """The source that a file was freed at told the checksum of these very bytes."""
    for resource in freed.asset.resources:
        content = freed.content(resource)
        for file in files:
            if content is not None and (file.role, file.content) == (resource.role, content):
                file.resource = _better(file, replace(resource, local=False))


def _better(file: _File, other: Resource) -> Resource:
    """The file as its first source with the bytes tells it, with a checksum if any has one."""
    best = other if other.local and not file.origins else file.resource
    rest = file.resource if best is other else other
    if best.checksum is None or not best.checksum.verifiable:
        return replace(best, checksum=rest.checksum or best.checksum)
    return best


def _same(files: list[_File], source: str, role: Role, content: str | None) -> _File | None:
    if content is None:
        return None
    for file in files:
        here = any(seen == source for seen, _ in file.seen)
        if (file.role, file.content) == (role, content) and not here:
            return file
    return None


def _name(files: Sequence[_File], known: Sequence[KnownFile]) -> None:
    """Ids that stay: by content first, then the ids the same source's files had before."""
    left = {one.id: one for one in known}
    for file in files:
        for one in left.values():
            if one.role is file.role and file.content in one.contents:
                file.id = left.pop(one.id).id
                break
    taken = {one.id for one in known}
    for file in files:
        if not file.id:
            source, own = file.seen[0]
            wanted = (own, f"{source}/{own}")
            again = (
                i for i in wanted if i in left and left[i].role == file.role and not left[i].freed
            )
            file.id = next(again, None) or next((i for i in wanted if i not in taken), "")
            file.id = file.id or f"{source}/{own}/{file.content}"
            left.pop(file.id, None)
            taken.add(file.id)


def _resource(file: _File) -> Resource:
    handle = json.dumps(
        [[o.source, o.asset, o.resource, o.handle] for o in file.origins], ensure_ascii=False
    )
    there, revisions = bool(file.origins), tuple(file.revisions)
    return replace(file.resource, id=file.id, handle=handle, local=there, revisions=revisions)


def _kind(sightings: Sequence[Sighting]) -> Kind:
    kinds = [sighting.asset.kind for sighting in sightings]
    return Kind.LIVE if Kind.LIVE in kinds else kinds[0]


def _first(values: Iterable[T | None]) -> T | None:
    return next((value for value in values if value is not None), None)


def _metadata(all_: Sequence[Metadata]) -> Metadata:
    """What any of them knows; where they differ, the first."""

    def one(get: Callable[[Metadata], T | None]) -> T | None:
        return _first(get(metadata) or None for metadata in all_)

    offsets = (metadata.utc_offset for metadata in all_)
    return Metadata(
        title=one(lambda m: m.title),
        caption=one(lambda m: m.caption),
        keywords=tuple(dict.fromkeys(word for m in all_ for word in m.keywords)),
        favorite=any(m.favorite for m in all_),
        hidden=any(m.hidden for m in all_),
        location=one(lambda m: m.location),
        utc_offset=_first(offsets),
        added=one(lambda m: m.added),
        burst=one(lambda m: m.burst),
    )


def _revision(sightings: Sequence[Sighting]) -> str | None:
    revisions = [sighting.revision for sighting in sightings]
    if None in revisions:
        return None
    return hashlib.sha256("\n".join(map(str, revisions)).encode()).hexdigest()[:32]

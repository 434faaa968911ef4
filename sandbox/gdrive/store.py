"""What a Drive account holds. Names are not unique, ids are; the bin counts against the quota.

Bytes lie in a temporary folder, or (``keep_bytes=False``) only their hashes are kept, for
benchmarks.
"""

from __future__ import annotations

import hashlib
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.gdrive.query import Plan
from sandbox.gdrive.refusal import Refused, bad, missing

FOLDER = "application/vnd.google-apps.folder"
_MOST_PROPERTIES = 30
_PROPERTY_BYTES = 124


@dataclass(slots=True, eq=False)
class Node:
    """A file or folder. ``seen_from`` is when listings begin to show it (monotonic).
    ``unaware`` says that it does not know of a bin that it was made in."""

    id: str
    name: str
    mime: str
    parent: str
    app: str
    created: float
    modified: float
    size: int | None = None
    md5: str = ""
    sha256: str = ""
    description: str = ""
    app_properties: dict[str, str] | None = None
    properties: dict[str, str] | None = None
    trashed: bool = False
    starred: bool = False
    drive: str | None = None
    seen_from: float = 0.0
    unaware: bool = False

    @property
    def mimeType(self) -> str:  # noqa: N802  (the query language's name for it)
        return self.mime

    @property
    def folder(self) -> bool:
        return self.mime == FOLDER


@dataclass
class SharedDrive:
    """``role``: organizer, fileOrganizer, writer, commenter, reader, or blank for a stranger."""

    id: str
    name: str
    role: str = "organizer"


class Content:
    """Bytes on their way in: hashed, and kept on disk if asked."""

    def __init__(self, path: Path | None, *, flip: bool) -> None:
        self.size = 0
        self._flip = flip
        self._md5 = hashlib.md5()
        self._sha256 = hashlib.sha256()
        self.path = path
        self._out = path.open("wb", buffering=0) if path else None

    def add(self, data: bytes | bytearray | memoryview) -> None:
        if self._flip and data:
            self._flip, data = False, bytes([data[0] ^ 0x10]) + bytes(data[1:])
        self._md5.update(data)
        self._sha256.update(data)
        if self._out:
            self._out.write(data)
        self.size += len(data)

    def finish(self) -> tuple[int, str, str]:
        if self._out:
            self._out.close()
        return self.size, self._md5.hexdigest(), self._sha256.hexdigest()

    def discard(self) -> None:
        if self._out:
            self._out.close()
        if self.path:
            self.path.unlink(missing_ok=True)


@dataclass
class Store:
    """One account. ``limit`` is its quota in bytes, None for no limit; ``other`` is used
    elsewhere (mail). ``most_children`` is what one folder takes."""

    limit: int | None = 15 * 10**9
    other: int = 0
    keep_bytes: bool = True
    most_children: int = 500_000
    root: str = "0ARootOfMyDrive0PVA"
    drives: dict[str, SharedDrive] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self.used = 0
        self.lock = threading.RLock()
        self._children: dict[str, list[Node]] = {}
        self._named: dict[tuple[str, str], list[Node]] = {}
        self._issued: set[str] = set()
        self._spent: set[str] = set()
        self._count = 0
        self._folder = tempfile.TemporaryDirectory(prefix="outpour-drive-")

    def close(self) -> None:
        self._folder.cleanup()

    # --- ids -----------------------------------------------------------------------------

    def issue(self, count: int) -> list[str]:
        with self.lock:
            ids = [self._new_id() for _ in range(count)]
            self._issued.update(ids)
            return ids

    def _new_id(self) -> str:
        self._count += 1
        return "1" + hashlib.blake2b(b"%d" % self._count, digest_size=16).hexdigest()

    def claim_id(self, wanted: str | None) -> str:
        """The id for a new file: ``wanted`` if it may still be used."""
        if wanted is None:
            return self._new_id()
        if wanted in self.nodes or wanted in self._spent:
            message = "A file already exists with the provided ID."
            raise Refused(409, "fileIdInUse", message)
        if wanted not in self._issued:
            raise bad("The provided file ID is not usable.", "invalid")
        return wanted

    # --- files ---------------------------------------------------------------------------

    def content(self, *, flip: bool = False) -> Content:
        """For a new upload; ``flip`` damages one bit of it."""
        if not self.keep_bytes:
            return Content(None, flip=flip)
        with self.lock:
            self._count += 1
            return Content(Path(self._folder.name, f"part-{self._count}"), flip=flip)

    def add(self, node: Node, content: Content | None) -> None:
        """Make a file or folder visible; its id is checked again, another request may have
        used it."""
        with self.lock:
            if node.id in self.nodes:
                self.claim_id(node.id)
            siblings = self._children.setdefault(node.parent, [])
            if node.parent != self.root and len(siblings) >= self.most_children:
                message = "The limit for this folder's number of children has been exceeded."
                raise Refused(403, "numChildrenInNonRootLimitExceeded", message)
            if content is not None:
                if node.drive is None:
                    self.make_room(content.size)
                    self.used += content.size
                node.size, node.md5, node.sha256 = content.finish()
                if content.path:
                    content.path.rename(self.file(node))
            self._issued.discard(node.id)
            self.nodes[node.id] = node
            siblings.append(node)
            self._named.setdefault((node.parent, node.name.casefold()), []).append(node)

    def file(self, node: Node) -> Path:
        return Path(self._folder.name, node.id)

    def make_room(self, size: int) -> None:
        if self.limit is not None and self.used + self.other + size > self.limit:
            message = "The user's Drive storage quota has been exceeded."
            raise Refused(403, "storageQuotaExceeded", message)

    def delete(self, node: Node) -> None:
        """For good, with everything below."""
        with self.lock:
            for child in list(self._children.get(node.id, ())):
                self.delete(child)
            self._unlink(node)
            del self.nodes[node.id]
            self._spent.add(node.id)
            self.used -= (node.size or 0) if node.drive is None else 0
            self.file(node).unlink(missing_ok=True)

    def move(self, node: Node, parent: str, name: str) -> None:
        with self.lock:
            self._unlink(node)
            node.parent, node.name = parent, name
            self._children.setdefault(parent, []).append(node)
            self._named.setdefault((parent, name.casefold()), []).append(node)

    def _unlink(self, node: Node) -> None:
        self._children[node.parent].remove(node)
        self._named[node.parent, node.name.casefold()].remove(node)

    def get(self, identity: str) -> Node:
        found = self.nodes.get(identity)
        if found is None:
            raise missing(identity)
        return found

    def in_bin(self, node: Node | None) -> bool:
        """Itself or any folder above it."""
        while node is not None:
            if node.trashed:
                return True
            node = self.nodes.get(node.parent)
        return False

    def says_trashed(self, node: Node | None) -> bool:
        """What its own ``trashed`` says. The bin is told to all in a folder when that goes
        there; what is made in it later may never hear of it. Source: google-api-objectivec-client
        issue 70, googleworkspace/android-samples issue 66."""
        while node is not None:
            if node.trashed or node.unaware:
                return node.trashed
            node = self.nodes.get(node.parent)
        return False

    def search(self, plan: Plan) -> Iterator[Node]:
        """In the order of making, of what listings show already."""
        now = time.monotonic()
        with self.lock:
            found = list(self._candidates(plan))
        for node in found:
            if node.seen_from <= now and plan.test(_Seen(node, self.says_trashed(node))):
                yield node

    def _candidates(self, plan: Plan) -> Iterable[Node]:
        if plan.parents is None:
            yield from self.nodes.values()
            return
        for parent in sorted(plan.parents):
            if plan.name is not None:
                yield from self._named.get((parent, plan.name.casefold()), ())
            else:
                yield from self._children.get(parent, ())

    # --- for tests and demos ---------------------------------------------------------------

    def paths(self) -> dict[str, list[Node]]:
        """Files not in the bin, by path from the root of My Drive or a shared drive."""
        found: dict[str, list[Node]] = {}
        with self.lock:
            for node in self.nodes.values():
                if not node.folder and not self.in_bin(node):
                    found.setdefault(self.path(node), []).append(node)
        return found

    def folders(self) -> list[str]:
        with self.lock:
            return sorted(
                self.path(node)
                for node in self.nodes.values()
                if node.folder and not self.in_bin(node)
            )

    def path(self, node: Node) -> str:
        names = [node.name]
        while (above := self.nodes.get(node.parent)) is not None:
            node = above
            names.append(node.name)
        return "/".join(reversed(names))


class _Seen:
    """A node as queries see it: in the bin with the folder that holds it, if it knows."""

    __slots__ = ("_node", "trashed")

    def __init__(self, node: Node, trashed: bool) -> None:
        self._node = node
        self.trashed = trashed

    def __getattr__(self, name: str) -> object:
        return getattr(self._node, name)


def check_properties(properties: dict[str, str] | None) -> None:
    if not properties:
        return
    if len(properties) > _MOST_PROPERTIES:
        raise Refused(403, "fileAppPropertiesLimitExceeded", "Too many properties.")
    for key, value in properties.items():
        if len(key.encode()) + len(value.encode()) > _PROPERTY_BYTES:
            raise Refused(403, "propertyTooLong", f"The property {key} is too long.")

"""Files and folders of one account: case-insensitive, case-preserving, never two in a place.

Sources: Dropbox's docs on case-insensitivity, on WriteMode and on ignored files; the doc
strings of files.WriteError and files.WriteConflictError.
"""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar
from unicodedata import normalize

from sandbox.dropbox.content import Content

_SYSTEM = ("desktop.ini", "thumbs.db", "icon\r", ".ds_store")
_IGNORED = frozenset((*_SYSTEM, ".dropbox", ".dropbox.attr", ".dropbox.cache"))
_MALFORMED = re.compile(r"[\\\x00\x7f]")
_LONGEST = 255  # characters of one name
_STAMP = "%Y-%m-%dT%H:%M:%SZ"


class WriteRefused(Exception):
    """``error`` is JSON of a files.WriteError."""

    def __init__(self, tag: str, conflict: str = "") -> None:
        super().__init__(conflict or tag)
        self.error: dict[str, Any] = {".tag": tag}
        if conflict:
            self.error["conflict"] = {".tag": conflict}


@dataclass
class Folder:
    display: str
    id: str
    children: dict[str, None] = field(default_factory=dict)  # keys of nodes


@dataclass
class File:
    display: str
    id: str
    rev: str
    content: Content
    client_modified: str
    server_modified: str

    @property
    def content_hash(self) -> str:
        return self.content.blocks.hexdigest()


Node = File | Folder
N = TypeVar("N", File, Folder)


@dataclass(frozen=True)
class Commit:
    """What a files.CommitInfo asks for. ``mode`` is add, overwrite, or a rev to replace."""

    path: str
    mode: str = "add"
    autorename: bool = False
    strict: bool = False
    client_modified: datetime | None = None


class Tree:
    """Thread-safe. ``limit`` is the account's room in bytes, ``other`` what else is used.

    ``writes`` counts files written, so a commit that was harmlessly repeated does not show.
    """

    def __init__(self, limit: int = 2_000_000_000) -> None:
        self.limit = limit
        self.other = 0
        self.used = 0
        self.writes = 0
        self.nodes: dict[str, Node] = {"": Folder("", "")}
        self.lock = threading.RLock()
        self._numbers = itertools.count(1)

    def find(self, path: str) -> tuple[str, Node] | None:
        """The node at a path, or with the id or revision, and its key."""
        with self.lock:
            if not path.startswith(("id:", "rev:")):
                node = self.nodes.get(key_of(path))
                return None if node is None else (key_of(path), node)
            for key, node in self.nodes.items():
                if path in (node.id, f"rev:{getattr(node, 'rev', '')}"):
                    return key, node
        return None

    def below(self, key: str, *, recursive: bool) -> Iterator[tuple[str, Node]]:
        """What is in a folder, folders before what they hold."""
        folder = self.nodes[key]
        assert isinstance(folder, Folder)
        for child in sorted(folder.children):
            node = self.nodes[child]
            yield child, node
            if recursive and isinstance(node, Folder):
                yield from self.below(child, recursive=True)

    def write(self, commit: Commit, content: Content) -> File:
        """Make or replace a file as asked. Raises WriteRefused."""
        with self.lock:
            display = self._room_at(commit.path)
            held = self.nodes.get(key_of(display))
            if isinstance(held, Folder):
                raise WriteRefused("conflict", "folder")
            if held is not None:
                replaced = self._replaced(held, commit, content)
                if replaced is not None:
                    return replaced
                display = self._renamed(display)
            self._pay(content.size)
            return self._put(File(display, self._id(), *self._new(commit, content)))

    def folder(self, path: str) -> Folder:
        """Make a folder, and those above it. Raises WriteRefused."""
        with self.lock:
            display = self._room_at(path)
            if key_of(display) in self.nodes:
                kind = "folder" if isinstance(self.nodes[key_of(display)], Folder) else "file"
                raise WriteRefused("conflict", kind)
            return self._put(Folder(display, self._id()))

    def remove(self, key: str) -> None:
        with self.lock:
            node = self.nodes[key]
            if isinstance(node, Folder):
                for child in list(node.children):
                    self.remove(child)
            else:
                self.used -= node.content.size
            parent = self.nodes[key.rpartition("/")[0]]
            assert isinstance(parent, Folder)
            del parent.children[key], self.nodes[key]

    # --- inner ---------------------------------------------------------------------------

    def _room_at(self, path: str) -> str:
        """The path in the case of the folders that exist."""
        parts = path.split("/")[1:]
        if not all(parts) or any(_MALFORMED.search(p) or p[-1:] == " " for p in parts):
            raise WriteRefused("malformed_path")
        if any(len(part) > _LONGEST for part in parts):
            raise WriteRefused("malformed_path")
        if any(part.lower() in _IGNORED for part in parts):
            raise WriteRefused("disallowed_name")
        display = ""
        for part in parts[:-1]:
            display = f"{display}/{part}"
            node = self.nodes.get(key_of(display))
            if isinstance(node, File):
                raise WriteRefused("conflict", "file_ancestor")
            if node is not None:
                display = node.display
        return f"{display}/{parts[-1]}"

    def _replaced(self, held: File, commit: Commit, content: Content) -> File | None:
        """What becomes of a file in the way; None if the new one is to take another name."""
        same = held.content_hash == content.blocks.hexdigest()
        if commit.mode == "overwrite" or commit.mode == held.rev:
            self._pay(content.size - held.content.size)
            return self._put(File(held.display, held.id, *self._new(commit, content)))
        if same and not commit.strict:
            return held
        if not commit.autorename:
            raise WriteRefused("conflict", "file")
        return None

    def _renamed(self, display: str) -> str:
        stem, dot, ending = display.rpartition(".")
        if "/" in ending or not dot:
            stem, ending = display, ""
        for number in itertools.count(1):
            tried = f"{stem} ({number}){dot}{ending}"
            if key_of(tried) not in self.nodes:
                return tried
        raise AssertionError

    def _pay(self, size: int) -> None:
        if size > 0 and self.other + self.used + size > self.limit:
            raise WriteRefused("insufficient_space")
        self.used += size

    def _new(self, commit: Commit, content: Content) -> tuple[str, Content, str, str]:
        self.writes += 1
        now = datetime.now(UTC).strftime(_STAMP)
        taken = commit.client_modified
        rev = f"{0x600000000 + next(self._numbers):014x}"
        return rev, content, taken.strftime(_STAMP) if taken else now, now

    def _id(self) -> str:
        return f"id:sandbox{next(self._numbers):015d}"

    def _put(self, node: N) -> N:
        """Place a node, and the folders above it that are not there."""
        key = key_of(node.display)
        self.nodes[key] = node
        parent = self.nodes.get(key.rpartition("/")[0])
        if parent is None:
            parent = self._put(Folder(node.display.rpartition("/")[0], self._id()))
        assert isinstance(parent, Folder)
        parent.children[key] = None
        return node


def key_of(path: str) -> str:
    """``path_lower``: what tells names apart."""
    return normalize("NFC", path).lower()


def metadata(key: str, node: Node) -> dict[str, Any]:
    """JSON of a files.FileMetadata or FolderMetadata, without its tag."""
    made = {
        "name": node.display.rpartition("/")[2],
        "path_lower": key,
        "path_display": node.display,
        "id": node.id,
    }
    if isinstance(node, Folder):
        return made
    return {
        **made,
        "client_modified": node.client_modified,
        "server_modified": node.server_modified,
        "rev": node.rev,
        "size": node.content.size,
        "content_hash": node.content_hash,
        "is_downloadable": True,
    }


def tagged(key: str, node: Node) -> dict[str, Any]:
    """The same as a files.Metadata, which says what it is."""
    return {".tag": "file" if isinstance(node, File) else "folder", **metadata(key, node)}

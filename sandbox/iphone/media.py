"""What AFC shows of a phone: folders and files below /var/mobile/Media."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

from sandbox.library import Content

_MOST_LINKS = 20  # a ring of links ends somewhere


@dataclass(slots=True, eq=False)
class File:
    """One file. Its content may be exchanged while it is open, as a write in place would."""

    content: Content
    modified: int  # nanoseconds since 1970
    born: int

    def change(self, content: Content) -> None:
        self.content = content
        self.modified = max(time.time_ns(), self.modified + 1_000_000)


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link. Like afcd, nobody gets out of the root by it."""

    target: str


class Folder(dict[str, "File | Folder | Link"]):
    """Names to what is in it."""


class Media:
    """The tree. Every method may be called from any thread."""

    def __init__(self) -> None:
        self.root = Folder()
        self._lock = threading.Lock()

    def add(self, path: str, content: Content | bytes, modified: float | None = None) -> File:
        """Put a file, making its folders; ``modified`` is Unix time."""
        when = int((time.time() if modified is None else modified) * 1e9)
        held = Content.of(content) if isinstance(content, bytes) else content
        file = File(held, when, when)
        *folders, name = _parts(path)
        with self._lock:
            self._make(folders)[name] = file
        return file

    def link(self, path: str, target: str) -> None:
        """Put a symbolic link, making its folders."""
        *folders, name = _parts(path)
        with self._lock:
            self._make(folders)[name] = Link(target)

    def folder(self, path: str) -> None:
        """Make a folder and those above it."""
        with self._lock:
            self._make(_parts(path))

    def remove(self, path: str) -> None:
        """Take a file or folder away; KeyError if it is not there."""
        *folders, name = _parts(path)
        with self._lock:
            del self._make(folders)[name]

    def find(self, path: str) -> File | Folder | None:
        """What is at ``path``, links followed; ``..`` never leads out of the root."""
        found = self.entry(path, follow=True)
        return None if isinstance(found, Link) else found

    def entry(self, path: str, *, follow: bool = False) -> File | Folder | Link | None:
        """What is at ``path``; a link at its end is followed only when ``follow`` says so."""
        trail: list[File | Folder] = [self.root]
        left = path.split("/")
        hops = 0
        while left:
            name = left.pop(0)
            here = trail[-1]
            if name in {"", "."}:
                continue
            if name == "..":
                trail = trail[:-1] or [self.root]
                continue
            node = here.get(name) if isinstance(here, Folder) else None
            if isinstance(node, Link):
                if not follow and not any(left):
                    return node
                hops += 1
                if hops > _MOST_LINKS:
                    return None
                trail = [self.root] if node.target.startswith("/") else trail
                left = node.target.split("/") + left
            elif node is None:
                return None
            else:
                trail.append(node)
        return trail[-1]

    def names(self, folder: Folder) -> list[str]:
        with self._lock:
            return list(folder)

    def files(self) -> Iterator[tuple[str, File]]:
        """Every file with its path, in order."""
        yield from _files(self.root, "")

    def _make(self, folders: list[str]) -> Folder:
        here = self.root
        for name in folders:
            below = here.setdefault(name, Folder())
            if not isinstance(below, Folder):
                raise ValueError(f"{name} is no folder")
            here = below
        return here


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part]


def _files(folder: Folder, above: str) -> Iterator[tuple[str, File]]:
    for name in sorted(folder):
        node = folder[name]
        if isinstance(node, Folder):
            yield from _files(node, f"{above}{name}/")
        elif isinstance(node, File):
            yield f"{above}{name}", node

"""The routes that look at files: listings, metadata, downloads; folders and deletes too."""

from __future__ import annotations

import re
import secrets
import threading
from typing import Any

from sandbox.dropbox.tree import File, Folder, Node, Tree, WriteRefused, key_of, metadata, tagged
from sandbox.dropbox.wire import Route
from sandbox.faults import Faults
from sandbox.messages import Answer, Request

_PAGE = 500
_LARGEST_PAGE = 2000
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


class Browsing:
    def __init__(self, tree: Tree, faults: Faults) -> None:
        self.tree = tree
        self.faults = faults
        self._cursors: dict[str, tuple[list[dict[str, Any]], int]] = {}
        self._lock = threading.Lock()

    def list_folder(self, route: Route, _request: Request, arg: Any) -> Answer:
        if arg.path == "/":
            raise route.bad('path: Specify the root folder as an empty string rather than as "/".')
        with self.tree.lock:
            key, node = self._at(route, arg.path)
            if not isinstance(node, Folder):
                raise route.failed({".tag": "path", "path": {".tag": "not_folder"}})
            found = [tagged(*entry) for entry in self.tree.below(key, recursive=arg.recursive)]
            if arg.recursive and key:
                found.insert(0, tagged(key, node))
        return self._page(route, found, min(arg.limit or _PAGE, _LARGEST_PAGE))

    def list_folder_continue(self, route: Route, _request: Request, arg: Any) -> Answer:
        with self._lock:
            known = self._cursors.get(arg.cursor)
        if known is None or self.faults.hit("cursor_reset", route.name):
            raise route.failed({".tag": "reset"})
        return self._page(route, *known)

    def get_metadata(self, route: Route, _request: Request, arg: Any) -> Answer:
        if not arg.path:
            raise route.bad("path: The root folder is unsupported.")
        return route.answered(tagged(*self._at(route, arg.path)))

    def download(self, route: Route, request: Request, arg: Any) -> Answer:
        key, node = self._at(route, arg.path)
        if not isinstance(node, File):
            raise route.failed({".tag": "path", "path": {".tag": "not_file"}})
        if self.faults.hit("restricted", f"read{key}"):
            raise route.failed({".tag": "path", "path": {".tag": "restricted_content"}})
        content = node.content
        start, end, status = 0, content.size, 200
        headers = {"Content-Type": "application/octet-stream", "Accept-Ranges": "bytes"}
        asked = _RANGE.fullmatch(request.headers.get("range") or "")
        if asked and int(asked[1]) < content.size:
            start, status = int(asked[1]), 206
            end = min(int(asked[2]) + 1, content.size) if asked[2] else content.size
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{content.size}"
        headers["Content-Length"] = str(end - start)
        answer = Answer(status, headers, content.read(start, end))
        return route.streamed(metadata(key, node), answer)

    def create_folder(self, route: Route, _request: Request, arg: Any) -> Answer:
        try:
            folder = self.tree.folder(arg.path)
        except WriteRefused as refusal:
            raise route.failed({".tag": "path", "path": refusal.error}) from None
        return route.answered({"metadata": metadata(key_of(folder.display), folder)})

    def delete(self, route: Route, _request: Request, arg: Any) -> Answer:
        with self.tree.lock:
            found = self.tree.find(arg.path)
            if found is None:
                lookup = {".tag": "path_lookup", "path_lookup": {".tag": "not_found"}}
                raise route.failed(lookup)
            key, node = found
            if arg.parent_rev is not None and arg.parent_rev != getattr(node, "rev", None):
                conflict = {".tag": "conflict", "conflict": {".tag": "file"}}
                raise route.failed({".tag": "path_write", "path_write": conflict})
            self.tree.remove(key)
        return route.answered({"metadata": tagged(key, node)})

    def _at(self, route: Route, path: str) -> tuple[str, Node]:
        found = self.tree.find(path)
        if found is None:
            raise route.failed({".tag": "path", "path": {".tag": "not_found"}})
        return found

    def _page(self, route: Route, entries: list[dict[str, Any]], size: int) -> Answer:
        cursor = secrets.token_urlsafe(24)
        rest = entries[size:]
        with self._lock:
            self._cursors[cursor] = rest, size
        return route.answered({"entries": entries[:size], "cursor": cursor, "has_more": bool(rest)})

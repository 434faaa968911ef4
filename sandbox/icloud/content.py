"""The content host (cvws….icloud-content.com): bytes by signed address, Range, expiry.

No cookie is needed. An address past its hour is answered 410.
"""

from __future__ import annotations

import re
from email.utils import formatdate

from sandbox import damage
from sandbox.faults import Faults
from sandbox.icloud.links import Links
from sandbox.icloud.records import content_of
from sandbox.library import Content, Library
from sandbox.messages import Answer, Request, json_answer

_RANGE = re.compile(r"bytes=(\d*)-(\d*)$")
ERROR_BODY = b"Invalid signature"  # 17 bytes, answered 200


class ContentHost:
    def __init__(self, library: Library, links: Links, faults: Faults) -> None:
        self._library = library
        self._links = links
        self._faults = faults

    def key(self, request: Request) -> str:
        """Names the file for faults: ``content/<asset id>/<role>/<file name>``."""
        found = self._links.open(request.query)
        if found is None:
            return "content/?"
        number, role, _tag = found
        try:
            asset = self._library.get(number)
        except KeyError:
            return f"content/?/{role}"
        file = asset.file(role)
        return f"content/{asset.id}/{role}/{file.filename if file else ''}"

    def handle(self, request: Request) -> Answer:
        if request.method not in {"GET", "HEAD"}:
            return json_answer({}, 405)
        found = self._links.open(request.query)
        if found is None:
            return json_answer({}, 400)
        key = self.key(request)
        if self._links.expired(request.query) or self._faults.hit("gone", key):
            return Answer(410)
        number, role, tag = found
        try:
            content = content_of(self._library.get(number), role)
        except KeyError:
            content = None
        if content is None or content.tag != tag:
            return Answer(404)
        if self._faults.hit("error_body", key):
            return Answer(200, {"Content-Type": "application/octet-stream"}, ERROR_BODY)
        answer = self._range(request, content, key)
        if self._faults.hit("flip_byte", key):
            answer = damage.flip(answer, content.size * 2 // 3)
        if self._faults.hit("short_length", key):
            answer = damage.short_length(answer)
        return answer

    def _range(self, request: Request, content: Content, key: str) -> Answer:
        etag = f'"{content.tag[:32]}"'
        limits: tuple[int, int] | None = (0, content.size)
        wanted = request.headers.get("range")
        condition = request.headers.get("if-range")
        if wanted and (condition is None or condition == etag):
            limits = parse_range(wanted, content.size)
            if limits is None or self._faults.hit("range_416", key):
                return Answer(416, {"Content-Range": f"bytes */{content.size}"})
            if self._faults.hit("ignore_range", key):
                wanted, limits = None, (0, content.size)
        else:
            wanted = None
        start, end = limits or (0, 0)
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Disposition": 'attachment; filename="%24%7Bf%7D"',
            "Accept-Ranges": "bytes",
            "ETag": etag,
            "Last-Modified": formatdate(usegmt=True),
            "Cache-Control": "no-transform,private,max-age=2592000",
        }
        if wanted and self._faults.hit("wrong_range", key):
            start = start - 100 if start >= 100 else start + 1
        if wanted:
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{content.size}"
        headers["Content-Length"] = str(end - start)
        return Answer(206 if wanted else 200, headers, content.chunks(start, end))


def parse_range(text: str, size: int) -> tuple[int, int] | None:
    """Start and (exclusive) end of a single byte range; None when it cannot be met."""
    match = _RANGE.match(text)
    if not match or match.group(0) == "bytes=-":
        return None
    first, last = match.groups()
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
    return (start, end) if start < end else None

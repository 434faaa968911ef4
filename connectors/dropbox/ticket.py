"""An upload's token: which session holds which of its bytes."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from connectors.base import Put
from connectors.checksums import Algorithm

_HASH = 16  # hex digits that tie a session to its content


@dataclass(frozen=True, slots=True)
class Ticket:
    """``content`` is the beginning of the file's content hash: bytes of another file are never
    added to this session.

    Dropbox has the bytes from 0 to ``offset``. A concurrent session has ``parts`` beyond, as
    (start, end) in order. ``closed`` sessions take no more bytes and can be committed.
    """

    session: str
    content: str
    offset: int = 0
    closed: bool = False
    concurrent: bool = False
    parts: tuple[tuple[int, int], ...] = ()

    def __repr__(self) -> str:
        return f"Ticket(offset={self.offset}, closed={self.closed})"

    @classmethod
    def fresh(cls, session: str, put: Put, *, concurrent: bool = False) -> Ticket:
        return cls(session, content_of(put), concurrent=concurrent)

    @classmethod
    def complete(cls, session: str, put: Put) -> Ticket:
        return cls(session, content_of(put), put.size, closed=True)

    @classmethod
    def read(cls, token: str | None, put: Put) -> Ticket | None:
        """None for what is no token of ours, or was made for other content."""
        try:
            found = json.loads(token or "")
            ticket = cls(
                str(found["session_id"]),
                str(found["content"]),
                int(found["offset"]),
                bool(found["closed"]),
                bool(found["concurrent"]),
                tuple((int(start), int(end)) for start, end in found["parts"]),
            )
        except (ValueError, KeyError, TypeError):
            return None
        fits = ticket.content == content_of(put) and 0 <= ticket.offset <= put.size
        return ticket if fits and ticket.session else None

    def written(self) -> str:
        return json.dumps(
            {
                "session_id": self.session,
                "offset": self.offset,
                "closed": self.closed,
                "concurrent": self.concurrent,
                "parts": self.parts,
                "content": self.content,
            }
        )

    @property
    def held(self) -> int:
        """How many bytes Dropbox has."""
        return self.offset + sum(end - start for start, end in self.parts)

    def has(self, start: int, end: int) -> bool:
        """Whether Dropbox has all bytes of a part."""
        return end <= self.offset or any(a <= start and end <= b for a, b in self.parts)

    def plus(self, start: int, end: int) -> Ticket:
        """With one more part; neighbours melt into one."""
        offset = self.offset
        parts: list[tuple[int, int]] = []
        for a, b in sorted([*self.parts, (start, end)]):
            if a <= offset:
                offset = max(offset, b)
            elif parts and a <= parts[-1][1]:
                parts[-1] = (parts[-1][0], max(b, parts[-1][1]))
            else:
                parts.append((a, b))
        return replace(self, offset=offset, parts=tuple(parts))


def content_of(put: Put) -> str:
    return put.digests[Algorithm.DROPBOX][:_HASH]

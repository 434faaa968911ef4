"""What a person asks to be freed, and what may go for it."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from pipeline.ledger.codec import timestamp
from pipeline.ledger.reclaimable import Order, Rules
from pipeline.states import Proof

LIMIT = 500
"""Most assets that one run deletes, unless it is told otherwise."""
KEEP = "30d"
"""What is newer stays, unless told otherwise."""

_AGE = re.compile(r"(\d+)\s*(d|days?|w|weeks?|m|months?|y|years?)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Policy:
    """``free`` is in bytes, ``until`` the share of its room the source is to use in the end,
    ``before`` a capture date; without any of them there is no goal, only what could go.

    ``fresh``: what was captured or added since stays. ``copies`` is how many places must hold
    every file. ``same_disk`` counts two folders on one disk, or in one account, as two places,
    ``by_size`` accepts files whose source gave no checksum anyone can recompute, ``incomplete`` a
    listing that names fewer assets than the source counts. ``limit`` is in assets.
    """

    fresh: datetime
    free: int | None = None
    until: float | None = None
    before: datetime | None = None
    copies: int = 2
    favorites: bool = False
    by_size: bool = False
    same_disk: bool = False
    incomplete: bool = False
    order: Order | None = None
    limit: int = LIMIT

    @property
    def has_goal(self) -> bool:
        return (self.free, self.until, self.before) != (None, None, None)

    @property
    def ordered(self) -> Order:
        """The largest first, so that the fewest go; with an age alone, the oldest."""
        sized = self.free is not None or self.until is not None
        return self.order or ("oldest" if self.before and not sized else "largest")

    def rules(self, groups: tuple[tuple[str, ...], ...], source: str | None) -> Rules:
        return Rules(
            source=source,
            groups=groups,
            copies=self.copies,
            proofs=(Proof.CHECKSUM, Proof.SIZE) if self.by_size else (Proof.CHECKSUM,),
            favorites=self.favorites,
            fresh=timestamp(self.fresh) or "",
            before=timestamp(self.before),
        )


def moment(text: str, now: datetime) -> datetime:
    """An age (``90d``, ``6 months``, ``2y``) before ``now``, or the start of a date here.

    ValueError says what to write.
    """
    found = _AGE.fullmatch(text.strip())
    if found:
        return _earlier(now, int(found[1]), found[2][0].lower())
    try:
        day = date.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(
            f"{text!r} is no age and no date; write for example 90d, 6 months, 2y or 2020-01-31"
        ) from None
    return datetime.combine(day, time()).astimezone()


def _earlier(now: datetime, number: int, unit: str) -> datetime:
    try:
        if unit in "dw":
            return now - timedelta(days=number * (7 if unit == "w" else 1))
        months = now.year * 12 + now.month - 1 - number * (12 if unit == "y" else 1)
        year, month = months // 12, months % 12 + 1
        return now.replace(
            year=year, month=month, day=min(now.day, calendar.monthrange(year, month)[1])
        )
    except (OverflowError, ValueError):
        return datetime.min.replace(tzinfo=UTC)

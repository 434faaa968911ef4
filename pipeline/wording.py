"""Numbers and names as people read them."""

from __future__ import annotations

from datetime import datetime


def count(number: int) -> str:
    """``12,345``."""
    return f"{number:,}"


def counted(number: int, one: str = "asset") -> str:
    """``1 asset``, ``12,345 assets``."""
    if number == 1:
        return f"1 {one}"
    plural = f"{one[:-1]}ies" if one.endswith("y") else f"{one}s"
    return f"{number:,} {plural}"


def duration(seconds: float) -> str:
    """``0.4 s``, ``42 s``, ``3 min 20 s``, ``2 h 05 min``, ``3 days 4 h``."""
    if seconds < 9.95 and seconds != int(seconds):
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s" if minutes < 10 and rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02} min"
    return f"{hours // 24} days {hours % 24} h"


def show_size(size: float) -> str:
    """``size`` bytes for people, three digits at most: ``0 B``, ``12.3 MB``, ``4.0 GB``."""
    amount = float(size)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if abs(amount) < 999.5:
            digits = 0 if unit == "B" or abs(amount) >= 99.95 else 1
            return f"{amount:.{digits}f} {unit}"
        amount /= 1000
    return f"{amount:.1f} PB"


def local_time(moment: str) -> str:
    """An ISO 8601 moment in this machine's zone, to the minute; empty stays empty."""
    return f"{datetime.fromisoformat(moment).astimezone():%Y-%m-%d %H:%M}" if moment else ""


def share(part: float, whole: float) -> str:
    """``21%``; never 100% before it is all, never 0% once it is something."""
    if not whole:
        return "100%"
    percent = 100 * part / whole
    if percent <= 0:
        return "0%"
    return f"{min(99, max(1, round(percent)))}%" if part < whole else f"{round(percent)}%"


def without_name(name: str, reason: str) -> str:
    """A reason that stands beside ``name`` and need not begin with it."""
    return reason.removeprefix(f"{name}: ")


def printable(text: str) -> str:
    """``text`` on one line without what could command a terminal."""
    return "".join(char if char.isprintable() else "\ufffd" for char in text)

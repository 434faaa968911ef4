"""Sizes as people write them: ``500``, ``1MB``, ``4 GiB``, ``1.5TB``; rates: ``2MB/s``; shares:
``95%``.

kB, MB, GB and TB are powers of 1000, as disks and clouds are sold; KiB and so on are powers
of 1024.
"""

from __future__ import annotations

import re
from decimal import Decimal

_UNITS = {"": 1, "B": 1}
for _power, _letter in enumerate("KMGTP", start=1):
    _UNITS |= {f"{_letter}B": 1000**_power, _letter: 1000**_power, f"{_letter}IB": 1024**_power}

_WRITTEN = re.compile(r"\s*(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[A-Za-z]*)\s*")


def parse_size(value: object) -> int:
    """Bytes of ``value``; ValueError says what a size looks like."""
    given = value
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    found = _WRITTEN.fullmatch(value) if isinstance(value, str) else None
    factor = _UNITS.get(found["unit"].upper()) if found else None
    number = Decimal(found["number"]) if found else Decimal(0)
    parted = factor == 1 and number % 1  # there is no half a byte
    if found is None or factor is None or parted:
        raise ValueError(f"{given!r} is no size; write for example 500MB or 4GB")
    return int(number * factor)


def parse_rate(value: object) -> int:
    """Bytes in a second of ``value``, a size with or without ``/s``; ValueError as of a size."""
    size = re.sub(r"\s*/\s*s\s*$", "", value) if isinstance(value, str) else value
    try:
        return parse_size(size)
    except ValueError:
        raise ValueError(f"{value!r} is no rate; write bytes a second, for example 2MB/s") from None


def parse_share(value: object) -> float:
    """A share from 0 to 1 of ``value``; a number without a percent sign is in percent too, but
    none that might be meant as a share already."""
    written = str(value).strip()
    text = written.removesuffix("%").strip()
    try:
        percent = float("nan") if isinstance(value, bool) else float(text)
    except ValueError:
        percent = float("nan")
    if percent != percent or not 0 <= percent <= 100:
        raise ValueError(f"{value!r} is no share; write a percentage up to 100%, for example 95%")
    if 0 < percent <= 1 and text == written:
        raise ValueError(f"{value!r} may mean two things; write {percent:.0%} or {percent:g}%")
    return percent / 100

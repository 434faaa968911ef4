"""Faults on demand: by name, for one named thing or at a rate, reproducible from a seed.

A double asks ``faults.hit("flip_byte", key)`` where it could do damage; ``key`` names what
the request is about (an asset, an endpoint). A rule says when the answer is yes:

    flip_byte:0.1            one in ten, anywhere
    gone@content/A12*:2x     the first two times for keys matching the pattern
    stall@*IMG_0003*         always, for matching keys

Whether the n-th question about one key is a hit depends on seed, name, key and n alone, so
a run with many threads meets the same faults as a run with one.

Keys that begin with ``!`` (signing in, for one) are met only by patterns that do too: a rate
meant for the traffic does not keep anybody from getting in.

The server core applies ``GENERIC`` faults itself; each double lists its own beside its code.
"""

from __future__ import annotations

import hashlib
import threading
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

GENERIC: Mapping[str, str] = {
    "throttle": "429 with Retry-After",
    "throttle_bare": "429 without Retry-After",
    "unavailable": "503",
    "reset": "the connection is reset before an answer",
    "cut_stream": "the connection ends in the middle of the body",
    "slow_body": "the body dribbles",
    "stall": "the body stops in the middle and the connection stays open",
}


@dataclass
class _Rule:
    pattern: str
    rate: float
    left: int | None  # hits still to give; None for no end


@dataclass
class Faults:
    """All rules of one sandbox; every method may be called from any thread.

    ``counts`` counts hits by name, ``log`` keeps the last (name, key) pairs. ``retry_after``
    is what throttling answers announce, ``stall_seconds`` how long a stalled body keeps its
    connection, ``slow_seconds`` about how long a slow body takes.
    """

    rates: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0
    retry_after: int = 1
    stall_seconds: float = 30.0
    slow_seconds: float = 0.5

    def __post_init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.log: deque[tuple[str, str]] = deque(maxlen=100_000)
        self._rules: dict[str, list[_Rule]] = {}
        self._asked: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()
        for name, rate in self.rates.items():
            self.add(name, rate)

    @classmethod
    def of(cls, spec: str, seed: int = 0, known: Mapping[str, str] | None = None) -> Faults:
        """New faults from the rules of ``include``."""
        faults = cls(seed=seed)
        faults.include(spec, known)
        return faults

    def include(self, spec: str, known: Mapping[str, str] | None = None) -> None:
        """Add ``name[@pattern][:rate|:Nx]`` rules, separated by commas.

        Raises ValueError with one clear line for a malformed rule, or for a name that is not
        in ``known`` (where given).
        """
        for part in filter(None, (piece.strip() for piece in spec.split(","))):
            target, _, amount = part.rpartition(":") if ":" in part else (part, "", "")
            name, _, pattern = target.partition("@")
            if known is not None and name not in known:
                raise ValueError(f"unknown fault {name!r}; known are: {', '.join(sorted(known))}")
            try:
                if amount.endswith("x"):
                    self.add(name, 1.0, pattern or "*", times=int(amount[:-1]))
                else:
                    self.add(name, float(amount or 1), pattern or "*")
            except ValueError:
                raise ValueError(f"fault {part!r}: want name[@pattern][:rate|:Nx]") from None

    def add(
        self, name: str, rate: float = 1.0, key: str = "*", *, times: int | None = None
    ) -> None:
        """Hit questions for ``name`` whose key matches the glob ``key``; at most ``times``."""
        if not 0 <= rate <= 1:
            raise ValueError(f"a fault's rate is between 0 and 1, not {rate}")
        with self._lock:
            self._rules.setdefault(name, []).append(_Rule(key, rate, times))

    def once(self, name: str, key: str = "*") -> None:
        self.add(name, key=key, times=1)

    def clear(self, name: str | None = None) -> None:
        """Drop the rules of one fault, or all; counts and log stay."""
        with self._lock:
            if name is None:
                self._rules.clear()
            else:
                self._rules.pop(name, None)

    def hit(self, name: str, key: str = "") -> bool:
        """Whether to do the damage now; a yes is counted and logged."""
        if name not in self._rules:  # the usual case costs a dict lookup and no lock
            return False
        with self._lock:
            number = self._asked[name, key]
            self._asked[name, key] += 1
            for index, rule in enumerate(self._rules.get(name, ())):
                if rule.left == 0 or not _meets(rule.pattern, key):
                    continue
                if rule.rate < 1 and self._draw(name, key, number, index) >= rule.rate:
                    continue
                if rule.left is not None:
                    rule.left -= 1
                self.counts[name] += 1
                self.log.append((name, key))
                return True
        return False

    def _draw(self, name: str, key: str, number: int, index: int) -> float:
        text = f"{self.seed}\0{name}\0{key}\0{number}\0{index}".encode()
        return int.from_bytes(hashlib.blake2b(text, digest_size=7).digest(), "big") / 2**56


def _meets(pattern: str, key: str) -> bool:
    return fnmatchcase(key, pattern) and (key[:1] != "!" or pattern[:1] == "!")

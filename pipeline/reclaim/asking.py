"""Asking a source to delete or to bring back: in slow batches, with an answer for each asset."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from connectors.base import Source
from connectors.errors import OutpourError, SessionExpired, Transient
from pipeline.runner.move import Mover
from pipeline.stopping import Stop

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Pace:
    """Assets in one request to the source, and seconds between two. A source that is asked to
    delete hundreds in a row refuses for hours."""

    batch: int = 20
    pause: float = 2.0


def batches(items: Sequence[T], pace: Pace, stop: Stop) -> Iterator[Sequence[T]]:
    """``items`` at that pace. Raises Stopped."""
    for start in range(0, len(items), pace.batch):
        if start:
            stop.sleep(pace.pause)
        yield items[start : start + pace.batch]


class Answers:
    """Per-item answers of a source, gathered over as many attempts as they take."""

    def __init__(self, mover: Mover, source: Source) -> None:
        self._mover = mover
        self._source = source
        self.told: dict[int, str] = {}  # by asset: empty, or why not
        self.withdrawn: dict[int, str] = {}  # why it is asked for no more

    def gather(
        self,
        keys: Sequence[int],
        ask: Callable[[Sequence[int]], list[OutpourError | None]],
        withdraw: Callable[[Sequence[int]], Mapping[int, str]] = lambda _: {},
    ) -> None:
        """Ask for all ``keys``, and again for those whose answer says so. ``withdraw`` says before
        each attempt which of the rest not to ask for any more, and why: whether an earlier attempt
        reached the source is not known of them.

        Raises what ends the attempts, or Stopped; ``told`` keeps what was answered till then.
        """

        def attempt() -> None:
            self.withdrawn |= withdraw(self._left(keys))
            left = self._left(keys)
            again: OutpourError | None = None
            for key, answer in zip(left, ask(left) if left else [], strict=True):
                if isinstance(answer, Transient | SessionExpired):
                    again = answer
                else:
                    self.told[key] = str(answer) if answer else ""
            if again is not None:
                raise again

        self._mover.connections.ask(self._source, attempt)

    def _left(self, keys: Sequence[int]) -> list[int]:
        return [key for key in keys if key not in self.told and key not in self.withdrawn]

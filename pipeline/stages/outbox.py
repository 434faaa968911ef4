"""What a lane sends next: small files in company, where a request costs more than their bytes."""

from __future__ import annotations

import contextlib
import queue
import threading

from connectors.abilities import BatchTransfers
from connectors.base import Sink
from pipeline.stages.parcel import Parcel

LINGER = 0.02  # seconds that files wait for company


class Outbox:
    """Parcels on their way to the threads that send them. Safe to use from any thread."""

    def __init__(self, sink: Sink) -> None:
        self._traits = sink.traits
        self._batches = isinstance(sink, BatchTransfers)
        # Not SimpleQueue: its get(timeout) may wait for ever where several threads ask (an item
        # that another thread takes just at the end makes the rest of the time negative).
        self._queue: queue.Queue[Parcel | None] = queue.Queue()
        self._gathering = threading.Lock()

    def put(self, parcel: Parcel | None) -> None:
        """Add one; None ends the one thread that takes it."""
        self._queue.put(parcel)

    def take(self) -> tuple[list[Parcel], list[Parcel]] | None:
        """What one thread sends next: files that share a request, and others; None at the end.

        One thread gathers at a time: many would each find a few files, and send small requests.
        """
        with self._gathering:
            first = self._queue.get()
            if first is None:
                return None
            group, alone = self._company(first)
        return (group, alone) if len(group) != 1 else ([], [*group, *alone])

    def _company(self, first: Parcel) -> tuple[list[Parcel], list[Parcel]]:
        """Small files that may share a request with the first, and what else was met on the
        way. Takes what is there, and hardly waits for more."""
        traits = self._traits
        if not self._groups(first):
            return [], [first]
        group, size = [first], first.put.size
        alone: list[Parcel] = []
        with contextlib.suppress(queue.Empty):
            while len(group) < traits.batch_files and size < traits.batch_bytes:
                parcel = self._queue.get(timeout=LINGER)
                if parcel is None:
                    self._queue.put(None)  # meant for another thread, or for us next time
                    break
                fits = self._groups(parcel) and size + parcel.put.size <= traits.batch_bytes
                (group if fits else alone).append(parcel)
                size += parcel.put.size if fits else 0
                if len(alone) > 1:
                    break
        return group, alone

    def _groups(self, parcel: Parcel) -> bool:
        small = parcel.put.size <= self._traits.batch_below
        return self._batches and small and parcel.suspect is None

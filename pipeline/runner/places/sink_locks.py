"""Where names are no keys, one pipeline at a time puts files, or two would put each file twice."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator

import filelock

from connectors.errors import Fatal, OutpourError
from connectors.private import state_dir
from pipeline.config.models import Pipeline

_BRIEF = 30.0  # seconds: as long as a run that finds nothing new may take


@contextlib.contextmanager
def exclusive_sinks(pipeline: Pipeline) -> Iterator[dict[str, OutpourError]]:
    """Keep other pipelines of this computer out of such sinks meanwhile. Yields why sinks cannot
    be used, by name: another pipeline has them."""
    occupied: dict[str, OutpourError] = {}
    first = {place.exclusive: place for place in reversed(pipeline.sinks) if place.exclusive}
    with contextlib.ExitStack() as stack:
        for key, place in first.items():
            name = hashlib.sha256(key.encode()).hexdigest()[:32]
            lock = filelock.FileLock(state_dir("places") / f"{name}.lock", timeout=_BRIEF)
            try:
                stack.enter_context(lock)
            except filelock.Timeout:
                occupied[place.name] = Fatal(
                    "another pipeline is putting files there",
                    hint="Run again once it has ended; outpour batch runs them in turn.",
                )
        yield occupied

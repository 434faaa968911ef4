"""Reads a source's files that lie on a local disk, to learn their digests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from connectors.abilities import Lends
from connectors.base import Stream
from connectors.checksums import digest
from connectors.errors import OutpourError
from pipeline.ledger import steps
from pipeline.ledger.copies.adoption import Wanted
from pipeline.stages.context import Run
from pipeline.stages.verify import Mismatch, prove
from pipeline.together import Together


class LocalReader:
    """Reads each file once, whatever comes of it."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._asked: set[int] = set()

    def is_readable(self, file: Wanted) -> bool:
        """Whether it can be read here and was not yet."""
        return file.key not in self._asked and self.opener(file) is not None

    def opener(self, file: Wanted) -> Callable[[], Stream] | None:
        """What opens it where it lies; None if it lies on no local disk."""
        source, resource = self._run.source, file.resource
        if isinstance(source, Together):
            return source.local_opener(resource)
        if not isinstance(source, Lends) or not resource.local:
            return None
        return partial(source.open, file.asset_id, resource)

    def learn(self, files: Sequence[Wanted], readers: ThreadPoolExecutor) -> int:
        """Learn of each what its bytes are, and keep it as if they had come for a copy; returns
        how many were asked for."""
        self._asked.update(file.key for file in files)
        for _ in readers.map(self._learn, files):
            pass
        self._run.ledger.flush()  # whoever asks the ledger next finds what is known
        return len(files)

    def _learn(self, file: Wanted) -> None:
        opener = self.opener(file)
        if opener is None:
            return  # its source was left out just now
        try:
            stream = opener()
            try:
                digests = digest(self._run.stop.through(stream))
            finally:
                stream.close()
            proof = prove(file.resource, digests)
        except (OutpourError, Mismatch) as error:  # the source's, whichever it is
            text = f"{file.resource.filename} cannot be compared: {error}"
            self._run.notice("warning", text, self._run.source.name)
            return
        file.proof, file.values = proof, digests.values
        steps.received(self._run.ledger, file.key, digests, proof)

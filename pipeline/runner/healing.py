"""Lost copies of assets that were freed: made again from what another sink has.

The source has these no more. Each is read back from a sink that has it, proven by its SHA-256,
and put where it was lost, or beside what somebody put there. A sidecar of our making is written
again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from connectors.abilities import ReadBack
from connectors.base import Body, Receipt, Sink
from connectors.checksums import Algorithm, Digests, Hasher
from connectors.errors import (
    CapacityExceeded,
    DiskFailed,
    ItemError,
    OutpourError,
    PathConflict,
)
from pipeline.ledger import checks, steps, work
from pipeline.ledger.checks import Held
from pipeline.ledger.items import Item, Piece
from pipeline.runner.connections import Connections
from pipeline.stages.confirm import confirm
from pipeline.stages.context import Run
from pipeline.stages.names import set_apart
from pipeline.stages.parcel import put_of
from pipeline.stages.recheck import differs, reread
from pipeline.stages.sidecars import write
from pipeline.stages.verify import Mismatch
from pipeline.states import CopyState
from pipeline.wording import counted

_AT_ONCE = 4
_BATCH = 200


class Healing:
    """What cannot be made again stays lost, and is named."""

    def __init__(self, run: Run, connections: Connections) -> None:
        self._run = run
        self._ask = connections.ask
        self._apart = connections.without_sinks.apart
        self._sinks = {sink.name: sink for sink in connections.usable[1]}

    def heal(self) -> None:
        """At every sink that can be used. Raises what ends the run."""
        for name, sink in self._sinks.items():
            assets = checks.short_of_copies(self._run.ledger, name)
            if not assets:
                continue
            with self._apart(name), ThreadPoolExecutor(_AT_ONCE, "heal") as workers:
                made = sum(workers.map(partial(self._again, sink), self._lost(name, assets)))
                if made:
                    text = f"{counted(made, 'copy')} of freed photos made again from another sink"
                    self._run.notice("info", text, name)

    def _lost(self, sink: str, assets: Sequence[int]) -> Iterator[tuple[Item, Piece]]:
        for start in range(0, len(assets), _BATCH):
            for item in work.items(self._run.ledger, assets[start : start + _BATCH]):
                for piece in item.pieces:
                    copy = piece.copies.get(sink)
                    if copy is not None and copy.state is CopyState.MISSING:
                        yield item, piece

    def _again(self, sink: Sink, lost: tuple[Item, Piece]) -> bool:
        """Whether the sink has it again."""
        item, piece = lost
        self._run.stop.check()
        staging = self._run.staging
        cost = staging.reserve(piece.resource.size or 0)
        try:
            digests = self._written(item, piece) or self._read(piece)
            if digests is None:
                return False
            receipt = self._put(sink, item, piece, digests)
            steps.confirmed(self._run.ledger, piece.key, sink.name, receipt)
            return True
        except (ItemError, CapacityExceeded) as error:
            text = f"{piece.path} could not be made again: {error}"
            self._run.notice("error", text, sink.name, error.hint)
            return False
        finally:
            staging.release(cost)
            with staging.in_use():
                staging.path(piece.key).unlink(missing_ok=True)

    def _written(self, item: Item, piece: Piece) -> Digests | None:
        """Into staging, a sidecar of our making as it was; None for any other file."""
        if not piece.generated:
            return None
        try:
            return write(self._run, item.asset, piece)[0]
        except Mismatch:
            return None

    def _read(self, piece: Piece) -> Digests | None:
        """Into staging, from the first sink that has its very bytes; None if none has."""
        for copy in checks.survivors(self._run.ledger, piece.key):
            sink = self._sinks.get(copy.sink)
            if sink is None or not isinstance(sink, ReadBack):
                continue
            read = partial(self._staged, sink, copy)
            try:
                digests = self._proven(copy, partial(self._ask, sink, read))
            except DiskFailed:
                raise
            except OutpourError as error:
                self._run.notice("warning", f"{copy.path} cannot be read: {error}", copy.sink)
                continue
            if digests is not None:
                return digests
        return None

    def _proven(self, copy: Held, read: Callable[[], Digests]) -> Digests | None:
        """None where it is not what it was, however often it is read: then it is lost as well."""
        found = ""
        for _ in range(self._run.verify_attempts):
            digests = read()
            found = digests[Algorithm.SHA256]
            if found == copy.sha256:
                return digests
        checks.mark(self._run.ledger, copy, f"holds sha256:{found}, not sha256:{copy.sha256}")
        return None

    def _staged(self, sink: ReadBack, copy: Held) -> Digests:
        hasher, staging = Hasher(), self._run.staging
        with staging.in_use():
            out = staging.path(copy.resource).open("wb")
        with out:
            receipt = Receipt(copy.path, copy.size, (), copy.remote_id)
            for chunk in self._run.stop.through(sink.read(receipt)):
                hasher.update(chunk)
                with staging.in_use():
                    out.write(chunk)
            with staging.in_use():
                out.flush()
        return hasher.digests()

    def _put(self, sink: Sink, item: Item, piece: Piece, digests: Digests) -> Receipt:
        path = piece.copies[sink.name].path or piece.path
        first = item.first.copies.get(sink.name)
        at = first.path if first and first.path else item.first.path
        others = set_apart(path, at, item.asset.id, digests[Algorithm.SHA256])
        while True:
            try:
                return self._put_at(path, sink, item, piece, digests)
            except PathConflict:
                following = None if piece.generated else next(others, None)
                if following is None:
                    raise
                path = following

    def _put_at(self, path: str, sink: Sink, item: Item, piece: Piece, digests: Digests) -> Receipt:
        put = put_of(item.asset, piece, digests, path, frozenset())
        there = self._ask(sink, lambda: sink.stat(put.path))
        if there is not None and self._is_it(sink, piece, there, digests):
            return there  # an earlier run put it there, and was killed
        body = Body(self._run.staging.path(piece.key), digests.size, sole=True)
        sent = self._ask(sink, lambda: sink.transfer(put, body, None, lambda *_: None))
        (answer,) = self._ask(sink, lambda: sink.commit([sent]))
        if not isinstance(answer, Receipt):
            raise answer
        confirm(sink.traits, answer, digests)
        return answer

    def _is_it(self, sink: Sink, piece: Piece, there: Receipt, digests: Digests) -> bool:
        if there.size != digests.size:
            return False
        if sink.traits.algorithm is not None:
            return not differs(sink.traits, there, digests)
        sha256 = digests[Algorithm.SHA256]
        held = Held(piece.key, sink.name, there.path, there.size, there.id, sha256)
        return isinstance(sink, ReadBack) and not reread(sink, held, self._run.stop)

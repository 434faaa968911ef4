"""Lost copies of what is no longer at the source: made again from what another sink has.

The source gives these no more. Each is read back from a sink that has it, proven by its SHA-256,
and put where it was lost, or beside what somebody put there. A sidecar of our making is written
again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from connectors.abilities import Inventory, ReadBack
from connectors.base import Body, Receipt, Sink
from connectors.checksums import Algorithm, Digests, Hasher
from connectors.errors import (
    CapacityExceeded,
    DiskFailed,
    ItemError,
    OutpourError,
    PathConflict,
)
from pipeline.config.models import Pipeline
from pipeline.ledger import steps, work
from pipeline.ledger.copies import checks, losses
from pipeline.ledger.copies.checks import Held
from pipeline.ledger.goal import Goal
from pipeline.ledger.items import Item, Piece, Spot
from pipeline.runner.connections import Connections
from pipeline.runner.copies import moved_copies
from pipeline.runner.places.overlap import in_sources
from pipeline.stages.confirm import commit_one, confirm
from pipeline.stages.context import Run
from pipeline.stages.names import Names
from pipeline.stages.parcel import put_of
from pipeline.stages.recheck import differs, other_content, reread, sha256
from pipeline.stages.sidecars import write_sidecar
from pipeline.states import CopyState, Proof
from pipeline.wording import counted

_AT_ONCE = 4
_BATCH = 200


class Healing:
    """What cannot be made again stays lost, and is named."""

    def __init__(self, run: Run, pipeline: Pipeline, goal: Goal, connections: Connections) -> None:
        self._run = run
        self._goal = goal
        self._ask = connections.ask
        self._tolerating = connections.sinks_left_out.tolerating
        self._sinks = {sink.name: sink for sink in connections.usable[1]}
        self._left_out = connections.sinks_left_out
        self._pipeline = pipeline
        self._full: set[str] = set()
        self.unmade: CapacityExceeded | None = None
        """What kept a sink from taking the copies that it lacks."""

    def heal_freed_files(self) -> None:
        """Of assets that another source has still, before that is asked for what it has not."""
        losses.owe(self._run.ledger, self._goal)
        if losses.miss_freed_files(self._run.ledger):
            self.heal()

    def heal(self) -> None:
        """At every sink that can be used. Raises what ends the run."""
        ledger = self._run.ledger
        for name, sink in self._sinks.items():
            losses.forgive(ledger, self._goal)
            if not losses.short_of_copies(ledger, name):
                continue
            with self._tolerating(name), ThreadPoolExecutor(_AT_ONCE, "heal") as workers:
                self._look_around(sink)
                assets = losses.short_of_copies(ledger, name)
                again = partial(self._asset, sink)
                made = sum(sum(workers.map(again, some)) for some in self._items(assets))
                if made:
                    text = f"{counted(made, 'lost copy')} made again from another sink"
                    self._run.notice("info", text, name)
        losses.forgive(ledger, self._goal)

    def _look_around(self, sink: Sink) -> None:
        """Of what the sink never had, as far as is known: what it has under other names counts as
        it lies there. The sink may have another name itself, or hold an archive."""
        ledger = self._run.ledger
        if not (isinstance(sink, Inventory) and isinstance(sink, ReadBack)):
            return
        if losses.any_never_there(ledger, sink.name):
            self._ask(sink, partial(self._recognise, sink.name, sink, sink))
            ledger.flush()

    def _recognise(self, name: str, listing: Inventory, sink: ReadBack) -> None:
        def read(receipt: Receipt) -> str:
            return sha256(sink, receipt, self._run.stop)

        apart, listed = in_sources(self._pipeline, name), listing.inventory()
        for copy, receipt in moved_copies.find(self._run.ledger, name, listed, apart, read):
            steps.confirmed(self._run.ledger, copy.resource, name, receipt)

    def _items(self, assets: Sequence[int]) -> Iterator[Sequence[Item]]:
        for start in range(0, len(assets), _BATCH):
            yield work.items(self._run.ledger, assets[start : start + _BATCH])

    def _asset(self, sink: Sink, item: Item) -> int:
        """How many of its files the sink has again: the one that names it comes first, so that the
        others go beside it, and its sidecar goes where it went."""
        first, spot = item.first.key, item.spots.get(sink.name)
        made, renamed = 0, False
        for piece in sorted(item.pieces, key=lambda one: (one.generated, one.key != first)):
            copy = piece.copies.get(sink.name)
            lost = copy is not None and copy.state is CopyState.MISSING
            if copy is None or not (lost or (piece.generated and renamed)):
                continue
            path = self._again(sink, item, piece, spot)
            if path is None:
                continue
            made += lost
            if piece.key == first or spot is None:
                renamed, spot = path != copy.path, (piece.path, path)
        return made

    def _again(self, sink: Sink, item: Item, piece: Piece, spot: Spot | None) -> str | None:
        """Where the sink has it again; None if it has not."""
        self._run.stop.check()
        if sink.name in self._full:
            return None
        staging, ledger = self._run.staging, self._run.ledger
        cost = staging.reserve(piece.resource.size or 0)
        try:
            receipt = self._in_place(sink, piece)
            if receipt is None:
                digests = self._content(item, piece)
                if digests is None:
                    return None
                receipt = self._put(sink, item, piece, digests, spot)
            steps.confirmed(ledger, piece.key, sink.name, receipt)
            return receipt.path
        except CapacityExceeded as error:
            if sink.name not in self._full:  # else others were on their way there
                self._full.add(sink.name)
                text = f"no room for lost copies: {error}"
                self._run.notice("error", text, sink.name, error.hint)
            self.unmade = error
            return None
        except ItemError as error:
            if piece.generated and isinstance(error, PathConflict):
                why = f"{error}: that stays"
                steps.copy_failed(ledger, piece.key, sink.name, CopyState.YIELDED, why)
                return None
            text = f"{piece.path} could not be made again: {error}"
            self._run.notice("error", text, sink.name, error.hint)
            return None
        finally:
            staging.release(cost)
            with staging.in_use():
                staging.path(piece.key).unlink(missing_ok=True)

    def _in_place(self, sink: Sink, piece: Piece) -> Receipt | None:
        """The copy, where it should be: an earlier run was killed after it had put it there, or the
        sink had another name when it got it."""
        path, digests = piece.copies[sink.name].path, checks.digests_of(self._run.ledger, piece.key)
        if piece.generated or path is None or digests is None:
            return None
        if (
            not {sink.traits.algorithm or Algorithm.SHA256, Algorithm.SHA256}
            <= digests.values.keys()
        ):
            return None
        there = self._ask(sink, partial(sink.stat, path))
        return there if there and self._is_it(sink, piece, there, digests) else None

    def _content(self, item: Item, piece: Piece) -> Digests | None:
        """Into staging, what it was; of a sidecar that no sink has, what is known now."""
        if not piece.generated:
            return self._read(piece)
        written = write_sidecar(self._run, item.asset, piece.key)
        if written.values.get(Algorithm.SHA256) == checks.sha256_of(self._run.ledger, piece.key):
            return written
        if checks.survivors(self._run.ledger, piece.key):
            return self._read(piece)
        steps.received(self._run.ledger, piece.key, written, Proof.NONE)
        return written

    def _read(self, piece: Piece) -> Digests | None:
        """Into staging, from the first sink that has its very bytes; None if none has."""
        for copy in checks.survivors(self._run.ledger, piece.key):
            sink = self._sinks.get(copy.sink)
            left_out = copy.sink in self._left_out.reasons
            if sink is None or left_out or not isinstance(sink, ReadBack):
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
        checks.mark(self._run.ledger, copy, other_content(found, copy))
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

    def _put(
        self, sink: Sink, item: Item, piece: Piece, digests: Digests, spot: Spot | None
    ) -> Receipt:
        before = piece.copies[sink.name].path
        names = Names(self._run.ledger, sink.name)
        conflict = PathConflict(f"no name is free for {piece.path}")
        for path in names.of(piece, item, spot, digests[Algorithm.SHA256]):
            if path != before:
                checks.about_to_be_at(self._run.ledger, piece.key, sink.name, path)
            try:
                return self._put_at(path, sink, item, piece, digests)
            except PathConflict as error:
                conflict = error
        raise conflict

    def _put_at(self, path: str, sink: Sink, item: Item, piece: Piece, digests: Digests) -> Receipt:
        put = put_of(item.asset, piece, digests, path, frozenset())
        there = self._ask(sink, lambda: sink.stat(put.path))
        if there is not None and self._is_it(sink, piece, there, digests):
            return there
        staged, spend = self._run.staging.path(piece.key), self._run.uploading.spend
        body = Body(staged, digests.size, spend=spend)
        token: str | None = None

        def keep(given: str, _held: int = 0) -> None:
            nonlocal token
            token = given

        sent = self._ask(sink, lambda: sink.transfer(put, body, token, keep))
        receipt = self._ask(sink, lambda: commit_one(sink, sent))
        confirm(sink.traits, receipt, digests)
        return receipt

    def _is_it(self, sink: Sink, piece: Piece, there: Receipt, digests: Digests) -> bool:
        if there.size != digests.size:
            return False
        if sink.traits.algorithm is not None:
            return not differs(sink.traits, there, digests)
        sha256 = digests[Algorithm.SHA256]
        held = Held(piece.key, sink.name, there.path, there.size, there.id, sha256)
        return isinstance(sink, ReadBack) and not reread(sink, held, self._run.stop)

"""Several sources behind the face of one, so that the rest of the engine need not know."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from sqlalchemy import Connection

from connectors.abilities import Album, HasAlbums, Lends, Prefetches
from connectors.base import Page, Problem, Resource, Source, Stream
from connectors.errors import (
    CursorLost,
    Fatal,
    ItemError,
    Misconfigured,
    NotFound,
    OutpourError,
    Paused,
    SessionExpired,
    Transient,
    Unreachable,
    Unreadable,
)
from pipeline.ledger import Ledger, albums
from pipeline.ledger.assets import sightings, twins
from pipeline.ledger.assets.listing import Coverage
from pipeline.left_out import LeftOut
from pipeline.limits import Gate, GivenUp
from pipeline.together import joining
from pipeline.together.counting import Counted, Tally
from pipeline.together.identifying import Identifying
from pipeline.together.joining import Joined
from pipeline.together.merging import Origin, origins
from pipeline.together.turns import Turns

_OUTAGE = 300.0  # seconds that one is waited for while others could give what they have
_STALE = 500  # assets that left, in one page
_MEMBERS = 500


@dataclass
class _Course:
    """One listing of all sources. ``full`` if it names everything; ``waiting`` are principals
    that nobody can tell from others yet; ``missing`` are assets that a source counts and did
    not name."""

    full: bool
    cursors: dict[str, str] = field(default_factory=dict)
    waiting: set[str] = field(default_factory=set)
    problems: int = 0
    missing: int = 0


class Together:
    """``sources`` in order of preference: bytes that several have come from the first.

    Lists changes of each source since its own cursor. Files that nobody can recognise without
    their bytes are read and compared (``identifying``; None leaves them apart). A Source that
    HasAlbums and Prefetches as far as its parts do. ``unsure`` tells that albums
    may name other assets of the merged library than they did when they were read.

    A sign-in that ends is waited for in front of that source, at its own gate. What was left out
    (``left_out``) stays as it was listed last, and its files raise GivenUp where no other source
    has them. ``failing`` names the source whose listing, or whose albums, raised last; ``coverage``
    is that of the last listing of each, as far as there was one.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        ledger: Ledger,
        gates: Mapping[str, Gate],
        left_out: LeftOut,
        identifying: Identifying | None = None,
    ) -> None:
        self.name = " + ".join(source.name for source in sources)
        self.spared = Tally()
        self._sources = {source.name: source for source in sources}
        self._order = [source.name for source in sources]
        self._ledger = ledger
        self._identifying = identifying
        self._turns = Turns()
        self._gates = gates
        self._left_out = left_out
        self._down: dict[str, float] = {}  # since when it answers no file
        self.unsure = False
        self.failing = ""
        self.coverage: dict[str, Coverage] = {}

    # --- listing ---

    def pages(self, since: str | None = None) -> Iterator[Page]:
        before = _cursors(since)
        course = _Course(full=not before)
        self._ledger.transact(sightings.learn)
        for source in self._sources.values():
            yield from self._part(source, before.get(source.name), course)
        if self._identifying is not None:
            yield from self._compared(self._identifying, course)
        alive = self._ledger.transact(sightings.count_principals) - len(course.waiting)
        expected = alive + course.problems + course.missing
        yield Page(
            # Changes alone are no listing to hold a count against, unless a source fell short.
            expected=expected if course.full or course.missing else None,
            cursor=json.dumps(course.cursors),
            full=course.full,
            albums_changed=False,
        )

    def _part(self, source: Source, since: str | None, course: _Course) -> Iterator[Page]:
        """One source's part of the listing; nothing new of one that was left out, of which what
        could not be read is still that."""
        self.failing = source.name
        self.coverage.pop(source.name, None)
        try:
            self._require(source.name)
            yield from self._changes(source, since, course)
        except GivenUp:
            course.full = False
            course.cursors.pop(source.name, None)
            if since is not None:
                course.cursors[source.name] = since
            problems = self._ledger.transact(lambda c: sightings.problems(c, source.name))
            course.problems += len(problems)
            yield Page(problems=problems, full=False, albums_changed=False)
        self.failing = ""

    def _changes(self, source: Source, since: str | None, course: _Course) -> Iterator[Page]:
        name = source.name
        number = self._ledger.transact(lambda c: sightings.next_listing(c, name))
        full, expected, problems = since is None, None, 0
        hold = self._identifying is not None
        for page in self._listed(source, since):
            full, problems = page.full, problems + len(page.problems)
            expected = page.expected if page.expected is not None else expected
            if page.cursor is not None:
                course.cursors[name] = page.cursor
            joined = self._do(partial(joining.take, hold=hold), name, page.assets, number)
            left = self._do(joining.leave, name, page.gone)
            regrouped = joined.regrouped or left.regrouped
            self.unsure = self.unsure or regrouped
            marked = tuple(replace(one, id=f"{name}/{one.id}") for one in page.problems)
            yield Page(
                (*joined.assets, *left.assets), (*joined.gone, *left.gone), marked,
                full=course.full, albums_changed=page.albums_changed or regrouped,
                ignored=page.ignored, notices=tuple(f"{name}: {text}" for text in page.notices),
                doing=f"{name}: {page.doing}" if page.doing else "",
            )  # fmt: skip
        if full:
            yield from self._vanished(name, number, course)
        elif since is None:
            course.full = False  # it could not name everything
        sure = full or (name in course.cursors and not problems)
        self.coverage[name] = Coverage(number, sure)
        course.problems += problems
        if expected is not None:
            there = self._ledger.transact(lambda c: sightings.count(c, name))
            course.missing += max(0, expected - there - problems)

    def _compared(self, identifying: Identifying, course: _Course) -> Iterator[Page]:
        """Files that only their bytes can tell apart. An asset whose original could not be read
        waits: moved now, it might land twice. It is a problem unless its source was left out."""
        for found, failed in identifying.answers(self._ledger, self._sources):
            course.waiting |= {one.principal for one in failed if one.original}
            problems = tuple(Problem(one.id, one.reason) for one in failed if one.asked)
            course.problems += len(problems)
            joined = self._do(joining.identify, found)
            self.unsure = self.unsure or joined.regrouped
            yield replace(_page(joined, course), problems=problems)
        while (held := self._do(joining.held, course.waiting, _STALE)).assets:
            yield _page(held, course)
        after = ""
        while gone := self._ledger.transact(
            partial(twins.without_sighting, after=after, most=_STALE)
        ):
            yield _page(Joined((), tuple(gone)), course)
            after = gone[-1]

    def _listed(self, source: Source, since: str | None) -> Iterator[Page]:
        with self._session(source.name):
            try:
                yield from source.pages(since)
            except CursorLost:
                yield from source.pages(None)

    def _vanished(self, name: str, number: int, course: _Course) -> Iterator[Page]:
        """What a full listing did not name."""
        while gone := self._ledger.transact(lambda c: sightings.stale(c, name, number, _STALE)):
            left = self._do(joining.leave, name, gone)
            self.unsure = self.unsure or left.regrouped
            yield _page(left, course)

    def _do(self, step: Callable[..., Joined], *arguments: object) -> Joined:
        def work(connection: Connection) -> Joined:
            return step(connection, self._order, *arguments)

        return self._ledger.transact(work)

    # --- bytes ---

    def open(self, asset_id: str, resource: Resource, offset: int = 0) -> Stream:
        """From the first source that gives them; asked again for the same file, from the next.

        An error is the first one met.
        """
        try:
            there = [
                origin for origin in origins(resource.handle) if origin.source in self._sources
            ]
        except ValueError as error:
            raise Unreadable(str(error)) from error
        if not there:
            raise NotFound(f"no source has the bytes of {resource.filename} ({asset_id})")
        while True:
            turn = self._turns.take((asset_id, resource.id)) % len(there)
            stream = self._opened(there, there[turn:] + there[:turn], resource, offset)
            if stream is not None:
                return stream

    def _opened(
        self, there: Sequence[Origin], order: Sequence[Origin], resource: Resource, offset: int
    ) -> Stream | None:
        """The file from the first in ``order`` that gives it; None if one wanted a sign-in first,
        and has it now."""
        trouble: OutpourError | None = None
        expired: Gate | None = None
        for origin in order:
            gate = self._gates[origin.source]
            if gate.left_out:
                continue
            try:
                stream = self._open(origin, resource, offset)
            except SessionExpired as error:
                gate.expired(error)
                expired = expired or gate
            except (Transient, ItemError, Fatal) as error:
                gone = self._is_lost(origin.source, error) and self._left_out.leave_out(gate, error)
                trouble = trouble if gone else trouble or error
            else:
                self._down.pop(origin.source, None)
                if len(there) > 1 and origin is there[0]:
                    return Counted(stream, self.spared, origin.source, there[1].source)
                return stream
        if isinstance(trouble, Transient):
            raise trouble
        if expired is not None:
            _wait_for(expired)
            return None
        for origin in order:  # it may have what the others refuse
            self._require(origin.source)
        assert trouble is not None
        raise trouble

    def _is_lost(self, name: str, error: OutpourError) -> bool:
        """Whether the error is the source's and not the file's, and no more to be waited for."""
        if not isinstance(error, Unreachable):
            return isinstance(error, Fatal)
        now = time.monotonic()
        return now - self._down.setdefault(name, now) > _OUTAGE

    def within_reach(self, resource: Resource) -> bool:
        """Whether a source that was not left out has the file."""
        if not self._left_out.reasons:
            return True
        try:
            gates = [origin.source for origin in origins(resource.handle)]
        except ValueError:
            return True  # whoever opens it is told what is wrong
        lost = [self._gates[name].left_out for name in gates if name in self._gates]
        return not lost or not all(lost)

    def local_opener(self, resource: Resource) -> Callable[[], Stream] | None:
        """What opens the file where it lies on a local disk; None if it lies on none."""
        try:
            where = origins(resource.handle)
        except ValueError:  # as a single source left it
            return None
        for origin in where:
            gate = self._gates.get(origin.source)
            if gate and not gate.left_out and isinstance(self._sources.get(origin.source), Lends):
                return partial(self._open, origin, resource, 0)
        return None

    def _open(self, origin: Origin, resource: Resource, offset: int) -> Stream:
        own = replace(resource, id=origin.resource, handle=origin.handle)
        return self._sources[origin.source].open(origin.asset, own, offset)

    def prefetch(self, items: Sequence[tuple[str, Resource]]) -> None:
        """A hint for whichever source each file will be taken from."""
        wanted: dict[str, list[tuple[str, Resource]]] = {}
        for _, resource in items:
            try:
                first = origins(resource.handle)[0]
            except (ValueError, IndexError):
                continue
            own = replace(resource, id=first.resource, handle=first.handle)
            wanted.setdefault(first.source, []).append((first.asset, own))
        for name, own_items in wanted.items():
            if name in self._sources and not self._gates[name].left_out:
                source = self._sources[name]
                if isinstance(source, Prefetches):
                    source.prefetch(own_items)

    # --- the rest ---

    def albums(self) -> Iterator[Album]:
        """Of a source that was left out, or refuses to tell its own, those that are known; what
        one refuses is raised at the end."""
        self.unsure = False
        refused: OutpourError | None = None
        for source in self._sources.values():
            if not isinstance(source, HasAlbums):
                continue
            self.failing = source.name
            try:
                self._require(source.name)
                with self._session(source.name):
                    for album in source.albums():
                        yield Album(f"{source.name}/{album.id}", album.path)
            except Misconfigured:
                raise  # it is not there at all
            except (GivenUp, ItemError, Fatal) as error:
                if not isinstance(error, GivenUp):
                    refused = refused or error
                with self._ledger.read() as connection:
                    known = albums.known(connection, f"{source.name}/")
                yield from known
            self.failing = ""
        if refused is not None:
            raise refused

    def members(self, album: Album) -> Iterator[str]:
        name, _, own = album.id.partition("/")
        source = self._sources[name]
        assert isinstance(source, HasAlbums)
        self.failing = name
        self._require(name)
        part: list[str] = []
        with self._session(name):
            for asset_id in source.members(Album(own, album.path)):
                part.append(asset_id)
                if len(part) == _MEMBERS:
                    yield from self._merged_ids(name, part)
                    part = []
        yield from self._merged_ids(name, part)
        self.failing = ""

    def _merged_ids(self, source: str, ids: list[str]) -> list[str]:
        with self._ledger.read() as connection:
            found = twins.principals(connection, source, ids)
        self.unsure = self.unsure or len(found) < len(ids)  # some were never listed
        return found

    def close(self) -> None:
        for source in self._sources.values():
            source.close()

    def _require(self, name: str) -> None:
        """GivenUp once the source was left out."""
        if why := self._gates[name].left_out:
            raise GivenUp(why)

    @contextlib.contextmanager
    def _session(self, name: str) -> Iterator[None]:
        """A sign-in that ends in here is waited for; then all begins anew, which is nobody's
        fault: Paused. GivenUp where it does not come back."""
        try:
            yield
        except SessionExpired as error:
            gate = self._gates[name]
            gate.expired(error)
            _wait_for(gate)
            raise Paused(f"{name}: {error}", retry_after=0.0) from error


def _wait_for(gate: Gate) -> None:
    """Until somebody signed in there. Raises GivenUp, or Stopped."""
    with gate.slot():
        pass


def _page(joined: Joined, course: _Course) -> Page:
    return Page(joined.assets, joined.gone, full=course.full, albums_changed=joined.regrouped)


def _cursors(since: str | None) -> dict[str, str]:
    try:
        known = json.loads(since) if since else {}
    except ValueError as error:
        raise CursorLost("this cursor is of another pipeline") from error
    return known if isinstance(known, dict) else {}

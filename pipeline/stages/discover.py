"""Discover: what the source holds, or what changed there, brought into the ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from connectors.abilities import Album, HasAlbums
from connectors.base import Page, Source
from connectors.errors import CursorLost, Fatal, ItemError, OutpourError
from pipeline import retry
from pipeline.ledger import Ledger, albums, selection_digest
from pipeline.ledger.assets import listing
from pipeline.limits import GivenUp
from pipeline.selection import Selection
from pipeline.stages.context import Run


@dataclass(frozen=True, slots=True)
class Discovered:
    """``present`` assets are in the ledger, the source speaks of ``expected`` (None: of none).
    ``ignored`` counts files that are neither photo nor video, by the ending of their names;
    ``notices`` says what else the source holds that its settings leave out."""

    present: int
    expected: int | None
    coverage: listing.Coverage
    ignored: Mapping[str, int] = field(default_factory=dict)
    notices: tuple[str, ...] = ()

    @property
    def missing(self) -> int:
        """How many assets the source counts that its listing did not name."""
        return max(0, (self.expected or 0) - self.present)


class Discovery:
    """Lists one source. Starts again where a listing breaks; raises what ends the retries."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._ledger = run.ledger
        self._source = run.source
        self._meter = run.meter
        self._furthest = 0  # pages that one attempt at a listing brought, at best

    def run(self, selection: Selection) -> Discovered:
        """Changes since last time where that is possible, else everything.

        When the source counts more assets than it named, everything is listed once more.
        """
        with self._ledger.read() as connection:
            known = listing.last(connection, self._source.name)
            same = selection_digest.selection(connection) == selection.digest
        since = known.cursor if known and same else None
        if not same:
            selection_digest.forget(self._ledger)
        found = self._listed(selection, since, again=not same)
        if found.missing:
            found = self._listed(selection, None, again=False)
        return found

    def _listed(self, selection: Selection, since: str | None, *, again: bool) -> Discovered:
        def attempt() -> Discovered:
            try:
                return self._list(selection, since, again)
            except CursorLost:
                return self._list(selection, None, again)

        return retry.call(self._run.source_gate, attempt, lambda: self._furthest)

    def _list(self, selection: Selection, since: str | None, again: bool) -> Discovered:
        number = listing.begin(self._ledger, self._source.name)
        self._meter.relisted()
        cursor, expected, full, unread = None, None, since is None, 0
        ignored: Counter[str] = Counter()
        notices: tuple[str, ...] = ()
        nothing = Page(albums_changed=False)
        written = listing.record(self._ledger, nothing, number, selection)
        for brought, page in enumerate(self._source.pages(since), 1):
            self._run.stop.check()
            written()  # one page is written while the next is fetched
            written = listing.record(self._ledger, page, number, selection, again=again)
            self._furthest = max(self._furthest, brought)
            self._meter.add(listed=len(page.assets))
            unread += len(page.problems)
            cursor, full = page.cursor or cursor, page.full
            ignored.update(page.ignored)
            notices += page.notices
            expected = page.expected if page.expected is not None else expected
            self._meter.expects(expected if full else None, page.doing)
        written()
        present = listing.finish(
            self._ledger,
            self._source.name,
            number,
            cursor=cursor,
            expected=expected,
            full=full,
            changes=since is not None,
        )
        coverage = listing.Coverage(number, full or (cursor is not None and not unread))
        return Discovered(present, expected, coverage, ignored, notices)


def load_albums(ledger: Ledger, source: Source) -> dict[str, OutpourError]:
    """Bring the source's albums and their members into the ledger.

    Returns the albums that the source refuses to read, by name; they stay as they were known.
    Raises what it raises of all of them, and then those not yet read stay as they were known.
    """
    refused: dict[str, OutpourError] = {}
    if not isinstance(source, HasAlbums):
        return refused

    def members(album: Album) -> set[str] | None:
        try:
            return set(source.members(album))
        except GivenUp:  # of a source that was left out
            return None
        except (ItemError, Fatal) as error:
            refused["/".join(album.path)] = error
            return None

    albums.replace(ledger, ((album, members(album)) for album in source.albums()))
    return refused

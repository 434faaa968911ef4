"""The source's albums as far as they can be had, for a selection and for the sidecars."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from connectors.errors import (
    DiskFailed,
    Fatal,
    ItemError,
    Misconfigured,
    OutpourError,
    Paused,
    Transient,
    Unreachable,
)
from pipeline import retry
from pipeline.ledger import albums
from pipeline.limits import GivenUp
from pipeline.stages.context import Run
from pipeline.stages.discover import load_albums


@dataclass
class AlbumReader:
    """Asks the source for its albums.

    A source that refuses them keeps no photo back: they stay as they were known, and a later run
    asks again. What was chosen by album needs them all the same. ``go_on_without`` takes why one
    of several sources cannot be asked, and raises that where it is needed.
    """

    run: Run
    go_on_without: Callable[[OutpourError], None]
    _failed: OutpourError | None = None  # why none could be read
    _refused: dict[str, OutpourError] = field(default_factory=dict)  # single ones, by name
    _told: str = ""
    _asked: bool = False

    @property
    def outdated(self) -> bool:
        """Whether the source says that albums changed, and was not asked for them yet."""
        return not self._asked and albums.stale(self.run.ledger)

    @property
    def unread(self) -> bool:
        """Whether some could not be read when the source was asked for them."""
        return self._failed is not None or bool(self._refused)

    def selected(self, wanted: Sequence[str]) -> set[str]:
        """Ids of what these albums hold. The source is asked only where its albums changed or
        one is not known. Misconfigured if there is none of them, Fatal where they could not be
        read and nothing is known of them."""
        ledger = self.run.ledger
        members, unknown = albums.members(ledger, wanted)
        if albums.stale(ledger) or (unknown and not self._asked):
            self._load()
            members, unknown = albums.members(ledger, wanted)
        trouble = self._trouble(wanted)
        if trouble is None:
            self._check(wanted, unknown)
        elif not members:
            raise Fatal(
                f"the albums that were asked for could not be read: {trouble}",
                hint="run again later, or choose without albums",
            )
        return members

    def refresh(self) -> None:
        """Read them again where the source says that they changed."""
        if albums.stale(self.run.ledger):
            self._load()

    def _load(self) -> None:
        self._asked, self._failed, self._refused = True, None, {}
        try:
            self._refused = self._read()
        except (Paused, Unreachable, Misconfigured, DiskFailed):
            raise
        except (Transient, ItemError, Fatal, GivenUp) as error:
            self._failed = error
            self._tell(f"its albums could not be read: {error}")
        for name, why in list(self._refused.items())[:1]:
            others = len(self._refused) - 1
            more = f" and {others} more" if others else ""
            self._tell(f"the album {name!r}{more} could not be read: {why}")

    def _read(self) -> dict[str, OutpourError]:
        run = self.run
        while True:
            try:
                return retry.call(run.source_gate, lambda: load_albums(run.ledger, run.source))
            except (Paused, Unreachable, Misconfigured) as error:
                self.go_on_without(error)

    def _tell(self, text: str) -> None:
        if text != self._told:
            self._told = text
            hint = "Photos move all the same; their albums follow once they can be read."
            self.run.notice("warning", text, self.run.source.name, hint)

    def _trouble(self, wanted: Sequence[str]) -> OutpourError | None:
        """What keeps one of these albums from being read."""
        refused = (
            error
            for name, error in self._refused.items()
            if any(f"{name}/".startswith(f"{one}/") for one in wanted)
        )
        return self._failed or next(refused, None)

    def _check(self, wanted: Sequence[str], unknown: Sequence[str]) -> None:
        """Some may have gone since; that none is there is a mistake and no empty library."""
        name = self.run.source.name
        if unknown and len(unknown) == len(wanted):
            close = difflib.get_close_matches(unknown[0], albums.names(self.run.ledger), n=1)
            raise Misconfigured(
                f"{name} has no album called {unknown[0]!r}",
                hint=f"did you mean {close[0]!r}?" if close else "check its name, and its folder's",
            )
        for one in unknown:
            self.run.notice("warning", f"there is no album called {one!r}", name)

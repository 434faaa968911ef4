"""What the source has, in the ledger: its assets, their albums, and the sidecars that tell both."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial

from connectors.errors import OutpourError
from pipeline.keep import policy
from pipeline.keep.xmp import compose
from pipeline.ledger import selection_digest, sidecars
from pipeline.ledger.goal import Goal
from pipeline.runner.album_reader import AlbumReader
from pipeline.runner.connections import Connections
from pipeline.runner.job import Job
from pipeline.runner.places.same_place import check_source
from pipeline.selection import Selection
from pipeline.stages.context import Run
from pipeline.stages.discover import Discovered, Discovery
from pipeline.together import Together
from pipeline.wording import count, counted

_KINDS = 6  # of files that are left alone, named


class Catalogue:
    """Brought up to date by ``refresh``; ``album_reader`` then says what is known of albums."""

    def __init__(self, job: Job, run: Run, connections: Connections, goal: Goal) -> None:
        self._job = job
        self._run = run
        self._connections = connections
        self._goal = goal
        self.album_reader = AlbumReader(run, connections.go_on_without)

    def refresh(self) -> Discovered:
        """Bring the ledger up to date with the source. Raises what ends a listing."""
        source, without = self._run.source, self._connections.sources_left_out
        for part in self._job.sources:
            with without.tolerating(part.name):
                check_source(self._run.ledger, part, partial(self._connections.ask, part))
        members = self._members()
        found = self._list(members)
        unsure = isinstance(source, Together) and source.unsure
        if members is not None and (unsure or self.album_reader.outdated):
            members = self._members()  # what was listed just now can be in albums too
            found = self._list(members)
        if found.missing:
            self._run.notice(
                "error",
                f"counts {found.expected} assets but lists {found.present}",
                source.name,
                "Run again later; what is missing is not copied.",
            )
        if found.ignored:
            self._run.notice("info", _left_alone(found.ignored), source.name)
        for text in found.notices:
            self._run.notice("warning", text, source.name)
        self._refresh_sidecars(albums_read=members is not None)
        return found

    def _list(self, members: Collection[str] | None) -> Discovered:
        selection = Selection(self._job.pipeline, members)
        discovery = Discovery(self._run)
        while True:
            try:
                found = discovery.run(selection)
                break
            except OutpourError as error:
                self._connections.go_on_without(error)
        if not self._connections.sources_left_out.reasons:  # what one has was not chosen anew
            selection_digest.remember(self._run.ledger, selection.digest)
        return found

    def _members(self) -> set[str] | None:
        """What the selected albums hold; None if none are selected."""
        wanted = self._job.pipeline.select.albums
        return self.album_reader.selected(wanted) if wanted else None

    def _refresh_sidecars(self, *, albums_read: bool) -> None:
        """Find out which sidecars are new or other than before. The source is asked for its
        albums only when it says that they changed. Where it refuses them, sidecars that could
        not be made whole later wait for a run that knows."""
        form = policy.form(self._goal.excluded)
        wanted = form or self._job.pipeline.keep.albums != "none"
        if wanted and not albums_read:
            self.album_reader.refresh()
        if not self.album_reader.unread or policy.completes(self._job.sinks, self._goal.excluded):
            sidecars.refresh(self._run.ledger, form, compose)


def _left_alone(ignored: Mapping[str, int]) -> str:
    """Nothing is skipped silently, be it only a note beside the photos."""
    most = sorted(ignored.items(), key=lambda one: -one[1])
    named = [f"{count(number)} {ending or 'without an ending'}" for ending, number in most[:_KINDS]]
    if rest := sum(number for _, number in most[_KINDS:]):
        named.append(f"{count(rest)} more")
    files = counted(sum(ignored.values()), "file")
    return f"left alone, neither photo nor video by name: {files} ({', '.join(named)})"

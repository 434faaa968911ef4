"""Rebuild a lost ledger from what the sinks hold, moving nothing."""

from __future__ import annotations

from dataclasses import dataclass

from connectors.abilities import Inventory, Prompter
from pipeline.events import Observer
from pipeline.ledger import Ledger, asset_states, steps, work
from pipeline.runner.copies.adopt import Adopted
from pipeline.runner.ending import recorded
from pipeline.runner.job import Job
from pipeline.runner.move import Mover
from pipeline.states import NOT_WANTED, AssetState, Exit
from pipeline.stopping import Stop

WAITS = "not found at the sinks"
WAITS_FOR_SIDECAR = "found at the sinks; its sidecar is looked after by the next run"


@dataclass(frozen=True)
class Rebuilt:
    """``assets`` counts all that is known by state: confirmed are those whose every file was
    found at as many sinks as the policy asks for, the others wait for the next run: ``unlabelled``
    of them only for their sidecars, which are not there, or not as they would be written now."""

    sinks: tuple[Adopted, ...]
    assets: dict[str, int]
    unlabelled: int = 0

    @property
    def confirmed(self) -> int:
        return self.assets.get(AssetState.CONFIRMED, 0)

    @property
    def wanted(self) -> int:
        return sum(count for state, count in self.assets.items() if state not in NOT_WANTED)

    @property
    def missing(self) -> int:
        """Copies that the ledger calls confirmed and that were not found."""
        return sum(sink.missing for sink in self.sinks)

    @property
    def whole(self) -> bool:
        return self.confirmed + self.unlabelled == self.wanted and not self.missing

    @property
    def exit(self) -> Exit:
        return Exit.OK if self.whole else Exit.ITEMS_FAILED


def rebuild(
    job: Job,
    ledger: Ledger,
    observer: Observer,
    *,
    stop: Stop,
    prompter: Prompter | None = None,
    download: bool = True,
) -> Rebuilt:
    """List the source and every sink, and confirm each copy whose bytes are proven.

    What a ledger knows already stays, so each sink has to be the place that it knows. Without
    ``download``, what only its bytes could prove is left to the next run. Raises what ends a
    listing, or Stopped; what was found until then is kept, and the next rebuild or run goes on
    from it.
    """
    with recorded(ledger, "rebuild", stop) as record:
        mover = Mover(job, ledger, observer, stop, record.run)
        try:
            sinks = mover.connections.attention(prompter).during(
                lambda: _found(mover, download),
                lambda: observer.progress(mover.meter.snapshot()),
            )
        finally:
            unlabelled = asset_states.await_sidecars(ledger, mover.goal, WAITS_FOR_SIDECAR)
            steps.leave_waiting(ledger, WAITS)
    return Rebuilt(sinks, work.counts(ledger), unlabelled)


def _found(mover: Mover, download: bool) -> tuple[Adopted, ...]:
    mover.guard.check()
    mover.catalogue.refresh()
    mover.meter.begin("adopting")
    searches = [mover.search(sink) for sink in mover.job.sinks if isinstance(sink, Inventory)]
    for search in searches:
        search.look()
    for search in searches:
        # By now the other sinks have told more about the bytes; what is still open is read.
        if search.found.unproven:
            search.look(download=download)
    mover.open_assets()
    return tuple(search.found for search in searches)

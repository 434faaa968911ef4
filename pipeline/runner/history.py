"""What happens in one run, line by line: for the ledger's history, and for whoever watches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from connectors.errors import Leftover
from pipeline.events import Notice, Observer
from pipeline.ledger import Ledger, steps
from pipeline.meter import Meter


@dataclass(frozen=True)
class History:
    """Of ``run``. Safe to use from any thread."""

    run: int
    ledger: Ledger
    observer: Observer
    meter: Meter

    def notice(self, level: str, text: str, place: str = "", hint: str = "") -> None:
        """A change of state that a person should know of."""
        steps.note(self.ledger, self.run, level, f"{place}: {text}" if place else text)
        self.observer.notice(Notice(level, text, place, hint))

    def retried(self, place: str) -> Callable[[BaseException], None]:
        """Counts retries at a place and keeps their reasons. What one left behind there is told,
        too."""

        def record(error: BaseException) -> None:
            self.meter.add(retries=1)
            steps.note(self.ledger, self.run, "retry", f"{place}: {error}")
            if isinstance(error, Leftover):
                self.notice("warning", str(error), place, error.hint)

        return record

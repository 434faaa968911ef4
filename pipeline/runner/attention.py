"""Asking the person while something works: an expired sign-in pauses a place, not the rest."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from connectors.abilities import Prompter, Reconnects
from connectors.base import Sink, Source
from connectors.errors import OutpourError, SessionExpired, Transient, Unreachable
from pipeline.limits import Gate
from pipeline.sparing import Tell
from pipeline.stopping import Stop, Stopped

T = TypeVar("T")
_TICK = 0.1
_UNANSWERED = 600.0  # seconds that a person may take before the others go on without the place
_AGAIN = "; trying again"


@dataclass(frozen=True)
class Attention:
    """Watches over ``ends``, places with their connectors. ``prompter`` is None where nobody
    can be asked. ``spare`` leaves out a place whose sign-in has ended, if the rest can go on
    without it: whether it did. That is also the end of a place for which nobody answers in ten
    minutes: the others must not wait for the morning."""

    ends: Sequence[tuple[Gate, Source | Sink]]
    stop: Stop
    prompter: Prompter | None
    tell: Tell
    spare: Callable[[Gate, OutpourError], bool] = lambda _place, _why: False
    _told: dict[str, str] = field(default_factory=dict)  # trouble by place

    def during(self, work: Callable[[], T], tick: Callable[[], None] = lambda: None) -> T:
        """Do ``work`` in a thread of its own; raises what it raises.

        ``tick`` is called some ten times a second. Where an expired sign-in could not be
        renewed, and the place cannot be spared, ``work`` is stopped and SessionExpired is raised.
        """
        answers: list[T] = []
        errors: list[BaseException] = []

        def conduct() -> None:
            try:
                answers.append(work())
            except BaseException as error:  # noqa: BLE001  (raised again where it is waited for)
                errors.append(error)

        worker = threading.Thread(target=conduct, name="conductor", daemon=True)
        worker.start()
        while worker.is_alive():
            worker.join(_TICK)
            with self.stop.guard():  # whoever leaves now would leave the work to itself
                self._renew()
                self._report()
                tick()
        for error in errors:
            if isinstance(error, Stopped) and self.stop.error is not None:
                raise self.stop.error
            raise error
        return answers[0]

    def _renew(self) -> None:
        for place, connector in self.ends:
            error = place.needs_person
            if error is None or place.lost or self.stop:
                continue
            if self.prompter is None or not isinstance(connector, Reconnects):
                self._lose(place, error)
                continue
            self.tell("warning", f"waits for you: {error}", place.name, error.hint)
            try:
                with self._in_time(place, error):
                    connector.reconnect(self.prompter)
                place.renewed()
            except OutpourError as failed:
                self._lose(place, failed)

    @contextlib.contextmanager
    def _in_time(self, place: Gate, error: SessionExpired) -> Iterator[None]:
        def unanswered() -> None:
            with self.stop.guard():
                if place.needs_person:
                    self.spare(place, error)

        timer = threading.Timer(_UNANSWERED, unanswered)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _lose(self, place: Gate, error: OutpourError) -> None:
        lost = error if isinstance(error, SessionExpired) else place.needs_person
        if lost is None or not self.spare(place, lost):
            self.stop.set("a sign-in is needed", error)
        elif lost is not error:
            self.tell("error", str(error), place.name, error.hint)

    def _report(self) -> None:
        """Say once what a place waits for, and that it goes on."""
        for place, _ in self.ends:
            trouble = place.trouble
            text = _said(trouble)
            before = self._told.get(place.name, "")
            if text == before or place.needs_person or place.lost:
                continue
            self._told[place.name] = text
            if text.endswith(_AGAIN) and before.endswith(_AGAIN):
                continue  # the same trouble, put another way
            if trouble is not None:
                self.tell("warning", text, place.name, trouble.hint)
            else:
                self.tell("info", "goes on", place.name)


def _said(trouble: Transient | None) -> str:
    if trouble is None:
        return ""
    return f"{trouble}{_AGAIN}" if isinstance(trouble, Unreachable) else str(trouble)

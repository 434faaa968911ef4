"""Asking the person while something works: an expired sign-in pauses a place, not the rest."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from connectors.abilities import Interruptible, Prompter, Reconnects
from connectors.base import Sink, Source
from connectors.errors import OutpourError, SessionExpired, Transient, Unreachable
from pipeline.events import Tell
from pipeline.limits import Gate
from pipeline.stopping import Stop, Stopped

T = TypeVar("T")
_TICK = 0.1
_UNANSWERED = 600.0  # seconds that a person may take before the others go on without the place
_AGAIN = "; trying again"


@dataclass(frozen=True)
class Attention:
    """Watches over ``places``, gates with their connectors. ``prompter`` is None where nobody
    can be asked. ``leave_out`` leaves out a place whose sign-in has ended, if the rest can go on
    without it: whether it did. That is also the end of a place for which nobody answers in ten
    minutes: the others must not wait for the morning."""

    places: Sequence[tuple[Gate, Source | Sink]]
    stop: Stop
    prompter: Prompter | None
    tell: Tell
    leave_out: Callable[[Gate, OutpourError], bool] = lambda _gate, _why: False
    _told: dict[str, str] = field(default_factory=dict)  # trouble by place

    def during(self, work: Callable[[], T], tick: Callable[[], None] = lambda: None) -> T:
        """Do ``work`` in a thread of its own; raises what it raises.

        ``tick`` is called some ten times a second. Where an expired sign-in could not be
        renewed, and the place cannot be spared, ``work`` is stopped and SessionExpired is raised.
        """
        for _, connector in self.places:
            if isinstance(connector, Interruptible):
                self.stop.when_set(connector.interrupt)
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
        for gate, connector in self.places:
            error = gate.needs_person
            if error is None or gate.left_out or self.stop:
                continue
            if self.prompter is None or not isinstance(connector, Reconnects):
                self._lose(gate, error)
                continue
            self.tell("warning", f"waits for you: {error}", gate.name, error.hint)
            try:
                with self._in_time(), self.stop.question():
                    connector.reconnect(self.prompter)
                gate.renewed()
            except OutpourError as failed:
                self._lose(gate, failed)
            except KeyboardInterrupt:
                if not self.stop:  # nobody here answers signals
                    raise

    @contextlib.contextmanager
    def _in_time(self) -> Iterator[None]:
        """While a question is open, see to it that no place is waited for too long: the one that
        is asked about, and those whose turn comes after it."""
        answered = threading.Event()
        watch = threading.Thread(target=self._watch, args=(answered,), name="patience", daemon=True)
        watch.start()
        try:
            yield
        finally:
            answered.set()
            watch.join()

    def _watch(self, answered: threading.Event) -> None:
        since: dict[str, float] = {}
        with self.stop.guard():
            while not answered.wait(_TICK):
                for gate, _ in self.places:
                    error = gate.needs_person
                    if error is None or gate.left_out:
                        since.pop(gate.name, None)
                        continue
                    began = since.setdefault(gate.name, time.monotonic())
                    if time.monotonic() - began > _UNANSWERED:
                        self.leave_out(gate, error)

    def _lose(self, gate: Gate, error: OutpourError) -> None:
        lost = error if isinstance(error, SessionExpired) else gate.needs_person
        if lost is None or not self.leave_out(gate, lost):
            self.stop.set("a person is needed", error)
        elif lost is not error:
            self.tell("error", str(error), gate.name, error.hint)

    def _report(self) -> None:
        """Say once what a place waits for, and that it goes on."""
        for gate, _ in self.places:
            trouble = gate.trouble
            text = _said(trouble)
            before = self._told.get(gate.name, "")
            if text == before or gate.needs_person or gate.left_out:
                continue
            self._told[gate.name] = text
            if text.endswith(_AGAIN) and before.endswith(_AGAIN):
                continue  # the same trouble, put another way
            if trouble is not None:
                self.tell("warning", text, gate.name, trouble.hint)
            else:
                self.tell("info", "goes on", gate.name)


def _said(trouble: Transient | None) -> str:
    if trouble is None:
        return ""
    return f"{trouble}{_AGAIN}" if isinstance(trouble, Unreachable) else str(trouble)

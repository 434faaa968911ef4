"""Questions to the person at the terminal, on standard error; secrets are not shown."""

from __future__ import annotations

import contextlib
import getpass
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext

from connectors.errors import SessionExpired
from pipeline.stopping import Stop
from pipeline.wording import printable


def at_terminal() -> bool:
    """Whether there is someone to ask."""
    return sys.stdin.isatty() and sys.stderr.isatty()


class TerminalPrompter:
    """Asks in the terminal. ``pause`` gives the screen free; an end of input, or a signal that sets
    ``stop``, ends the conversation with SessionExpired."""

    def __init__(
        self,
        pause: Callable[[], AbstractContextManager[None]] = nullcontext,
        stop: Stop | None = None,
    ) -> None:
        self._pause = pause
        self._stop = stop

    def tell(self, message: str) -> None:
        with self._screen():
            for line in message.splitlines():
                _write(f"{printable(line)}\n")

    def ask(self, question: str, *, secret: bool = False) -> str:
        prompt = f"{printable(question).rstrip(' :')}: "
        with self._conversation():
            if secret and sys.stdin.isatty():
                return getpass.getpass(prompt).strip()
            _write(prompt)
            line = sys.stdin.readline()
        if not line:
            _write("\n")
            raise SessionExpired("nobody answered the question", hint="Run this at a terminal.")
        return line.strip()

    def choose(self, question: str, options: Sequence[str]) -> int:
        self.tell(question)
        for number, option in enumerate(options, start=1):
            self.tell(f"  {number}. {option}")
        while True:
            answer = self.ask(f"Number from 1 to {len(options)}")
            if answer.isdecimal() and 1 <= int(answer) <= len(options):
                return int(answer) - 1
            self.tell(f"{answer!r} is none of them.")

    @contextlib.contextmanager
    def _screen(self) -> Iterator[None]:
        """The screen to ourselves: a display that is interrupted as it goes or comes is broken."""
        with nullcontext() if self._stop is None else self._stop.undisturbed(), self._pause():
            yield

    @contextlib.contextmanager
    def _conversation(self) -> Iterator[None]:
        with self._screen():
            try:
                with nullcontext() if self._stop is None else self._stop.question():
                    yield
            except EOFError:
                raise SessionExpired("nobody answered the question") from None
            except KeyboardInterrupt:
                if self._stop is None:
                    raise
                raise SessionExpired("the sign-in was broken off") from None


def _write(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()

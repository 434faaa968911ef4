"""Standard input, output and error as every command can rely on them."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator


class _Stream(io.TextIOWrapper):
    """One of the two that are written, whose trouble says whose it is. A file name that no
    encoding can hold is shown with question marks: it must not end a run."""

    def __init__(self, like: io.TextIOWrapper, called: str) -> None:
        super().__init__(
            like.buffer,
            encoding=like.encoding,
            errors="replace",
            line_buffering=like.line_buffering,
            write_through=like.write_through,
        )
        self._called = called
        self._like = like  # or it would close what both write to, when nobody has it any more

    def write(self, text: str) -> int:
        with self._named():
            return super().write(text)

    def flush(self) -> None:
        with self._named():
            super().flush()

    @contextlib.contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            error.filename = self._called
            raise


def prepare() -> None:
    """Put in order what the process was started with."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            # It was closed. Its number must be taken, or the next file that is opened gets it,
            # and with it what is meant for the stream.
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115, PTH123
    for name, called in (("stdout", "standard output"), ("stderr", "standard error")):
        stream = getattr(sys, name)
        stream.flush()
        setattr(sys, name, _Stream(stream, called))


def hush() -> None:
    """Flush what was written; where nobody takes it, say nothing about it, now or at exit."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())

"""One JSON object a line, for programs. Fields only ever get added."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, TextIO

from pipeline.display.connecting import addressed
from pipeline.events import ItemEvent, Notice, Progress

_EVERY = 1.0  # seconds between progress events


class Machine:
    """Writes events as they come; ``event`` says which kind. ``unwritten`` says why some of
    them could not be."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._lock = threading.Lock()
        self._last = 0.0
        self._phase = ""
        self.unwritten: OSError | None = None

    def __enter__(self) -> Machine:
        return self

    def __exit__(self, *_: object) -> None: ...

    def pause(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def progress(self, progress: Progress) -> None:
        now = time.monotonic()
        if now - self._last < _EVERY and progress.phase == self._phase:
            return
        self._last, self._phase = now, progress.phase
        self.write("progress", asdict(progress))

    def notice(self, notice: Notice) -> None:
        self.write("notice", {**asdict(notice), "hint": addressed(notice.hint)})

    def item(self, event: ItemEvent) -> None:
        self.write("item", asdict(event))

    def write(self, event: str, fields: Mapping[str, Any]) -> None:
        line = json.dumps({"event": event, **fields}, ensure_ascii=False, default=str)
        # A reader that went away must not stop the engine; the command itself ends quietly.
        with self._lock:
            try:
                self._out.write(f"{line}\n")
                self._out.flush()
            except (BrokenPipeError, ValueError):
                pass
            except OSError as error:
                self.unwritten = error

"""One event loop in a thread of its own, so that coroutines can be called like functions."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from connectors.iphone.errors import Away, Trouble

T = TypeVar("T")
_log = logging.getLogger(__name__)


class Bridge:
    """Runs coroutines from any thread. ``close`` may be called twice."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        # After a cut, pymobiledevice3 leaves failed futures behind that nobody waits for.
        self._loop.set_exception_handler(lambda _, context: _log.debug("%s", context))
        self._thread = threading.Thread(target=self._serve, daemon=True, name="iphone")
        self._closed = False
        self._lock = threading.Lock()
        self._thread.start()

    def submit(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Start ``work``; Away when the bridge is closed."""
        with self._lock:
            if self._closed:
                work.close()
                raise Away(Trouble.CUT, "closed")
            return asyncio.run_coroutine_threadsafe(work, self._loop)

    def run(self, work: Coroutine[Any, Any, T], seconds: float) -> T:
        """The result of ``work``; Away(SILENT) when it takes longer than ``seconds``."""
        return wait(self.submit(work), seconds)

    def close(self) -> None:
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()


def wait(future: concurrent.futures.Future[T], seconds: float) -> T:
    """The future's result; Away(SILENT) and cancelled when it takes longer than ``seconds``."""
    try:
        return future.result(seconds)
    except (TimeoutError, concurrent.futures.CancelledError) as late:
        future.cancel()
        raise Away(Trouble.SILENT) from late

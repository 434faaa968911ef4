"""Ids that Drive calls used while it shows nothing of them.

What was just made may not be found by its id yet: another one at once would be a second file. An
id may also be used up for good, by a file that was deleted since.
"""

from __future__ import annotations

import threading
import time

from connectors.errors import Transient

_PATIENCE = 5.0  # seconds
_RETRY = 3.0  # so that waiting costs an item two of its attempts


class Unseen:
    """Thread-safe."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}
        self._lock = threading.Lock()

    def wait_for(self, identity: str, path: str) -> None:
        """Transient, for a while after an id is first asked about; after that it is used up."""
        with self._lock:
            since = self._since.setdefault(identity, time.monotonic())
        if time.monotonic() - since < _PATIENCE:
            told = f"Google Drive has taken {path} and does not show it yet"
            raise Transient(told, retry_after=_RETRY)

"""Ids that Drive calls used while it shows nothing of them.

What was just made may not be found by its id yet: another one at once would be a second file. An
id may also be used up for good, by something that was deleted since, and then so are many.
"""

from __future__ import annotations

from connectors.errors import Transient
from connectors.gdrive.api import Api, File

_PAUSES = (0.5, 1.0, 2.0, 4.0)  # seconds


class Unseen:
    """Thread-safe."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._in_vain = False

    def find(self, identity: str) -> File | None:
        """What has the id, waited for some seconds; None where it is used up. Once one was waited
        for in vain, no other is. Transient where the wait is ended."""
        found = self._api.get(identity)
        for pause in _PAUSES:
            if found is not None or self._in_vain:
                return found
            if self._api.ended.wait(pause):  # nobody knows whether it is there
                raise Transient("Google Drive is asked no more: the run ends")
            found = self._api.get(identity)
        self._in_vain = found is None
        return found

"""Counts of a run, safe to change from any thread."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from pipeline.events import Progress


class Meter:
    """Every number the progress display and the summary show."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.phase, self.unit = "listing", "asset"
        self.listed = 0
        self.listed_expected: int | None = None
        self.doing = ""
        self.assets_total: int | None = None
        self.bytes_total: int | None = None
        self.assets_done = 0
        self.failed = 0
        self.bytes_downloaded = 0
        self.bytes_done = 0
        self.retries = 0
        self.mismatches = 0
        self.adopted = 0

    def add(
        self,
        *,
        listed: int = 0,
        downloaded: int = 0,
        done: int = 0,
        retries: int = 0,
        mismatches: int = 0,
        adopted: int = 0,
    ) -> None:
        with self._lock:
            self.listed += listed
            self.bytes_downloaded += downloaded
            self.bytes_done += done
            self.retries += retries
            self.mismatches += mismatches
            self.adopted += adopted

    def begin(
        self,
        phase: str,
        *,
        unit: str = "asset",
        assets: int | None = None,
        size: int | None = None,
    ) -> None:
        """A phase begins, of so many assets (or other units) and bytes where that is known."""
        with self._lock:
            self.phase, self.unit = phase, unit
            if assets is not None:
                self.assets_total = assets
            if size is not None:
                self.bytes_total = size

    def relisted(self) -> None:
        """A listing begins, perhaps once more."""
        with self._lock:
            self.listed, self.listed_expected, self.doing = 0, None, ""

    def expects(self, listed: int | None, doing: str) -> None:
        """How many assets the source counts, and what it is ``doing`` beside naming them."""
        with self._lock:
            self.listed_expected, self.doing = listed, doing

    def count_one(self) -> int:
        """One more asset or file was looked at; how many were."""
        with self._lock:
            self.assets_done += 1
            return self.assets_done

    def finished(self, *, ok: bool) -> None:
        with self._lock:
            self.assets_done += ok
            self.failed += not ok

    def snapshot(self, staged: int = 0, places: Mapping[str, str] | None = None) -> Progress:
        """The present counts, with the bytes in staging and what is told of places."""
        with self._lock:
            return Progress(
                phase=self.phase,
                unit=self.unit,
                listed=self.listed,
                listed_expected=self.listed_expected,
                doing=self.doing,
                assets_done=self.assets_done,
                assets_total=self.assets_total,
                bytes_downloaded=self.bytes_downloaded,
                bytes_done=self.bytes_done,
                bytes_total=self.bytes_total,
                failed=self.failed,
                retries=self.retries,
                staged_bytes=staged,
                adopted=self.adopted,
                places=dict(places or {}),
            )

"""Large files on their way to the medium while they are still written."""

from __future__ import annotations

import os

_FLUSH = 8 * 1024 * 1024


class FlushAhead:
    """Has the system write a large file to the medium while it grows, and then forget it.

    Else all of it waits in memory for the sink's fsync, which then takes as long as the disk
    needs for the whole file while the network idles; and a library's worth of bytes that nobody
    reads again would push everything else out of the memory.
    """

    def __init__(self, handle: int, begin: int) -> None:
        self._handle = handle
        self._told = begin

    def reached(self, size: int) -> None:
        """The file holds ``size`` bytes now."""
        if size - self._told < _FLUSH or not hasattr(os, "posix_fadvise"):
            return
        # On Linux this begins to write what is new, and drops what an earlier call has written.
        start = max(0, self._told - 2 * _FLUSH)
        os.posix_fadvise(self._handle, start, size - start, os.POSIX_FADV_DONTNEED)
        self._told = size

"""Files and names that are on the medium once a call returns, and not only in a cache."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from pathlib import Path

UNSUPPORTED = {
    errno.EXDEV,
    errno.EPERM,
    errno.ENOSYS,
    errno.EINVAL,
    errno.ENOTSUP,
    errno.EOPNOTSUPP,
    errno.EMLINK,
    errno.EACCES,
}
"""Errors by which a file system says that it cannot do a thing at all."""


def sync(handle: int) -> None:
    """Return when the file or folder is on the medium."""
    if sys.platform == "darwin":
        import fcntl

        with contextlib.suppress(OSError):  # some network file systems do not know it
            fcntl.fcntl(handle, fcntl.F_FULLFSYNC)  # fsync alone stops at the drive's cache
            return
    os.fsync(handle)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable, where folders can be opened."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            sync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        if error.errno not in UNSUPPORTED:  # some network file systems sync names themselves
            raise

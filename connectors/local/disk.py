"""What the operating system offers for files that must not be lost, doubled or overwritten."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import hashlib
import os
import stat
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from connectors.abilities import Capacity
from connectors.durable import UNSUPPORTED
from connectors.errors import (
    CapacityExceeded,
    ItemError,
    Misconfigured,
    NotFound,
    OutpourError,
    Transient,
)
from connectors.flushing import FlushAhead

CHUNK = 1024 * 1024
_FICLONE = 0x40049409  # of Linux; the module fcntl names it from Python 3.12 on
_statx = getattr(ctypes.CDLL(None), "statx", None)  # of Linux
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def error_of(error: OSError, what: str) -> OutpourError:
    """The error of the contract that an error of the system stands for."""
    reason = f"{what}: {error.strerror or error}"
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return CapacityExceeded(reason, hint="Make room on that disk, then run again.")
        case errno.EFBIG:
            return ItemError(f"{what}: too large for this disk's file system")
        case errno.EROFS:
            return Misconfigured(reason, hint="Mount the disk writable, or choose another folder.")
        case errno.EACCES | errno.EPERM:
            return ItemError(reason, hint="Check the permissions there.")
        case errno.ENOTDIR:
            return ItemError(reason, hint="Rename the file that has the name of a folder.")
        case errno.ENAMETOOLONG | errno.EILSEQ | errno.EINVAL | errno.ELOOP:
            return ItemError(reason)
        case errno.EISDIR | errno.EEXIST:
            return ItemError(reason)
        case errno.ENOENT:
            return NotFound(reason)
    return Transient(reason, hint="Check that the disk is connected and healthy.")


def device(folder: Path) -> int | None:
    """The number of the file system that shows there now; None where no folder is."""
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_dev if stat.S_ISDIR(status.st_mode) else None


def whereabouts(root: Path) -> str:
    """Which folder this is, on which file system; empty where there is none.

    No number alone tells: the next disk in the same socket has the same, and so has a folder
    that is made where another was removed. That one was not born in the same instant.
    """
    try:
        # Some file systems (FUSE, NFS) have no number: there the path tells them apart.
        system = os.statvfs(root).f_fsid or root.resolve()
        return f"{system}:{root.stat().st_ino}:{_born(root)}"
    except (OSError, RuntimeError):
        return ""


def _born(folder: Path) -> str:
    """When a folder was made, as its file system keeps it; empty where that is not told."""
    if birth := getattr(folder.stat(), "st_birthtime", None):  # macOS
        return str(birth)
    if _statx is None:
        return ""
    wanted, found = 0x800, ctypes.create_string_buffer(256)  # STATX_BTIME, struct statx
    if _statx(-100, os.fsencode(folder), 0, wanted, found):  # AT_FDCWD
        return ""
    told = int.from_bytes(found.raw[:4], sys.byteorder) & wanted
    return found.raw[80:92].hex() if told else ""  # stx_btime


def reserve(handle: int, size: int) -> None:
    """Claim room for a large file up front. Raises OSError (ENOSPC, EDQUOT, EFBIG)."""
    if size <= CHUNK or not hasattr(os, "posix_fallocate"):
        return  # writing a small one finds out as early
    try:
        os.posix_fallocate(handle, 0, size)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise


def share(source: int, target: int) -> bool:
    """Let an empty ``target`` have the very bytes of ``source``, as some file systems can; False
    where that cannot be."""
    if sys.platform != "linux":
        return False
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError:  # another disk, or one that shares nothing: copying will tell
        return False
    return True


def copy(source: int, target: int) -> str:
    """Copy all bytes of ``source``; returns the SHA-256 of what was read."""
    hasher, size, ahead = hashlib.sha256(), 0, FlushAhead(target, 0)
    while chunk := os.read(source, CHUNK):
        hasher.update(chunk)
        view = memoryview(chunk)
        while view:
            view = view[os.write(target, view) :]
        size += len(chunk)
        ahead.reached(size)
    return hasher.hexdigest()


def set_time(handle: int, moment: datetime | None) -> None:
    """Keep the capture time as the file's time, as well as the file system can."""
    if moment is None:
        return
    nanoseconds = (moment - _EPOCH) // timedelta(microseconds=1) * 1000
    # FAT begins in 1980, other file systems end in 2038: the nearest is all they can keep.
    with contextlib.suppress(OSError, OverflowError):
        os.utime(handle, ns=(nanoseconds, nanoseconds))


def time_of(status: os.stat_result) -> datetime:
    """A file's time; never fails, whatever the disk says."""
    try:
        return _EPOCH + timedelta(microseconds=status.st_mtime_ns // 1000)
    except OverflowError:
        return _EPOCH


def chunks(path: Path, *, fresh: bool) -> Iterator[bytes]:
    """The bytes of a file; ``fresh`` asks for those on the medium, not those remembered."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        if fresh:
            forget(handle)
        while chunk := os.read(handle, CHUNK):
            yield chunk
    finally:
        os.close(handle)


def forget(handle: int) -> None:
    """Drop what the system remembers of a file, so that the next read asks the medium."""
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    elif no_cache := getattr(fcntl, "F_NOCACHE", None):
        fcntl.fcntl(handle, no_cache, 1)


def sha256(path: Path, *, fresh: bool) -> str:
    hasher = hashlib.sha256()
    for chunk in chunks(path, fresh=fresh):
        hasher.update(chunk)
    return hasher.hexdigest()


def room(place: Path) -> Capacity:
    """Of the disk a folder is on, for what this user may still write."""
    try:
        now = os.statvfs(place)
    except OSError as error:
        raise error_of(error, str(place)) from error
    used = (now.f_blocks - now.f_bfree) * now.f_frsize
    return Capacity(used, now.f_blocks * now.f_frsize, now.f_bavail * now.f_frsize)


# --- publishing ---------------------------------------------------------------------------


def publish(temporary: Path, target: Path) -> None:
    """Give a file its name, never taking the name from another: FileExistsError then.

    What a file system offers for that differs: Linux and macOS can rename without replacing;
    network and FUSE file systems often cannot, but can link; what is left is to look first,
    which only another program writing the same name in the same instant could defeat.
    """
    for way in (_rename_free, _link, _look_and_rename):
        try:
            way(temporary, target)
            return
        except FileExistsError:
            raise
        except OSError as error:
            if error.errno not in UNSUPPORTED or way is _look_and_rename:
                raise


def exchange(temporary: Path, target: Path) -> bool:
    """Put a file in the place of another at once. True if the other one now has the temporary
    name; False where the file system can only drop it."""
    try:
        _renamed(_SWAP, temporary, target)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
        temporary.replace(target)
        return False
    return True


# Of Linux (renameat2) and of macOS (renamex_np).
_FREE = (1, 4)  # RENAME_NOREPLACE, RENAME_EXCL
_SWAP = (2, 2)  # RENAME_EXCHANGE, RENAME_SWAP


def _system_rename() -> Callable[[bytes, bytes, tuple[int, int]], int] | None:
    library = ctypes.CDLL(None, use_errno=True)
    if linux := getattr(library, "renameat2", None):
        here = -100  # AT_FDCWD
        return lambda old, new, how: int(linux(here, old, here, new, how[0]))
    if macos := getattr(library, "renamex_np", None):
        return lambda old, new, how: int(macos(old, new, how[1]))
    return None


_rename = _system_rename()


def _renamed(how: tuple[int, int], temporary: Path, target: Path) -> None:
    if _rename is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if _rename(os.fsencode(temporary), os.fsencode(target), how):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(target))


def _rename_free(temporary: Path, target: Path) -> None:
    _renamed(_FREE, temporary, target)


def _link(temporary: Path, target: Path) -> None:
    os.link(temporary, target, follow_symlinks=False)
    temporary.unlink()


def _look_and_rename(temporary: Path, target: Path) -> None:
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    temporary.rename(target)

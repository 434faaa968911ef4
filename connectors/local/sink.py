"""A folder as a sink: a temporary file beside the target, then its name, never overwriting."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from connectors import durable
from connectors.abilities import Capacity, Identity
from connectors.base import Body, Checkpoint, Put, Receipt, Traits, Transferred
from connectors.checksums import Algorithm, Checksum
from connectors.errors import ItemError, NotFound, OutpourError, PathConflict, Transient
from connectors.local import disk
from connectors.local.folders import Folders, is_temporary, temporary_name
from connectors.local.root import check_reading, check_writing

_COMMIT_BATCH = 64
# What opening a name says where there is a link, a folder, or a file in the place of its folder.
_NO_FILE = (errno.ELOOP, errno.EISDIR, errno.ENOTDIR)


class LocalSink:
    """Keeps copies below ``root``. A token is the relative path of a temporary file.

    A crash leaves at most temporary files, which the next run removes when it enters their
    folder. With ``readback`` receipts carry the SHA-256 of what the medium gave back.
    Where the folder is not there, whatever is asked of it raises Misconfigured.
    """

    def __init__(self, name: str, root: Path, *, readback: bool = False) -> None:
        self.name = name
        self.traits = Traits(
            algorithm=Algorithm.SHA256 if readback else None,
            commit_batch=_COMMIT_BATCH,
            sidecars=True,
            replaces=True,
            links=True,
            local=True,
        )
        self._readback = readback
        self._folders = Folders(root)
        self._root = root
        self._read_back: dict[str, str] = {}  # by token, between transfer and commit
        self._unsynced: set[Path] = set()  # staged files that did not get to the medium
        self._mode = 0o666 & ~_umask()

    def stat(self, path: str) -> Receipt | None:
        target = self._folders.target(path)
        try:
            status = target.lstat()
        except (FileNotFoundError, NotADirectoryError):
            self._folders.check()
            return None
        except OSError as error:
            raise self._folders.error_of(error, path) from error
        return _receipt(path, status) if stat.S_ISREG(status.st_mode) else None

    def transfer(self, put: Put, body: Body, token: str | None, keep: Checkpoint) -> Transferred:
        """Copies afresh whatever ``token`` says: a half copy that a crash left proves nothing."""
        del keep  # the temporary file's name says whose it is, so nothing is to be remembered
        target = self._folders.target(put.path)
        self._folders.enter(put.path)
        self._discard(token)
        there = self._there(put, target)
        if there:
            return Transferred(put, "", there)
        temporary = target.with_name(temporary_name())
        try:
            self._write(put, body, temporary)
            checksum = self._checked(put, temporary) if self._readback else None
        except BaseException as error:
            with contextlib.suppress(OSError):
                temporary.unlink()
            if isinstance(error, OSError):
                body.check(put)  # it may be that file which is not there
            if isinstance(error, FileNotFoundError):
                raise self._taken_away(put, error) from error
            if isinstance(error, OSError):
                raise self._folders.error_of(error, put.path) from error
            raise
        token = str(PurePosixPath(put.path).with_name(temporary.name))
        if checksum:
            self._read_back[token] = checksum
        return Transferred(put, token)

    def commit(self, items: Sequence[Transferred]) -> list[Receipt | OutpourError]:
        answers = [item.receipt or self._publish(item) for item in items]
        done = [answer.path for answer in answers if isinstance(answer, Receipt)]
        self._folders.check()  # what went into the mount point of a disk that is out is no copy
        try:
            self._folders.make_durable(done)
        except OSError as error:
            raise self._folders.error_of(error, f"folder {self._root}") from error
        return answers

    def close(self) -> None:
        """Nothing to release."""

    def check(self, *, writing: bool) -> None:
        check_reading(self._root, made=True)
        if writing:
            check_writing(self._root)

    def capacity(self) -> Capacity:
        """Of the disk, for what this user may still write."""
        self._folders.check()
        return disk.room(self._root if self._root.exists() else self._root.parent)

    def inventory(self) -> Iterator[Receipt]:
        """All files, ours or not, without checksums. Links are not followed."""
        self._folders.check()
        yield from _walk(self._root, "")
        self._folders.check()  # else it was no whole listing

    def read(self, receipt: Receipt) -> Iterator[bytes]:
        target = self._folders.target(receipt.path)
        try:
            yield from disk.chunks(target, fresh=True)
        except OSError as error:
            if error.errno in _NO_FILE:
                self._folders.check()
                raise NotFound(f"{receipt.path} is no file any more") from error
            raise self._folders.error_of(error, receipt.path) from error

    def whereabouts(self) -> str:
        return disk.whereabouts(self._root)

    def medium(self) -> str:
        """The disk. Parts of one disk that the system shows as several cannot be told apart."""
        place = self._root
        while not place.exists():
            place = place.parent
        return f"disk:{place.stat().st_dev}"

    def identity(self, path: str) -> Identity:
        """Device and inode: alike for hard links and for every way to the same folder."""
        try:
            status = self._folders.target(path).lstat()
        except OSError as error:
            raise self._folders.error_of(error, path) from error
        medium = f"disk:{status.st_dev}"
        return Identity(f"{medium}:{status.st_ino}", medium)

    # --- steps of a transfer ---

    def _there(self, put: Put, target: Path) -> Receipt | None:
        """What is at the path already, if it is this content; None if nothing is, or what is
        to be replaced; PathConflict if it is other."""
        replaces = put.replaces
        try:
            status = _looked_at(target)
            if status is None:
                other = self._folders.clash(put.path)
                if other is None:
                    return None
                target, status, replaces = other, other.lstat(), frozenset()  # not its very name
        except FileNotFoundError as error:
            raise self._taken_away(put, error) from error
        except OSError as error:
            raise self._folders.error_of(error, put.path) from error
        path = target.relative_to(self._root).as_posix()
        if not stat.S_ISREG(status.st_mode) or not (replaces or status.st_size == put.size):
            raise PathConflict(f"{path} is something else")
        try:
            value = disk.sha256(target, fresh=self._readback)
        except OSError as error:
            raise self._folders.error_of(error, path) from error
        if value == put.digests[Algorithm.SHA256]:
            return _receipt(path, status, value)
        if value in replaces:
            return None
        raise PathConflict(f"{path} holds other content")

    def _taken_away(self, put: Put, error: OSError) -> Transient:
        """The folder was, meanwhile. Raises Misconfigured where the whole sink is gone."""
        self._folders.check()
        self._folders.forget(put.path)
        return Transient(f"{put.path}: {error.strerror}")

    def _discard(self, token: str | None) -> None:
        """Remove what an earlier attempt left. A token that names none of ours is ignored."""
        if token and is_temporary(PurePosixPath(token).name):
            with contextlib.suppress(OSError, ItemError):
                self._temporary(token).unlink()

    def _temporary(self, token: str) -> Path:
        pure = PurePosixPath(token)
        if not is_temporary(pure.name):
            raise NotFound(f"{token!r} is no transfer of this folder")
        # The folder part is checked like any path: a token comes from outside.
        return self._folders.target(str(pure.with_name("x"))).with_name(pure.name)

    def _write(self, put: Put, body: Body, temporary: Path) -> None:
        anew = body.path in self._unsynced
        if anew or not (body.sole and _take(body.path, temporary, self._mode)):
            _copy(put, body.path, temporary, share=not anew)
        handle = os.open(temporary, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            _check_size(put, os.fstat(handle).st_size)
            try:
                durable.sync(handle)
            except OSError:
                # What the system failed to write it may take for written from now on, in all files
                # that share these bytes: only a copy is written once more.
                self._unsynced.add(body.path)
                raise
            disk.set_time(handle, put.modified)
        finally:
            os.close(handle)

    def _checked(self, put: Put, temporary: Path) -> str:
        value = disk.sha256(temporary, fresh=True)
        if value != put.digests[Algorithm.SHA256]:
            raise Transient(
                f"{put.path}: the disk gave back other bytes than it was given",
                hint="The disk or its cable may be failing: check them.",
            )
        return value

    # --- steps of a commit ---

    def _publish(self, item: Transferred) -> Receipt | OutpourError:
        put = item.put
        try:
            target = self._folders.target(put.path)
            temporary = self._temporary(item.token) if item.token else None
            try:
                if temporary is None:
                    raise FileNotFoundError
                checksum = self._read_back.get(item.token)
                if self._readback and checksum is None:  # transferred by an earlier process
                    checksum = self._checked(put, temporary)
                if not (put.replaces and self._replace(put, temporary, target)):
                    disk.publish(temporary, target)
            except (FileExistsError, FileNotFoundError):
                return self._repeated(item, target)
            return _receipt(put.path, target.lstat(), checksum)
        except OutpourError as error:
            return error
        except OSError as error:
            return disk.error_of(error, put.path)
        finally:
            self._read_back.pop(item.token, None)

    def _replace(self, put: Put, temporary: Path, target: Path) -> bool:
        """Take the place of earlier content of ours; False if there is none at the path."""

        def ours(path: Path) -> bool:
            with contextlib.suppress(OSError):
                regular = stat.S_ISREG(path.lstat().st_mode)
                return regular and disk.sha256(path, fresh=False) in put.replaces
            return False

        if not ours(target):
            return False
        if disk.exchange(temporary, target) and not ours(temporary):
            disk.exchange(temporary, target)  # it was edited in this very instant
            return False
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
        return True

    def _repeated(self, item: Transferred, target: Path) -> Receipt:
        """The name is taken, by this commit's first try or by others; or the bytes are gone."""
        self._discard(item.token)
        if not target.parent.is_dir():
            raise NotFound(f"the bytes for {item.put.path} are not here")
        self._folders.enter(item.put.path)
        there = self._there(item.put, target)
        if there is None:
            raise NotFound(f"the bytes for {item.put.path} are not here", hint="Send them again.")
        return there


def _looked_at(target: Path) -> os.stat_result | None:
    try:
        return target.lstat()
    except FileNotFoundError:
        return None


def _receipt(path: str, status: os.stat_result, sha256: str | None = None) -> Receipt:
    checksums = (Checksum(Algorithm.SHA256, sha256),) if sha256 else ()
    return Receipt(path, status.st_size, checksums, modified=disk.time_of(status))


def _check_size(put: Put, size: int) -> None:
    if size != put.size:
        raise ItemError(f"{put.path}: {size} bytes are staged, not {put.size}")


def _take(staged: Path, temporary: Path, mode: int) -> bool:
    """Take the staged file itself, by a second name for it; False where that cannot be."""
    try:
        os.link(staged, temporary, follow_symlinks=False)
    except OSError:  # another disk, no links there, or not ours: copying will tell
        return False
    temporary.chmod(mode)  # staged files are private, kept ones follow the person's umask
    return True


def _copy(put: Put, staged: Path, temporary: Path, *, share: bool) -> None:
    """Bytes that the disk can share are staging's own; others prove on their way that they are
    still what was verified, for nobody else would tell."""
    source = os.open(staged, os.O_RDONLY)
    try:
        target = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o666)
        try:
            if share and disk.share(source, target):
                return
            disk.reserve(target, put.size)
            found, verified = disk.copy(source, target), put.digests[Algorithm.SHA256]
        finally:
            os.close(target)
    finally:
        os.close(source)
    if found != verified:
        raise ItemError(
            f"{put.path}: the file changed after it was verified: "
            f"it holds sha256:{found}, not sha256:{verified}",
            hint="The disk it is read from may be failing: check it, then run again.",
        )


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _walk(folder: Path, prefix: str) -> Iterator[Receipt]:
    below: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    below.append(entry.name)
                elif entry.is_file(follow_symlinks=False) and not is_temporary(entry.name):
                    with contextlib.suppress(FileNotFoundError):  # removed while we look
                        status = entry.stat(follow_symlinks=False)
                        yield _receipt(prefix + entry.name, status)
    except FileNotFoundError:
        return
    except OSError as error:
        raise disk.error_of(error, str(folder)) from error
    for name in sorted(below):
        yield from _walk(folder / name, f"{prefix}{name}/")

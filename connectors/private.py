"""Private files and credentials: folders 0700, files 0600, written atomically.

Folders follow the platform (XDG on Linux) through platformdirs. Credentials go to the
system's keyring; where none works, to a private file.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import filelock
import keyring
import keyring.core
import keyring.errors
import platformdirs
from keyring.backend import KeyringBackend
from keyring.backends.chainer import ChainerBackend

from connectors.durable import sync, sync_folder
from connectors.errors import DiskFailed, DiskFull, Misconfigured, is_full

DISK_HINT = "Is its disk there, and may you write there? Then run again."
"""What to do where this computer's disk refuses."""
_SERVICE = "outpour"
_PRIVATE = 0o700
_MAKE_ROOM = "Make room there, then run again."
_BRIEF = 10.0  # seconds that other processes have to keep a sign-in


def state_path(*parts: str) -> Path:
    """Where a folder or file below the platform's state folder is, or would be."""
    return Path(platformdirs.user_state_dir("outpour", appauthor=False), *parts)


def state_dir(*parts: str) -> Path:
    """A private folder below the platform's state folder, made if missing."""
    return private_dir(state_path(*parts))


def private_dir(path: Path) -> Path:
    """Make ``path`` (and parents, as private) and keep others out of it.

    One of another user, or on a disk that is read-only, can still be read; PermissionError
    where it could be written and its owner lets others in.
    """
    for missing in reversed([one for one in (path, *path.parents) if not one.is_dir()]):
        missing.mkdir(mode=_PRIVATE, exist_ok=True)
    if stat.S_IMODE(path.stat().st_mode) != _PRIVATE:
        try:
            path.chmod(_PRIVATE)
        except OSError:
            if may(path, os.W_OK):
                raise
    return path


@contextlib.contextmanager
def kept(what: str, folder: Path, *, full: str = _MAKE_ROOM) -> Iterator[None]:
    """Around work with ``what`` this computer has to keep in ``folder``, without which nothing goes
    on: DiskFull for want of room, with the hint ``full``, else DiskFailed."""
    try:
        yield
    except OSError as error:
        if is_full(error):
            raise DiskFull(f"no room left for {what} in {folder}", hint=full) from error
        told = f"cannot use {what} in {folder}: {error.strerror or error}"
        raise DiskFailed(told, hint=DISK_HINT) from error


def may(path: Path | str, mode: int) -> bool:
    """Whether this process may do that (``os.R_OK``, ...) there."""
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def write_private(path: Path, data: bytes) -> None:
    """Replace ``path`` atomically and durably; readers see the old bytes or the new."""
    replace_private(path, (data,))


def replace_private(path: Path, parts: Iterable[bytes]) -> None:
    """As ``write_private``, with bytes that come in parts."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".outpour-")
    try:
        with os.fdopen(handle, "wb") as out:  # mkstemp already made it 0600
            out.writelines(parts)
            out.flush()
            sync(out.fileno())
        Path(temporary).replace(path)
        sync_folder(path.parent)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(temporary).unlink()
        raise


def store_secret(key: str, value: str) -> None:
    """Keep a credential in the keyring, or in a private file where there is no keyring, or one
    that keeps nothing (``keyring --disable`` chooses that)."""
    ring = _ring()
    with contextlib.suppress(keyring.errors.KeyringError):
        ring.set_password(_SERVICE, key, value)
        if ring.get_password(_SERVICE, key) == value:
            return
    with _changing():
        secrets = _read_file()
        secrets[key] = value
        write_private(_file(), json.dumps(secrets).encode())


def load_secret(key: str) -> str | None:
    """A credential stored before, or None."""
    value = foreign_secret(_SERVICE, key)
    return value if value is not None else _read_file().get(key)


def foreign_secret(service: str, key: str) -> str | None:
    """What the keyring has of another program, or None."""
    try:
        return _ring().get_password(service, key)
    except keyring.errors.KeyringError:
        return None


def keyring_answers() -> bool:
    """Whether it can be told what the keyring holds: it may be locked."""
    try:
        _ring().get_password(_SERVICE, "")
    except keyring.errors.NoKeyringError:
        return True
    except keyring.errors.KeyringError:
        return False
    return True


def forget_secret(key: str) -> bool:
    """Remove a credential from wherever it is kept; whether it is nowhere any more, as a keyring
    that is locked, say, does not let go of it."""
    if key in _read_file():
        with _changing():
            secrets = _read_file()
            secrets.pop(key, None)
            write_private(_file(), json.dumps(secrets).encode())
    try:
        if _ring().get_password(_SERVICE, key) is not None:
            _ring().delete_password(_SERVICE, key)
            return _ring().get_password(_SERVICE, key) is None
    except keyring.errors.NoKeyringError:
        return True
    except keyring.errors.KeyringError:
        return False
    return True


def _ring() -> KeyringBackend:
    """The keyring of this system, or the one that a person chose. Those of keyrings.alt, which
    comes along with pyicloud, count only where they were chosen: they are files too, elsewhere,
    and one of them asks for a password of its own whenever it likes.

    Misconfigured where the one that was chosen cannot be used.
    """
    try:
        found = keyring.get_keyring()
        if _is_file(found) or isinstance(found, ChainerBackend):
            _detect()
        return keyring.get_keyring()
    except Exception as error:  # whatever its module raises when it is loaded
        told = f"the keyring that was chosen cannot be used: {error}"
        hint = "Correct or unset PYTHON_KEYRING_BACKEND, or keyring's own settings."
        raise Misconfigured(told, hint=hint) from error


@cache
def _detect() -> None:
    keyring.core.init_backend(lambda one: not _is_file(one))


def _is_file(ring: KeyringBackend) -> bool:
    return type(ring).__module__.startswith("keyrings.alt")


def _file() -> Path:
    return state_dir() / "credentials.json"


@contextlib.contextmanager
def _changing() -> Iterator[None]:
    """While the file is read, changed and written: other processes sign in, too. Misconfigured
    where one of them does not end."""
    lock = filelock.FileLock(f"{_file()}.lock", timeout=_BRIEF)
    try:
        lock.acquire()
    except (filelock.Timeout, OSError) as error:
        raise Misconfigured(
            f"{_file()} cannot be changed: {lock.lock_file} is held or no lock",
            hint="End the other outpour that signs in or out, or remove that file.",
        ) from error
    try:
        yield
    finally:
        lock.release()


def _read_file() -> dict[str, str]:
    try:
        return dict(json.loads(_file().read_bytes()))
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError) as error:
        raise Misconfigured(
            f"{_file()} is damaged: no sign-in can be read from it or kept in it",
            hint="Remove it, then sign in again: outpour connect.",
        ) from error

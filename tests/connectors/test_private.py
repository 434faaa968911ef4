"""Credentials and sessions: private files, replaced atomically."""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import keyring
import keyring.backend
import keyring.backends.fail
import keyring.backends.null
import keyring.errors
import pytest

from connectors import private
from connectors.errors import Misconfigured
from tests.local.conftest import open_folder, unprivileged

__all__ = ["open_folder"]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_files_are_for_the_owner_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        path = private.state_dir("sessions") / "cookies"
        private.write_private(path, b"one")
    finally:
        os.umask(before)
    assert mode(path) == 0o600
    assert mode(path.parent) == mode(path.parent.parent) == 0o700


def test_a_file_that_was_open_to_others_is_closed_again(tmp_path: Path) -> None:
    path = tmp_path / "session"
    path.write_bytes(b"old")
    path.chmod(0o644)
    private.write_private(path, b"new")
    assert (mode(path), path.read_bytes()) == (0o600, b"new")


def test_a_write_that_fails_leaves_the_old_bytes_and_no_other_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "session"
    private.write_private(path, b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", full)
        with pytest.raises(OSError):
            private.write_private(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["session"]


def test_readers_see_the_old_bytes_or_the_new(tmp_path: Path) -> None:
    path = tmp_path / "session"
    versions = [bytes([n]) * 50_000 for n in range(8)]
    private.write_private(path, versions[0])
    writers = [
        threading.Thread(target=private.write_private, args=(path, data)) for data in versions[1:]
    ]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert path.read_bytes() in versions
    assert path.read_bytes() in versions[1:]
    assert os.listdir(tmp_path) == ["session"]


@pytest.mark.parametrize("ring", [keyring.backends.fail.Keyring, keyring.backends.null.Keyring])
def test_without_a_keyring_a_secret_is_in_a_private_file(
    ring: Callable[[], keyring.backend.KeyringBackend], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyring.core, "_keyring_backend", ring())
    assert private.load_secret("icloud:me@example.com") is None
    private.store_secret("icloud:me@example.com", "word")
    private.store_secret("dropbox", "other")
    assert private.load_secret("icloud:me@example.com") == "word"
    (path,) = (path for path in private.state_dir().rglob("*") if b"word" in path.read_bytes())
    assert mode(path) == 0o600
    private.forget_secret("icloud:me@example.com")
    private.forget_secret("icloud:me@example.com")
    assert private.load_secret("icloud:me@example.com") is None
    assert private.load_secret("dropbox") == "other"


class Ring(keyring.backend.KeyringBackend):
    priority = 1

    def __init__(self) -> None:
        self.held: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.held.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.held[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        if self.held.pop((service, username), None) is None:
            raise keyring.errors.PasswordDeleteError("not there")


def test_with_a_keyring_no_file_holds_a_secret() -> None:
    ring, before = Ring(), keyring.get_keyring()
    keyring.set_keyring(ring)
    try:
        private.store_secret("dropbox", "word")
        assert private.load_secret("dropbox") == "word"
        assert list(ring.held.values()) == ["word"]
        assert not list(private.state_dir().iterdir())
        private.forget_secret("dropbox")
        assert private.load_secret("dropbox") is None
    finally:
        keyring.set_keyring(before)


def test_a_folder_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir(mode=0o755)
    assert mode(private.private_dir(tmp_path / "open")) == 0o700
    assert mode(private.private_dir(tmp_path / "new" / "below")) == 0o700


def test_a_folder_of_others_can_be_read_and_is_not_trusted_to_write(open_folder: Path) -> None:
    for name, bits in (("theirs", 0o755), ("shared", 0o777)):
        (open_folder / name).mkdir()
        (open_folder / name).chmod(bits)
    with unprivileged():
        private.private_dir(open_folder / "theirs")
        with pytest.raises(PermissionError):
            private.private_dir(open_folder / "shared")


class Locker(Ring):
    """A keyring that is a file somewhere, and wants a password of its own."""

    def get_password(self, service: str, username: str) -> str | None:
        raise AssertionError("asked")

    def set_password(self, service: str, username: str, password: str) -> None:
        raise AssertionError("asked")


Locker.__module__ = "keyrings.alt.file"


@pytest.mark.parametrize("chosen", [False, True])
@pytest.mark.parametrize("real", [False, True], ids=["no keyring", "a keyring"])
def test_a_keyring_of_files_counts_only_where_it_was_chosen(
    real: bool, chosen: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring = Ring()
    there = [Locker(), keyring.get_keyring(), *([ring] if real else [])]
    monkeypatch.setattr(keyring.backend, "get_all_keyring", lambda: there)
    monkeypatch.setattr(keyring.core, "_keyring_backend", None)
    monkeypatch.setattr(keyring.backend, "_limit", None)
    monkeypatch.delenv("PYTHON_KEYRING_BACKEND")
    if chosen:
        monkeypatch.setattr(keyring.core, "load_env", lambda: there[0])
    private._detect.cache_clear()
    if chosen:
        with pytest.raises(AssertionError, match="asked"):
            private.store_secret("dropbox", "word")
        return
    private.store_secret("dropbox", "word")
    assert private.load_secret("dropbox") == "word"
    assert list(ring.held.values()) == (["word"] if real else [])
    assert bool(list(private.state_dir().iterdir())) is not real


def test_a_keyring_that_was_chosen_and_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(keyring.core, "_keyring_backend", None)
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "no.such.Ring")
    for ask in (private.load_secret, private.forget_secret):
        with pytest.raises(Misconfigured, match="cannot be used: No module named 'no'") as caught:
            ask("dropbox")
        assert "PYTHON_KEYRING_BACKEND" in caught.value.hint


@pytest.mark.parametrize("left", [b"", b"[1]", b"{", b'"word"'])
def test_a_damaged_file_of_sign_ins_is_named_with_what_to_do(left: bytes) -> None:
    (private.state_dir() / "credentials.json").write_bytes(left)
    for ask in (private.load_secret, private.forget_secret):
        with pytest.raises(Misconfigured, match=r"credentials\.json is damaged") as caught:
            ask("dropbox")
        assert "Remove it" in caught.value.hint
    with pytest.raises(Misconfigured, match=r"credentials\.json is damaged"):
        private.store_secret("dropbox", "word")


def test_sign_ins_kept_at_the_same_time_are_all_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also by other processes, which a lock of this one would not stop."""
    write = private.write_private

    def slow(path: Path, data: bytes) -> None:
        time.sleep(0.01)
        write(path, data)

    monkeypatch.setattr(private, "write_private", slow)
    names = [f"account {number}" for number in range(12)]
    with ThreadPoolExecutor(6) as workers:
        list(workers.map(private.store_secret, names, names))
    assert [private.load_secret(name) for name in names] == names
    with ThreadPoolExecutor(6) as workers:
        assert all(workers.map(private.forget_secret, names))
    assert [private.load_secret(name) for name in names] == [None] * len(names)

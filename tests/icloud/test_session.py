"""The session on disk: private, whole at every moment, and safe with many threads."""

from __future__ import annotations

import json
import logging
import stat
import threading
from pathlib import Path

import pytest

from connectors.icloud.logs import keep_logs_clean
from connectors.icloud.session import Api, folder
from tests.icloud.rig import ACCOUNT, Rig, listing, read


def files() -> list[Path]:
    return sorted(path for path in folder(ACCOUNT).iterdir() if path.is_file())


def test_others_cannot_read_it(ready: Rig) -> None:
    assert len(files()) == 3
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in files())
    assert stat.S_IMODE(folder(ACCOUNT).stat().st_mode) == 0o700


def test_files_left_open_to_others_are_closed(ready: Rig) -> None:
    for path in files():
        path.chmod(0o644)
    Api(ACCOUNT, None, china=False)
    session = [path for path in files() if path.name != "account.json"]
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in session)


def test_it_is_whole_whenever_it_is_read(ready: Rig) -> None:
    """While many threads use it, a reader (or a crash) never meets half a file."""
    source = ready.source()
    source.capacity()
    api = source._account._api
    assert api is not None
    session = api.session
    ended, torn = threading.Event(), []

    def write() -> None:
        number = 0
        while not ended.is_set():
            number += 1
            session.data["scnt"] = f"{threading.get_ident()}-{number}" * 20
            session._save_session_data()

    session_file = next(path for path in files() if path.suffix == ".session")
    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(400):
        try:
            json.loads(session_file.read_bytes())
        except ValueError:
            torn.append(1)
    ended.set()
    for thread in threads:
        thread.join()
    assert not torn
    assert not [path for path in folder(ACCOUNT).iterdir() if path.name.startswith(".")]


def test_it_is_written_only_when_it_changed(ready: Rig) -> None:
    source = ready.source()
    source.capacity()
    before = {path: path.stat().st_mtime_ns for path in files()}
    for _ in range(5):
        source.capacity()
    source.close()
    assert {path: path.stat().st_mtime_ns for path in files()} == before


def test_a_broken_session_file_is_no_crash(ready: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTPOUR_ICLOUD_PASSWORD", "sandbox-password")
    for path in files():
        if path.name != "account.json":
            path.write_bytes(b'{"half')
    assert listing(ready.source())[0]


def test_no_secret_is_logged(ready: Rig, caplog: pytest.LogCaptureFixture) -> None:
    """pyicloud and urllib3 log whole addresses at DEBUG: signatures, keys, account numbers."""
    caplog.set_level(logging.DEBUG)
    source = ready.source()
    asset = listing(source)[0][0]
    ready.faults.once("reset", "content/*")
    with pytest.raises(Exception) as caught:
        read(source, asset, asset.resources[0])
    read(source, asset, asset.resources[0])
    text = caplog.text + str(caught.value)
    assert "icloud-content.com" in text, "the requests were logged"
    secrets = (ready.account.dsid, "&s=", "&k=", *ready.account.cookies, *ready.account.tokens)
    assert not [secret for secret in secrets if secret in text]


def test_keeping_logs_clean_twice_filters_once() -> None:
    for _ in range(3):
        keep_logs_clean()
    assert len(logging.getLogger("pyicloud.session").filters) == 1

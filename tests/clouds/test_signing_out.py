"""Promise: signed out is signed out. Nothing that opens an account is left on this computer, the
service is told, and what was moved stays known."""

from __future__ import annotations

import json

import keyring
import keyring.backend
import keyring.errors
import pytest

from connectors.icloud.account import password_key
from connectors.icloud.session import folder, known_accounts
from connectors.private import load_secret, state_dir, store_secret
from pipeline.cli.app import invoke
from pipeline.states import Exit
from sandbox.messages import Answer
from tests.dropbox.bench import DropboxPlace
from tests.gdrive.bench import DrivePlace
from tests.rehearsal.fanout import FanOut

ACCOUNT = "demo@example.com"


@pytest.mark.wide
def test_the_clouds_of_a_pipeline_are_left_and_come_back_with_connect(
    job: FanOut, capsys: pytest.CaptureFixture[str]
) -> None:
    assert job.run() == Exit.OK
    before = job.held()
    store_secret(password_key(ACCOUNT), "secret")
    grants = [load_secret(f"{kind}:default") for kind in ("gdrive", "dropbox")]
    capsys.readouterr()
    assert invoke(["disconnect", str(job.config)]) == Exit.OK
    assert capsys.readouterr().out.splitlines() == [
        "icloud: disconnected",
        "folder: nothing to disconnect",
        "drive: disconnected",
        "dropbox: disconnected",
    ]
    assert not json.loads((state_dir() / "credentials.json").read_text())
    assert known_accounts() == []
    assert not [path for path in folder(ACCOUNT).iterdir() if path.suffix != ".sqlite"]
    assert job.run() == Exit.NEEDS_PERSON

    # Who kept a token finds that it opens nothing any more.
    for kind, grant in zip(("gdrive", "dropbox"), grants, strict=True):
        assert grant is not None
        store_secret(f"{kind}:default", grant)
        assert invoke(["run", "--from", str(job.folder), "--to", kind]) == Exit.NEEDS_PERSON
        assert "has ended" in capsys.readouterr().err
    _ = DrivePlace(job.world.drive), DropboxPlace(job.world.dropbox)
    assert job.held() == before


def test_who_was_not_signed_in_is_told_so(job: FanOut, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        assert invoke(["disconnect", str(job.config)]) == Exit.OK
    assert capsys.readouterr().out.splitlines()[-4:] == [
        "icloud: was not connected",
        "folder: nothing to disconnect",
        "drive: was not connected",
        "dropbox: was not connected",
    ]


@pytest.mark.parametrize(
    ("kind", "where"), [("gdrive", "myaccount.google.com"), ("dropbox", "connected_apps")]
)
def test_a_service_that_cannot_be_told_is_left_all_the_same(
    job: FanOut,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    where: str,
) -> None:
    """By a service that is down."""
    away = Answer(503, {}, b"")
    if kind == "gdrive":
        monkeypatch.setattr(job.world.drive.signin, "_revoke", lambda _form: away)
    else:
        job.world.dropbox.faults.once("unavailable", "auth/token/revoke")
    assert invoke(["disconnect", kind]) == Exit.OK
    assert where in capsys.readouterr().out
    assert load_secret(f"{kind}:default") is None


class Stubborn(keyring.backend.KeyringBackend):
    """Holds on to what it has; or is locked."""

    priority = 1
    locked = False

    def __init__(self) -> None:
        self.held: dict[str, str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        if self.locked:
            raise keyring.errors.KeyringLocked
        return self.held.get(username)

    def set_password(self, service: str, username: str, password: str) -> None:
        self.held[username] = password

    def delete_password(self, service: str, username: str) -> None:
        raise keyring.errors.PasswordDeleteError


def test_what_the_keyring_does_not_let_go_of_is_told(
    job: FanOut, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stubborn = Stubborn()
    grant = load_secret("gdrive:default")
    assert grant is not None
    stubborn.set_password("", "gdrive:default", grant)
    monkeypatch.setattr(keyring.core, "_keyring_backend", stubborn)
    stubborn.locked = True
    forgotten = state_dir() / "credentials.json"
    forgotten.unlink()
    assert invoke(["disconnect", "gdrive", "dropbox"]) == Exit.NEEDS_PERSON
    assert "the keyring does not say what it holds" in capsys.readouterr().err
    stubborn.locked = False
    assert invoke(["disconnect", "gdrive"]) == Exit.OK
    assert "The keyring does not let go of it" in capsys.readouterr().out


@pytest.mark.parametrize("kept", ["{not json", "[]", '{"foo": 1}'])
@pytest.mark.parametrize("kind", ["gdrive", "dropbox"])
def test_a_damaged_sign_in_goes_as_well(
    job: FanOut, capsys: pytest.CaptureFixture[str], kind: str, kept: str
) -> None:
    store_secret(f"{kind}:default", kept)
    assert invoke(["disconnect", kind]) == Exit.OK
    assert "could not be told" in capsys.readouterr().out
    assert load_secret(f"{kind}:default") is None


def test_a_wrong_argument_signs_nobody_out(job: FanOut) -> None:
    assert invoke(["disconnect", "gdrive", "nowhere"]) == Exit.USAGE
    assert load_secret("gdrive:default") is not None

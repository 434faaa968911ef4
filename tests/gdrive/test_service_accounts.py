"""Service accounts: where they work, and what is told where they do not."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from connectors.errors import Fatal, Misconfigured
from connectors.gdrive import DriveSettings, connector
from sandbox.gdrive import GoogleDrive as Double
from sandbox.gdrive import SharedDrive
from tests.conformance.making import Bench, content
from tests.gdrive.bench import DrivePlace
from tests.gdrive.test_signin import PASTE, Person, connect

ROBOT = "robot@project.iam.example.com"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture
def robot(double: Double, key: rsa.RSAPrivateKey, tmp_path: Path) -> Path:
    double.signin.service_keys[ROBOT] = key.public_key()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    path = tmp_path / "robot.json"
    path.write_text(
        json.dumps(
            {
                "type": "service_account",
                "client_email": ROBOT,
                "private_key": pem,
                "private_key_id": "1",
                "token_uri": "https://oauth2.googleapis.com/token",
            }
        )
    )
    return path


def test_a_service_account_works_on_a_shared_drive(
    double: Double, robot: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    double.store.drives["0AShared"] = SharedDrive("0AShared", "Family")
    person = Person(PASTE)
    settings = connect(person, monkeypatch, service_account=robot, drive="0AShared")
    assert connector.sink and person.heard
    bench.place(connector.sink("drive", settings), "a.jpg", content(10))


def test_a_service_account_works_for_a_person(double: Double, robot: Path, bench: Bench) -> None:
    settings = DriveSettings(service_account=robot, impersonate="sam@example.com")
    assert connector.sink
    sink = connector.sink("drive", settings)
    with pytest.raises(Fatal, match="client") as caught:
        bench.place(sink, "a.jpg", content(10))
    assert "delegation" in caught.value.hint
    double.signin.delegated.add(ROBOT)
    bench.place(sink, "a.jpg", content(10))


def test_a_service_account_alone_is_refused_with_the_reason(robot: Path) -> None:
    with pytest.raises(ValueError, match="owns no storage"):
        DriveSettings(service_account=robot)


@pytest.mark.parametrize(
    ("error", "description", "hint"),
    [
        ("invalid_grant", "Invalid grant: account not found", "was deleted"),
        ("invalid_grant", "Invalid JWT Signature.", "new key"),
        ("invalid_grant", "Invalid email or User ID", "'impersonate'"),
        ("invalid_scope", "Invalid OAuth scope or ID token audience provided.", "scope"),
        ("admin_policy_enforced", "Not allowed by the administrator.", "administrator"),
        ("access_denied", "Account restricted", "key file"),
    ],
)
def test_a_service_account_that_is_refused_is_no_sign_in_that_ended(
    double: Double, robot: Path, bench: Bench, error: str, description: str, hint: str
) -> None:
    """There is nobody to connect again: its own settings are to be looked at."""
    double.signin.refusal = {"error": error, "error_description": description}
    settings = DriveSettings(service_account=robot, drive="0AShared")
    assert connector.sink
    with pytest.raises(Fatal) as caught:
        bench.place(connector.sink("drive", settings), "a.jpg", content(10))
    assert hint in caught.value.hint and "connect" not in caught.value.hint
    assert description in str(caught.value)


@pytest.mark.parametrize("wrong", ["impersonate", "deleted"])
def test_what_is_wrong_with_a_service_account_is_told(
    double: Double, robot: Path, bench: Bench, wrong: str
) -> None:
    double.signin.delegated.add(ROBOT)
    if wrong == "deleted":
        double.signin.service_keys.clear()
    settings = DriveSettings(service_account=robot, impersonate="nobody@example.com")
    assert connector.sink
    with pytest.raises(Fatal) as caught:
        bench.place(connector.sink("drive", settings), "a.jpg", content(10))
    assert wrong in caught.value.hint


def test_a_clock_that_is_a_day_off(
    double: Double, robot: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """People's sign-ins do not depend on the clock; signed assertions do, and say so."""
    place = DrivePlace(double)
    double.store.drives["0AShared"] = SharedDrive("0AShared", "Family")
    wrong = _shifted(-86_400)
    monkeypatch.setattr("google.auth._helpers.utcnow", wrong)
    bench.place(place.open(), "a.jpg", content(10))
    settings = DriveSettings(service_account=robot, drive="0AShared")
    assert connector.sink
    with pytest.raises(Fatal) as caught:
        bench.place(connector.sink("drive", settings), "b.jpg", content(10))
    assert "clock" in caught.value.hint


def _shifted(seconds: int) -> Callable[[], datetime]:
    import google.auth._helpers

    real: Callable[[], datetime] = google.auth._helpers.utcnow
    return lambda: real() + timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "{}", '{"type": "authorized_user"}', None])
def test_a_wrong_key_file_is_named(tmp_path: Path, text: str | None, bench: Bench) -> None:
    path = tmp_path / "robot.json"
    if text is not None:
        path.write_text(text)
    assert connector.sink
    sink = connector.sink("drive", DriveSettings(service_account=path, drive="0AShared"))
    with pytest.raises(Misconfigured, match=r"robot\.json"):
        bench.place(sink, "a.jpg", content(10))

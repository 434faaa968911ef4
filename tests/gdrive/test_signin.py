"""Connecting, and connecting again."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
import requests

from connectors.abilities import Reconnects
from connectors.errors import Fatal, Misconfigured, SessionExpired
from connectors.gdrive import DriveSettings, connector
from connectors.gdrive.auth import load_grant, store_grant
from connectors.gdrive.sink import DriveSink
from connectors.private import state_dir
from sandbox.damage import Abort
from sandbox.gdrive import GoogleDrive as Double
from sandbox.gdrive import OAuthClient
from sandbox.gdrive.oauth import DRIVE
from sandbox.messages import Answer, Request, json_answer
from tests.conformance.making import Bench, content
from tests.gdrive.bench import DrivePlace

BROWSER, PASTE, DEVICE = range(3)


class Person:
    """Answers questions; visits what it is told to, clicking ``answer``."""

    def __init__(self, way: int, answer: str = "allow") -> None:
        self.way = way
        self.answer = answer
        self.heard: list[str] = []
        self.redirect = ""

    def tell(self, message: str) -> None:
        self.heard.append(message)
        if found := re.search(r"open (\S+/device) and type (\S+)", message):
            query = {"user_code": found[2], "answer": self.answer}
            requests.get(found[1], params=query, timeout=10).raise_for_status()

    def choose(self, question: str, options: Sequence[str]) -> int:
        assert len(options) == 3
        return self.way

    def ask(self, question: str, *, secret: bool = False) -> str:
        if not self.redirect:
            self.redirect = self.visit(self.heard[-1].split("\n")[1])
        return self.redirect

    def visit(self, address: str) -> str:
        """Consent in a browser; the address it is sent to at the end."""
        page = requests.get(address, timeout=10)
        link = re.search(rf'href="([^"]+answer={self.answer})"', page.text)
        assert link, page.text
        link_address = urljoin(address, link[1].replace("&amp;", "&"))
        done = requests.get(link_address, timeout=10, allow_redirects=False)
        return done.headers["Location"]

    def browse(self, address: str) -> bool:
        """Instead of webbrowser.open: follows the redirect to the loopback port too."""

        def follow() -> None:
            target = self.visit(address)
            with requests.Session() as session:
                session.trust_env = False
                session.get(urljoin(target, "/favicon.ico"), timeout=10)
                session.get(target, timeout=10)

        threading.Thread(target=follow).start()
        return True


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def client(double: Double, tmp_path: Path) -> Path:
    path = tmp_path / "client.json"
    path.write_text(json.dumps(double.signin.client.file()))
    return path


def connect(person: Person, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> DriveSettings:
    made = DriveSettings(**settings)
    assert connector.connect
    monkeypatch.setattr("webbrowser.open", person.browse)
    connector.connect(made, person)
    return made


@pytest.mark.parametrize("way", [BROWSER, PASTE, DEVICE])
def test_three_ways_to_connect(
    double: Double, client: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch, way: int
) -> None:
    if way == DEVICE:
        double.signin.client = OAuthClient(kind="tv")
        double.signin.interval = 0
    person = Person(way)
    settings = connect(person, monkeypatch, client=client)
    assert "sam@example.com" in person.heard[-1] and "GB free" in person.heard[-1]
    stored = (state_dir() / "credentials.json").stat()
    assert stored.st_mode & 0o777 == 0o600
    assert connector.sink
    sink = connector.sink("drive", settings)
    bench.place(sink, "a.jpg", content(10))
    sink.close()


@pytest.mark.parametrize("way", [BROWSER, PASTE, DEVICE])
def test_refusing_leaves_the_old_sign_in(
    double: Double, client: Path, monkeypatch: pytest.MonkeyPatch, way: int
) -> None:
    DrivePlace(double)
    before = load_grant(DriveSettings())
    if way == DEVICE:
        double.signin.client = OAuthClient(kind="tv")
        double.signin.interval = 0
    with pytest.raises(SessionExpired) as caught:
        connect(Person(way, "deny"), monkeypatch, client=client)
    assert caught.value.hint
    assert load_grant(DriveSettings()) == before


def test_a_sign_in_that_ended_is_renewed_by_the_same_person_only(
    double: Double, client: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In mid-run the rest of a library must not go to whoever the browser knows."""
    settings = connect(Person(PASTE), monkeypatch, client=client)
    mine = load_grant(settings)
    assert connector.sink
    sink = connector.sink("drive", settings)
    assert isinstance(sink, Reconnects)
    sink.reconnect(Person(PASTE))
    assert load_grant(settings).user == mine.user
    theirs = replace(mine, user="09999999999999999999")
    store_grant(settings, theirs)
    with pytest.raises(SessionExpired, match="another Google account"):
        sink.reconnect(Person(PASTE))
    assert load_grant(settings) == theirs


def test_a_foreign_address_is_not_taken(
    double: Double, client: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = Person(PASTE)
    person.redirect = "http://127.0.0.1:1/?code=4/stolen&state=guessed"
    with pytest.raises(SessionExpired):
        connect(person, monkeypatch, client=client)


def test_a_device_code_wants_another_type_of_client(
    double: Double, client: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Misconfigured, match="Only clients of type") as caught:
        connect(Person(DEVICE), monkeypatch, client=client)
    assert "in another way" in caught.value.hint and "Desktop" not in caught.value.hint


def test_a_service_that_stumbles_while_the_code_is_typed_does_not_end_the_sign_in(
    double: Double, client: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    double.signin.client, double.signin.interval = OAuthClient(kind="tv"), 0
    monkeypatch.setattr("connectors.gdrive.signin.time.sleep", lambda _: None)
    handle, polls = double.signin.handle, iter(range(100))

    def stumbling(request: Request) -> Answer | None:
        if request.path == "/token" and (number := next(polls)) < 2:
            if number:
                raise Abort
            return json_answer({"error": "backend_error"}, 503)
        return handle(request)

    monkeypatch.setattr(double.signin, "handle", stumbling)
    person = Person(DEVICE)
    connect(person, monkeypatch, client=client)
    assert "sam@example.com" in person.heard[-1] and next(polls) > 2


def test_a_client_file_with_a_byte_order_mark(
    double: Double, client: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.write_text(client.read_text(), "utf-8-sig")
    settings = connect(Person(PASTE), monkeypatch, client=client)
    assert load_grant(settings).client_id == double.signin.client.id


def test_the_client_may_come_from_the_environment(
    double: Double, client: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Misconfigured, match="client id") as caught:
        connect(Person(PASTE), monkeypatch)
    assert "OAuth client of the type Desktop app" in caught.value.hint
    monkeypatch.setenv("OUTPOUR_GDRIVE_CLIENT", str(client))
    connect(Person(PASTE), monkeypatch)
    monkeypatch.delenv("OUTPOUR_GDRIVE_CLIENT")
    monkeypatch.setenv("OUTPOUR_GDRIVE_CLIENT_ID", double.signin.client.id)
    monkeypatch.setenv("OUTPOUR_GDRIVE_CLIENT_SECRET", double.signin.client.secret)
    connect(Person(PASTE), monkeypatch)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"installed": {}}', '{"web": {"client_id": "x"}}', None]
)
def test_a_wrong_client_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None
) -> None:
    path = tmp_path / "client.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(Misconfigured, match=r"client\.json") as caught:
        connect(Person(PASTE), monkeypatch, client=path)
    assert caught.value.hint and "\n" not in str(caught.value)


def test_a_wrong_client_is_no_expired_session(double: Double, bench: Bench) -> None:
    place = DrivePlace(double)
    double.signin.client = OAuthClient(id="another")
    with pytest.raises(Fatal) as caught:
        bench.place(place.open(), "a.jpg", content(10))
    assert caught.value.hint


def test_nobody_has_connected(double: Double, bench: Bench) -> None:
    assert connector.sink
    with pytest.raises(SessionExpired) as caught:
        bench.place(connector.sink("drive", DriveSettings()), "a.jpg", content(10))
    assert "outpour connect gdrive" in caught.value.hint


def test_a_scope_that_the_sign_in_does_not_cover_asks_for_another(
    double: Double, bench: Bench
) -> None:
    """Else a folder that others made would not be seen, and made a second time."""
    DrivePlace(double)
    sink = DriveSink("drive", DriveSettings(scope="drive"))
    for _ in range(2):
        with pytest.raises(SessionExpired, match="does not cover 'scope: drive'") as caught:
            bench.place(sink, "a.jpg", content(10))
        assert "outpour connect gdrive" in caught.value.hint
    assert not double.store.paths()
    DrivePlace(double, DRIVE, scope="drive")
    bench.place(DriveSink("drive", DriveSettings(scope="drive")), "a.jpg", content(10))
    bench.place(DriveSink("drive", DriveSettings()), "b.jpg", content(10))


def test_connecting_again_goes_on(
    double: Double, client: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = DrivePlace(double, client=client)
    sink = place.open()
    bench.place(sink, "a.jpg", content(10))
    place.expire()
    with pytest.raises(SessionExpired):
        bench.place(sink, "b.jpg", content(11))
    sink.reconnect(Person(PASTE))
    bench.place(sink, "b.jpg", content(11))

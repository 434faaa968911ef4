"""Connecting, and staying connected."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
import requests

from connectors.abilities import Reconnects
from connectors.errors import Fatal, Misconfigured, OutpourError, SessionExpired, Transient
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
from tests.gdrive.bench import DrivePlace, held

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
    with pytest.raises(Misconfigured):
        connect(Person(DEVICE), monkeypatch, client=client)


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


# --- staying connected -------------------------------------------------------------------


def test_a_token_that_ends_in_mid_run_is_renewed_once(
    double: Double, place: DrivePlace, bench: Bench
) -> None:
    """Sixteen threads meet the 401, one renews, every upload goes on."""
    sink = place.open()
    bench.place(sink, "first.jpg", content(10))
    staged = [bench.stage(f"{n}.jpg", content(100 + n)) for n in range(16)]
    double.signin.end_access()
    renewed = double.signin.refreshes
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda item: bench.transfer(sink, item), staged))
    assert double.signin.refreshes == renewed + 1
    assert len(double.store.paths()) == 17


def test_a_token_that_ends_inside_a_large_file(
    double: Double, place: DrivePlace, bench: Bench
) -> None:
    """The refusal may get lost under the bytes on their way; the next try is then a question."""
    double.faults.once("token_expired", "upload.session")
    put, body = bench.stage("a.mov", content(6 * 1024 * 1024))
    token = None
    for _ in range(3):
        with suppress(Transient):
            place.open().transfer(put, body, token, bench.keep)
            break
        token = bench.tokens[-1]
    assert len(double.store.paths()) == 1 and double.calls["upload.resumable"] == 1


def test_a_fresh_token_that_is_refused_ends_no_sign_in(
    double: Double, place: DrivePlace, bench: Bench
) -> None:
    """Google renewed it, so the person need not be asked."""
    sink = place.open()
    bench.place(sink, "a.jpg", content(10))
    double.faults.add("token_expired", 1.0, "upload.multipart", times=2)
    with pytest.raises(Transient):
        bench.place(sink, "b.jpg", content(11))
    bench.place(sink, "b.jpg", content(11))


def test_short_lived_tokens_are_no_trouble(double: Double, place: DrivePlace, bench: Bench) -> None:
    """The client takes a token of this lifetime for spent at once: it asks each time."""
    double.signin.lifetime = 30
    sink = place.open()
    for n in range(3):
        bench.place(sink, f"{n}.jpg", content(10 + n))
    assert double.signin.refreshes >= 3, "it was not asked again: proves nothing"
    assert held(double) == {f"Outpour/{n}.jpg": 1 for n in range(3)}


def test_a_sign_in_service_that_stumbles(
    double: Double, place: DrivePlace, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def drop(request: Request) -> Answer:
        raise Abort

    monkeypatch.setattr(double.signin, "handle", drop)
    with pytest.raises(Transient):
        bench.place(place.open(), "a.jpg", content(10))


@pytest.mark.parametrize(
    ("status", "page"),
    [
        (502, "<!DOCTYPE html><title>Error 502</title>"),
        (503, "<html>"),
        (502, '{"error": "bad_gateway"}'),
        (429, '{"error": "rate_limit_exceeded"}'),
        (403, "<html>Sign in to this network</html>"),
        (407, ""),
        (511, "<html>"),
        (200, "<html>Welcome</html>"),
        (200, "[]"),
        (200, "{}"),
    ],
)
def test_a_gateway_that_answers_for_the_sign_in_service_ends_no_sign_in(
    double: Double,
    place: DrivePlace,
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    page: str,
) -> None:
    """A token is renewed each hour: one bad page must not leave Drive out of a run."""
    handle = double.signin.handle
    answers = [Answer(status, {"Content-Type": "text/html"}, page.encode())]
    monkeypatch.setattr(
        double.signin, "handle", lambda request: answers.pop() if answers else handle(request)
    )
    sink = place.open()
    with pytest.raises(Transient):
        bench.place(sink, "a.jpg", content(10))
    bench.place(sink, "a.jpg", content(10))


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


@pytest.mark.parametrize("subtype", ["rapt_required", "invalid_rapt"])
def test_an_organisation_that_wants_the_sign_in_renewed(
    double: Double, place: DrivePlace, bench: Bench, subtype: str
) -> None:
    """A policy of Workspace. Google's own words send people to another program."""
    double.signin.refusal = {
        "error": "invalid_grant",
        "error_description": f"reauth related error ({subtype})",
        "error_subtype": subtype,
    }
    with pytest.raises(SessionExpired, match="organisation") as caught:
        bench.place(place.open(), "a.jpg", content(10))
    assert "gcloud" not in caught.value.advice and "outpour connect gdrive" in caught.value.hint


@pytest.mark.parametrize("error", ["admin_policy_enforced", "invalid_scope"])
def test_what_no_new_sign_in_mends_asks_for_none(
    double: Double, place: DrivePlace, bench: Bench, error: str
) -> None:
    double.signin.refusal = {"error": error, "error_description": "No."}
    with pytest.raises(Fatal) as caught:
        bench.place(place.open(), "a.jpg", content(10))
    assert caught.value.hint and "sign in again" not in caught.value.hint


def test_nothing_secret_in_errors(double: Double, place: DrivePlace, bench: Bench) -> None:
    sink = place.open()
    bench.place(sink, "a.jpg", content(10))
    place.expire()
    with pytest.raises(OutpourError) as caught:
        sink.stat("a.jpg")
    chain = repr(caught.value) + str(caught.value) + caught.value.hint + repr(sink)
    assert not [secret for secret in place.secrets if secret in chain]

"""Connecting, and staying connected."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from connectors.abilities import Inventory, Reconnects
from connectors.dropbox import DropboxSettings, connector
from connectors.dropbox.auth import load_grant, store_grant
from connectors.dropbox.client import Client
from connectors.dropbox.sink import DropboxSink
from connectors.errors import Misconfigured, OutpourError, SessionExpired, Transient
from connectors.private import state_dir
from sandbox.dropbox import SCOPES
from sandbox.dropbox import Dropbox as Double
from tests.conformance.making import Bench, content
from tests.dropbox.bench import DropboxPlace, held, shifted


class Person:
    """Visits the address it is told, on whatever device, and pastes the code it finds there."""

    def __init__(self, code: str | None = None) -> None:
        self.code = code
        self.heard: list[str] = []
        self.asked: list[tuple[str, bool]] = []

    def tell(self, message: str) -> None:
        self.heard.append(message)

    def choose(self, question: str, options: Sequence[str]) -> int:
        raise AssertionError("there is one way only")

    def ask(self, question: str, *, secret: bool = False) -> str:
        self.asked.append((question, secret))
        if self.code is not None:
            return self.code
        page = requests.get(self.heard[-1].split("\n")[1], timeout=10)
        found = re.search(r"<code>([^<]+)</code>", page.text)
        assert found, page.text
        return f"  {found[1]} \n"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def connect(double: Double, person: Person, **settings: Any) -> DropboxSettings:
    made = DropboxSettings(**{"app_key": double.signin.app_key, **settings})
    assert connector.connect
    connector.connect(made, person)
    return made


def test_a_page_a_code_and_no_secret(double: Double, bench: Bench) -> None:
    """PKCE and a lasting sign-in; only the refresh token is kept, for its owner's eyes."""
    person = Person()
    settings = connect(double, person)
    address = person.heard[0].split("\n")[1]
    assert "code_challenge_method=S256" in address and "token_access_type=offline" in address
    assert all(scope in address for scope in SCOPES) and "secret" not in address
    assert person.asked[0][1], "the code is asked for without an echo"
    assert "ann@example.com" in person.heard[-1] and "GB free" in person.heard[-1]
    file = state_dir() / "credentials.json"
    assert file.stat().st_mode & 0o777 == 0o600
    (kept,) = json.loads(file.read_text()).values()
    assert (
        set(json.loads(kept)) == {"refresh_token", "app_key", "account", "team"}
        and "sl." not in kept
    )
    assert connector.sink
    bench.place(connector.sink("dropbox", settings), "a.jpg", content(10))
    assert held(double) == {"/Outpour/a.jpg": content(10)}


@pytest.mark.parametrize("team", [False, True])
def test_who_sees_the_folder_is_said_in_a_team(double: Double, team: bool) -> None:
    double.team.space = team
    person = Person()
    connect(double, person)
    assert any("member folder" in said for said in person.heard) is team


def test_a_sign_in_that_ended_is_renewed_by_the_same_person_only(double: Double) -> None:
    """In mid-run the rest of a library must not go to whoever the browser knows."""
    settings = connect(double, Person())
    mine = load_grant(settings)
    assert connector.sink
    sink = connector.sink("dropbox", settings)
    assert isinstance(sink, Reconnects)
    sink.reconnect(Person())
    assert load_grant(settings).account == mine.account
    theirs = replace(mine, account="dbid:AAH4f99T0taONIb-OurWxbNQ6ywGRopQngc")
    store_grant(settings, theirs)
    with pytest.raises(SessionExpired, match="another Dropbox account"):
        sink.reconnect(Person())
    assert load_grant(settings) == theirs
    store_grant(settings, replace(mine, account=""))  # of an earlier version: nobody knows
    sink.reconnect(Person())
    assert load_grant(settings).account == mine.account


def test_a_new_sign_in_closes_the_connections_of_the_old_once_they_are_done(
    double: Double, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[Client] = []
    close = Client.close

    def noted(client: Client) -> None:
        closed.append(client)
        close(client)

    monkeypatch.setattr(Client, "close", noted)
    settings, data = connect(double, Person()), content(9_000_000)
    sink = DropboxSink("dropbox", settings)
    receipt = bench.place(sink, "a.jpg", data)
    closed.clear()
    reading = sink.read(receipt)
    first = next(reading)
    old = sink._dropbox.client
    sink.reconnect(Person())
    assert old in closed
    assert first + b"".join(reading) == data
    assert sink.stat("a.jpg") and sink._dropbox.client is not old


def test_an_app_with_a_folder_of_its_own(double: Double, bench: Bench) -> None:
    """For it the top is that folder, so that is where copies go."""
    settings = connect(double, Person(), folder="")
    assert connector.sink
    sink = connector.sink("dropbox", settings)
    bench.place(sink, "2024/a.jpg", content(10))
    assert held(double) == {"/2024/a.jpg": content(10)}
    assert isinstance(sink, Inventory)
    assert [receipt.path for receipt in sink.inventory()] == ["2024/a.jpg"]


def test_a_wrong_code_leaves_the_old_sign_in(double: Double, place: DropboxPlace) -> None:
    before = load_grant(place.settings)
    with pytest.raises(SessionExpired) as caught:
        connect(double, Person("guessed"))
    assert "code" in str(caught.value) and caught.value.hint
    assert load_grant(place.settings) == before


def test_a_code_works_for_the_sign_in_it_was_made_for_alone(double: Double) -> None:
    """Another's code (stolen, or of a second window) lacks this sign-in's verifier."""
    other = Person()
    connect(double, other)
    page = requests.get(other.heard[0].split("\n")[1], timeout=10)
    code = re.search(r"<code>([^<]+)</code>", page.text)
    assert code
    with pytest.raises(SessionExpired):
        connect(double, Person(code[1]))


def test_no_app_key_is_said_with_the_way_to_get_one(
    double: Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Misconfigured, match="app key") as caught:
        connect(double, Person(), app_key=None)
    assert "App Console" in caught.value.hint
    monkeypatch.setenv("OUTPOUR_DROPBOX_APP_KEY", double.signin.app_key)
    connect(double, Person(), app_key=None)


def test_an_app_that_dropbox_does_not_know(double: Double) -> None:
    with pytest.raises(OutpourError) as caught:
        connect(double, Person("a code"), app_key="anotherapp")
    assert isinstance(caught.value, Misconfigured) and caught.value.hint


def test_an_app_that_lacks_a_permission(double: Double) -> None:
    double.signin.scopes = frozenset(SCOPES[:-1])
    with pytest.raises(SessionExpired, match=SCOPES[-1]) as caught:
        connect(double, Person())
    assert "Permissions" in caught.value.hint


def test_a_sign_in_for_another_app_is_not_used(double: Double, place: DropboxPlace) -> None:
    settings = DropboxSettings(app_key="anotherapp")
    assert connector.sink
    with pytest.raises(Misconfigured, match="anotherapp"):
        connector.sink("dropbox", settings).stat("a.jpg")


def test_nobody_has_connected() -> None:
    assert connector.sink
    with pytest.raises(SessionExpired) as caught:
        connector.sink("dropbox", DropboxSettings()).stat("a.jpg")
    assert "outpour connect dropbox" in caught.value.hint


# --- staying connected -------------------------------------------------------------------


def test_a_token_near_its_end_is_renewed_before_it_is_refused(
    double: Double, place: DropboxPlace, bench: Bench
) -> None:
    double.signin.lifetime = 30
    sink = place.open()
    for n in range(3):
        bench.place(sink, f"{n}.jpg", content(10 + n))
    assert not [status for status, _ in double.refusals if status == 401]


def test_access_taken_away_in_mid_run(double: Double, place: DropboxPlace, bench: Bench) -> None:
    sink = place.open()
    bench.place(sink, "a.jpg", content(10))
    place.expire()
    with pytest.raises(SessionExpired) as caught:
        bench.place(sink, "b.jpg", content(11))
    assert "outpour connect dropbox" in caught.value.hint
    chain = repr(caught.value) + str(caught.value) + repr(sink)
    assert not [secret for secret in place.secrets if secret in chain]


def test_connecting_again_goes_on(
    double: Double, place: DropboxPlace, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUTPOUR_DROPBOX_APP_KEY", double.signin.app_key)
    sink = place.open()
    bench.place(sink, "a.jpg", content(10))
    place.expire()
    with pytest.raises(SessionExpired):
        bench.place(sink, "b.jpg", content(11))
    sink.reconnect(Person())
    bench.place(sink, "b.jpg", content(11))


def test_a_sign_in_service_that_stumbles(double: Double, place: DropboxPlace, bench: Bench) -> None:
    double.faults.once("unavailable", "!*")
    with pytest.raises(Transient):
        bench.place(place.open(), "a.jpg", content(10))
    bench.place(place.open(), "a.jpg", content(10))


@pytest.mark.parametrize("hours", [-24, 24])
def test_a_clock_that_is_a_day_off(
    double: Double, place: DropboxPlace, bench: Bench, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    """The access token's end is computed from this machine's clock; a wrong one costs nothing."""
    monkeypatch.setattr("dropbox.dropbox_client.datetime", shifted(timedelta(hours=hours)))
    monkeypatch.setattr("connectors.dropbox.client.datetime", shifted(timedelta(hours=hours)))
    sink = place.open()
    for n in range(3):
        bench.place(sink, f"{n}.jpg", content(10 + n))
    assert double.signin.refreshes == 1 and len(held(double)) == 3

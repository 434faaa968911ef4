"""Connecting: each trouble in one clear sentence, and never a wait without an end."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from connectors.abilities import Reconnects
from connectors.errors import Misconfigured, Paused, SessionExpired, Transient
from sandbox.iphone import OnPhone, Phone, Trust
from sandbox.library import Library
from tests.iphone.conftest import Open, Outpour, Plug, listed

pytest.importorskip("pymobiledevice3")

from connectors.iphone import connector


class Person:
    """Remembers the phones it was shown and what else it was told; does ``then`` when told
    the first time."""

    def __init__(self, then: Callable[[], None] = lambda: None) -> None:
        self.shown: list[str] = []
        self.told: list[str] = []
        self._then = then

    def tell(self, message: str) -> None:
        if message.startswith("Plugged in: "):
            self.shown.append(message.removeprefix("Plugged in: "))
            return
        self.told.append(message)
        if len(self.told) == 1:
            self._then()

    def ask(self, question: str, *, secret: bool = False) -> str:
        raise AssertionError("nothing is asked")

    def choose(self, question: str, options: Sequence[str]) -> int:
        raise AssertionError("nothing is asked")


def connect(person: Person, **settings: Any) -> None:
    assert connector.connect is not None
    connector.connect(connector.settings(**settings), person)


def test_connect_names_the_phone(plug: Plug) -> None:
    plug(Phone())
    person = Person()
    connect(person)
    assert person.told == ["Connected to Sandbox iPhone (00008110-000A11DE0C90801E)."]
    assert person.shown == ["Sandbox iPhone (00008110-000A11DE0C90801E), iOS 18.5"]


def test_a_phone_without_a_passcode_connects(plug: Plug) -> None:
    phone = Phone(passcode=False)
    phone.locked = True
    plug(phone)
    person = Person()
    connect(person)
    assert len(person.told) == 1 and person.told[0].startswith("Connected")


@pytest.mark.parametrize(
    ("trouble", "cure", "words"),
    [
        ("unplug", "plug", "No iPhone is plugged in. Plug the iPhone in"),
        ("lock", "unlock", "The iPhone is locked. Unlock"),
        ("ask", "trust", "has not been told to trust this computer yet. Unlock the iPhone, tap"),
        ("deny", "trust", "was told not to trust this computer. Unplug the iPhone"),
    ],
)
def test_connect_explains_and_waits_for_the_person(
    plug: Plug, trouble: str, cure: str, words: str
) -> None:
    phone = Phone()
    plug(phone)
    change(phone, trouble)
    person = Person(then=lambda: change(phone, cure))
    connect(person)
    assert words in person.told[0] and "then run again" not in person.told[0]
    assert "Waiting up to 300 s; Ctrl-C ends it." in person.told[0]
    assert person.told[-1].startswith("Connected")


def change(phone: Phone, what: str) -> None:
    match what:
        case "unplug":
            phone.unplug()
        case "plug":
            phone.plug()
        case "lock" | "unlock":
            phone.locked = what == "lock"
        case "ask" | "deny" | "trust":
            phone.trust = {"ask": Trust.PENDING, "deny": Trust.NO, "trust": Trust.YES}[what]


@pytest.mark.parametrize("trouble", ["unplug", "lock", "ask", "deny"])
def test_connect_never_waits_forever(plug: Plug, trouble: str) -> None:
    phone = Phone()
    plug(phone)
    change(phone, trouble)
    with pytest.raises(SessionExpired) as caught:
        connect(Person(), wait=0.2)
    assert caught.value.hint.endswith(", then run again.")


def test_nothing_that_talks_to_iphones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USBMUXD_SOCKET_ADDRESS", "127.0.0.1:1")
    with pytest.raises(SessionExpired, match="usbmuxd") as caught:
        connect(Person(), wait=0)
    assert "Install usbmuxd" in caught.value.hint


def test_two_phones_and_no_choice(plug: Plug, open_source: Open) -> None:
    phones = [Phone(), Phone(udid="00008030-00112233AABBCCDD", name="Old iPhone")]
    for phone in phones:
        OnPhone(phone, Library(3, plain=True))
    plug(*phones)
    with pytest.raises(Misconfigured) as caught:
        list(open_source().pages())
    assert "Sandbox iPhone (00008110-000A11DE0C90801E)" in str(caught.value)
    assert "Old iPhone (00008030-00112233AABBCCDD)" in str(caught.value)
    assert "device: UDID" in caught.value.hint
    assert len(listed(open_source(device=phones[1].udid))) == 3


def test_no_phone_is_said_at_once(plug: Plug, open_source: Open) -> None:
    phone = Phone()
    plug(phone)
    phone.unplug()
    began = time.monotonic()
    with pytest.raises(SessionExpired, match="no iPhone is plugged in"):
        list(open_source(wait=600).pages())
    assert time.monotonic() - began < 300, "it waited for a phone to be plugged in"


def test_a_locked_phone_is_waited_for_and_that_is_said(
    on_phone: OnPhone, open_source: Open
) -> None:
    on_phone.phone.locked = True
    source = open_source(wait=20)
    for _ in range(3):
        with pytest.raises(Paused, match=r"locked; waiting up to 20 s") as caught:
            list(source.pages())
        assert caught.value.retry_after and "Unlock" in caught.value.hint
    on_phone.phone.locked = False
    assert listed(source)


def test_replugging_between_two_questions_is_not_noticed(
    on_phone: OnPhone, open_source: Open
) -> None:
    source = open_source()
    before = listed(source)
    on_phone.phone.unplug()
    on_phone.phone.plug()
    assert listed(source) == before


def test_of_all_that_is_read_when_the_cable_is_pulled_one_alone_is_to_blame(
    on_phone: OnPhone, open_source: Open
) -> None:
    """Each failure that is its own costs a file one of its attempts, and cables do shake."""
    source = open_source()
    some = [(asset.id, r) for asset in listed(source).values() for r in asset.resources if r.local][
        :4
    ]
    streams = [source.open(*one, offset=1) for one in some]  # else small ones are read at once
    on_phone.phone.unplug()
    errors = []
    for stream in streams:
        with pytest.raises(Transient) as caught:
            list(stream)
        errors.append(type(caught.value))
        stream.close()
    assert errors == [Transient, Paused, Paused, Paused]


def test_a_file_opened_before_the_cable_was_pulled_never_reads_through_the_next_connection(
    on_phone: OnPhone, open_source: Open
) -> None:
    """Its handle means nothing there, or another file."""
    source = open_source(connections=1)
    some = [(asset.id, r) for asset in listed(source).values() for r in asset.resources if r.local]
    first, second = (source.open(*one, offset=1) for one in some[:2])
    on_phone.phone.unplug()
    with pytest.raises(Transient):
        list(first)
    on_phone.phone.plug()
    again = source.open(*some[2], offset=1)
    with pytest.raises(Paused):
        list(second)
    for stream in (first, second):
        stream.close()
    assert len(b"".join(again)) == (some[2][1].size or 0) - 1
    again.close()


def test_reconnecting_tells_what_to_do_and_goes_on(on_phone: OnPhone, open_source: Open) -> None:
    source = open_source(wait=0)
    listed(source)
    on_phone.phone.unplug()
    with pytest.raises(SessionExpired):
        list(source.pages())
    assert isinstance(source, Reconnects)
    person = Person(then=on_phone.phone.plug)
    source.reconnect(person)
    assert person.told[0].startswith("No iPhone is plugged in.")
    assert listed(source)


def test_a_phone_is_never_reached_over_the_network(on_phone: OnPhone, open_source: Open) -> None:
    """It may answer there as well, slowly, and go on when its cable is pulled."""
    on_phone.phone.wireless = True
    source = open_source(wait=0)
    assert listed(source)
    on_phone.phone.unplug()
    with pytest.raises(SessionExpired):
        list(source.pages())
    person = Person(then=on_phone.phone.plug)
    connect(person)
    assert person.shown == [] and "No iPhone is plugged in" in person.told[0]
    assert person.told[-1].startswith("Connected")
    assert on_phone.phone.wireless_connections == 0


def test_a_phone_that_forgot_this_computer_asks_to_be_trusted_again(
    on_phone: OnPhone, open_source: Open
) -> None:
    assert listed(open_source())
    on_phone.phone.hosts.clear()
    on_phone.phone.trust = Trust.PENDING
    with pytest.raises(Paused, match="trust this computer"):
        list(open_source().pages())


def test_a_phone_that_asks_for_no_tls_is_listed(plug: Plug, open_source: Open) -> None:
    phone = Phone(tls=False)
    OnPhone(phone, Library(5, plain=True))
    plug(phone)
    assert len(listed(open_source())) == 5


# --- from the command line ---------------------------------------------------------------


def test_the_command_lists_the_phone_and_connects(plug: Plug, outpour: Outpour) -> None:
    plug(Phone())
    code, said = outpour("connect", "iphone")
    assert code == 0
    assert "Plugged in: Sandbox iPhone (00008110-000A11DE0C90801E), iOS 18.5" in said
    assert "iphone: connected" in said


def test_the_command_lists_two_phones_and_connects_the_chosen_one(
    plug: Plug, outpour: Outpour
) -> None:
    old = Phone(udid="00008030-00112233AABBCCDD", name="Old iPhone", version="16.7")
    plug(Phone(), old)
    code, said = outpour("connect", "iphone")
    assert code == 2
    assert "Plugged in: Old iPhone (00008030-00112233AABBCCDD), iOS 16.7" in said
    assert "2 iPhones are plugged in" in said and "iphone:UDID" in said
    code, said = outpour("connect", f"iphone:{old.udid}")
    assert code == 0 and f"Connected to Old iPhone ({old.udid})." in said
    assert old.hosts


def test_one_that_is_not_plugged_in_while_others_are(plug: Plug, outpour: Outpour) -> None:
    phone = Phone()
    plug(phone)
    code, said = outpour("connect", "iphone:nosuch", "--set", "wait=0")
    there = "Sandbox iPhone (00008110-000A11DE0C90801E)"
    assert code == 3
    assert f"outpour: the iPhone asked for is not plugged in: nosuch; {there} is" in said
    assert "Plug that iPhone in with a cable that carries data" in said
    code, said = outpour("run", "--from", "iphone:nosuch", "--to", "./Photos")
    assert code == 3 and f"not plugged in: nosuch; {there} is" in said
    phone.unplug()
    code, said = outpour("connect", "iphone:nosuch", "--set", "wait=0")
    assert code == 3 and "no iPhone is plugged in" in said


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        ("unplug", "no iPhone is plugged in"),
        ("lock", "the iPhone is locked"),
        ("ask", "the iPhone has not been told to trust this computer yet"),
        ("deny", "the iPhone was told not to trust this computer"),
    ],
)
def test_each_trouble_is_one_sentence_and_what_to_do(
    plug: Plug, outpour: Outpour, trouble: str, words: str
) -> None:
    phone = Phone()
    plug(phone)
    change(phone, trouble)
    code, said = outpour("connect", "iphone", "--set", "wait=0")
    lines = [line for line in said.splitlines() if not line.startswith("Plugged in")]
    assert code == 3 and len(lines) == 2
    assert lines[0] == f"outpour: {words}"
    assert lines[1].endswith(", then run again.")


def test_no_usbmuxd_is_one_line_for_connect_and_run(
    outpour: Outpour, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("USBMUXD_SOCKET_ADDRESS", "127.0.0.1:1")
    for command in (
        ["connect", "iphone", "--set", "wait=0"],
        ["run", "--from", "iphone", "--to", "./Photos"],
    ):
        code, said = outpour(*command)
        assert code == 3
        assert "nothing on this computer talks to iPhones" in said
        assert "Install usbmuxd" in said

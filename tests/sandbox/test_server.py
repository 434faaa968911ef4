"""The sandbox core: any host name over its own CA, honest HTTP, faults where asked."""

from __future__ import annotations

import gc
import select
import socket
import struct
import sys
import time
from collections.abc import Iterator

import pytest
import requests

from sandbox.ca import Authority
from sandbox.faults import GENERIC, Faults
from sandbox.server import Answer, Request, Sandbox, json_answer
from tests.pointing import Point

BODY = bytes(range(256)) * 40


class Echo:
    hosts = ("echo.example.com", "*.wild.example.com")

    def handle(self, request: Request) -> Answer:
        if request.path == "/stream":
            parts: Iterator[bytes] = (BODY[i : i + 1000] for i in range(0, len(BODY), 1000))
            return Answer(200, {"Content-Length": str(len(BODY))}, parts)
        if request.path == "/chunked":
            return Answer(200, {}, iter([b"ab", b"", b"cd"]))
        if request.path == "/unread":
            return json_answer({})
        size = len(request.read_all())
        return json_answer(
            {"method": request.method, "host": request.host, "query": request.query, "got": size}
        )


@pytest.fixture
def faults() -> Faults:
    return Faults(stall_seconds=0.2, slow_seconds=0.05)


@pytest.fixture
def sandbox(faults: Faults) -> Iterator[Sandbox]:
    with Sandbox([Echo()], faults=faults) as sandbox:
        yield sandbox


@pytest.fixture
def session(sandbox: Sandbox, use_sandbox: Point) -> Iterator[requests.Session]:
    use_sandbox(sandbox)
    with requests.Session() as session:
        yield session


def test_any_claimed_host_is_reached_through_proxy_and_ca_alone(session: requests.Session) -> None:
    for host in ("echo.example.com", "p61.wild.example.com"):
        answer = session.post(f"https://{host}/x?a=1&a=2&b=", data=b"12345")
        assert answer.json() == {
            "method": "POST",
            "host": host,
            "query": {"a": "2", "b": ""},
            "got": 5,
        }


def test_unclaimed_hosts_are_refused_and_never_contacted(session: requests.Session) -> None:
    assert session.get("https://www.apple.com/").status_code == 502


def test_plain_http_goes_the_same_way(session: requests.Session) -> None:
    assert session.get("http://echo.example.com/").json()["host"] == "echo.example.com"


def test_direct_root_needs_no_proxy(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    root = sandbox.direct(sandbox.services[0])
    assert sandbox.direct(sandbox.services[0]) == root
    answer = requests.get(root + "/", verify=str(sandbox.ca_file))
    assert answer.json()["host"] == "127.0.0.1"


def test_connections_are_kept_and_bodies_drained(
    session: requests.Session, sandbox: Sandbox
) -> None:
    for _ in range(5):
        session.post("https://echo.example.com/unread", data=b"x" * 100_000)
        session.post("https://echo.example.com/", data=iter([b"abc", b"de"]))
    assert sandbox.connections == 1
    assert sandbox.requests["echo.example.com"] == 10


def test_bodies_stream_exactly(session: requests.Session) -> None:
    assert session.get("https://echo.example.com/stream").content == BODY
    assert session.get("https://echo.example.com/chunked").content == b"abcd"
    assert session.post("https://echo.example.com/", data=iter([b"abc", b"de"])).json()["got"] == 5


@pytest.mark.parametrize("name", sorted(GENERIC))
def test_each_generic_fault_shows_once_and_is_logged(
    name: str, session: requests.Session, faults: Faults
) -> None:
    faults.once(name, "/stream")
    started = time.monotonic()
    try:
        answer = session.get("https://echo.example.com/stream", timeout=5)
        seen = (answer.status_code, answer.headers.get("Retry-After"), answer.content == BODY)
    except requests.RequestException:
        seen = (0, None, False)
    expected = {
        "throttle": (429, "1", False),
        "throttle_bare": (429, None, False),
        "unavailable": (503, None, False),
        "slow_body": (200, None, True),
    }
    assert seen == expected.get(name, (0, None, False))
    if name in {"stall", "slow_body"}:
        assert time.monotonic() - started >= 0.05
    assert list(faults.log) == [(name, "/stream")]
    assert session.get("https://echo.example.com/stream").content == BODY


def test_bandwidth_is_shared_by_all(use_sandbox: Point) -> None:
    with Sandbox([Echo()], bandwidth=100_000) as sandbox:
        use_sandbox(sandbox)
        started = time.monotonic()
        for _ in range(3):
            assert requests.get("https://echo.example.com/stream").content == BODY
        assert time.monotonic() - started > 0.15


def test_closing_ends_everything(use_sandbox: Point) -> None:
    with Sandbox([Echo()]) as sandbox:
        use_sandbox(sandbox)
        port = int(sandbox.proxy_url.rpartition(":")[2])
        requests.get("https://echo.example.com/")
    sandbox.close()
    assert not sandbox.ca_file.exists()
    with pytest.raises(OSError), socket.create_connection(("127.0.0.1", port), 1):
        pass


def test_a_peer_that_is_gone_before_its_handshake_leaves_no_socket_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As one that is killed: what is left open would be complained of much later, elsewhere."""
    complaints: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", complaints.append)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = socket.create_connection(listener.getsockname())
        accepted, _ = listener.accept()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()  # which resets the connection
        select.select([accepted], [], [], 5)
        with pytest.raises(OSError):
            Authority().context("echo.example.com").wrap_socket(accepted, server_side=True)
    gc.collect()
    assert not complaints


def test_tests_cannot_leave_the_machine() -> None:
    with (
        pytest.raises(RuntimeError, match="tried to reach"),
        socket.create_connection(("192.0.2.1", 80), 1),
    ):
        pass
    with pytest.raises(RuntimeError, match="tried to reach"):
        socket.getaddrinfo("www.example.com", 443)


def test_faults_are_the_same_for_one_seed_whatever_the_order() -> None:
    keys = [f"k{i}" for i in range(200)]
    one, two = Faults.of("gone:0.3", seed=5), Faults.of("gone:0.3", seed=5)
    first = {key: one.hit("gone", key) for key in keys}
    second = {key: two.hit("gone", key) for key in reversed(keys)}
    assert first == second
    assert 30 < sum(first.values()) < 90
    other = Faults.of("gone:0.3", seed=6)
    assert first != {key: other.hit("gone", key) for key in keys}


def test_rules_can_name_keys_and_counts() -> None:
    faults = Faults.of("gone@*IMG_1*:2x, stall@x")
    assert [faults.hit("gone", "a/IMG_1.JPG") for _ in range(4)] == [True, True, False, False]
    assert not faults.hit("gone", "IMG_2")
    assert faults.hit("stall", "x") and not faults.hit("stall", "y")
    assert faults.counts == {"gone": 2, "stall": 1}


@pytest.mark.parametrize("spec", ["gone:2", "gone:x", "gone@a:often"])
def test_malformed_rules_are_one_clear_line(spec: str) -> None:
    with pytest.raises(ValueError, match=r"want name|between 0 and 1"):
        Faults.of(spec)


def test_unknown_fault_names_are_refused_where_the_names_are_known() -> None:
    with pytest.raises(ValueError, match="unknown fault 'flip_bite'"):
        Faults.of("flip_bite:0.1", known=GENERIC)

"""Staying connected: access is renewed, and only what ends a sign-in is taken for its end."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from connectors.errors import Fatal, OutpourError, SessionExpired, Transient
from sandbox.damage import Abort
from sandbox.gdrive import GoogleDrive as Double
from sandbox.messages import Answer, Request
from tests.conformance.making import Bench, content
from tests.gdrive.bench import DrivePlace, held


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


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
    with pytest.raises(Transient, match="Invalid Credentials") as caught:
        bench.place(sink, "b.jpg", content(11))
    assert "turned on for this account" in caught.value.hint
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

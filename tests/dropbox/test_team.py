"""A team: one sign-in of its administrator for all members, and the space that they share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from dropbox import common
from pydantic import ValidationError

from connectors.dropbox import DropboxSettings, connector
from connectors.dropbox.auth import Grant, load_grant, store_grant
from connectors.dropbox.settings import _ADDRESS
from connectors.dropbox.sink import DropboxSink
from connectors.errors import Fatal, Misconfigured, OutpourError, SessionExpired
from pipeline.cli.app import invoke
from pipeline.states import Exit
from sandbox.dropbox import SCOPES, TEAM_SCOPES
from sandbox.dropbox import Dropbox as Double
from sandbox.dropbox.team import SPACE, Member
from tests.conformance.making import Bench, content, only
from tests.dropbox.bench import DropboxPlace, files_of
from tests.dropbox.test_signin import Person, connect

ALL = frozenset((*SCOPES, *TEAM_SCOPES))
BOB, CID = "bob@example.com", "cid@example.com"


@pytest.fixture
def bob(double: Double) -> Member:
    """A member of the team, whose app has the permissions to act for him."""
    double.signin.scopes = ALL
    return double.team.hire(BOB)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def team_grant(double: Double, **settings: Any) -> DropboxSettings:
    return DropboxPlace(double, team=True, **settings).settings


def refusal(settings: DropboxSettings) -> OutpourError:
    """Why nothing can be put there."""
    sink = DropboxSink("dropbox", settings)
    with pytest.raises(OutpourError) as caught:
        sink.stat("a.jpg")
    sink.close()
    return caught.value


def test_one_sign_in_of_an_administrator_acts_for_every_member(
    double: Double, bob: Member, bench: Bench
) -> None:
    person = Person()
    settings = connect(double, person, impersonate=BOB)
    assert "administrator" in person.heard[0] and all(one in person.heard[0] for one in TEAM_SCOPES)
    assert f"for the team; acting for {BOB}" in person.heard[-1]
    assert load_grant(settings).team and not load_grant(settings).account
    cid = double.team.hire(CID)
    bobs = DropboxSink("dropbox", settings)
    cids = DropboxSink("dropbox", DropboxSettings(impersonate="Cid@Example.com"))
    bench.place(bobs, "a.jpg", content(10))
    bench.place(cids, "c.jpg", content(9_000_000))
    assert files_of(double, bob.home) == {"/Outpour/a.jpg": content(10)}
    assert files_of(double, cid.home) == {"/Outpour/c.jpg": content(9_000_000)}
    assert files_of(double, double.owner.home) == {}
    assert double.counts["team/members/get_info_v2"] == 3, "one each, and one to connect"
    assert bobs.whereabouts().startswith(f"{bob.account} ")
    assert cids.whereabouts().startswith(f"{cid.account} ")


def test_a_member_s_place_is_the_same_whoever_signed_in(
    double: Double, place: DropboxPlace, bench: Bench
) -> None:
    """Ledgers know the copies still where an administrator takes over, or the member does."""
    double.team.hire(BOB)
    store_grant(place.settings, Grant(place.refresh, double.signin.app_key, double.owner.account))
    own = place.open()
    bench.place(own, "a.jpg", content(10))
    settings = team_grant(double, account="team", impersonate=double.owner.email)
    acted = DropboxSink("dropbox", settings)
    assert acted.whereabouts() == own.whereabouts() != ""
    assert acted.stat("a.jpg") == own.stat("a.jpg")
    assert own.medium() and acted.medium() == "", "whether they are lost together is not known"


def test_an_upload_that_was_begun_for_another_member_is_begun_afresh(
    double: Double, bob: Member, bench: Bench
) -> None:
    cid = double.team.hire(CID)
    settings = DropboxPlace(double, team=True, impersonate=BOB).settings
    data = content(40_000_000)
    put, body = bench.stage("a.mov", data)
    DropboxSink("dropbox", settings).transfer(put, body, None, bench.keep)
    cids = DropboxSink("dropbox", DropboxSettings(impersonate=CID))
    half = next(token for token in bench.tokens if '"closed": false' in token)
    only(cids.commit([cids.transfer(put, body, half, bench.keep)]))
    assert files_of(double, cid.home) == {"/Outpour/a.mov": data}
    assert files_of(double, bob.home) == {}


def test_the_team_s_space_is_one_place_for_all_of_them(
    double: Double, place: DropboxPlace, bob: Member, bench: Bench
) -> None:
    double.team.space = True
    for settings in (
        team_grant(double, account="team", impersonate=BOB, team_space=True),
        DropboxSettings(team_space=True),  # the sign-in of Ann herself
    ):
        sink = DropboxSink("dropbox", settings)
        for name, data in (("a.jpg", content(10)), ("b.mov", content(9_000_000))):
            bench.place(sink, name, data)
        assert sink.whereabouts().startswith(f"space:{SPACE} ")
        assert len(list(sink.inventory())) == 2
    assert set(files_of(double, SPACE)) == {"/Outpour/a.jpg", "/Outpour/b.mov"}
    assert files_of(double, bob.home) == files_of(double, double.owner.home) == {}
    bench.place(place.open(), "mine.jpg", content(5))
    assert set(files_of(double, double.owner.home)) == {"/Outpour/mine.jpg"}


@pytest.mark.parametrize("shared", [True, False])
def test_who_sees_the_folder_is_said(double: Double, bob: Member, shared: bool) -> None:
    double.team.space = True
    person = Person()
    connect(double, person, impersonate=BOB, team_space=shared)
    assert any(f"member folder of {BOB}" in said for said in person.heard) is not shared


def test_teams_without_a_space_have_their_folders_in_the_members_own_top(
    double: Double, bob: Member, bench: Bench
) -> None:
    sink = DropboxSink("dropbox", team_grant(double, impersonate=BOB, team_space=True))
    bench.place(sink, "a.jpg", content(10))
    assert set(files_of(double, bob.home)) == {"/Outpour/a.jpg"}


def test_whom_nobody_can_act_for_is_named(double: Double, bob: Member) -> None:
    team_grant(double, impersonate=BOB)
    double.team.hire("new@example.com", status="invited")
    for address in ("eve@example.com", "new@example.com"):
        error = refusal(DropboxSettings(impersonate=address))
        assert isinstance(error, Misconfigured) and address in str(error)
        assert "impersonate" in error.hint
    double.team.hire("gone@example.com")
    sink = DropboxSink("dropbox", DropboxSettings(impersonate="gone@example.com"))
    assert sink.stat("a.jpg") is None
    double.team.members.pop()  # leaves the team in mid-run
    with pytest.raises(SessionExpired, match="invalid_select_user") as caught:
        sink.stat("a.jpg")
    assert "administrator" in caught.value.hint


def test_a_sign_in_of_the_wrong_kind_is_named(double: Double, place: DropboxPlace) -> None:
    error = refusal(DropboxSettings(impersonate=BOB))
    assert isinstance(error, Misconfigured) and "as one person" in str(error)
    assert "administrator" in error.hint and "outpour connect dropbox" in error.hint
    team_grant(double)
    error = refusal(place.settings)
    assert isinstance(error, Misconfigured) and "whole team" in str(error)
    assert "'impersonate'" in error.hint


def test_a_person_without_a_team_has_no_team_space(double: Double, place: DropboxPlace) -> None:
    error = refusal(DropboxSettings(team_space=True))
    assert isinstance(error, Misconfigured) and "ann@example.com belongs to no team" in str(error)


def test_a_space_that_moves_in_mid_run_ends_the_sink_and_not_its_files(
    double: Double, place: DropboxPlace
) -> None:
    """Nothing goes to whatever folder has the name where the person belongs now."""
    double.team.space = True
    sink = DropboxSink("dropbox", DropboxSettings(team_space=True))
    assert sink.stat("a.jpg") is None
    double.team.space = False
    with pytest.raises(Fatal, match="space any more"):
        sink.stat("a.jpg")


def test_an_app_without_the_permissions_of_teams_is_told_at_once(double: Double) -> None:
    double.signin.scopes = ALL - {"members.read"}
    with pytest.raises(SessionExpired, match=r"members\.read") as caught:
        connect(double, Person(), impersonate=BOB)
    assert "Permissions" in caught.value.hint
    with pytest.raises(SessionExpired, match="not connected"):
        load_grant(DropboxSettings())


def test_renewed_in_mid_run_by_an_administrator_of_the_same_team_only(
    double: Double, bob: Member
) -> None:
    settings = connect(double, Person(), impersonate=BOB)
    sink = DropboxSink("dropbox", settings)
    sink.reconnect(Person())
    mine = load_grant(settings)
    other = Grant(mine.refresh_token, mine.app_key, team="dbtid:another")
    store_grant(settings, other)
    with pytest.raises(SessionExpired, match="another Dropbox account"):
        sink.reconnect(Person())
    assert load_grant(settings) == other


@pytest.mark.parametrize("moved", ["address", "space"])
def test_a_new_sign_in_never_opens_another_place_in_mid_run(
    double: Double, bob: Member, bench: Bench, moved: str
) -> None:
    """Addresses are given to others, and teams lose their space: photos are private."""
    double.team.space = moved == "space"
    settings = connect(double, Person(), impersonate=BOB, team_space=moved == "space")
    sink = DropboxSink("dropbox", settings)
    bench.place(sink, "a.jpg", content(10))
    if moved == "space":
        double.team.space = False
    else:
        double.team.members.clear()
        double.team.hire(CID)
        double.team.hire(BOB)
    sink.reconnect(Person())
    with pytest.raises(Fatal, match="another place"):
        bench.place(sink, "b.jpg", content(11))
    everything = [SPACE, *(member.home for member in (bob, *double.team.members))]
    held = [path for namespace in everything for path in files_of(double, namespace)]
    assert set(held) == {"/Outpour/a.jpg"}


def test_an_address_that_the_sdk_would_stumble_over_is_refused_before_anything_starts() -> None:
    assert common.EmailAddress_validator.pattern == _ADDRESS
    for address in ("bob@example", "jörg@example.com", "ann@example.com,", "ann"):
        with pytest.raises(ValidationError, match="the address of a member"):
            DropboxSettings(impersonate=address)


def test_a_sign_in_of_the_other_kind_is_not_replaced_without_a_word(
    double: Double, bob: Member
) -> None:
    for settings, said in (
        ({}, False),
        ({"impersonate": BOB}, True),
        ({"impersonate": BOB}, False),
        ({"account": "own"}, False),
    ):
        double.signin.scopes = ALL if "impersonate" in settings else frozenset(SCOPES)
        person = Person()
        connect(double, person, **settings)
        assert any("account: team" in heard for heard in person.heard) is said, settings


def test_who_signs_a_team_out_is_told_where_it_ends(double: Double, bob: Member) -> None:
    """Dropbox takes no end of a team's sign-in from outside: it is not said to be over."""
    settings = connect(double, Person(), impersonate=BOB)
    assert connector.disconnect and "admin console" in connector.disconnect(DropboxSettings())
    assert isinstance(refusal(settings), SessionExpired)


@pytest.mark.wide
def test_a_table_of_people_fills_each_one_s_dropbox_by_one_sign_in(
    double: Double, bob: Member, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """What an organisation does: its administrator connects once, and each row is somebody."""
    cid = double.team.hire(CID)
    team_grant(double)
    for name in ("bob", "cid"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "IMG_1.JPG").write_bytes(name.encode() * 900)
    (tmp_path / "staff.csv").write_text(f"mail,folder\n{BOB},bob\n{CID},cid\n")
    config = tmp_path / "staff.yaml"
    config.write_text(
        'each: staff.csv\nsource: "./${folder}"\n'
        'sinks: [{type: dropbox, folder: /Photos, impersonate: "${mail}"}]\n'
    )
    for _ in range(2):
        assert invoke(["batch", str(config)]) == Exit.OK, capfd.readouterr().err
        out, _ = capfd.readouterr()
        assert "All 2 pipelines confirmed" in out and "share" not in out
    for name, member in (("bob", bob), ("cid", cid)):
        assert list(files_of(double, member.home).values()) == [name.encode() * 900]
    assert invoke(["batch", str(config), "--do", "verify"]) == Exit.OK
    assert files_of(double, double.owner.home) == {}

"""Libraries as Apple lists them: some deleted, some out of reach, one twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.base import Page
from connectors.errors import Fatal, Misconfigured, SessionExpired
from connectors.icloud.errors import Closed
from connectors.icloud.settings import Library as Choice
from connectors.icloud.source import ICloudSource
from pipeline.cli.app import invoke
from pipeline.states import Exit
from sandbox.icloud.zones import SHARED, Zone
from tests.cases import wide_after
from tests.icloud.rig import Rig, cursor, listing
from tests.rehearsal.rig import landed, wanted

OTHER = "SharedSync-55555555-6666-7777-8888-999999999999"
REFUSALS = ["ZONE_NOT_FOUND", "ACCESS_DENIED", "BAD_REQUEST", "NOT_FOUND"]


@pytest.fixture
def source(ready: Rig) -> Iterator[ICloudSource]:
    source = ready.source(library=Choice.ALL)
    yield source
    source.close()


def refuse(rig: Rig, code: str, zone: str = SHARED) -> None:
    """From now on Apple answers nothing that is asked about a library."""
    rig.faults.add("refused_zone", key=f"zone/{code}/{zone}")


def names(rig: Rig, *, shared: bool) -> set[str]:
    found = rig.ids("shown", "hidden", shared=shared)
    return {f"{SHARED}/{name}" for name in found} if shared else found


def both(rig: Rig) -> set[str]:
    return names(rig, shared=False) | names(rig, shared=True)


def add_other(rig: Rig) -> None:
    """A second library that is shared with this account, of the same photos."""
    zone = Zone(OTHER, rig.library, rig.icloud.links)
    rig.icloud.cloudkit.zones["shared"][OTHER] = zone


def listed(pages: list[Page]) -> list[str]:
    return [asset.id for page in pages for asset in page.assets]


@pytest.mark.parametrize("fault", ["deleted_zone", "nameless_zone"])
def test_what_is_deleted_or_has_no_name_is_no_library(
    fault: str, ready: Rig, source: ICloudSource
) -> None:
    add_other(ready)
    ready.faults.add(fault, key=f"zone/shared/{OTHER}")
    refuse(ready, "ZONE_NOT_FOUND", OTHER)
    pages = list(source.pages())
    assert set(listed(pages)) == both(ready)
    assert pages[-1].full and pages[-1].cursor


def test_an_owner_s_shared_library_is_listed_once(ready: Rig, source: ICloudSource) -> None:
    zones = ready.icloud.cloudkit.zones
    zones["private"][SHARED] = zones["shared"][SHARED]
    found = listed(list(source.pages()))
    assert set(found) == both(ready) and len(found) == len(set(found))
    assert f"private|{SHARED}|" in cursor(source), "as its owner"


def test_libraries_that_are_listed_one_by_one_are_all_found(
    ready: Rig, source: ICloudSource
) -> None:
    add_other(ready)
    ready.faults.add("split_zones")
    found = {name.rpartition("/")[0] for name in listed(list(source.pages()))}
    assert found == {"", SHARED, OTHER}


def test_promises_of_more_libraries_come_to_an_end(ready: Rig, source: ICloudSource) -> None:
    """Nobody knows what is in those; what was listed is not all for certain."""
    ready.faults.add("endless_zones", key="zones/shared")
    pages = list(source.pages())
    assert set(listed(pages)) == both(ready)
    assert not pages[-1].full and pages[-1].cursor is None
    assert "promises more" in pages[-1].problems[0].reason


@pytest.mark.parametrize("code", REFUSALS)
def test_a_shared_library_that_cannot_be_read_is_named_and_the_others_are_listed(
    code: str, ready: Rig, source: ICloudSource
) -> None:
    refuse(ready, code)
    pages = list(source.pages())
    assert set(listed(pages)) == names(ready, shared=False)
    (problem,) = (problem for page in pages for problem in page.problems)
    assert problem.id == SHARED and code in problem.reason
    assert not pages[-1].full and pages[-1].cursor is None
    ready.faults.clear()
    assert set(listed(list(source.pages()))) == both(ready)


def test_an_error_in_the_place_of_a_shared_library_names_it(
    ready: Rig, source: ICloudSource
) -> None:
    """It may be there: what was copied of it is not gone."""
    since = cursor(source)
    ready.faults.add("failed_zone", key=f"zone/*/{SHARED}")
    pages = list(source.pages())
    assert [problem.id for problem in pages[-1].problems] == [SHARED] and not pages[-1].full
    lost, done = source.restore([f"{SHARED}/x", next(iter(ready.ids("shown")))])
    assert isinstance(lost, Closed) and done is None
    ready.faults.clear()
    assert listing(source, since) == ([], [], [])


@pytest.mark.parametrize("code", wide_after(1, REFUSALS))
def test_a_shared_library_that_ends_after_a_listing_costs_its_own_changes(
    code: str, ready: Rig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing of it counts as gone."""
    config = pipeline(tmp_path, "all")
    assert invoke(["run", config]) == Exit.OK
    before = landed(tmp_path / "Photos")
    refuse(ready, code)
    added = ready.library.add("NEW", created=1_500_000_000_000)
    capsys.readouterr()
    assert invoke(["run", config]) == Exit.ITEMS_FAILED
    said = capsys.readouterr().out
    assert SHARED in said and "gone" not in said
    assert sum((landed(tmp_path / "Photos") - before).values()) == len(added.files)
    ready.faults.clear()
    assert invoke(["run", config]) == Exit.OK


def pipeline(folder: Path, library: str) -> str:
    path = folder / "pipeline.yaml"
    place = f"{{type: icloud, account: demo@example.com, library: {library}}}"
    path.write_text(f"source: {place}\nsinks: [{folder}/Photos]\n")
    return str(path)


@pytest.mark.parametrize("code", wide_after(1, REFUSALS))
def test_a_run_copies_the_person_s_own_photos_and_says_what_is_missing(
    code: str, ready: Rig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refuse(ready, code)
    assert invoke(["run", pipeline(tmp_path, "all")]) == Exit.ITEMS_FAILED
    assert SHARED in capsys.readouterr().out
    assert landed(tmp_path / "Photos") == wanted(ready.library)


@pytest.mark.parametrize("code", wide_after(1, REFUSALS))
def test_files_of_a_library_that_was_closed_meanwhile_keep_no_others_back(
    code: str, ready: Rig, source: ICloudSource
) -> None:
    assets = listing(source)[0]
    own = next(asset for asset in assets if not asset.library)
    shared = next(asset for asset in assets if asset.library)
    refuse(ready, code)
    later = ready.source(library=Choice.ALL)
    with pytest.raises(Closed):
        later.open(shared.id, shared.resources[0])
    later.open(own.id, own.resources[0]).close()
    done, lost = later.trash([(own.id, own.revision), (shared.id, shared.revision)])
    assert done is None and isinstance(lost, Closed)
    later.close()


@pytest.mark.parametrize("code", REFUSALS)
def test_only_libraries_that_cannot_be_read_are_an_error_in_one_line(
    code: str, ready: Rig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refuse(ready, code)
    with pytest.raises(Fatal, match="no shared library of this account can be read"):
        list(ready.source(library=Choice.SHARED).pages())
    assert invoke(["run", pipeline(tmp_path, "shared")]) not in {Exit.OK, Exit.ITEMS_FAILED}
    assert code in capsys.readouterr().err


def test_deleted_libraries_alone_are_none(ready: Rig) -> None:
    ready.faults.add("deleted_zone", key=f"zone/shared/{SHARED}")
    with pytest.raises(Misconfigured, match="no shared library"):
        list(ready.source(library=Choice.SHARED).pages())


def test_a_shared_library_whose_photos_are_refused_keeps_no_others_back(
    ready: Rig, source: ICloudSource
) -> None:
    """Apple may say that it is indexed, and answer nothing else (kei's issue 704)."""
    ready.faults.add("bad_index", key="shared/index/CPL*")
    ready.faults.add("bad_index", key=f"index/history/{SHARED}")
    pages = list(source.pages())
    assert set(listed(pages)) == names(ready, shared=False)
    assert not pages[-1].full and pages[-1].cursor is None
    assert any(problem.id.startswith(SHARED) for page in pages for problem in page.problems)
    with pytest.raises(Fatal, match="Index has invalid data"):
        list(ready.source(library=Choice.SHARED).pages())


def test_an_account_that_is_closed_is_no_library_that_is(ready: Rig, source: ICloudSource) -> None:
    listing(source)
    ready.account.web_access = False
    with pytest.raises(SessionExpired):
        list(source.pages())


def test_the_bin_is_told_of_the_libraries_that_can_be_read(
    ready: Rig, source: ICloudSource
) -> None:
    refuse(ready, "ZONE_NOT_FOUND")
    assert {one.id for one in source.binned(())} == ready.ids("trashed")


def test_what_is_left_out_is_told_of_the_libraries_that_can_be_counted(ready: Rig) -> None:
    add_other(ready)
    refuse(ready, "ZONE_NOT_FOUND", OTHER)
    *_, last = ready.source().pages()
    assert last.notices[0].startswith(f"{len(ready.ids('shown', shared=True))} photos")

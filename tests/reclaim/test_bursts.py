"""Promise: of a burst, of which Apple lists one picture, no more goes than was asked for, and
what stays is known to be there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sqlalchemy import select, update

from pipeline.ledger import Ledger, schema
from pipeline.states import AssetState
from sandbox.library import Library
from tests.icloud.rig import rig
from tests.pointing import Point
from tests.reclaim.cloud import POLICY, ledger_of
from tests.reclaim.test_cloud import Cloud

BURST = "B0000000-0000-4000-8000-00000000B057"
WHEN = 1_400_000_000_000


def test_until_counts_what_of_a_burst_lies_in_the_bin(use_sandbox: Point, tmp_path: Path) -> None:
    with rig(use_sandbox, Library(5, size=200_000, plain=True)) as made:
        for number in range(8):
            made.library.add(
                f"B{number}", burst=BURST, stacked=number > 0, size=400_000, created=WHEN + number
            )
        cloud = Cloud(made, tmp_path)
        capacity = cloud.session(lambda session: session._capacity())
        assert capacity is not None
        share = (capacity.used - 1_500_000) / capacity.total
        policy = replace(POLICY, before=None, until=share)
        first = cloud.session(lambda session: session.free(policy, session.survey(policy)))
        assert 1_500_000 <= first.bytes < 2_000_000
        binned = cloud.ids("trashed")
        assert any(cloud.library.find(name).stacked for name in binned)
        assert not cloud.session(lambda session: session.survey(policy)).candidates
        after = cloud.session(lambda session: session.aftermath(first))
        assert after is not None and after.binned is not None
        assert after.binned.assets == after.ours.assets == len(binned)


def test_pictures_that_stay_are_not_gone_with_the_one_in_front(
    use_sandbox: Point, tmp_path: Path
) -> None:
    with rig(use_sandbox, Library(5, size=1500, plain=True)) as made:
        for number in range(4):
            made.library.add(
                f"B{number}", burst=BURST, stacked=number > 0, favorite=number in (1, 2),
                size=1500, created=WHEN + number,
            )  # fmt: skip
        cloud = Cloud(made, tmp_path)
        assert cloud.reclaim().whole
        bursts = [one for one in cloud.library if one.burst]
        stay = {one.id for one in bursts if one.trashed is None}
        assert len(stay) >= 2
        assert bursts[0].id not in stay or bursts[0].favorite, "the one in front goes, as a rule"
        with Ledger.open(ledger_of(tmp_path)) as ledger:  # Apple forgot the token
            ledger.transact(
                lambda connection: connection.execute(update(schema.cursors).values(cursor=None))
            )
        cloud.session(lambda session: session._discover())
        with Ledger.open(ledger_of(tmp_path), exclusive=False) as ledger, ledger.read() as reading:
            states = {row.asset_id: row.state for row in reading.execute(select(schema.assets))}
        assert {states[name] for name in stay} == {AssetState.CONFIRMED}

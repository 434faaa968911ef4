"""Promise: what one phone had is never taken for what another one has."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import select

from connectors.base import Asset, Kind
from connectors.errors import Misconfigured
from pipeline.config.load import one_shot
from pipeline.ledger import Ledger, schema
from pipeline.ledger.assets import sightings
from pipeline.together.owning import claim

pytest.importorskip("pymobiledevice3")

ANY, MINE, HERS, KID = (f"iphone{device}" for device in ("", ":mine", ":hers", ":kid"))


@pytest.mark.parametrize(
    ("before", "now", "kept"),
    [
        ([ANY], [MINE], {0: 0}),  # named for the first time, or a new one in its place
        ([MINE], [HERS], {0: 0}),
        ([MINE], [HERS, MINE], {0: 1}),
        ([MINE, HERS], [HERS, MINE], {0: 1, 1: 0}),
        ([MINE, HERS], [KID, MINE, HERS], {0: 1, 1: 2}),
        ([MINE, HERS], [HERS, KID], {0: 1, 1: 0}),
        ([ANY], [MINE, HERS], None),  # it may be either
        ([MINE, HERS], [MINE], None),
    ],
)
def test_a_phone_is_never_taken_for_another_one(
    before: list[str], now: list[str], kept: dict[int, int] | None, tmp_path: Path
) -> None:
    """``kept``: which of the sources of now has what each source had before."""
    with Ledger.open(tmp_path / "l.sqlite") as ledger:
        first, second = (one_shot(ends, ["memory:x"], {}, tmp_path) for ends in (before, now))
        claim(ledger, first)
        for source in first.sources:
            asset = Asset(source.name, Kind.PHOTO, None, (), revision="1")
            ledger.transact(partial(sightings.put, source=source.name, assets=[asset], listing=1))
        if kept is None:
            with pytest.raises(Misconfigured, match="belongs to another source"):
                claim(ledger, second)
            return
        claim(ledger, second)
        with ledger.read() as connection:
            rows = connection.execute(select(schema.sightings)).all()
        found = {row.asset_id: row.source for row in rows}
        assert found == {
            first.sources[was].name: second.sources[is_].name for was, is_ in kept.items()
        }

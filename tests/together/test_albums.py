"""Albums of several sources name the assets of the one library."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from connectors.abilities import Album
from pipeline.config.models import Select
from pipeline.ledger import Ledger, schema
from pipeline.states import Exit
from tests.together.rig import Photo, World, files

ITALY = Select(albums=("Trips/Italy",))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def put(world: World, *, phone: tuple[str, ...], cloud: tuple[str, ...]) -> None:
    world.phone.albums[Album("a", ("Trips", "Italy"))] = phone
    world.cloud.albums[Album("b", ("Trips", "Italy"))] = cloud


def test_a_selected_album_is_what_any_source_has_in_it_from_the_first_run_on(
    world: World,
) -> None:
    wanted = [world.both(1), world.both(2), world.only(world.phone, 3), world.only(world.cloud, 4)]
    world.both(5)
    put(world, phone=("P1", "P3"), cloud=("C2", "C4"))
    assert world.run(select=ITALY).exit is Exit.OK
    assert world.landed() == files(*wanted)
    new = world.both(6)
    put(world, phone=("P1", "P3", "P6"), cloud=("C2", "C4"))
    assert world.run(select=ITALY).exit is Exit.OK
    assert world.landed() == files(*wanted, new)


@pytest.mark.wide
def test_two_assets_that_prove_to_be_one_stay_in_the_albums_of_both(world: World) -> None:
    photo = Photo.made(1)
    world.put(world.phone, photo, photo.asset("P1", known=False, absent=["original"]))
    world.put(world.cloud, photo, photo.asset("C1"))
    put(world, phone=("P1",), cloud=())
    world.run(select=ITALY)
    world.put(world.phone, photo, photo.asset("P1", known=False))  # and now it is on the phone
    assert world.run(select=ITALY).exit is Exit.OK
    assert world.landed() == files(photo)
    with Ledger.open(world.ledger) as ledger, ledger.read() as connection:
        (name,) = connection.execute(
            select(schema.assets.c.asset_id).where(schema.assets.c.state == "confirmed")
        ).scalars()
        members = set(connection.execute(select(schema.album_members.c.asset_id)).scalars())
    assert members == {name}

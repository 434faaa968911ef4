"""What counts as held in iCloud Photos, and what is brought back, sent or refused."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connectors.base import Transferred
from connectors.errors import CapacityExceeded, ItemError, NotFound, OutpourError, SessionExpired
from connectors.icloud.sink import ICloudSink
from sandbox.library import Library
from tests.conformance.making import Bench, content, only
from tests.icloud.rig import PASSWORD, Person, Rig, rig
from tests.icloud.test_sink_contract import Cloud
from tests.pointing import Point


@pytest.fixture
def empty(use_sandbox: Point) -> Iterator[Rig]:
    """A library without a photo, connected."""
    with rig(use_sandbox, Library(0, plain=True)) as made:
        made.connect()
        yield made


@pytest.fixture
def place(empty: Rig) -> Cloud:
    return Cloud(empty)


@pytest.fixture
def sink(place: Cloud) -> ICloudSink:
    return place.open()


@pytest.fixture
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("staging"))


def test_a_photo_the_phone_brought_is_not_sent(
    place: Cloud, sink: ICloudSink, bench: Bench
) -> None:
    data = content(50_000)
    asset = place.rig.library.add("IMG_1.JPG", data=data)
    receipt = bench.place(sink, "a.jpg", data)
    assert place.received() == 0
    assert str(receipt.checksums[0]) == f"apple:{asset.original.fingerprint}"


def test_what_was_sent_and_then_deleted_is_not_held(
    place: Cloud, sink: ICloudSink, bench: Bench
) -> None:
    bench.place(sink, "a.jpg", content(5000))
    (asset,) = place.rig.library
    place.rig.library.trash(asset.id)
    assert sink.stat("a.jpg") is None and place.open().stat("a.jpg") is None
    bench.place(sink, "a.jpg", content(5000, 1))  # the path is free: nothing visible is there
    place.rig.icloud.empty_trash()
    again = bench.place(sink, "b.jpg", content(5000))
    assert sink.stat("b.jpg") == again and len(place.rig.library) == 2


def test_a_master_whose_photo_is_gone_for_good_is_not_held(
    place: Cloud, sink: ICloudSink, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether Apple keeps the record of the bytes for a while is not known: it proves nothing."""
    library = place.rig.library
    asset = library.add("IMG_1.JPG", data=content(5000))
    zone = place.rig.icloud.cloudkit.zones["private"]["PrimarySync"]
    by_master = zone.by_master

    def lingering(name: str) -> object:
        return asset if name == asset.original.fingerprint else by_master(name)

    library.purge(asset.id)
    with monkeypatch.context() as patch:
        patch.setattr(zone, "by_master", lingering)
        sent = bench.send(sink, "a.jpg", content(5000))
        assert sent.receipt is None and place.received() == 5000
    only(sink.commit([sent]))
    assert len(library) == 1


def test_what_the_phone_brings_after_the_listing_is_apples_duplicate(
    place: Cloud, sink: ICloudSink, bench: Bench
) -> None:
    library = place.rig.library
    for number in range(2):
        asset = library.add("IMG_1.JPG", data=content(5000, number))
        bench.place(sink, f"{number}.jpg", content(5000, number))
        assert sink.stat(f"{number}.jpg")
    assert len(library) == 2
    library.trash(asset.id)
    assert sink.stat("1.jpg") is None
    bench.place(sink, "2.jpg", content(5000, 1))
    assert library.find(asset.id).trashed is None and len(library) == 2


def test_a_deleted_duplicate_of_a_photo_that_was_kept_stays_deleted(
    place: Cloud, sink: ICloudSink, bench: Bench
) -> None:
    library = place.rig.library
    kept = library.add("IMG_1.JPG", data=content(5000))
    gone = library.add("IMG_1.JPG", data=content(5000))
    library.trash(gone.id)
    bench.place(sink, "a.jpg", content(5000))
    assert library.find(gone.id).trashed is not None and library.find(kept.id).trashed is None
    assert place.received() == 0


def test_one_content_at_two_paths_is_one_photo(
    place: Cloud, sink: ICloudSink, bench: Bench
) -> None:
    sent = [bench.send(sink, path, content(5000)) for path in ("a.jpg", "b.jpg")]
    for answer in sink.commit(sent):
        assert not isinstance(answer, OutpourError)
    assert len(place.rig.library) == 1


@pytest.mark.parametrize("name", ["IMG_1.AAE", "IMG_1.jpg.xmp"])
def test_a_sidecar_is_refused_in_one_line(
    place: Cloud, sink: ICloudSink, bench: Bench, name: str
) -> None:
    with pytest.raises(ItemError) as caught:
        bench.place(sink, name, content(300))
    assert "\n" not in str(caught.value) and "takes pictures and videos" in str(caught.value)
    assert place.received() == 0


def test_it_fills_up_between_the_bytes_and_the_registration(
    place: Cloud, sink: ICloudSink, bench: Bench
) -> None:
    sent = bench.send(sink, "a.jpg", content(50_000))
    place.fill_up(100)
    (answer,) = sink.commit([sent])
    assert isinstance(answer, CapacityExceeded) and answer.hint
    assert len(place.rig.library) == 0 and sink.stat("a.jpg") is None


def test_it_goes_on_when_the_person_has_signed_in_again(
    place: Cloud, sink: ICloudSink, bench: Bench
) -> None:
    bench.place(sink, "a.jpg", content(100))
    place.expire()
    with pytest.raises(SessionExpired):
        bench.place(sink, "b.jpg", content(101))
    sink.reconnect(Person(PASSWORD, 1))
    bench.place(sink, "b.jpg", content(101))
    assert len(place.rig.library) == 2


def test_a_token_of_other_bytes_is_not_believed(
    place: Cloud, sink: ICloudSink, bench: Bench
) -> None:
    token = bench.send(sink, "a.jpg", content(5000)).token
    put, _ = bench.stage("b.jpg", content(5000, 1))
    (answer,) = sink.commit([Transferred(put, token)])
    assert isinstance(answer, NotFound) and len(place.rig.library) == 0

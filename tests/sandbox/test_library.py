"""The sandbox library: real files, reproducible, distinct, of any size."""

from __future__ import annotations

import io
import struct
import time
import tracemalloc
from collections import Counter

import pytest
from PIL import Image
from pillow_heif import register_heif_opener

from sandbox.library import VIEWS, Content, Library, apple_fingerprint


@pytest.fixture(scope="module")
def library() -> Library:
    return Library(150, seed=2)


def test_one_seed_one_library(library: Library) -> None:
    again = Library(150, seed=2)
    for one, other in zip(library, again, strict=True):
        assert one == other
    prints = [file.fingerprint for asset in library for file in asset.files]
    assert prints == [file.fingerprint for asset in again for file in asset.files]
    others = {asset.id for asset in Library(150, seed=9)}
    assert not others & {asset.id for asset in library}


def test_contents_are_distinct_unless_they_share_an_original(library: Library) -> None:
    seen: dict[str, str] = {}
    for asset in library:
        for file in asset.files:
            tag = seen.setdefault(file.fingerprint, file.content.tag)
            assert tag == file.content.tag
    shared = Counter(asset.original.fingerprint for asset in library)
    assert shared.most_common(1)[0][1] == 3


def test_stills_open_and_live_pairs_match(library: Library) -> None:
    register_heif_opener()
    live = 0
    for asset in list(library)[::3]:
        for file in asset.files:
            data = file.content.read()
            if file.uti in {"public.jpeg", "public.heic", "public.png"}:
                image = Image.open(io.BytesIO(data))
                image.load()
                assert image.size == (file.width, file.height)
        video = asset.file("live_video")
        if video:
            live += 1
            image = Image.open(io.BytesIO(asset.original.content.read()))
            note = image.getexif().get_ifd(0x8769)[0x927C]
            assert note.startswith(b"Apple iOS\0")
            paired = content_identifier(note)
            assert paired in video.content.read()
    assert live > 5


def content_identifier(note: bytes) -> bytes:
    """Tag 17 of Apple's MakerNote, read as any EXIF reader would."""
    (count,) = struct.unpack_from(">H", note, 14)
    for index in range(count):
        tag, _kind, length, at = struct.unpack_from(">HHII", note, 16 + 12 * index)
        if tag == 0x11:
            return note[at : at + length - 1]
    raise AssertionError("no content identifier")


def boxes(data: bytes) -> dict[str, bytes]:
    found, at = {}, 0
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        assert size >= 8 and at + size <= len(data)
        found[kind.decode()] = data[at + 8 : at + size]
        at += size
    assert at == len(data)
    return found


def test_movies_are_well_formed(library: Library) -> None:
    movie = next(a for a in library if a.kind == "video").original.content.read()
    top = boxes(movie)
    assert list(top) == ["ftyp", "mdat", "moov", "free"]
    media = boxes(boxes(boxes(top["moov"])["trak"])["mdia"])
    table = boxes(boxes(media["minf"])["stbl"])
    count = struct.unpack_from(">I", table["stco"], 4)[0]
    sizes = struct.unpack_from(f">{count}I", table["stsz"], 12)
    for number, size in enumerate(sizes):
        (offset,) = struct.unpack_from(">I", table["stco"], 8 + 4 * number)
        Image.open(io.BytesIO(movie[offset : offset + size])).load()


def test_raw_files_are_dng(library: Library) -> None:
    raw = next(file for asset in library if (file := asset.file("raw"))).content.read()
    order, magic, first = struct.unpack_from(">2sHI", raw)
    assert (order, magic) == (b"MM", 42)
    (count,) = struct.unpack_from(">H", raw, first)
    tags = {struct.unpack_from(">H", raw, first + 2 + 12 * i)[0] for i in range(count)}
    assert {0xC612, 0xC614, 0xC621, 0x0111} <= tags


def test_bytes_at_an_offset_equal_the_tail(library: Library) -> None:
    for asset in list(library)[:20]:
        content = asset.original.content
        whole = content.read()
        assert len(whole) == content.size
        for offset in (0, 1, content.head - 1, content.head, content.head + 33, content.size - 1):
            assert content.read(offset) == whole[offset:]
        assert content.read(5, 100) == whole[5:105]
        assert content.fingerprint() == apple_fingerprint(iter([whole]))


def test_big_files_cost_nothing_until_read() -> None:
    library = Library(3, size=5_000_000_000, plain=True)
    tracemalloc.start()
    file = library.get(1).original
    assert file.size == 5_000_000_000
    assert len(file.content.read(4_999_999_000)) == 1000
    tail = file.content.read(4_000_000_000, 3_000_000)
    assert tail[500_000:] == file.content.read(4_000_500_000, 2_500_000)
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()


def test_plain_libraries_have_files_of_the_size_asked_for() -> None:
    library = Library(20, size=50_000, plain=True)
    assert {asset.size for asset in library} == {50_000}
    assert len({asset.original.fingerprint for asset in library}) == 20
    content = library.get(3).original.content
    assert content.fingerprint() == apple_fingerprint(content.chunks())
    Image.open(io.BytesIO(content.read())).load()


def test_a_hundred_thousand_assets_are_ready_in_seconds() -> None:
    started = time.process_time()
    library = Library(100_000, plain=True)
    assert len(library.view("shown")) == 100_000
    assert library.find(library.get(77_777).id).number == 77_777
    assert time.process_time() - started < 5


def test_views_follow_changes(library: Library) -> None:
    library = Library(60, seed=4)
    asset = library.get(library.view("shown")[7])
    library.change(asset.id, favorite=True)
    assert asset.number in library.view("favorite")
    library.trash(asset.id)
    assert asset.number in library.view("trashed")
    assert asset.number not in library.view("shown")
    library.restore(asset.id)
    assert library.view("shown")[7] == asset.number
    library.purge(asset.id)
    assert not any(asset.number in library.view(name) for name in VIEWS)
    with pytest.raises(KeyError):
        library.find(asset.id)
    new = library.add("fresh", "video", "mov")
    assert list(library.view("shown")[:2])[1] == new.number  # after the one taken in 3000
    assert [event.seq for event in library.events] == [1, 2, 3, 4, 5]


def test_edits_make_new_bytes_and_keep_the_original(library: Library) -> None:
    library = Library(30, seed=6)
    asset = next(a for a in library if a.kind == "photo" and not a.file("edited"))
    first = library.edit(asset.id)
    second = library.edit(asset.id)
    assert first.original == second.original == asset.original
    edits = (first.file("edited"), second.file("edited"))
    assert edits[0] and edits[1] and edits[0].fingerprint != edits[1].fingerprint
    assert (asset.revision, first.revision, second.revision) == (0, 1, 2)


def test_given_bytes_are_kept() -> None:
    data = b"exactly these"
    asset = Library(0, plain=True).add("IMG.JPG", data=data)
    assert asset.original.content.read() == data
    assert asset.original.filename == "IMG.JPG"
    assert Content.of(data).fingerprint() == asset.original.fingerprint


@pytest.mark.parametrize("plain", [True, False])
def test_libraries_do_not_lend_each_other_fingerprints(plain: bool) -> None:
    """Files of one number, name and size in two libraries are different files."""
    for first in (1, 2):
        library = Library(60, seed=5, size=30_000, plain=plain)
        library.add("NEW", created=first * 1_000_000_000_000, size=30_000)
        for other in (library, Library(2, seed=first)):
            for asset in other:
                for file in asset.files:
                    assert file.content.fingerprint() == apple_fingerprint(file.content.chunks())

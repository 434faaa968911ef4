"""Every digest equals one computed elsewhere, however the bytes are cut into chunks."""

from __future__ import annotations

import base64
import hashlib
import random
from collections.abc import Iterator
from itertools import pairwise

import pytest
from dropbox.content_hash import DropboxContentHasher
from hypothesis import given
from hypothesis import strategies as st

from connectors.checksums import (
    DROPBOX_BLOCK,
    Algorithm,
    Checksum,
    Digests,
    Hasher,
    digest,
    is_recomputable,
)

BODIES = [
    random.Random(size).randbytes(size)
    for size in (0, 1, DROPBOX_BLOCK - 1, DROPBOX_BLOCK, DROPBOX_BLOCK + 1, 2 * DROPBOX_BLOCK + 77)
]
bodies = st.binary(max_size=3000) | st.sampled_from(BODIES)


def cut(data: bytes, places: list[int]) -> Iterator[bytes]:
    marks = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    yield from (data[a:b] for a, b in pairwise(marks))


@given(bodies, st.lists(st.integers(0, 2**31), max_size=9))
def test_chunking_does_not_matter(data: bytes, places: list[int]) -> None:
    assert digest(cut(data, places)) == digest([data])


@given(bodies)
def test_they_agree_with_independent_computations(data: bytes) -> None:
    ours = digest([data])
    dropbox = DropboxContentHasher()
    dropbox.update(data)
    # The documented form of the first scheme, spelled out.
    salted = b"com.apple.XattrObjectSalt\x00com.apple.DataObjectSalt\x00" + data
    apple = base64.b64encode(b"\x01" + hashlib.sha1(salted).digest()).decode()
    assert ours.size == len(data)
    assert ours[Algorithm.SHA256] == hashlib.sha256(data).hexdigest()
    assert ours[Algorithm.MD5] == hashlib.md5(data).hexdigest()
    assert ours[Algorithm.DROPBOX] == dropbox.hexdigest()
    assert ours[Algorithm.APPLE] == apple


@given(st.sampled_from(BODIES), st.data())
def test_the_hash_of_a_part_is_that_of_its_bytes(data: bytes, choose: st.DataObject) -> None:
    ours = digest([data])
    blocks = -(-len(data) // DROPBOX_BLOCK)
    first = choose.draw(st.integers(0, blocks))
    last = choose.draw(st.integers(first, blocks))
    offset = first * DROPBOX_BLOCK
    end = min(last * DROPBOX_BLOCK, len(data))
    expected = DropboxContentHasher()
    expected.update(data[offset:end])
    assert ours.part(offset, max(0, end - offset)) == expected.hexdigest()


@pytest.mark.parametrize(("offset", "length"), [(1, DROPBOX_BLOCK), (0, 5), (DROPBOX_BLOCK, 76)])
def test_a_part_that_is_not_aligned_is_refused(offset: int, length: int) -> None:
    with pytest.raises(ValueError, match="aligned"):
        digest([BODIES[-1]]).part(offset, length)


def test_more_may_follow_after_digests_were_asked_for() -> None:
    hasher = Hasher()
    for data in BODIES:
        hasher.update(memoryview(data))
        hasher.digests()
    assert hasher.digests() == digest(BODIES)


@given(st.sampled_from(list(Algorithm)), st.text(min_size=1))
def test_a_checksum_survives_being_written(algorithm: Algorithm, value: str) -> None:
    checksum = Checksum(algorithm, value)
    assert Checksum.parse(str(checksum)) == checksum


@pytest.mark.parametrize("text", ["", "sha256", "sha256:", "crc32:00", ":x"])
def test_what_is_no_checksum_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        Checksum.parse(text)


@given(st.binary(max_size=40))
def test_only_the_first_scheme_can_be_recomputed(raw: bytes) -> None:
    value = base64.b64encode(raw).decode()
    assert is_recomputable(value) == (len(raw) == 21 and raw[:1] == b"\x01")
    assert Checksum(Algorithm.APPLE, value).verifiable == is_recomputable(value)


@pytest.mark.parametrize("value", ["", "not base64!", "AQ", "ä" * 28])
def test_a_value_of_another_scheme_is_neither_right_nor_wrong(value: str) -> None:
    ours = digest([b"bytes"])
    with pytest.raises(ValueError, match="scheme"):
        ours.agrees(Checksum(Algorithm.APPLE, value))


@given(bodies, bodies)
def test_agreement_is_equality_of_bytes(one: bytes, other: bytes) -> None:
    ours, theirs = digest([one]), digest([other])
    for algorithm in Algorithm:
        assert ours.agrees(Checksum(algorithm, theirs[algorithm])) == (one == other)


def test_a_digest_that_is_not_known_does_not_agree() -> None:
    partial = Digests(5, {Algorithm.SHA256: "ab"})
    assert not partial.agrees(Checksum(Algorithm.MD5, "ab"))

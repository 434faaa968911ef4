"""The part of the sink suite about staged files that are not what they should be."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Body, Sink
from connectors.errors import OutpourError, Unreadable
from tests.conformance.making import Bench, content, only
from tests.conformance.places import SinkPlace


def fail_to_read(body: Body, patch: pytest.MonkeyPatch) -> None:
    """The disk of this file still knows its size and its first byte, and fails at the rest."""

    class Failing(io.FileIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if size == 1:
                return super().read(size)
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    opened = Path.open

    def open_(path: Path, *args: Any, **more: Any) -> Any:
        return Failing(path) if path == body.path else opened(path, *args, **more)

    patch.setattr(Path, "open", open_)


class BodyTests:
    @pytest.mark.parametrize("wrong", [-1, 1, -4000])
    def test_a_body_of_another_size_is_refused_and_leaves_nothing(
        self, place: SinkPlace, sink: Sink, bench: Bench, wrong: int
    ) -> None:
        put, body = bench.stage("IMG_1.jpg", content(5000))
        body.path.write_bytes(content(5000 + wrong))
        with pytest.raises(OutpourError):
            only(sink.commit([sink.transfer(put, body, None, bench.keep)]))
        assert place.open().stat("IMG_1.jpg") is None

    @pytest.mark.parametrize("sole", [True, False])
    def test_a_body_that_is_gone_is_no_fault_of_the_sink(
        self, sink: Sink, bench: Bench, sole: bool
    ) -> None:
        put, body = bench.stage("IMG_1.jpg", content(5000), sole=sole)
        body.path.unlink()
        with pytest.raises(Unreadable):
            sink.transfer(put, body, None, bench.keep)

    @pytest.mark.parametrize("size", ["small", "large"])
    def test_a_body_whose_disk_fails_is_no_fault_of_the_network(
        self, place: SinkPlace, sink: Sink, bench: Bench, size: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if not place.streams:
            pytest.skip("this sink has its bytes copied by the system")
        put, body = bench.stage("IMG_1.jpg", content(place.large if size == "large" else 5000))
        with monkeypatch.context() as patch, pytest.raises(Unreadable, match="cannot be read"):
            fail_to_read(body, patch)
            sink.transfer(put, body, None, bench.keep)
        assert place.open().stat("IMG_1.jpg") is None

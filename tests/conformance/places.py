"""What a test bench tells the suites about the place under test, and what it can arrange.

A hook that a bench does not have skips the tests that need it, and the summary says so.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from connectors.base import Asset, Resource, Sink, Source
from tests.conformance.making import BLOCK


class SinkPlace:
    """A sink under test, and what its bench can arrange."""

    secrets: tuple[str, ...] = ()
    """Strings that must never show: tokens, passwords, signed addresses."""
    large = 2 * BLOCK + 12345
    """Bytes of a file that takes the sink's way for large files, in several steps."""
    exclusive = True
    """Two transfers to one path, both begun when it was free: only the first commit wins."""
    streams = True
    """Reads a body as it is sent; False where the system copies it from disk to disk."""

    def open(self) -> Sink:
        """A connector object of its own over the same place, as a new process makes it."""
        raise NotImplementedError

    def fill_up(self, room: int) -> None:
        """Leave ``room`` bytes free."""
        pytest.skip("the bench cannot fill this place")

    def throttle(self) -> float | None:
        """Refuse the next upload for its rate; returns the wait asked for, None for unsaid."""
        pytest.skip("the bench cannot throttle this place")

    def cut(self) -> None:
        """Break the connection of the next upload after some of its bytes."""
        pytest.skip("the bench cannot cut this place's connections")

    def expire(self) -> None:
        """End the session."""
        pytest.skip("this place has no session")

    def lapse(self) -> Callable[[], int]:
        """End the access that the place renews by itself; what is returned counts the renewals."""
        pytest.skip("this place renews no access")

    def received(self) -> int | None:
        """Bytes of bodies the place was sent so far, None where nobody counts."""
        return None


class SourcePlace:
    """A source under test, with at least three assets in it."""

    secrets: tuple[str, ...] = ()
    """Strings that must never show: tokens, passwords, signed addresses."""
    has_live = True
    """At least one asset is a Live Photo."""

    def open(self) -> Source:
        """A connector object of its own over the same place, as a new process makes it."""
        raise NotImplementedError

    def truth(self, asset: Asset, resource: Resource) -> bytes | None:
        """What the bytes of a resource really are, None where the bench does not know."""
        return None

    def empty(self) -> None:
        """Take everything out."""
        pytest.skip("the bench cannot empty this place")

    def change(self) -> str:
        """Change one asset or add one; returns its id."""
        pytest.skip("the bench cannot change this place")

    def remove(self) -> str:
        """Delete one asset; returns its id."""
        pytest.skip("the bench cannot delete here")

    def damage(self) -> None:
        """Make one more item that a listing names but cannot be read."""
        pytest.skip("the bench cannot damage an item here")

    def cut(self) -> None:
        """Break the connection of the next stream after some of its bytes."""
        pytest.skip("the bench cannot cut this place's connections")

    def throttle(self) -> float | None:
        """Refuse the next stream for its rate; returns the wait asked for, None for unsaid."""
        pytest.skip("the bench cannot throttle this place")

    def expire(self) -> None:
        """End the session."""
        pytest.skip("this place has no session")


def assert_silent(place: SinkPlace | SourcePlace, text: str) -> None:
    assert not [secret for secret in place.secrets if secret in text], "a secret is shown"

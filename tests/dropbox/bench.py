"""A Dropbox on loopback and our connector pointed at it by its environment."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Self

from connectors.base import Transferred
from connectors.dropbox import DropboxSettings
from connectors.dropbox.auth import Grant, store_grant
from connectors.dropbox.sink import DropboxSink
from connectors.errors import OutpourError
from sandbox.dropbox import SCOPES, TEAM_SCOPES
from sandbox.dropbox import Dropbox as Double
from sandbox.dropbox.signin import TEAM
from sandbox.dropbox.tree import File
from tests.conformance.places import SinkPlace


class DropboxPlace(SinkPlace):
    """Signed in, as a person or for a team; ``settings`` as given. ``namespace`` is where they
    put files, by default the person's own folder."""

    def __init__(
        self, double: Double, *, team: bool = False, namespace: str = "", **settings: Any
    ) -> None:
        self.double = double
        self.tree = double.space(namespace or double.owner.home).tree
        self.settings = DropboxSettings(**settings)
        scopes = (*SCOPES, *TEAM_SCOPES) if team else SCOPES
        self.refresh = double.signin.refresh_token(scopes)
        grant = Grant(self.refresh, double.signin.app_key, team=TEAM if team else "")
        store_grant(self.settings, grant)
        self.secrets = (self.refresh, "sl.", "pid_upload_session")

    def open(self) -> DropboxSink:
        return DropboxSink("dropbox", self.settings)

    def fill_up(self, room: int) -> None:
        self.tree.limit = self.tree.used + self.tree.other + room

    def throttle(self) -> float | None:
        self.double.faults.retry_after = 7
        self.double.faults.once("throttle", "files/upload_session/*")
        return 7

    def cut(self) -> None:
        self.double.faults.once("cut_upload")

    def expire(self) -> None:
        self.double.signin.revoke()

    def lapse(self) -> Callable[[], int]:
        self.double.signin.end_access()
        before = self.double.signin.refreshes
        return lambda: self.double.signin.refreshes - before

    def received(self) -> int | None:
        return self.double.received


def shifted(off: timedelta) -> type[datetime]:
    """What a machine takes for ``datetime`` whose clock is ``off``."""

    class Shifted(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return super().now(tz) + off

        @classmethod
        def utcnow(cls) -> Self:
            return cls.now(UTC).replace(tzinfo=None)

    return Shifted


def held(double: Double) -> Mapping[str, bytes]:
    """Every file of the account by its path as shown."""
    return files_of(double, double.owner.home)


def files_of(double: Double, namespace: str) -> Mapping[str, bytes]:
    """The same, of a member's own folder or of the team's space."""
    return {
        node.display: b"".join(node.content.read())
        for node in double.space(namespace).tree.nodes.values()
        if isinstance(node, File)
    }


def all_sent(answers: Sequence[Transferred | OutpourError]) -> list[Transferred]:
    """The answers to a batch of which none was refused."""
    sent = [answer for answer in answers if isinstance(answer, Transferred)]
    assert len(sent) == len(answers), answers
    return sent


def broken(double: Double) -> Mapping[tuple[int, str], int]:
    """Requests that no client of this API may send."""
    return {
        (status, reason): count
        for (status, reason), count in double.refusals.items()
        if status in (400, 404) and reason not in ("invalid_client",)
    }

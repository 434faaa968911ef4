"""A Google Drive on loopback and our connector pointed at it by its environment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from connectors.gdrive import DriveSettings
from connectors.gdrive.auth import Grant, store_grant
from connectors.gdrive.sink import DriveSink
from sandbox.gdrive import GoogleDrive as Double
from sandbox.gdrive.oauth import DRIVE_FILE
from sandbox.gdrive.resource import USER
from tests.conformance.places import SinkPlace

TOKEN_URI = "https://oauth2.googleapis.com/token"


class DrivePlace(SinkPlace):
    """Signed in; ``settings`` and ``scopes`` as given."""

    large = 9 * 1024 * 1024 + 12345
    exclusive = False  # a file is visible with its last byte, so there is no second commit

    def __init__(self, double: Double, *scopes: str, **settings: Any) -> None:
        self.double = double
        self.settings = DriveSettings(**{"chunk_mib": 2, **settings})
        self.refresh = double.signin.issue(*(scopes or (DRIVE_FILE,)))
        client = double.signin.client
        store_grant(self.settings, Grant(self.refresh, client.id, client.secret, TOKEN_URI, USER))
        self.secrets = (self.refresh, client.secret, "ya29.", "upload_id=")

    def open(self) -> DriveSink:
        return DriveSink("drive", self.settings)

    def fill_up(self, room: int) -> None:
        self.double.store.limit = self.double.store.used + self.double.store.other + room

    def throttle(self) -> float | None:
        self.double.faults.retry_after = 7
        self.double.faults.once("throttle", "upload.*")
        return 7

    def cut(self) -> None:
        self.double.faults.once("cut_upload")

    def expire(self) -> None:
        self.double.signin.revoke_all()
        self.double.signin.end_access()

    def lapse(self) -> Callable[[], int]:
        self.double.signin.end_access()
        before = self.double.signin.refreshes
        return lambda: self.double.signin.refreshes - before

    def received(self) -> int | None:
        return self.double.received


def held(double: Double) -> Mapping[str, int]:
    """How many files lie at each path."""
    return {path: len(nodes) for path, nodes in double.store.paths().items()}


def broken(double: Double) -> Mapping[tuple[int, str], int]:
    """Requests that no real client of this API may send; an unusable id is ordinary."""
    return {
        (status, reason): count
        for (status, reason), count in double.refusals.items()
        if status in (400, 501) and reason != "invalid"
    }

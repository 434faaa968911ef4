"""Dropbox keeps the contract of every sink."""

from __future__ import annotations

import pytest

from sandbox.dropbox import Dropbox as Double
from sandbox.dropbox.team import SPACE
from tests.conformance.sink_suite import SinkSuite
from tests.dropbox.bench import DropboxPlace


class TestDropbox(SinkSuite):
    @pytest.fixture
    def place(self, double: Double) -> DropboxPlace:
        return DropboxPlace(double)


@pytest.mark.wide
class TestTeamSpace(SinkSuite):
    """An administrator's sign-in acts for a member, in the space of their team."""

    @pytest.fixture
    def place(self, double: Double) -> DropboxPlace:
        double.team.space = True
        bob = double.team.hire("bob@example.com").email
        acting = {"impersonate": bob, "team_space": True}
        return DropboxPlace(double, team=True, namespace=SPACE, **acting)

"""What several rehearsals need."""

from __future__ import annotations

import pytest
import tenacity


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """What iCloud refuses is asked for again at once."""
    monkeypatch.setattr("connectors.patience._backoff", tenacity.wait_none())
    monkeypatch.setattr("pipeline.retry._FIRST", 0.01)

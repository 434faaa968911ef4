"""Which of a test's cases ``make test`` runs, and which only ``make test-wide`` does."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def wide_after(usual: int, cases: Iterable[Any]) -> list[Any]:
    """The first ``usual`` of the ``cases`` as they are, the others as rarer ones."""
    return [
        case
        if number < usual
        else pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.wide)
        for number, case in enumerate(cases)
    ]

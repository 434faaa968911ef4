"""What every source and every sink must keep, as test suites that a short file feeds."""

import pytest

_PARTS = ("sink_suite", "source_suite", "ability_tests", "batch_tests", "body_tests",
          "replace_tests", "making")  # fmt: skip
pytest.register_assert_rewrite(*(f"{__name__}.{part}" for part in _PARTS))

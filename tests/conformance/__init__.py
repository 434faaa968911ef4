"""What every source and every sink must keep, as test suites that a short file feeds."""

import pytest

pytest.register_assert_rewrite(
    *(f"{__name__}.{part}" for part in ("sink_suite", "batch_tests", "source_suite", "making"))
)

"""``outpour schema``."""

from __future__ import annotations

from pipeline.cli.output import emit
from pipeline.config.schema import schema as schema_of_files


def schema() -> int:
    """Print the JSON schema of pipeline files, for editors.

    It knows the settings of every connector that is installed.
    """
    emit(schema_of_files())
    return 0

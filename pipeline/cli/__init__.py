"""The command ``outpour``. Every command ends with one of ``pipeline.states.Exit``."""

from pipeline.cli.app import main

__all__ = ["main"]

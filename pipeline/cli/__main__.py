"""``python -m pipeline.cli`` is ``outpour``."""

from pipeline.cli import main

main()

"""Several sources as one library: every asset once, its bytes from wherever they are cheapest."""

from pipeline.together.source import Together

__all__ = ["Together"]

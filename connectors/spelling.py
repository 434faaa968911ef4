"""Names that some system takes for one."""

from __future__ import annotations

import unicodedata


def folded(path: str) -> str:
    """The same for two paths that differ in case or composition alone."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())

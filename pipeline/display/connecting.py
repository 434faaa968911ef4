"""What a person types to sign in again, in the words of the command that is under way.

A connector that asks for a new sign-in knows nothing of a pipeline file, in which its place may
have an account or a region of its own: there the file is what is to be connected.
"""

from __future__ import annotations

import re

from connectors import registry

_ALONE = r"outpour connect (?:{})(?::[^\s;,()]*[^\s;,().])?(?![\w-])"
_command = ""


def connect_by(command: str) -> None:
    """What connects the places of this command; empty where no file names them. For all threads."""
    global _command
    _command = command


def addressed(text: str) -> str:
    """``text``, with what this command's places are connected by."""
    if not _command or "outpour connect" not in text:
        return text
    alone = _ALONE.format("|".join(map(re.escape, registry.names())))
    return re.sub(alone, lambda _: _command, text)

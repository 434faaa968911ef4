"""The one place where an error becomes a line, a hint and an exit code."""

from __future__ import annotations

from dataclasses import dataclass

from connectors.errors import (
    CapacityExceeded,
    DiskFull,
    Misconfigured,
    OutpourError,
    SessionExpired,
    is_full,
    redact,
    unexpected,
)
from pipeline.states import Exit


@dataclass(frozen=True, slots=True)
class Failure:
    """What is wrong, what to do about it, and the code of the command that it ends."""

    text: str
    hint: str
    exit: Exit


def failure(error: Exception) -> Failure:
    """Errors raised on purpose, those of the computer, and as the last resort any defect."""
    if isinstance(error, OutpourError):
        return Failure(str(error), error.hint, _exit(error))
    if isinstance(error, OSError):
        return _of_system(error)
    hint = "OUTPOUR_DEBUG=1 shows where; nothing that was confirmed is lost"
    return Failure(unexpected(error), hint, Exit.FATAL)


def told(error: OSError) -> str:
    """What the system refused, on one line, with the name of the file if it gave one."""
    reason = error.strerror or type(error).__name__
    return redact(f"{error.filename}: {reason}" if error.filename else reason)


def _exit(error: OutpourError) -> Exit:
    if isinstance(error, Misconfigured):
        return Exit.USAGE
    if isinstance(error, SessionExpired):
        return Exit.NEEDS_PERSON
    if isinstance(error, CapacityExceeded | DiskFull):
        return Exit.NO_ROOM
    return Exit.FATAL


def _of_system(error: OSError) -> Failure:
    """What the computer itself refused: a full disk, a folder that cannot be written."""
    if is_full(error):
        hint = "make room on that disk, then run again; nothing that was confirmed is lost"
        return Failure(told(error), hint, Exit.NO_ROOM)
    hint = "is it there, and may you read and write there? Then run again" if error.filename else ""
    return Failure(told(error), hint, Exit.FATAL)

"""The named states of assets, resources, copies and runs, and what exit code they lead to."""

from __future__ import annotations

from enum import IntEnum, StrEnum


class AssetState(StrEnum):
    """Every asset ends each run in exactly one of these, with a reason."""

    PENDING = "pending"  # known, its work has not ended
    CONFIRMED = "confirmed"  # every chosen resource is at as many sinks as the goal asks for
    FAILED = "failed"  # an error that trying again in this run did not cure
    QUARANTINED = "quarantined"  # the bytes contradict the source's checksum
    WAITING = "waiting"  # interrupted, no room, or a person is needed: the next run goes on
    EXCLUDED = "excluded"  # outside the selection
    UNAVAILABLE = "unavailable"  # the source knows the asset but does not have its bytes
    GONE = "gone"  # left the source


class CopyState(StrEnum):
    PENDING = "pending"
    TRANSFERRED = "transferred"  # bytes at the sink, not yet visible
    CONFIRMED = "confirmed"
    FAILED = "failed"
    MISSING = "missing"  # was confirmed, a later check did not find it or found other bytes
    YIELDED = "yielded"  # a sidecar not written: another file has its path, or somebody edited it


class TrashState(StrEnum):
    """How a deletion at the source stands."""

    INTENDED = "intended"
    TRASHED = "trashed"  # in the source's bin, by its own answer or its own listing
    REFUSED = "refused"
    RESTORED = "restored"


NOT_WANTED = (AssetState.EXCLUDED, AssetState.GONE)
"""States of an asset that nobody asks for."""

WENT_WRONG = (AssetState.QUARANTINED, AssetState.FAILED, AssetState.UNAVAILABLE)
"""States of an asset that trying again will not cure, the worst first."""

ENDED_WELL = (CopyState.CONFIRMED, CopyState.YIELDED)
"""States of a copy that leave nothing to do."""


class Proof(StrEnum):
    """Why the bytes of a resource are believed to be the source's."""

    NONE = ""
    CHECKSUM = "checksum"  # the source's own checksum was recomputed and agrees
    SIZE = "size"  # the source gives no checksum anyone can recompute; the size agrees


class RunState(StrEnum):
    RUNNING = "running"
    COMPLETE = "complete"
    INTERRUPTED = "interrupted"  # Ctrl-C
    NEEDS_PERSON = "needs_person"
    NO_ROOM = "no_room"
    FAILED = "failed"


class Exit(IntEnum):
    """Exit codes of every command."""

    OK = 0  # everything the plan asked for is confirmed
    ITEMS_FAILED = 1  # the run ended, some items are not confirmed
    USAGE = 2  # wrong arguments or configuration, nothing was started
    NEEDS_PERSON = 3  # a sign-in or an answer is needed, then run again
    NO_ROOM = 4  # a place is full, or the disk of staging, the ledger or an output
    FATAL = 5  # a place failed as a whole, for example it cannot be reached; run again
    INTERRUPTED = 130  # Ctrl-C

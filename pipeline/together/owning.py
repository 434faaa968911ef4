"""Whose ledger it is: two pipelines of one name must not take one library for the other."""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlalchemy import Connection

from connectors.errors import Misconfigured
from pipeline.config.models import Pipeline
from pipeline.ledger import Ledger, meta, places
from pipeline.ledger.assets import sightings
from pipeline.together.joining import adopt_library

_OWNER = "source"
_NAMES = "source names"
Identity = list[str]


def claim(ledger: Ledger, pipeline: Pipeline) -> None:
    """Make a ledger the pipeline's own. Misconfigured if it belongs to other sources.

    A pipeline may be given more sources than it had, and may name and order them anew: what
    was moved stays known.
    """
    ledger.transact(lambda connection: _claim(connection, pipeline))


def _claim(connection: Connection, pipeline: Pipeline) -> None:
    ours = [place.identity for place in pipeline.sources]
    theirs: list[Identity] = json.loads(meta.get(connection, _OWNER) or "[]")
    for type_ in {place.type for place in pipeline.sources if place.connector.recognised}:
        theirs = _followed(theirs, ours, type_)
    if not _succeeds(theirs, ours):
        owners = ", ".join(" ".join(filter(None, identity)) for identity in theirs)
        raise Misconfigured(
            f"the ledger called {pipeline.name!r} belongs to another source ({owners})",
            hint="Give this pipeline another name: in its file.",
        )
    now = [place.name for place in pipeline.sources]
    if theirs:
        same = theirs == ours  # two of one identity are told apart by their order
        kept = now if same else [now[ours.index(identity)] for identity in theirs]
        before = json.loads(meta.get(connection, _NAMES) or "[]") or kept
        renamed = dict(zip(before, kept, strict=True))
        sightings.rename(connection, renamed)
        places.rename_sources(connection, renamed)
        if len(theirs) == 1 < len(ours):
            adopt_library(connection, kept[0])
    _write(connection, _OWNER, ours)
    _write(connection, _NAMES, now)


def _followed(theirs: list[Identity], ours: Sequence[Identity], type_: str) -> list[Identity]:
    """Theirs, the one of this type that is called otherwise now under its new name. Where it could
    be one of several, none is it."""
    left = [one for one in theirs if one[0] == type_ and one not in ours]
    new = [one for one in ours if one[0] == type_ and one not in theirs]
    if len(left) != 1 or len(new) != 1:
        return theirs
    return [new[0] if one == left[0] else one for one in theirs]


def _succeeds(theirs: Sequence[Identity], ours: Sequence[Identity]) -> bool:
    """Whether these sources are those, or those and more."""
    if list(theirs) == list(ours):
        return True
    return len(theirs) <= len(ours) and all(theirs.count(one) <= ours.count(one) for one in theirs)


def _write(connection: Connection, key: str, value: Sequence[object]) -> None:
    text = json.dumps(value)
    if meta.get(connection, key) != text:
        meta.put(connection, key, text)

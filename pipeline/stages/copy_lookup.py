"""Looking at copies that the ledger knows, one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from connectors.abilities import TellsApart
from connectors.base import Receipt, Sink
from connectors.errors import ItemError
from pipeline.ledger.copies.checks import Held

_AT_ONCE = 4  # questions
_ENOUGH = 100  # copies that are gone, in a row


def stat_copy(sink: Sink, path: str, identity: str | None) -> Receipt | None:
    """What is visible where the copy is: the copy itself, though another file of its name may
    lie beside it. ``identity`` is the sink's own name for it, None where it gave none."""
    if identity and isinstance(sink, TellsApart):
        return sink.stat_known(path, identity)
    return sink.stat(path)


def find_copy(sink: Sink, path: str, identity: str | None) -> Receipt | None:
    """The copy itself; None if it is not there, whatever is in its place."""
    try:
        receipt = stat_copy(sink, path, identity)
    except ItemError:
        return None
    return receipt if receipt is not None and receipt.id == identity else None


class SecondLook:
    """Asks for copies that a listing does not show, which it may have missed: one that was made
    lately is in a cloud's listing only after a while. Once many in a row are gone indeed, the
    listing is believed of all others."""

    def __init__(self, ask: Callable[[Held], Receipt | None]) -> None:
        self._ask = ask
        self._gone = 0  # in a row

    def __call__(self, copies: Sequence[Held]) -> list[Receipt | None]:
        """Each of them, None where it is gone. Raises what asking raises."""
        found: list[Receipt | None] = []
        rest = iter(copies)
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="look") as askers:
            while self._gone < _ENOUGH and (some := list(islice(rest, _AT_ONCE))):
                for receipt in askers.map(self._ask, some):
                    self._gone = 0 if receipt else self._gone + 1
                    found.append(receipt)
        return found + [None for _ in rest]

"""What sign-ins leave, kept among the credentials: one grant for each account of a place."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import MISSING, Field, asdict, fields
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from connectors.errors import SessionExpired
from connectors.private import forget_secret, load_secret, store_secret

_KEPT = "The keyring does not let go of it: unlock it, and remove what is called 'outpour' there"


class _Dataclass(Protocol):
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


G = TypeVar("G", bound=_Dataclass)


class HasAccount(Protocol):
    """Settings whose ``account`` tells sign-ins of one place apart."""

    @property
    def account(self) -> str: ...


class Grants(Generic[G]):
    """Of the connector ``name``, people say ``title``; ``kind`` is a dataclass of strings."""

    def __init__(self, name: str, title: str, kind: type[G]) -> None:
        self._name = name
        self._title = title
        self._kind = kind

    def store(self, settings: HasAccount, grant: G) -> None:
        store_secret(self._key(settings), json.dumps(asdict(grant)))

    def load(self, settings: HasAccount) -> G:
        """The grant of the settings' account. Raises SessionExpired where nobody signed in, or
        what is kept of it is damaged."""
        grant = self._parse(self._stored(settings))
        if grant is None:
            raise self._missing("is not connected any more: its stored sign-in is damaged")
        return grant

    def sign_out(self, settings: HasAccount, revoke: Callable[[G], bool], by_hand: str) -> str:
        """Forget the grant, be it damaged, and have the service end it by ``revoke``, which says
        whether it has. Returns what is left to do by hand, empty for nothing.

        Raises SessionExpired where nobody signed in.
        """
        grant = self._parse(self._stored(settings))
        gone = forget_secret(self._key(settings))
        told = grant is not None and revoke(grant)
        return left_to_do(told=told, by_hand=by_hand, gone=gone)

    def _stored(self, settings: HasAccount) -> str:
        stored = load_secret(self._key(settings))
        if stored is None:
            raise self._missing("is not connected")
        return stored

    def _parse(self, stored: str) -> G | None:
        """None where it is none: only what has a default may be blank."""
        try:
            grant = self._kind(**json.loads(stored))
        except (ValueError, TypeError):
            return None
        for one in fields(grant):
            value = getattr(grant, one.name)
            blank = value == "" and one.default is MISSING
            if not isinstance(value, str) or not value.isprintable() or blank:
                return None
        return grant

    def _missing(self, why: str) -> SessionExpired:
        return SessionExpired(f"{self._title} {why}", hint=f"run: outpour connect {self._name}")

    def _key(self, settings: HasAccount) -> str:
        return f"{self._name}:{settings.account}"


def left_to_do(*, told: bool, by_hand: str, gone: bool) -> str:
    """What a sign-out leaves to the person; empty for nothing. ``by_hand`` is to be done where the
    service could not be ``told``; ``gone`` is what ``forget_secret`` answered."""
    return ". ".join(text for done, text in ((told, by_hand), (gone, _KEPT)) if not done)

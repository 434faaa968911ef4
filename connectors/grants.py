"""What sign-ins leave, kept among the credentials: one grant for each account of a place."""

from __future__ import annotations

import json
from dataclasses import Field, asdict
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from connectors.errors import SessionExpired
from connectors.private import forget_secret, load_secret, store_secret


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
        """The grant of the settings' account. Raises SessionExpired where nobody signed in,
        ValueError or TypeError where what is kept is none."""
        grant = self.find(settings)
        if grant is None:
            raise SessionExpired(
                f"{self._title} is not connected", hint=f"run: outpour connect {self._name}"
            )
        return grant

    def find(self, settings: HasAccount) -> G | None:
        """As ``load``; None where nobody signed in."""
        stored = load_secret(self._key(settings))
        return self._kind(**json.loads(stored)) if stored else None

    def forget(self, settings: HasAccount) -> bool:
        """Whether nothing of it is left here."""
        return forget_secret(self._key(settings))

    def _key(self, settings: HasAccount) -> str:
        return f"{self._name}:{settings.account}"

"""A sandbox with one iCloud account, signed in to, and a person who answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from connectors.base import Asset, Problem, Resource, Role
from connectors.errors import OutpourError
from connectors.icloud import connector
from connectors.icloud.settings import ICloudSettings
from connectors.icloud.sink import ICloudSink
from connectors.icloud.source import ICloudSource
from sandbox.faults import Faults
from sandbox.icloud import Account, ICloud
from sandbox.library import Library
from sandbox.server import Sandbox
from tests.pointing import Point

ACCOUNT = "demo@example.com"
PASSWORD = "sandbox-password"
Answer = str | int | Callable[[], str]


class Person:
    """Gives the prepared answers in order; ``asked`` and ``told`` keep what was said."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []
        self.told: list[str] = []
        self.secret: list[bool] = []

    def tell(self, message: str) -> None:
        self.told.append(message)

    def ask(self, question: str, *, secret: bool = False) -> str:
        self.asked.append(question)
        self.secret.append(secret)
        answer = self.answers.pop(0)
        return answer() if callable(answer) else str(answer)

    def choose(self, question: str, options: Sequence[str]) -> int:
        self.asked.append(" / ".join((question, *options)))
        answer = self.answers.pop(0)
        assert isinstance(answer, int) and answer < len(options), (question, options, answer)
        return answer


class Rig:
    """``icloud`` is the double, ``sandbox`` its server, ``faults`` what both consult.

    ``opened`` closes what tests leave open, since to them another sink is another process.
    """

    def __init__(self, library: Library, account: Account) -> None:
        self.faults = Faults(seed=7)
        self.icloud = ICloud(library, account, self.faults)
        self.sandbox = Sandbox([self.icloud], faults=self.faults)
        self.library = library
        self.account = account
        self.opened = ExitStack()

    def connect(self, *answers: Answer, **settings: Any) -> Person:
        """Sign in with the password typed and not kept, unless told otherwise."""
        person = Person(*(answers or (PASSWORD, 1)))
        assert connector.connect is not None
        connector.connect(ICloudSettings(account=ACCOUNT, **settings), person)
        return person

    def source(self, **settings: Any) -> ICloudSource:
        return ICloudSource("icloud", ICloudSettings(**{"account": ACCOUNT, **settings}))

    def sink(self) -> ICloudSink:
        sink = ICloudSink("icloud", ICloudSettings(account=ACCOUNT))
        self.opened.callback(sink.close)
        return sink

    def ids(self, *views: str, shared: bool = False) -> set[str]:
        """What the library really holds in some of its views."""
        return {
            self.library.get(number).id
            for view in views
            for number in self.library.view(view, shared=shared)
        }


@contextmanager
def rig(use: Point, library: Library, **account: Any) -> Iterator[Rig]:
    made = Rig(library, Account(**account))
    with made.sandbox, made.opened:
        use(made.sandbox)
        yield made


def listing(
    source: ICloudSource, since: str | None = None
) -> tuple[list[Asset], list[Problem], list[str]]:
    """All assets, problems and gone ids of one listing."""
    pages = list(source.pages(since))
    return (
        [asset for page in pages for asset in page.assets],
        [problem for page in pages for problem in page.problems],
        [name for page in pages for name in page.gone],
    )


def cursor(source: ICloudSource) -> str:
    *_, last = source.pages()
    assert last.cursor
    return last.cursor


def read(source: ICloudSource, asset: Asset, resource: Resource, offset: int = 0) -> bytes:
    stream = source.open(asset.id, resource, offset)
    try:
        return b"".join(stream)
    finally:
        stream.close()


def truth(library: Library, asset: Asset, resource: Resource) -> bytes:
    """What the bytes of a resource really are."""
    file = library.find(asset.id.rpartition("/")[2]).file(ROLES[resource.role])
    assert file is not None
    return b"".join(file.content.chunks(0, file.content.size))


ROLES = {role: str(role) for role in Role}


def works(rig: Rig, **settings: Any) -> bool:
    return len(listing(rig.source(**settings))[0]) == len(rig.ids("shown", "hidden"))


def refused(rig: Rig, *answers: Answer) -> OutpourError:
    with pytest.raises(OutpourError) as caught:
        rig.connect(*answers)
    error = caught.value
    assert error.hint, "a refusal says what to do"
    assert PASSWORD not in str(error) + error.hint
    return error

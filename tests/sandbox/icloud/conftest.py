from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.faults import Faults
from sandbox.icloud import Account, ICloud
from sandbox.library import Library
from sandbox.server import Sandbox
from tests.pointing import Point
from tests.sandbox.icloud.client import WebClient


@pytest.fixture
def faults() -> Faults:
    return Faults(stall_seconds=0.2, slow_seconds=0.05)


@pytest.fixture
def library() -> Library:
    return Library(120, seed=3)


@pytest.fixture
def account() -> Account:
    return Account()


@pytest.fixture
def cloud(
    library: Library, account: Account, faults: Faults, use_sandbox: Point
) -> Iterator[ICloud]:
    cloud = ICloud(library, account, faults)
    with Sandbox([cloud], faults=faults) as sandbox:
        use_sandbox(sandbox)
        yield cloud


@pytest.fixture
def client(cloud: ICloud, account: Account) -> Iterator[WebClient]:
    """Signed in; the password was proven elsewhere, which saves 0.2 s in every test."""
    account.tokens["earlier"] = True
    with WebClient() as client:
        client.token = "earlier"
        assert client.login().ok
        yield client

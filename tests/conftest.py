"""What every test gets: private folders, no keyring, no network, no slow tests by chance."""

from __future__ import annotations

import os
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import Engine, create_engine

from tests.pointing import Point, Served

# A slow machine fails no test.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

# Without a keyring a secret goes to the private file, inside the test's own folder.
os.environ["PYTHON_KEYRING_BACKEND"] = "keyring.backends.fail.Keyring"

# The reference implementation is no place that anybody's photos should go to, so only the tests
# register it, in this process and in its children.
_REGISTERED = str(Path(__file__).with_name("registered"))
sys.path.append(_REGISTERED)
os.environ["PYTHONPATH"] = os.pathsep.join(
    filter(None, (os.environ.get("PYTHONPATH"), _REGISTERED))
)

# What is started in the background has Ctrl-C ignored, and so would every child of these tests.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

_LOOPBACK = ("127.", "::1", "localhost", "0.0.0.0")
_DEAD_PROXY = "http://127.0.0.1:9"  # keeps child processes off the network too


class NetworkBlocked(RuntimeError):
    """A test tried to leave the machine."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "slow" in (config.option.markexpr or ""):
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    if slow:
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if not item.get_closest_marker("slow")]


@pytest.fixture(autouse=True)
def _private_places(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    home = tmp_path_factory.mktemp("home")
    for name in list(os.environ):
        if name.startswith(("OUTPOUR_", "ICLOUD_", "PYICLOUD_")) and name not in _HARNESS:
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    for name in ("CONFIG", "STATE", "DATA", "CACHE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(home / name.lower()))
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, _DEAD_PROXY)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1,localhost")
    yield


_HARNESS = {"OUTPOUR_ICLOUDPD", "OUTPOUR_RECORDED"}


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, _guarded(getattr(socket.socket, name)))
    resolve = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        _check(host)
        return resolve(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def _guarded(connect: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(self: socket.socket, address: Any) -> Any:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            _check(address[0])
        return connect(self, address)

    return guarded


def _check(host: Any) -> None:
    name = host.decode() if isinstance(host, bytes) else str(host or "localhost")
    if not name.startswith(_LOOPBACK):
        raise NetworkBlocked(f"a test tried to reach {name}")


@pytest.fixture(autouse=True, scope="session")
def _statements_compiled_once() -> Iterator[None]:
    """The ledgers of all tests share what SQLAlchemy made of their statements, which each new
    engine would make again: that is half of what the tests of the engine compute."""
    compiled: dict[Any, Any] = {}
    dialects: list[Any] = []

    def create(*args: Any, **kwargs: Any) -> Engine:
        engine = create_engine(*args, **kwargs)
        if not dialects:
            dialects.append(engine.dialect)
        engine.dialect = dialects[0]  # what is compiled is kept for the dialect that did it
        engine.update_execution_options(compiled_cache=compiled)
        return engine

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.ledger.store.create_engine", create)
        yield


@pytest.fixture
def use_sandbox(monkeypatch: pytest.MonkeyPatch) -> Point:
    """Point this process (and its children) at a sandbox: ``use_sandbox(sandbox)``."""

    def use(sandbox: Served) -> None:
        for name, value in sandbox.environ().items():
            monkeypatch.setenv(name, value)

    return use


@pytest.fixture
def other_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on another file system than ``tmp_path``."""
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("this machine has no second file system that tests may write to")
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)

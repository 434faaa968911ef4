"""The one file that knows pymobiledevice3 (GPL-3.0; the extra ``outpour[iphone]``).

It finds phones, pairs, and turns what AFC offers into a handful of coroutines. Two things its
own ``pull`` does are left out on purpose: a short READ passes there for the end of a file, and
files are read one after another. Reading is ours (``reading``), over several AFC connections.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pymobiledevice3 import exceptions as vendor
from pymobiledevice3.lockdown import LockdownClient, create_using_usbmux
from pymobiledevice3.services.afc import AfcError, AfcService
from pymobiledevice3.usbmux import list_devices

from connectors.iphone.errors import Away, Denied, Missing, Trouble
from connectors.private import state_dir

# It warns about what we handle; without a handler that would go to the terminal.
logging.getLogger("pymobiledevice3").addHandler(logging.NullHandler())
LONGEST_READ = 4 * 1024 * 1024  # the most one AFC READ gives
_CABLE = "USB"  # else a phone that has left may answer from the network
_CONNECT = 20.0  # seconds
_ANSWER = 30.0
_LONGEST_WAIT = 300.0  # for one READ, whatever else is answered meanwhile

_PASSING = {
    "NO_RESOURCES", "SERVICE_NOT_CONNECTED", "OP_TIMEOUT", "OBJECT_BUSY", "OP_WOULD_BLOCK",
    "OP_INTERRUPTED", "OP_IN_PROGRESS", "MUX_ERROR", "NO_MEM",
}  # fmt: skip
# What pymobiledevice3 raises for an answer that is not as it expects.
_ODD = (ValueError, LookupError, OverflowError, AssertionError)
_ODD_VALUES = {ValueError, UnicodeDecodeError, KeyError, OverflowError}  # in a whole answer
_TROUBLES: tuple[tuple[tuple[type[BaseException], ...], Trouble], ...] = (
    ((vendor.ConnectionFailedToUsbmuxdError,), Trouble.NO_SERVICE),
    (
        (
            vendor.NoDeviceConnectedError,
            vendor.DeviceNotFoundError,
            vendor.BadDevError,
            vendor.ConnectionFailedError,
        ),
        Trouble.ABSENT,
    ),
    ((vendor.PasswordRequiredError, vendor.PasscodeRequiredError), Trouble.LOCKED),
    ((vendor.PairingDialogResponsePendingError,), Trouble.UNTRUSTED),
    ((vendor.UserDeniedPairingError,), Trouble.REFUSED),
    (
        (
            vendor.PairingError,
            vendor.FatalPairingError,
            vendor.NotPairedError,
            vendor.NotTrustedError,
        ),
        Trouble.UNPAIRED,
    ),
    ((TimeoutError,), Trouble.SILENT),
    ((vendor.ConnectionTerminatedError, OSError, EOFError), Trouble.CUT),
)


@dataclass(frozen=True, slots=True)
class Present:
    """A phone on the cable."""

    udid: str
    name: str
    ios: str = ""

    @property
    def described(self) -> str:
        return f"{self}, iOS {self.ios}" if self.ios else f"{self} (it says nothing yet)"

    def __str__(self) -> str:
        return f"{self.name} ({self.udid})" if self.name else self.udid


@dataclass(frozen=True, slots=True)
class Stat:
    """``size`` in bytes. Times are aware."""

    size: int
    modified: datetime
    born: datetime
    folder: bool
    link: bool


@contextlib.asynccontextmanager
async def _understood(seconds: float | None) -> AsyncIterator[None]:
    """Errors of pymobiledevice3 as ours, and an end to waiting."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except (vendor.PyMobileDevice3Exception, OSError, EOFError, *_ODD) as error:
        raise Away(*_trouble(error)) from error


def _trouble(error: BaseException) -> tuple[Trouble, str]:
    for kinds, trouble in _TROUBLES:
        if isinstance(error, kinds):
            return trouble, ""
    return Trouble.ODD, type(error).__name__


async def present() -> list[Present]:
    """The phones on the cable, in a stable order; their names where they tell. Raises Away."""
    async with _understood(_CONNECT):
        found = {device.serial for device in await list_devices() if device.is_usb}
    return [await _look(udid) for udid in sorted(found)]


async def _look(udid: str) -> Present:
    with contextlib.suppress(Away, Missing, Denied):
        async with _understood(_CONNECT):
            lockdown = await create_using_usbmux(
                serial=udid, connection_type=_CABLE, autopair=False
            )
            async with lockdown:
                return _present(udid, lockdown)
    return Present(udid, "")


def _present(udid: str, lockdown: LockdownClient) -> Present:
    told = lockdown.all_values
    return Present(udid, str(told.get("DeviceName", "")), str(told.get("ProductVersion", "")))


class _Once(AfcService):  # type: ignore[misc, unused-ignore]  # its module is not typed
    """Does not connect again when it is used after its end, as the library would by itself: the
    handles of open files mean nothing, or other files, on another connection."""

    _over = False

    async def connect(self) -> None:
        if self._over:
            raise vendor.ConnectionTerminatedError
        await super().connect()

    async def aclose(self) -> None:
        self._over = True
        await super().aclose()


@dataclass(slots=True)
class _Pulse:
    """Counts the answers of a phone, over all its connections."""

    beats: int = 0


class Files:
    """One AFC connection. Any number of operations may be under way; the phone does them in
    order. ``load`` counts what was given to this connection and is not done yet.

    Operations raise Missing for a path where nothing is, or which the phone fails to look at
    (pymobiledevice3 takes READ_ERROR for that); Denied for what the phone refuses or answers as
    nobody understands; Away.
    """

    def __init__(self, service: AfcService, pulse: _Pulse) -> None:
        self._service: Any = service  # some of its methods are not typed
        self._pulse = pulse
        self.load = 0

    def done(self) -> None:
        """What ``Phone.pick`` gave this connection for is over."""
        self.load -= 1

    @contextlib.asynccontextmanager
    async def _operation(self, path: str, seconds: float | None = _ANSWER) -> AsyncIterator[None]:
        async with _understood(seconds):
            try:
                yield
            except vendor.AfcFileNotFoundError as missing:
                raise Missing(path) from missing
            except vendor.AfcException as refused:  # an OSError too
                if refused.status == AfcError.OBJECT_NOT_FOUND:
                    raise Missing(path) from refused
                name = getattr(refused.status, "name", "UNKNOWN")
                passing = name in _PASSING
                raise Denied(f"{path}: the phone answers {name}", passing=passing) from refused
            except _ODD as odd:
                if type(odd) not in _ODD_VALUES:
                    raise  # no answer begins where it should: this connection is of no use
                unclear = f"{path}: the phone's answer is not understood"
                raise Denied(unclear, passing=False) from odd
        self._pulse.beats += 1

    async def names(self, folder: str) -> list[str]:
        """Names in a folder."""
        async with self._operation(folder):
            names: list[str] = await self._service.listdir(folder)
        return names

    async def stat(self, path: str) -> Stat:
        async with self._operation(path):
            found = await self._service.stat(path)
            return Stat(
                found["st_size"],
                found["st_mtime"].astimezone(),  # given as naive local time
                found["st_birthtime"].astimezone(),
                found["st_ifmt"] == "S_IFDIR",
                found["st_ifmt"] == "S_IFLNK" or "LinkTarget" in found,
            )

    async def open(self, path: str) -> int:
        async with self._operation(path):
            handle: int = await self._service.fopen(path)
        return handle

    async def seek(self, handle: int, offset: int) -> None:
        async with self._operation("a place in a file"):
            await self._service.fseek(handle, offset)

    async def read(self, handle: int, size: int) -> bytes:
        """One READ of at most ``LONGEST_READ`` bytes; fewer come at the end, or when it fails.
        Over a slow cable, all that was asked for together may take longer than any one answer."""
        async with self._operation("a file", seconds=None):
            read = asyncio.ensure_future(self._service.fread(handle, min(size, LONGEST_READ)))
            try:
                return await self._heard(read)
            finally:
                read.cancel()

    async def _heard(self, read: asyncio.Future[bytes]) -> bytes:
        """Its result; TimeoutError once nothing at all is heard of the phone for too long."""
        ends = asyncio.get_running_loop().time() + _LONGEST_WAIT
        while asyncio.get_running_loop().time() < ends:
            beats = self._pulse.beats
            await asyncio.wait({read}, timeout=_ANSWER)
            if read.done():
                return await read
            if self._pulse.beats == beats:
                break
        raise TimeoutError

    async def close(self, handle: int) -> None:
        with contextlib.suppress(Away, Missing, Denied):
            async with self._operation("a file"):
                await self._service.fclose(handle)

    async def capacity(self) -> tuple[int, int]:
        """Bytes in all, and free, of the phone's storage."""
        async with self._operation("its storage"):
            info = await self._service.get_device_info()
            return int(info["FSTotalBytes"]), int(info["FSFreeBytes"])

    async def end(self) -> None:
        with contextlib.suppress(Exception):
            await asyncio.wait_for(self._service.aclose(), 2)


class Phone:
    """A paired phone with a few AFC connections."""

    def __init__(self, udid: str, lockdown: LockdownClient, files: list[Files]) -> None:
        self.present = _present(udid, lockdown)
        self._lockdown = lockdown
        self._files = files

    @classmethod
    async def connect(cls, udid: str, connections: int) -> Phone:
        """Pair if need be (without waiting for the answer to Trust) and open AFC. Raises Away."""
        async with _understood(_CONNECT):
            lockdown = await create_using_usbmux(
                serial=udid,
                connection_type=_CABLE,
                pair_timeout=0,
                pairing_records_cache_folder=_records(),
            )
        phone, pulse = cls(udid, lockdown, []), _Pulse()
        try:
            async with _understood(_CONNECT):
                for _ in range(connections):
                    service = _Once(lockdown)
                    phone._files.append(Files(service, pulse))
                    await service.connect()
        except BaseException:
            await phone.end()
            raise
        return phone

    def pick(self) -> Files:
        """The connection with the least to do; ``done`` gives it back. In the loop's thread."""
        files = min(self._files, key=lambda files: files.load)
        files.load += 1
        return files

    async def end(self) -> None:
        """Close everything; never raises."""
        await asyncio.gather(*(files.end() for files in self._files))
        with contextlib.suppress(Exception):
            await asyncio.wait_for(self._lockdown.close(), 2)


def _records() -> Path:
    """Where pair records are kept that usbmuxd does not keep; they hold a private key."""
    return state_dir("iphone")

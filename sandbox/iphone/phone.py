"""One sandbox iPhone: what it is, what it holds, and what is done to it.

Faults by name (see ``sandbox.faults``); the key is the path of a file, or the device's id:

    locked          lockdownd answers PasswordProtected
    trust_pending   the Trust dialog is still open
    trust_denied    the person said no
    unplug          the cable is pulled before a READ; it is back after ``away`` seconds
    unplug_at       the same, once that many MiB were read in all (the key is the number)
    short_read      a READ gives half of what it should, and the file ends there
    change_file     a file is written to between two READs
    change_database Photos.sqlite is written to while it is read
    grow_log        only its write-ahead log is
    denied          AFC answers PERM_DENIED
    unreadable      AFC answers READ_ERROR to all but READ, as for what is not there
    odd_info        AFC tells less of a file than it should
    slow            an operation takes ``slow_seconds`` longer

The same can be set by hand: ``locked``, ``trust``, ``unplug``, ``plug``, ``unplug_after``.
"""

from __future__ import annotations

import functools
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sandbox.faults import Faults
from sandbox.iphone.identity import device_context, device_key
from sandbox.iphone.media import File, Media
from sandbox.iphone.stream import Stream
from sandbox.library import Content

FAULTS: Mapping[str, str] = {
    "locked": "the phone is locked",
    "trust_pending": "the Trust dialog is not answered yet",
    "trust_denied": "the person refused to trust this computer",
    "unplug": "the cable is pulled for a moment",
    "unplug_at": "the cable is pulled when so many MiB were read: unplug_at@5",
    "short_read": "a read gives less than it should",
    "change_file": "a file changes while it is read",
    "change_database": "Photos.sqlite changes while it is copied",
    "grow_log": "a transaction begins in the log of Photos.sqlite while it is copied",
    "denied": "the phone refuses to show a file or folder",
    "unreadable": "the phone's file system fails at a file or folder",
    "odd_info": "the phone tells less of a file than it should",
    "slow": "an operation is slow",
}
DATABASE = "PhotoData/Photos.sqlite"
_MIB = 1 << 20


class Trust(StrEnum):
    """How the person answers the Trust dialog."""

    YES = "yes"
    PENDING = "pending"
    NO = "no"


@dataclass(eq=False)
class Phone:
    """``latency`` is in seconds per AFC operation on one connection, ``bandwidth`` in bytes a
    second over the cable (0: as fast as it goes), ``away`` for how many seconds a pulled cable
    stays out. ``tls`` False serves lockdownd and AFC in plain text. ``wireless``: it answers from
    the network too, cable or not. ``operations`` counts AFC operations by name,
    ``wireless_connections`` those that were tried over the network."""

    udid: str = "00008110-000A11DE0C90801E"
    name: str = "Sandbox iPhone"
    version: str = "18.5"
    media: Media = field(default_factory=Media)
    faults: Faults = field(default_factory=Faults)
    passcode: bool = True
    tls: bool = True
    wireless: bool = False
    latency: float = 0.0
    bandwidth: float = 0.0
    away: float = 0.3
    capacity: int = 128_000_000_000
    free: int = 3_000_000_000

    def __post_init__(self) -> None:
        self.attached = True
        self.locked = False
        self.trust = Trust.YES
        self.hosts: set[str] = set()  # host ids that were trusted
        self.operations: Counter[str] = Counter()
        self.wireless_connections = 0
        self.bytes_read = 0
        self.open_handles = 0
        self.rewrite_database: Callable[[], None] = self._touch_database
        self.watchers: list[Callable[[Phone, bool], None]] = []
        self._services: dict[int, bool] = {}
        self._streams: set[Stream] = set()
        self._lock = threading.RLock()
        self._cable = threading.Lock()
        self._unplug_at: tuple[int, float | None] | None = None

    # --- the cable -------------------------------------------------------------------------

    def unplug(self, back_after: float | None = None) -> None:
        """Pull the cable: every stream breaks. Plugged in again after ``back_after`` seconds;
        0 is before anyone can have noticed."""
        with self._lock:
            if not self.attached:
                return
            self.attached = False
            streams, self._streams = self._streams, set()
            self._services.clear()
        for stream in streams:
            stream.cut()
        self._tell()
        if back_after == 0:
            self.plug()
        elif back_after is not None:
            timer = threading.Timer(back_after, self.plug)
            timer.daemon = True
            timer.start()

    def plug(self) -> None:
        with self._lock:
            if self.attached:
                return
            self.attached = True
        self._tell()

    def unplug_after(self, count: int, back_after: float | None = None) -> None:
        """Pull the cable once ``count`` more bytes of files were read."""
        with self._lock:
            self._unplug_at = (self.bytes_read + count, back_after)

    def _tell(self) -> None:
        for watcher in list(self.watchers):
            watcher(self, self.attached)

    # --- streams ---------------------------------------------------------------------------

    def adopt(self, stream: Stream) -> bool:
        """Register a stream that runs over the cable; False if the cable is out."""
        with self._lock:
            if self.attached:
                self._streams.add(stream)
            return self.attached

    def release(self, stream: Stream) -> None:
        with self._lock:
            self._streams.discard(stream)

    def handles(self, change: int) -> None:
        """So many files more are open."""
        with self._lock:
            self.open_handles += change

    def start_service(self) -> int:
        """A new port for one connection to AFC."""
        with self._lock:
            port = 49152 + len(self._services)
            self._services[port] = True
            return port

    def is_service(self, port: int) -> bool:
        return port in self._services

    # --- state that lockdownd asks for -----------------------------------------------------

    @property
    def is_locked(self) -> bool:
        return self.passcode and (self.locked or self.faults.hit("locked", self.udid))

    @property
    def answer_to_trust(self) -> Trust:
        if self.faults.hit("trust_denied", self.udid):
            return Trust.NO
        if self.faults.hit("trust_pending", self.udid):
            return Trust.PENDING
        return self.trust

    @functools.cached_property
    def context(self) -> ssl.SSLContext:
        return device_context()

    def values(self) -> dict[str, Any]:
        """What lockdownd's GetValue knows."""
        return {
            "ActivationState": "Activated",
            "BuildVersion": "22F76",
            "CPUArchitecture": "arm64e",
            "ChipID": 0x8110,
            "DeviceClass": "iPhone",
            "DeviceName": self.name,
            "DevicePublicKey": device_key(),
            "HardwareModel": "D63AP",
            "PasswordProtected": self.is_locked,
            "ProductName": "iPhone OS",
            "ProductType": "iPhone14,2",
            "ProductVersion": self.version,
            "SerialNumber": "SANDBOX00001",
            "TimeIntervalSince1970": time.time(),
            "TimeZone": "Europe/Berlin",
            "UniqueChipID": 2834567890123456,
            "UniqueDeviceID": self.udid,
            "WiFiAddress": "00:00:5e:00:53:01",
        }

    # --- what happens to reads -------------------------------------------------------------

    def before_operation(self, name: str, path: str) -> None:
        """Wait as long as the operation takes, and do to the phone what is due."""
        self.operations[name] += 1
        pause = self.latency
        if self.faults.hit("slow", path):
            pause += self.faults.slow_seconds
        if pause:
            time.sleep(pause)
        if name == "read" and self.faults.hit("unplug", path):
            self.unplug(self.away)

    def read(self, path: str, file: File, offset: int, size: int) -> tuple[bytes, bool]:
        """The bytes of one READ, and whether the file ends here although it should not."""
        data = file.content.read(offset, size)
        if self.bandwidth:
            with self._cable:
                time.sleep(len(data) / self.bandwidth)
        short = bool(data) and self.faults.hit("short_read", path)
        if short:
            data = data[: len(data) // 2]
        if self.faults.hit("change_file", path):
            file.change(Content.of(bytes(byte ^ 0xFF for byte in file.content.read())))
        if path.startswith(DATABASE) and self.faults.hit("change_database", path):
            self.rewrite_database()
        if path.startswith(DATABASE) and self.faults.hit("grow_log", path):
            log = self.media.find(f"{DATABASE}-wal")
            if isinstance(log, File):
                log.change(Content.of(log.content.read() + b"not a whole frame"))
        with self._lock:
            before, self.bytes_read = self.bytes_read, self.bytes_read + len(data)
            due = (
                self._unplug_at
                if self._unplug_at and self.bytes_read >= self._unplug_at[0]
                else None
            )
            if due:
                self._unplug_at = None
        passed = range(before // _MIB + 1, (before + len(data)) // _MIB + 1)
        if due:
            self.unplug(due[1])
        elif any(self.faults.hit("unplug_at", str(number)) for number in passed):
            self.unplug(self.away)
        return data, short

    def _touch_database(self) -> None:
        file = self.media.find(DATABASE)
        if isinstance(file, File):
            file.change(file.content)

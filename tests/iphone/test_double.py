"""The sandbox phone is faithful: tools that talk to real iPhones accept it and read the same.

They are reached by USBMUXD_SOCKET_ADDRESS alone. A tool that is not installed skips its test;
the small client below always runs.
"""

from __future__ import annotations

import os
import plistlib
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from sandbox.iphone import OnPhone, Phone
from tests.iphone.conftest import Plug

UDID = "00008110-000A11DE0C90801E"


def tool(*command: str, code: int = 0) -> str:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def photos(phone: Phone) -> dict[str, bytes]:
    return {
        path: file.content.read()
        for path, file in phone.media.files()
        if path.startswith("DCIM/") or path == "PhotoData/Photos.sqlite"
    }


# --- as a person starts it ------------------------------------------------------------------


@pytest.fixture
def started() -> Iterator[dict[str, str]]:
    """``outpour sandbox --phone`` in another process; the environment it printed."""
    arguments = ["sandbox", "--phone", "--ios", "16", "--assets", "5", "--fault", "locked:1x"]
    with subprocess.Popen(
        [sys.executable, "-m", "pipeline.cli", *arguments], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        environ = {}
        for line in child.stdout:
            name, equals, value = line.removeprefix("export ").strip().partition("=")
            if equals and line.startswith("export "):
                environ[name] = value.strip("'")
            if "Ctrl-C" in line:
                break
        yield environ
        child.kill()


def test_the_command_starts_a_phone_of_a_chosen_ios_with_faults_by_name(
    started: dict[str, str],
) -> None:
    door = Client(started["USBMUXD_SOCKET_ADDRESS"])
    door.connect(62078)
    values = door.lockdown("GetValue")["Value"]
    assert (values["UniqueDeviceID"], values["ProductVersion"]) == (UDID, "16.5")
    assert values["PasswordProtected"], "the fault: locked, once"
    assert door.lockdown("Pair", PairRecord={"HostID": "me"})["EscrowBag"]
    door.sock.close()


# --- libimobiledevice -----------------------------------------------------------------------


def test_libimobiledevice_pairs_and_asks(on_phone: OnPhone) -> None:
    assert tool("idevice_id", "-l").strip() == UDID
    assert "SUCCESS" in tool("idevicepair", "pair")
    assert "SUCCESS" in tool("idevicepair", "validate")
    assert tool("ideviceinfo", "-k", "ProductVersion").strip() == on_phone.phone.version
    assert f"UniqueDeviceID: {UDID}" in tool("ideviceinfo")
    assert "TotalDiskCapacity" in tool("ideviceinfo", "-q", "com.apple.disk_usage")
    assert tool("idevicename").strip() == "Sandbox iPhone"


def test_libimobiledevice_meets_the_same_refusals(on_phone: OnPhone) -> None:
    on_phone.phone.locked = True
    assert "passcode" in tool("idevicepair", "pair", code=1)
    on_phone.phone.locked = False
    on_phone.phone.faults.add("trust_pending", times=1)
    assert "trust dialog" in tool("idevicepair", "pair", code=1)
    on_phone.phone.faults.once("trust_denied")
    assert "denied" in tool("idevicepair", "pair", code=1)
    assert "SUCCESS" in tool("idevicepair", "pair")


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Callable[[], Path]]:
    folder = tmp_path / "mounted"
    folder.mkdir()
    mounted = False

    def mount() -> Path:
        nonlocal mounted
        if not os.access("/dev/fuse", os.W_OK):
            pytest.skip("no access to /dev/fuse")
        tool("idevicepair", "pair")
        tool("ifuse", str(folder))
        mounted = True
        return folder

    yield mount
    if mounted:
        subprocess.run(["fusermount", "-u", str(folder)], capture_output=True)


def test_ifuse_mounts_it_and_reads_the_same_bytes(
    on_phone: OnPhone, mount: Callable[[], Path]
) -> None:
    folder = mount()
    wanted = photos(on_phone.phone)
    assert len(wanted) > 50
    assert {path: (folder / path).read_bytes() for path in wanted} == wanted
    with pytest.raises(OSError):
        (folder / "DCIM" / "new.txt").write_text("the sandbox phone is never written to")


# --- pymobiledevice3's own command line -----------------------------------------------------


def pymobiledevice3(*arguments: str) -> str:
    if find_spec("pymobiledevice3") is None:
        pytest.skip("pymobiledevice3 is not installed")
    return tool(sys.executable, "-m", "pymobiledevice3", *arguments)


def test_pymobiledevice3_lists_and_pulls_the_same_bytes(on_phone: OnPhone, tmp_path: Path) -> None:
    assert UDID in pymobiledevice3("usbmux", "list")
    assert "Photos.sqlite" in pymobiledevice3("afc", "ls", "/PhotoData")
    pymobiledevice3("afc", "pull", "/DCIM", str(tmp_path))
    pulled = {
        path.relative_to(tmp_path).as_posix(): path.read_bytes()
        for path in tmp_path.rglob("*")
        if path.is_file()
    }
    wanted = photos(on_phone.phone)
    wanted.pop("PhotoData/Photos.sqlite")
    assert pulled == wanted


# --- a client of our own, in plain text -----------------------------------------------------


class Client:
    """usbmuxd, lockdownd and AFC as short as they can be."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self.sock = socket.create_connection((host, int(port)), timeout=10)

    def mux(self, **message: Any) -> dict[str, Any]:
        body = plistlib.dumps(message)
        self.sock.sendall(struct.pack("<IIII", 16 + len(body), 1, 8, 7) + body)
        length, version, kind, tag = struct.unpack("<IIII", self.exactly(16))
        assert (version, kind, tag) == (1, 8, 7)
        answer: dict[str, Any] = plistlib.loads(self.exactly(length - 16))
        return answer

    def connect(self, port: int) -> None:
        answer = self.mux(MessageType="Connect", DeviceID=1, PortNumber=socket.htons(port))
        assert answer["Number"] == 0

    def lockdown(self, request: str, **message: Any) -> dict[str, Any]:
        body = plistlib.dumps({"Label": "test", "Request": request, **message})
        self.sock.sendall(struct.pack(">I", len(body)) + body)
        answer: dict[str, Any] = plistlib.loads(
            self.exactly(struct.unpack(">I", self.exactly(4))[0])
        )
        return answer

    def afc(self, operation: int, arguments: bytes, number: int = 3) -> tuple[int, bytes]:
        length = 40 + len(arguments)
        header = struct.pack("<8sQQQQ", b"CFA6LPAA", length, length, number, operation)
        self.sock.sendall(header + arguments)
        magic, length, _, echoed, kind = struct.unpack("<8sQQQQ", self.exactly(40))
        assert (magic, echoed) == (b"CFA6LPAA", number)
        return kind, self.exactly(length - 40)

    def exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = self.sock.recv(size - len(data))
            assert part, "the phone hung up"
            data += part
        return data


@pytest.fixture
def plain(plug: Plug) -> Iterator[Callable[[], Client]]:
    phone = Phone(tls=False)
    phone.media.add("DCIM/100APPLE/IMG_0001.JPG", b"0123456789")
    served = plug(phone)
    made: list[Client] = []

    def client() -> Client:
        made.append(Client(served.address))
        return made[-1]

    yield client
    for one in made:
        one.sock.close()


def afc_client(plain: Callable[[], Client]) -> Client:
    door = plain()
    door.connect(62078)
    assert door.lockdown("StartService", Service="com.apple.afc")["Error"] == "SessionInactive"
    assert door.lockdown("StartSession", HostID="me")["Error"] == "InvalidHostID"
    assert door.lockdown("Pair", PairRecord={"HostID": "me"})["EscrowBag"]
    assert not door.lockdown("StartSession", HostID="me")["EnableSessionSSL"]
    port = door.lockdown("StartService", Service="com.apple.afc")["Port"]
    client = plain()
    client.connect(port)
    return client


def test_a_file_is_read_in_parts(plain: Callable[[], Client]) -> None:
    client = afc_client(plain)
    kind, answer = client.afc(0x0D, struct.pack("<Q", 1) + b"/DCIM/100APPLE/IMG_0001.JPG\0")
    assert kind == 0x0E
    handle = answer
    assert client.afc(0x0F, handle + struct.pack("<Q", 4)) == (2, b"0123")
    assert client.afc(0x11, handle + struct.pack("<Qq", 0, 8))[0] == 1
    assert client.afc(0x0F, handle + struct.pack("<Q", 4)) == (2, b"89")
    assert client.afc(0x0F, handle + struct.pack("<Q", 4)) == (2, b"")
    assert client.afc(0x14, handle) == (1, bytes(8))
    kind, answer = client.afc(0x0F, handle + struct.pack("<Q", 4))
    assert (kind, struct.unpack("<Q", answer)[0]) == (1, 7), "the handle is closed"


@pytest.mark.parametrize(
    ("operation", "arguments", "status"),
    [
        (0x03, b"/nowhere\0", 8),
        (0x0A, b"/DCIM/x\0", 8),
        (0x0D, struct.pack("<Q", 1) + b"/DCIM\0", 9),
        (0x08, b"/DCIM/100APPLE/IMG_0001.JPG\0", 10),  # nothing is ever removed
        (0x1D, b"/DCIM\0", 15),
    ],
)
def test_refusals_have_their_numbers(
    plain: Callable[[], Client], operation: int, arguments: bytes, status: int
) -> None:
    kind, answer = afc_client(plain).afc(operation, arguments)
    assert (kind, struct.unpack("<Q", answer)[0]) == (1, status)


def test_listening_tells_of_the_cable(plain: Callable[[], Client], plug: Plug) -> None:
    phone = Phone()
    client = Client(plug(phone).address)
    assert client.mux(MessageType="Listen")["Number"] == 0
    events = []
    actions: tuple[Callable[[], None], ...] = (lambda: None, phone.unplug, phone.plug)
    for action in actions:
        action()
        length, *_ = struct.unpack("<IIII", client.exactly(16))
        events.append(plistlib.loads(client.exactly(length - 16))["MessageType"])
    client.sock.close()
    assert events == ["Attached", "Detached", "Attached"]


def test_a_device_that_is_not_there_is_refused(plain: Callable[[], Client]) -> None:
    client = plain()
    answer = client.mux(MessageType="Connect", DeviceID=9, PortNumber=socket.htons(62078))
    assert answer["Number"] == 2
    answer = client.mux(MessageType="Connect", DeviceID=1, PortNumber=socket.htons(50000))
    assert answer["Number"] == 3

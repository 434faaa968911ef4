"""AFC, the file service: 40 bytes of header, then arguments, then a payload.

Header (little-endian): ``CFA6LPAA``, length of all, length without payload, packet number
(echoed), operation. Only what reads is served; anything that would change the phone is
answered with PERM_DENIED.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from sandbox.iphone.media import File, Folder, Link
from sandbox.iphone.phone import Phone
from sandbox.iphone.stream import Hangup, Stream

_HEADER = struct.Struct("<8sQQQQ")
_MAGIC = b"CFA6LPAA"
_MOST_HANDLES = 240  # the phone answers NO_RESOURCES when a host leaves files open

STATUS, DATA, READ_DIR, FILE_INFO, DEVICE_INFO = 0x01, 0x02, 0x03, 0x0A, 0x0B
OPEN, OPENED, READ, SEEK, TELL, TOLD, CLOSE = 0x0D, 0x0E, 0x0F, 0x11, 0x12, 0x13, 0x14
OK, NO_RESOURCES, READ_ERROR, INVALID, NOT_FOUND, IS_DIR, DENIED, UNSUPPORTED = (
    0, 3, 4, 7, 8, 9, 10, 15,
)  # fmt: skip
_WRITES = {0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0C, 0x10, 0x15, 0x18, 0x1C, 0x1E}
_NAMES = {
    READ_DIR: "read_dir", FILE_INFO: "file_info", DEVICE_INFO: "device_info",
    OPEN: "open", READ: "read", SEEK: "seek", TELL: "tell", CLOSE: "close",
}  # fmt: skip


class _Failed(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@dataclass(slots=True)
class _Handle:
    path: str
    file: File
    place: int = 0
    ended: bool = False


def serve(stream: Stream, phone: Phone) -> None:
    """Answer until the stream ends (Hangup)."""
    connection = _Connection(phone)
    try:
        _answer(stream, phone, connection)
    finally:
        connection.end()


def _answer(stream: Stream, phone: Phone, connection: _Connection) -> None:
    while True:
        magic, length, _, number, operation = _HEADER.unpack(stream.read(_HEADER.size))
        if magic != _MAGIC or length < _HEADER.size or length > 1 << 26:
            raise Hangup
        body = stream.read(length - _HEADER.size)
        try:
            kind, arguments, payload = connection.answer(operation, body)
        except _Failed as failed:
            kind, arguments, payload = STATUS, struct.pack("<Q", failed.status), b""
        if not phone.attached:
            raise Hangup
        head = _HEADER.size + len(arguments)
        header = _HEADER.pack(_MAGIC, head + len(payload), head, number, kind)
        stream.write(header + arguments + payload)


class _Connection:
    def __init__(self, phone: Phone) -> None:
        self._phone = phone
        self._handles: dict[int, _Handle] = {}
        self._next = 1

    def end(self) -> None:
        """A connection takes its handles along."""
        self._phone.handles(-len(self._handles))

    def answer(self, operation: int, body: bytes) -> tuple[int, bytes, bytes]:
        """(kind of packet, its arguments, its payload)."""
        if operation in _WRITES:
            raise _Failed(DENIED)
        if operation not in _NAMES:
            raise _Failed(UNSUPPORTED)
        path = self._path(operation, body)
        self._phone.before_operation(_NAMES[operation], path)
        if path and self._phone.faults.hit("denied", path.strip("/")):
            raise _Failed(DENIED)
        if path and operation != READ and self._phone.faults.hit("unreadable", path.strip("/")):
            raise _Failed(READ_ERROR)
        if operation == OPEN:
            return OPENED, struct.pack("<Q", self._open(path)), b""
        if operation == TELL:
            return TOLD, struct.pack("<Q", self._handle(body).place), b""
        if operation == SEEK:
            self._seek(body)
        elif operation == CLOSE:
            del self._handles[_number(body)]
            self._phone.handles(-1)
        else:
            return DATA, b"", self._data(operation, path, body)
        return STATUS, struct.pack("<Q", OK), b""

    def _data(self, operation: int, path: str, body: bytes) -> bytes:
        if operation == READ:
            return self._read(body)
        if operation == READ_DIR:
            return self._read_dir(path)
        return self._info(path) if operation == FILE_INFO else self._device()

    def _path(self, operation: int, body: bytes) -> str:
        if operation in {READ_DIR, FILE_INFO}:
            return _text(body)
        if operation == OPEN:
            return _text(body[8:])
        return "" if operation == DEVICE_INFO else self._handle(body).path

    def _handle(self, body: bytes) -> _Handle:
        handle = self._handles.get(_number(body))
        if handle is None:
            raise _Failed(INVALID)
        return handle

    def _find(self, path: str) -> File | Folder:
        found = self._phone.media.find(path)
        if found is None:
            raise _Failed(NOT_FOUND)
        return found

    def _read_dir(self, path: str) -> bytes:
        folder = self._find(path)
        if not isinstance(folder, Folder):
            raise _Failed(READ_ERROR)
        return _strings([".", "..", *self._phone.media.names(folder)])

    def _info(self, path: str) -> bytes:
        node = self._phone.media.entry(path)
        link = []
        if node is None:
            raise _Failed(NOT_FOUND)
        if isinstance(node, Link):
            size, kind, modified, born = len(node.target), "S_IFLNK", 0, 0
            link = ["LinkTarget", node.target]
        elif isinstance(node, Folder):
            size, kind, modified, born = 64 * (len(node) + 2), "S_IFDIR", 0, 0
        else:
            size, kind, modified, born = node.content.size, "S_IFREG", node.modified, node.born
        if self._phone.faults.hit("odd_info", path.strip("/")):
            return _strings(["st_size", str(size), "st_ifmt", kind])
        return _strings(
            ["st_size", str(size), "st_blocks", str(-(-size // 512)), "st_nlink", "1",
             "st_ifmt", kind, "st_mtime", str(modified), "st_birthtime", str(born), *link]
        )  # fmt: skip

    def _device(self) -> bytes:
        return _strings(
            ["Model", "iPhone14,2", "FSTotalBytes", str(self._phone.capacity),
             "FSFreeBytes", str(self._phone.free), "FSBlockSize", "4096"]
        )  # fmt: skip

    def _open(self, path: str) -> int:
        file = self._find(path)
        if isinstance(file, Folder):
            raise _Failed(IS_DIR)
        if len(self._handles) >= _MOST_HANDLES:
            raise _Failed(NO_RESOURCES)
        number, self._next = self._next, self._next + 1
        self._handles[number] = _Handle(path.strip("/"), file)
        self._phone.handles(1)
        return number

    def _read(self, body: bytes) -> bytes:
        handle = self._handle(body)
        (size,) = struct.unpack_from("<Q", body, 8)
        if handle.ended:
            return b""
        data, handle.ended = self._phone.read(
            handle.path, handle.file, handle.place, min(size, 1 << 23)
        )
        handle.place += len(data)
        return data

    def _seek(self, body: bytes) -> None:
        handle = self._handle(body)
        whence, offset = struct.unpack_from("<Qq", body, 8)
        start = {0: 0, 1: handle.place, 2: handle.file.content.size}.get(whence)
        if start is None or start + offset < 0:
            raise _Failed(INVALID)
        handle.place = start + offset


def _number(body: bytes) -> int:
    if len(body) < 8:
        raise _Failed(INVALID)
    (number,) = struct.unpack_from("<Q", body)
    return int(number)


def _text(body: bytes) -> str:
    raw, end, _ = body.partition(b"\0")
    if not end:
        raise _Failed(INVALID)
    return raw.decode("utf-8", "surrogateescape")


def _strings(values: list[str]) -> bytes:
    return b"".join(value.encode("utf-8", "surrogateescape") + b"\0" for value in values)

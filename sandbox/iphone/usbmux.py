"""usbmuxd: lists the phones on the cable and turns a connection into a device stream.

Messages are four little-endian words (length of all, version 1, kind 8 = property list, tag)
and a property list. After a successful Connect, the socket is the stream itself.
"""

from __future__ import annotations

import contextlib
import plistlib
import socket
import struct
import threading
import uuid
from collections.abc import Sequence
from typing import Any

from sandbox.iphone import afc, lockdown
from sandbox.iphone.phone import Phone
from sandbox.iphone.stream import Hangup, Stream

_HEADER = struct.Struct("<IIII")
_WIRELESS = 100  # device ids from here on are of the network
OK, BAD_COMMAND, BAD_DEVICE, REFUSED = 0, 1, 2, 3


class Usbmuxd:
    """Serves ``phones`` on loopback from construction until ``close``."""

    def __init__(self, phones: Sequence[Phone], port: int = 0) -> None:
        self.phones = list(phones)
        self._buid = str(uuid.uuid4()).upper()
        self._pairings: dict[str, bytes] = {}
        self._listening: dict[Stream, threading.Lock] = {}
        self._open: set[Stream] = set()
        self._lock = threading.Lock()
        for phone in self.phones:
            phone.watchers.append(self._changed)
        self._socket = socket.create_server(("127.0.0.1", port), backlog=64)
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._accept, daemon=True, name="usbmuxd")
        self._thread.start()

    def close(self) -> None:
        """Stop serving; may be called twice."""
        # Closing alone does not wake a thread that waits in accept.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)
        with self._lock:
            streams = list(self._open)
        for stream in streams:
            stream.cut()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._socket.accept()
            except OSError:
                return
            stream = Stream(sock)
            with self._lock:
                self._open.add(stream)
            threading.Thread(target=self._serve, args=(stream,), daemon=True).start()

    def _serve(self, stream: Stream) -> None:
        try:
            with contextlib.suppress(Hangup):
                self._talk(stream)
        finally:
            with self._lock:
                self._open.discard(stream)
                self._listening.pop(stream, None)
            stream.close()

    def _talk(self, stream: Stream) -> None:
        while True:
            length, version, kind, tag = _HEADER.unpack(stream.read(_HEADER.size))
            if not _HEADER.size <= length <= 1 << 20:
                raise Hangup
            body = stream.read(length - _HEADER.size)
            if version != 1 or kind != 8:
                _send(stream, _result(BAD_COMMAND), tag)
                continue
            message: dict[str, Any] = plistlib.loads(body)
            if message.get("MessageType") == "Connect":
                if self._connect(stream, message, tag):
                    return
            elif message.get("MessageType") == "Listen":
                self._listen(stream, tag)
            else:
                _send(stream, self._answer(message), tag)

    def _answer(self, message: dict[str, Any]) -> dict[str, Any]:
        record = str(message.get("PairRecordID", ""))
        match message.get("MessageType"):
            case "ListDevices":
                cable = [self._attached(phone) for phone in self._present()]
                return {"DeviceList": [*self._wireless(), *cable]}
            case "ListListeners":
                return {"ListenerList": []}
            case "ReadBUID":
                return {"BUID": self._buid}
            case "ReadPairRecord":
                data = self._pairings.get(record)
                return {"PairRecordData": data} if data is not None else _result(BAD_DEVICE)
            case "SavePairRecord":
                with self._lock:
                    self._pairings[record] = message["PairRecordData"]
                return _result(OK)
            case "DeletePairRecord":
                with self._lock:
                    self._pairings.pop(record, None)
                return _result(OK)
        return _result(BAD_COMMAND)

    def _present(self) -> list[Phone]:
        return [phone for phone in self.phones if phone.attached]

    def _id(self, phone: Phone) -> int:
        return self.phones.index(phone) + 1

    def _attached(self, phone: Phone) -> dict[str, Any]:
        number = self._id(phone)
        return {
            "MessageType": "Attached",
            "DeviceID": number,
            "Properties": {
                "ConnectionSpeed": 480_000_000,
                "ConnectionType": "USB",
                "DeviceID": number,
                "LocationID": 0x100000 + number,
                "ProductID": 0x12A8,
                "SerialNumber": phone.udid,
            },
        }

    def _wireless(self) -> list[dict[str, Any]]:
        """The phones that answer from the network, each a device of its own."""
        return [
            {
                "MessageType": "Attached",
                "DeviceID": _WIRELESS + self._id(phone),
                "Properties": {
                    "ConnectionType": "Network",
                    "DeviceID": _WIRELESS + self._id(phone),
                    "EscapedFullServiceName": f"{phone.udid}._apple-mobdev2._tcp.local.",
                    "SerialNumber": phone.udid,
                },
            }
            for phone in self.phones
            if phone.wireless
        ]

    def _connect(self, stream: Stream, message: dict[str, Any], tag: int) -> bool:
        """Hand the stream to the phone; False (and an answer) if that cannot be."""
        number = int(message.get("DeviceID", 0))
        if number > _WIRELESS:  # nothing is served there: who asks is counted
            self.phones[number - _WIRELESS - 1].wireless_connections += 1
            _send(stream, _result(REFUSED), tag)
            return False
        phone = next((phone for phone in self._present() if self._id(phone) == number), None)
        port = socket.ntohs(int(message.get("PortNumber", 0)))
        if phone is None or not phone.adopt(stream):
            _send(stream, _result(BAD_DEVICE), tag)
            return False
        try:
            if port != lockdown.PORT and not phone.is_service(port):
                _send(stream, _result(REFUSED), tag)
                return False
            _send(stream, _result(OK), tag)
            if port == lockdown.PORT:
                lockdown.serve(stream, phone)
            else:
                if phone.tls:
                    stream.start_tls(phone.context)
                afc.serve(stream, phone)
        finally:
            phone.release(stream)
        return True

    def _listen(self, stream: Stream, tag: int) -> None:
        guard = threading.Lock()
        with guard:  # no event may overtake the answer
            with self._lock:
                self._listening[stream] = guard
            _send(stream, _result(OK), tag)
            for phone in self._present():
                _send(stream, self._attached(phone), 0)

    def _changed(self, phone: Phone, attached: bool) -> None:
        event = (
            self._attached(phone)
            if attached
            else {"MessageType": "Detached", "DeviceID": self._id(phone)}
        )
        with self._lock:
            listening = list(self._listening.items())
        for stream, guard in listening:
            with guard, contextlib.suppress(Hangup):
                _send(stream, event, 0)


def _result(number: int) -> dict[str, Any]:
    return {"MessageType": "Result", "Number": number}


def _send(stream: Stream, message: dict[str, Any], tag: int) -> None:
    body = plistlib.dumps(message)
    stream.write(_HEADER.pack(_HEADER.size + len(body), 1, 8, tag) + body)

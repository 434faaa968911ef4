"""One loopback server for every double: a proxy that ends TLS with the sandbox's own CA.

Clients reach it by configuration alone (``HTTPS_PROXY`` and a CA bundle): whatever host name
they CONNECT to is answered by the service that claims it. Names nobody claims get 502, so
nothing ever leaves the machine. One thread per connection, HTTP/1.1 keep-alive; the head and
the (first part of the) body go out in one write, because Nagle's algorithm against delayed
acknowledgements would otherwise cost 40 ms per request.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from sandbox.ca import Authority
from sandbox.damage import Abort, after, before
from sandbox.faults import Faults
from sandbox.link import Link
from sandbox.messages import Answer, BadRequest, Headers, Request, Wire, json_answer, parse

__all__ = ["Answer", "Headers", "Request", "Sandbox", "Service", "json_answer"]

# Unread bytes of a refused body are taken all the same, or the reset that closing brings
# could overtake the answer on its way to the client.
_DRAIN = 1 << 28


class Service(Protocol):
    """A double. ``hosts`` are exact names or ``*.suffix``.

    ``handle`` may be called from many threads. A service may also have

    - ``fault_key(request) -> str | None``: the key generic faults see (default: the path);
      None spares the request,
    - ``fault_answer(name, request) -> Answer | None``: its vendor's body for ``throttle``,
      ``throttle_bare`` and ``unavailable``.
    """

    @property
    def hosts(self) -> Collection[str]: ...

    def handle(self, request: Request) -> Answer: ...


class Sandbox:
    """Runs from ``start`` (or ``with``) until ``close``.

    ``latency`` is in seconds per request, ``bandwidth`` in bytes per second for all answers
    together. ``requests`` counts by host, ``connections`` counts TLS connections made.
    """

    def __init__(
        self,
        services: Sequence[Service],
        *,
        faults: Faults | None = None,
        latency: float = 0,
        bandwidth: int | None = None,
        port: int = 0,
        authority: Authority | None = None,
    ) -> None:
        self.services = list(services)
        self.faults = faults if faults is not None else Faults()
        self.latency = latency
        self.requests: Counter[str] = Counter()
        self.connections = 0
        self._link = Link(bandwidth)
        self._authority = authority or Authority()
        self._folder = tempfile.TemporaryDirectory(prefix="outpour-sandbox-")
        self.ca_file = Path(self._folder.name, "ca.pem")
        self._authority.write(self.ca_file)
        self._direct: dict[int, Service] = {}
        self._listeners: list[socket.socket] = []
        self._open: dict[socket.socket, threading.Thread] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        try:
            self._port = self._listen(port)
        except OSError:
            self._folder.cleanup()
            raise

    @property
    def proxy_url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def direct(self, service: Service) -> str:
        """An https root of its own for one service, without proxy or host names."""
        for port, known in self._direct.items():
            if known is service:
                return f"https://127.0.0.1:{port}"
        port = self._listen(0, service)
        return f"https://127.0.0.1:{port}"

    def environ(self) -> dict[str, str]:
        """What sends a client here: the proxy, the CA, and no exception for any host."""
        ca = str(self.ca_file)
        proxies = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy")
        return {
            **dict.fromkeys(proxies, self.proxy_url),
            **dict.fromkeys(("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE"), ca),
            "NO_PROXY": "",
            "no_proxy": "",
        }

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def drop_connections(self) -> None:
        """End every open connection now, as a network that goes away does."""
        with self._lock:
            sockets = list(self._open)
        for sock in sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    @contextlib.contextmanager
    def outage(self) -> Iterator[None]:
        """Meanwhile nothing answers and no connection lives, as if the cable were pulled."""
        gone, self._listeners = self._listeners[0], self._listeners[1:]
        gone.shutdown(socket.SHUT_RDWR)
        gone.close()
        self.drop_connections()
        try:
            yield
        finally:
            self._listen(self._port)

    def close(self) -> None:
        """Stop, close every connection, remove the CA file. May be called twice."""
        self._closed.set()
        for listener in self._listeners:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        self._listeners.clear()
        self.drop_connections()
        with self._lock:
            threads = list(self._open.values())
        deadline = time.monotonic() + 2  # a stalled answer need not be waited for
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self._folder.cleanup()

    # --- connections ---------------------------------------------------------------------

    def _listen(self, port: int, service: Service | None = None) -> int:
        listener = socket.create_server(("127.0.0.1", port), backlog=256)
        number = int(listener.getsockname()[1])
        if service is not None:
            self._direct[number] = service
        self._listeners.append(listener)
        threading.Thread(
            target=self._accept, args=(listener, number), name=f"sandbox-{number}", daemon=True
        ).start()
        return number

    def _accept(self, listener: socket.socket, port: int) -> None:
        while not self._closed.is_set():
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            thread = threading.Thread(target=self._connection, args=(sock, port), daemon=True)
            with self._lock:
                self._open[sock] = thread
            thread.start()

    def _connection(self, sock: socket.socket, port: int) -> None:
        current = sock
        try:
            if port in self._direct:
                current = self._secure(sock, "127.0.0.1")
                self._serve(Wire(current), "127.0.0.1", port)
                return
            wire = Wire(sock)
            head = wire.head()
            if head is None:
                return
            if head[:8] != b"CONNECT ":
                self._serve(wire, "", 80, head)
                return
            host, _, number = head.split(b" ")[1].decode("latin-1").rpartition(":")
            sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            current = self._secure(sock, host)
            self._serve(Wire(current), host, int(number))
        except Abort:
            with contextlib.suppress(OSError):  # makes close() send RST
                current.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        except (OSError, BadRequest, ValueError):
            pass  # the peer went away, or never spoke HTTP: nothing to answer
        finally:
            current.close()
            sock.close()
            with self._lock:
                for known in (sock, current):
                    self._open.pop(known, None)

    def _secure(self, sock: socket.socket, host: str) -> ssl.SSLSocket:
        self.connections += 1
        with self._lock:
            thread = self._open.pop(sock, threading.current_thread())
        secured = self._authority.context(host).wrap_socket(sock, server_side=True)
        with self._lock:
            self._open[secured] = thread
        if self._closed.is_set():  # while hands were shaken: nobody else would close it
            secured.close()
            raise OSError("closed")
        return secured

    # --- requests ------------------------------------------------------------------------

    def _serve(self, wire: Wire, host: str, port: int, first: bytes | None = None) -> None:
        while not self._closed.is_set():
            head, first = first if first is not None else wire.head(), None
            if head is None:
                return
            request = parse(head, wire, host, port)
            answer = self._answer(request)
            keep = request.headers.get("connection", "").lower() != "close"
            complete = self._send(wire.sock, request, answer)
            if not (complete and keep and request.body.drain(_DRAIN)):
                return

    def _answer(self, request: Request) -> Answer:
        self.requests[request.host] += 1
        service = self._direct.get(request.port) or self._service(request.host)
        if service is None:
            return json_answer({"error": f"no double answers for {request.host}"}, 502)
        if self.latency:
            time.sleep(self.latency)
        refused = before(self.faults, service, request)
        if refused is not None:
            return refused
        return after(self.faults, service, request, service.handle(request))

    def _service(self, host: str) -> Service | None:
        host = host.lower()
        for service in self.services:
            for claimed in service.hosts:
                if host == claimed or (claimed[:2] == "*." and host.endswith(claimed[1:])):
                    return service
        return None

    def _send(self, sock: socket.socket, request: Request, answer: Answer) -> bool:
        """Send all of it; False when the connection cannot be used again."""
        length = answer.length()
        chunked = length is None
        head = answer.head(chunked=chunked)
        if request.method == "HEAD" or answer.status in (204, 304):
            sock.sendall(head)
            return True
        if isinstance(answer.body, bytes):
            self._link.send(sock, head + answer.body)
            return len(answer.body) == length
        sent = 0
        for part in answer.body:
            if not part:
                continue
            piece = b"%x\r\n%b\r\n" % (len(part), part) if chunked else part
            self._link.send(sock, head + piece if head else piece)
            head = b""
            sent += len(part)
        tail = b"0\r\n\r\n" if chunked else b""
        if head or tail:
            self._link.send(sock, head + tail)
        return chunked or sent == length

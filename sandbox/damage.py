"""What a fault does to an answer. The server core uses the generic ones, doubles the rest."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from sandbox.faults import Faults
from sandbox.messages import Answer, Request, json_answer

_DRIBBLES = 10


class Abort(Exception):
    """Reset the connection instead of answering (any further)."""


def before(faults: Faults, service: object, request: Request) -> Answer | None:
    """The generic faults that keep a request from its service."""
    key = _key(service, request)
    if key is None:
        return None
    if faults.hit("reset", key):
        raise Abort
    for name, status in (("throttle", 429), ("throttle_bare", 429), ("unavailable", 503)):
        if faults.hit(name, key):
            answer = _vendor(service, name, request) or json_answer({"error": name}, status)
            if name == "throttle":
                answer.headers["Retry-After"] = str(faults.retry_after)
            return answer
    return None


def after(faults: Faults, service: object, request: Request, answer: Answer) -> Answer:
    """The generic faults that spoil the body of an answer."""
    key = _key(service, request)
    if key is None or not answer.length() or answer.status >= 400:
        return answer
    if faults.hit("cut_stream", key):
        return cut(answer)
    if faults.hit("stall", key):
        return stall(answer, faults.stall_seconds)
    if faults.hit("slow_body", key):
        return slow(answer, faults.slow_seconds)
    return answer


def _key(service: object, request: Request) -> str | None:
    ask: Callable[[Request], str | None] | None = getattr(service, "fault_key", None)
    return request.path if ask is None else ask(request)


def _vendor(service: object, name: str, request: Request) -> Answer | None:
    ask: Callable[[str, Request], Answer | None] | None = getattr(service, "fault_answer", None)
    return None if ask is None else ask(name, request)


def parts(answer: Answer) -> Iterator[bytes]:
    return iter([answer.body]) if isinstance(answer.body, bytes) else answer.body


def _streamed(answer: Answer, body: Iterator[bytes]) -> Answer:
    length = answer.length()
    headers = dict(answer.headers)
    if length is not None:
        headers = {k: v for k, v in headers.items() if k.lower() != "content-length"}
        headers["Content-Length"] = str(length)
    return Answer(answer.status, headers, body, answer.cookies)


def head_of(body: Iterator[bytes], size: int) -> Iterator[bytes]:
    """The first ``size`` bytes."""
    for part in body:
        yield part[:size]
        size -= len(part[:size])
        if size <= 0:
            return


def cut(answer: Answer) -> Answer:
    """Announce everything, send half, end the connection."""
    half = (answer.length() or 0) // 2
    return _streamed(answer, head_of(parts(answer), half))


def stall(answer: Answer, seconds: float) -> Answer:
    """Send half, then nothing for ``seconds``, then end the connection."""
    half = (answer.length() or 0) // 2

    def body() -> Iterator[bytes]:
        yield from head_of(parts(answer), half)
        time.sleep(seconds)

    return _streamed(answer, body())


def slow(answer: Answer, seconds: float) -> Answer:
    """Everything arrives, in small parts over about ``seconds``."""
    step = max(1, (answer.length() or 1) // _DRIBBLES)

    def body() -> Iterator[bytes]:
        for part in parts(answer):
            for start in range(0, len(part), step):
                yield part[start : start + step]
                time.sleep(seconds / _DRIBBLES)

    return _streamed(answer, body())


def short_length(answer: Answer) -> Answer:
    """Half the body under an honest-looking Content-Length."""
    half = (answer.length() or 0) // 2
    headers = {k: v for k, v in answer.headers.items() if k.lower() != "content-length"}
    headers["Content-Length"] = str(half)
    return Answer(answer.status, headers, head_of(parts(answer), half), answer.cookies)


def flip(answer: Answer, at: int) -> Answer:
    """One bit of the byte at ``at`` (modulo the length) is the other way round."""
    at %= max(1, answer.length() or 1)

    def body() -> Iterator[bytes]:
        start = 0
        for part in parts(answer):
            if start <= at < start + len(part):
                spoiled = bytearray(part)
                spoiled[at - start] ^= 0x10
                part = bytes(spoiled)
            start += len(part)
            yield part

    return _streamed(answer, body())

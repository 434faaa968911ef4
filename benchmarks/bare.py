"""``python -m benchmarks.bare FILE``: read what the addresses in FILE lead to, and hash it.

A thread for each address; prints the seconds it took. This is the yardstick: nothing that
verifies what it downloads can be faster on this machine.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests

from connectors.checksums import Hasher

_CHUNK = 1024 * 1024


def read(address: str) -> int:
    hasher = Hasher()
    with requests.get(address, stream=True, timeout=60) as answer:
        answer.raise_for_status()
        while chunk := answer.raw.read(_CHUNK):
            hasher.update(chunk)
    return hasher.digests().size


def main() -> None:
    addresses = Path(sys.argv[1]).read_text().split()
    begin = time.perf_counter()
    with ThreadPoolExecutor(len(addresses)) as pool:
        list(pool.map(read, addresses))
    print(time.perf_counter() - begin)


if __name__ == "__main__":
    main()

"""``python -m benchmarks [PART ...] [--quick]``: side by side with the tools people use today."""

from __future__ import annotations

import argparse
import compileall
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from benchmarks import clouds, icloud, iphone, ledger
from benchmarks.double import ROOT
from benchmarks.results import Comparison, Results, table

Part = Callable[[bool], Iterator[Comparison]]
PARTS: Mapping[str, Part] = {
    "icloud-small": icloud.small,
    "icloud-unchanged": icloud.unchanged,
    "icloud-large": icloud.large,
    "icloud-listing": icloud.listing,
    "icloud-memory": icloud.memory,
    "ledger": ledger.cost,
    "gdrive-small": clouds.part("gdrive", "small"),
    "gdrive-medium": clouds.part("gdrive", "medium"),
    "gdrive-large": clouds.part("gdrive", "large"),
    "dropbox-small": clouds.part("dropbox", "small"),
    "dropbox-medium": clouds.part("dropbox", "medium"),
    "dropbox-large": clouds.part("dropbox", "large"),
    "iphone-small": iphone.small,
    "iphone-large": iphone.large,
    "iphone-listing": iphone.listing,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "parts",
        nargs="*",
        metavar="PART",
        help=f"a part or the beginning of several; all: {', '.join(PARTS)}",
    )
    parser.add_argument("--quick", action="store_true", help="small numbers: does it work at all?")
    parser.add_argument("--out", type=Path, default=Path("bench-results"), help="for the results")
    chosen = parser.parse_args()
    names = [n for n in PARTS if not chosen.parts or any(n.startswith(p) for p in chosen.parts)]
    unknown = [p for p in chosen.parts if not any(n.startswith(p) for n in PARTS)]
    if unknown:
        parser.error(f"no part is called {', '.join(unknown)}")
    _compile()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # clean up as after Ctrl-C
    results = Results(chosen.out / "quick" if chosen.quick else chosen.out)
    failed = []
    for name in names:
        print(f"{name} ...", file=sys.stderr, flush=True)
        try:
            for comparison in PARTS[name](chosen.quick):
                results.keep(comparison)
                print(table(comparison), flush=True)
        except RuntimeError as error:  # one part that fails leaves the others their turn
            failed.append(name)
            print(f"{name} failed: {error}", file=sys.stderr, flush=True)
        except KeyboardInterrupt:
            print(f"stopped; what is finished is in {results.page}", file=sys.stderr)
            return 130
    print(f"All of it is in {results.page}", file=sys.stderr)
    return 1 if failed else 0


def _compile() -> None:
    """An installed outpour has its bytecode at hand; so has this one, whatever is set here."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    for package in ("connectors", "pipeline", "sandbox", "benchmarks"):
        compileall.compile_dir(ROOT / package, quiet=1)


if __name__ == "__main__":
    sys.exit(main())

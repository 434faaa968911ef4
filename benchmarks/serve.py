"""``python -m benchmarks.serve OPTIONS``: one double in a process of its own.

``OPTIONS`` is a JSON object whose ``kind`` names the double; the other keys are arguments of
its class here. One line of JSON is printed when it runs; then each line that comes in (a
method's name) is answered by one line, until the pipe ends.
"""

from __future__ import annotations

import json
import resource
import sys
from contextlib import ExitStack
from typing import Any

from sandbox.server import Sandbox, Service

Told = dict[str, Any]


class ICloud:
    """A plain library of ``assets`` JPEGs of ``size`` bytes each."""

    def __init__(self, parts: ExitStack, latency: float, assets: int, size: int | None) -> None:
        from sandbox import icloud
        from sandbox.library import Library

        self._latency = latency
        self._library = Library(assets, size=size, plain=True, shared=False)
        self._library.warm()  # no contestant shall wait for the double's own hashing
        self._cloud = icloud.ICloud(self._library)
        self._sandbox = parts.enter_context(Sandbox([self._cloud], latency=latency))
        account = self._cloud.account
        self.told: Told = {
            "environ": {
                **self._sandbox.environ(),
                "OUTPOUR_ICLOUD_PASSWORD": account.password,
            },
            "apple_id": account.apple_id,
            "password": account.password,
        }

    def reset(self) -> Told:
        self._cloud.reset_counts()
        return {}

    def count(self) -> Told:
        return {"requests": self._cloud.counts.total(), "kinds": dict(self._cloud.counts)}

    def burst(self) -> Told:
        """From now on there is a burst of three pictures in the library."""
        for number in range(3):
            self._library.add(f"BURST_{number}", burst="BURST", stacked=number > 0)
        return {}

    def brisk(self) -> Told:
        """No latency from now on, for what is not measured."""
        self._sandbox.latency = 0
        return {}

    def usual(self) -> Told:
        """The latency it began with."""
        self._sandbox.latency = self._latency
        return {}

    def addresses(self) -> Told:
        """Where the originals can be fetched from, as a listing would say."""
        zone = {"zoneName": "PrimarySync"}
        found = []
        for asset in self._library:
            address = self._cloud.links.token(asset, asset.original, zone)["downloadURL"]
            found.append(address.replace("${f}", asset.original.filename))
        return {"addresses": found}


class GDrive:
    """An empty Drive without a limit that keeps hashes of what it gets."""

    def __init__(self, parts: ExitStack, latency: float) -> None:
        from sandbox.gdrive import GoogleDrive, Store

        self._double = GoogleDrive(Store(limit=None, keep_bytes=False))
        parts.callback(self._double.close)
        services: list[Service] = [self._double, self._double.signin]
        self._sandbox = parts.enter_context(Sandbox(services, latency=latency))
        client = self._double.signin.client
        self.told: Told = {
            "environ": {
                **self._sandbox.environ(),
                "OUTPOUR_GDRIVE_CLIENT_ID": client.id,
                "OUTPOUR_GDRIVE_CLIENT_SECRET": client.secret,
            },
            "ca": str(self._sandbox.ca_file),
            "id": client.id,
            "secret": client.secret,
        }

    def reset(self) -> Told:
        store = self._double.store
        for node in [node for node in store.nodes.values() if node.name == "Outpour"]:
            store.delete(node)
        self._double.calls.clear()
        return {"refresh": self._double.signin.issue()}

    def count(self) -> Told:
        files = sum(len(nodes) for nodes in self._double.store.paths().values())
        return {"requests": self._double.calls.total(), "files": files}


class Dropbox:
    """An empty Dropbox that keeps hashes of what it gets."""

    def __init__(self, parts: ExitStack, latency: float) -> None:
        from sandbox.dropbox import Dropbox as Double

        self._double = Double(keep_bytes=False)
        self._double.tree.limit = 1 << 50
        self._sandbox = parts.enter_context(Sandbox([self._double], latency=latency))
        key = self._double.signin.app_key
        self.told: Told = {
            "environ": {**self._sandbox.environ(), "OUTPOUR_DROPBOX_APP_KEY": key},
            "ca": str(self._sandbox.ca_file),
            "key": key,
        }

    def reset(self) -> Told:
        self._double.tree.nodes.clear()
        self._double.counts.clear()
        return {"refresh": self._double.signin.refresh_token()}

    def count(self) -> Told:
        from sandbox.dropbox.tree import File

        files = sum(isinstance(node, File) for node in self._double.tree.nodes.values())
        return {"requests": self._double.counts.total(), "files": files}


class IPhone:
    """A phone with ``assets`` JPEGs of ``size`` bytes each; ``latency`` is for each operation."""

    def __init__(self, parts: ExitStack, latency: float, assets: int, size: int | None) -> None:
        from sandbox.iphone import OnPhone, Phone, Placement, SandboxPhones
        from sandbox.library import Library

        self._phone = Phone(latency=latency)
        library = Library(assets, size=size, plain=True, shared=False)
        # All of it below DCIM, where the other tools look too.
        OnPhone(self._phone, library, place=lambda _: Placement())
        phones = parts.enter_context(SandboxPhones([self._phone]))
        self.told: Told = {"environ": phones.environ(), "udid": self._phone.udid}

    def reset(self) -> Told:
        self._phone.operations.clear()
        return {}

    def count(self) -> Told:
        return {"requests": self._phone.operations.total()}


KINDS = {"icloud": ICloud, "gdrive": GDrive, "dropbox": Dropbox, "iphone": IPhone}


def main() -> None:
    options = json.loads(sys.argv[1])
    with ExitStack() as parts:
        double: Any = KINDS[options.pop("kind")](parts, **options)
        print(json.dumps(double.told), flush=True)
        for line in sys.stdin:
            answer: Told = getattr(double, line.strip())()
            usage = resource.getrusage(resource.RUSAGE_SELF)
            answer["cpu"] = usage.ru_utime + usage.ru_stime
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()

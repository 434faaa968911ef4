"""A hand on the controls from another process: small JSON over plain HTTP.

``curl -x $HTTP_PROXY http://sandbox.example.com/`` lists what there is. Tests in the same
process use the double's own methods instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from sandbox.faults import GENERIC
from sandbox.icloud.account import Account
from sandbox.icloud.double import FAULTS, ICloud
from sandbox.library import Asset
from sandbox.messages import Answer, Request, json_answer

HOST = "sandbox.example.com"


class Control:
    hosts = (HOST,)

    def __init__(self, cloud: ICloud, known: Mapping[str, str] = FAULTS) -> None:
        self._cloud = cloud
        self._known = {**GENERIC, **known}
        self._routes: dict[str, Callable[[dict[str, Any]], Any]] = {
            "counts": lambda _: dict(cloud.counts),
            "reset": lambda _: cloud.reset_counts(),
            "hits": lambda _: {"counts": cloud.faults.counts, "log": list(cloud.faults.log)},
            "fault": self._fault,
            "clear": lambda body: cloud.faults.clear(body.get("name")),
            "expire_sessions": lambda body: cloud.expire_sessions(**body),
            "expire_links": lambda _: cloud.expire_links(),
            "migrate": lambda _: cloud.migrate(),
            "account": self._account,
            "assets": self._assets,
            "asset": self._asset,
        }

    def fault_key(self, _request: Request) -> None:
        """Faults never meet the controls."""

    def handle(self, request: Request) -> Answer:
        route = self._routes.get(request.path.strip("/"))
        if route is None:
            return json_answer(
                {"commands": sorted(self._routes)}, 200 if request.path == "/" else 404
            )
        try:
            return json_answer(route(request.json() or {}))
        except (KeyError, TypeError, ValueError) as error:
            return json_answer({"error": f"{type(error).__name__}: {error}"}, 400)

    def _fault(self, body: dict[str, Any]) -> None:
        """{"spec": "gone@content/*:2x"}: add rules."""
        self._cloud.faults.include(body["spec"], self._known)

    def _account(self, body: dict[str, Any]) -> Any:
        """Set settings of the account; answers them all, without the password."""
        account = self._cloud.account
        known = {field.name for field in fields(Account)}
        for name, value in body.items():
            if name not in known:
                raise KeyError(name)
            setattr(account, name, value)
        return {name: getattr(account, name) for name in sorted(known - {"password"})}

    def _assets(self, body: dict[str, Any]) -> Any:
        """The assets of a view, newest first."""
        library = self._cloud.library
        numbers = library.view(body.get("view", "shown"), shared=bool(body.get("shared")))
        return [_told(library.get(number)) for number in numbers[: body.get("most", 1000)]]

    def _asset(self, body: dict[str, Any]) -> Any:
        """{"do": "trash", "id": ...}: add, change, edit, trash, restore, purge."""
        what = body.pop("do")
        if what not in {"add", "change", "edit", "trash", "restore", "purge"}:
            raise ValueError(f"cannot {what}")
        name = body.pop("filename") if what == "add" else body.pop("id")
        done = getattr(self._cloud.library, what)(name, **body)
        return _told(done) if done else {}


def _told(asset: Asset) -> dict[str, Any]:
    return {
        "id": asset.id,
        "kind": asset.kind,
        "files": [
            {"role": file.role, "filename": file.filename, "size": file.size}
            for file in asset.files
        ],
    }

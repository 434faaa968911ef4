"""Asks the phone many things at once, and keeps what could not be asked as problems."""

from __future__ import annotations

import functools
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from typing import Any, Protocol, TypeVar

from connectors.base import Asset, Problem
from connectors.iphone import names
from connectors.iphone.assembly import sized, unsized
from connectors.iphone.device import Files, Stat
from connectors.iphone.errors import Denied, Missing
from connectors.iphone.link import Link

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
_AT_ONCE = 200  # questions under way


class _Question(Protocol[T_co]):
    def __call__(self, files: Files, path: str) -> Coroutine[Any, Any, T_co]: ...


class Asking:
    """``problems`` gathers what the phone refused, and names and links that cannot be followed.
    All raise as the link does."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self.problems: list[Problem] = []

    def names(self, folder: str) -> list[str]:
        """Names in a folder; none where there is no such folder, or it may not be looked into."""
        return self.each_names([folder]).get(folder, [])

    def each_names(self, folders: Sequence[str]) -> dict[str, list[str]]:
        """Names in each of many folders; one that may not be looked into is left out."""
        found: dict[str, list[str]] = {}
        for folder, answer in self._ask(folders, _names):
            told = self._told(folder, answer)
            if isinstance(answer, Denied):
                continue
            found[folder] = []
            for name in told or ():
                try:
                    found[folder].append(names.checked_name(name))
                except names.BadName as bad:
                    self.problems.append(Problem(folder, str(bad)))
        return found

    def stats(self, paths: Sequence[str]) -> dict[str, Stat]:
        """What the phone says of each path that is there."""
        answers = ((path, self._told(path, stat)) for path, stat in self._ask(paths, _stat))
        return {path: stat for path, stat in answers if stat is not None}

    def complete(self, assets: Iterable[Asset]) -> list[Asset]:
        """With the sizes nobody told so far."""
        assets = list(assets)
        sizes = {
            path: stat.size
            for path, stat in self.stats([p for asset in assets for p in unsized(asset)]).items()
        }
        return [sized(asset, sizes) if unsized(asset) else asset for asset in assets]

    def _told(self, path: str, answer: T | Denied | None) -> T | None:
        if isinstance(answer, Denied):
            self.problems.append(Problem(path, str(answer)))
            return None
        return answer

    def _ask(
        self, paths: Sequence[str], question: _Question[T]
    ) -> Iterator[tuple[str, T | Denied | None]]:
        """Each path with its answer, None where nothing is at it."""
        for at in range(0, len(paths), _AT_ONCE):
            answers = self._answers(paths[at : at + _AT_ONCE], question)
            shown = self._shown([path for path, answer in answers.items() if answer is None])
            for path, answer in self._answers(shown, question).items():
                unread = Denied(f"{path}: the phone lists it and cannot read it", passing=False)
                answers[path] = unread if answer is None else answer
            yield from answers.items()

    def _shown(self, missing: Sequence[str]) -> list[str]:
        """Those that the folder they are in lists: an error of the phone's file system looks as if
        nothing were there."""
        folders = sorted({path.rpartition("/")[0] for path in missing})
        there = {
            f"{folder}/{name}" if folder else name
            for folder, inside in self._answers(folders, _listed).items()
            if inside is not None and not isinstance(inside, Denied)
            for name in inside
        }
        return [path for path in missing if path in there]

    def _answers(
        self, paths: Sequence[str], question: _Question[T]
    ) -> dict[str, T | Denied | None]:
        asked = [functools.partial(_answered, question=question, path=path) for path in paths]
        return dict(zip(paths, self._link.each(asked), strict=True)) if asked else {}


async def _answered(files: Files, *, question: _Question[T], path: str) -> T | Denied | None:
    """None where nothing is at that path."""
    try:
        return await question(files, path)
    except Missing:
        return None
    except Denied as denied:
        return denied


async def _names(files: Files, path: str) -> list[str]:
    if (await files.stat(path)).link:
        raise Denied(f"{path} is a link, which is not followed", passing=False)
    return await files.names(path)


async def _listed(files: Files, path: str) -> list[str]:
    return await files.names(path or "/")


async def _stat(files: Files, path: str) -> Stat:
    return await files.stat(path)

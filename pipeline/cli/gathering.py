"""The pipelines of a batch: from files, folders and tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from connectors.errors import Misconfigured
from pipeline.batch import Task
from pipeline.cli.options import chosen
from pipeline.config.circles import Circles
from pipeline.config.load import load_all
from pipeline.config.models import Pipeline
from pipeline.config.passwords import Passwords
from pipeline.wording import count

_MOVING = ("run", "plan")


class Gathering:
    """One task for each pipeline, to do ``what`` with it. ``remarks`` are what a person should know
    before anything starts.

    Misconfigured if any of them is not right, or two are one.
    """

    def __init__(self, paths: Sequence[Path], what: str) -> None:
        self.tasks: list[Task] = []
        self._pipelines: list[Pipeline] = []
        self._what = what
        self._called: dict[str, str] = {}
        self._meant: dict[str, str] = {}  # what each comes to
        self._passwords = Passwords()
        self._sinks: dict[tuple[str, str], list[str]] = defaultdict(list)  # rows by what they fill
        for path in {path.resolve(): path for path in _files(paths)}.values():
            for row, pipeline in load_all(path):
                self._add(path, row, pipeline)
        self.remarks = list(self._mixing())
        if what in _MOVING:
            self._check_circles()

    def _mixing(self) -> Iterator[str]:
        for (place, _), names in self._sinks.items():
            if len(names) > 1:
                yield (
                    f"{count(len(names))} rows put their files into one place, {place}: "
                    f"{', '.join(names[:3])}{', ...' if len(names) > 3 else ''}"
                )

    def _add(self, path: Path, row: str | None, pipeline: Pipeline) -> None:
        this = f"{path}" if row is None else f"{row!r} of {path}"
        other = self._called.setdefault(pipeline.name.casefold(), this)
        if other is not this:
            raise Misconfigured(
                f"{other} and {this} are both called {pipeline.name!r}",
                hint="Each has a ledger of its own: give one of them another name:",
            )
        self._pipelines.append(pipeline)
        self._passwords.check(*pipeline.sources, *pipeline.sinks)
        # What begins with a dash would be taken for an option.
        file = f"./{path}" if str(path).startswith("-") else str(path)
        filled = pipeline.sinks if self._what == "run" else ()
        alone = frozenset(place.exclusive for place in filled if place.exclusive)
        self.tasks.append(Task(pipeline.name, [self._what, file, *chosen(row)], alone))
        self._compare(this, pipeline, of_table=row is not None)
        if row is not None:
            for sink in pipeline.sinks:
                place = " ".join(filter(None, sink.identity))
                self._sinks[place, repr(sink.settings)].append(row)

    def _check_circles(self) -> None:
        circles = Circles(self._pipelines)
        if found := circles.growing():
            raise Misconfigured(
                f"{_round(found)}: each run would copy the copies of the last",
                hint="Choose a folder outside for one of them, or leave it out.",
            )
        if found := circles.doubtful():
            self.remarks.append(f"{_round(found)}: they may copy each other's copies at each run")

    def _compare(self, this: str, pipeline: Pipeline, *, of_table: bool) -> None:
        meant = repr(pipeline.model_copy(update={"name": ""}))
        other = self._meant.setdefault(meant, this)
        if other is not this:
            hint = "${column} in the file tells the rows of its table apart."
            raise Misconfigured(
                f"{other} and {this} come to the same: one source, the same sinks",
                hint=hint if of_table else "One of them is enough: run it without the other.",
            )


def _round(pipelines: Sequence[Pipeline]) -> str:
    names = [repr(pipeline.name) for pipeline in pipelines]
    way = ", which fills that of ".join([*names[1:], names[0]])
    return f"{names[0]} fills the source of {way}"


def _files(paths: Iterable[Path]) -> Iterable[Path]:
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        found = sorted(one for one in path.iterdir() if _is_pipeline(one))
        if not found:
            raise Misconfigured(f"{path}: no pipeline file (*.yaml, *.yml) is in this folder")
        yield from found


def _is_pipeline(path: Path) -> bool:
    """Not what a system hides, or puts beside a file for itself (._family.yaml)."""
    named = path.suffix.lower() in (".yaml", ".yml") and not path.name.startswith(".")
    return named and path.is_file()

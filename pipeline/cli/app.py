"""The commands, and what any of them may end with."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points, version
from typing import Annotated, Any

import typer

from connectors import registry
from connectors.errors import Misconfigured
from pipeline import parent
from pipeline.cli.failure import Failure, failure
from pipeline.cli.opening import ARGUMENTS, resume_command
from pipeline.cli.output import begin, fail
from pipeline.cli.streams import hush, prepare
from pipeline.states import Exit
from pipeline.stopping import Stopped

GROUP = "outpour.commands"

# Our own, by the module of this package that has a function of the name.
_COMMANDS = {
    "connect": "connect",
    "disconnect": "connect",
    "plan": "run",
    "run": "run",
    "batch": "batch",
    "stranded": "stranded",
    "status": "status",
    "verify": "verify",
    "rebuild": "rebuild",
    "reclaim": "reclaim",
    "report": "report",
    "schema": "schema",
}

EPILOG = """\b
Exit codes:
  {OK}    everything asked for is confirmed
  {ITEMS_FAILED}    some items are not
  {USAGE}    wrong arguments or configuration, nothing was started
  {NEEDS_PERSON}    a person is needed: sign in, then run again
  {NO_ROOM}    a place is full, or a disk of this computer
  {FATAL}    a place failed as a whole: run again
  {INTERRUPTED}  stopped by you: run again to go on
""".format_map({code.name: int(code) for code in Exit})

# Usage errors have no public name in typer; this is the class in every version.
_USAGE_ERROR: Any = typer.BadParameter.__base__
_PYDANTICS = "Value error, "  # stands before what a choice is told to be, in some versions of Typer


def main(*, stopped: bool = False) -> None:
    """Run the command line and exit; ``stopped`` if Ctrl-C came before it was loaded."""
    prepare()
    if not (sys.warnoptions or os.environ.get("OUTPOUR_DEBUG")):
        warnings.simplefilter("ignore")  # what libraries have to say is for whoever develops
    if os.environ.get(parent.MARK):
        parent.end_with_parent()
    code = _stopped(sys.argv[1:]) if stopped else invoke(sys.argv[1:])
    hush()
    sys.exit(code)


def invoke(arguments: Sequence[str]) -> int:
    """Run one command; returns its exit code and raises nothing."""
    ARGUMENTS.set(arguments)
    begin()
    try:
        app = _app(arguments)
        if not arguments:
            with contextlib.redirect_stdout(sys.stderr):
                app(args=["--help"], prog_name="outpour", standalone_mode=False)
            return int(Exit.USAGE)
        answer = app(args=list(arguments), prog_name="outpour", standalone_mode=False)
        return int(answer or 0)
    except _USAGE_ERROR as error:
        path = error.ctx.command_path if error.ctx else "outpour"
        hint = f"{path} --help shows what there is"
        text = error.format_message().replace(_PYDANTICS, "")
        return fail(Failure(text, hint, Exit.USAGE), arguments)
    except Stopped:
        again = f"again: {resume_command()}"
        return fail(Failure("stopped before the end", again, Exit.INTERRUPTED), arguments)
    except (KeyboardInterrupt, typer.Abort):
        return _stopped(arguments)
    except typer.Exit as ended:
        return ended.exit_code
    except Exception as error:  # noqa: BLE001  (a person sees one line, whatever it is)
        if os.environ.get("OUTPOUR_DEBUG"):
            traceback.print_exc()
        return fail(failure(error), arguments)


def _stopped(arguments: Sequence[str]) -> int:
    return fail(Failure("stopped", "", Exit.INTERRUPTED), arguments)


def _app(arguments: Sequence[str]) -> typer.Typer:
    app = typer.Typer(
        add_completion=True,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
        epilog=EPILOG,
    )
    app.callback()(_root)
    # Loaded only when wanted, or when help lists them.
    named = arguments[0] if arguments and not arguments[0].startswith("-") else None
    for name in [named] if named in _COMMANDS else _COMMANDS:
        module = import_module(f"pipeline.cli.{_COMMANDS[name]}")
        app.command(name, cls=getattr(module, "Command", None), epilog=EPILOG)(
            getattr(module, name)
        )
    if named not in _COMMANDS:
        for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
            if named in (None, entry.name) and entry.name not in _COMMANDS:
                app.command(entry.name)(_load(entry))
    return app


def _load(entry: EntryPoint) -> Callable[..., Any]:
    try:
        function: Callable[..., Any] = entry.load()
    except ImportError as missing:
        package = entry.dist.name if entry.dist else "outpour"
        needs, hint = f"what {package} needs", f"Install {missing.name or 'that'} too."
        if package == "outpour":
            needs, hint = "the extra 'sandbox'", registry.how_to_install(package, "sandbox")
        reason = f"{entry.name} needs {needs}, which is not installed ({missing.name})"

        def unavailable() -> None:
            raise Misconfigured(reason, hint=hint)

        unavailable.__doc__ = f"Needs {needs}, which is not installed."
        return unavailable
    return function


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"outpour {version('outpour')}")
        raise typer.Exit


def _root(
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Gets a photo library out of a full iCloud, verified byte for byte, to places you control."""

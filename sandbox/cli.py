"""``outpour sandbox`` and ``outpour demo``: the doubles by hand, and a whole move to watch."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.config.sizes import parse_size
from sandbox import icloud
from sandbox.faults import GENERIC, Faults
from sandbox.icloud.control import HOST
from sandbox.library import Library
from sandbox.server import Sandbox

if TYPE_CHECKING:
    from sandbox.world import World

KNOWN: Mapping[str, str] = {**GENERIC, **icloud.FAULTS}
_SLOW_TO_HASH = 16_000_000  # bytes; larger originals would make the first listing wait
_FACTORS = ("none", "sms", "device", "key")
# Enough to be seen at work, little enough for half a minute.
DEMO_FAULTS = "flip_byte:0.02,cut_stream:0.02,gone:0.02,unavailable:0.01,throttle:0.005"

Assets = Annotated[int, typer.Option(min=0, help="How many photos and videos to make up.")]
Fault = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME[@PATTERN][:RATE|:Nx]",
        help="A fault to meet, for example flip_byte:0.1; may be given several times.",
        show_default=False,
    ),
]
Seed = Annotated[int, typer.Option(help="The same seed makes the same library and faults.")]
Latency = Annotated[float, typer.Option(min=0, help="Seconds added to every request.")]
Bandwidth = Annotated[
    str, typer.Option(metavar="SIZE", help="Bytes per second, for example 20MB; empty: no limit.")
]


Size = Annotated[str, typer.Option(metavar="SIZE", help="Of every original, for example 50KB.")]
Plain = Annotated[bool, typer.Option(help="Nothing but JPEGs, one file each.")]
Factor = Annotated[str, typer.Option(metavar="HOW", help="none, sms, device or key.")]
Protected = Annotated[bool, typer.Option(help="Advanced Data Protection is on.")]
Phone = Annotated[bool, typer.Option(help="Most of the library is on an iPhone too.")]
IOS = Annotated[int, typer.Option(help="Of the iPhone: 14, 16, 18 or 26.")]
Quota = Annotated[str, typer.Option(metavar="SIZE", help="The iCloud plan.")]
DriveQuota = Annotated[str, typer.Option(metavar="SIZE", help="What Google Drive holds.")]
DropboxQuota = Annotated[str, typer.Option(metavar="SIZE", help="What Dropbox holds.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Of the proxy; 0 takes a free one.")]
ListFaults = Annotated[bool, typer.Option("--list-faults", help="Name every fault and leave.")]


def serve(
    assets: Assets = 300,
    fault: Fault = None,
    seed: Seed = 1,
    latency: Latency = 0.0,
    bandwidth: Bandwidth = "",
    size: Size = "",
    plain: Plain = False,
    second_factor: Factor = "none",
    protected: Protected = False,
    phone: Phone = False,
    ios: IOS = 18,
    quota: Quota = "50GB",
    drive_quota: DriveQuota = "15GB",
    dropbox_quota: DropboxQuota = "2GB",
    port: Port = 0,
    list_faults: ListFaults = False,
) -> None:
    """Run doubles of the clouds and of an iPhone until Ctrl-C.

    Doubles of iCloud, Google Drive and Dropbox, and with --phone of an iPhone. Prints the
    environment that sends Outpour (and other tools) there.
    """
    from sandbox.iphone.schema import VERSIONS
    from sandbox.world import FAULTS, World  # a second of imports that the demo does without

    if list_faults:
        for name, meaning in sorted(FAULTS.items()):
            typer.echo(f"{name:<22} {meaning}")
        return
    if second_factor not in _FACTORS:
        raise typer.BadParameter(f"second factor must be one of {', '.join(_FACTORS)}")
    if ios not in VERSIONS:
        raise typer.BadParameter(f"iOS must be one of {', '.join(map(str, VERSIONS))}")
    account = icloud.Account(
        second_factor=second_factor,
        protected=protected,
        consent="ask" if protected else "given",
        total=_bytes(quota),
    )
    drive, dropbox = _bytes(drive_quota), _bytes(dropbox_quota)
    library = _library(assets, seed, size, plain=plain)
    on_phone = _library(assets, seed, size, plain=plain) if phone else None
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends it as Ctrl-C does: tidily
    try:
        world = World(
            library,
            account,
            _faults(fault or (), seed, FAULTS),
            latency=latency,
            bandwidth=_bytes(bandwidth) if bandwidth else None,
            port=port,
            on_phone=on_phone,
            ios=ios,
        )
    except OSError as error:
        if not port or error.errno is None:
            raise
        raise typer.BadParameter(f"port {port}: {os.strerror(error.errno)}") from None
    with world:
        world.drive.store.limit, world.dropbox.tree.limit = drive, dropbox
        _until_interrupted(world)


def _library(assets: int, seed: int, size: str, *, plain: bool) -> Library:
    made = Library(assets, seed=seed, size=_bytes(size) if size else None, plain=plain)
    if size and _bytes(size) > _SLOW_TO_HASH:
        made.warm()
    return made


def _announce(world: World) -> None:
    for name, value in world.environ().items():
        typer.echo(f"export {name}={shlex.quote(value)}")
    account, proxy = world.cloud.account, world.sandbox.proxy_url
    code = f", code {account.code}" if account.second_factor in ("sms", "device") else ""
    typer.echo(
        f"\n# {len(world.cloud.library)} assets of {account.apple_id}"
        f"\n# second factor: {account.second_factor}{code}"
        f"\n# controls: curl -x {proxy} http://{HOST}/"
        f"\n# a browser: curl -L -x {proxy} --cacert {world.sandbox.ca_file} ADDRESS"
        f"{_phones(world)}"
        "\n# Ctrl-C ends it."
    )
    sys.stdout.flush()


def _phones(world: World) -> str:
    phones = world.phones.phones if world.phones else []
    return "".join(
        f"\n# {phone.name} ({phone.udid}), iOS {phone.version}: outpour connect iphone, "
        "idevice_id -l, pymobiledevice3 usbmux list"
        for phone in phones
    )


def demo(
    folder: Annotated[Path, typer.Argument(help="Where the library goes.")] = Path("demo"),
    assets: Assets = 300,
    fault: Fault = None,
    seed: Seed = 1,
    latency: Latency = 0.02,
    bandwidth: Bandwidth = "",
) -> int:
    """Move a made-up iCloud library into a folder, through trouble.

    Plans, runs and verifies against the sandbox in this process; nothing leaves the machine.
    """
    faults = _faults(fault if fault is not None else (DEMO_FAULTS,), seed, KNOWN)
    cloud = icloud.ICloud(Library(assets, seed=seed), icloud.Account(), faults)
    limit = _bytes(bandwidth) if bandwidth else None
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends it as Ctrl-C does: tidily
    state = Path(tempfile.mkdtemp(prefix="outpour-demo-"))
    try:
        with Sandbox([cloud], faults=faults, latency=latency, bandwidth=limit) as sandbox:
            environ = _isolated(sandbox, cloud, state)
            ends = ["--from", f"icloud:{cloud.account.apple_id}", "--to", _target(folder)]
            for command in ("plan", "run", "verify"):
                typer.echo(f"\n$ outpour {shlex.join([command, *ends])}", err=True)
                code = _child([command, *ends], environ)
                if code:
                    return code
            _tell(cloud, folder)
    finally:
        shutil.rmtree(state, ignore_errors=True)
    return 0


def _tell(cloud: icloud.ICloud, folder: Path) -> None:
    met = sorted(cloud.faults.counts.items())
    if met:
        # A run counts what it had to try again; a connector mends most before that.
        text = "Trouble met by plan, run and verify together, most of it mended at once:"
        typer.echo(f"\n{text}", err=True)
    else:
        typer.echo("\nNo trouble was met on the way.", err=True)
    for name, count in met:
        typer.echo(f"  {count:3} × {KNOWN.get(name, name)}", err=True)
    typer.echo(f"The photos are in {folder}.", err=True)


def _target(folder: Path) -> str:
    """The folder as the command line wants a path: it must look like one."""
    text = str(folder)
    return text if folder.is_absolute() or text.startswith(".") else f"./{text}"


def _isolated(sandbox: Sandbox, cloud: icloud.ICloud, state: Path) -> dict[str, str]:
    """The sandbox's environment, with settings, ledger and secrets of its own."""
    places = {
        f"XDG_{name}_HOME": str(state / name) for name in ("CONFIG", "STATE", "DATA", "CACHE")
    }
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("OUTPOUR_")},
        **sandbox.environ(),
        **places,
        "HOME": str(state),
        "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
        "OUTPOUR_ICLOUD_PASSWORD": cloud.account.password,
    }


def _child(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run the real command. Ctrl-C reaches it by itself, so here it is only waited for; what
    ends this process alone is passed on."""
    child = subprocess.Popen([sys.executable, "-m", "pipeline.cli", *arguments], env=environ)
    before = signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    try:
        while True:
            try:
                return child.wait()
            except KeyboardInterrupt:
                continue
    finally:
        signal.signal(signal.SIGTERM, before)


def _until_interrupted(world: World) -> None:
    try:
        _announce(world)
        threading.Event().wait()
    except KeyboardInterrupt:
        typer.echo("", err=True)


def _faults(specs: Sequence[str], seed: int, known: Mapping[str, str]) -> Faults:
    try:
        return Faults.of(",".join(specs), seed, known)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _bytes(text: str) -> int:
    try:
        return parse_size(text)
    except ValueError as wrong:
        raise typer.BadParameter(str(wrong)) from None

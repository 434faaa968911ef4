"""`outpour sandbox` and `outpour demo` as a person starts them."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from pipeline.cli.app import invoke
from pipeline.states import Exit
from sandbox.world import World

OUTPOUR = [sys.executable, "-m", "pipeline.cli"]


@pytest.fixture
def running() -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """A sandbox in another process, and the environment it printed."""
    arguments = ["--assets", "5", "--plain", "--size", "20KB", "--fault", "gone:0.5"]
    with subprocess.Popen(
        [*OUTPOUR, "sandbox", *arguments], stdout=subprocess.PIPE, text=True
    ) as child:
        environ = {}
        assert child.stdout
        for line in child.stdout:
            found = re.match(r"export (\w+)=(.*)", line)
            if found:
                environ[found[1]] = found[2].strip("'")
            if "Ctrl-C" in line:
                break
        yield child, environ
        child.kill()


def test_it_serves_until_ctrl_c_and_can_be_controlled(
    running: tuple[subprocess.Popen[str], dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    child, environ = running
    assert {"HTTPS_PROXY", "REQUESTS_CA_BUNDLE", "OUTPOUR_ICLOUD_PASSWORD"} <= set(environ)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)

    def control(command: str, **body: object) -> requests.Response:
        return requests.post(f"http://sandbox.example.com/{command}", json=body)

    shown = control("assets").json()
    assert [asset["files"][0]["size"] for asset in shown] == [20_000] * 5
    answer = requests.get("https://setup.icloud.com/setup/ws/1/validate").json()
    assert answer["error"] == "Missing X-APPLE-WEBAUTH-TOKEN cookie"
    assert control("counts").json() == {"setup": 1}
    control("asset", do="trash", id=shown[0]["id"])
    assert len(control("assets").json()) == 4
    assert control("fault", spec="nonsense").status_code == 400
    assert control("fault", spec="stall:1x").ok
    assert control("account", total=5).json()["total"] == 5
    assert "expire_links" in control("unknown").json()["commands"]
    child.send_signal(signal.SIGINT)
    assert child.wait(10) == 0


def test_a_request_to_end_leaves_nothing_behind(
    running: tuple[subprocess.Popen[str], dict[str, str]],
) -> None:
    child, environ = running
    bundle = Path(environ["REQUESTS_CA_BUNDLE"])
    assert bundle.exists()
    child.terminate()
    assert child.wait(10) == 0
    assert not bundle.exists()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--fault", "flip_bite"], "unknown fault 'flip_bite'"),
        (["--fault", "gone:often"], "want name[@pattern]"),
        (["--size", "huge"], "'huge' is no size"),
        (["--second-factor", "eye"], "second factor must be one of"),
        (["--ios", "19"], "iOS must be one of 14, 16, 18, 26"),
        (["--assets", "-3"], "greater than or equal to 0"),
    ],
)
def test_mistakes_are_one_clear_line(
    arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(["sandbox", *arguments]) == Exit.USAGE
    said = capsys.readouterr().err
    assert line in said and len(said.splitlines()) == 2


def test_each_cloud_has_the_room_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    rooms: list[tuple[int | None, int, int]] = []

    def look(world: World) -> None:
        drive, dropbox = world.drive.store.limit, world.dropbox.tree.limit
        rooms.append((drive, dropbox, world.cloud.account.total))

    monkeypatch.setattr("sandbox.cli._until_interrupted", look)
    given = ["--drive-quota", "5MB", "--dropbox-quota", "10MiB", "--quota", "1GB"]
    assert invoke(["sandbox", "--assets", "1", "--plain", *given]) == Exit.OK
    assert rooms == [(5_000_000, 10 * 2**20, 1_000_000_000)]


def test_every_fault_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["sandbox", "--list-faults"]) == 0
    said = capsys.readouterr().out.split()
    assert {"flip_byte", "throttle", "split_pair", "lost_answer"} <= set(said)


def test_the_demo_moves_everything_through_trouble(tmp_path: Path) -> None:
    done = subprocess.run(
        [*OUTPOUR, "demo", str(tmp_path / "photos"), "--assets", "12", "--latency", "0",
         "--fault", "flip_byte:0.05", "--fault", "gone:0.05"],
        capture_output=True, text=True, env={**os.environ, "NO_COLOR": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "byte for byte" in done.stdout
    assert "Trouble met by plan, run and verify together" in done.stderr
    assert not [line for line in done.stderr.splitlines() if line.endswith(" ")]
    assert re.search(r"\d+ × 410 for a fresh address", done.stderr)
    assert len([path for path in (tmp_path / "photos").rglob("*") if path.is_file()]) > 40


@pytest.mark.wide
def test_the_demo_passes_on_how_its_commands_end(tmp_path: Path) -> None:
    done = subprocess.run(
        [*OUTPOUR, "demo", str(tmp_path / "photos"), "--assets", "0", "--latency", "0",
         "--fault", "expired_session"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == Exit.NEEDS_PERSON, done.stdout + done.stderr
    assert "outpour connect" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.wide
def test_a_demo_that_is_ended_leaves_nothing_behind(tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    demo = subprocess.Popen(
        [
            *OUTPOUR,
            "demo",
            str(tmp_path / "photos"),
            "--assets",
            "200",
            "--latency",
            "0.1",
            "--fault",
            "gone:0.1",
        ],
        env={**os.environ, "TMPDIR": str(temporary)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not any(tmp_path.glob("photos/*/*/*.*")):
        assert demo.poll() is None, "it ended by itself: proves nothing"
        time.sleep(0.02)
    demo.terminate()
    _, err = demo.communicate(timeout=60)
    assert demo.returncode == Exit.INTERRUPTED and "Traceback" not in err
    assert not list(temporary.iterdir())


@pytest.mark.wide
def test_without_the_extra_the_demo_says_what_to_install() -> None:
    # None in sys.modules is how Python is told that a package is not there.
    code = (
        "import sys; sys.modules['PIL'] = None\n"
        "from pipeline.cli.app import invoke; sys.exit(invoke(sys.argv[1:]))"
    )
    demo = subprocess.run([sys.executable, "-c", code, "demo"], capture_output=True, text=True)
    assert demo.returncode == Exit.USAGE
    assert "demo needs the extra 'sandbox', which is not installed" in demo.stderr
    assert "'outpour[sandbox]'" in demo.stderr and "'.[sandbox]'" in demo.stderr
    told = subprocess.run([sys.executable, "-c", code, "--help"], capture_output=True, text=True)
    assert re.search(r"demo +Needs the extra 'sandbox', which is not installed\.", told.stdout)


def test_a_port_that_cannot_be_had_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert invoke(["sandbox", "--assets", "1", "--port", str(port)]) == Exit.USAGE
    assert f"port {port}: Address already in use" in capsys.readouterr().err
    assert invoke(["sandbox", "--port", "99999"]) == Exit.USAGE
    assert "'--port': Input should be less than or equal to 65535" in capsys.readouterr().err

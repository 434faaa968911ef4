"""A command at a real terminal, with a person who types."""

from __future__ import annotations

import os
import pty
import select
from collections.abc import Mapping, Sequence

CTRL_C = "\x03"


def at_terminal(
    argv: Sequence[str],
    typed: str = "",
    *,
    when: Mapping[str, str] | None = None,
    **variables: str,
) -> tuple[str, int]:
    """Run at a terminal of its own; returns what it showed and its exit code.

    Each line of ``typed`` is typed when a question stands there; each value of ``when`` once
    its key has been shown.
    """
    child, mine = pty.fork()
    if child == 0:
        env = {**os.environ, "TERM": "xterm", "COLUMNS": "60", **variables}
        try:
            os.execvpe(argv[0], list(argv), env)
        finally:
            os._exit(127)
    shown, lines, waiting = b"", typed.splitlines(keepends=True), dict(when or {})
    while select.select([mine], [], [], 60)[0]:
        try:
            shown += os.read(mine, 65536)
        except OSError:  # the other side is closed
            break
        if lines and shown.endswith(b": "):
            os.write(mine, lines.pop(0).encode())
        for sight in [sight for sight in waiting if sight.encode() in shown]:
            os.write(mine, waiting.pop(sight).encode())
    os.close(mine)
    return shown.decode(errors="replace"), os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

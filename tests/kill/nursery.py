"""A process that has imported the program once and forks it as often as a test likes.

`python -m tests.kill.nursery`: one JSON request a line on stdin, one answer a line on stdout.
`{"start": {"cwd", "env", "output", "record"}}` answers `{"pid"}`; `{"poll": PID}` answers `{"status"}`: null while it
runs, then its exit code, or the signal below zero. The end of stdin ends the nursery and whatever still runs.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import bot.commands.run
import bot.deskwork  # noqa: F401 - imports aiogram, which takes seconds
from bot.__main__ import leave, main
from tests.kill.defects import DEFECTS
from tests.kill.points import Points, install

BROKEN = 70  # sysexits' EX_SOFTWARE: the test's own fault, none of the program's exit codes


def tend() -> None:
    """One thread and no event loop: what is forked is as good as new."""
    assert threading.active_count() == 1
    gc.freeze()
    running: set[int] = set()
    for asked in sys.stdin:
        request = json.loads(asked)
        answer: dict[str, Any]
        if "start" in request:
            pid = _fork(request["start"])
            running.add(pid)
            answer = {"pid": pid}
        else:
            answer = {"status": _status(request["poll"], running)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    for pid in running:
        os.kill(pid, signal.SIGKILL)


def _status(pid: int, running: set[int]) -> int | None:
    found, status = os.waitpid(pid, os.WNOHANG)
    if found == 0:
        return None
    running.discard(pid)
    return os.waitstatus_to_exitcode(status)


def _fork(order: Mapping[str, Any]) -> int:
    pid = os.fork()
    if pid == 0:
        _run(order)
    return pid


def _run(order: Mapping[str, Any]) -> NoReturn:
    """As `python -m bot run` in a process group, a folder and an environment of its own."""
    code = BROKEN
    try:
        os.setsid()
        _redirect(order["output"])
        os.chdir(order["cwd"])
        os.environ.clear()
        os.environ.update(order["env"])
        defect, point = os.environ.pop("DEFECT", ""), os.environ.pop("FAIL_POINT", "")
        points = Points(point, Path(order["record"]))
        install(points)
        if defect:
            DEFECTS[defect]()
        code = _main()
        points.write_down()
    except BaseException:
        sys.excepthook(*sys.exc_info())
    leave(code)


def _main() -> int:
    try:
        return main(["run"])
    except SystemExit as end:
        return int(end.code or 0)


def _redirect(output: str) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    written = os.open(output, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(nothing, 0)
    os.dup2(written, 1)
    os.dup2(written, 2)
    os.close(nothing)
    os.close(written)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        tend()

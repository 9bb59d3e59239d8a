"""The program in a process of its own that may be killed: forked from a nursery, or started as an operator does."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

ROOT = Path(__file__).parents[2]
ENDS_WITHIN = 5.0  # promised
LOOK = 0.01  # seconds between two looks at another process
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV")


def inherited() -> dict[str, str]:
    return {name: os.environ[name] for name in _KEPT if name in os.environ}


class Nursery:
    """The parent's end of `tests.kill.nursery`."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.kill.nursery"],
            cwd=ROOT,
            env=inherited(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """The end of its input is the end of it, and of whatever it still runs."""
        self._process.communicate()

    def fork(self, folder: Path, environment: Mapping[str, str]) -> Forked:
        order = {
            "cwd": str(folder),
            "env": {**inherited(), **environment},
            "output": str(folder / "output.log"),
            "record": str(folder / "points.json"),
        }
        (folder / "points.json").unlink(missing_ok=True)
        return Forked(self, self._ask({"start": order})["pid"], folder)

    def status(self, pid: int) -> int | None:
        found: int | None = self._ask({"poll": pid})["status"]
        return found

    def _ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


class Child(Protocol):
    """One life of the program."""

    @property
    def pid(self) -> int: ...

    def look(self) -> int | None:
        """None: it runs; else its exit code, or the signal below zero."""
        ...


class Forked:
    def __init__(self, nursery: Nursery, pid: int, folder: Path) -> None:
        self._nursery = nursery
        self._folder = folder
        self._status: int | None = None
        self.pid = pid

    def look(self) -> int | None:
        if self._status is None:
            self._status = self._nursery.status(self.pid)
        return self._status

    def points(self) -> dict[str, Any]:
        """What it passed up to its end: `steps`, and `passed` by name. Nothing of it after a kill from outside."""
        found: dict[str, Any] = json.loads((self._folder / "points.json").read_text())
        return found


class Started:
    """`python -m bot run`, as it is started in earnest; the rig's folder has no .env."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        with (folder / "output.log").open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "bot", "run"],
                cwd=folder,
                env={**inherited(), "PYTHONPATH": str(ROOT), **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        self.pid = self._process.pid

    def look(self) -> int | None:
        return self._process.poll()


async def gone(child: Child, within: float) -> int:
    """Its status. Raises TimeoutError."""
    async with asyncio.timeout(within):
        while (status := child.look()) is None:  # noqa: ASYNC110 - another process's end
            await asyncio.sleep(LOOK)
    return status


async def kill(child: Child) -> None:
    """SIGKILL: nothing of it settles anything any more. It may reach its own point a moment before."""
    if child.look() is None:
        os.kill(child.pid, signal.SIGKILL)
    assert await gone(child, ENDS_WITHIN) == -signal.SIGKILL


async def end(child: Child) -> float:
    """SIGTERM: it ends by itself, in time, with exit 0. Returns the seconds that took."""
    assert child.look() is None
    asked = time.monotonic()
    os.kill(child.pid, signal.SIGTERM)
    assert await gone(child, ENDS_WITHIN) == 0
    return time.monotonic() - asked


def put_away(child: Child | None) -> None:
    """Whatever became of a test, its child does not outlive it."""
    if child is None or child.look() is not None:
        return
    os.kill(child.pid, signal.SIGKILL)
    until = time.monotonic() + ENDS_WITHIN
    while child.look() is None and time.monotonic() < until:
        time.sleep(LOOK)

"""A child process: its start, what it says on standard output, its CPU time and memory, its end."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bench.plan import ROOT

TICK = os.sysconf("SC_CLK_TCK")
START_SECONDS = 60.0
END_SECONDS = 10.0


def pin(pid: int, place: int) -> None:
    """Servers on one core, the load on another, where there are two: then neither is measured as the other."""
    cores = sorted(os.sched_getaffinity(0) | _all_cores())
    if len(cores) > 1:
        os.sched_setaffinity(pid, {cores[place % len(cores)]})


def unpin() -> None:
    os.sched_setaffinity(0, _all_cores())


_CORES = frozenset(os.sched_getaffinity(0))


def _all_cores() -> set[int]:
    return set(_CORES)


class Child:
    """A Python process of ours. All that it prints as JSON objects can be read; its errors go to a file."""

    def __init__(self, process: asyncio.subprocess.Process, errors: Path) -> None:
        self._process = process
        self._errors = errors

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def ended(self) -> bool:
        return self._process.returncode is not None

    async def says(self, timeout: float = START_SECONDS) -> dict[str, Any]:
        """The next JSON object. Raises RuntimeError when the child ends instead, TimeoutError."""
        assert self._process.stdout is not None
        async with asyncio.timeout(timeout):
            async for line in self._process.stdout:
                if line.startswith(b"{"):
                    found: dict[str, Any] = json.loads(line)
                    return found
        raise RuntimeError(f"a child ended early: {self._last_words()}")

    async def tell(self, command: Mapping[str, object]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command).encode() + b"\n")
        await self._process.stdin.drain()

    def cpu(self) -> float:
        """Seconds of CPU, user and system, of all its threads."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def rss(self) -> int:
        """Bytes of memory in use."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise RuntimeError("a child without memory has ended")

    async def end(self) -> None:
        if not self.ended:
            self._process.terminate()
            try:
                async with asyncio.timeout(END_SECONDS):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
        await self._process.wait()

    def _last_words(self) -> str:
        lines = [line.strip() for line in self._errors.read_text(errors="replace").splitlines() if line.strip()]
        return lines[-1] if lines else f"code {self._process.returncode}"


def settings(environ: Mapping[str, str]) -> dict[str, str]:
    """Nothing of this shell but where programs are: no setting of a real bot may reach a measurement."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "LC_ALL") if name in os.environ}
    return {**kept, "PYTHONPATH": str(ROOT), **environ}


def _errors_in(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder / "errors.log"


@asynccontextmanager
async def child(
    arguments: Sequence[str], folder: Path, environ: Mapping[str, str] | None = None, *, core: int | None = 0
) -> AsyncIterator[Child]:
    """Run `python ARGUMENTS` in `folder` until the end of the block. core: None leaves it unpinned."""
    errors = _errors_in(folder)
    with errors.open("wb") as sink:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            cwd=folder,
            env=settings(environ or {}),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=sink,
        )
    started = Child(process, errors)
    try:
        if core is not None:
            pin(started.pid, core)
        yield started
    finally:
        await started.end()

"""The program as it is started in earnest, in a process of its own that may be killed."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import Process
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import IO

from tests.rig import Rig

ROOT = Path(__file__).parents[2]
STARTS_WITHIN = 60.0  # seconds; the import of aiogram takes the most of it
ENDS_WITHIN = 5.0  # promised
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV")


class Child(AbstractContextManager["Child"]):
    """`python -m bot run` against the fakes of a rig. What it prints goes into one file of the rig's folder."""

    def __init__(self, rig: Rig, folder: Path) -> None:
        self._rig = rig
        self._folder = folder
        self._process: Process | None = None
        self._output: IO[bytes] | None = None

    def __enter__(self) -> Child:
        self._output = (self._folder / "output.log").open("ab")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
        if self._output is not None:
            self._output.close()

    async def start(self) -> None:
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        # Nothing of the checkout's own settings is read: the folder has no .env.
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bot",
            "run",
            cwd=self._folder,
            env={**kept, "PYTHONPATH": str(ROOT), **self._rig.environment},
            stdout=self._output,
            stderr=self._output,
        )

    async def start_whole(self) -> None:
        """Start, and wait until it asks for updates, as the last of its parts does."""
        asked = len(self._rig.world.of("telegram", "setWebhook"))
        await self.start()
        await self._rig.until(
            lambda: len(self._rig.world.of("telegram", "setWebhook")) > asked, "the start", STARTS_WITHIN
        )

    async def kill(self) -> None:
        """SIGKILL: nothing of it settles anything any more."""
        process = self._running()
        process.kill()
        assert await process.wait() == -9

    async def end(self) -> None:
        """SIGTERM: it ends by itself, in time, with exit 0."""
        process = self._running()
        process.terminate()
        async with asyncio.timeout(ENDS_WITHIN):
            assert await process.wait() == 0

    def _running(self) -> Process:
        assert self._process is not None
        assert self._process.returncode is None, (self._folder / "output.log").read_text()[-2000:]
        return self._process

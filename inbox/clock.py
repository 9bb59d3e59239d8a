"""Time, and waking up. The only place that reads the clock: wall time for stamps, monotonic for waits."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """Aware, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds, only for differences."""
        ...

    async def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """`shift` (seconds) moves the wall clock only: the sandbox uses it to let windows close."""

    def __init__(self) -> None:
        self.shift = 0.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(time.time() + self.shift, UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Wake:
    """A bell that remembers. A lost ring costs at most the timeout, never a stop."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def ring(self) -> None:
        self._event.set()

    async def wait(self, timeout: float) -> None:
        try:
            async with asyncio.timeout(timeout):
                await self._event.wait()
        except TimeoutError:
            pass
        self._event.clear()

"""Time, and waking up. The only place that reads the clock: wall time for stamps, monotonic for waits."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

STEP = 2.0  # seconds; less is a slow correction, and no waiting time is hurt by it


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


class Steps:
    """Notices that the wall clock was set: it and the monotonic one no longer differ by as much as they did.

    Moments that are waited for are kept as wall time, because they outlive the process. So after a step all of them
    move by it, or a clock that is set back by a day would hold a retry for a day.
    """

    def __init__(self) -> None:
        self._offset: float | None = None

    def since(self, now: datetime, monotonic: float) -> timedelta:
        """By how much the wall clock was set since the last step that was followed; zero: it was not."""
        offset = now.timestamp() - monotonic
        if self._offset is None:
            self._offset = offset
        by = offset - self._offset
        return timedelta(seconds=by) if abs(by) >= STEP else timedelta()

    def follow(self, step: timedelta) -> None:
        """What waits was moved by it."""
        if self._offset is not None:
            self._offset += step.total_seconds()


def fresh(at: datetime, now: datetime, limit: timedelta) -> bool:
    """Whether it was less than `limit` ago. A moment to come is a clock that was set back: nobody waits for that."""
    return timedelta() <= now - at < limit


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

"""Clocks for tests: time that passes faster than it does, and a wall clock that can be set while it passes."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

from inbox.clock import SystemClock


class FastClock(SystemClock):
    """`speed` seconds pass in one. `shift` sets the product's wall clock; the providers' (`real`) goes on unmoved."""

    def __init__(self, speed: float) -> None:
        super().__init__()
        self.speed = speed
        self._wall, self._started, self._passed = time.time(), time.monotonic(), 0.0

    def real(self) -> float:
        """Unix seconds of everybody whose clock nobody sets."""
        return self._wall + self.monotonic()

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.real() + self.shift, UTC)

    def monotonic(self) -> float:
        return self._passed + (time.monotonic() - self._started) * self.speed

    def run(self, speed: float) -> None:
        """From now on time passes at another speed."""
        self._passed, self._started = self.monotonic(), time.monotonic()
        self.speed = speed

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self.speed)

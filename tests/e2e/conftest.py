"""A stage for each test: the real product between the fakes, its desk's pace opened."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator

import pytest_asyncio

from sandbox.stage import Stage


@pytest_asyncio.fixture
async def stage() -> AsyncIterator[Stage]:
    async with Stage(rate=math.inf) as opened:
        await opened.opened()
        yield opened

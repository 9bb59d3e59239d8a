"""A store on a real file, a clock that stands, and people to write about."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from storage.store import SqlStore, open_store
from tests.storage.world import StoodClock


@pytest.fixture
def clock() -> StoodClock:
    return StoodClock(datetime(2026, 3, 1, 9, 0, tzinfo=UTC))


@pytest.fixture
async def store(tmp_path: Path, clock: StoodClock) -> AsyncIterator[SqlStore]:
    async with open_store(tmp_path, clock) as opened:
        yield opened

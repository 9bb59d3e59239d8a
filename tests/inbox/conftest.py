"""The inbox over a store on a real file, with a clock that stands."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from storage.store import open_store
from tests.inbox.factories import Desk, StoodClock, rules


@pytest.fixture
def clock() -> StoodClock:
    return StoodClock()


@pytest.fixture
async def desk(tmp_path: Path, clock: StoodClock) -> AsyncIterator[Desk]:
    async with open_store(tmp_path, clock) as store:
        yield Desk(store, clock, rules())

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.rig import Rig, rig


@pytest.fixture
async def idle(tmp_path: Path) -> AsyncIterator[Rig]:
    """The fakes, the app not started."""
    async with rig(tmp_path / "data") as made:
        yield made


@pytest.fixture
async def desk(idle: Rig) -> Rig:
    """The app between the fakes, claimed, private topics, the pace opened."""
    await idle.start()
    return idle

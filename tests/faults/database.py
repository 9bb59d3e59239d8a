"""Looking into the app's database while it runs, and waiting for what is only there."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

from tests.rig import Rig


def query(desk: Rig, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"file:{desk.data_dir / 'inbox.db'}?mode=ro", uri=True)) as database:
        return database.execute(sql).fetchall()


async def soon(desk: Rig, condition: Callable[[], bool], what: str) -> None:
    """As `until`, for what nobody rings for: there a quarter of a second passes, which is long on a fast clock."""
    try:
        async with asyncio.timeout(30):
            while not condition():
                desk.world.touch()
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise TimeoutError(f"waited 30 s for: {what}") from None

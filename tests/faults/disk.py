"""The real program between fakes, and a disk that refuses in one of several ways, for as long as the block lasts."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot import build, disk, room
from inbox.clock import Clock
from inbox.errors import StorageDown
from inbox.store import Unit
from storage import writer
from storage.db import set_up_writer
from storage.store import SqlStore, open_store
from storage.unit import SqlUnit
from storage.writer import Limits
from tests.faults.limits import with_file_limit
from tests.rig import Rig, rig

TOLD = "Диск не принимает данные"
BACK = "Диск снова принимает данные"
LONG = "длинное " * 450  # a page or so a message

Fault = Callable[["Disk"], AbstractAsyncContextManager[None]]


class Disk:
    """The rig whose store the test can reach. is_hasty: waits are short, a second is long."""

    def __init__(self, rig: Rig, patch: pytest.MonkeyPatch, limits: Limits, *, is_hasty: bool) -> None:
        self.rig = rig
        self.patch = patch
        self.limits = limits
        self.stores: list[SqlStore] = []
        self.most_waiting = 0
        patch.setattr(build, "open_store", self._open)
        if is_hasty:
            patch.setattr(disk, "EVERY", 0.3)
            patch.setattr(disk, "LOOK_EVERY", 0.1)
            patch.setattr(room, "QUIET", 0.6)
            patch.setattr(room, "PATIENCE", 0.5)

    @asynccontextmanager
    async def _open(self, data_dir: Path, clock: Clock) -> AsyncIterator[SqlStore]:
        async with open_store(data_dir, clock, limits=self.limits) as store:
            self.stores.append(store)
            yield store

    @property
    def store(self) -> SqlStore:
        return self.stores[-1]

    # what is counted

    @property
    def offered(self) -> list[str]:
        """Texts of which the network has heard no 200 or has heard one, in the order of their first calls."""
        return list(dict.fromkeys(text for d in self.rig.graph.deliveries for text in texts(d.raw)))

    @property
    def acked(self) -> set[str]:
        return {text for d in self.rig.graph.deliveries if d.status == 200 for text in texts(d.raw)}

    @property
    def refused(self) -> int:
        return sum(d.status == 503 for d in self.rig.graph.deliveries)

    @property
    def turned_away(self) -> int:
        """Calls without a 200: refused, or given up by the network after its 5 s, which is how long a lock is waited
        for.
        """
        return sum(d.status != 200 for d in self.rig.graph.deliveries)

    @property
    def shown(self) -> list[str]:
        """Texts of clients on the desk, in their order there; a message may join several."""
        everything = "\n".join(str(m.get("text", "")) for m in self.rig.desk())
        found = [(everything.find(text), text) for text in self.offered]
        return [text for place, text in sorted(found) if place >= 0]

    @property
    def shown_twice(self) -> int:
        everything = "\n".join(str(m.get("text", "")) for m in self.rig.desk())
        return sum(everything.count(text) > 1 for text in self.offered)

    @property
    def committed(self) -> list[str]:
        """Texts in the order in which their bodies were committed."""
        with closing(sqlite3.connect(f"file:{self.store.path}?mode=ro", uri=True)) as connection:
            bodies = connection.execute("select body from inbox where provider = 'whatsapp' order by id").fetchall()
        return [text for (body,) in bodies for text in texts(body)]

    @property
    def told(self) -> int:
        """How often she was told that the disk refuses."""
        return self._calls("sendMessage", TOLD)

    @property
    def told_back(self) -> int:
        return self._calls("sendMessage", BACK) + self._calls("editMessageText", BACK)

    def _calls(self, method: str, part: str) -> int:
        calls = self.rig.world.of("telegram", method)
        return sum(part in str(c.request.get("text", "")) for c in calls if c.status == 200)

    @property
    def answers(self) -> list[str]:
        return [c.request["text"]["body"] for c in self.rig.sends()]

    async def ready(self) -> tuple[int, dict[str, Any]]:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{self.rig.port}/readyz") as answer,
        ):
            return answer.status, (await answer.json())["parts"]["storage"]

    async def until_ready(self, status: int, within: float = 15.0) -> dict[str, Any]:
        """Until /readyz answers so; what it says of the storage."""
        async with asyncio.timeout(within):
            while True:
                found, part = await self.ready()
                if found == status:
                    return part
                await asyncio.sleep(0.05)

    async def until_said(self, detail: str) -> None:
        """Until /readyz says this of the storage; while it starts it says 503 for other reasons."""
        async with asyncio.timeout(15):
            while (await self.ready())[1]["detail"] != detail:  # noqa: ASYNC110 a page rings no bell
                await asyncio.sleep(0.05)

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        def look() -> bool:
            self.most_waiting = max(self.most_waiting, self.store.waiting)
            return condition()

        await self.rig.until(look, what, 30.0)


def texts(body: bytes) -> list[str]:
    """The words of the messages in a webhook body of WhatsApp."""
    values = [c["value"] for entry in json.loads(body)["entry"] for c in entry["changes"]]
    return [m["text"]["body"].strip() for v in values for m in v.get("messages", ()) if m["type"] == "text"]


@asynccontextmanager
async def disk_rig(folder: Path, limits: Limits | None = None, *, is_hasty: bool = True) -> AsyncIterator[Disk]:
    with pytest.MonkeyPatch.context() as patch:
        async with rig(folder) as made:
            found = Disk(made, patch, limits or Limits(busy_timeout=100), is_hasty=is_hasty)
            await made.start()
            yield found


# the faults


@asynccontextmanager
async def full(disk: Disk) -> AsyncIterator[None]:
    """SQLite may make the database no longer."""
    await disk.store.write(partial(_limit_pages, more=1))
    try:
        yield
    finally:
        await _taken(disk, partial(_limit_pages, more=100_000))


async def _taken(disk: Disk, work: Callable[[Unit], None]) -> None:
    """Another unit of the group may meet the full disk first, and the whole group is lost with it."""
    async with asyncio.timeout(10):
        while True:
            try:
                await disk.store.write(work)
                return
            except StorageDown:
                await asyncio.sleep(0)


@asynccontextmanager
async def locked(disk: Disk) -> AsyncIterator[None]:
    """Another connection holds the write lock."""
    with closing(sqlite3.connect(disk.store.path, isolation_level=None, timeout=10.0)) as other:
        other.execute("begin immediate")
        try:
            yield
        finally:
            other.execute("rollback")


@asynccontextmanager
async def read_only(disk: Disk) -> AsyncIterator[None]:
    """No connection may write, a fresh one neither."""

    def set_up(connection: sqlite3.Connection, busy_timeout: int) -> None:
        set_up_writer(connection, busy_timeout)
        connection.execute("pragma query_only = on")

    await disk.store.write(_forbid)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer, "set_up_writer", set_up)
        yield


@asynccontextmanager
async def broken(disk: Disk) -> AsyncIterator[None]:
    """The kernel refuses writes (SQLITE_IOERR_WRITE), whoever writes: the database, its log, the export."""
    with with_file_limit(4096):
        yield


def _limit_pages(unit: Unit, *, more: int) -> None:
    assert isinstance(unit, SqlUnit)
    pages = unit._all("pragma page_count")[0][0]
    unit._all(f"pragma max_page_count = {pages + more}")


def _forbid(unit: Unit) -> None:
    """Takes effect with the next group: a pragma inside a transaction holds from there on."""
    assert isinstance(unit, SqlUnit)
    unit.set_setting("forbid", "1")
    unit._all("pragma query_only = on")

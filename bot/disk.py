"""Watches the disk: gives the reserve back when it is full, reports its state, tells the owner once, and once after.

While nothing can be written a notice cannot wait in the outbox: it goes to the desk straight away, without a row.
"""

from __future__ import annotations

import asyncio
import json
import random
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from operator import methodcaller
from pathlib import Path

from bot.health import STORAGE, Health, Start
from bot.room import BACK, LEAST, MB, Level, Look, News, Room, news, step
from inbox.clock import Clock, Wake
from inbox.errors import InboxError, StorageDown
from inbox.fate import tell_general
from inbox.log import Log
from inbox.model import Notice
from inbox.pace import backoff
from inbox.store import Unit
from storage.reserve import Reserve
from storage.store import SqlStore

EVERY = 5.0  # seconds between two writes that try the disk
LOOK_EVERY = 1.0
TRIAL = 256 * 1024  # bytes; as much as a body may bring
TRIES = 12  # of a notice that cannot be stored
LONGEST_PAUSE = 60.0
WAITING_NEWS = 10

OUTAGE = "disk_outage"  # settings: the notice that stands, so that it is closed after a restart too
LOW_TOLD = "disk_low"

Announce = Callable[[Notice], Awaitable[tuple[int, int]]]
"""Says it on the desk at once: (chat id, desk message id). Raises InboxError or TimeoutError."""


@dataclass(frozen=True, slots=True)
class Mouth:
    """words: the notice of some news, by the bytes that are free. said: rung when a row was made for the desk.

    note(): what /readyz says of a disk that is well.
    """

    announce: Announce
    words: Callable[[News, int], Notice]
    said: Wake
    note: Callable[[], str]


@dataclass(frozen=True, slots=True)
class _Outage:
    """place: (chat id, desk message id), where the notice reached the desk."""

    key: str
    place: tuple[int, int] | None = None


def give_back_if_full(folder: Path, reserve: Reserve) -> None:
    """Before the start, which itself writes."""
    if reserve.is_there and shutil.disk_usage(folder).free < LEAST:
        reserve.free()


class DiskWatch:
    def __init__(self, folder: Path, store: SqlStore, reserve: Reserve, health: Health, clock: Clock, log: Log) -> None:
        self._folder = folder
        self._store = store
        self._reserve = reserve
        self._health = health
        self._clock = clock
        self._log = log
        self._room = Room()
        self._look = Look(0.0, BACK, BACK)
        self._has_reserve = reserve.is_there  # of an earlier run
        self._is_queue_full = False
        self._news: asyncio.Queue[News] = asyncio.Queue(WAITING_NEWS)
        self._outage: _Outage | None = None
        self._is_low_told: bool | None = None  # None: not looked yet
        self._note: Callable[[], str] = str

    @property
    def is_full(self) -> bool:
        """Nothing new is taken; the room that is left is for what is under way."""
        return self._room.level is Level.FULL

    @property
    def refuses(self) -> bool:
        return self._room.refuses

    async def run(self, mouth: asyncio.Future[Mouth]) -> None:
        """mouth: done once there is a desk."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._try(), name="disk trial")
            group.create_task(self._watch(), name="disk watch")
            group.create_task(self._tell(mouth), name="disk news")

    async def _try(self) -> None:
        """Each write is a trial; one is made when there is no other. On a full disk it is as big as a body."""
        while True:
            big = self.is_full and self._look.free >= BACK
            try:
                await self._store.beat(TRIAL if big else 0)
                await self._forget_low()
            except StorageDown as error:
                self._is_queue_full = error.reason == "queue"
            else:
                self._is_queue_full = False
                self._health.mark_started(Start.COMMIT)
            await self._clock.sleep(EVERY)

    async def _forget_low(self) -> None:
        """There is enough again: the next time it is news."""
        if self._room.level is Level.FINE and self._look.at > 0 and self._is_low_told is not False:
            await self._store.write(methodcaller("set_setting", LOW_TOLD, None))
            self._is_low_told = False

    async def begin(self) -> None:
        """The first look, before the port is open: a start on a full disk takes nothing new either."""
        await self._recall()
        await self._look_once()

    async def _watch(self) -> None:
        while True:
            await self._store.judged.wait(LOOK_EVERY)
            await self._look_once()

    async def _look_once(self) -> None:
        self._look = await self._looked()
        before, self._room = self._room, step(self._room, self._look)
        await self._keep_reserve()
        self._report()
        self._hear(before)

    async def _looked(self) -> Look:
        refusal = self._store.refusal or ("queue" if self._is_queue_full else None)
        now = self._clock.monotonic()
        try:
            space = await asyncio.to_thread(shutil.disk_usage, self._folder)
        except OSError:
            return replace(self._look, at=now, refusal=refusal or "io")
        return Look(now, space.free, space.total, refusal)

    async def _recall(self) -> None:
        """An outage that a restart cut short stands on the desk still."""
        try:
            kept = await self._store.read(lambda r: r.setting(OUTAGE))
        except StorageDown:
            return
        if kept is not None:
            key, *place = json.loads(kept)
            self._outage = _Outage(key, (int(place[0]), int(place[1])))
            self._room = Room(is_told=True)

    async def _keep_reserve(self) -> None:
        if self.is_full and self._has_reserve:
            self._has_reserve = not await asyncio.to_thread(self._reserve.free)
            self._log.warning("disk.reserve_freed", done=not self._has_reserve)
        elif not self.refuses and not self._has_reserve and self._look.free >= BACK:
            self._has_reserve = await asyncio.to_thread(self._reserve.make)

    def _report(self) -> None:
        room = self._room
        if room.refuses:
            self._health.set(STORAGE, "down", room.reason or "the disk refuses")
        elif room.level is Level.LOW:
            self._health.set(STORAGE, "degraded", f"{self._look.free // MB} MB left on the disk")
        else:
            self._health.set(STORAGE, "ok", self._note())

    def _hear(self, before: Room) -> None:
        if before.level is not self._room.level:
            self._log.warning("disk", level=str(self._room.level), reason=self._room.reason, free=self._look.free)
        heard = news(before, self._room)
        if heard is not None and not self._news.full():
            self._news.put_nowait(heard)

    async def _tell(self, mouth: asyncio.Future[Mouth]) -> None:
        said = await asyncio.shield(mouth)
        self._note = said.note
        while True:
            heard = await self._news.get()
            notice = said.words(heard, self._look.free)
            if heard is News.LOW:
                await self._tell_low(notice)
            elif heard is News.BACK:
                await self._tell_back(notice)
            else:
                await self._tell_refusal(notice, said.announce)
            said.said.ring()

    async def _tell_low(self, notice: Notice) -> None:
        """Once until there is enough again, over restarts too."""
        at = int(self._clock.now().timestamp())
        self._is_low_told = True

        def tell(unit: Unit) -> None:
            told = unit.setting(LOW_TOLD)
            if told is None:
                unit.set_setting(LOW_TOLD, str(at))
                tell_general(unit, replace(notice, key=f"{notice.key}:low:{at}"))

        await self._stored(tell)

    async def _tell_refusal(self, notice: Notice, announce: Announce) -> None:
        key = f"{notice.key}:{int(self._clock.now().timestamp())}"
        self._outage = _Outage(key)
        for attempt in range(1, TRIES + 1):
            try:
                place = await announce(notice)
            except (InboxError, TimeoutError) as error:
                self._log.warning("disk.untold", attempt=attempt, error=type(error).__name__)
            else:
                self._outage = _Outage(key, place)
                await self._stored(methodcaller("set_setting", OUTAGE, json.dumps([key, *place])), tries=1)
                return
            await self._clock.sleep(min(backoff(attempt, random.random), LONGEST_PAUSE))
            if not self.refuses:
                return

    async def _tell_back(self, notice: Notice) -> None:
        """In place of what was said of the refusal; what did not reach her is told by this."""
        outage, self._outage = self._outage, None
        if outage is None:
            return

        def tell(unit: Unit) -> None:
            unit.set_setting(OUTAGE, None)
            if outage.place is not None:
                unit.set_notice(outage.key, *outage.place)
            tell_general(unit, replace(notice, key=outage.key))

        await self._stored(tell)

    async def _stored(self, work: Callable[[Unit], None], tries: int = TRIES) -> None:
        for attempt in range(1, tries + 1):
            try:
                await self._store.write(work)
                return
            except StorageDown as error:
                self._log.warning("disk.not_noted", attempt=attempt, error=error.stored())
            if attempt < tries:
                await self._clock.sleep(1.0)

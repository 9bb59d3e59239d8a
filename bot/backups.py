"""The copies that the running bot makes by itself: one an hour while anything changes, and one when the owner asks.

They are made in a child process, so that nothing here waits for them and a stop ends them at once. Whether there is a
young one, what it weighs and what went wrong last is told to whoever asks (`/status`, the figures).
"""

from __future__ import annotations

import asyncio
import random
import shutil
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from bot.console import tell
from bot.speech import Speech
from inbox.backups import Asked, answered, asked
from inbox.clock import Clock, Wake
from inbox.errors import StorageDown
from inbox.fate import tell_general
from inbox.log import Log
from inbox.model import Notice
from inbox.store import Unit
from storage.backup import FLOOR, Copy, copies, default_path, drop_parts, still_true
from storage.db import log_of, size_of
from storage.gently import CopyFailed, copy_gently
from storage.store import SqlStore
from storage.thin import room, thin

TROUBLE = "backup_trouble"  # a setting: names the message that says so, as long as it is true
BROKEN = frozenset({"broken", "corrupt"})  # of these she hears at once: the database itself may be damaged
LOOK = 60.0  # seconds; a lost ring costs at most this

Copying = Callable[[Path, Path, datetime], Awaitable[Path]]


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds. settle: what a start is left alone. retry: after the first failure, then doubled up to `every`. longest:
    after so long a copy is ended, as the log cannot start anew meanwhile. told: how long it may fail in silence.
    """

    every: float = 3600.0
    settle: float = 60.0
    retry: float = 60.0
    longest: float = 3600.0
    told: timedelta = timedelta(hours=3)


@dataclass(frozen=True, slots=True)
class Failure:
    """The last copy was not made. need, free: bytes, where it was room that was missing."""

    at: datetime
    reason: str
    need: int = 0
    free: int = 0


class Backups:
    """newest, kept, failure: how things stand. floor: bytes of the disk that copies leave free."""

    def __init__(
        self,
        store: SqlStore,
        clock: Clock,
        speech: Speech,
        wake: Wake,
        shown: Wake,
        log: Log,
        *,
        times: Times | None = None,
        floor: int = FLOOR,
        copying: Copying = copy_gently,
        free: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
    ) -> None:
        self.newest: Copy | None = None
        self.kept = 0
        self.failure: Failure | None = None
        self._store = store
        self._folder = store.path.parent
        self._clock = clock
        self._speech = speech
        self._wake = wake
        self._shown = shown
        self._log = log
        self._times = times or Times()
        self._floor = floor
        self._copying = copying
        self._free = free
        self._failures = 0
        self._failing_since: datetime | None = None
        self._changes: int | None = None  # of the store, as the newest copy has them
        self._next = 0.0

    async def run(self) -> None:
        dropped = await asyncio.to_thread(drop_parts, self._folder)
        if dropped:
            self._log.info("backup.dropped", parts=dropped)
        await self._look()
        self._next = self._clock.monotonic() + self._first()
        while True:
            try:
                await self._round()
            except StorageDown:
                await self._clock.sleep(1.0)
            await self._wake.wait(min(LOOK, max(0.05, self._next - self._clock.monotonic())))

    def _first(self) -> float:
        """Not at every restart: from the newest copy on. One out of the future says that the clock was set."""
        age = (self._clock.now() - self.newest.at).total_seconds() if self.newest else -1.0
        if not 0.0 <= age < self._times.every:
            return self._times.settle
        return max(self._times.settle, self._times.every - age)

    async def _round(self) -> None:
        who = await self._store.read(asked)
        if not who and self._clock.monotonic() < self._next:
            return
        if not who and await self._is_true_still():
            return
        await self._make(who)

    async def _is_true_still(self) -> bool:
        """Nothing has changed since the newest copy was begun: then that is said of it, and no new one is made."""
        if self.newest is None or self._changes != self._store.changes:
            return False
        try:
            await asyncio.to_thread(still_true, self.newest, self._clock.now())
        except OSError:
            return False  # somebody took it away
        self._next = self._clock.monotonic() + self._times.every
        await self._look()
        return True

    async def _make(self, who: Sequence[Asked]) -> None:
        changes, at = self._store.changes, self._clock.now()
        try:
            made = await self._copy(at)
        except CopyFailed as error:
            self._log.warning("backup.failed", reason=error.reason, detail=error.detail)
            await self._failed(Failure(at, error.reason), who)
        except _NoRoom as error:
            self._log.warning("backup.no_room", need=error.need, free=error.free)
            await self._failed(Failure(at, "room", error.need, error.free), who)
        else:
            self._changes = changes
            self._log.info("backup.made", file=made.path.name, size=made.size, kept=self.kept)
            await self._succeeded(made, who)

    async def _copy(self, at: datetime) -> Copy:
        """Raises CopyFailed, _NoRoom."""
        try:
            await asyncio.to_thread(self._make_room)
            target = default_path(self._folder, at)
            async with asyncio.timeout(self._times.longest):
                await self._copying(self._folder, target, at)
            await asyncio.to_thread(thin, self._folder)
        except TimeoutError:
            raise CopyFailed("slow") from None
        except OSError as error:
            raise CopyFailed("io", str(error)) from error
        await self._look()
        made = self.newest
        if made is None or made.path != target:
            raise CopyFailed("gone")
        return made

    def _make_room(self) -> None:
        path = self._store.path
        need = path.stat().st_size + size_of(log_of(path))
        free = self._free(self._folder)
        plan = room(copies(self._folder), need=need, free=free, floor=self._floor)
        for copy in plan.gone:
            copy.path.unlink(missing_ok=True)
            self._log.warning("backup.removed", file=copy.path.name, free=free, need=need)
        if not plan.fits:
            raise _NoRoom(need, free)

    async def _look(self) -> None:
        try:
            found = await asyncio.to_thread(copies, self._folder)
        except OSError:
            found = []
        self.newest = found[0] if found else None
        self.kept = len(found)

    async def _succeeded(self, made: Copy, who: Sequence[Asked]) -> None:
        self.failure, self._failing_since, self._failures = None, None, 0
        self._next = self._clock.monotonic() + self._times.every

        def say(unit: Unit) -> None:
            told = {one.ref: one for one in who}
            trouble = unit.setting(TROUBLE)
            if trouble is not None:
                told.setdefault(trouble, Asked(trouble))
                unit.set_setting(TROUBLE, None)
            for one in told.values():
                _tell(unit, one, self._speech.backup_made(one, made.at, made.size, str(made.path), self.kept))
            answered(unit, list(who))

        if who or await self._store.read(lambda r: r.setting(TROUBLE)) is not None:
            await self._said(say)

    async def _failed(self, failure: Failure, who: Sequence[Asked]) -> None:
        self.failure = failure
        self._failing_since = self._failing_since or failure.at
        pause = min(self._times.every, self._times.retry * 2 ** min(self._failures, 10))
        self._failures += 1
        self._next = self._clock.monotonic() + pause * random.uniform(0.8, 1.2)
        await self._look()
        newest = self.newest.at if self.newest else None
        late = failure.at - (newest or self._failing_since) >= self._times.told

        def say(unit: Unit) -> None:
            for one in who:
                _tell(unit, one, self._speech.backup_failed(one, failure.reason, newest, failure.need, failure.free))
            answered(unit, list(who))
            if unit.setting(TROUBLE) is not None:
                return
            told = who[0] if who else Asked(f"t{int(failure.at.timestamp())}")
            if who or late or failure.reason in BROKEN:
                unit.set_setting(TROUBLE, told.ref)
            if not who and (late or failure.reason in BROKEN):
                _tell(unit, told, self._speech.backup_failed(told, failure.reason, newest, failure.need, failure.free))

        await self._said(say)

    async def _said(self, say: Callable[[Unit], None]) -> None:
        await self._store.write(say)
        self._shown.ring()


class _NoRoom(Exception):
    def __init__(self, need: int, free: int) -> None:
        super().__init__()
        self.need = need
        self.free = free


def _tell(unit: Unit, who: Asked, notice: Notice) -> None:
    if who.contact is None:
        tell_general(unit, notice)
    else:
        tell(unit, notice, who.contact)

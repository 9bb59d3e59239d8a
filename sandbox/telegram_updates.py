"""Delivery of updates: webhook queues by chat, repetition until a 2xx, getUpdates with its offset.

Updates of one lane (the messages of one chat; the callbacks of one person; ...) go one at a time, in order; lanes are
delivered side by side. What was not allowed when it happened is never queued.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any

import aiohttp

from sandbox.telegram_chats import DAY
from sandbox.telegram_parameters import Body, Refusal
from sandbox.telegram_rules import DEFAULT_UPDATE_KINDS
from sandbox.world import World

HISTORY = 10_000
RETRY_AFTER_CAP = 2.0  # seconds; the real server obeys up to an hour, a stage need not wait that long


@dataclass(frozen=True, slots=True)
class Pending:
    update_id: int
    lane: Hashable
    body: Body
    date: float


@dataclass(frozen=True, slots=True)
class Delivery:
    """One POST to the webhook: HTTP status of the answer, 0 when there was none."""

    update_id: int
    status: int
    at: float


_CHAT_KINDS = ("message", "edited_message", "channel_post", "edited_channel_post")
_BUSINESS_KINDS = ("business_message", "edited_business_message", "deleted_business_messages")


def lane_of(kind: str, content: Any) -> Hashable:
    """The queue of an update: messages and edits of a chat share one, everything else has its own."""
    if not isinstance(content, dict):
        return (kind,)
    chat = (content.get("chat") or {}).get("id")
    if kind in _CHAT_KINDS:
        return ("chat", chat)
    if kind in _BUSINESS_KINDS:
        return ("business", content.get("business_connection_id"), chat)
    return (kind, chat if chat is not None else (content.get("from") or content.get("user") or {}).get("id"))


class Updates:
    """Pending updates and the tasks that bring them to the webhook."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.url = ""
        self.secret = ""
        self.allowed = DEFAULT_UPDATE_KINDS
        self.max_connections = 40
        self.delays: tuple[float, ...] = (0.2, 0.4, 0.8, 1.6, 2.0)
        self.timeout = 60.0
        self.duplicate = False
        self.delivered: deque[Delivery] = deque(maxlen=HISTORY)
        self.last_error: tuple[int, str] | None = None
        self.history: dict[int, Pending] = {}
        self._pending: dict[int, Pending] = {}
        self._last_id = 860_000_000
        self._queues: dict[Hashable, deque[Pending]] = {}
        self._lanes: dict[Hashable, asyncio.Task[None]] = {}
        self._session: aiohttp.ClientSession | None = None
        self._slots = asyncio.Semaphore(self.max_connections)
        self.polling = 0  # getUpdates calls that wait now
        self._poll = 0
        self._news = asyncio.Event()

    @property
    def pending(self) -> int:
        return len(self._pending)

    async def start(self) -> None:
        self._session = aiohttp.ClientSession()
        self._wake_lanes()

    async def stop(self) -> None:
        session, self._session = self._session, None
        await self._end_lanes()
        self._poll += 1
        self._ring()
        if session is not None:
            await session.close()

    async def _end_lanes(self) -> None:
        tasks = list(self._lanes.values())
        self._lanes.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def point(self, url: str, secret: str, allowed: Iterable[str] | None, connections: int, drop: bool) -> None:
        """setWebhook and deleteWebhook (empty url)."""
        self.url = ""
        await self._end_lanes()
        self.url, self.secret, self.max_connections = url, secret, connections
        self._slots = asyncio.Semaphore(connections)
        self.last_error = None
        self.allow(allowed)
        if drop:
            self._pending.clear()
        self._wake_lanes()

    def allow(self, kinds: Iterable[str] | None) -> None:
        """None keeps the former choice, an empty list is the default."""
        if kinds is not None:
            self.allowed = frozenset(kinds) or DEFAULT_UPDATE_KINDS

    def add(self, kind: str, content: Body) -> int | None:
        """Queue what happened; None when the bot did not ask for this kind."""
        return self.add_raw({kind: content}) if kind in self.allowed else None

    def add_raw(self, update: Body) -> int:
        update_id = update.get("update_id")
        if not isinstance(update_id, int):
            update_id = self._last_id + 1
        self._last_id = max(self._last_id, update_id)
        kind, content = next(((k, v) for k, v in update.items() if k != "update_id"), ("", None))
        body = json.loads(json.dumps({**update, "update_id": update_id}))
        self._queue(Pending(update_id, lane_of(kind, content), body, self.world.now()))
        return update_id

    def _queue(self, pending: Pending) -> None:
        self._pending[pending.update_id] = pending
        self.history[pending.update_id] = pending
        if len(self.history) > HISTORY:
            del self.history[next(iter(self.history))]
        self._line_up(pending)
        self._ring()
        self.world.touch()

    async def again(self, update_id: int) -> int:
        """Send an update once more: the status of the answer, or 0 when it was put back for getUpdates."""
        pending = self.history[update_id]
        if not self.url:
            self._queue(pending)
            return 0
        return (await self._post(pending))[0]

    def _ring(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    def _fresh(self) -> list[Pending]:
        """What is still pending, oldest update_id first. An update lives a day."""
        limit = self.world.now() - DAY
        for update_id in [p.update_id for p in self._pending.values() if p.date < limit]:
            del self._pending[update_id]
        return [self._pending[update_id] for update_id in sorted(self._pending)]

    async def poll(self, offset: int | None, limit: int, timeout: float) -> list[Body]:
        """getUpdates. Raises Refusal 409 while a webhook is set or when another call takes over."""
        if self.url:
            raise Refusal(
                409,
                "Conflict: can't use getUpdates method while webhook is active; "
                "use deleteWebhook to delete the webhook first",
            )
        self._poll += 1
        mine = self._poll
        self._ring()
        self._confirm(offset)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while True:
            ready = self._fresh()[:limit]
            left = deadline - loop.time()
            if ready or left <= 0:
                return [pending.body for pending in ready]
            await self._wait(left)
            if mine != self._poll or self.url:
                raise Refusal(
                    409,
                    "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
                )

    async def _wait(self, seconds: float) -> None:
        """Until something is new, or the time is over."""
        news = self._news
        self.polling += 1
        self.world.touch()
        try:
            async with asyncio.timeout(seconds):
                await news.wait()
        except TimeoutError:
            return
        finally:
            self.polling -= 1

    def _confirm(self, offset: int | None) -> None:
        if offset is None:
            return
        if offset < 0:
            offset = ([0, *sorted(self._pending)][offset:] or [0])[0]
        for update_id in [update_id for update_id in self._pending if update_id < offset]:
            del self._pending[update_id]
        self.world.touch()

    def _wake_lanes(self) -> None:
        self._queues.clear()
        for update_id in sorted(self._pending):
            self._line_up(self._pending[update_id])

    def _line_up(self, pending: Pending) -> None:
        if not self.url or self._session is None:
            return
        self._queues.setdefault(pending.lane, deque()).append(pending)
        if pending.lane not in self._lanes:
            lane = pending.lane
            self._lanes[lane] = asyncio.get_running_loop().create_task(self._run_lane(lane, self._queues[lane]))

    async def _run_lane(self, lane: Hashable, queue: deque[Pending]) -> None:
        while queue:
            await self._deliver(queue.popleft())
        self._lanes.pop(lane, None)
        self._queues.pop(lane, None)

    async def _deliver(self, pending: Pending) -> None:
        attempt = 0
        while pending.update_id in self._pending:
            if self.world.now() - pending.date > DAY:
                del self._pending[pending.update_id]
                self.world.touch()
                return
            async with self._slots:
                status, wait = await self._post(pending)
                if 200 <= status < 300 and self.duplicate:
                    await self._post(pending)
            if 200 <= status < 300:
                self._pending.pop(pending.update_id, None)
                self.world.touch()
                return
            self.last_error = (int(self.world.now()), f"Wrong response from the webhook: {status}")
            pause = self.delays[min(attempt, len(self.delays) - 1)]
            await asyncio.sleep(min(wait, RETRY_AFTER_CAP) if wait is not None else pause)
            attempt += 1

    async def _post(self, pending: Pending) -> tuple[int, float | None]:
        """Status (0: no answer) and the seconds of Retry-After."""
        if self._session is None:
            raise RuntimeError("the fake is not started")
        headers = {"X-Telegram-Bot-Api-Secret-Token": self.secret} if self.secret else {}
        status, wait = 0, None
        try:
            async with self._session.post(
                self.url,
                json=pending.body,
                headers=headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=self.timeout),
            ) as answer:
                status = answer.status
                after = answer.headers.get("Retry-After", "")
                wait = float(after) if after.isdigit() else None
                await answer.read()
        except (aiohttp.ClientError, TimeoutError):
            status = 0
        self.delivered.append(Delivery(pending.update_id, status, self.world.now()))
        self.world.touch()
        return status, wait

"""What the desk shows besides messages: delivery marks, topic names, cards, pins, the digest of a backlog.

All of it is state, not a queue: it is drawn where it differs from what is shown, so bursts collapse and a kill loses
nothing. It takes what the pace leaves over and never holds up a message.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from inbox.apply import Rules
from inbox.clock import Clock, Wake
from inbox.desk import Desk
from inbox.errors import InboxError, Refused, StorageDown, Throttled, TopicGone
from inbox.fate import tell_general
from inbox.lanes import DESK
from inbox.log import Log
from inbox.model import ContactId, Notice, Topic
from inbox.pace import ChatPace, Kind
from inbox.stage import sight_of
from inbox.store import Mark, Store, Unit

DEADLINE = 30.0
RENAME_EVERY = 30.0  # seconds between two renames of one topic
BACKLOG = 60  # waiting messages, about as many seconds at Telegram's pace
BACKLOG_EVERY = 30.0  # seconds between edits of the digest: each takes the place of a message
CONTACTS = 1000
ANNOUNCED = "backlog_announced"  # a setting: the digest stands, so that it is closed after a restart too


class MarkWorker:
    """Draws the delivery marks."""

    def __init__(self, desk: Desk, store: Store, clock: Clock, pace: ChatPace, wake: Wake, log: Log) -> None:
        self._desk = desk
        self._store = store
        self._clock = clock
        self._pace = pace
        self._wake = wake
        self._log = log

    async def run(self) -> None:
        while True:
            drawn = False
            try:
                if self._desk.chat_id is not None:
                    for mark in await self._store.read(lambda r: r.marks_to_draw(20)):
                        drawn = await self._draw(mark) or drawn
            except StorageDown:
                drawn = False
            if not drawn:
                await self._wake.wait(1.0)

    async def _draw(self, mark: Mark) -> bool:
        await spare(self._pace, self._clock, "reaction")
        try:
            async with asyncio.timeout(DEADLINE):
                await self._desk.mark(mark.chat_id, mark.desk_message_id, mark.wanted)
        except Throttled as error:
            self._pace.throttled(self._clock.monotonic(), error.retry_after, "reaction")
            return False
        except Refused as error:
            self._log.info("mark.refused", reason=error.reason)
        except (InboxError, TimeoutError) as error:
            self._log.info("mark.later", error=str(error))
            return False
        try:
            await self._store.write(lambda u: u.set_mark_shown(mark.message_id, mark.wanted))
        except StorageDown:
            return False
        return True


async def spare(pace: ChatPace, clock: Clock, kind: Kind) -> None:
    """Wait for a slot of this kind and take it."""
    wait = pace.wait(kind, clock.monotonic())
    while wait > 0:
        await clock.sleep(min(wait, 1.0))
        wait = pace.wait(kind, clock.monotonic())
    pace.take(kind, clock.monotonic())


@dataclass(slots=True)
class _Backlog:
    announced: bool = False
    at: float = -BACKLOG_EVERY


class UpkeepWorker:
    """Names, cards, pins, and the digest while many messages wait."""

    def __init__(
        self, desk: Desk, store: Store, rules: Rules, clock: Clock, pace: ChatPace, wake: Wake, log: Log
    ) -> None:
        self._desk = desk
        self._store = store
        self._rules = rules
        self._clock = clock
        self._pace = pace
        self._wake = wake
        self._log = log
        self._contacts: OrderedDict[ContactId, None] = OrderedDict()
        self._renamed: dict[int, float] = {}
        self._pins: deque[int] = deque(maxlen=20)
        self._backlog = _Backlog()

    def touch(self, contact: ContactId) -> None:
        """This client's name or card may be out of date."""
        self._contacts[contact] = None
        while len(self._contacts) > CONTACTS:
            self._contacts.popitem(last=False)
        self._wake.ring()

    def pin(self, desk_message_id: int) -> None:
        self._pins.append(desk_message_id)
        self._wake.ring()

    async def run(self) -> None:
        started = False
        while True:
            await self._wake.wait(1.0)
            if self._desk.chat_id is None:
                continue
            try:
                if not started:
                    await self._recall()
                    started = True
                waiting = await self._digest()
                if waiting == 0:
                    await self._one()
            except StorageDown:
                await self._clock.sleep(1.0)

    async def _recall(self) -> None:
        """After a start: the last conversations may have changed unseen, and a digest may still stand."""
        for contact in await self._store.read(lambda r: r.recent_contacts(50)):
            self._contacts[contact.id] = None
        self._backlog.announced = await self._store.read(lambda r: r.setting(ANNOUNCED)) is not None

    async def _digest(self) -> int:
        """Announce a big backlog once, then keep the figure; returns how many messages wait."""
        waiting = await self._store.read(lambda r: sum(q.waiting for q in r.queues() if q.target == DESK))
        now = self._clock.monotonic()
        due = now - self._backlog.at >= BACKLOG_EVERY
        if waiting >= BACKLOG and (not self._backlog.announced or due):
            self._backlog = _Backlog(True, now)
            await self._say_backlog(waiting)
        elif waiting == 0 and self._backlog.announced:
            self._backlog = _Backlog()
            await self._say_backlog(0)
        return waiting

    async def _say_backlog(self, waiting: int) -> None:
        heads = await self._store.read(lambda r: r.lane_heads(DESK))
        ids = {int(h.lane.rpartition(":")[2]) for h in heads} - {0}
        contacts = await self._store.read(lambda r: [r.contact(ContactId(i)) for i in sorted(ids)])

        def say(unit: Unit) -> None:
            unit.set_setting(ANNOUNCED, "1" if waiting else None)
            tell_general(unit, self._rules.voice.backlog(waiting, contacts))

        await self._store.write(say)

    async def _one(self) -> None:
        if self._pins:
            pin = self._pins[0]
            if await self._try("pin", lambda: self._desk.pin(pin)) and pin in self._pins:
                self._pins.remove(pin)
            return
        for contact in list(self._contacts):
            if await self._tidy(contact):
                self._contacts.pop(contact, None)
            if await self._store.read(lambda r: r.lane_heads(DESK)):
                return

    async def _tidy(self, contact: ContactId) -> bool:
        """Bring one topic up to date; False: not everything could be done yet."""
        chat = self._desk.chat_id
        if chat is None:
            return False
        topic = await self._store.read(lambda r: r.topic_of(contact, self._desk.backend, chat))
        if topic is None or topic.card_message_id is None:
            return True
        sight = await self._store.read(lambda r: sight_of(r, contact, self._rules))
        card = self._desk.card(sight)
        done = await self._pinned(topic)
        done = await self._redrawn(topic, card) and done
        return await self._rename(topic, self._desk.topic_name(sight)) and done

    async def _pinned(self, topic: Topic) -> bool:
        card = topic.card_message_id
        if topic.card_pinned or card is None:
            return True
        if not await self._try("pin", lambda: self._desk.pin(card)):
            return False
        return await self._note(topic, card_pinned=True)

    async def _redrawn(self, topic: Topic, card: Notice) -> bool:
        """A card that she deleted comes anew, and is to be pinned then."""
        if card.text.plain == topic.card_shown:
            return True
        stands = topic.card_message_id

        async def draw() -> None:
            nonlocal stands
            stands = (await self._desk.tell(topic, card, stands)).shown[0][0]

        if not await self._try("message", draw):
            return False
        if stands == topic.card_message_id:
            return await self._note(topic, card_shown=card.text.plain)
        await self._note(topic, card_shown=card.text.plain, card_message_id=stands, card_pinned=False)
        return False

    async def _note(self, topic: Topic, **fields: object) -> bool:
        """Remember it of the card that was drawn; False: the topic was made anew meanwhile, with another one."""

        def note(unit: Unit) -> bool:
            now = unit.topic_of(topic.contact_id, topic.backend, topic.chat_id)
            if now is None or now.id != topic.id or now.card_message_id != topic.card_message_id:
                return False
            unit.set_topic(topic.id, **fields)
            return True

        return await self._store.write(note)

    async def _rename(self, topic: Topic, name: str) -> bool:
        if topic.thread_id is None or name == topic.name_shown:
            return True
        now = self._clock.monotonic()
        if now - self._renamed.get(topic.id, -RENAME_EVERY) < RENAME_EVERY:
            return False
        self._renamed[topic.id] = now
        if not await self._try("rename", lambda: self._desk.rename_topic(topic, name)):
            return False
        return await self._note(topic, name_shown=name)

    async def _try(self, kind: Kind, call: Callable[[], Awaitable[object]]) -> bool:
        """Best effort: True when done or refused for good, False when it may be tried again."""
        await spare(self._pace, self._clock, kind)
        try:
            async with asyncio.timeout(DEADLINE):
                await call()
        except Throttled as error:
            self._pace.throttled(self._clock.monotonic(), error.retry_after, kind)
            return False
        except (Refused, TopicGone) as error:
            self._log.info("upkeep.refused", kind=kind, error=str(error))
            return True
        except (InboxError, TimeoutError) as error:
            self._log.info("upkeep.later", kind=kind, error=str(error))
            return False
        return True

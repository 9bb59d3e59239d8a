"""Lanes to the desk: what a client's lane becomes there, one call after the other.

A topic is opened when its first message is to be shown, its card goes first; waiting texts are joined, an album stays
one; a file that is not here after a moment is announced by a line and follows as a reply to it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from inbox.abilities import Abilities
from inbox.apply import Rules
from inbox.clock import Clock
from inbox.desk import Desk, How, Item, Sent, Sight
from inbox.errors import InboxError, Locked, Refused, Throttled, TopicGone, Unreachable
from inbox.fate import tell_general
from inbox.lanes import DESK, contact_of
from inbox.log import Log
from inbox.model import (
    Act,
    Attachment,
    ContactId,
    Delivery,
    DeliveryId,
    DeliveryState,
    Message,
    MessageId,
    Notice,
    Part,
    Provider,
    Topic,
)
from inbox.outbox import IDLE, Call, Later
from inbox.pace import ChatPace, Kind, backoff
from inbox.sending import ALBUM_LONGEST, ALBUM_PAUSE, may_mix
from inbox.store import Reading, Store, Unit

DEADLINE = 60.0
UPLOAD_DEADLINE = 180.0
JOINED = 3500  # characters in one message of joined texts
JOINED_ROWS = 40
FILE_PATIENCE = timedelta(seconds=5)
LATE = timedelta(minutes=10)
DEGRADED = 600.0  # seconds after which topics are tried again
ALBUM = 10


@dataclass(frozen=True, slots=True)
class Step:
    """One call on the desk. kind: topic (open it), card, show, tell."""

    kind: str
    rows: tuple[Delivery, ...]
    contact: ContactId | None
    topic: Topic | None
    sight: Sight | None = None
    items: tuple[Item, ...] = ()
    notice: Notice | None = None
    standing: int | None = None
    how: How = How.THREAD
    cost: int = 1


class DeskTarget:
    """All lanes of the desk."""

    name = DESK
    parallel = 8

    def __init__(
        self,
        desk: Desk,
        store: Store,
        rules: Rules,
        clock: Clock,
        pace: ChatPace,
        shares: frozenset[Provider],
        shown: Callable[[ContactId], None],
        pinned: Callable[[int], None],
        log: Log,
    ) -> None:
        self._desk = desk
        self._store = store
        self._rules = rules
        self._clock = clock
        self._pace = pace
        self._shares = shares
        self._shown = shown
        self._pinned = pinned
        self._log = log
        self._random = random.Random()
        self._served: dict[str, float] = {}
        self._ladder: dict[ContactId, tuple[How, float]] = {}
        self._refused: set[DeliveryId] = set()
        self._resting_until = 0.0
        self._failures = 0
        self.trouble: str | None = None

    def wait(self) -> float:
        if self._desk.chat_id is None:
            return IDLE
        return max(0.0, self._resting_until - self._clock.monotonic())

    def order(self, heads: Sequence[Delivery]) -> Sequence[Delivery]:
        """Her own matters first, then whoever was not shown for the longest time: the first sign of each client."""
        ranked = sorted(
            enumerate(heads), key=lambda h: (h[1].act is not Act.NOTICE, self._served.get(h[1].lane, 0.0), h[0])
        )
        return [head for _, head in ranked]

    def prepare(self, reading: Reading, head: Delivery) -> Step | Later:
        contact = contact_of(head.lane)
        if contact is None:
            return self._tell(reading, head, None, None)
        assert self._desk.chat_id is not None
        sight = sight_of(reading, contact, self._rules)
        topic = reading.topic_of(contact, self._desk.backend, self._desk.chat_id)
        how = self._how(contact)
        if self._desk.backend != "reply" and how is How.THREAD and (topic is None or topic.thread_id is None):
            return Step("topic", (), contact, topic, sight)
        if topic is None or topic.card_message_id is None:
            return Step("card", (), contact, topic, sight, notice=self._desk.card(sight), how=how)
        if head.act is Act.NOTICE:
            return self._tell(reading, head, topic, contact)
        return self._show(reading, head, topic, sight, how)

    def reserve(self, call: Call) -> float:
        assert isinstance(call, Step)
        now = self._clock.monotonic()
        kind: Kind = "topic" if call.kind == "topic" else "message"
        wait = self._pace.wait(kind, now, call.cost)
        if wait <= 0:
            self._pace.take(kind, now, call.cost)
            if call.contact is not None and call.kind in ("show", "card", "topic"):
                self._served[call.rows[0].lane if call.rows else f"{DESK}:{call.contact}"] = now
        return wait

    async def perform(self, call: Call) -> None:
        assert isinstance(call, Step)
        limit = UPLOAD_DEADLINE if any(i.message.attachments for i in call.items) else DEADLINE
        try:
            async with asyncio.timeout(limit):
                await self._do(call)
        except (InboxError, TimeoutError) as error:
            await self._not_done(call, error)
        except Exception as error:
            self._log.error("desk.broken", kind=call.kind, error=type(error).__name__)
            await self._not_done(call, Refused("broken", detail=type(error).__name__))
        else:
            self._failures = 0
            self.trouble = None

    # what a lane becomes

    def _show(self, reading: Reading, head: Delivery, topic: Topic, sight: Sight, how: How) -> Step | Later:
        assert head.message_id is not None
        message = reading.message(head.message_id)
        if head.act is not Act.SEND:
            item = self._relation(reading, head, message)
            return Step("show", (head,), sight.contact.id, topic, sight, (item,), how=how)
        if message.album is not None:
            rows = self._album(reading, head, message)
        elif self._joinable(head, message):
            rows = self._joined(reading, head, message)
        else:
            rows = [head]
        if isinstance(rows, Later):
            return rows
        items = tuple(self._item(reading, row) for row in rows)
        if any(self._may_still_come(reading, item) for item in items):
            return Later(0.25)
        return Step("show", tuple(rows), sight.contact.id, topic, sight, items, how=how, cost=self._desk.cost(items))

    def _item(self, reading: Reading, row: Delivery) -> Item:
        assert row.message_id is not None
        message = reading.message(row.message_id)
        absent = [a for a in message.attachments if not self._has(a)]
        pending = any(a.id is not None and reading.fetch_pending(a.id) for a in absent)
        return Item(
            Act.SEND,
            message,
            reading.identity(message.identity_id),
            part=row.part,
            repeat=row.repeat,
            missing=bool(absent) and pending,
            lost=(bool(absent) and not pending) or row.id in self._refused,
            reply_to=self._desk_id(reading, message.reply_to),
            late=message.stored_at - message.at > LATE,
        )

    def _relation(self, reading: Reading, row: Delivery, message: Message) -> Item:
        content = row.content if isinstance(row.content, Part) else Part()
        attachment = reading.attachment(content.attachments[0]) if content.attachments else None
        return Item(
            row.act,
            replace(message, text=content.text) if row.act is Act.EDIT else message,
            reading.identity(message.identity_id),
            repeat=row.repeat,
            reply_to=self._desk_id(reading, message.id),
            emoji=content.emoji,
            attachment=attachment,
            lost=attachment is not None and (not self._has(attachment) or row.id in self._refused),
        )

    def _desk_id(self, reading: Reading, message_id: MessageId | None) -> int | None:
        if message_id is None:
            return None
        source = reading.source_of(message_id)
        if source is not None and source[0] == self._desk.chat_id:
            return source[1]
        shown = [s for s in reading.shown_as(message_id) if s.chat_id == self._desk.chat_id]
        return shown[0].desk_message_id if shown else None

    def _has(self, attachment: Attachment) -> bool:
        return attachment.sha256 is not None or attachment.origin in self._shares

    def _may_still_come(self, reading: Reading, item: Item) -> bool:
        return item.missing and self._clock.now() - item.message.stored_at < FILE_PATIENCE

    def _joinable(self, row: Delivery, message: Message) -> bool:
        bare = not message.attachments and message.extra is None and message.reply_to is None
        return bare and not row.repeat and row.act is Act.SEND and message.album is None

    def _joined(self, reading: Reading, head: Delivery, first: Message) -> list[Delivery]:
        rows, length = [head], len(first.text.plain)
        for row in reading.lane_rows(head.lane, JOINED_ROWS)[1:]:
            if row.message_id is None:
                break
            message = reading.message(row.message_id)
            length += len(message.text.plain) + 8
            if length > JOINED or not self._joinable(row, message) or message.identity_id != first.identity_id:
                break
            if message.author is not first.author or (message.stored_at - message.at > LATE):
                break
            rows.append(row)
        return rows

    def _album(self, reading: Reading, head: Delivery, first: Message) -> list[Delivery] | Later:
        rows: list[Delivery] = []
        newest = first.stored_at
        for row in reading.lane_rows(head.lane, ALBUM):
            if row.act is not Act.SEND or row.message_id is None:
                break
            message = reading.message(row.message_id)
            kinds = {a.kind for r in (*rows, row) if r.message_id for a in reading.message(r.message_id).attachments}
            if message.album != first.album or not may_mix(set(kinds)):
                break
            if rows and not all(self._has(a) for a in message.attachments):
                break
            rows.append(row)
            newest = max(newest, message.stored_at)
        now = self._clock.now()
        if len(rows) < ALBUM and now - newest < ALBUM_PAUSE and now - first.stored_at < ALBUM_LONGEST:
            return Later((ALBUM_PAUSE - (now - newest)).total_seconds())
        alone = not all(self._has(a) for a in first.attachments)
        return [head] if alone or not rows else rows

    def _tell(self, reading: Reading, head: Delivery, topic: Topic | None, contact: ContactId | None) -> Step:
        assert isinstance(head.content, Notice)
        standing = reading.notice_at(head.content.key)
        here = standing[1] if standing is not None and standing[0] == self._desk.chat_id else None
        how = self._how(contact) if contact is not None else How.THREAD
        return Step("tell", (head,), contact, topic, notice=head.content, standing=here, how=how)

    def _how(self, contact: ContactId) -> How:
        how, until = self._ladder.get(contact, (How.THREAD, 0.0))
        return how if self._clock.monotonic() < until else How.THREAD

    # doing it

    async def _do(self, step: Step) -> None:
        if step.kind == "topic":
            await self._open(step)
        elif step.kind == "card":
            await self._card(step)
        elif step.kind == "tell":
            assert step.notice is not None
            sent = await self._desk.tell(step.topic, step.notice, step.standing, step.how)
            await self._store.write(lambda u: self._told(u, step, sent))
        else:
            assert step.sight is not None
            sent = await self._desk.show(step.topic, step.sight, step.items, step.how)
            if step.contact is not None and step.how is How.THREAD:
                self._ladder.pop(step.contact, None)
            await self._store.write(lambda u: self._settle(u, step, sent))
            if step.contact is not None:
                self._shown(step.contact)

    async def _open(self, step: Step) -> None:
        """The row is written before the topic is made: a kill between leaves a row to mend, not a second client."""
        sight, contact = step.sight, step.contact
        assert sight is not None and contact is not None
        topic = step.topic or await self._new_topic(contact)
        made = topic.id
        thread = await self._desk.open_topic(sight)
        name = self._desk.topic_name(sight)
        await self._store.write(
            lambda u: u.set_topic(
                made, thread_id=thread, name_shown=name, card_message_id=None, card_pinned=False, anchor=None
            )
        )

    async def _card(self, step: Step) -> None:
        contact, notice = step.contact, step.notice
        assert contact is not None and notice is not None
        topic = step.topic or await self._new_topic(contact)
        sent = await self._desk.tell(topic, notice, None, step.how)
        card, made = sent.shown[0][0], topic.id
        await self._store.write(
            lambda u: u.set_topic(made, card_message_id=card, card_shown=notice.text.plain, anchor=card)
        )
        self._check_stray(step, sent)
        self._shown(contact)

    async def _new_topic(self, contact: ContactId) -> Topic:
        return await self._store.write(lambda u: self._add_topic(u, contact))

    def _add_topic(self, unit: Unit, contact: ContactId) -> Topic:
        assert self._desk.chat_id is not None
        return unit.add_topic(contact, self._desk.backend, self._desk.chat_id)

    def _told(self, unit: Unit, step: Step, sent: Sent) -> None:
        assert self._desk.chat_id is not None and step.notice is not None
        for row in step.rows:
            unit.set_delivery(row.id, state=DeliveryState.SENT)
        message_id = sent.shown[0][0]
        unit.set_notice(step.notice.key, self._desk.chat_id, message_id)
        if step.notice.pin and step.standing != message_id:
            self._pinned(message_id)

    def _settle(self, unit: Unit, step: Step, sent: Sent) -> None:
        chat = self._desk.chat_id
        assert chat is not None
        for desk_id, number in sent.shown:
            row, item = step.rows[number], step.items[number]
            unit.add_shown(chat, desk_id, item.message.id, row.part)
        for row, item in zip(step.rows, step.items, strict=True):
            unit.set_delivery(row.id, state=DeliveryState.SENT)
            self._refused.discard(row.id)
            if item.missing:
                self._expect_files(unit, row, item)
        if step.topic is not None and sent.shown:
            unit.set_topic(step.topic.id, anchor=sent.shown[-1][0])
        self._check_stray(step, sent)

    def _expect_files(self, unit: Unit, row: Delivery, item: Item) -> None:
        """The line stands; each file answers it when it is there, or a line when it is lost."""
        for attachment in item.message.attachments:
            if attachment.id is None or self._has(attachment):
                continue
            waiting = unit.fetch_pending(attachment.id) and unit.attachment(attachment.id).sha256 is None
            unit.add_delivery(
                Act.FILE,
                DESK,
                row.lane,
                message_id=item.message.id,
                content=Part(attachments=(attachment.id,)),
                state=DeliveryState.PARKED if waiting else DeliveryState.WAITING,
            )

    def _check_stray(self, step: Step, sent: Sent) -> None:
        if sent.stray and step.contact is not None:
            self._log.warning("desk.stray", contact=step.contact)
            self._climb(step.contact, How.ANCHOR if step.how is How.THREAD else How.PLAIN)

    # when it did not work

    async def _not_done(self, step: Step, error: Exception) -> None:
        now = self._clock.monotonic()
        if isinstance(error, TopicGone):
            await self._topic_gone(step)
        elif isinstance(error, Throttled):
            self._pace.throttled(now, error.retry_after, "topic" if step.kind == "topic" else "message")
            await self._store.write(lambda u: self._put_back(u, step, 0.0, counted=False))
        elif isinstance(error, Refused):
            await self._refused_by_desk(step, error)
        else:
            repeat = not isinstance(error, Unreachable | Locked)
            self._failures += 1
            seconds = min(backoff(self._failures, self._random.random), 30.0)
            self._resting_until = now + seconds
            self.trouble = error.stored() if isinstance(error, InboxError) else "uncertain:timeout:"
            self._log.warning("desk.unreachable", kind=step.kind, error=self.trouble, again_in=round(seconds))
            await self._store.write(lambda u: self._put_back(u, step, 0.0, repeat=repeat))

    async def _topic_gone(self, step: Step) -> None:
        """Once the topic is made anew; if that does not help, the message goes another way."""
        topic, contact = step.topic, step.contact
        if contact is not None and (step.how is not How.THREAD or contact in self._ladder):
            self._climb(contact, How.ANCHOR if step.how is How.THREAD else How.PLAIN)
        elif contact is not None:
            self._ladder[contact] = (How.THREAD, self._clock.monotonic() + DEGRADED)

        def mend(unit: Unit) -> None:
            if topic is not None and step.how is How.THREAD:
                unit.set_topic(topic.id, thread_id=None, card_message_id=None, card_pinned=False)
            self._put_back(unit, step, 0.0, counted=False)

        await self._store.write(mend)

    def _climb(self, contact: ContactId, how: How) -> None:
        self._ladder[contact] = (how, self._clock.monotonic() + DEGRADED)

    async def _refused_by_desk(self, step: Step, error: Refused) -> None:
        """First without the file, then as a line in General: a message that the desk refuses stops nothing."""
        self._log.warning("desk.refused", kind=step.kind, reason=error.reason, code=error.code, detail=error.detail)
        if step.kind in ("topic", "card"):
            if step.contact is not None:
                self._climb(step.contact, How.PLAIN if step.kind == "card" else How.ANCHOR)
            return
        with_files = [r for r, i in zip(step.rows, step.items, strict=False) if i.message.attachments and not i.lost]
        if with_files:
            self._refused.update(r.id for r in with_files)
            await self._store.write(lambda u: self._put_back(u, step, 0.0))
            return

        def give_up(unit: Unit) -> None:
            for row in step.rows:
                unit.set_delivery(row.id, state=DeliveryState.FAILED, error=error.stored())
                if row.message_id is not None:
                    tell_general(unit, self._rules.voice.unshown(unit.delivery(row.id)))

        await self._store.write(give_up)

    def _put_back(self, unit: Unit, step: Step, seconds: float, *, counted: bool = True, repeat: bool = False) -> None:
        for row in step.rows:
            again = row.repeat or (repeat and row.act is not Act.NOTICE)
            unit.set_delivery(
                row.id,
                state=DeliveryState.WAITING,
                call=None,
                repeat=again,
                attempts=row.attempts + (1 if counted else 0),
                not_before=unit.now + timedelta(seconds=seconds) if seconds else None,
            )


def sight_of(reading: Reading, contact_id: ContactId, rules: Rules) -> Sight:
    """What the card and the topic's name say of a client now."""
    contact = reading.contact(contact_id)
    identities = tuple(reading.identities_of(contact_id))
    road = max(identities, key=lambda i: i.last_inbound_at.timestamp() if i.last_inbound_at else 0.0, default=None)
    until = None
    if road is not None and road.last_inbound_at is not None:
        abilities: Abilities | None = rules.roads.get(road.address.provider)
        if abilities is not None and abilities.window.free is not None:
            until = road.last_inbound_at + abilities.window.free
    return Sight(contact, identities, "owner" if reading.waits_for_owner(contact_id) else "client", until)

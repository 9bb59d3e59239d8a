"""Lanes to the desk: does one step after the other, settles its rows, and finds another way where one is closed.

The ladder: into the client's topic; after the topic was made anew without help, as a reply to its last message; then
outside topics, under the client's name.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from inbox.apply import Rules
from inbox.clock import Clock
from inbox.desk import Desk, How, Item, Sent
from inbox.errors import (
    ACCEPTED,
    InboxError,
    Locked,
    Refused,
    StorageDown,
    Throttled,
    TopicGone,
    Unreachable,
    outcome,
)
from inbox.fate import tell_general
from inbox.lanes import DESK, contact_of
from inbox.log import Log
from inbox.model import Act, ContactId, Delivery, DeliveryId, DeliveryState, Notice, Part, Provider, Text, Topic
from inbox.outbox import IDLE, Call, Later
from inbox.pace import ChatPace, Kind, backoff
from inbox.stage import Stage, Step
from inbox.store import Reading, Store, Unit

DEADLINE = 60.0
UPLOAD_DEADLINE = 180.0
DEGRADED = 600.0  # seconds after which topics are tried again
LONGEST_REST = 30.0
SETTLE_AGAIN = 1.0
PARTLY = "partly"  # shown in pieces, of which a later one failed
TOPICS_LOST = "topics_lost"  # a setting: the second since which topics fail, so that it is told once over restarts

T = TypeVar("T")


class DeskTarget:
    """All lanes of the desk. `calls`: since the start, by what became of them."""

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
        self._stage = Stage(desk, rules, clock, shares)
        self._shown = shown
        self._pinned = pinned
        self._log = log
        self._random = random.Random()
        self._served: dict[str, float] = {}
        self._ladder: dict[ContactId, tuple[How, float]] = {}
        self._refused: set[DeliveryId] = set()
        self._outside: set[ContactId] = set()  # whose messages stand outside topics, because those fail
        self._topics_failed_at = 0.0
        self._topics_lost: bool | None = None  # None: not looked yet
        self._resting_until = 0.0
        self._failures = 0
        self.trouble: str | None = None
        self.calls: Counter[str] = Counter()

    def blocked(self) -> float:
        """Seconds for which Telegram, not our own pace, keeps everything back."""
        now = self._clock.monotonic()
        return max(self._pace.blocked(now), self._resting_until - now, 0.0)

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
        how = How.THREAD if contact is None else self._how(contact)
        return self._stage.step(reading, head, how, self._refused)

    def reserve(self, call: Call) -> float:
        assert isinstance(call, Step)
        now = self._clock.monotonic()
        kind: Kind = "topic" if call.kind == "topic" else "message"
        wait = self._pace.wait(kind, now, call.cost)
        if wait <= 0:
            self._pace.take(kind, now, call.cost)
            if call.kind == "show":
                self._served[call.rows[0].lane] = now
        return wait

    async def perform(self, call: Call) -> None:
        assert isinstance(call, Step)
        try:
            done = await self._do(call)
        except (InboxError, TimeoutError) as error:
            self.calls[outcome(error)] += 1
            await self._not_done(call, error)
        except Exception as error:
            self.calls[outcome(error)] += 1
            self._log.error("desk.broken", kind=call.kind, error=type(error).__name__)
            await self._not_done(_begun(call), Refused("broken", detail=type(error).__name__))
        else:
            self.calls[ACCEPTED if done else PARTLY] += 1
            if done:
                self._failures = 0
                self.trouble = None

    def _how(self, contact: ContactId) -> How:
        how, until = self._ladder.get(contact, (How.THREAD, 0.0))
        if self._clock.monotonic() < until:
            return how
        self._ladder.pop(contact, None)
        return How.THREAD

    async def _write(self, work: Callable[[Unit], T]) -> T:
        """What came of a call must not be lost: while the disk does not take it, the lane stands still."""
        while True:
            try:
                return await self._store.write(work)
            except StorageDown as error:
                if error.reason == "closed":
                    raise
                self._log.error("desk.unsettled")
                await self._clock.sleep(SETTLE_AGAIN)

    # doing it

    async def _do(self, step: Step) -> bool:
        """False: only a part of it could be shown, which is dealt with."""
        if step.kind == "topic":
            await self._open(step)
        elif step.kind == "card":
            await self._card(step)
        elif step.kind == "tell":
            await self._tell(step)
        else:
            return await self._show(step)
        return True

    async def _open(self, step: Step) -> None:
        """The row is written before the topic is made: a kill between leaves a row to mend, not a second client.

        The anchor stays: where the new topic does not work either, the last message may lead into the old one.
        """
        sight, contact = step.sight, step.contact
        assert sight is not None and contact is not None
        topic = step.topic or await self._new_topic(contact)
        async with asyncio.timeout(DEADLINE):
            thread = await self._desk.open_topic(sight)
        name = self._desk.topic_name(sight)
        await self._write(
            lambda u: set_topic(u, topic, thread_id=thread, name_shown=name, card_message_id=None, card_pinned=False)
        )

    async def _card(self, step: Step) -> None:
        contact, notice = step.contact, step.notice
        assert contact is not None and notice is not None
        topic = step.topic or await self._new_topic(contact)
        async with asyncio.timeout(DEADLINE):
            sent = await self._desk.tell(topic, notice, None, step.how)
        card = sent.shown[0][0]
        anchor = {} if sent.stray else {"anchor": card}
        await self._write(lambda u: set_topic(u, topic, card_message_id=card, card_shown=notice.text.plain, **anchor))
        await self._landed(step, sent)
        self._shown(contact)

    async def _tell(self, step: Step) -> None:
        assert step.notice is not None
        async with asyncio.timeout(DEADLINE):
            sent = await self._desk.tell(step.topic, step.notice, step.standing, step.how)
        await self._write(lambda u: self._told(u, step, sent))
        await self._landed(step, sent)

    async def _show(self, step: Step) -> bool:
        assert step.sight is not None
        async with asyncio.timeout(UPLOAD_DEADLINE if any(i.message.attachments for i in step.items) else DEADLINE):
            sent = await self._desk.show(step.topic, step.sight, step.items, step.how)
        if sent.cut is not None:
            await self._write(lambda u: self._remember(u, step, sent))
            await self._not_done(_begun(step), sent.cut)
            return False
        await self._write(lambda u: self._settle(u, step, sent))
        await self._landed(step, sent)
        if step.contact is not None:
            self._shown(step.contact)
        return True

    async def _new_topic(self, contact: ContactId) -> Topic:
        return await self._write(lambda u: self._add_topic(u, contact))

    def _add_topic(self, unit: Unit, contact: ContactId) -> Topic:
        backend, chat = self._desk.backend, self._desk.chat_id
        assert chat is not None
        return unit.topic_of(contact, backend, chat) or unit.add_topic(contact, backend, chat)

    def _told(self, unit: Unit, step: Step, sent: Sent) -> None:
        assert self._desk.chat_id is not None and step.notice is not None
        for row in step.rows:
            unit.set_delivery(row.id, state=DeliveryState.SENT)
        message_id = sent.shown[0][0]
        unit.set_notice(step.notice.key, self._desk.chat_id, message_id)
        if step.notice.pin and step.standing != message_id:
            self._pinned(message_id)

    def _settle(self, unit: Unit, step: Step, sent: Sent) -> None:
        self._remember(unit, step, sent)
        for row, item in zip(step.rows, step.items, strict=True):
            unit.set_delivery(row.id, state=DeliveryState.SENT)
            self._refused.discard(row.id)
            if item.missing:
                self._expect_files(unit, row, item)

    def _remember(self, unit: Unit, step: Step, sent: Sent) -> None:
        """Which desk messages show what: replies, edits and reactions find their way by it."""
        chat = self._desk.chat_id
        assert chat is not None
        for desk_id, number in sent.shown:
            unit.add_shown(chat, desk_id, step.items[number].message.id, step.rows[number].part)
        if step.topic is not None and sent.shown and not sent.stray:
            set_topic(unit, step.topic, anchor=sent.shown[-1][0])

    def _expect_files(self, unit: Unit, row: Delivery, item: Item) -> None:
        """The line stands; each file answers it when it is there, or a line when it is lost."""
        for attachment in item.message.attachments:
            if attachment.id is None or self._stage.has(attachment):
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

    async def _landed(self, step: Step, sent: Sent) -> None:
        """A message that stands elsewhere than it was sent to says that its way is broken, without an error."""
        if step.contact is None:
            return
        if sent.stray:
            self._log.warning("desk.stray", contact=step.contact)
            self._climb(step.contact, How.ANCHOR if step.how is How.THREAD else How.PLAIN)
            if step.how is not How.THREAD:
                await self._topics_fail(step.contact)
        elif step.how is How.THREAD and step.kind != "card":
            self._ladder.pop(step.contact, None)
            await self._topics_work(step.contact)

    # whether topics work at all

    async def _topics_fail(self, contact: ContactId) -> None:
        """The first client whose messages go outside topics: she is told."""
        self._outside.add(contact)
        self._topics_failed_at = self._clock.monotonic()
        if not self._topics_lost:
            await self._write(self._lose_topics)
            self._topics_lost = True

    async def _topics_work(self, contact: ContactId) -> None:
        """Told once all that went outside are back, or where one topic fails and the others have not for long."""
        if self._desk.backend == "reply":
            return
        try:
            if self._topics_lost is None:
                self._topics_lost = await self._store.read(lambda r: r.setting(TOPICS_LOST)) is not None
        except StorageDown:
            return
        self._outside.discard(contact)
        lately = self._clock.monotonic() - self._topics_failed_at < DEGRADED
        if self._topics_lost and not (self._outside and lately):
            await self._write(self._regain_topics)
            self._topics_lost = False
            self._outside.clear()

    def _lose_topics(self, unit: Unit) -> None:
        if unit.setting(TOPICS_LOST) is None:
            since = str(int(unit.now.timestamp()))
            unit.set_setting(TOPICS_LOST, since)
            self._tell_topics(unit, since, work=False)

    def _regain_topics(self, unit: Unit) -> None:
        since = unit.setting(TOPICS_LOST)
        if since is not None:
            unit.set_setting(TOPICS_LOST, None)
            self._tell_topics(unit, since, work=True)

    def _tell_topics(self, unit: Unit, since: str, *, work: bool) -> None:
        """Each outage has a message of its own, which is closed in place."""
        notice = self._rules.voice.topics(work=work)
        tell_general(unit, replace(notice, key=f"{notice.key}:{since}"))

    # when it did not work

    async def _not_done(self, step: Step, error: Exception) -> None:
        now = self._clock.monotonic()
        if isinstance(error, TopicGone):
            await self._topic_gone(step)
        elif isinstance(error, Throttled):
            self._pace.throttled(now, error.retry_after, "topic" if step.kind == "topic" else "message")
            await self._write(lambda u: self._put_back(u, step, counted=False))
        elif isinstance(error, Refused):
            await self._refused_by_desk(step, error)
        else:
            self._rest(step, error)
            repeat = not isinstance(error, Unreachable | Locked)
            await self._write(lambda u: self._put_back(u, step, repeat=repeat))

    def _rest(self, step: Step, error: Exception) -> None:
        """The whole desk rests. Calls that were under way together and failed together count as one failure."""
        now = self._clock.monotonic()
        self.trouble = error.stored() if isinstance(error, InboxError) else "uncertain:timeout:"
        if now >= self._resting_until:
            self._failures += 1
            self._resting_until = now + min(backoff(self._failures, self._random.random), LONGEST_REST)
        again_in = round(self._resting_until - now)
        self._log.warning("desk.unreachable", kind=step.kind, error=self.trouble, again_in=again_in)

    async def _topic_gone(self, step: Step) -> None:
        """Once the topic is made anew; if that does not help, the message goes another way."""
        topic, contact = step.topic, step.contact
        if contact is None or step.how is How.PLAIN:
            await self._refused_by_desk(step, Refused("not_found", detail="thread"))
            return
        if step.how is not How.THREAD or contact in self._ladder:
            self._climb(contact, How.ANCHOR if step.how is How.THREAD else How.PLAIN)
        else:
            self._ladder[contact] = (How.THREAD, self._clock.monotonic() + DEGRADED)

        def mend(unit: Unit) -> None:
            if topic is not None and step.how is How.THREAD:
                set_topic(unit, topic, thread_id=None, card_message_id=None, card_pinned=False)
            self._put_back(unit, step, counted=False)

        await self._write(mend)
        if step.how is not How.THREAD:
            await self._topics_fail(contact)

    def _climb(self, contact: ContactId, how: How) -> None:
        self._ladder[contact] = (how, self._clock.monotonic() + DEGRADED)

    async def _refused_by_desk(self, step: Step, error: Refused) -> None:
        """First without its file and its formatting, then as a line in General: what the desk refuses stops nothing."""
        self._log.warning("desk.refused", kind=step.kind, reason=error.reason, code=error.code, detail=error.detail)
        if step.kind in ("topic", "card"):
            if step.contact is not None:
                self._climb(step.contact, How.PLAIN if step.kind == "card" else How.ANCHOR)
            return
        untried = [r.id for r, i in zip(step.rows, step.items, strict=False) if not i.lost]
        if untried:
            self._refused.update(untried)
            await self._write(lambda u: self._put_back(u, step))
            return

        notice = step.notice
        if notice is not None and (notice.buttons or notice.reply_to or notice.text.spans or step.standing):
            # Its words matter more than its looks: once more without formatting, quote and buttons.
            bare = Notice(f"{notice.key}:bare", Text(notice.text.plain), silent=notice.silent)
            await self._write(lambda u: self._put_back_as(u, step, bare))
            return

        def fail(unit: Unit) -> None:
            for row in step.rows:
                self._fail(unit, row, error)

        await self._write(fail)

    def give_up(self, unit: Unit, row: Delivery) -> None:
        self._fail(unit, row, Refused("broken"))

    def _fail(self, unit: Unit, row: Delivery, error: Refused) -> None:
        self._refused.discard(row.id)
        unit.set_delivery(row.id, state=DeliveryState.FAILED, error=error.stored())
        if row.message_id is not None:
            tell_general(unit, self._rules.voice.unshown(unit.delivery(row.id)))

    def _put_back_as(self, unit: Unit, step: Step, notice: Notice) -> None:
        self._put_back(unit, step)
        for row in step.rows:
            unit.set_delivery(row.id, content=notice)

    def _put_back(self, unit: Unit, step: Step, *, counted: bool = True, repeat: bool = False) -> None:
        for row in step.rows:
            again = row.repeat or (repeat and row.act is not Act.NOTICE)
            unit.set_delivery(
                row.id,
                state=DeliveryState.WAITING,
                call=None,
                repeat=again,
                attempts=row.attempts + (1 if counted else 0),
            )


def set_topic(unit: Unit, topic: Topic, **fields: object) -> bool:
    """Note it of the topic that a call was about. False: it is gone, for its client proved to be another one meanwhile;
    what was shown stays shown.
    """
    now = unit.topic_of(topic.contact_id, topic.backend, topic.chat_id)
    if now is None or now.id != topic.id:
        return False
    unit.set_topic(topic.id, **fields)
    return True


def _begun(step: Step) -> Step:
    """A part of it may be there: it will be shown from its start again, so all of it may be a repeat."""
    rows = (row if row.act is Act.NOTICE else replace(row, repeat=True) for row in step.rows)
    return replace(step, rows=tuple(rows))

"""What a lane of the desk becomes next: rows into one step. Pure but for the reading and the clock.

A topic is opened when its first message is to be shown, its card goes first; waiting texts are joined, an album stays
one; a file that is not here after a moment is announced by a line.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import timedelta

from inbox.abilities import Abilities
from inbox.apply import Rules
from inbox.clock import Clock, fresh
from inbox.desk import Desk, How, Item, Sight
from inbox.lanes import contact_of
from inbox.model import (
    Act,
    Attachment,
    ContactId,
    Delivery,
    DeliveryId,
    MediaKind,
    Message,
    MessageId,
    Notice,
    Part,
    Provider,
    Topic,
)
from inbox.outbox import Later
from inbox.sending import ALBUM_LONGEST, ALBUM_PAUSE, may_mix
from inbox.store import Reading

JOINED = 3500  # characters in one message of joined texts
JOINED_ROWS = 40
FILE_PATIENCE = timedelta(seconds=5)
LATE = timedelta(minutes=10)
ALBUM = 10
GATHERED = frozenset({MediaKind.PHOTO, MediaKind.VIDEO, MediaKind.DOCUMENT, MediaKind.AUDIO})
GATHERED_WORDS = 900  # characters of what is said of them, so that it fits under one album


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


class Stage:
    """Prepares steps. shares: the networks whose files the desk's bot sends by their id, without their bytes."""

    def __init__(self, desk: Desk, rules: Rules, clock: Clock, shares: frozenset[Provider]) -> None:
        self._desk = desk
        self._rules = rules
        self._clock = clock
        self._shares = shares

    def step(self, reading: Reading, head: Delivery, how: How, refused: Collection[DeliveryId]) -> Step | Later:
        """how: the rung on which the client's topic is reached. refused: rows whose file the desk does not take."""
        contact = contact_of(head.lane)
        if contact is None:
            return self._tell(reading, head, None, None, how)
        assert self._desk.chat_id is not None
        sight = sight_of(reading, contact, self._rules)
        topic = reading.topic_of(contact, self._desk.backend, self._desk.chat_id)
        if self._desk.backend != "reply" and how is How.THREAD and (topic is None or topic.thread_id is None):
            return Step("topic", (), contact, topic, sight)
        # Outside topics each message names its client by itself, so a card that cannot be shown holds nothing up.
        if how is not How.PLAIN and (topic is None or topic.card_message_id is None):
            return Step("card", (), contact, topic, sight, notice=self._desk.card(sight), how=how)
        if head.act is Act.NOTICE:
            return self._tell(reading, head, topic, contact, how)
        return self._show(reading, head, topic, sight, how, refused)

    def has(self, attachment: Attachment) -> bool:
        """Whether the desk can show the file now."""
        return attachment.sha256 is not None or attachment.origin in self._shares

    def _show(
        self,
        reading: Reading,
        head: Delivery,
        topic: Topic | None,
        sight: Sight,
        how: How,
        refused: Collection[DeliveryId],
    ) -> Step | Later:
        assert head.message_id is not None
        message = reading.message(head.message_id)
        if head.act is not Act.SEND:
            item = self._relation(reading, head, message, refused)
            return Step("show", (head,), sight.contact.id, topic, sight, (item,), how=how)
        if message.album is not None:
            rows = self._album(reading, head, message)
        elif self._joinable(head, message):
            rows = self._joined(reading, head, message)
        elif self._gatherable(head, message):
            rows = self._gathered(reading, head, message)
        else:
            rows = [head]
        if isinstance(rows, Later):
            return rows
        items = tuple(self._item(reading, row, refused) for row in rows)
        if any(self._may_still_come(reading, item) for item in items):
            return Later(0.25)
        return Step("show", tuple(rows), sight.contact.id, topic, sight, items, how=how, cost=self._desk.cost(items))

    def _item(self, reading: Reading, row: Delivery, refused: Collection[DeliveryId]) -> Item:
        assert row.message_id is not None
        message = reading.message(row.message_id)
        if isinstance(row.content, Part):  # edited before it was shown: these are its first words
            message = replace(message, text=row.content.text)
        absent = [a for a in message.attachments if not self.has(a)]
        pending = any(a.id is not None and reading.fetch_pending(a.id) for a in absent)
        return Item(
            Act.SEND,
            message,
            reading.identity(message.identity_id),
            part=row.part,
            repeat=row.repeat,
            missing=bool(absent) and pending,
            lost=(bool(absent) and not pending) or row.id in refused,
            reply_to=self._desk_id(reading, message.reply_to),
            late=message.stored_at - message.at > LATE,
        )

    def _relation(self, reading: Reading, row: Delivery, message: Message, refused: Collection[DeliveryId]) -> Item:
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
            lost=attachment is not None and (not self.has(attachment) or row.id in refused),
        )

    def _desk_id(self, reading: Reading, message_id: MessageId | None) -> int | None:
        if message_id is None:
            return None
        source = reading.source_of(message_id)
        if source is not None and source[0] == self._desk.chat_id:
            return source[1]
        shown = [s for s in reading.shown_as(message_id) if s.chat_id == self._desk.chat_id]
        return shown[0].desk_message_id if shown else None

    def _may_still_come(self, reading: Reading, item: Item) -> bool:
        return item.missing and fresh(item.message.stored_at, self._clock.now(), FILE_PATIENCE)

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
            if length > JOINED or not self._joinable(row, message) or not self._same_voice(first, message):
                break
            rows.append(row)
        return rows

    def _gatherable(self, row: Delivery, message: Message) -> bool:
        """Whether its files may stand in an album with those that came before and after: nothing else hangs on it."""
        kinds = {a.kind for a in message.attachments}
        bare = message.extra is None and message.reply_to is None and message.album is None
        ready = bool(kinds) and kinds <= GATHERED and all(self.has(a) for a in message.attachments)
        return ready and bare and row.act is Act.SEND and not row.repeat and row.content is None

    def _gathered(self, reading: Reading, head: Delivery, first: Message) -> list[Delivery]:
        rows, kinds, words = [head], {a.kind for a in first.attachments}, len(first.text.plain)
        for row in reading.lane_rows(head.lane, ALBUM)[1:]:
            if row.message_id is None:
                break
            message = reading.message(row.message_id)
            kinds |= {a.kind for a in message.attachments}
            words += len(message.text.plain) + 8
            if not self._gatherable(row, message) or not may_mix(kinds) or words > GATHERED_WORDS:
                break
            if not self._same_voice(first, message):
                break
            rows.append(row)
        return rows

    def _same_voice(self, first: Message, message: Message) -> bool:
        """Said by the same side on the same road, and not late: nothing of it has to be told of each."""
        late = message.stored_at - message.at > LATE
        return message.identity_id == first.identity_id and message.author is first.author and not late

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
            if rows and not all(self.has(a) for a in message.attachments):
                break
            rows.append(row)
            newest = max(newest, message.stored_at)
        now = self._clock.now()
        if len(rows) < ALBUM and fresh(newest, now, ALBUM_PAUSE) and fresh(first.stored_at, now, ALBUM_LONGEST):
            return Later((ALBUM_PAUSE - (now - newest)).total_seconds())
        alone = not all(self.has(a) for a in first.attachments)
        return [head] if alone or not rows else rows

    def _tell(self, reading: Reading, head: Delivery, topic: Topic | None, contact: ContactId | None, how: How) -> Step:
        assert isinstance(head.content, Notice)
        standing = reading.notice_at(head.content.key)
        here = standing[1] if standing is not None and standing[0] == self._desk.chat_id else None
        return Step("tell", (head,), contact, topic, notice=head.content, standing=here, how=how)


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

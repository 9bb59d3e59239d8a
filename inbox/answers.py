"""Queues what goes to a client: plans it for the road, makes the message, its deliveries and the export's line."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from inbox.abilities import Abilities
from inbox.codec import plain
from inbox.fate import fail, refresh_mark
from inbox.lanes import client_lane
from inbox.model import (
    Act,
    Attachment,
    AttachmentId,
    Author,
    Delivery,
    DeliveryState,
    ExternalId,
    Identity,
    Message,
    Part,
)
from inbox.plan import PartPlan, Refusal, fit
from inbox.store import Unit
from inbox.voice import Voice

UNSENT = frozenset({DeliveryState.WAITING, DeliveryState.PARKED, DeliveryState.FAILED})
MARK_AFTER = timedelta(seconds=2)
"""A message that left within this time goes straight to its outcome, without the mark of waiting."""


def queue(
    unit: Unit,
    identity: Identity,
    author: Author,
    content: Part,
    abilities: Abilities | None,
    voice: Voice,
    *,
    attachments: Sequence[Attachment] = (),
    album: str | None = None,
    source: str | None = None,
    at: datetime | None = None,
) -> Message:
    """Raises DuplicateSource when this desk update was queued already.

    What the road cannot take at all, or a road that is off (abilities None), becomes a failed delivery, told like any
    other failure.
    """
    message = unit.add_message(
        identity.id,
        author,
        at=at or unit.now,
        content=content,
        attachments=attachments,
        album=album,
        source=source,
    )
    unit.emit(
        identity.address.provider,
        "message.out",
        message.at,
        client=identity.contact_id,
        message=message.id,
        author=str(author),
        text=content.text.plain,
        **_further(content, attachments, album),
    )
    if abilities is None:
        _refuse(unit, identity, message, Refusal("gate_off"), voice)
    else:
        _queue_parts(unit, identity, message, abilities, voice)
    for attachment in message.attachments:
        unit.add_job("fetch", {"attachment": attachment.id}, unit.now)
    if source is not None:
        unit.add_job("mark", {"message": message.id}, unit.now + MARK_AFTER)
    return message


def queue_auto(unit: Unit, identity: Identity, content: Part, abilities: Abilities, voice: Voice) -> Message:
    return queue(unit, identity, Author.AUTO, content, abilities, voice)


def again(unit: Unit, delivery: Delivery) -> Delivery:
    """The owner asks for another try: a new row that starts anew; the old one does not count any more."""
    unit.set_delivery(delivery.id, state=DeliveryState.DROPPED)
    new = unit.add_delivery(
        delivery.act,
        delivery.target,
        delivery.lane,
        message_id=delivery.message_id,
        part=delivery.part,
        content=delivery.content,
    )
    return unit.delivery(new)


def release(unit: Unit, delivery: Delivery) -> None:
    """What was parked leaves from its old place in the lane, before anything newer, as a new try.

    The id that the refused try got stays with a row that does not count, so that a late report of it moves nothing.
    """
    if delivery.external_id is not None:
        former = unit.add_delivery(
            delivery.act,
            delivery.target,
            delivery.lane,
            message_id=delivery.message_id,
            part=delivery.part,
            state=DeliveryState.DROPPED,
        )
        unit.set_delivery(former, external_id=delivery.external_id)
    unit.set_delivery(
        delivery.id,
        state=DeliveryState.WAITING,
        error=None,
        not_before=None,
        external_id=None,
        created_at=unit.now,
    )


def change_waiting(
    unit: Unit, identity: Identity, message: Message, content: Part, abilities: Abilities, voice: Voice
) -> bool:
    """Put other words in a message of which nothing has left. False: something has, it is too late for that."""
    live = live_sends(unit, identity, message)
    if not live or any(d.state not in UNSENT for d in live):
        return False
    reword(unit, identity, message, content, unit.now)
    message = unit.message(message.id)
    plan = _plan(message, abilities)
    if isinstance(plan, Refusal):
        _drop(unit, live)
        _refuse(unit, identity, message, plan, voice)
        return True
    for row, part in zip(live, plan, strict=False):
        unit.set_delivery(row.id, content=_part(part))
    _drop(unit, live[len(plan) :])
    for number, part in enumerate(plan[len(live) :], start=len(live)):
        _add(unit, identity, message, number, part, after=live[-1])
    return True


def take_back(unit: Unit, identity: Identity, message: Message) -> bool:
    """Drop a message of which nothing has left."""
    live = live_sends(unit, identity, message)
    if any(d.state not in UNSENT for d in live):
        return False
    _drop(unit, live)
    reword(unit, identity, message, None, unit.now)
    refresh_mark(unit, message.id)
    return True


def live_sends(unit: Unit, identity: Identity, message: Message) -> list[Delivery]:
    """The sends of a message that count: one a part, without those that were dropped or replaced."""
    rows = unit.deliveries_of(message.id, identity.address.provider)
    return [d for d in rows if d.act is Act.SEND and d.state is not DeliveryState.DROPPED]


def drop_unsent(unit: Unit, identity: Identity, message: Message) -> list[Delivery]:
    """Of a message that left in part, keep the rest here; returns what left or may have left."""
    live = live_sends(unit, identity, message)
    _drop(unit, [d for d in live if d.state in UNSENT])
    return [d for d in live if d.state not in UNSENT]


def reword(
    unit: Unit,
    identity: Identity,
    message: Message,
    content: Part | None,
    at: datetime,
    external_id: ExternalId | None = None,
) -> None:
    """A message of the owner has other words now, or is gone (None): its version and the export's line, once each."""
    if message.deleted_at is not None or (content is not None and content.text == message.text):
        return
    unit.add_version(message.id, content, at)
    unit.emit(
        identity.address.provider,
        "message.deleted" if content is None else "message.edited",
        at,
        client=identity.contact_id,
        message=message.id,
        external_id=external_id,
        author=str(message.author),
        **({} if content is None else {"text": content.text.plain}),
    )


def _drop(unit: Unit, rows: Sequence[Delivery]) -> None:
    for row in rows:
        unit.set_delivery(row.id, state=DeliveryState.DROPPED)


def _further(content: Part, attachments: Sequence[Attachment], album: str | None) -> dict[str, Any]:
    """What the export says of a message besides its words."""
    data: dict[str, Any] = {}
    if attachments:
        data["attachments"] = [{"kind": str(a.kind), "mime": a.mime, "name": a.name} for a in attachments]
    if content.extra is not None:
        data["extra"] = plain(content.extra)
    if content.reply_to is not None:
        data["reply_to"] = content.reply_to
    if album is not None:
        data["album"] = album
    return data


def _plan(message: Message, abilities: Abilities) -> tuple[PartPlan, ...] | Refusal:
    plan = fit(message, abilities, abilities.measure)
    return plan if isinstance(plan, Refusal) else plan.parts


def _queue_parts(unit: Unit, identity: Identity, message: Message, abilities: Abilities, voice: Voice) -> None:
    plan = _plan(message, abilities)
    if isinstance(plan, Refusal):
        _refuse(unit, identity, message, plan, voice)
        return
    for number, part in enumerate(plan):
        _add(unit, identity, message, number, part)


def _refuse(unit: Unit, identity: Identity, message: Message, refusal: Refusal, voice: Voice) -> None:
    """All of it stays with the row, so that a retry never sends a caption without its file."""
    whole = PartPlan(message.text, message.attachments, message.extra, message.reply_to, message.quote)
    row = _add(unit, identity, message, 0, whole)
    limit = f"max{refusal.limit}" if refusal.limit else ""
    fail(unit, row, f"refused:{refusal.reason}:{limit}", voice)


def _part(part: PartPlan) -> Part:
    ids: tuple[AttachmentId, ...] = tuple(a.id for a in part.attachments if a.id is not None)
    return Part(text=part.text, attachments=ids, extra=part.extra, reply_to=part.reply_to, quote=part.quote)


def _add(
    unit: Unit, identity: Identity, message: Message, number: int, part: PartPlan, after: Delivery | None = None
) -> Delivery:
    provider = identity.address.provider
    state = after.state if after else DeliveryState.WAITING
    row = unit.add_delivery(
        Act.SEND,
        provider,
        client_lane(provider, identity.contact_id),
        message_id=message.id,
        part=number,
        content=_part(part),
        state=state,
    )
    if after is not None and after.error is not None:
        unit.set_delivery(row, error=after.error)
    return unit.delivery(row)

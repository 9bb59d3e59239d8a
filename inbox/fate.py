"""What became of a send: settles deliveries, draws the mark, tells the owner when she must know."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from inbox.gate import Came, Changed, Progress, Reacted, Receipt
from inbox.lanes import DESK, GENERAL, desk_lane
from inbox.model import Act, Author, Delivery, DeliveryId, DeliveryState, Identity, MessageId, Notice
from inbox.states import NOTE_MARK, advance, mark_of
from inbox.store import Unit
from inbox.voice import Voice

WAITED = timedelta(seconds=2)
WINDOW = "window"
SETTLED = frozenset({DeliveryState.SENT, DeliveryState.DELIVERED, DeliveryState.READ})


def taken(unit: Unit, delivery: Delivery, receipt: Receipt, voice: Voice) -> list[Came | Changed | Reacted | Progress]:
    """The provider accepted it. Returns the facts that waited for its id."""
    identity = _identity(unit, delivery)
    address = identity.address
    waiting: list[Came | Changed | Reacted | Progress] = []
    assert delivery.message_id is not None
    for external_id in receipt.external_ids:
        unit.add_ref(address.provider, address.account, external_id, delivery.message_id, delivery.part)
        waiting += unit.take_early(address.provider, address.account, external_id)
    unit.set_delivery(delivery.id, external_id=receipt.external_ids[0] if receipt.external_ids else None)
    _move(unit, delivery, receipt.state, voice)
    return waiting


def fail(unit: Unit, delivery: Delivery, error: str, voice: Voice) -> None:
    """Refused for good: 💔 and why; a closed road is not a failure, the text is held."""
    identity = _identity(unit, delivery)
    unit.set_delivery(delivery.id, error=error)
    if error.split(":")[1] == WINDOW and delivery.act is Act.SEND:
        hold(unit, delivery, voice)
        return
    if delivery.act is not Act.SEND:
        unit.set_delivery(delivery.id, state=DeliveryState.FAILED)
        row = unit.delivery(delivery.id)
        _say(unit, identity, voice.cannot(str(delivery.act), row, identity, _reply_to(unit, row)))
        return
    _move(unit, unit.delivery(delivery.id), DeliveryState.FAILED, voice, error=error)


def hold(unit: Unit, delivery: Delivery, voice: Voice) -> None:
    """The road is closed: the text stands aside until the owner says what shall become of it."""
    identity = _identity(unit, delivery)
    unit.set_delivery(delivery.id, state=DeliveryState.PARKED)
    row = unit.delivery(delivery.id)
    unit.emit(
        identity.address.provider,
        "delivery.changed",
        unit.now,
        client=identity.contact_id,
        message=row.message_id,
        state="waiting",
        reason=WINDOW,
    )
    _say(unit, identity, voice.held(row, identity, _reply_to(unit, row)))
    refresh_mark(unit, _message(row))


def expire(unit: Unit, delivery: Delivery, voice: Voice) -> None:
    """It could not leave for a day: the owner is asked before it does."""
    unit.set_delivery(delivery.id, error="refused:expired:")
    identity = _identity(unit, delivery)
    unit.set_delivery(delivery.id, state=DeliveryState.PARKED)
    row = unit.delivery(delivery.id)
    _say(unit, identity, voice.failed(row, identity, _reply_to(unit, row)))
    refresh_mark(unit, _message(row))


def doubt(unit: Unit, delivery: Delivery, error: str, voice: Voice) -> None:
    """Nobody knows whether it went out: 🤔 and the question."""
    unit.set_delivery(delivery.id, error=error)
    _move(unit, delivery, DeliveryState.UNCERTAIN, voice)


def report(unit: Unit, fact: Progress, voice: Voice) -> None:
    """A delivery report: forwards only; one that overtakes our own answer waits for it."""
    ref = unit.ref(fact.provider, fact.account, fact.external_id)
    delivery = None
    if ref is not None:
        rows = [d for d in unit.deliveries_of(ref.message_id, fact.provider) if d.act is Act.SEND]
        delivery = next((d for d in reversed(rows) if d.part == ref.part and d.state in SETTLED | _OPEN), None)
    elif fact.token is not None:
        delivery = _by_token(unit, fact)
        if delivery is not None and delivery.message_id is not None:
            unit.add_ref(fact.provider, fact.account, fact.external_id, delivery.message_id, delivery.part)
            unit.set_delivery(delivery.id, external_id=fact.external_id)
    if delivery is None:
        if ref is None:
            unit.keep_early(fact.provider, fact.account, fact.external_id, fact)
        return
    if fact.error is not None and fact.error.split(":")[1] == WINDOW:
        if delivery.state in (DeliveryState.SENT, DeliveryState.UNCERTAIN):
            unit.set_delivery(delivery.id, error=fact.error)
            hold(unit, delivery, voice)
        return
    _move(unit, delivery, fact.state, voice, error=fact.error)


_OPEN = frozenset({DeliveryState.SENDING, DeliveryState.UNCERTAIN, DeliveryState.FAILED, DeliveryState.WAITING})


def _by_token(unit: Unit, fact: Progress) -> Delivery | None:
    """The send whose own token a report gives back: only while its outcome is not known yet."""
    if fact.token is None or not fact.token.isdecimal() or len(fact.token) > 18:
        return None
    try:
        delivery = unit.delivery(DeliveryId(int(fact.token)))
    except KeyError:
        return None
    if delivery.target != fact.provider or delivery.external_id is not None:
        return None
    return delivery if delivery.state in (DeliveryState.UNCERTAIN, DeliveryState.SENDING) else None


def _move(unit: Unit, delivery: Delivery, state: DeliveryState, voice: Voice, error: str | None = None) -> None:
    new = advance(delivery.state, state)
    if new is None:
        return
    unit.set_delivery(delivery.id, state=new, **({"error": error} if error else {}))
    row = unit.delivery(delivery.id)
    identity = _identity(unit, row)
    unit.emit(
        identity.address.provider,
        "delivery.changed",
        unit.now,
        client=identity.contact_id,
        message=row.message_id,
        external_id=row.external_id,
        state=str(new),
        **({"part": row.part} if row.part else {}),
        **({"error": row.error} if new is DeliveryState.FAILED and row.error else {}),
    )
    if new is DeliveryState.FAILED:
        _say(unit, identity, voice.failed(row, identity, _reply_to(unit, row)))
    elif new is DeliveryState.UNCERTAIN:
        _say(unit, identity, voice.uncertain(row, identity, _reply_to(unit, row)))
    elif unit.notice_at(f"delivery:{row.id}") is not None:
        _say(unit, identity, voice.settled(row, identity, _reply_to(unit, row)))
    refresh_mark(unit, _message(row))


def refresh_mark(unit: Unit, message_id: MessageId, *, waited: bool = False) -> None:
    """Say which reaction the owner's message should carry; an album carries one, at its first message."""
    message = unit.message(message_id)
    if message.author is Author.NOTE:
        _want(unit, message_id, NOTE_MARK)
        return
    together = unit.album_messages(message.identity_id, message.album) if message.album else [message_id]
    rows = [d for m in together for d in unit.deliveries_of(m) if d.act is Act.SEND and d.target != DESK]
    first = unit.message(together[0])
    waited = waited or unit.now - first.stored_at >= WAITED
    _want(unit, together[0], mark_of([d.state for d in rows], waited))


def _want(unit: Unit, message_id: MessageId, emoji: str) -> None:
    source = unit.source_of(message_id)
    if source is not None:
        unit.want_mark(message_id, *source, emoji)


def _say(unit: Unit, identity: Identity, notice: Notice) -> None:
    unit.add_delivery(Act.NOTICE, DESK, desk_lane(identity.contact_id), content=notice, rank=0)


def tell_general(unit: Unit, notice: Notice, rank: int = 0) -> None:
    unit.add_delivery(Act.NOTICE, DESK, GENERAL, content=notice, rank=rank)


def _identity(unit: Unit, delivery: Delivery) -> Identity:
    return unit.identity(unit.message(_message(delivery)).identity_id)


def _message(delivery: Delivery) -> MessageId:
    assert delivery.message_id is not None
    return delivery.message_id


def _reply_to(unit: Unit, delivery: Delivery) -> int | None:
    source = unit.source_of(_message(delivery))
    return source[1] if source else None


def orphaned(unit: Unit, rows: Sequence[Delivery], voice: Voice) -> None:
    """The start after a kill: what was under way to a client is in doubt; on the desk it is shown again, marked."""
    for row in rows:
        if row.target == DESK:
            unit.set_delivery(row.id, state=DeliveryState.WAITING, repeat=True, call=None)
        elif row.act is not Act.SEND:
            unit.set_delivery(row.id, state=DeliveryState.WAITING, call=None)
        else:
            doubt(unit, row, "uncertain:restart:", voice)

"""What became of a send: settles deliveries, draws the mark, tells the owner when she must know."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from inbox.gate import Came, Changed, Progress, Reacted, Receipt
from inbox.lanes import DESK, GENERAL, desk_lane
from inbox.model import Act, Author, Delivery, DeliveryId, DeliveryState, Identity, MessageId, Notice
from inbox.states import NOTE_MARK, advance, mark_of
from inbox.store import Ref, Unit
from inbox.voice import Voice

WAITED = timedelta(seconds=2)
WINDOW = "window"
NOTICES = 100
ASKED = frozenset({DeliveryState.UNCERTAIN, DeliveryState.FAILED, DeliveryState.PARKED})


def taken(unit: Unit, delivery: Delivery, receipt: Receipt, voice: Voice) -> list[Came | Changed | Reacted | Progress]:
    """The provider accepted it. Returns the facts that waited for its id."""
    identity = _identity(unit, delivery)
    address = identity.address
    waiting: list[Came | Changed | Reacted | Progress] = []
    assert delivery.message_id is not None
    for external_id in receipt.external_ids:
        unit.add_ref(address.provider, address.account, external_id, delivery.message_id, delivery.part)
        waiting += unit.take_early(address.provider, address.account, external_id)
    if receipt.external_ids:
        unit.set_delivery(delivery.id, external_id=receipt.external_ids[0])
    _move(unit, delivery, receipt.state, voice, at=receipt.at)
    return waiting


def fail(unit: Unit, delivery: Delivery, error: str, voice: Voice) -> None:
    """Refused for good: 💔 and why; a closed road is not a failure, the text is held."""
    identity = _identity(unit, delivery)
    if delivery.act is not Act.SEND:
        row = unit.set_delivery(delivery.id, state=DeliveryState.FAILED, error=error)
        _say(unit, identity, voice.cannot(str(delivery.act), row, identity, _reply_to(unit, row)))
    elif _reason(error) == WINDOW:
        if delivery.state in (DeliveryState.WAITING, DeliveryState.SENDING):
            hold(unit, delivery, error, voice, unit.now)
    else:
        _move(unit, delivery, DeliveryState.FAILED, voice, error=error)


def hold(unit: Unit, delivery: Delivery, error: str, voice: Voice, at: datetime) -> None:
    """The road is closed: the text stands aside until the owner says what shall become of it."""
    identity = _identity(unit, delivery)
    row = unit.set_delivery(delivery.id, state=DeliveryState.PARKED, error=error)
    unit.emit(
        identity.address.provider,
        "delivery.changed",
        at,
        client=identity.contact_id,
        message=row.message_id,
        state="waiting",
        reason=WINDOW,
    )
    _say(unit, identity, voice.held(row, identity, _reply_to(unit, row)))
    refresh_mark(unit, _message(row))


def expire(unit: Unit, delivery: Delivery, voice: Voice) -> None:
    """It could not leave for a day: the owner is asked before it does."""
    identity = _identity(unit, delivery)
    row = unit.set_delivery(delivery.id, state=DeliveryState.PARKED, error="refused:expired:")
    unit.emit(
        identity.address.provider,
        "delivery.changed",
        unit.now,
        client=identity.contact_id,
        message=row.message_id,
        state="waiting",
        reason="expired",
    )
    _say(unit, identity, voice.failed(row, identity, _reply_to(unit, row)))
    refresh_mark(unit, _message(row))


def doubt(unit: Unit, delivery: Delivery, error: str, voice: Voice) -> None:
    """Nobody knows whether it went out: 🤔 and the question."""
    _move(unit, delivery, DeliveryState.UNCERTAIN, voice, error=error)


def report(unit: Unit, fact: Progress, voice: Voice) -> None:
    """A delivery report: forwards only; one that overtakes our own answer waits for it."""
    ref = unit.ref(fact.provider, fact.account, fact.external_id)
    delivery = None
    if ref is not None:
        delivery = _by_ref(unit, fact, ref)
    elif fact.token is not None:
        delivery = _by_token(unit, fact)
        if delivery is not None and delivery.message_id is not None:
            unit.add_ref(fact.provider, fact.account, fact.external_id, delivery.message_id, delivery.part)
            unit.set_delivery(delivery.id, external_id=fact.external_id)
    if delivery is None:
        if ref is None:
            unit.keep_early(fact.provider, fact.account, fact.external_id, fact)
        return
    if fact.error is not None and _reason(fact.error) == WINDOW:
        if delivery.state in (DeliveryState.SENDING, DeliveryState.SENT, DeliveryState.UNCERTAIN):
            hold(unit, delivery, fact.error, voice, fact.at)
        return
    _move(unit, delivery, fact.state, voice, error=fact.error, at=fact.at)


def _by_ref(unit: Unit, fact: Progress, ref: Ref) -> Delivery | None:
    """The send that got this id; an album that left in one call has further ids, which name its part only.

    A retry has an id of its own, so a report about the try before it says nothing of it.
    """
    rows = [d for d in unit.deliveries_of(ref.message_id, fact.provider) if d.act is Act.SEND and d.part == ref.part]
    named = [d for d in rows if d.external_id == fact.external_id]
    live = [d for d in named or rows if d.state is not DeliveryState.DROPPED]
    return live[-1] if live else None


def is_token_of(unit: Unit, identity: Identity, token: str) -> bool:
    """Whether this token went out with a send of ours to that person."""
    delivery = _tokened(unit, token)
    return delivery is not None and delivery.act is Act.SEND and _identity(unit, delivery).id == identity.id


def token_of(delivery: Delivery) -> str:
    """What goes out with a send, for networks that give it back. The time keeps a restored backup, which gives the
    same ids again, from taking an old report for its own.
    """
    made = int(delivery.created_at.timestamp()) if delivery.created_at else 0
    return f"{delivery.id}.{made}"


def _tokened(unit: Unit, token: str | None) -> Delivery | None:
    number = (token or "").partition(".")[0]
    if not (number.isascii() and number.isdecimal()) or len(number) > 18:
        return None
    try:
        delivery = unit.delivery(DeliveryId(int(number)))
    except KeyError:
        return None
    return delivery if token_of(delivery) == token else None


def _by_token(unit: Unit, fact: Progress) -> Delivery | None:
    """The send whose own token a report gives back: only while its id is not known yet."""
    delivery = _tokened(unit, fact.token)
    if delivery is None:
        return None
    if delivery.target != fact.provider or delivery.act is not Act.SEND or delivery.external_id is not None:
        return None
    return delivery


def _move(
    unit: Unit,
    delivery: Delivery,
    state: DeliveryState,
    voice: Voice,
    *,
    error: str | None = None,
    at: datetime | None = None,
) -> None:
    new = advance(delivery.state, state)
    if new is None:
        return
    row = unit.set_delivery(delivery.id, state=new, **({"error": error} if error else {}))
    identity = _identity(unit, row)
    unit.emit(
        identity.address.provider,
        "delivery.changed",
        at or unit.now,
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
    elif delivery.state in ASKED and not _unask(unit, identity, row):
        _say(unit, identity, voice.settled(row, identity, _reply_to(unit, row)))
    refresh_mark(unit, _message(row))


def _unask(unit: Unit, identity: Identity, row: Delivery) -> bool:
    """Take back a question that the desk has not shown yet: it has its answer."""
    for waiting in unit.lane_rows(desk_lane(identity.contact_id), NOTICES):
        if isinstance(waiting.content, Notice) and waiting.content.key == f"delivery:{row.id}":
            unit.set_delivery(waiting.id, state=DeliveryState.DROPPED)
            return unit.notice_at(waiting.content.key) is None
    return False


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
    """Say it outside topics; where the same notice still waits, it says the newer words at once."""
    for row in unit.lane_rows(GENERAL, NOTICES):
        if isinstance(row.content, Notice) and row.content.key == notice.key:
            unit.set_delivery(row.id, content=notice)
            return
    unit.add_delivery(Act.NOTICE, DESK, GENERAL, content=notice, rank=rank)


def _reason(error: str) -> str:
    """The reason in a stored error, "name:reason:code"."""
    return error.split(":")[1]


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

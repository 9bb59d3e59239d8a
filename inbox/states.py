"""Delivery states: which report moves a message on, and the mark that the owner sees on it.

Rank, low to high: waiting, sending, uncertain, sent, failed and parked, delivered, read. A report moves a state only to
a higher rank. So "uncertain" gives way to any outcome, a late "sent" does not revive what failed or was set aside, and
proof that the client has it beats everything.
"""

from __future__ import annotations

from collections.abc import Sequence

from inbox.model import DeliveryState

WAITING_MARK = "✍"
SENT_MARK = "🕊"
DELIVERED_MARK = "👌"
READ_MARK = "👀"
UNCERTAIN_MARK = "🤔"
FAILED_MARK = "💔"
NOTE_MARK = "🙈"  # an internal note: the client does not see it

_REPORTS = {
    DeliveryState.WAITING: 0,
    DeliveryState.SENDING: 1,
    DeliveryState.UNCERTAIN: 2,
    DeliveryState.SENT: 3,
    DeliveryState.FAILED: 4,
    DeliveryState.DELIVERED: 5,
    DeliveryState.READ: 6,
}
# A part that was set aside because the network refused it gets that refusal, and an older "sent", a second time.
_RANK = _REPORTS | {DeliveryState.PARKED: 4}

WORST_FIRST = (
    DeliveryState.FAILED,
    DeliveryState.UNCERTAIN,
    DeliveryState.PARKED,
    DeliveryState.WAITING,
    DeliveryState.SENDING,
    DeliveryState.SENT,
    DeliveryState.DELIVERED,
    DeliveryState.READ,
)

_MARKS = {
    DeliveryState.FAILED: FAILED_MARK,
    DeliveryState.UNCERTAIN: UNCERTAIN_MARK,
    DeliveryState.PARKED: WAITING_MARK,
    DeliveryState.WAITING: WAITING_MARK,
    DeliveryState.SENDING: WAITING_MARK,
    DeliveryState.SENT: SENT_MARK,
    DeliveryState.DELIVERED: DELIVERED_MARK,
    DeliveryState.READ: READ_MARK,
}
_ON_THE_WAY = frozenset({DeliveryState.WAITING, DeliveryState.SENDING})


def advance(current: DeliveryState, reported: DeliveryState) -> DeliveryState | None:
    """The state after a report; None: no change.

    Parking and dropping are decisions, not reports: they change nothing here, and what was dropped stays so.
    """
    if current not in _RANK or reported not in _REPORTS:
        return None
    return reported if _REPORTS[reported] > _RANK[current] else None


def worst(states: Sequence[DeliveryState]) -> DeliveryState | None:
    """The state of a message of several parts; dropped ones do not count. None: no part is left."""
    return next((s for s in WORST_FIRST if s in states), None)


def mark_of(states: Sequence[DeliveryState], waiting_long: bool) -> str:
    """The reaction for a message of these parts; "" for none, as while it has not waited long."""
    state = worst(states)
    if state is None or (state in _ON_THE_WAY and not waiting_long):
        return ""
    return _MARKS[state]

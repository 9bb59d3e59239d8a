"""Which report moves a message on, and what the owner sees."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbox.model import DeliveryState
from inbox.states import WORST_FIRST, advance, mark_of, worst

S = DeliveryState
ORDER = "waiting sending sent delivered read uncertain failed parked dropped".split()
# One row for each current state, one column for each report, in ORDER; "+" moves.
TABLE = {
    "waiting": ". + + + + + + . .",
    "sending": ". . + + + + + . .",
    "sent": ". . . + + . + . .",
    "delivered": ". . . . + . . . .",
    "read": ". . . . . . . . .",
    "uncertain": ". . + + + . + . .",
    "failed": ". . . + + . . . .",
    "parked": ". . . + + . . . .",
    "dropped": ". . . . . . . . .",
}


def test_the_table_names_every_state() -> None:
    assert set(ORDER) == set(TABLE) == set(S)


@pytest.mark.parametrize("current", ORDER)
def test_advance(current: str) -> None:
    moved = ["+" if advance(S(current), S(r)) is S(r) else "." for r in ORDER]
    assert " ".join(moved) == TABLE[current]
    assert all(advance(S(current), S(r)) in (None, S(r)) for r in ORDER)


@given(st.sampled_from(S), st.lists(st.sampled_from(S), max_size=30))
def test_reports_come_to_rest(current: DeliveryState, reports: list[DeliveryState]) -> None:
    seen = [current]
    for report in reports:
        following = advance(seen[-1], report)
        if following is not None:
            seen.append(following)
    assert len(seen) == len(set(seen)), "never back to where it was"


@given(st.permutations([S.SENT, S.DELIVERED, S.READ]), st.sampled_from([S.WAITING, S.SENDING, S.UNCERTAIN, S.FAILED]))
def test_the_order_of_reports_does_not_matter(reports: list[DeliveryState], current: DeliveryState) -> None:
    for report in reports:
        current = advance(current, report) or current
    assert current is S.READ


def test_worst_knows_every_state_that_counts() -> None:
    assert set(WORST_FIRST) == set(S) - {S.DROPPED}
    assert len(WORST_FIRST) == len(set(WORST_FIRST))


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([], None),
        ([S.DROPPED], None),
        ([S.DROPPED, S.READ], S.READ),
        ([S.READ, S.DELIVERED], S.DELIVERED),
        ([S.DELIVERED, S.SENT], S.SENT),
        ([S.SENT, S.SENDING], S.SENDING),
        ([S.SENDING, S.WAITING], S.WAITING),
        ([S.WAITING, S.PARKED], S.PARKED),
        ([S.PARKED, S.UNCERTAIN], S.UNCERTAIN),
        ([S.UNCERTAIN, S.FAILED, S.READ], S.FAILED),
    ],
)
def test_worst(states: list[DeliveryState], expected: DeliveryState | None) -> None:
    assert worst(states) is expected
    assert worst(states[::-1]) is expected


@pytest.mark.parametrize(
    ("states", "waiting_long", "expected"),
    [
        ([], True, ""),
        ([S.WAITING], False, ""),
        ([S.WAITING], True, "✍"),
        ([S.SENDING], False, ""),
        ([S.SENDING], True, "✍"),
        ([S.PARKED], False, "✍"),
        ([S.SENT], False, "🕊"),
        ([S.DELIVERED], True, "👌"),
        ([S.READ], False, "👀"),
        ([S.UNCERTAIN], False, "🤔"),
        ([S.FAILED], False, "💔"),
        ([S.SENT, S.WAITING], False, ""),
        ([S.SENT, S.WAITING], True, "✍"),
        ([S.READ, S.FAILED], False, "💔"),
        ([S.DROPPED], True, ""),
        ([S.DROPPED, S.SENT], True, "🕊"),
    ],
)
def test_mark(states: list[DeliveryState], waiting_long: bool, expected: str) -> None:
    assert mark_of(states, waiting_long) == expected

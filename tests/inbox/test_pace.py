"""The pace of calls, by simulation in passed-in time."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inbox.pace import Bucket, ChatPace, Kind, Window, backoff, export_backoff, fetch_backoff

KINDS: tuple[Kind, ...] = ("message", "edit", "reaction", "topic", "rename", "pin")


@dataclass(frozen=True)
class Call:
    at: float
    kind: Kind
    cost: float


calls = st.lists(
    st.tuples(
        st.sampled_from(KINDS),
        st.one_of(st.just(0.0), st.floats(0, 3), st.floats(5, 20)),
        st.sampled_from((1, 1, 1, 2, 10)),
    ),
    max_size=120,
)


def run(pace: ChatPace, wanted: Sequence[tuple[Kind, float, int]], start: float = 1000.0) -> list[Call]:
    """Make the calls one after another, each after its pause, as soon as the pace allows."""
    now, made = start, []
    for kind, pause, items in wanted:
        now += pause
        cost = items if kind == "message" else 1
        now += pace.wait(kind, now, cost)
        assert pace.wait(kind, now, cost) < 1e-3, "a wait once served is over"
        pace.take(kind, now, cost)
        made.append(Call(now, kind, cost))
    return made


def most_in(made: list[Call], seconds: float, kinds: set[Kind]) -> float:
    """The highest sum of costs in any span of so many seconds, both ends included."""
    counted = [c for c in made if c.kind in kinds]
    return max((sum(d.cost for d in counted if c.at <= d.at <= c.at + seconds) for c in counted), default=0)


@given(calls)
@settings(max_examples=150, deadline=None)
def test_never_more_than_18_messages_in_any_10_seconds(wanted: list[tuple[Kind, float, int]]) -> None:
    made = run(ChatPace(1.0, 5), wanted)
    assert most_in(made, 10.9, {"message", "topic", "rename", "pin"}) <= 18


@given(calls)
@settings(max_examples=100, deadline=None)
def test_a_group_gets_20_a_minute(wanted: list[tuple[Kind, float, int]]) -> None:
    made = run(ChatPace(1.0, 5, group=True), wanted)
    assert most_in(made, 61, {"message", "topic", "rename", "pin"}) <= 20
    assert most_in(made, 10.9, {"message", "topic", "rename", "pin"}) <= 18


@given(calls)
@settings(max_examples=100, deadline=None)
def test_side_kinds_keep_to_one_in_3_seconds(wanted: list[tuple[Kind, float, int]]) -> None:
    made = run(ChatPace(1.0, 5), wanted)
    for kind in ("reaction", "topic", "rename", "pin"):
        assert most_in(made, 30, {kind}) <= 5 + 30 / 3 + 1e-3


def test_albums_in_a_row_do_not_pass_the_guard() -> None:
    made = run(ChatPace(1.0, 5), [("message", 0, 10)] * 4)
    assert [round(c.at - 1000) for c in made] == [0, 11, 22, 33]


def test_a_burst_goes_at_once_and_then_one_a_second() -> None:
    made = run(ChatPace(1.0, 5), [("message", 0, 1)] * 500)
    assert [round(c.at - 1000, 3) for c in made[:8]] == [0, 0, 0, 0, 0, 1, 2, 3]
    assert made[-1].at - 1000 == pytest.approx(495)


def test_marks_do_not_hold_messages_up() -> None:
    pace, now = ChatPace(1.0, 5), 0.0
    for _ in range(5):
        assert pace.wait("reaction", now) == 0
        pace.take("reaction", now)
    assert pace.wait("message", now) == 0
    pace.take("message", now)
    assert pace.wait("message", now) == pytest.approx(1)


def test_messages_do_not_hold_marks_up() -> None:
    pace = ChatPace(1.0, 5)
    for _ in range(5):
        pace.take("message", 0)
    assert pace.wait("message", 0) == pytest.approx(1)
    assert pace.wait("reaction", 0) == 0
    pace.take("reaction", 0)
    assert pace.wait("message", 0) == pytest.approx(1)


@given(st.lists(st.tuples(st.floats(0, 2), st.booleans()), min_size=1, max_size=60))
@settings(max_examples=100, deadline=None)
def test_no_message_waits_for_a_mark(steps: list[tuple[float, bool]]) -> None:
    pace, now = ChatPace(1.0, 5), 0.0
    for pause, mark in steps:
        now += pause
        if mark:
            before = pace.wait("message", now)
            if pace.wait("reaction", now) == 0:
                pace.take("reaction", now)
            assert pace.wait("message", now) == before
        else:
            now += pace.wait("message", now)
            pace.take("message", now)


@pytest.mark.parametrize("kind", ["topic", "rename", "pin", "edit"])
def test_others_take_one_slot(kind: Kind) -> None:
    pace = ChatPace(1.0, 1)
    pace.take(kind, 0)
    assert pace.wait("message", 0) == pytest.approx(1)


def test_a_throttled_message_stops_the_chat_and_halves_the_pace() -> None:
    pace = ChatPace(1.0, 5)
    pace.throttled(0, 8, "message")
    assert (pace.blocked(0), pace.blocked(8), pace.refusals) == (8, 0, 1)
    assert pace.wait("message", 0) == pace.wait("edit", 0) == pace.wait("reaction", 0) == 8
    made = run(pace, [("message", 0, 1)] * 200, start=0)
    assert [round(c.at) for c in made[:4]] == [8, 10, 12, 14]
    assert made[146].at == pytest.approx(300)
    assert made[147].at == pytest.approx(301)


@pytest.mark.parametrize("kind", ["reaction", "topic", "rename", "pin"])
def test_a_throttled_side_kind_does_not_mute_the_chat(kind: Kind) -> None:
    pace = ChatPace(1.0, 5)
    pace.throttled(0, 60, kind)
    assert pace.wait(kind, 0) == 60
    assert pace.wait("message", 0) == 0


def test_an_open_pace_lets_everything_go_but_obeys_a_429() -> None:
    pace = ChatPace(rate=math.inf, group=True)
    made = run(pace, [(k, 0, 10) for k in KINDS] * 50)
    assert {c.at for c in made} == {1000}
    pace.throttled(1000, 3, "message")
    assert pace.wait("message", 1000, 10) == 3
    assert pace.wait("message", 1003, 10) == 0


def test_a_later_block_only_makes_it_longer() -> None:
    bucket = Bucket(1, 5)
    bucket.block(0, 10)
    bucket.block(1, 2)
    assert bucket.wait(1) == 9
    assert bucket.wait(10) == 0
    assert bucket.wait(10, 2) == pytest.approx(1)


def test_a_debt_is_paid_before_the_next() -> None:
    bucket = Bucket(1, 5)
    assert bucket.wait(0, 10) == 0
    bucket.take(0, 10)
    assert bucket.wait(0) == pytest.approx(6)
    assert bucket.wait(0, 10) == pytest.approx(10)
    bucket.take(6, 1)
    assert bucket.wait(6, 10) == pytest.approx(5)


@given(
    st.floats(0.1, 30),
    st.integers(1, 20),
    st.lists(st.tuples(st.floats(0, 4), st.integers(1, 10)), min_size=1, max_size=60),
)
@settings(max_examples=100, deadline=None)
def test_a_bucket_never_passes_its_rate(rate: float, burst: int, wanted: list[tuple[float, int]]) -> None:
    bucket, now, taken = Bucket(rate, burst), 50.0, []
    for pause, cost in wanted:
        now += pause
        now += bucket.wait(now, cost)
        bucket.take(now, cost)
        taken.append((now, cost))
    for i, (start, _) in enumerate(taken):
        total = 0
        for at, cost in taken[i:]:
            debt = max(0, cost - burst)  # may go ahead of its time, by design
            total += cost
            assert total - debt <= burst + rate * (at - start) + 1e-3


@pytest.mark.parametrize(("rate", "burst"), [(0, 1), (-1, 1), (math.nan, 1), (1, 0)])
def test_a_bucket_that_never_fills_is_an_error(rate: float, burst: int) -> None:
    with pytest.raises(ValueError, match="bucket"):
        Bucket(rate, burst)


def test_a_clock_that_stands_or_steps_back_gives_nothing() -> None:
    bucket = Bucket(1, 1)
    bucket.take(10)
    assert bucket.wait(9) == pytest.approx(1)
    assert bucket.wait(10) == pytest.approx(1)
    assert bucket.wait(11) == 0


def test_window() -> None:
    window = Window(3, 10)
    for at in (0, 1, 2):
        assert window.wait(at) == 0
        window.take(at)
    assert window.wait(2) == 8
    assert window.wait(2, 2) == 9
    assert window.wait(2, 99) == 10
    assert window.wait(10) == 0
    assert window.wait(12, 99) == 0


@pytest.mark.parametrize(
    ("delay", "expected"),
    [
        (fetch_backoff, [1, 3, 10, 30, 90, 270, 810, 2430, 3600, 3600]),
        (export_backoff, [1, 2, 5, 15, 30, 60, 120, 240, 480, 600, 600]),
        (lambda n: backoff(n, lambda: 0.5), [5, 30, 120, 600, 600]),
        (lambda n: backoff(n, lambda: 0.0), [4, 24, 96, 480, 480]),
        (lambda n: backoff(n, lambda: 1.0), [6, 36, 144, 720, 720]),
    ],
)
def test_backoff(delay: Callable[[int], float], expected: list[float]) -> None:
    assert [delay(n) for n in range(1, len(expected) + 1)] == pytest.approx(expected)
    assert delay(0) == delay(1)


def test_a_lifted_block_counts_on_from_then() -> None:
    bucket = Bucket(10, 5)
    bucket.block(100.0, 3600)
    bucket.release(101.0)
    assert bucket.wait(101.0) == 0
    bucket.take(101.0)
    assert 0 < bucket.wait(101.0) <= 0.1


def test_the_usual_pace_stays_below_what_the_network_counts() -> None:
    usual, network = ChatPace(), Bucket(1.0, 5)
    now = 0.0
    for _ in range(60):
        now += usual.wait("message", now)
        usual.take("message", now)
        assert network.wait(now) == 0
        network.take(now)
    assert network.wait(now) == 0  # a whole message of margin is left for calls that arrive closer together

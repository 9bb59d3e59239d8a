"""The code table: complete, without overlaps, and what each answer of Graph means."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gates.http import Answer
from gates.meta.errors import TABLE, error, find, stored
from gates.meta.graph import read
from inbox.errors import InboxError, Locked, Refused, Throttled, Uncertain, Unreachable

DOCUMENTED = (
    "0 190 3 10 200 250 299 4 80007 130429 131056 131048 131064 133016 368 131031 130497 1 2 131000 131016 131057 "
    "135000 33 100 131008 131009 131005 131021 131026 131030 131037 131042 131044 131045 131047 131049 130472 131050 "
    "131051 131052 131053 131060 131062 131063 132000 132001 132005 132007 132008 132012 132015 132016 132068 132069 "
    "137000 138001 139000 131200 147001 2388001 2494001"
)


@pytest.mark.parametrize("code", [int(code) for code in DOCUMENTED.split()])
def test_every_documented_code_has_a_row(code: int) -> None:
    assert find(code) is not None


def test_rows_are_in_order_and_do_not_overlap() -> None:
    edges = [edge for row in TABLE for edge in (row.first, row.last)]
    assert edges == sorted(edges)
    assert all(one.last < two.first for one, two in pairwise(TABLE))


@pytest.mark.parametrize(
    ("code", "kind", "reason"),
    [
        (0, Locked, "token"),
        (190, Locked, "token"),
        (3, Locked, "permission"),
        (10, Locked, "permission"),
        (200, Locked, "permission"),
        (299, Locked, "permission"),
        (131005, Locked, "permission"),
        (368, Locked, "restricted"),
        (131031, Locked, "restricted"),
        (4, Throttled, "later"),
        (80007, Throttled, "later"),
        (130429, Throttled, "later"),
        (131056, Throttled, "later"),
        (1, Unreachable, "temporary"),
        (2, Unreachable, "temporary"),
        (131000, Unreachable, "temporary"),
        (131016, Unreachable, "temporary"),
        (131057, Unreachable, "temporary"),
        (135000, Unreachable, "temporary"),
        (131047, Refused, "window"),
        (131026, Refused, "unreachable"),
        (131049, Refused, "ecosystem"),
        (130472, Refused, "ecosystem"),
        (131050, Refused, "opted_out"),
        (131051, Refused, "kind"),
        (131052, Refused, "bad_media"),
        (131053, Refused, "bad_media"),
        (132000, Refused, "template"),
        (132015, Refused, "template"),
        (131030, Refused, "test_number"),
        (131042, Refused, "payment"),
        (130497, Refused, "country"),
        (131021, Refused, "self"),
        (33, Refused, "parameter"),
        (100, Refused, "parameter"),
        (131009, Refused, "parameter"),
        (999, Refused, "unknown"),
    ],
)
def test_codes_mean(code: int, kind: type[InboxError], reason: str) -> None:
    made = error(code)
    assert (type(made), made.reason, made.code) == (kind, reason, str(code))


@pytest.mark.parametrize(
    ("code", "seconds", "everyone"), [(4, 300, True), (80007, 300, True), (130429, 2, True), (131056, 6, False)]
)
def test_throttling_says_how_long_and_for_whom(code: int, seconds: float, everyone: bool) -> None:
    made = error(code)
    assert isinstance(made, Throttled)
    assert (made.retry_after, made.everyone) == (seconds, everyone)


def test_a_failed_status_is_final_whatever_the_class() -> None:
    assert stored(131047) == "refused:window:131047"
    assert stored(190) == "refused:token:190"
    assert stored(77) == "refused:unknown:77"
    assert stored(None) == "refused:unknown:"


def graph(code: Any, status: int = 400, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(status, headers or {}, json.dumps({"error": {"code": code, "message": "m"}}).encode())


def usage(*minutes: object) -> dict[str, str]:
    lines = [{"type": "whatsapp", "estimated_time_to_regain_access": value} for value in minutes]
    return {"X-Business-Use-Case-Usage": json.dumps({"100200300400500": lines})}


@pytest.mark.parametrize(
    ("answer", "kind", "reason"),
    [
        (graph(131047), Refused, "window"),
        (graph("131047"), Refused, "window"),
        (graph(190, 401), Locked, "token"),
        (graph(131000, 500), Unreachable, "temporary"),
        (graph(131047, 500), Refused, "window"),
        (graph(190, 200), Locked, "token"),
        (graph(None), Refused, "unknown"),
        (graph(True), Refused, "unknown"),
        (graph([1]), Refused, "unknown"),
        (Answer(500, {}, b"Internal Server Error"), Uncertain, "answer"),
        (Answer(502, {}, b"<html>"), Uncertain, "answer"),
        (Answer(503, {}, b'{"error": "text"}'), Uncertain, "answer"),
        (Answer(200, {}, b"<html>"), Uncertain, "answer"),
        (Answer(200, {}, b"[]"), Uncertain, "answer"),
        (Answer(200, {}, b""), Uncertain, "answer"),
        (Answer(200, {}, b"[" * 100_000), Uncertain, "answer"),
        (Answer(429, {}, b"slow down"), Throttled, "later"),
        (Answer(401, {}, b""), Locked, "token"),
        (Answer(404, {}, b"not here"), Refused, "invalid"),
        (Answer(302, {}, b""), Unreachable, "redirect"),
    ],
)
def test_answers_mean(answer: Answer, kind: type[InboxError], reason: str) -> None:
    with pytest.raises(InboxError) as caught:
        read(answer)
    assert (type(caught.value), caught.value.reason) == (kind, reason)


def test_a_good_answer_is_returned() -> None:
    assert read(Answer(200, {}, b'{"success": true}')) == {"success": True}


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        (graph(80007, headers=usage(1, 7)), 7 * 60),
        (graph(4, headers=usage(1, 7)), 7 * 60),
        (graph(130429, headers=usage(1, 7)), 2),
        (graph(80007, headers={"X-Business-Use-Case-Usage": "junk"}), 300),
        (graph(80007, headers=usage(0, "7", None)), 300),
        (
            graph(80007, headers=usage(9_999_999)),
            86_400,
        ),
        (Answer(429, {"Retry-After": "12"}, b""), 12),
        (Answer(429, {"Retry-After": "Wed, 21 Oct"}, b""), 30),
    ],
)
def test_waits_follow_the_headers(answer: Answer, seconds: float) -> None:
    with pytest.raises(Throttled) as caught:
        read(answer)
    assert caught.value.retry_after == seconds


@settings(max_examples=150)
@given(st.integers(100, 599), st.one_of(st.binary(max_size=60), st.integers().map(lambda n: graph(n).body)))
def test_no_answer_breaks_the_reading(status: int, body: bytes) -> None:
    try:
        assert isinstance(read(Answer(status, {}, body)), dict)
    except InboxError as caught:
        assert isinstance(caught, Refused | Throttled | Unreachable | Uncertain | Locked)

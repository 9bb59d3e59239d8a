"""Graph's error codes as data: which class of ours, and why. The words for people live with the texts.

`error_subcode` is not looked at: it has been deprecated since v16.0. Codes of calls, flows, groups, usernames,
template creation and sign-ups cannot come from what this product asks for; they keep their number and no reason.
"""

from __future__ import annotations

from dataclasses import dataclass

from inbox.errors import InboxError, Locked, Refused, Throttled, Unreachable


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: the codes `first` to `last`."""

    first: int
    last: int
    error: type[InboxError]
    reason: str


def _row(code: int, error: type[InboxError], reason: str, last: int | None = None) -> Row:
    return Row(code, code if last is None else last, error, reason)


TABLE = (
    _row(0, Locked, "token"),
    _row(1, Unreachable, "temporary"),
    _row(2, Unreachable, "temporary"),
    _row(3, Locked, "permission"),
    _row(4, Throttled, "later"),
    _row(10, Locked, "permission"),
    _row(32, Throttled, "later"),
    _row(33, Refused, "parameter"),
    _row(100, Refused, "parameter"),
    _row(190, Locked, "token"),
    _row(200, Locked, "permission", last=299),
    _row(368, Locked, "restricted"),
    _row(613, Throttled, "later"),
    _row(80006, Throttled, "later"),
    _row(80007, Throttled, "later"),
    _row(130429, Throttled, "later"),
    _row(130472, Refused, "ecosystem"),
    _row(130497, Refused, "country"),
    _row(131000, Unreachable, "temporary"),
    _row(131005, Locked, "permission"),
    _row(131008, Refused, "parameter"),
    _row(131009, Refused, "parameter"),
    _row(131016, Unreachable, "temporary"),
    _row(131021, Refused, "self"),
    _row(131026, Refused, "unreachable"),
    _row(131030, Refused, "test_number"),
    _row(131031, Locked, "restricted"),
    _row(131037, Refused, "display_name"),
    _row(131042, Refused, "payment"),
    _row(131044, Refused, "payment"),
    _row(131045, Locked, "registration"),
    _row(131047, Refused, "window"),
    _row(131048, Refused, "spam_limit"),
    _row(131049, Refused, "ecosystem"),
    _row(131050, Refused, "opted_out"),
    _row(131051, Refused, "kind"),
    _row(131052, Refused, "bad_media"),
    _row(131053, Refused, "bad_media"),
    _row(131056, Throttled, "later"),
    _row(131057, Unreachable, "temporary"),
    _row(131060, Refused, "kind"),
    _row(131062, Refused, "needs_number"),
    _row(131063, Refused, "template"),
    _row(131064, Refused, "spam_limit"),
    _row(131200, Refused, "unknown", last=131299),
    _row(132000, Refused, "template", last=132999),
    _row(133016, Refused, "registration"),
    _row(135000, Unreachable, "temporary"),
    _row(137000, Refused, "identity"),
    _row(138000, Refused, "unknown", last=138999),
    _row(139000, Refused, "unknown", last=139999),
    _row(147000, Refused, "unknown", last=147999),
    _row(2388000, Refused, "unknown", last=2388999),
    _row(2494000, Refused, "unknown", last=2494999),
)

PAIR_RATE = 131056
"""Too many messages to one person; everybody else may go on."""
WAITS = {4: 300.0, 32: 300.0, 613: 300.0, 80006: 300.0, 80007: 300.0, 130429: 2.0, PAIR_RATE: 6.0}
"""Seconds to wait where the answer does not say."""
COUNTED = frozenset({4, 32, 613, 80006, 80007})
"""Limits of calls an hour: the usage header says when they end. The others are over in seconds."""


def find(code: int) -> Row | None:
    return next((row for row in TABLE if row.first <= code <= row.last), None)


def stored(code: int | None) -> str:
    """How a delivery keeps a failure that a status reports: it is final there, whatever the class in an answer."""
    if code is None:
        return Refused("unknown").stored()
    row = find(code)
    return Refused(row.reason if row else "unknown", code=str(code)).stored()


def error(code: int, *, regain: float | None = None, detail: str = "") -> InboxError:
    """Make the error for a code. `regain`: seconds until the usage header gives access again."""
    row = find(code)
    if row is None:
        return Refused("unknown", code=str(code), detail=detail)
    if row.error is Throttled:
        seconds = regain if regain is not None and code in COUNTED else WAITS[code]
        return Throttled(seconds, everyone=code != PAIR_RATE, code=str(code))
    return row.error(row.reason, code=str(code), detail=detail)

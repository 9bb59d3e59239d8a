"""From what both sides saw to counts: pure, so that it judges the program and its broken copies alike.

A message is known by its marker, which is in its words and nowhere else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import TypeVar

T = TypeVar("T")

HONEST = frozenset({"🕊", "👌", "👀", "🤔"})
DOUBT = "🤔"


@dataclass(frozen=True, slots=True)
class Shown:
    """One message of the bot on the desk: the markers in it, in order, and whether it says that it may be a repeat."""

    markers: tuple[str, ...]
    repeat: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """One message of the owner: the mark that the bot put on it, and whether it was asked about with buttons."""

    marker: str
    mark: str
    asked: bool


@dataclass(frozen=True, slots=True)
class Record:
    """What stands on each side when all is quiet.

    wrote: what each client wrote and the program acknowledged. committed: the markers of all bodies in the inbox, in
    the order of the commits. messages: those of the stored messages. desk: oldest first. answers: what she wrote to
    each client, in order. received: what stands on each client's phone, in order. stale: what stands there with words
    that she has changed since. pictures_missing: files that clients sent and the desk does not have. orphan_topics:
    topics of the desk beyond one a client. lines, posts: ids of the export's
    file and of the calls to its receiver as they came, each with the event's marker ("" for other events).
    forged: calls whose signature is wrong.
    """

    wrote: Mapping[str, Sequence[str]]
    committed: Sequence[str]
    messages: Sequence[str]
    desk: Sequence[Shown]
    answers: Mapping[str, Sequence[Answer]]
    received: Mapping[str, Sequence[str]]
    stale: Collection[str]
    pictures_missing: int
    orphan_topics: int
    lines: Sequence[tuple[int, str]]
    posts: Sequence[tuple[int, str]]
    forged: int
    integrity: str
    sending: int


@dataclass(frozen=True, slots=True)
class Counts:
    """lost: acknowledged and not on the desk, or answered and neither with the client nor asked about. unmarked:
    repeats on the desk that do not say so. dishonest: marks on her answers that are not true. export_lost: facts
    without a line, and events that only one of file and receiver has. desk_repeats: calls of the desk that showed
    what was shown before. marked: those that say they may be a repeat. uncertain: answers with the mark of doubt.
    orphan_topics: made by a call whose answer was lost with the process, and empty.
    """

    acked: int
    lost: int
    duplicate_rows: int
    pictures_lost: int
    sent_twice: int
    stale: int
    reordered: int
    unmarked: int
    dishonest: int
    export_lost: int
    export_twice: int
    export_disorder: int
    forged: int
    damaged: int
    sending: int
    desk_repeats: int
    marked: int
    uncertain: int
    orphan_topics: int

    @property
    def losses(self) -> dict[str, int]:
        """What must be 0, where it is not."""
        return {name: n for name, n in asdict(self).items() if n and name not in _NO_LOSS}


_NO_LOSS = frozenset({"acked", "desk_repeats", "marked", "uncertain", "orphan_topics"})


def count(record: Record) -> Counts:
    wrote = [marker for markers in record.wrote.values() for marker in markers]
    answers = [answer for given in record.answers.values() for answer in given]
    received = Counter(marker for markers in record.received.values() for marker in markers)
    shown = _first(marker for message in record.desk for marker in message.markers)
    repeats, unmarked = _repeats(record.desk)
    exported = [marker for _, marker in record.lines if marker]
    posted = [marker for _, marker in {number: (number, marker) for number, marker in record.posts}.values() if marker]
    facts = [*wrote, *(a.marker for a in answers)]
    return Counts(
        acked=len(facts),
        lost=len(set(wrote) - set(shown)) + sum(1 for a in answers if not received[a.marker] and not _in_doubt(a)),
        duplicate_rows=_more_than_once(record.committed) + _more_than_once(record.messages),
        pictures_lost=record.pictures_missing,
        stale=sum(1 for a in answers if a.marker in record.stale and a.mark != DOUBT),
        sent_twice=_more_than_once(received.elements()),
        reordered=_reordered(record, shown),
        unmarked=unmarked,
        dishonest=sum(1 for a in answers if not _honest(a, received[a.marker])),
        export_lost=len(set(facts) - set(exported)) + len({n for n, _ in record.lines} ^ {n for n, _ in record.posts}),
        export_twice=_more_than_once(exported) + _more_than_once(posted),
        export_disorder=_falls([n for n, _ in record.lines]) + _falls(_first(n for n, _ in record.posts)),
        forged=record.forged,
        damaged=int(record.integrity != "ok"),
        sending=record.sending,
        desk_repeats=repeats,
        marked=sum(1 for message in record.desk if message.repeat),
        orphan_topics=record.orphan_topics,
        uncertain=sum(1 for a in answers if a.mark == DOUBT),
    )


def _first(items: Iterable[T]) -> list[T]:
    """In the order in which each came first."""
    return list(dict.fromkeys(items))


def _repeats(desk: Sequence[Shown]) -> tuple[int, int]:
    """Calls that showed again what stood there, and messages of them that do not say so.

    What was joined in one call comes again one by one: the most often repeated of its markers counts.
    """
    shown = Counter(marker for message in desk for marker in message.markers)
    seen: set[str] = set()
    repeats = unmarked = 0
    for message in desk:
        new = [marker for marker in dict.fromkeys(message.markers) if marker not in seen]
        repeats += max((shown[marker] - 1 for marker in new), default=0)
        unmarked += len(new) < len(message.markers) and not message.repeat
        seen.update(new)
    return repeats, unmarked


def _in_doubt(answer: Answer) -> bool:
    return answer.mark == DOUBT and answer.asked


def _honest(answer: Answer, received: int) -> bool:
    """A mark that it went out only where it did; one of doubt only with its question."""
    if answer.mark == DOUBT:
        return answer.asked
    return answer.mark in HONEST and received > 0


def _more_than_once(items: Iterable[str]) -> int:
    return sum(times - 1 for times in Counter(items).values())


def _reordered(record: Record, shown: Sequence[str]) -> int:
    """Both ways: the desk against the order of the commits, a phone against the order in which she wrote."""
    committed = _first(record.committed)
    falls = 0
    for client, markers in record.wrote.items():
        falls += _out_of_order(_only(shown, markers), _only(committed, markers))
        hers = [answer.marker for answer in record.answers.get(client, ())]
        falls += _out_of_order(_first(record.received.get(client, ())), hers)
    return falls


def _only(items: Sequence[str], wanted: Collection[str]) -> list[str]:
    kept = set(wanted)
    return [item for item in items if item in kept]


def _out_of_order(seen: Sequence[str], right: Sequence[str]) -> int:
    places = {item: place for place, item in enumerate(right)}
    return _falls([places[item] for item in seen if item in places])


def _falls(numbers: Sequence[int]) -> int:
    """Neighbours that do not grow."""
    return sum(1 for before, after in pairwise(numbers) if after <= before)

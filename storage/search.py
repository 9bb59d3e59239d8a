"""Looking for messages and clients, each in a bounded time, and a client's last messages."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from heapq import merge
from itertools import islice
from time import perf_counter

from inbox.codec import build
from inbox.model import Author, Contact, ContactId, Extra, IdentityId, MediaKind, MessageId, Provider
from inbox.search import Query, digits, names, owner, stem
from inbox.store import Found, Hit, Line
from storage.index import BACKWARDS, searchable
from storage.people import PeopleReading, contact_of
from storage.rows import LARGEST, clean, moment

BUDGET = 0.15  # seconds
OWN_BUDGET = 0.04
"""For a client's own rows, where the index needed too long."""

_STEPS = 100  # of SQLite's machine; the index reads about a page in five of them
_SHORTEST = 2
_SHORTEST_DIGITS = 4
_TRUNK = 10  # digits of a number without country code or trunk prefix
_LAST = "\U0010ffff"

_HIT = """
m.id, m.text, m.author, m.at, m.deleted_at, i.provider, i.contact_id,
(select group_concat(a.name, char(10)) from attachments a where a.message_id = m.id) as files
"""
_INDEXED = f"""
select {_HIT} from search cross join messages m on m.id = search.rowid cross join identities i on i.id = m.identity_id
where search match ? and search.rowid < ? order by search.rowid desc
"""  # noqa: S608 no value is in it
_OWN = f"""
select {_HIT} from messages m cross join identities i on i.id = m.identity_id
where m.identity_id = ? and m.id < ? order by m.id desc
"""  # noqa: S608 no value is in it
_LINES = """
select t.*, i.provider from timeline t join identities i on i.id = t.identity_id
where t.identity_id = ? and t.message_id < ? order by t.message_id desc limit ?
"""


class SearchReading(PeopleReading):
    def find_messages(
        self, query: Query, contact_id: ContactId | None, limit: int, before: MessageId | None = None
    ) -> Found:
        if not query:
            return Found()
        end = LARGEST if before is None else before
        whose = None if contact_id is None else self._ever_of(contact_id)
        if whose == []:
            return Found()
        with _time_limit(self._connection, BUDGET) as time:
            found = self._hits(query, self._rows(_INDEXED, _match(query, whose), end), limit, time)
        if whose is None or not found.is_cut:
            return found
        with _time_limit(self._connection, OWN_BUDGET) as time:
            own = merge(*(self._rows(_OWN, identity, end) for identity in whose), key=_newest)
            return max(self._hits(query, own, limit, time), found, key=_worth)

    def find_contacts(self, words: str, limit: int) -> list[Contact]:
        number = digits(words)
        if len(number) >= _SHORTEST_DIGITS:
            return self._named([number], limit) or self._named([BACKWARDS + number[-_TRUNK:][::-1]], limit)
        beginnings = [word for word in names(words) if len(word) >= _SHORTEST][:4]
        if not beginnings:
            return []
        stems = [min(word, stem(word), key=len) for word in beginnings]
        return self._named(beginnings, limit) or self._named(stems, limit)

    def last_messages(self, contact_id: ContactId, limit: int, before: MessageId | None = None) -> list[Line]:
        end = LARGEST if before is None else before
        own = [self._all(_LINES, identity.id, end, limit) for identity in self.identities_of(contact_id)]
        return [_line(row) for row in islice(merge(*own, key=lambda row: -int(row["message_id"])), limit)]

    def _ever_of(self, contact_id: ContactId) -> list[IdentityId]:
        """Joined ones too: the index knows a message under the identity that it came from."""
        sql = "select id from identities where contact_id = ? order by id"
        return [IdentityId(row["id"]) for row in self._all(sql, self._kept_contact(contact_id))]

    def _rows(self, sql: str, *values: object) -> Iterator[sqlite3.Row]:
        """One after the other, so that what was found before the time is up counts."""
        bound = [clean(v) if isinstance(v, str) else v for v in values]
        with closing(self._connection.execute(sql, bound)) as rows:
            yield from rows

    def _hits(self, query: Query, rows: Iterator[sqlite3.Row], limit: int, time: _Time) -> Found:
        """One more than asked for is looked for, so that a next page is there when it is said to be."""
        hits: list[Hit] = []
        last: MessageId | None = None
        is_cut = False
        try:
            for row in rows:
                text = searchable(row["text"], row["files"])
                places = query.find(text)
                if places is not None and len(hits) == limit:
                    return Found(tuple(hits), hits[-1].message_id)
                if places is not None:
                    hits.append(self._hit(row, text, places))
                last = MessageId(row["id"])
                if time.is_up():
                    is_cut = True
                    break
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                raise
            is_cut = True
        return Found(tuple(hits), last if is_cut else None, is_cut)

    def _hit(self, row: sqlite3.Row, text: str, places: tuple[tuple[int, int], ...]) -> Hit:
        return Hit(
            message_id=MessageId(row["id"]),
            contact=self.contact(row["contact_id"]),
            provider=Provider(row["provider"]),
            author=Author(row["author"]),
            at=moment(row["at"]),
            text=text,
            places=places,
            is_deleted=row["deleted_at"] is not None,
        )

    def _named(self, beginnings: Sequence[str], limit: int) -> list[Contact]:
        """Of whom each is the beginning of a word."""
        each = " intersect ".join(
            "select contact_id from contact_words where word >= ? and word < ?" for _ in beginnings
        )
        sql = f"""
        select distinct k.* from ({each})
        cross join contacts g on g.id = contact_id cross join contacts k on k.id = coalesce(g.merged_into, g.id)
        order by k.last_at desc nulls last, k.id desc limit ?
        """  # noqa: S608 no value is in it
        bounds = [bound for word in beginnings for bound in (word, word + _LAST)]
        with _time_limit(self._connection, BUDGET / 2):
            try:
                return [contact_of(row) for row in self._all(sql, *bounds, limit)]
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                    raise
                return []


class _Time:
    def __init__(self, seconds: float) -> None:
        self._end = perf_counter() + seconds

    def is_up(self) -> bool:
        return perf_counter() > self._end


@contextmanager
def _time_limit(connection: sqlite3.Connection, seconds: float) -> Iterator[_Time]:
    """Queries inside raise OperationalError (SQLITE_INTERRUPT) when the time is up."""
    time = _Time(seconds)
    connection.set_progress_handler(time.is_up, _STEPS)
    try:
        yield time
    finally:
        connection.set_progress_handler(None, 0)


def _match(query: Query, whose: Sequence[IdentityId] | None) -> str:
    """In the language of FTS5. The terms have no quotation marks in them."""
    terms = [f'"{term}"' for term in query.index_terms()]
    if whose is not None:
        terms.append("(" + " OR ".join(f'"{owner(identity)}"' for identity in whose) + ")")
    return " AND ".join(terms)


def _newest(row: sqlite3.Row) -> int:
    return -int(row["id"])


def _worth(found: Found) -> tuple[bool, int]:
    return not found.is_cut, len(found.hits)


def _line(row: sqlite3.Row) -> Line:
    extra: Extra | None = build(Extra, json.loads(row["extra"])) if row["extra"] else None
    return Line(
        message_id=MessageId(row["message_id"]),
        provider=Provider(row["provider"]),
        author=Author(row["author"]),
        at=moment(row["at"]),
        head=row["head"],
        is_cut=bool(row["cut"]),
        extra=extra,
        files=tuple(MediaKind(kind) for kind in row["files"].split()),
        is_edited=row["edited_at"] is not None,
        is_deleted=row["deleted_at"] is not None,
    )

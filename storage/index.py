"""What is looked for is put where it is found, in the transaction that writes it.

A table without its contents forgets a message only when it is given the same terms again, hence the looks before.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from inbox.search import digits, document, names
from storage.rows import Writing

SHORTEST_PHONE = 7
BACKWARDS = "#"
MERGED_PAGES = 64

_SEARCHABLE = """
select m.identity_id, m.text,
  (select group_concat(a.name, char(10)) from attachments a where a.message_id = m.id) as files
from messages m where m.id = ?
"""
_NAMED = """
select c.name, i.name as name_there, i.handle, i.route, i.user
from contacts c left join identities i on i.contact_id = c.id where c.id = ?
"""


class Indexing(Writing):
    """How other tables' classes keep the index."""

    def _index_message(self, message_id: int, identity_id: int, text: str, files: Sequence[str | None]) -> None:
        """A new one. files: their names."""
        named = "\n".join(name for name in files if name is not None)
        terms = document(searchable(text, named), identity_id)
        self._all("insert into search (rowid, terms) values (?, ?)", message_id, terms)

    @contextmanager
    def _reindexed(self, message_id: int) -> Iterator[None]:
        """Around a change of a message's words or of its files' names."""
        before = self._terms_of(message_id)
        yield
        after = self._terms_of(message_id)
        if before != after:
            for terms in before:
                self._all("insert into search (search, rowid, terms) values ('delete', ?, ?)", message_id, terms)
            for terms in after:
                self._all("insert into search (rowid, terms) values (?, ?)", message_id, terms)

    def _terms_of(self, message_id: int) -> list[str]:
        """One, or none where there is no such message."""
        return [
            document(searchable(row["text"], row["files"]), row["identity_id"])
            for row in self._all(_SEARCHABLE, message_id)
        ]

    def _index_contact(self, contact_id: int) -> None:
        """Its names, handles and numbers on all networks."""
        rows = self._all(_NAMED, contact_id)
        words = {word for row in rows for word in contact_words(*row)}
        known = {row["word"] for row in self._all("select word from contact_words where contact_id = ?", contact_id)}
        for word in sorted(known - words):
            self._all("delete from contact_words where contact_id = ? and word = ?", contact_id, word)
        for word in sorted(words - known):
            self._all("insert into contact_words (word, contact_id) values (?, ?)", word, contact_id)


def merge_some(connection: sqlite3.Connection) -> bool:
    """Some ten milliseconds of the index's housekeeping, which else is done while messages are written; whether there
    may be more of it.
    """
    before = connection.total_changes
    try:
        connection.execute("insert into search (search, rank) values ('merge', ?)", (MERGED_PAGES,))
    except sqlite3.DatabaseError:
        return False  # the disk's trouble is told where it loses something
    return connection.total_changes - before > 1  # the command itself counts as one


def searchable(text: str, files: str | None) -> str:
    """files: their names, a line each."""
    return f"{text}\n{files}" if files else text


def contact_words(
    name: str, name_there: str | None, handle: str | None, route: str | None, user: str | None
) -> set[str]:
    """What a client is found by: words of names, handle and mail address; a number from its begin and from its end."""
    mail = user if user and "@" in user else None
    words = {word for text in (name, name_there, handle, mail) if text for word in names(text)}
    numbers = {digits(text) for text in (route, user) if text}
    for number in numbers:
        if len(number) >= SHORTEST_PHONE:
            words |= {number, BACKWARDS + number[::-1]}
    return words


def add_functions(connection: sqlite3.Connection) -> None:
    """What the step of the schema that fills the index calls."""
    connection.create_function("search_document", 2, document, deterministic=True)
    connection.create_function("search_names", 5, _json_words, deterministic=True)


def _json_words(*values: str) -> str:
    return json.dumps(sorted(contact_words(*values)))

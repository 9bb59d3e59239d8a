"""Contacts, identities and their keys."""

from __future__ import annotations

import sqlite3
from typing import Any

from inbox.model import Address, Contact, ContactId, Identity, IdentityId, Provider
from storage.index import Indexing
from storage.rows import Convert, Rows, micros, micros_or_none, moment_or_none, same

CONTACT_FIELDS: dict[str, Convert] = {"name": same, "language": same, "via": same, "source": same}
IDENTITY_FIELDS: dict[str, Convert] = {
    "name": same,
    "handle": same,
    "route": same,
    "last_inbound_at": micros_or_none,
    "provider": same,
    "account": same,
    "user": same,
}


class PeopleReading(Rows):
    """Ids of a contact or identity that was joined to another one lead to that one."""

    def contact(self, contact_id: ContactId) -> Contact:
        sql = "select c.* from contacts g join contacts c on c.id = coalesce(g.merged_into, g.id) where g.id = ?"
        return contact_of(self._known("contact", self._first(sql, contact_id), contact_id))

    def identity(self, identity_id: IdentityId) -> Identity:
        sql = "select i.* from identities g join identities i on i.id = coalesce(g.merged_into, g.id) where g.id = ?"
        return _identity(self._known("identity", self._first(sql, identity_id), identity_id))

    def identities_of(self, contact_id: ContactId) -> list[Identity]:
        sql = "select * from identities where contact_id = ? and merged_into is null order by id"
        return [_identity(row) for row in self._all(sql, self._kept_contact(contact_id))]

    def identity_at(self, address: Address) -> Identity | None:
        where = (address.provider, address.account, address.user)
        row = self._first(
            "select * from identities where provider = ? and account = ? and user = ? and merged_into is null", *where
        )
        if row is not None:
            return _identity(row)
        row = self._first(
            "select merged_into from identities"
            " where provider = ? and account = ? and user = ? and merged_into is not null order by id desc limit 1",
            *where,
        )
        return None if row is None else self.identity(IdentityId(row["merged_into"]))

    def identities_by_key(self, *keys: str) -> list[tuple[str, Identity]]:
        if not keys:
            return []
        sql = f"""
        select k.key, i.* from identity_keys k join identities i on i.id = k.identity_id
        where k.key in ({", ".join("?" * len(keys))}) order by i.id, k.id
        """  # noqa: S608 question marks
        return [(row["key"], _identity(row)) for row in self._all(sql, *keys)]

    def keys_of(self, identity_id: IdentityId) -> tuple[str, ...]:
        sql = """
        select key from identity_keys
        where identity_id = (select coalesce(merged_into, id) from identities where id = ?) order by id
        """
        return tuple(row["key"] for row in self._all(sql, identity_id))

    def recent_contacts(self, limit: int) -> list[Contact]:
        sql = """
        select * from contacts where last_at is not null and merged_into is null
        order by last_at desc, id desc limit ?
        """
        return [contact_of(row) for row in self._all(sql, limit)]

    def _kept_contact(self, contact_id: ContactId) -> ContactId:
        row = self._first("select coalesce(merged_into, id) as id from contacts where id = ?", contact_id)
        return ContactId(self._known("contact", row, contact_id)["id"])


NAMED_BY = frozenset({"name", "handle", "route", "user"})


class PeopleWriting(PeopleReading, Indexing):
    def add_contact(self, name: str, *, language: str | None, source: str | None) -> Contact:
        rows = self._all(
            "insert into contacts (name, language, source, created_at) values (?, ?, ?, ?) returning *",
            name,
            language,
            source,
            micros(self.now),
        )
        self._index_contact(rows[0]["id"])
        return contact_of(rows[0])

    def set_contact(self, contact_id: ContactId, **fields: Any) -> Contact:
        row = self._set("contacts", self._kept_contact(contact_id), fields, CONTACT_FIELDS)
        if "name" in fields:
            self._index_contact(row["id"])
        return contact_of(row)

    def add_identity(self, contact_id: ContactId, address: Address, name: str) -> Identity:
        rows = self._all(
            "insert into identities (contact_id, provider, account, user, name) values (?, ?, ?, ?, ?) returning *",
            self._kept_contact(contact_id),
            address.provider,
            address.account,
            address.user,
            name,
        )
        self._index_contact(rows[0]["contact_id"])
        return _identity(rows[0])

    def set_identity(self, identity_id: IdentityId, **fields: Any) -> Identity:
        kept = self.identity(identity_id).id
        address = fields.pop("address", None)
        if address is not None:
            fields.update(provider=address.provider, account=address.account, user=address.user)
        row = self._set("identities", kept, fields, IDENTITY_FIELDS)
        if NAMED_BY & fields.keys():
            self._index_contact(row["contact_id"])
        return _identity(row)

    def add_key(self, identity_id: IdentityId, key: str) -> None:
        self._all(
            "insert into identity_keys (key, identity_id) values (?, ?) on conflict (key, identity_id) do nothing",
            key,
            self.identity(identity_id).id,
        )

    def join_identities(self, keep: IdentityId, gone: IdentityId) -> None:
        kept, lost = self.identity(keep), self.identity(gone)
        if kept.id == lost.id:
            return
        self._move_keys(kept.id, lost.id)
        self._all("update messages set identity_id = ? where identity_id = ?", kept.id, lost.id)
        self._all("update contacts set via = ? where via = ?", kept.id, lost.id)
        self._all(
            """
            update identities set
              handle = coalesce(identities.handle, lost.handle),
              route = coalesce(identities.route, lost.route),
              last_inbound_at = nullif(
                max(coalesce(identities.last_inbound_at, 0), coalesce(lost.last_inbound_at, 0)), 0)
            from (select * from identities where id = ?) as lost where identities.id = ?
            """,
            lost.id,
            kept.id,
        )
        self._all("update identities set merged_into = ? where id = ? or merged_into = ?", kept.id, lost.id, lost.id)
        if kept.contact_id != lost.contact_id:
            self._join_contacts(kept.contact_id, lost.contact_id)
            self._index_contact(kept.contact_id)

    def _move_keys(self, kept: IdentityId, lost: IdentityId) -> None:
        self._all(
            """
            delete from identity_keys where identity_id = ?
            and key in (select key from identity_keys where identity_id = ?)
            """,
            lost,
            kept,
        )
        self._all("update identity_keys set identity_id = ? where identity_id = ?", kept, lost)

    def _join_contacts(self, kept: ContactId, lost: ContactId) -> None:
        """The lost contact's row stays, with a pointer: lanes, buttons and exported lines still name it."""
        self._all("update identities set contact_id = ? where contact_id = ?", kept, lost)
        self._all(
            """
            update contacts set
              language = coalesce(contacts.language, lost.language),
              via = coalesce(contacts.via, lost.via),
              source = coalesce(contacts.source, lost.source),
              last_at = coalesce(max(contacts.last_at, lost.last_at), contacts.last_at, lost.last_at)
            from (select * from contacts where id = ?) as lost where contacts.id = ?
            """,
            lost,
            kept,
        )
        self._move_topics(kept, lost)
        self._all("update contacts set merged_into = ? where id = ? or merged_into = ?", kept, lost, lost)

    def _move_topics(self, kept: ContactId, lost: ContactId) -> None:
        """A thread of the lost contact reaches the kept one; where both have a topic, as one of its old threads."""
        pairs = self._all(
            """
            select l.id as lost, k.id as kept, k.thread_id is null and l.thread_id is not null as only_lost_open
            from topics l join topics k on k.contact_id = ? and k.backend = l.backend and k.chat_id = l.chat_id
            where l.contact_id = ?
            """,
            kept,
            lost,
        )
        for pair in pairs:
            stays, goes = pair["kept"], pair["lost"]
            if pair["only_lost_open"]:
                stays, goes = goes, stays
            self._all("update topic_threads set topic_id = ? where topic_id = ?", stays, goes)
            self._all("delete from topics where id = ?", goes)
        self._all("update topics set contact_id = ? where contact_id = ?", kept, lost)


def contact_of(row: sqlite3.Row) -> Contact:
    via = row["via"]
    return Contact(
        id=ContactId(row["id"]),
        name=row["name"],
        language=row["language"],
        via=None if via is None else IdentityId(via),
        source=row["source"],
    )


def _identity(row: sqlite3.Row) -> Identity:
    return Identity(
        id=IdentityId(row["id"]),
        contact_id=ContactId(row["contact_id"]),
        address=Address(Provider(row["provider"]), row["account"], row["user"]),
        name=row["name"],
        handle=row["handle"],
        route=row["route"],
        last_inbound_at=moment_or_none(row["last_inbound_at"]),
    )

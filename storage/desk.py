"""Where things stand on the desk: topics, shown messages, notices, delivery marks, open questions."""

from __future__ import annotations

import sqlite3
from typing import Any

from inbox.model import ContactId, MessageId, Topic
from inbox.store import Mark, Prompt, Shown
from storage.people import PeopleReading
from storage.rows import Convert, Writing, micros, moment, same

TOPIC_FIELDS: dict[str, Convert] = {
    "thread_id": same,
    "name_shown": same,
    "card_message_id": same,
    "card_shown": same,
    "card_pinned": same,
    "anchor": same,
}


class DeskReading(PeopleReading):
    def topic_of(self, contact_id: ContactId, backend: str, chat_id: int) -> Topic | None:
        row = self._first(
            "select * from topics where contact_id = ? and backend = ? and chat_id = ?",
            self._kept_contact(contact_id),
            backend,
            chat_id,
        )
        return None if row is None else _topic(row)

    def topic_at(self, chat_id: int, thread_id: int) -> Topic | None:
        """The topic that has this thread or had it before it was made anew: then its `thread_id` is another."""
        row = self._first(
            """
            select t.* from topic_threads h join topics t on t.id = h.topic_id
            where h.chat_id = ? and h.thread_id = ?
            """,
            chat_id,
            thread_id,
        )
        return None if row is None else _topic(row)

    def shown_as(self, message_id: MessageId, part: int | None = None) -> list[Shown]:
        sql = """
        select * from shown where message_id = ? and part = coalesce(?, part)
        order by part, chat_id, desk_message_id
        """
        return [_shown(row) for row in self._all(sql, message_id, part)]

    def shown_at(self, chat_id: int, desk_message_id: int) -> list[Shown]:
        sql = "select * from shown where chat_id = ? and desk_message_id = ? order by message_id, part"
        return [_shown(row) for row in self._all(sql, chat_id, desk_message_id)]

    def notice_at(self, key: str) -> tuple[int, int] | None:
        row = self._first("select chat_id, desk_message_id from notices where key = ?", key)
        return None if row is None else (row["chat_id"], row["desk_message_id"])

    def marks_to_draw(self, limit: int) -> list[Mark]:
        sql = "select * from marks where wanted <> shown order by wanted_at, message_id limit ?"
        return [_mark(row) for row in self._all(sql, limit)]

    def prompt(self, place: str) -> Prompt | None:
        row = self._first("select kind, ref from prompts where place = ?", place)
        return None if row is None else Prompt(row["kind"], row["ref"])


class DeskWriting(DeskReading, Writing):
    def add_topic(self, contact_id: ContactId, backend: str, chat_id: int) -> Topic:
        rows = self._all(
            "insert into topics (contact_id, backend, chat_id) values (?, ?, ?) returning *",
            self._kept_contact(contact_id),
            backend,
            chat_id,
        )
        return _topic(rows[0])

    def set_topic(self, topic_id: int, **fields: Any) -> Topic:
        topic = _topic(self._set("topics", topic_id, fields, TOPIC_FIELDS))
        if fields.get("thread_id") is not None:
            self._all(
                """
                insert into topic_threads (chat_id, thread_id, topic_id) values (?, ?, ?)
                on conflict (chat_id, thread_id) do update set topic_id = excluded.topic_id
                """,
                topic.chat_id,
                topic.thread_id,
                topic.id,
            )
        return topic

    def add_shown(self, chat_id: int, desk_message_id: int, message_id: MessageId, part: int) -> None:
        self._all(
            """
            insert into shown (chat_id, desk_message_id, message_id, part) values (?, ?, ?, ?)
            on conflict (chat_id, desk_message_id, message_id, part) do nothing
            """,
            chat_id,
            desk_message_id,
            message_id,
            part,
        )

    def set_notice(self, key: str, chat_id: int, desk_message_id: int) -> None:
        self._all(
            """
            insert into notices (key, chat_id, desk_message_id) values (?, ?, ?) on conflict (key)
            do update set chat_id = excluded.chat_id, desk_message_id = excluded.desk_message_id
            """,
            key,
            chat_id,
            desk_message_id,
        )

    def want_mark(self, message_id: MessageId, chat_id: int, desk_message_id: int, emoji: str) -> None:
        """`wanted_at` is when the wish last changed; on another desk message nothing is drawn yet."""
        self._all(
            """
            insert into marks (message_id, chat_id, desk_message_id, wanted, wanted_at) values (?, ?, ?, ?, ?)
            on conflict (message_id) do update set
              wanted_at = case when wanted = excluded.wanted then wanted_at else excluded.wanted_at end,
              shown = case when chat_id = excluded.chat_id and desk_message_id = excluded.desk_message_id
                then shown else '' end,
              wanted = excluded.wanted, chat_id = excluded.chat_id, desk_message_id = excluded.desk_message_id
            """,
            message_id,
            chat_id,
            desk_message_id,
            emoji,
            micros(self.now),
        )

    def set_mark_shown(self, message_id: MessageId, emoji: str) -> None:
        self._set("marks", message_id, {"shown": emoji}, {"shown": same}, key="message_id")

    def set_prompt(self, place: str, prompt: Prompt | None) -> None:
        if prompt is None:
            self._all("delete from prompts where place = ?", place)
            return
        self._all(
            """
            insert into prompts (place, kind, ref) values (?, ?, ?)
            on conflict (place) do update set kind = excluded.kind, ref = excluded.ref
            """,
            place,
            prompt.kind,
            prompt.ref,
        )


def _topic(row: sqlite3.Row) -> Topic:
    return Topic(
        id=row["id"],
        contact_id=ContactId(row["contact_id"]),
        backend=row["backend"],
        chat_id=row["chat_id"],
        thread_id=row["thread_id"],
        name_shown=row["name_shown"],
        card_message_id=row["card_message_id"],
        card_shown=row["card_shown"],
        card_pinned=bool(row["card_pinned"]),
        anchor=row["anchor"],
    )


def _shown(row: sqlite3.Row) -> Shown:
    return Shown(row["chat_id"], row["desk_message_id"], MessageId(row["message_id"]), row["part"])


def _mark(row: sqlite3.Row) -> Mark:
    return Mark(
        message_id=MessageId(row["message_id"]),
        chat_id=row["chat_id"],
        desk_message_id=row["desk_message_id"],
        wanted=row["wanted"],
        shown=row["shown"],
        wanted_at=moment(row["wanted_at"]),
    )

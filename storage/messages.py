"""Messages, their versions, files and ids on the networks, and facts that came before their message."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from inbox.codec import build
from inbox.gate import Came, Changed, Inbound, Progress, Reacted
from inbox.model import (
    Attachment,
    AttachmentId,
    Author,
    ContactId,
    ExternalId,
    Extra,
    IdentityId,
    MediaKind,
    Message,
    MessageId,
    Part,
    Provider,
    Span,
    Text,
)
from inbox.store import DuplicateSource, Ref
from storage.index import Indexing
from storage.people import PeopleReading
from storage.rows import (
    Convert,
    clean_text,
    count_or_none,
    micros,
    moment,
    moment_or_none,
    same,
    to_json,
)

Early = Came | Changed | Reacted | Progress
ATTACHMENT_FIELDS: dict[str, Convert] = {"sha256": same, "size": count_or_none, "mime": same, "name": same}


class MessagesReading(PeopleReading):
    def message(self, message_id: MessageId) -> Message:
        row = self._known("message", self._first("select * from messages where id = ?", message_id), message_id)
        return self._message(row)

    def message_by_source(self, source: str) -> Message | None:
        row = self._first("select * from messages where source = ?", source)
        return None if row is None else self._message(row)

    def source_of(self, message_id: MessageId) -> tuple[int, int] | None:
        row = self._known("message", self._first("select source from messages where id = ?", message_id), message_id)
        return _desk_place(row["source"])

    def album_messages(self, identity_id: IdentityId, album: str) -> list[MessageId]:
        sql = "select id from messages where identity_id = ? and album = ? order by id"
        return [MessageId(row["id"]) for row in self._all(sql, self.identity(identity_id).id, album)]

    def waits_for_owner(self, contact_id: ContactId) -> bool:
        row = self._first(
            """
            select m.author from identities i join messages m on m.id = (
              select n.id from messages n
              where n.identity_id = i.id and n.author in ('client', 'owner', 'owner_elsewhere')
              order by n.id desc limit 1
            )
            where i.contact_id = ? and i.merged_into is null order by m.id desc limit 1
            """,
            self._kept_contact(contact_id),
        )
        return row is not None and row["author"] == Author.CLIENT

    def ref(self, provider: Provider, account: str, external_id: ExternalId) -> Ref | None:
        row = self._first(
            "select message_id, part from refs where provider = ? and account = ? and external_id = ?",
            provider,
            account,
            external_id,
        )
        return None if row is None else Ref(MessageId(row["message_id"]), row["part"])

    def refs_of(self, message_id: MessageId) -> list[tuple[ExternalId, int]]:
        sql = "select external_id, part from refs where message_id = ? order by part, external_id"
        return [(ExternalId(row["external_id"]), row["part"]) for row in self._all(sql, message_id)]

    def attachment(self, attachment_id: AttachmentId) -> Attachment:
        return _attachment(self._attachment_row(attachment_id))

    def attachment_message(self, attachment_id: AttachmentId) -> MessageId:
        return MessageId(self._attachment_row(attachment_id)["message_id"])

    def fetch_pending(self, attachment_id: AttachmentId) -> bool:
        sql = "select 1 from jobs where kind = 'fetch' and json_extract(payload, '$.attachment') = ? limit 1"
        return self._first(sql, attachment_id) is not None

    def _attachment_row(self, attachment_id: AttachmentId) -> sqlite3.Row:
        row = self._first("select * from attachments where id = ?", attachment_id)
        return self._known("attachment", row, attachment_id)

    def _message(self, row: sqlite3.Row) -> Message:
        return _message(row, self._all("select * from attachments where message_id = ? order by id", row["id"]))


class MessagesWriting(MessagesReading, Indexing):
    def add_message(
        self,
        identity_id: IdentityId,
        author: Author,
        *,
        at: datetime,
        content: Part,
        attachments: Sequence[Attachment] = (),
        album: str | None = None,
        source: str | None = None,
    ) -> Message:
        identity = self.identity(identity_id)
        text = clean_text(content.text)
        row = self._first(
            """
            insert into messages
              (identity_id, author, text, spans, extra, reply_to, quote, mark, album, at, stored_at, source)
            values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict (source) do nothing returning *
            """,
            identity.id,
            author,
            text.plain,
            _json_or_none(text.spans),
            _json_or_none(content.extra),
            content.reply_to,
            content.quote,
            content.mark,
            album,
            micros(at),
            micros(self.now),
            source,
        )
        if row is None:
            raise DuplicateSource(source)
        files = [self._add_attachment(row["id"], file) for file in attachments]
        self._index_message(row["id"], row["identity_id"], row["text"], [file["name"] for file in files])
        if author is not Author.NOTE:
            self._touch(identity.contact_id, at)
        return _message(row, files)

    def add_ref(
        self, provider: Provider, account: str, external_id: ExternalId, message_id: MessageId, part: int
    ) -> bool:
        sql = """
        insert into refs (provider, account, external_id, message_id, part) values (?, ?, ?, ?, ?)
        on conflict (provider, account, external_id) do nothing returning part
        """
        return bool(self._all(sql, provider, account, external_id, message_id, part))

    def add_version(self, message_id: MessageId, content: Part | None, at: datetime) -> None:
        """A deletion marks the message; its words stay, in it as in its versions. So do an edited message's place
        or card where the edit brings none."""
        if content is None:
            sql = "update messages set deleted_at = ? where id = ? returning id"
            self._known("message", self._first(sql, micros(at), message_id), message_id)
            return
        kept = self._first(
            """
            insert into message_versions (message_id, text, spans, extra, until, stored_at)
            select id, text, spans, extra, ?, ? from messages where id = ? returning id
            """,
            micros(at),
            micros(self.now),
            message_id,
        )
        self._known("message", kept, message_id)
        text = clean_text(content.text)
        with self._reindexed(message_id):
            self._all(
                "update messages set text = ?, spans = ?, extra = coalesce(?, extra), edited_at = ? where id = ?",
                text.plain,
                _json_or_none(text.spans),
                _json_or_none(content.extra),
                micros(at),
                message_id,
            )

    def keep_early(self, provider: Provider, account: str, external_id: ExternalId, fact: Inbound) -> None:
        self._all(
            """
            insert into early (provider, account, external_id, fact, stored_at) values (?, ?, ?, ?, ?)
            on conflict (provider, account, external_id, fact) do nothing
            """,
            provider,
            account,
            external_id,
            to_json(fact),
            micros(self.now),
        )

    def take_early(self, provider: Provider, account: str, external_id: ExternalId) -> list[Early]:
        rows = self._all(
            "delete from early where provider = ? and account = ? and external_id = ? returning id, fact",
            provider,
            account,
            external_id,
        )
        return [build(Early, json.loads(row["fact"])) for row in sorted(rows, key=_row_id)]

    def drop_early(self, before: datetime) -> int:
        return len(self._all("delete from early where stored_at < ? returning id", micros(before)))

    def set_attachment(self, attachment_id: AttachmentId, **fields: Any) -> None:
        if "name" not in fields:
            self._set("attachments", attachment_id, fields, ATTACHMENT_FIELDS)
            return
        with self._reindexed(self.attachment_message(attachment_id)):
            self._set("attachments", attachment_id, fields, ATTACHMENT_FIELDS)

    def _add_attachment(self, message_id: int, file: Attachment) -> sqlite3.Row:
        (row,) = self._all(
            """
            insert into attachments (message_id, kind, origin, ref, mime, size, name, sha256, duration, spoiler)
            values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) returning *
            """,
            message_id,
            file.kind,
            file.origin,
            file.ref,
            file.mime,
            count_or_none(file.size),
            file.name,
            file.sha256,
            count_or_none(file.duration),
            file.spoiler,
        )
        return row

    def _touch(self, contact_id: int, at: datetime) -> None:
        """An old message that is imported or comes late makes nobody recent, nor does a clock that is ahead."""
        self._all(
            "update contacts set last_at = max(coalesce(last_at, ?1), ?1) where id = ?2",
            micros(min(at, self.now)),
            contact_id,
        )


def _message(row: sqlite3.Row, files: Sequence[sqlite3.Row]) -> Message:
    reply_to = row["reply_to"]
    return Message(
        id=MessageId(row["id"]),
        identity_id=IdentityId(row["identity_id"]),
        author=Author(row["author"]),
        text=Text(row["text"], _spans(row["spans"])),
        attachments=tuple(_attachment(file) for file in files),
        at=moment(row["at"]),
        stored_at=moment(row["stored_at"]),
        extra=_extra(row["extra"]),
        album=row["album"],
        reply_to=None if reply_to is None else MessageId(reply_to),
        quote=row["quote"],
        mark=row["mark"],
        edited_at=moment_or_none(row["edited_at"]),
        deleted_at=moment_or_none(row["deleted_at"]),
    )


def _json_or_none(value: object) -> str | None:
    return to_json(value) if value else None


def _spans(text: str | None) -> tuple[Span, ...]:
    spans: tuple[Span, ...] = build(tuple[Span, ...], json.loads(text)) if text else ()
    return spans


def _extra(text: str | None) -> Extra | None:
    extra: Extra | None = build(Extra, json.loads(text)) if text else None
    return extra


def _row_id(row: sqlite3.Row) -> int:
    return int(row["id"])


def _desk_place(source: str | None) -> tuple[int, int] | None:
    """The place in a source of the form "desk:chat:message"."""
    if source is None or not source.startswith("desk:"):
        return None
    _, chat, message = source.split(":")
    return int(chat), int(message)


def _attachment(row: sqlite3.Row) -> Attachment:
    return Attachment(
        kind=MediaKind(row["kind"]),
        origin=Provider(row["origin"]),
        ref=row["ref"],
        mime=row["mime"],
        size=row["size"],
        name=row["name"],
        sha256=row["sha256"],
        id=AttachmentId(row["id"]),
        duration=row["duration"],
        spoiler=bool(row["spoiler"]),
    )

"""What the owner did on the desk, as the handlers see it: plain facts out of her update."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gates.telegram.content import content
from inbox.gate import Raw
from inbox.model import Attachment, Extra, Text


@dataclass(frozen=True, slots=True)
class OwnerMessage:
    """A message that she, or a listed member of her group, wrote, or its new words. thread_id None: outside topics.

    by: who wrote it. replied_user: the person who wrote what it replies to; None for a bot and for what stands in a
    group's or channel's name. forwarded: the words are somebody else's.
    """

    raw_id: int
    chat_id: int
    message_id: int
    thread_id: int | None
    text: Text
    attachments: tuple[Attachment, ...]
    extra: Extra | None
    album: str | None
    reply_to: int | None  # desk message id
    quote: str | None
    language: str | None
    by: int
    replied_user: int | None = None
    forwarded: bool = False

    @property
    def source(self) -> str:
        """The key that makes its effect happen once."""
        return f"desk:{self.chat_id}:{self.message_id}"

    @property
    def place(self) -> str:
        """Where a question that waits for these words is kept."""
        return prompt_place(self.chat_id, self.thread_id, self.by)


def prompt_place(chat_id: int, thread_id: int | None, user_id: int) -> str:
    """Where a question waits for this person's words."""
    return f"{chat_id}:{thread_id or 0}:{user_id}"


def owner_message(raw: Raw) -> OwnerMessage | None:
    """The message of a desk update; None: the update is about something else, or too old for its body to be kept."""
    if not raw.body:
        return None
    update = json.loads(raw.body)
    message = update.get("message") or update.get("edited_message")
    if not isinstance(message, Mapping) or raw.id is None:
        return None
    return of_message(message, raw.id)


def of_message(message: Mapping[str, Any], raw_id: int) -> OwnerMessage:
    said = content(message)
    thread = message.get("message_thread_id")
    reply_to = said.reply_to_message_id
    return OwnerMessage(
        raw_id=raw_id,
        chat_id=int(message["chat"]["id"]),
        message_id=int(message["message_id"]),
        thread_id=thread if isinstance(thread, int) and _in_topic(message) else None,
        text=said.text,
        attachments=said.attachments,
        extra=said.extra,
        album=said.album,
        reply_to=None if reply_to is not None and reply_to == thread else reply_to,
        quote=said.quote,
        language=message.get("from", {}).get("language_code"),
        by=int(message["from"]["id"]),
        replied_user=_person(message.get("reply_to_message")) if reply_to is not None else None,
        forwarded=said.mark == "forwarded",
    )


def _person(message: Any) -> int | None:
    if not isinstance(message, Mapping) or "sender_chat" in message:
        return None
    who = message.get("from")
    return int(who["id"]) if isinstance(who, Mapping) and who.get("is_bot") is False else None


def _in_topic(message: Mapping[str, Any]) -> bool:
    """In a private chat the first message of a new topic often comes without the flag (telegram.md A.4)."""
    return bool(message.get("is_topic_message")) or message["chat"].get("type") == "private"

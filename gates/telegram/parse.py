"""One update of the Bot API to facts. Pure: no I/O, and nothing but Unreadable comes out as an error."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from gates.telegram.access import Connection, DeskPlace, is_group
from gates.telegram.business import BusinessParser
from gates.telegram.content import Content, content, says_text, text_of
from gates.telegram.names import TELEGRAM, external_id
from gates.telegram.people import person
from gates.telegram.shape import (
    Json,
    integer,
    need_integer,
    need_moment,
    need_obj,
    need_word,
    obj,
    objects,
    word,
)
from inbox.errors import Unreadable
from inbox.gate import Came, Changed, Claim, Fact, ForDesk, Inbound, Person, Raw, Reacted
from inbox.model import EMPTY, ExternalId

UPDATE_KINDS = (
    "message",
    "edited_message",
    "callback_query",
    "message_reaction",
    "my_chat_member",
    "channel_post",
    "edited_channel_post",
    "business_connection",
    "business_message",
    "edited_business_message",
    "deleted_business_messages",
)
"""What is asked for, always as the full list: an omitted list keeps the former setting, an empty one leaves out
reactions."""

_UNUSED = frozenset(
    """
    guest_message message_reaction_count inline_query chosen_inline_result shipping_query pre_checkout_query
    purchased_paid_media poll poll_answer chat_member chat_join_request chat_boost removed_chat_boost managed_bot
    subscription stopped_message_generation channel_post edited_channel_post
    """.split()
)

_START = re.compile(r"/start(?:@[A-Za-z0-9_]+)?(?: ([A-Za-z0-9_-]{1,64}))?")

UNKNOWN_REACTION = "❔"
"""Stands for a reaction that has no emoji of its own (a custom or a paid one): something is there, unlike None."""


class TelegramParser:
    """What the desk and the Business connections are is given from outside; a parser knows one moment of it."""

    def __init__(
        self, bot_id: int, desk: DeskPlace, connections: Mapping[str, Connection] = MappingProxyType({})
    ) -> None:
        self._bot_id = bot_id
        self._desk = desk
        self._business = BusinessParser(bot_id, desk.owner_id, connections)
        self._readers: dict[str, Callable[[Json, Raw], list[Inbound]]] = {
            "message": self._message,
            "edited_message": self._edited,
            "callback_query": self._tap,
            "message_reaction": self._reaction,
            "my_chat_member": self._membership,
            "business_connection": self._business.connection,
            "business_message": self._business.message,
            "edited_business_message": self._business.edited,
            "deleted_business_messages": self._business.deleted,
        }

    def parse(self, raw: Raw) -> list[Inbound]:
        """Raises Unreadable with the shape that was not understood."""
        try:
            return self._update(_loaded(raw.body), raw)
        except RecursionError:
            raise Unreadable("too_deep") from None
        except ValueError:
            raise Unreadable("broken_value") from None

    def _update(self, update: Json, raw: Raw) -> list[Inbound]:
        need_integer(update, "update_id", "update")
        for kind, read in self._readers.items():
            if kind in update:
                return read(need_obj(update, kind, "update"), raw)
        if any(kind in update for kind in _UNUSED):
            return []
        raise Unreadable("update_kind")

    def _message(self, message: Json, raw: Raw) -> list[Inbound]:
        chat_id, user_id = self._chat_and_user(message, "message")
        if user_id is None or user_id == self._bot_id:
            return []
        text = word(message, "text") or ""
        if self._desk.opens_with(text):
            language = word(obj(message, "from") or {}, "language_code")
            return [Claim(user_id, chat_id, language)] if _is_by_hand(message, chat_id, user_id) else []
        need_integer(message, "message_id", "message")  # the desk's handlers rely on it
        if self._serves(message, chat_id, user_id) or self._departed(message, chat_id):
            return [ForDesk()]
        read = content(message)
        if self._desk.is_group_of_desk(chat_id) and not read.is_service:
            return [ForDesk()]  # a member who is not listed: it goes to nobody, which is said there
        if not _is_private(message, chat_id, user_id) or read.is_service:
            return []
        return [_came(self._client(message), message, read, chat_id)]

    def _edited(self, message: Json, raw: Raw) -> list[Inbound]:
        chat_id, user_id = self._chat_and_user(message, "edited_message")
        if user_id is None or user_id == self._bot_id:
            return []
        need_integer(message, "message_id", "edited_message")
        if self._serves(message, chat_id, user_id):
            return [ForDesk()]
        if not _is_private(message, chat_id, user_id) or not says_text(message):
            return []
        return [
            Changed(
                person=self._client(message),
                external_id=external_id(chat_id, need_integer(message, "message_id", "edited_message")),
                at=need_moment(message, "edit_date" if "edit_date" in message else "date", "edited_message"),
                text=text_of(message),
            )
        ]

    def _tap(self, query: Json, raw: Raw) -> list[Inbound]:
        user_id = need_integer(need_obj(query, "from", "callback_query"), "id", "callback_query.from")
        if (message := obj(query, "message")) is None:
            return []
        chat_id = need_integer(need_obj(message, "chat", "callback_query.message"), "id", "callback_query.chat")
        return [ForDesk()] if self._desk.serves(chat_id, user_id) else []

    def _reaction(self, reaction: Json, raw: Raw) -> list[Inbound]:
        chat_id = need_integer(need_obj(reaction, "chat", "message_reaction"), "id", "message_reaction.chat")
        if (user := obj(reaction, "user")) is None:
            return []
        user_id = need_integer(user, "id", "message_reaction.user")
        if self._desk.serves(chat_id, user_id):
            return [ForDesk()]
        if chat_id != user_id or user_id == self._bot_id:
            return []
        return [
            Reacted(
                person=person(TELEGRAM, str(self._bot_id), user),
                external_id=external_id(chat_id, need_integer(reaction, "message_id", "message_reaction")),
                at=need_moment(reaction, "date", "message_reaction"),
                emoji=_emoji(reaction),
            )
        ]

    def _membership(self, change: Json, raw: Raw) -> list[Inbound]:
        chat_id, user_id = self._chat_and_user(change, "my_chat_member")
        if user_id is not None and (user_id == self._desk.owner_id or is_group(chat_id)):
            return [ForDesk()]
        if user_id is None or chat_id != user_id:
            return []
        status = need_word(need_obj(change, "new_chat_member", "my_chat_member"), "status", "my_chat_member")
        blocked = {"kicked": True, "member": False}.get(status)
        if blocked is None:
            return []
        data = {"keys": [f"telegram:user:{user_id}"], "change": "blocked", "blocked": blocked}
        return [Fact(TELEGRAM, "client.changed", need_moment(change, "date", "my_chat_member"), data)]

    def _serves(self, message: Json, chat_id: int, user_id: int) -> bool:
        """What stands there in a group's or channel's name is nobody's work, whoever may be behind it."""
        return "sender_chat" not in message and self._desk.serves(chat_id, user_id)

    def _departed(self, message: Json, chat_id: int) -> bool:
        """A listed member has left the desk's group or was removed from it."""
        gone = integer(obj(message, "left_chat_member") or {}, "id")
        return self._desk.is_group_of_desk(chat_id) and gone in self._desk.members

    def _chat_and_user(self, of: Json, where: str) -> tuple[int, int | None]:
        """User None: posted in a chat's own name."""
        chat_id = need_integer(need_obj(of, "chat", where), "id", f"{where}.chat")
        if "from" not in of and is_group(chat_id):
            return chat_id, None
        return chat_id, need_integer(need_obj(of, "from", where), "id", f"{where}.from")

    def _client(self, message: Json) -> Person:
        return person(TELEGRAM, str(self._bot_id), need_obj(message, "from", "message"))


def update_key(body: bytes) -> str:
    """The update id (one per bot for ever), else a digest. Never raises."""
    try:
        update = json.loads(body)
    except (ValueError, RecursionError):
        update = None
    update_id = integer(update, "update_id") if isinstance(update, dict) else None
    return f"sha256:{hashlib.sha256(body).hexdigest()}" if update_id is None else str(update_id)


def _loaded(body: bytes) -> dict[str, Any]:
    try:
        update = json.loads(body)
    except ValueError:
        raise Unreadable("not_json") from None
    if not isinstance(update, dict):
        raise Unreadable("not_an_update")
    return update


def _is_private(message: Json, chat_id: int, user_id: int) -> bool:
    """A private chat has its user's id; anything else under that name was not made by Telegram."""
    if is_group(chat_id):
        return False
    if chat_id != user_id or (obj(message, "chat") or {}).get("type") != "private" or "sender_chat" in message:
        raise Unreadable("private_chat")
    return True


def _is_by_hand(message: Json, chat_id: int, user_id: int) -> bool:
    """Written by a person in the private chat: not forwarded, not through another bot, in nobody else's name."""
    sender = obj(message, "from") or {}
    borrowed = any(field in message for field in ("forward_origin", "forward_date", "via_bot", "sender_chat"))
    private = chat_id == user_id and (obj(message, "chat") or {}).get("type") == "private"
    return private and not borrowed and sender.get("is_bot") is not True


def _came(who: Person, message: Json, read: Content, chat_id: int) -> Came:
    start = _START.fullmatch(read.text.plain) if "text" in message else None
    return Came(
        person=who,
        external_id=external_id(chat_id, need_integer(message, "message_id", "message")),
        at=need_moment(message, "date", "message"),
        text=EMPTY if start else read.text,
        attachments=read.attachments,
        extra=read.extra,
        reply_to=_answered(chat_id, read),
        quote=read.quote,
        album=read.album,
        source=start[1] if start else None,
        opens=start is not None,
        mark=read.mark,
    )


def _answered(chat_id: int, read: Content) -> ExternalId | None:
    return None if read.reply_to_message_id is None else external_id(chat_id, read.reply_to_message_id)


def _emoji(reaction: Json) -> str | None:
    """The last one: a person with several reactions shows the newest at the end."""
    now = objects(reaction, "new_reaction")
    named = [emoji for item in now if item.get("type") == "emoji" and (emoji := word(item, "emoji"))]
    if named:
        return named[-1]
    return UNKNOWN_REACTION if now else None

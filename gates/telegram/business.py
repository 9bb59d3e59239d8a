"""Telegram Business: the owner's own chats, seen through the owner's account by a connected bot."""

from __future__ import annotations

from collections.abc import Mapping

from gates.telegram.access import Connection
from gates.telegram.content import content, says_text, text_of
from gates.telegram.names import BUSINESS, external_id
from gates.telegram.people import person
from gates.telegram.shape import Json, integer, integers, need_integer, need_moment, need_obj, need_word, obj
from inbox.errors import Unreadable
from inbox.gate import Came, Changed, ForDesk, Inbound, Person, Progress, Raw, Road
from inbox.model import Author, DeliveryState, ExternalId

TELEGRAM_ITSELF = 777000
"""The account that sends login codes: they must never be stored, shown or exported."""


class BusinessParser:
    def __init__(self, bot_id: int, owner_id: int | None, connections: Mapping[str, Connection]) -> None:
        self._bot_id = bot_id
        self._owner_id = owner_id
        self._connections = connections

    def connection(self, connection: Json, raw: Raw) -> list[Inbound]:
        """A road of the owner; somebody else's is only told of.

        Before the desk is claimed anybody's is handed on: whose it is, is not known yet.
        """
        user_id = need_integer(need_obj(connection, "user", "business_connection"), "id", "business_connection.user")
        if self._owner_id not in (None, user_id):
            return [ForDesk()]
        rights = obj(connection, "rights") or connection  # before Bot API 9.0 the right stood beside the id
        return [
            Road(
                provider=BUSINESS,
                account=str(user_id),
                route=need_word(connection, "id", "business_connection"),
                open=connection.get("is_enabled") is True,
                may_reply=rights.get("can_reply") is True,
                at=need_moment(connection, "date", "business_connection"),
            )
        ]

    def message(self, message: Json, raw: Raw) -> list[Inbound]:
        if (route := self._route(message)) is None:
            return []
        chat, chat_id = self._client_chat(message)
        if chat is None:
            return []
        message_id = external_id(chat_id, need_integer(message, "message_id", "business_message"))
        at = need_moment(message, "date", "business_message")
        author = self._author(message)
        if author is not Author.CLIENT and self._is_own_echo(message):
            # Our own send comes back with the id that its answer had. It is no new message; but where that answer
            # was lost, this is the proof that it went out.
            who = self._person(chat, message, author, route)
            account = str(self._owner_id)
            return [Progress(who, BUSINESS, account, message_id, at, DeliveryState.SENT)]
        read = content(message)
        if read.is_service:
            return []
        answered = None if read.reply_to_message_id is None else external_id(chat_id, read.reply_to_message_id)
        return [
            Came(
                person=self._person(chat, message, author, route),
                external_id=message_id,
                at=at,
                text=read.text,
                attachments=read.attachments,
                extra=read.extra,
                reply_to=answered,
                quote=read.quote,
                album=read.album,
                author=author,
                mark=read.mark,
            )
        ]

    def edited(self, message: Json, raw: Raw) -> list[Inbound]:
        if (route := self._route(message)) is None:
            return []
        chat, chat_id = self._client_chat(message)
        author = self._author(message)
        if chat is None or not says_text(message) or (author is not Author.CLIENT and self._is_own_echo(message)):
            return []
        return [
            Changed(
                person=self._person(chat, message, author, route),
                external_id=external_id(chat_id, need_integer(message, "message_id", "business_message")),
                at=need_moment(message, "edit_date" if "edit_date" in message else "date", "business_message"),
                text=text_of(message),
                author=author,
            )
        ]

    def deleted(self, deletion: Json, raw: Raw) -> list[Inbound]:
        """Telegram tells neither who deleted nor when; the moment of the news is as near as it gets."""
        if (route := self._route(deletion)) is None:
            return []
        chat, chat_id = self._client_chat(deletion)
        if chat is None:
            return []
        who = person(BUSINESS, str(self._owner_id), chat, route)
        ids: list[ExternalId] = [external_id(chat_id, number) for number in integers(deletion, "message_ids")]
        return [Changed(person=who, external_id=one, at=raw.received_at, text=None) for one in ids]

    def _route(self, of: Json) -> str | None:
        """The connection's id; None for somebody else's account.

        A connection that is not known (yet) may be the owner's: its messages are kept, and tried again.
        """
        route = need_word(of, "business_connection_id", "business_message")
        if self._owner_id is None:
            raise Unreadable("business_owner_unknown")
        if (known := self._connections.get(route)) is None:
            raise Unreadable("business_connection_unknown")
        return route if known.owner_id == self._owner_id else None

    def _client_chat(self, of: Json) -> tuple[Json | None, int]:
        """None for what is no conversation with a client: a group, Saved Messages, Telegram's login codes, the bot."""
        chat = need_obj(of, "chat", "business_message")
        chat_id = need_integer(chat, "id", "business_message.chat")
        is_client = chat_id > 0 and chat_id not in (self._owner_id, self._bot_id, TELEGRAM_ITSELF)
        return (chat if is_client else None), chat_id

    def _author(self, message: Json) -> Author:
        sender = need_integer(need_obj(message, "from", "business_message"), "id", "business_message.from")
        return Author.OWNER_ELSEWHERE if sender == self._owner_id else Author.CLIENT

    def _is_own_echo(self, message: Json) -> bool:
        return integer(obj(message, "sender_business_bot") or {}, "id") == self._bot_id

    def _person(self, chat: Json, message: Json, author: Author, route: str) -> Person:
        """The client, also where the owner wrote: the sender then is the owner, the chat is still the client's."""
        who = need_obj(message, "from", "business_message") if author is Author.CLIENT else chat
        client = person(BUSINESS, str(self._owner_id), who, route)
        if client.address.user != str(integer(chat, "id")):
            raise Unreadable("private_chat")
        return client

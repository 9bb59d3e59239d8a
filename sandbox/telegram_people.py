"""What people do in Telegram, each act with the update that the bot gets of it; and what people see.

Mistakes of the scene itself (no such person, no such button) are KeyError, LookupError or ValueError, never a refusal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import EllipsisType
from typing import Any

from sandbox.telegram_chats import ADMIN_RIGHTS, CHANNEL_RIGHTS, FORUM_RIGHTS, Chat, Chats, Connection, quoted
from sandbox.telegram_files import CAPTIONED, MEDIA, Files, media_fields, other_fields
from sandbox.telegram_methods import Messages
from sandbox.telegram_parameters import Body
from sandbox.telegram_profile import Profile
from sandbox.telegram_rules import detected_entities, units
from sandbox.telegram_updates import Updates


class People:
    """Needs the parts that the fake is made of."""

    chats: Chats
    files: Files
    updates: Updates
    sending: Messages
    profile: Profile

    # -- who is there ---------------------------------------------------------------------------------------------

    def add_user(
        self, user_id: int, first_name: str, last_name: str = "", username: str = "", language_code: str = "ru"
    ) -> None:
        user: Body = {"id": user_id, "is_bot": False, "first_name": first_name}
        more = {"last_name": last_name, "username": username, "language_code": language_code}
        self.chats.users[user_id] = {**user, **{key: value for key, value in more.items() if value}}

    def add_forum(
        self,
        chat_id: int,
        title: str,
        members: Iterable[int] = (),
        *,
        rights: Mapping[str, bool] = FORUM_RIGHTS,
        added_by: int | None = None,
        forum: bool = True,
    ) -> None:
        """A supergroup with topics (or, with forum=False, without) and the bot as administrator.

        `added_by` makes the `my_chat_member` update of that person's act.
        """
        bot = {"status": "administrator", **ADMIN_RIGHTS, **rights}
        chat = Chat(chat_id, "supergroup", title, forum=forum)
        chat.people = dict.fromkeys(members, "member")
        self._add_chat(chat, bot, added_by)

    def add_channel(
        self,
        chat_id: int,
        title: str,
        username: str = "",
        *,
        rights: Mapping[str, bool] = CHANNEL_RIGHTS,
        added_by: int | None = None,
    ) -> None:
        bot = {"status": "administrator", **ADMIN_RIGHTS, **rights}
        self._add_chat(Chat(chat_id, "channel", title, username), bot, added_by)

    def _add_chat(self, chat: Chat, bot: Body, added_by: int | None) -> None:
        self.chats.chats[chat.id] = chat
        if added_by is None:
            chat.bot = bot
            return
        chat.people[added_by] = "creator"
        self._bot_becomes(chat, added_by, bot)

    def _bot_becomes(self, chat: Chat, by: int, bot: Body) -> None:
        before = self.chats.bot_member(chat)
        chat.bot = bot
        self._member_update(chat, by, before, self.chats.bot_member(chat))

    def _member_update(self, chat: Chat, by: int, before: Body, after: Body) -> None:
        change = {"old_chat_member": before, "new_chat_member": after}
        body = {"chat": self.chats.body(chat), "from": dict(self.chats.users[by]), "date": self.chats.now(), **change}
        self.updates.add("my_chat_member", body)

    def removes_bot(self, user_id: int, chat_id: int) -> None:
        """Kicks the bot out of a group or channel."""
        self._bot_becomes(self.chats.chats[chat_id], user_id, {"status": "kicked"})

    def starts(self, user_id: int, payload: str = "") -> int:
        return self.writes(user_id, f"/start {payload}".strip())

    def blocks(self, user_id: int, blocked: bool = True) -> None:
        chat = self.chats.private(user_id)
        chat.blocked = blocked
        member = {"status": "member", "user": dict(self.chats.bot)}
        kicked = {"status": "kicked", "user": dict(self.chats.bot), "until_date": 0}
        self._member_update(chat, user_id, *((member, kicked) if blocked else (kicked, member)))

    # -- messages -------------------------------------------------------------------------------------------------

    def writes(
        self,
        user_id: int,
        text: str = "",
        *,
        chat_id: int | None = None,
        thread_id: int | None = None,
        reply_to: int | None = None,
        quote: str | None = None,
        entities: Sequence[Body] = (),
        kind: str | None = None,
        file: bytes | None = None,
        file_name: str | None = None,
        caption: str | None = None,
        media_group_id: str | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> int:
        """A person's message (a post, in a channel): its message_id. `extra` is merged in; None there removes a key."""
        chat = self.chats.private(user_id) if chat_id is None else self._chat(chat_id)
        chat.started, chat.blocked = True, False
        if chat.kind == "private" and thread_id is None and self.sending.topics and self.profile.user_topics:
            thread_id = self.creates_topic(user_id, text[:32] or "New topic", implicit=True)
        if thread_id is not None and chat.topic(thread_id) is None:
            raise LookupError(f"no topic {thread_id} in chat {chat.id}")
        content = self._content(text, entities, kind, file, file_name, caption, chat)
        frame = self._frame(chat, user_id, thread_id, reply_to, quote, media_group_id)
        return self._keep(chat, {**frame, **content}, thread_id, extra)

    def _chat(self, chat_id: int) -> Chat:
        return self.chats.private(chat_id) if chat_id in self.chats.users else self.chats.chats[chat_id]

    def _kind(self, chat: Chat) -> str:
        if chat.connection_id is not None:
            return "business_message"
        return "channel_post" if chat.kind == "channel" else "message"

    def _tell(self, chat: Chat, kind: str, body: Body) -> None:
        """The bot hears of what happens in its private chats, and where it is in."""
        if chat.kind == "private" or chat.bot["status"] not in ("left", "kicked"):
            self.updates.add(kind, body)

    def _frame(
        self,
        chat: Chat,
        user_id: int,
        thread_id: int | None,
        reply_to: int | None,
        quote: str | None,
        media_group_id: str | None,
    ) -> Body:
        frame: Body = {"from": dict(self.chats.users[user_id])}
        if chat.kind == "channel":
            frame = {"sender_chat": self.chats.body(chat)}
        if reply_to is not None:
            target = chat.messages[reply_to]
            frame["reply_to_message"] = quoted(target)
            if quote is not None:
                whole = target.body.get("text") or target.body.get("caption") or ""
                position = units(whole[: whole.index(quote)])
                frame["quote"] = {"text": quote, "position": position, "is_manual": True}
        else:
            frame.update(self.chats.head_reply(chat, thread_id))
        if media_group_id is not None:
            frame["media_group_id"] = media_group_id
        return frame

    def _content(
        self,
        text: str,
        entities: Sequence[Body],
        kind: str | None,
        file: bytes | None,
        file_name: str | None,
        caption: str | None,
        chat: Chat,
    ) -> Body:
        if kind in (None, "text"):
            marked = list(entities) or detected_entities(text)
            return {"text": text, **({"entities": marked} if marked else {})} if text else {}
        if kind in MEDIA:
            data = file if file is not None else f"{kind} {len(self.files.by_id)}".encode()
            content = media_fields(self.files, kind, self.files.put(kind, data, file_name), {})
        else:
            content = other_fields(self.files, str(kind), chat.last_id + 1)
        shown = caption if caption is not None else text
        if shown and kind in CAPTIONED:
            content["caption"] = shown
            if entities:
                content["caption_entities"] = list(entities)
        return content

    def _keep(self, chat: Chat, body: Body, thread_id: int | None, extra: Mapping[str, Any] | None) -> int:
        kept = self.chats.keep(chat, body, by_bot=False, thread_id=thread_id)
        _merge(kept.body, extra)
        self._tell(chat, self._kind(chat), kept.body)
        return int(kept.body["message_id"])

    def edits(
        self,
        user_id: int,
        message_id: int,
        text: str | None = None,
        *,
        chat_id: int | None = None,
        caption: str | None = None,
        entities: Sequence[Body] = (),
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        """Changes a message of hers; the bot gets the whole message anew."""
        chat = self._chat(user_id if chat_id is None else chat_id)
        self._edit(chat, user_id, message_id, text, caption, entities, extra)

    def _edit(
        self,
        chat: Chat,
        user_id: int,
        message_id: int,
        text: str | None,
        caption: str | None,
        entities: Sequence[Body],
        extra: Mapping[str, Any] | None,
    ) -> None:
        kept = chat.messages[message_id]
        if kept.deleted or kept.body.get("from", {"id": user_id})["id"] != user_id:
            raise ValueError(f"message {message_id} is not there, or not of user {user_id}")
        if text is not None and "text" in kept.body:
            kept.body["text"] = text
            marked = list(entities) or detected_entities(text)
            _merge(kept.body, {"entities": marked or None})
        elif text is not None or caption is not None:
            _merge(kept.body, {"caption": caption or text, "caption_entities": list(entities) or None})
        _merge(kept.body, {**(extra or {}), "edit_date": self.chats.now()})
        kept.edited = True
        self._tell(chat, f"edited_{self._kind(chat)}", kept.body)

    def reacts(self, user_id: int, chat_id: int, message_id: int, emoji: str | None) -> None:
        """Sets, changes or (None) takes back her reaction. The bot is told only if it asked for this kind."""
        chat = self._chat(chat_id)
        kept = chat.messages[message_id]
        before = kept.reactions.pop(user_id, None)
        if emoji is not None:
            kept.reactions[user_id] = emoji
        self.chats.world.touch()
        if before == emoji:
            return
        body = {
            "chat": self.chats.body(chat),
            "message_id": message_id,
            "user": dict(self.chats.users[user_id]),
            "date": self.chats.now(),
            "old_reaction": [{"type": "emoji", "emoji": before}] if before else [],
            "new_reaction": [{"type": "emoji", "emoji": emoji}] if emoji else [],
        }
        self._tell(chat, "message_reaction", body)

    def presses(
        self, user_id: int, chat_id: int, message_id: int, data: str, *, connection_id: str | None = None
    ) -> str:
        """Presses the inline button with this callback data: the id of the callback query."""
        chat = self._chat(chat_id) if connection_id is None else self._business_chat(connection_id, chat_id)
        kept = chat.alive(message_id)
        rows = (kept.body.get("reply_markup") or {}).get("inline_keyboard", []) if kept else []
        if kept is None or data not in [b.get("callback_data") for row in rows for b in row]:
            raise LookupError(f"message {message_id} of chat {chat_id} has no button {data!r}")
        self.profile.presses += 1
        query_id = str(4_400_000_000_000_000_000 + self.profile.presses)
        where = {"user_id": user_id, "chat_id": chat_id, "message_id": message_id, "data": data}
        self.profile.callbacks[query_id] = {"callback_query_id": query_id, **where, "date": self.chats.world.now()}
        body = {
            "id": query_id,
            "from": dict(self.chats.users[user_id]),
            "message": kept.body,
            "chat_instance": str(-7_000_000 - abs(chat_id)),
            "data": data,
        }
        self.updates.add("callback_query", body)
        return query_id

    def creates_topic(self, user_id: int, name: str, *, chat_id: int | None = None, implicit: bool = False) -> int:
        """A topic made by a person: its thread id."""
        chat = self._chat(user_id if chat_id is None else chat_id)
        user = dict(self.chats.users[user_id])
        return self.sending.new_topic(chat, name, sender=user, implicit=implicit).thread_id

    def deletes_topic(self, chat_id: int, thread_id: int) -> None:
        """A topic deleted by a person: with all its messages, and the bot is not told."""
        chat = self._chat(chat_id)
        chat.delete_topic(chat.topics[thread_id])
        self.chats.world.touch()

    def deletes(self, chat_id: int, message_id: int) -> None:
        """A message deleted by a person: the bot is not told."""
        self._chat(chat_id).messages[message_id].deleted = True
        self.chats.world.touch()

    # -- business accounts ----------------------------------------------------------------------------------------

    def connects_business(
        self, user_id: int, connection_id: str, rights: Mapping[str, bool], enabled: bool = True
    ) -> None:
        """Connects the bot to her account, or changes the rights, or (enabled=False) disconnects it."""
        connection = self.chats.connections.get(connection_id)
        if connection is None:
            connection = Connection(connection_id, user_id, self.chats.now(), {}, enabled)
            self.chats.connections[connection_id] = connection
        connection.rights, connection.enabled = dict(rights), enabled
        self.updates.add("business_connection", self.profile.connection_body(connection_id))

    def _business_chat(self, connection_id: str, chat_user_id: int) -> Chat:
        connection = self.chats.connections[connection_id]
        if chat_user_id not in self.chats.users:
            raise KeyError(f"no user {chat_user_id}: add_user first")
        fresh = Chat(chat_user_id, "private", connection_id=connection_id)
        return connection.chats.setdefault(chat_user_id, fresh)

    def business_writes(
        self,
        connection_id: str,
        from_user_id: int,
        chat_user_id: int,
        text: str = "",
        *,
        reply_to: int | None = None,
        quote: str | None = None,
        entities: Sequence[Body] = (),
        kind: str | None = None,
        file: bytes | None = None,
        file_name: str | None = None,
        caption: str | None = None,
        media_group_id: str | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> int:
        """A message in the account's chat with a client, from either side: its message_id."""
        chat = self._business_chat(connection_id, chat_user_id)
        content = self._content(text, entities, kind, file, file_name, caption, chat)
        frame = self._frame(chat, from_user_id, None, reply_to, quote, media_group_id)
        return self._keep(chat, {**frame, **content}, None, extra)

    def business_edits(
        self,
        connection_id: str,
        from_user_id: int,
        chat_user_id: int,
        message_id: int,
        text: str | None = None,
        *,
        caption: str | None = None,
        entities: Sequence[Body] = (),
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        chat = self._business_chat(connection_id, chat_user_id)
        self._edit(chat, from_user_id, message_id, text, caption, entities, extra)

    def business_deletes(self, connection_id: str, chat_user_id: int, message_ids: Sequence[int]) -> None:
        chat = self._business_chat(connection_id, chat_user_id)
        for message_id in message_ids:
            chat.messages[message_id].deleted = True
        where = {"business_connection_id": connection_id, "chat": self.chats.body(chat)}
        self.updates.add("deleted_business_messages", {**where, "message_ids": list(message_ids)})

    # -- anything else --------------------------------------------------------------------------------------------

    def raw_update(self, update: Body) -> int:
        """Queue any update as it is, allowed or not: its update_id, which is added where it is missing."""
        return self.updates.add_raw(update)

    async def redeliver(self, update_id: int) -> int:
        """Send an update once more: status of the webhook's answer; 0 when it waits for getUpdates again."""
        return await self.updates.again(update_id)

    # -- what people see ------------------------------------------------------------------------------------------

    def messages(self, chat_id: int, thread_id: int | EllipsisType | None = ...) -> list[Body]:
        """Messages of a chat as they stand, oldest first; thread_id None: those outside of topics.

        Added keys: `_reactions` [{who, emoji}], `_deleted`, `_edited`, `_read`, `_markup` (inline keyboard or None).
        """
        chat = self.chats.chats.get(chat_id)
        return [] if chat is None else chat.view(thread_id)

    def business_messages(self, connection_id: str, chat_user_id: int) -> list[Body]:
        return self._business_chat(connection_id, chat_user_id).view(...)

    def topics_of(self, chat_id: int) -> list[Body]:
        chat = self.chats.chats.get(chat_id)
        topics = chat.topics.values() if chat else ()
        return [{**topic.body(), "deleted": topic.deleted, "closed": topic.closed} for topic in topics]

    @property
    def toasts(self) -> list[Body]:
        """Answered callback queries: callback_query_id, user_id, chat_id, message_id, data, text, show_alert."""
        return self.profile.toasts


def _merge(body: Body, extra: Mapping[str, Any] | None) -> None:
    for key, value in (extra or {}).items():
        if value is None:
            body.pop(key, None)
        else:
            body[key] = value

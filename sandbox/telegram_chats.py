"""What Telegram remembers: people, chats, topics, messages, business connections.

Message ids grow in each chat by themselves. Topic ids of private chats come from another number space, so that code
which takes one for the other fails; in supergroups the topic id is the id of the message that made it.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import EllipsisType
from typing import Any

from sandbox.telegram_parameters import Body, Refusal, bad, forbidden
from sandbox.telegram_rules import SERVICE
from sandbox.world import World

DAY = 24 * 3600
PRIVATE_TOPIC_BASE = 7_400_001
ADMIN_RIGHTS: Mapping[str, bool] = {
    "can_be_edited": False,
    "is_anonymous": False,
    "can_manage_chat": True,
    "can_delete_messages": True,
    "can_manage_video_chats": False,
    "can_restrict_members": False,
    "can_promote_members": False,
    "can_change_info": False,
    "can_invite_users": True,
    "can_post_stories": False,
    "can_edit_stories": False,
    "can_delete_stories": False,
    "can_send_welcome_messages": False,
}
FORUM_RIGHTS: Mapping[str, bool] = {"can_pin_messages": True, "can_manage_topics": True}
CHANNEL_RIGHTS: Mapping[str, bool] = {"can_post_messages": True, "can_edit_messages": True}


@dataclass
class Topic:
    thread_id: int
    name: str
    icon_color: int
    icon: str | None
    implicit: bool = False
    deleted: bool = False
    closed: bool = False
    head: int = 0  # its service message

    def body(self) -> Body:
        body: Body = {"message_thread_id": self.thread_id, "name": self.name, "icon_color": self.icon_color}
        if self.icon:
            body["icon_custom_emoji_id"] = self.icon
        if self.implicit:
            body["is_name_implicit"] = True
        return body


@dataclass
class Kept:
    """A message as it stands now."""

    body: Body
    by_bot: bool
    thread_id: int | None = None
    reactions: dict[int, str] = field(default_factory=dict)  # who -> emoji or "custom:ID"
    deleted: bool = False
    edited: bool = False
    read: bool = False

    @property
    def service(self) -> bool:
        return bool(self.body.keys() & SERVICE)

    def view(self) -> Body:
        return {
            **copy.deepcopy(self.body),
            "_reactions": [{"who": who, "emoji": emoji} for who, emoji in self.reactions.items()],
            "_deleted": self.deleted,
            "_edited": self.edited,
            "_read": self.read,
            "_markup": copy.deepcopy(self.body.get("reply_markup")),
        }


@dataclass
class Chat:
    id: int
    kind: str  # "private", "group", "supergroup", "channel"
    title: str = ""
    username: str = ""
    forum: bool = False
    started: bool = True  # private: the person has written to the bot
    blocked: bool = False  # private: the person blocked the bot
    bot: Body = field(default_factory=lambda: {"status": "left"})  # groups, channels: status and rights of the bot
    people: dict[int, str] = field(default_factory=dict)  # user id -> status
    topics: dict[int, Topic] = field(default_factory=dict)
    messages: dict[int, Kept] = field(default_factory=dict)
    last_id: int = 0
    connection_id: str | None = None  # a chat of a business account

    @property
    def group(self) -> bool:
        return self.kind in ("group", "supergroup")

    def next_id(self) -> int:
        self.last_id += 1
        return self.last_id

    def alive(self, message_id: int) -> Kept | None:
        kept = self.messages.get(message_id)
        return None if kept is None or kept.deleted else kept

    def topic(self, thread_id: int) -> Topic | None:
        topic = self.topics.get(thread_id)
        return None if topic is None or topic.deleted else topic

    def add_topic(self, name: str, color: int, icon: str | None, *, implicit: bool = False) -> Topic:
        thread_id = PRIVATE_TOPIC_BASE + 3 * len(self.topics) if self.kind == "private" else self.last_id + 1
        topic = self.topics[thread_id] = Topic(thread_id, name, color, icon, implicit)
        return topic

    def delete_topic(self, topic: Topic) -> None:
        topic.deleted = True
        for kept in self.messages.values():
            if kept.thread_id == topic.thread_id:
                kept.deleted = True

    def view(self, thread_id: int | EllipsisType | None) -> list[Body]:
        return [k.view() for k in self.messages.values() if thread_id is ... or k.thread_id == thread_id]


@dataclass
class Connection:
    """An account that lets the bot answer in its name."""

    id: str
    user_id: int
    date: int
    rights: dict[str, bool]
    enabled: bool
    last_id: int = 0
    chats: dict[int, Chat] = field(default_factory=dict)


class Chats:
    """Everybody and every chat, by the bot's view. Lookups raise the refusals of the Bot API."""

    def __init__(self, world: World, bot_id: int, username: str) -> None:
        self.world = world
        self.bot: Body = {"id": bot_id, "is_bot": True, "first_name": "Desk", "username": username}
        self.users: dict[int, Body] = {}
        self.chats: dict[int, Chat] = {}
        self.connections: dict[str, Connection] = {}

    @property
    def bot_id(self) -> int:
        return int(self.bot["id"])

    def now(self) -> int:
        return int(self.world.now())

    def body(self, chat: Chat) -> Body:
        """The short Chat object."""
        body: Body = {"id": chat.id, "type": chat.kind}
        if chat.kind == "private":
            user = self.users[chat.id]
            body.update({key: user[key] for key in ("first_name", "last_name", "username") if key in user})
            return body
        body["title"] = chat.title
        if chat.username:
            body["username"] = chat.username
        if chat.forum:
            body["is_forum"] = True
        return body

    def sender(self, chat: Chat) -> Body:
        """Who a message of the bot is from: in channels the channel itself."""
        return {"sender_chat": self.body(chat)} if chat.kind == "channel" else {"from": dict(self.bot)}

    def private(self, user_id: int) -> Chat:
        """The person's chat with the bot, for what people do. KeyError when there is no such person."""
        if user_id not in self.users:
            raise KeyError(f"no user {user_id}: add_user first")
        return self.chats.setdefault(user_id, Chat(user_id, "private", started=False))

    def known(self, chat_id: int | str) -> Chat:
        """A chat that the bot may name. Raises Refusal."""
        if isinstance(chat_id, str):
            named = [c for c in self.chats.values() if c.username and f"@{c.username}".lower() == chat_id.lower()]
            if not named or named[0].kind == "private":
                raise bad("chat not found")
            return named[0]
        chat = self.chats.get(chat_id)
        if chat is None or (chat.kind == "private" and not chat.started):
            raise bad("chat not found")
        return chat

    def writable(self, chat_id: int | str) -> Chat:
        """A chat that the bot may send to now. Raises Refusal."""
        if isinstance(chat_id, int) and chat_id in self.users and not self.private(chat_id).started:
            raise forbidden("bot can't initiate conversation with a user")
        chat = self.known(chat_id)
        if chat.kind == "private":
            if chat.blocked:
                raise forbidden("bot was blocked by the user")
            return chat
        self.present(chat)
        if chat.kind == "channel" and not chat.bot.get("can_post_messages"):
            raise bad("need administrator rights in the channel chat")
        return chat

    def present(self, chat: Chat) -> None:
        """The bot is in the group or channel. Raises Refusal."""
        noun = "channel" if chat.kind == "channel" else chat.kind
        if chat.bot["status"] == "kicked":
            raise forbidden(f"bot was kicked from the {noun} chat")
        if chat.bot["status"] == "left":
            raise forbidden(f"bot is not a member of the {noun} chat")

    def need_right(self, chat: Chat, right: str, refusal: Refusal) -> None:
        if chat.kind != "private" and not chat.bot.get(right):
            raise refusal

    def connection(self, connection_id: str) -> Connection:
        connection = self.connections.get(connection_id)
        if connection is None:
            raise bad("business connection not found")
        return connection

    def business(self, connection_id: str, chat_id: int | str, right: str = "can_reply") -> Chat:
        """A client's chat in which the bot may act for the account: right given, incoming message in the last 24 h."""
        connection = self.connection(connection_id)
        if isinstance(chat_id, str):
            raise bad("chat identifier must be a valid Integer")
        chat = connection.chats.get(chat_id)
        if chat is None or not connection.enabled or not connection.rights.get(right):
            raise bad("BUSINESS_PEER_INVALID")
        heard = [k.body["date"] for k in chat.messages.values() if k.body["from"]["id"] == chat.id]
        if not heard or self.world.now() - max(heard) > DAY:
            raise bad("BUSINESS_PEER_INVALID")
        return chat

    def member(self, chat: Chat, user_id: int) -> Body:
        """The ChatMember object. Raises Refusal."""
        if user_id == self.bot_id:
            if chat.kind == "private":
                return {"status": "member", "user": dict(self.bot)}
            return self.bot_member(chat)
        user = self.users.get(user_id)
        if user is None:
            raise bad("user not found")
        status = "member" if user_id == chat.id else chat.people.get(user_id, "left")
        body: Body = {"status": status, "user": dict(user)}
        if status == "creator":
            body["is_anonymous"] = False
        elif status == "administrator":
            body.update(ADMIN_RIGHTS)
        return body

    def bot_member(self, chat: Chat) -> Body:
        extra: Body = {"until_date": 0} if chat.bot["status"] == "kicked" else {}
        return {**chat.bot, "user": dict(self.bot), **extra}

    def keep(self, chat: Chat, fields: Mapping[str, Any], *, by_bot: bool, thread_id: int | None = None) -> Kept:
        """Store a new message: gives it its id, date, chat and thread fields."""
        message_id = self._next_id(chat)
        body: Body = {"message_id": message_id, "date": self.now(), "chat": self.body(chat), **fields}
        if thread_id is not None:
            body.update(message_thread_id=thread_id, is_topic_message=True)
        if chat.connection_id is not None:
            body["business_connection_id"] = chat.connection_id
        kept = chat.messages[message_id] = Kept(body, by_bot, thread_id)
        return kept

    def _next_id(self, chat: Chat) -> int:
        if chat.connection_id is None:
            return chat.next_id()
        connection = self.connections[chat.connection_id]
        connection.last_id += 1
        return connection.last_id

    def head_reply(self, chat: Chat, thread_id: int | None) -> Body:
        """In supergroups a topic's message replies to the topic's first message when it replies to nothing else."""
        topic = chat.topics.get(thread_id) if thread_id is not None and chat.kind == "supergroup" else None
        head = chat.messages.get(topic.head) if topic else None
        return {"reply_to_message": quoted(head)} if head else {}


def quoted(kept: Kept) -> Body:
    """A message as it stands inside another one: without the message that it replies to itself."""
    return {key: copy.deepcopy(value) for key, value in kept.body.items() if key != "reply_to_message"}


def origin(chats: Chats, kept: Kept) -> Body:
    """The MessageOrigin of a message that is forwarded or quoted from elsewhere."""
    body = kept.body
    if "forward_origin" in body:
        return dict(body["forward_origin"])
    if "from" not in body:
        return {"type": "channel", "date": body["date"], "chat": body["chat"], "message_id": body["message_id"]}
    return {"type": "user", "date": body["date"], "sender_user": body["from"]}

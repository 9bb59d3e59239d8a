"""Topics of private chats and forum supergroups."""

from __future__ import annotations

from sandbox.telegram_chats import Chat, Topic
from sandbox.telegram_parameters import Body, Request, bad
from sandbox.telegram_rules import TOPIC_COLORS, topic_icon, topic_name
from sandbox.telegram_sending import Sending


class Topics(Sending):
    def _forum(self, request: Request) -> Chat:
        chat = self.chats.writable(request.get("chat_id"))
        if not (self.topics if chat.kind == "private" else chat.forum):
            raise bad("the chat is not a forum")
        self.chats.need_right(chat, "can_manage_topics", bad("not enough rights to manage topics in the chat"))
        return chat

    def _topic(self, request: Request, chat: Chat) -> Topic:
        topic = chat.topic(request.get("message_thread_id"))
        if topic is None:
            raise bad("message thread not found")
        return topic

    def create_topic(self, request: Request) -> Body:
        name = topic_name(request.get("name"), least=1)
        icon = topic_icon(request.get("icon_custom_emoji_id"))
        color = request.get("icon_color", TOPIC_COLORS[0])
        if color not in TOPIC_COLORS:
            raise bad("TOPIC_ICON_COLOR_INVALID")
        chat = self._forum(request)
        self._pay(chat)
        return self.new_topic(chat, name, color, icon).body()

    def new_topic(
        self,
        chat: Chat,
        name: str,
        color: int = TOPIC_COLORS[0],
        icon: str | None = None,
        *,
        sender: Body | None = None,
        implicit: bool = False,
    ) -> Topic:
        """A topic with its service message, made by the bot or by a person; the bot is told of both."""
        topic = chat.add_topic(name, color, icon, implicit=implicit)
        made = {key: value for key, value in topic.body().items() if key != "message_thread_id"}
        if sender is None:
            topic.head = self._service(chat, {"forum_topic_created": made}, topic.thread_id).body["message_id"]
            return topic
        fields = {"from": sender, "forum_topic_created": made}
        kept = self.chats.keep(chat, fields, by_bot=False, thread_id=topic.thread_id)
        topic.head = kept.body["message_id"]
        self.emit("message", kept.body)
        return topic

    def edit_topic(self, request: Request) -> bool:
        chat = self._forum(request)
        topic = self._topic(request, chat)
        self._pay(chat)
        name = topic_name(request.get("name", ""), least=0) or topic.name
        icon = (
            topic_icon(request.get("icon_custom_emoji_id")) if "icon_custom_emoji_id" in request.values else topic.icon
        )
        changed: Body = {"name": name} if name != topic.name else {}
        if icon != topic.icon:
            changed["icon_custom_emoji_id"] = icon or ""
        if not changed:
            raise bad("TOPIC_NOT_MODIFIED")
        topic.name, topic.icon, topic.implicit = name, icon, False
        self._service(chat, {"forum_topic_edited": changed}, topic.thread_id)
        return True

    def delete_topic(self, request: Request) -> bool:
        chat = self._forum(request)
        topic = self._topic(request, chat)
        self.chats.need_right(chat, "can_delete_messages", bad("not enough rights to delete a topic"))
        chat.delete_topic(topic)
        return True

    def close_topic(self, request: Request) -> bool:
        return self._set_closed(request, True, "forum_topic_closed")

    def reopen_topic(self, request: Request) -> bool:
        return self._set_closed(request, False, "forum_topic_reopened")

    def _set_closed(self, request: Request, closed: bool, service: str) -> bool:
        chat = self._forum(request)
        if chat.kind == "private":
            raise bad("the chat is not a supergroup")
        topic = self._topic(request, chat)
        if topic.closed == closed:
            raise bad("TOPIC_NOT_MODIFIED")
        topic.closed = closed
        self._service(chat, {service: {}}, topic.thread_id)
        return True

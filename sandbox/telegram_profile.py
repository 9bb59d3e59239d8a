"""The methods about the bot itself, its updates, chats, files, callbacks and business accounts."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from sandbox.telegram_chats import DAY, Chats
from sandbox.telegram_files import DOWNLOAD_LIMIT, Files
from sandbox.telegram_parameters import Body, Request, bad
from sandbox.telegram_rules import TOPIC_ICONS, UPDATE_KINDS
from sandbox.telegram_updates import Updates

CALLBACK_LIFE = 15 * 60  # seconds in which a press can be answered
_SCOPES = {
    "default": (),
    "all_private_chats": (),
    "all_group_chats": (),
    "all_chat_administrators": (),
    "chat": ("chat_id",),
    "chat_administrators": ("chat_id",),
    "chat_member": ("chat_id", "user_id"),
}


class Profile:
    """State: commands, menus, descriptions, callback queries and their answers."""

    def __init__(self, chats: Chats, files: Files, updates: Updates) -> None:
        self.chats = chats
        self.files = files
        self.updates = updates
        self.topics = True
        self.user_topics = False
        self.commands: dict[tuple[str, str], list[Body]] = {}
        self.menus: dict[int | None, Body] = {}
        self.texts: dict[tuple[str, str], str] = {}
        self.callbacks: dict[str, Body] = {}
        self.toasts: list[Body] = []
        self.presses = 0
        self.table: dict[str, Callable[[Request], Any]] = {
            "getMe": self.get_me,
            "getWebhookInfo": self.webhook_info,
            "getForumTopicIconStickers": self.topic_icons,
            "getChat": self.get_chat,
            "getChatMember": self.get_member,
            "getFile": self.get_file,
            "answerCallbackQuery": self.answer_callback,
            "setMyCommands": self.set_commands,
            "getMyCommands": self.get_commands,
            "deleteMyCommands": self.delete_commands,
            "setChatMenuButton": self.set_menu,
            "getChatMenuButton": self.get_menu,
            "setMyDescription": self.set_text,
            "getMyDescription": self.get_text,
            "setMyShortDescription": self.set_text,
            "getMyShortDescription": self.get_text,
            "getBusinessConnection": self.get_connection,
            "readBusinessMessage": self.read_business,
            "deleteBusinessMessages": self.delete_business,
        }

    def get_me(self, _: Request) -> Body:
        return {
            **self.chats.bot,
            "can_join_groups": True,
            "can_read_all_group_messages": False,
            "supports_inline_queries": False,
            "can_connect_to_business": True,
            "has_main_web_app": False,
            "has_topics_enabled": self.topics,
            "allows_users_to_create_topics": self.topics and self.user_topics,
        }

    # -- updates --------------------------------------------------------------------------------------------------

    async def set_webhook(self, request: Request) -> bool:
        url = request.get("url")
        secret = request.get("secret_token", "")
        connections = request.get("max_connections", 40)
        if url and not re.match(r"https?://[^/\s]+", url):
            raise bad("bad webhook: An HTTPS URL must be provided for webhook")
        if "secret_token" in request.values and not re.fullmatch(r"[A-Za-z0-9_-]{1,256}", secret):
            raise bad("secret token contains unallowed characters")
        if not 1 <= connections <= 100:
            raise bad("bad webhook: max_connections must be 1-100")
        allowed = self._kinds(request)
        await self.updates.point(url, secret, allowed, connections, bool(request.get("drop_pending_updates")))
        return True

    async def delete_webhook(self, request: Request) -> bool:
        await self.updates.point("", "", None, 40, bool(request.get("drop_pending_updates")))
        return True

    def webhook_info(self, _: Request) -> Body:
        updates = self.updates
        body: Body = {
            "url": updates.url,
            "has_custom_certificate": False,
            "pending_update_count": updates.pending,
            "allowed_updates": sorted(updates.allowed),
        }
        if updates.url:
            body["max_connections"] = updates.max_connections
        if updates.last_error:
            body["last_error_date"], body["last_error_message"] = updates.last_error
        return body

    async def get_updates(self, request: Request) -> list[Body]:
        limit, timeout = request.get("limit", 100), request.get("timeout", 0)
        self.updates.allow(self._kinds(request))
        return await self.updates.poll(request.get("offset"), min(max(limit, 1), 100), min(max(timeout, 0), 50))

    def _kinds(self, request: Request) -> list[str] | None:
        kinds = request.get("allowed_updates")
        if kinds is not None and not set(kinds) <= UPDATE_KINDS:
            raise bad(f"unknown update kind in allowed_updates: {min(set(kinds) - UPDATE_KINDS)}")
        return None if kinds is None else list(kinds)

    # -- chats and files ------------------------------------------------------------------------------------------

    def get_chat(self, request: Request) -> Body:
        chat = self.chats.known(request.get("chat_id"))
        if chat.kind != "private":
            self.chats.present(chat)
        gifts = "unlimited_gifts limited_gifts unique_gifts premium_subscription gifts_from_channels".split()
        return {
            **self.chats.body(chat),
            "accent_color_id": 0,
            "max_reaction_count": 11,
            "accepted_gift_types": dict.fromkeys(gifts, False),
        }

    def get_member(self, request: Request) -> Body:
        chat = self.chats.known(request.get("chat_id"))
        if chat.kind != "private":
            self.chats.present(chat)
        return self.chats.member(chat, request.get("user_id"))

    def get_file(self, request: Request) -> Body:
        stored = self.files.by_id.get(request.get("file_id"))
        if stored is None:
            raise bad("wrong file_id or the file is temporarily unavailable")
        if len(stored.data) > DOWNLOAD_LIMIT:
            raise bad("file is too big")
        return {**stored.fields(), "file_path": stored.path}

    def topic_icons(self, _: Request) -> list[Body]:
        shape = {"type": "custom_emoji", "width": 100, "height": 100, "is_animated": True, "is_video": False}
        return [
            {
                **shape,
                "file_id": f"CAACAgIAAx-icon-{number:02d}",
                "file_unique_id": f"AgADicon{number:02d}",
                "file_size": 4096,
                "emoji": emoji,
                "set_name": "Topics",
                "custom_emoji_id": icon,
            }
            for number, (icon, emoji) in enumerate(zip(TOPIC_ICONS, "📰💡📈💬✅📆🔥❓", strict=True))
        ]

    # -- callbacks ------------------------------------------------------------------------------------------------

    def answer_callback(self, request: Request) -> bool:
        query = self.callbacks.pop(request.get("callback_query_id"), None)
        if query is None or self.chats.world.now() - query["date"] > CALLBACK_LIFE:
            raise bad("query is too old and response timeout expired or query ID is invalid")
        text = request.get("text", "")
        if len(text) > 200:
            raise bad("MESSAGE_TOO_LONG")
        self.toasts.append({**query, "text": text, "show_alert": bool(request.get("show_alert"))})
        return True

    # -- the bot's face -------------------------------------------------------------------------------------------

    def _scope(self, request: Request) -> tuple[str, str]:
        scope = request.get("scope", {"type": "default"})
        kind = scope.get("type")
        if kind not in _SCOPES or scope.keys() - {"type", *_SCOPES[kind]}:
            raise bad("can't parse BotCommandScope")
        parts = [kind]
        for name in _SCOPES[kind]:
            if name not in scope:
                raise bad(f"can't parse BotCommandScope: {name} is required")
            if name == "chat_id":
                chat_id = scope[name]
                number = str(chat_id).lstrip("-").isdigit()
                parts.append(str(self.chats.known(int(chat_id) if number else chat_id).id))
            else:
                parts.append(str(scope[name]))
        return ":".join(parts), self._language(request)

    def _language(self, request: Request) -> str:
        language = str(request.get("language_code", ""))
        if language and not re.fullmatch(r"[a-z]{2}", language):
            raise bad("language code is invalid")
        return language

    def set_commands(self, request: Request) -> bool:
        commands = request.get("commands")
        if len(commands) > 100:
            raise bad("too many commands specified")
        for command in commands:
            if not isinstance(command, dict) or command.keys() - {"command", "description", "is_ephemeral"}:
                raise bad("can't parse BotCommand")
            if not re.fullmatch(r"[a-z0-9_]{1,32}", str(command.get("command", "")).removeprefix("/")):
                raise bad("BOT_COMMAND_INVALID")
            if not 1 <= len(str(command.get("description", ""))) <= 256:
                raise bad("BOT_COMMAND_DESCRIPTION_INVALID")
        self.commands[self._scope(request)] = [
            {**command, "command": command["command"].removeprefix("/")} for command in commands
        ]
        return True

    def get_commands(self, request: Request) -> list[Body]:
        return self.commands.get(self._scope(request), [])

    def delete_commands(self, request: Request) -> bool:
        self.commands.pop(self._scope(request), None)
        return True

    def set_menu(self, request: Request) -> bool:
        chat_id = request.get("chat_id")
        button = request.get("menu_button", {"type": "default"})
        if button.get("type") not in ("commands", "web_app", "default"):
            raise bad("can't parse MenuButton")
        self.menus[None if chat_id is None else self.chats.known(chat_id).id] = button
        return True

    def get_menu(self, request: Request) -> Body:
        return self.menus.get(request.get("chat_id"), {"type": "commands"})

    def set_text(self, request: Request) -> bool:
        name, limit = ("description", 512) if request.method == "setMyDescription" else ("short_description", 120)
        text = request.get(name, "")
        if len(text) > limit:
            raise bad(f"{name.replace('_', ' ')} is too long")
        self.texts[name, self._language(request)] = text
        return True

    def get_text(self, request: Request) -> Body:
        name = "description" if request.method == "getMyDescription" else "short_description"
        return {name: self.texts.get((name, self._language(request)), self.texts.get((name, ""), ""))}

    # -- business accounts ----------------------------------------------------------------------------------------

    def connection_body(self, connection_id: str) -> Body:
        connection = self.chats.connection(connection_id)
        return {
            "id": connection.id,
            "user": dict(self.chats.users[connection.user_id]),
            "user_chat_id": connection.user_id,
            "date": connection.date,
            "rights": dict(connection.rights),
            "is_enabled": connection.enabled,
        }

    def get_connection(self, request: Request) -> Body:
        return self.connection_body(request.get("business_connection_id"))

    def read_business(self, request: Request) -> bool:
        chat = self.chats.business(request.get("business_connection_id"), request.get("chat_id"), "can_read_messages")
        kept = chat.alive(request.get("message_id"))
        if kept is None:
            raise bad("message not found")
        kept.read = True
        return True

    def delete_business(self, request: Request) -> bool:
        connection = self.chats.connection(request.get("business_connection_id"))
        ids = request.get("message_ids")
        if not 1 <= len(ids) <= 100 or not all(isinstance(n, int) for n in ids):
            raise bad("wrong number of message identifiers specified")
        if not connection.enabled:
            raise bad("BUSINESS_PEER_INVALID")
        found = {chat.id: chat for chat in connection.chats.values() if set(ids) & chat.messages.keys()}
        if len(found) > 1:
            raise bad("all messages must be from the same chat")
        messages = [kept for chat in found.values() for n in ids if (kept := chat.alive(n)) is not None]
        if not messages:
            raise bad("message to delete not found")
        for kept in messages:
            own = kept.by_bot and connection.rights.get("can_delete_sent_messages")
            if not own and not connection.rights.get("can_delete_all_messages"):
                raise bad("not enough rights to delete messages")
            if self.chats.world.now() - kept.body["date"] > 2 * DAY:
                raise bad("message can't be deleted for everyone")
        for kept in messages:
            kept.deleted = True
        return True

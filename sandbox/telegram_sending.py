"""Sending: where a message goes, what it carries, copies and forwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox.telegram_chats import Chat, Chats, Kept, origin, quoted
from sandbox.telegram_files import CAPTIONED, MEDIA, UNCOPYABLE, Files, asked_fields, media_fields
from sandbox.telegram_pace import Pace
from sandbox.telegram_parameters import Body, Request, bad
from sandbox.telegram_rules import SERVICE, caption_fields, inline_keyboard, text_fields, units

Emit = Callable[[str, Body], int | None]

MEDIA_METHODS = {
    "sendPhoto": "photo",
    "sendVideo": "video",
    "sendAnimation": "animation",
    "sendAudio": "audio",
    "sendVoice": "voice",
    "sendVideoNote": "video_note",
    "sendDocument": "document",
    "sendSticker": "sticker",
}
OTHER_METHODS = ("sendLocation", "sendVenue", "sendContact", "sendDice", "sendPoll")
ALBUM_KINDS = ("photo", "video", "audio", "document")
_INPUT_MEDIA = frozenset(
    "type media caption caption_entities show_caption_above_media has_spoiler thumbnail cover start_timestamp width "
    "height duration supports_streaming performer title disable_content_type_detection".split()
)
_REPLY = frozenset(
    "message_id chat_id allow_sending_without_reply quote quote_entities quote_position checklist_task_id "
    "poll_option_id".split()
)
FRAME = frozenset(
    "message_id date chat from sender_chat message_thread_id is_topic_message reply_to_message external_reply quote "
    "reply_markup edit_date media_group_id forward_origin sender_business_bot business_connection_id "
    "has_protected_content via_bot effect_id".split()
)


def content_of(body: Body) -> Body:
    """What a message says, without who, where and when."""
    return {key: value for key, value in body.items() if key not in FRAME}


def _checked_item(item: Any, allowed: tuple[str, ...]) -> Body:
    """An InputMedia of a kind that can stand here. Raises Refusal."""
    if not isinstance(item, dict) or not isinstance(item.get("media"), str):
        raise bad("can't parse InputMedia: media is required")
    unknown = item.keys() - _INPUT_MEDIA
    if unknown:
        raise bad(f"unknown field {min(unknown)} of InputMedia")
    if item.get("type") not in allowed:
        raise bad(f"type {item.get('type')!r} is not allowed here")
    return item


class Sending:
    """State: the chats, the files, the switches that make topics misbehave."""

    def __init__(self, chats: Chats, files: Files, emit: Emit, pace: Pace) -> None:
        self.chats = chats
        self.files = files
        self.emit = emit
        self.pace = pace
        self.buckets = False
        self.topics = True
        self.wrong_thread = False
        self._albums = 0
        self._numbers = 0

    # -- where a message goes -------------------------------------------------------------------------------------

    def _target(self, request: Request, count: int = 1) -> Chat:
        """The chat of a send, with its pace paid. Raises Refusal."""
        connection_id = request.get("business_connection_id")
        if connection_id is not None:
            chat = self.chats.business(connection_id, request.get("chat_id"))
        else:
            chat = self.chats.writable(request.get("chat_id"))
        self._pay(chat, count)
        return chat

    def _pay(self, chat: Chat, count: int = 1) -> None:
        if self.buckets:
            self.pace.spend(f"{chat.connection_id or ''}/{chat.id}", count, group=chat.group)

    def _thread(self, chat: Chat, thread_id: int | None) -> int | None:
        """The topic that a send asks for; ignored where there are no topics at all. Raises Refusal."""
        if thread_id is None or chat.connection_id is not None:
            return None
        if chat.kind != "private" and not chat.forum:
            return None
        if (chat.kind == "private" and not self.topics) or chat.topic(thread_id) is None:
            raise bad("message thread not found")
        return thread_id

    def _reply(self, chat: Chat, thread_id: int | None, asked: Any) -> tuple[Body, int | None]:
        """Fields of a reply, and the topic: a reply without a topic lands in the topic of its target."""
        if not asked:
            return {}, thread_id
        if not isinstance(asked, dict) or not isinstance(asked.get("message_id"), int) or asked.keys() - _REPLY:
            raise bad("can't parse reply parameters JSON object")
        source, cross = chat, False
        if asked.get("chat_id") not in (None, chat.id, str(chat.id)):
            source, cross = self.chats.known(asked["chat_id"]), True
        remembered = source.messages.get(asked["message_id"])
        if remembered is not None and thread_id not in (None, remembered.thread_id):
            cross = True
        if chat.connection_id is not None and cross:
            raise bad("message to be replied not found")
        lenient = chat.connection_id is not None or asked.get("allow_sending_without_reply") is True
        if remembered is None or remembered.deleted:
            if lenient and not cross:
                return {}, thread_id
            raise bad("message to be replied not found")
        fields = self._quote(remembered, asked)
        if cross:
            where = {"chat": remembered.body["chat"], "message_id": remembered.body["message_id"]}
            return {**fields, "external_reply": {"origin": origin(self.chats, remembered), **where}}, thread_id
        reachable = chat.forum or self.topics
        usable = remembered.thread_id if reachable and remembered.thread_id in chat.topics else None
        return {**fields, "reply_to_message": quoted(remembered)}, thread_id if thread_id is not None else usable

    def _quote(self, target: Kept, asked: Body) -> Body:
        quote = asked.get("quote")
        if not quote:
            return {}
        whole = target.body.get("text") or target.body.get("caption") or ""
        at = whole.find(quote)
        if at < 0 or units(quote) > 1024:
            raise bad("QUOTE_TEXT_INVALID")
        return {"quote": {"text": quote, "position": units(whole[:at]), "is_manual": True}}

    def _send(self, request: Request, chat: Chat, fields: Body, **more: Any) -> Kept:
        """Put a message of the bot into a chat, and tell what the bot is told of it."""
        business = chat.connection_id is not None
        asked_thread = self._thread(chat, request.get("message_thread_id"))
        reply, thread_id = self._reply(chat, asked_thread, request.get("reply_parameters"))
        keyboard = inline_keyboard(request.get("reply_markup"), business=business)
        if self.wrong_thread and asked_thread is not None:
            thread_id = None
        frame: Body = {**self._author(chat), **(reply or self.chats.head_reply(chat, thread_id)), **fields, **more}
        if keyboard:
            frame["reply_markup"] = keyboard
        if request.get("protect_content"):
            frame["has_protected_content"] = True
        if request.get("message_effect_id"):
            if chat.kind != "private" or business:
                raise bad("EFFECT_ID_INVALID")
            frame["effect_id"] = request.get("message_effect_id")
        kept = self.chats.keep(chat, frame, by_bot=True, thread_id=thread_id)
        if business:
            self.emit("business_message", kept.body)
        return kept

    def _author(self, chat: Chat) -> Body:
        if chat.connection_id is None:
            return self.chats.sender(chat)
        owner = self.chats.users[self.chats.connections[chat.connection_id].user_id]
        return {"from": dict(owner), "sender_business_bot": dict(self.chats.bot)}

    def _number(self) -> int:
        self._numbers += 1
        return self._numbers

    def album_id(self) -> str:
        self._albums += 1
        return str(13_900_000_000_000_000 + self._albums)

    def _service(self, chat: Chat, fields: Body, thread_id: int | None) -> Kept:
        """A service message that the bot caused: unlike its other messages it comes back as an update."""
        if not fields.keys() & SERVICE:
            raise ValueError("not a service message")
        kept = self.chats.keep(chat, {**self._author(chat), **fields}, by_bot=True, thread_id=thread_id)
        kind = "channel_post" if chat.kind == "channel" else "message"
        self.emit("business_message" if chat.connection_id is not None else kind, kept.body)
        return kept

    # -- sending --------------------------------------------------------------------------------------------------

    def send_message(self, request: Request) -> Body:
        fields = text_fields(request.get("text"), request.get("entities", ()))
        if request.get("link_preview_options"):
            fields["link_preview_options"] = request.get("link_preview_options")
        return self._send(request, self._target(request), fields).body

    def _media(self, kind: str, value: str, asked: Body, request: Request) -> Body:
        caption = caption_fields(asked.get("caption"), asked.get("caption_entities") or ())
        file = self.files.sent(kind, value, request.uploads)
        return {**media_fields(self.files, kind, file, asked), **caption}

    def send_media(self, request: Request) -> Body:
        kind = MEDIA_METHODS[request.method]
        chat = self._target(request)
        fields = self._media(kind, request.get(kind), request.values, request)
        return self._send(request, chat, fields).body

    def send_other(self, request: Request) -> Body:
        chat = self._target(request)
        if request.method == "sendPoll" and chat.kind == "channel" and request.get("is_anonymous") is False:
            raise bad("non-anonymous polls can't be sent to channel chats")
        return self._send(request, chat, asked_fields(self.files, request, self._number())).body

    def _item(self, item: Any, request: Request, allowed: tuple[str, ...]) -> tuple[str, Body]:
        checked = _checked_item(item, allowed)
        return checked["type"], self._media(checked["type"], checked["media"], checked, request)

    def send_album(self, request: Request) -> list[Body]:
        items = [_checked_item(item, ALBUM_KINDS) for item in request.get("media")]
        if not 2 <= len(items) <= 10:
            raise bad("media group must include 2-10 items")
        kinds = {item["type"] for item in items}
        for alone in ("document", "audio"):
            if alone in kinds and len(kinds) > 1:
                raise bad(f"{alone} can't be mixed with other media types")
        chat = self._target(request, len(items))
        album = self.album_id()
        contents = [self._item(item, request, ALBUM_KINDS)[1] for item in items]
        return [self._send(request, chat, fields, media_group_id=album).body for fields in contents]

    # -- carrying on ----------------------------------------------------------------------------------------------

    def _carried(self, source: Chat, message_id: int, verb: str) -> Kept:
        kept = source.alive(message_id)
        if kept is None:
            raise bad(f"message to {verb} not found")
        done = "copied" if verb == "copy" else "forwarded"
        if kept.service or kept.body.get("has_protected_content"):
            raise bad(f"message can't be {done}")
        content = content_of(kept.body).keys()
        known = content & (MEDIA | {"text", "location", "venue", "contact", "poll", "dice", "game", "live_photo"})
        if verb == "copy" and (content & UNCOPYABLE or not known):
            raise bad("message can't be copied")
        poll = kept.body.get("poll", {})
        if verb == "copy" and poll.get("type") == "quiz" and not poll.get("correct_option_ids"):
            raise bad("message can't be copied")
        return kept

    def copy_message(self, request: Request) -> Body:
        source = self.chats.known(request.get("from_chat_id"))
        chat = self._target(request)
        fields = content_of(self._carried(source, request.get("message_id"), "copy").body)
        if "caption" in request.values:
            if not fields.keys() & CAPTIONED:
                raise bad("there is no caption in the message to copy")
            fields = {key: value for key, value in fields.items() if key not in ("caption", "caption_entities")}
            fields.update(caption_fields(request.get("caption"), request.get("caption_entities", ())))
        return {"message_id": self._send(request, chat, fields).body["message_id"]}

    def copy_messages(self, request: Request) -> list[Body]:
        ids = request.get("message_ids")
        if not 1 <= len(ids) <= 100 or not all(isinstance(n, int) for n in ids):
            raise bad("there are no messages to copy" if not ids else "too many messages to copy")
        if ids != sorted(set(ids)):
            raise bad("message identifiers must be in a strictly increasing order")
        source, chat = self.chats.known(request.get("from_chat_id")), self._target(request, len(ids))
        albums: dict[str, str] = {}
        sent = []
        for message_id in ids:
            kept = source.alive(message_id)
            if kept is None or kept.service:
                continue
            fields = content_of(self._carried(source, message_id, "copy").body)
            if request.get("remove_caption"):
                fields = {key: value for key, value in fields.items() if key not in ("caption", "caption_entities")}
            group = kept.body.get("media_group_id")
            more = {"media_group_id": albums.setdefault(group, self.album_id())} if group else {}
            sent.append({"message_id": self._send(request, chat, fields, **more).body["message_id"]})
        if not sent:
            raise bad("there are no messages to copy")
        return sent

    def forward_message(self, request: Request) -> Body:
        source = self.chats.known(request.get("from_chat_id"))
        chat = self._target(request)
        kept = self._carried(source, request.get("message_id"), "forward")
        return self._send(request, chat, content_of(kept.body), forward_origin=origin(self.chats, kept)).body

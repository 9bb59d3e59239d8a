"""Changing what is there: edits, deletions, reactions, pins; and chat actions."""

from __future__ import annotations

from typing import Any

from sandbox.telegram_chats import DAY, Chat, Kept, quoted
from sandbox.telegram_files import CAPTIONED
from sandbox.telegram_parameters import Body, Request, bad
from sandbox.telegram_rules import CHAT_ACTIONS, REACTIONS, caption_fields, inline_keyboard, text_fields
from sandbox.telegram_sending import ALBUM_KINDS, FRAME, Sending, content_of


class Changes(Sending):
    def _editable(self, request: Request) -> Kept:
        chat = self._target(request)
        kept = chat.alive(request.get("message_id"))
        if kept is None:
            raise bad("message to edit not found")
        young = self.chats.world.now() - kept.body["date"] <= 2 * DAY
        owned = kept.by_bot
        if chat.connection_id is not None and not kept.by_bot:
            owned = young and kept.body["from"]["id"] != chat.id
        if kept.service or not owned or "forward_origin" in kept.body:
            raise bad("message can't be edited")
        return kept

    def _change(self, request: Request, kept: Kept, fields: Body) -> Body:
        """Put new content into a message; the keyboard is what this call says, none when it says none."""
        business = "business_connection_id" in kept.body
        keyboard = inline_keyboard(request.get("reply_markup"), business=business)
        if content_of(kept.body) == fields and kept.body.get("reply_markup") == keyboard:
            raise bad(
                "message is not modified: specified new message content and reply markup are exactly the same "
                "as a current content and reply markup of the message"
            )
        frame = {key: value for key, value in kept.body.items() if key in FRAME and key != "reply_markup"}
        kept.body = {**frame, "edit_date": self.chats.now(), **fields}
        if keyboard:
            kept.body["reply_markup"] = keyboard
        kept.edited = True
        return kept.body

    def edit_text(self, request: Request) -> Body:
        fields = text_fields(request.get("text"), request.get("entities", ()))
        kept = self._editable(request)
        if "text" not in kept.body:
            raise bad("there is no text in the message to edit")
        if request.get("link_preview_options"):
            fields["link_preview_options"] = request.get("link_preview_options")
        return self._change(request, kept, fields)

    def edit_caption(self, request: Request) -> Body:
        caption = caption_fields(request.get("caption"), request.get("caption_entities", ()))
        kept = self._editable(request)
        if not kept.body.keys() & CAPTIONED:
            raise bad("there is no caption in the message to edit")
        fields = {k: v for k, v in content_of(kept.body).items() if k not in ("caption", "caption_entities")}
        return self._change(request, kept, {**fields, **caption})

    def edit_media(self, request: Request) -> Body:
        kept = self._editable(request)
        kind, fields = self._item(request.get("media"), request, (*ALBUM_KINDS, "animation"))
        if not kept.body.keys() & {"text", "photo", "video", "audio", "document", "animation"}:
            raise bad("message can't be edited")
        group = kept.body.get("media_group_id")
        if group and kind in ("document", "audio", "animation") and kind not in kept.body:
            raise bad(f"{kind} can't be mixed with other media types")
        return self._change(request, kept, fields)

    def edit_markup(self, request: Request) -> Body:
        kept = self._editable(request)
        return self._change(request, kept, content_of(kept.body))

    def _deletable(self, chat: Chat, kept: Kept) -> bool:
        if kept.body.keys() & {"forum_topic_created"}:
            return False
        age = self.chats.world.now() - kept.body["date"]
        if chat.kind == "private":
            return age <= 2 * DAY and not ("dice" in kept.body and age < DAY)
        if chat.bot.get("can_delete_messages"):
            return True
        return kept.by_bot and age <= 2 * DAY

    def delete_message(self, request: Request) -> bool:
        chat = self.chats.known(request.get("chat_id"))
        kept = chat.alive(request.get("message_id"))
        if kept is None:
            raise bad("message to delete not found")
        if not self._deletable(chat, kept):
            raise bad("message can't be deleted for everyone")
        kept.deleted = True
        return True

    def delete_messages(self, request: Request) -> bool:
        ids = request.get("message_ids")
        if not 1 <= len(ids) <= 100 or not all(isinstance(n, int) for n in ids):
            raise bad("wrong number of message identifiers specified")
        chat = self.chats.known(request.get("chat_id"))
        for message_id in ids:
            kept = chat.alive(message_id)
            if kept is not None and self._deletable(chat, kept):
                kept.deleted = True
        return True

    # -- marks and pins -------------------------------------------------------------------------------------------

    def react(self, request: Request) -> bool:
        chat = self.chats.writable(request.get("chat_id"))
        kept = chat.alive(request.get("message_id"))
        if kept is None:
            raise bad("message to react not found")
        if kept.service:
            raise bad("message can't be reacted")
        album = kept.body.get("media_group_id")
        if album:
            kept = next(k for k in chat.messages.values() if k.body.get("media_group_id") == album and not k.deleted)
        wanted = request.get("reaction", [])
        if len(wanted) > 1:
            raise bad("REACTIONS_TOO_MANY")
        if not wanted:
            kept.reactions.pop(self.chats.bot_id, None)
            return True
        kept.reactions[self.chats.bot_id] = self._reaction(kept, wanted[0])
        return True

    def _reaction(self, kept: Kept, wanted: Any) -> str:
        kind = wanted.get("type") if isinstance(wanted, dict) else None
        if kind == "emoji" and wanted.get("emoji") in REACTIONS:
            return str(wanted["emoji"])
        custom = f"custom:{wanted.get('custom_emoji_id')}" if kind == "custom_emoji" else ""
        if not custom or custom not in kept.reactions.values():
            raise bad("REACTION_INVALID")
        return custom

    def _pinnable(self, request: Request) -> Chat:
        if request.get("business_connection_id") is not None:
            return self.chats.business(request.get("business_connection_id"), request.get("chat_id"))
        chat = self.chats.writable(request.get("chat_id"))
        right = "can_edit_messages" if chat.kind == "channel" else "can_pin_messages"
        self.chats.need_right(chat, right, bad("not enough rights to manage pinned messages in the chat"))
        return chat

    def pin(self, request: Request) -> bool:
        chat = self._pinnable(request)
        kept = chat.alive(request.get("message_id"))
        if kept is None:
            raise bad("message to pin not found")
        if kept.service:
            raise bad("message can't be pinned")
        self._service(chat, {"pinned_message": quoted(kept)}, kept.thread_id)
        return True

    def unpin(self, request: Request) -> bool:
        chat = self._pinnable(request)
        message_id = request.get("message_id")
        if message_id is not None and chat.alive(message_id) is None:
            raise bad("message to unpin not found")
        return True

    def chat_action(self, request: Request) -> bool:
        if request.get("action") not in CHAT_ACTIONS:
            raise bad("wrong parameter action in request")
        if request.get("business_connection_id") is not None:
            self.chats.business(request.get("business_connection_id"), request.get("chat_id"))
        else:
            self.chats.writable(request.get("chat_id"))
        return True

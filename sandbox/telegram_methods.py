"""The table of the methods that act on messages and topics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox.telegram_changes import Changes
from sandbox.telegram_chats import Chats
from sandbox.telegram_files import Files
from sandbox.telegram_pace import Pace
from sandbox.telegram_parameters import Request
from sandbox.telegram_sending import MEDIA_METHODS, OTHER_METHODS, Emit
from sandbox.telegram_topics import Topics


class Messages(Changes, Topics):
    """Every method that sends, changes, marks or deletes, by its name."""

    def __init__(self, chats: Chats, files: Files, emit: Emit, pace: Pace) -> None:
        super().__init__(chats, files, emit, pace)
        self.table: dict[str, Callable[[Request], Any]] = {
            "sendMessage": self.send_message,
            **dict.fromkeys(MEDIA_METHODS, self.send_media),
            **dict.fromkeys(OTHER_METHODS, self.send_other),
            "sendMediaGroup": self.send_album,
            "copyMessage": self.copy_message,
            "copyMessages": self.copy_messages,
            "forwardMessage": self.forward_message,
            "editMessageText": self.edit_text,
            "editMessageCaption": self.edit_caption,
            "editMessageMedia": self.edit_media,
            "editMessageReplyMarkup": self.edit_markup,
            "deleteMessage": self.delete_message,
            "deleteMessages": self.delete_messages,
            "setMessageReaction": self.react,
            "pinChatMessage": self.pin,
            "unpinChatMessage": self.unpin,
            "createForumTopic": self.create_topic,
            "editForumTopic": self.edit_topic,
            "deleteForumTopic": self.delete_topic,
            "closeForumTopic": self.close_topic,
            "reopenForumTopic": self.reopen_topic,
            "sendChatAction": self.chat_action,
        }

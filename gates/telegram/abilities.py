"""What Telegram takes: Bot API 10.3, own chats of the bot and chats of Telegram Business."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType

from gates.telegram.names import BUSINESS, TELEGRAM
from inbox.abilities import Abilities, MediaRule, Pace, Window
from inbox.model import MediaKind, Provider

DOWNLOAD_LIMIT = 20 * 1024 * 1024
"""Bytes; what getFile of a cloud server gives out."""

CAPTION_LIMIT = 1024
TEXT_LIMIT = 4096
QUOTE_LIMIT = 1024

_UPLOAD = 50 * 1024 * 1024
_PHOTO = 10 * 1024 * 1024

REACTIONS = frozenset(
    """
    ❤ 👍 👎 🔥 🥰 👏 😁 🤔 🤯 😱 🤬 😢 🎉 🤩 🤮 💩 🙏 👌 🕊 🤡 🥱 🥴 😍 🐳
    ❤‍🔥 🌚 🌭 💯 🤣 ⚡ 🍌 🏆 💔 🤨 😐 🍓 🍾 💋 🖕 😈 😴 😭
    🤓 👻 👨‍💻 👀 🎃 🙈 😇 😨 🤝 ✍ 🤗 🫡 🎅 🎄 ☃ 💅 🤪 🗿 🆒 💘 🙉 🦄 😘 💊 🙊 😎 👾 🤷‍♂ 🤷 🤷‍♀ 😡
    """.split()
)
"""The emoji that a bot may react with (field `emoji` of ReactionTypeEmoji), without variation selectors."""

_BOT = Abilities(
    text_limit=TEXT_LIMIT,
    text_unit="utf16",
    markup=frozenset(
        {"bold", "italic", "underline", "strike", "spoiler", "code", "pre", "quote", "link", "mention"},
    ),
    media=MappingProxyType(
        {
            MediaKind.PHOTO: MediaRule(_PHOTO, frozenset({"image/jpeg", "image/png", "image/webp"}), CAPTION_LIMIT),
            MediaKind.VIDEO: MediaRule(_UPLOAD, frozenset({"video/mp4"}), CAPTION_LIMIT),
            MediaKind.VIDEO_NOTE: MediaRule(_UPLOAD, frozenset({"video/mp4"})),
            MediaKind.ANIMATION: MediaRule(_UPLOAD, frozenset({"video/mp4", "image/gif"}), CAPTION_LIMIT),
            MediaKind.AUDIO: MediaRule(
                _UPLOAD, frozenset({"audio/mpeg", "audio/mp4", "audio/x-m4a", "audio/m4a"}), CAPTION_LIMIT
            ),
            MediaKind.VOICE: MediaRule(
                _UPLOAD,
                frozenset(
                    {"audio/ogg", "audio/ogg; codecs=opus", "audio/opus", "audio/mpeg", "audio/mp4", "audio/x-m4a"}
                ),
                CAPTION_LIMIT,
            ),
            MediaKind.DOCUMENT: MediaRule(_UPLOAD, caption=CAPTION_LIMIT),
            MediaKind.STICKER: MediaRule(
                _UPLOAD, frozenset({"image/webp", "video/webm", "application/x-tgsticker"}), caption=0
            ),
        }
    ),
    # Documents and audio travel only among their own kind, so they are sent one by one.
    album=frozenset({MediaKind.PHOTO, MediaKind.VIDEO}),
    album_size=10,
    place=True,
    card=True,
    reply=True,
    edit=timedelta(days=3650),  # a bot's own messages have no time limit
    delete=timedelta(hours=48),
    reactions=REACTIONS,
    reports=frozenset(),
    shares_files_with=frozenset({TELEGRAM, BUSINESS}),
    menu=frozenset({"start", "help", "privacy"}),
    account_pace=Pace(25, 25),
    person_pace=Pace(1, 5),
)

ROADS: Mapping[Provider, Abilities] = MappingProxyType(
    {
        TELEGRAM: _BOT,
        BUSINESS: replace(
            _BOT,
            edit=timedelta(hours=48),
            delete=timedelta(hours=48),
            reactions=None,  # setMessageReaction takes no business_connection_id
            menu=frozenset(),  # there a client talks with a person
            window=Window(timedelta(hours=24)),
        ),
    }
)
"""deleteBusinessMessages has no time limit of its own in the documentation; that of a private chat is assumed."""

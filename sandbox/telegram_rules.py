"""The limits that the Bot API puts on text, entities, buttons, reactions and names. Pure checks, no state."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from sandbox.telegram_parameters import Body, bad

TEXT_LIMIT = 4096  # UTF-16 units
CAPTION_LIMIT = 1024
ENTITIES_COUNTED = 100

REACTIONS = frozenset(
    "❤ 👍 👎 🔥 🥰 👏 😁 🤔 🤯 😱 🤬 😢 🎉 🤩 🤮 💩 🙏 👌 🕊 🤡 🥱 🥴 😍 🐳 ❤‍🔥 🌚 🌭 💯 🤣 ⚡ 🍌 🏆 💔 🤨 😐 🍓 🍾 💋 "
    "🖕 😈 😴 😭 🤓 👻 👨‍💻 👀 🎃 🙈 😇 😨 🤝 ✍ 🤗 🫡 🎅 🎄 ☃ 💅 🤪 🗿 🆒 💘 🙉 🦄 😘 💊 🙊 😎 👾 🤷‍♂ 🤷 🤷‍♀ 😡".split()
)
TOPIC_COLORS = (7322096, 16766590, 13338331, 9367192, 16749490, 16478047)
TOPIC_ICONS = tuple(f"53577{n:014d}" for n in range(1, 9))

CHAT_ACTIONS = frozenset(
    "typing upload_photo record_video upload_video record_voice upload_voice upload_document choose_sticker "
    "find_location record_video_note upload_video_note".split()
)
UPDATE_KINDS = frozenset(
    "message edited_message channel_post edited_channel_post business_connection business_message "
    "edited_business_message deleted_business_messages guest_message message_reaction message_reaction_count "
    "inline_query chosen_inline_result callback_query shipping_query pre_checkout_query purchased_paid_media poll "
    "poll_answer my_chat_member chat_member chat_join_request chat_boost removed_chat_boost managed_bot subscription "
    "stopped_message_generation".split()
)
DEFAULT_UPDATE_KINDS = UPDATE_KINDS - {"chat_member", "message_reaction", "message_reaction_count"}

SERVICE = frozenset(
    "forum_topic_created forum_topic_edited forum_topic_closed forum_topic_reopened pinned_message new_chat_members "
    "left_chat_member new_chat_title".split()
)

_ENTITY_TYPES = frozenset(
    "mention hashtag cashtag bot_command url email phone_number bold italic underline strikethrough spoiler "
    "blockquote expandable_blockquote code pre text_link text_mention custom_emoji date_time".split()
)
_ENTITY_NEEDS = {
    "text_link": "url",
    "text_mention": "user",
    "custom_emoji": "custom_emoji_id",
    "date_time": "unix_time",
}


def units(text: str) -> int:
    """Length in UTF-16 units, which Telegram counts."""
    return len(text.encode("utf-16-le")) // 2


def _boundaries(text: str) -> set[int]:
    offsets, at = {0}, 0
    for character in text:
        at += 2 if ord(character) > 0xFFFF else 1
        offsets.add(at)
    return offsets


def _checked_entities(text: str, entities: Sequence[Any]) -> list[Body]:
    length, boundaries = units(text), _boundaries(text)
    kept: list[Body] = []
    for entity in entities:
        if not isinstance(entity, dict) or not {"type", "offset", "length"} <= entity.keys():
            raise bad("can't parse MessageEntity: type, offset and length are required")
        kind, start, end = entity["type"], entity["offset"], entity["offset"] + entity["length"]
        if kind not in _ENTITY_TYPES:
            raise bad("can't parse entities: unsupported MessageEntity type")
        if kind in _ENTITY_NEEDS and not entity.get(_ENTITY_NEEDS[kind]):
            raise bad(f"can't parse entities: field {_ENTITY_NEEDS[kind]} is required for {kind}")
        if start < 0 or entity["length"] < 0 or end > length:
            raise bad(
                f"entity beginning at UTF-16 offset {start} ends after the end of the text at UTF-16 offset {length}"
            )
        if not {start, end} <= boundaries:
            raise bad("entity begins in a middle of a UTF-16 symbol")
        kept.append(dict(entity))
    return kept


def _trimmed(text: str, entities: list[Body]) -> tuple[str, list[Body]]:
    """Telegram drops white space around a text and moves the entities along."""
    stripped = text.strip()
    lead, length = units(text) - units(text.lstrip()), units(stripped)
    moved = []
    for entity in entities:
        start = max(entity["offset"] - lead, 0)
        end = min(entity["offset"] + entity["length"] - lead, length)
        if end > start:
            moved.append({**entity, "offset": start, "length": end - start})
    return stripped, moved[:ENTITIES_COUNTED]


def text_fields(text: str, entities: Sequence[Any]) -> Body:
    """The `text` and `entities` of a message. Raises Refusal when it is empty, too long or its entities are off."""
    shown, kept = _trimmed(text, _checked_entities(text, entities))
    if not shown:
        raise bad("message text is empty")
    if units(shown) > TEXT_LIMIT:
        raise bad("message is too long")
    return {"text": shown, **({"entities": kept} if kept else {})}


def caption_fields(caption: str | None, entities: Sequence[Any]) -> Body:
    shown, kept = _trimmed(caption or "", _checked_entities(caption or "", entities))
    if units(shown) > CAPTION_LIMIT:
        raise bad("message caption is too long")
    if not shown:
        return {}
    return {"caption": shown, **({"caption_entities": kept} if kept else {})}


_BUTTON_ACTIONS = frozenset(
    "url callback_data web_app login_url switch_inline_query switch_inline_query_current_chat "
    "switch_inline_query_chosen_chat copy_text callback_game pay disabled".split()
)
_BUTTON_LOOKS = frozenset(("text", "icon_custom_emoji_id", "style"))


def _check_button(button: Any) -> None:
    if not isinstance(button, dict) or not str(button.get("text", "")).strip():
        raise bad("can't parse inline keyboard button: text buttons must be non-empty")
    unknown = button.keys() - _BUTTON_ACTIONS - _BUTTON_LOOKS
    if unknown:
        raise bad(f"unknown field {min(unknown)} of an inline keyboard button")
    actions = button.keys() & _BUTTON_ACTIONS
    if len(actions) != 1:
        raise bad("can't parse inline keyboard button: exactly one action is required")
    if button.get("style", "primary") not in ("danger", "success", "primary"):
        raise bad("can't parse inline keyboard button: unknown style")
    if "callback_data" in button and not 1 <= len(str(button["callback_data"]).encode()) <= 64:
        raise bad("BUTTON_DATA_INVALID")
    if "url" in button and not re.match(r"(https?://[^/\s]+\S*|tg://\S+)$", str(button["url"])):
        raise bad(f"inline keyboard button URL '{button['url']}' is invalid: Wrong HTTP URL")
    if "copy_text" in button and not 1 <= units(str(button["copy_text"].get("text", ""))) <= 256:
        raise bad("BUTTON_COPY_TEXT_INVALID")


def inline_keyboard(markup: Body | None, *, business: bool = False) -> Body | None:
    """The inline keyboard that stays with the message, None for none or another kind. Raises Refusal."""
    if not markup:
        return None
    if "inline_keyboard" not in markup:
        if not markup.keys() & {"keyboard", "remove_keyboard", "force_reply"}:
            raise bad("can't parse reply keyboard markup JSON object")
        if business and markup.get("force_reply"):
            raise bad("BUSINESS_FORCE_REPLY_UNSUPPORTED")
        return None
    rows = markup["inline_keyboard"]
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise bad('field "inline_keyboard" of the InlineKeyboardMarkup must be an Array of Arrays')
    if sum(map(len, rows)) > 100:
        raise bad("reply markup is too long")
    for row in rows:
        for button in row:
            _check_button(button)
            if business and "web_app" in button:
                raise bad("BUTTON_TYPE_INVALID")
    rows = [row for row in rows if row]
    return {"inline_keyboard": rows} if rows else None


def topic_name(name: str, *, least: int) -> str:
    if not least <= len(name) <= 128:
        raise bad("topic name must be 1-128 characters long" if least else "TOPIC_TITLE_INVALID")
    return name


def topic_icon(icon: str | None) -> str | None:
    if icon and icon not in TOPIC_ICONS:
        raise bad("DOCUMENT_INVALID")
    return icon or None


def detected_entities(text: str) -> list[Body]:
    """What Telegram marks by itself in a text of a person: commands and addresses."""
    found = []
    for kind, pattern in (("bot_command", r"(?<![^\s])/[A-Za-z0-9_]{1,32}"), ("url", r"https?://[^\s]+")):
        for match in re.finditer(pattern, text):
            found.append({"type": kind, "offset": units(text[: match.start()]), "length": units(match.group())})
    return sorted(found, key=lambda entity: int(str(entity["offset"])))

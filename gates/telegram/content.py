"""What a Telegram message holds, whoever wrote it and wherever: clients' chats, Business chats and the desk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gates.telegram.entities import to_spans
from gates.telegram.names import TELEGRAM
from gates.telegram.rich import rich_words
from gates.telegram.shape import Json, integer, obj, objects, real, word
from gates.telegram.vcard import read_card
from inbox.model import EMPTY, Attachment, Card, Extra, MediaKind, Place, Stub, Text

DETAIL_LIMIT = 300
"""Characters of a stub's detail: it is one line on the desk, not the thing itself."""


@dataclass(frozen=True, slots=True)
class Content:
    """`is_service`: Telegram's own line about the chat (a topic was renamed, a message pinned), nobody's words.

    mark: "forwarded". quote: the words of the replied-to message that were quoted.
    """

    text: Text = EMPTY
    attachments: tuple[Attachment, ...] = ()
    extra: Extra | None = None
    album: str | None = None
    reply_to_message_id: int | None = None
    quote: str | None = None
    mark: str | None = None
    is_service: bool = False


def content(message: Mapping[str, Any]) -> Content:
    """Total: whatever cannot be understood becomes a Stub with Telegram's own word for it."""
    text = text_of(message)
    attachments = _attachments(message)
    is_shown = bool(attachments) or word(message, "text") is not None
    extra = None if is_shown else _extra(message)
    return Content(
        text=text,
        attachments=attachments,
        extra=extra,
        album=word(message, "media_group_id"),
        reply_to_message_id=_reply_to(message),
        quote=word(obj(message, "quote") or {}, "text"),
        mark="forwarded" if "forward_origin" in message or "forward_date" in message else None,
        is_service=not is_shown and extra is None,
    )


def says_text(message: Mapping[str, Any]) -> bool:
    """Whether the message tells its whole text: a medium without caption does not say that it never had one."""
    return "text" in message or "caption" in message or "rich_message" in message


def text_of(message: Mapping[str, Any]) -> Text:
    if (plain := word(message, "text")) is not None:
        return Text(plain, to_spans(plain, objects(message, "entities")))
    if (plain := word(message, "caption")) is not None:
        return Text(plain, to_spans(plain, objects(message, "caption_entities")))
    if (rich := obj(message, "rich_message")) is not None:
        return Text(rich_words(rich.get("blocks")).strip())
    return EMPTY


# The order matters: for old programs Telegram sets `document` beside `animation`, `photo` beside `live_photo`
# and `location` beside `venue`.
def _attachments(message: Json) -> tuple[Attachment, ...]:
    spoiler = message.get("has_media_spoiler") is True
    for key, kind, mime in _MEDIA:
        if key in message:
            found = _photo(message, spoiler) if key == "photo" else _file(obj(message, key), kind, mime, spoiler)
            return () if found is None else (found,)
    return ()


_MEDIA: tuple[tuple[str, MediaKind, str | None], ...] = (
    ("animation", MediaKind.ANIMATION, "video/mp4"),
    ("photo", MediaKind.PHOTO, "image/jpeg"),  # of a live photo it is the still
    ("video", MediaKind.VIDEO, "video/mp4"),
    ("audio", MediaKind.AUDIO, "audio/mpeg"),
    ("voice", MediaKind.VOICE, "audio/ogg"),
    ("video_note", MediaKind.VIDEO_NOTE, "video/mp4"),
    ("sticker", MediaKind.STICKER, None),
    ("document", MediaKind.DOCUMENT, None),
)


def _photo(message: Json, spoiler: bool) -> Attachment | None:
    sizes = objects(message, "photo")
    return _file(sizes[-1], MediaKind.PHOTO, "image/jpeg", spoiler) if sizes else None


def _file(file: Json | None, kind: MediaKind, mime: str | None, spoiler: bool) -> Attachment | None:
    ref = word(file or {}, "file_id")
    if file is None or not ref:
        return None
    return Attachment(
        kind=kind,
        origin=TELEGRAM,
        ref=ref,
        mime=word(file, "mime_type") or (_sticker_mime(file) if kind is MediaKind.STICKER else mime),
        size=integer(file, "file_size"),
        name=word(file, "file_name"),
        duration=integer(file, "duration"),
        spoiler=spoiler,
    )


def _sticker_mime(sticker: Json) -> str:
    if sticker.get("is_animated") is True:
        return "application/x-tgsticker"
    return "video/webm" if sticker.get("is_video") is True else "image/webp"


def _extra(message: Json) -> Extra | None:
    """A place, a card, or a stub; None for a service line."""
    if (venue := obj(message, "venue")) is not None:
        return _venue(venue)
    if (location := obj(message, "location")) is not None:
        return _place(location) or Stub("location")
    if (contact := obj(message, "contact")) is not None:
        return _card(contact)
    for kind, detail in _STUBS.items():
        if kind in message:
            value = message[kind]
            return Stub(kind, detail(value if isinstance(value, dict) else {})[:DETAIL_LIMIT])
    if any(kind in message for kind in _SERVICE):
        return None
    return Stub(next((key for key in message if key not in _FRAME), "unknown")[:64])


def _place(location: Json, name: str = "", address: str = "") -> Place | None:
    latitude, longitude = real(location, "latitude"), real(location, "longitude")
    if latitude is None or longitude is None:
        return None
    return Place(latitude, longitude, name, address)


def _venue(venue: Json) -> Extra:
    title, address = word(venue, "title") or "", word(venue, "address") or ""
    return _place(obj(venue, "location") or {}, title, address) or Stub("venue", f"{title} {address}".strip())


def _card(contact: Json) -> Card:
    phone = word(contact, "phone_number")
    name = " ".join(filter(None, (word(contact, "first_name"), word(contact, "last_name"))))
    more = read_card(word(contact, "vcard") or "")
    phones = dict.fromkeys(([phone] if phone else []) + list(more.phones))
    return Card(name or more.name, tuple(_distinct(phones)), more.emails, more.organization)


def _distinct(phones: Mapping[str, None]) -> list[str]:
    """The vCard usually repeats the main number in another spelling."""
    seen: dict[str, str] = {}
    for phone in phones:
        seen.setdefault("".join(filter(str.isdigit, phone)) or phone, phone)
    return list(seen.values())


def _reply_to(message: Json) -> int | None:
    """The message answered to, in the same chat. The head of a topic is no answer, only its implicit anchor."""
    if (reply := obj(message, "reply_to_message")) is not None:
        reply_id = integer(reply, "message_id")
        in_topic = message.get("is_topic_message") is True
        is_head = "forum_topic_created" in reply or (in_topic and reply_id == message.get("message_thread_id"))
        return None if is_head else reply_id
    external = obj(message, "external_reply") or {}
    here, there = obj(message, "chat") or {}, obj(external, "chat") or {}
    same_chat = integer(here, "id") is not None and integer(here, "id") == integer(there, "id")
    return integer(external, "message_id") if same_chat else None


def _joined(*values: object) -> str:
    return " ".join(str(v) for v in values if isinstance(v, str | int) and not isinstance(v, bool))


def _checklist(checklist: Json) -> str:
    tasks = "; ".join(filter(None, (word(task, "text") for task in objects(checklist, "tasks"))))
    title = word(checklist, "title") or ""
    return f"{title}: {tasks}" if tasks else title


def _story(story: Json) -> str:
    chat = obj(story, "chat") or {}
    return word(chat, "title") or word(chat, "first_name") or word(chat, "username") or ""


def _giveaway(giveaway: Json) -> str:
    return word(giveaway, "prize_description") or _joined(integer(giveaway, "winner_count"))


def _field(key: str) -> Callable[[Json], str]:
    return lambda value: word(value, key) or ""


def _nothing(_: Json) -> str:
    return ""


_STUBS: dict[str, Callable[[Json], str]] = {
    "rich_message": _nothing,  # its words are the message's text
    "poll": _field("question"),
    "dice": lambda dice: _joined(word(dice, "emoji"), integer(dice, "value")),
    "checklist": _checklist,
    "story": _story,
    "paid_media": lambda media: _joined(integer(media, "star_count")),
    "invoice": _field("title"),
    "game": _field("title"),
    "gift": _field("text"),
    "unique_gift": _field("text"),
    "gift_upgrade_sent": _field("text"),
    "giveaway": _giveaway,
    "giveaway_winners": _giveaway,
    "successful_payment": _nothing,
    "refunded_payment": _nothing,
    "passport_data": _nothing,
    "users_shared": _nothing,
    "user_shared": _nothing,
    "chat_shared": _nothing,
    "web_app_data": _field("button_text"),
    # A medium comes here only when its file is not named: it is still said what it was.
    "live_photo": _nothing,
    "animation": _nothing,
    "photo": _nothing,
    "video": _nothing,
    "audio": _field("title"),
    "voice": _nothing,
    "video_note": _nothing,
    "sticker": _field("emoji"),
    "document": _field("file_name"),
    "venue": _nothing,
    "location": _nothing,
    "contact": _nothing,
}

_SERVICE = frozenset(
    """
    new_chat_members left_chat_member chat_owner_left chat_owner_changed new_chat_title new_chat_photo
    delete_chat_photo group_chat_created supergroup_chat_created channel_chat_created
    message_auto_delete_timer_changed migrate_to_chat_id migrate_from_chat_id pinned_message connected_website
    write_access_allowed proximity_alert_triggered boost_added chat_background_set checklist_tasks_done
    checklist_tasks_added direct_message_price_changed forum_topic_created forum_topic_edited forum_topic_closed
    forum_topic_reopened general_forum_topic_hidden general_forum_topic_unhidden giveaway_created
    giveaway_completed managed_bot_created paid_message_price_changed poll_option_added poll_option_deleted
    suggested_post_approved suggested_post_approval_failed suggested_post_declined suggested_post_paid
    suggested_post_refunded video_chat_scheduled video_chat_started video_chat_ended
    video_chat_participants_invited community_chat_added community_chat_removed community_chat_joined
    """.split()
)

_FRAME = frozenset(
    """
    message_id message_thread_id direct_messages_topic from sender_chat sender_boost_count sender_business_bot
    sender_tag date guest_query_id business_connection_id chat forward_origin is_topic_message
    is_automatic_forward reply_to_message external_reply quote reply_to_story reply_to_checklist_task_id
    reply_to_poll_option_id via_bot guest_bot_caller_user guest_bot_caller_chat edit_date has_protected_content
    is_from_offline is_paid_post media_group_id author_signature paid_star_count entities link_preview_options
    suggested_post_info effect_id caption caption_entities show_caption_above_media has_media_spoiler
    reply_markup receiver_user ephemeral_message_id forward_date forward_from forward_from_chat
    forward_from_message_id forward_signature forward_sender_name
    """.split()
)
"""Fields that every kind of message may have. The first one that is not among them names an unknown kind."""

"""An Outgoing to the body of a call. Pure.

The delivery's token always travels as `biz_opaque_callback_data`: statuses give it back, which settles a send whose
answer was lost.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from gates.whatsapp import markup
from gates.whatsapp.abilities import ABILITIES
from gates.whatsapp.people import BSUID_ROUTE, digits, is_bsuid
from inbox.errors import Refused
from inbox.gate import Outgoing
from inbox.model import Attachment, Card, ExternalId, MediaKind, Place, Text

NAME_LIMIT = 240
_LINK = re.compile(r"https?://\S", re.IGNORECASE)
_ENDING = re.compile(r"[A-Za-z0-9]{1,8}")
_TYPES = {
    MediaKind.PHOTO: "image",
    MediaKind.VIDEO: "video",
    MediaKind.VIDEO_NOTE: "video",
    MediaKind.ANIMATION: "video",
    MediaKind.AUDIO: "audio",
    MediaKind.VOICE: "audio",
    MediaKind.DOCUMENT: "document",
    MediaKind.STICKER: "sticker",
}
_USUAL = {
    MediaKind.PHOTO: "image/jpeg",
    MediaKind.VIDEO: "video/mp4",
    MediaKind.VIDEO_NOTE: "video/mp4",
    MediaKind.ANIMATION: "video/mp4",
    MediaKind.AUDIO: "audio/mpeg",
    MediaKind.VOICE: "audio/ogg",
    MediaKind.DOCUMENT: "application/octet-stream",
    MediaKind.STICKER: "image/webp",
}
_ENDINGS = {
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/gif": ".gif",
    "image/webp": ".webp",
    "video/mp4": ".mp4",
    "video/3gpp": ".3gp",
    "video/webm": ".webm",
    "audio/ogg": ".ogg",
    "audio/mpeg": ".mp3",
    "audio/mp4": ".m4a",
    "audio/aac": ".aac",
    "audio/amr": ".amr",
    "application/pdf": ".pdf",
    "application/x-tgsticker": ".tgs",
}


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as WhatsApp gets it. kind: what it goes as; `mime` without parameters; name: what the client sees."""

    kind: MediaKind
    mime: str
    name: str

    @property
    def part_name(self) -> str:
        """The name inside the form, which nobody sees. Plain letters need no quoting, which is read in several ways."""
        _, dot, ending = self.name.rpartition(".")
        return f"file.{ending.lower()}" if dot and _ENDING.fullmatch(ending) else _nameless(self.mime)


def upload(attachment: Attachment) -> Upload:
    """Decide what a file goes as: its own kind, or a document where type or size do not fit that.

    Raises Refused("too_big").
    """
    mime = (attachment.mime or _USUAL[attachment.kind]).split(";", 1)[0].strip().lower()
    kind = attachment.kind if _fits(attachment, mime) else MediaKind.DOCUMENT
    if attachment.size is not None and attachment.size > ABILITIES.media[MediaKind.DOCUMENT].max_bytes:
        raise Refused("too_big")
    return Upload(kind, mime, (attachment.name or _nameless(mime))[-NAME_LIMIT:])


def _nameless(mime: str) -> str:
    return f"file{_ENDINGS.get(mime, '')}"


def _fits(attachment: Attachment, mime: str) -> bool:
    rule = ABILITIES.media[attachment.kind]
    return (not rule.mimes or mime in rule.mimes) and (attachment.size or 0) <= rule.max_bytes


def message(out: Outgoing, uploaded: tuple[Upload, str] | None = None) -> dict[str, Any]:
    """Make the body of POST /messages. `uploaded`: the file of out.attachments[0] and its media id.

    Raises Refused("kind") for what WhatsApp has no message for.
    """
    body = _envelope(out)
    if out.reply_to:
        body["context"] = {"message_id": out.reply_to}
    kind, content = _content(out, uploaded)
    return {**body, "type": kind, kind: content}


def reaction(out: Outgoing, external_id: ExternalId, emoji: str | None) -> dict[str, Any]:
    """Make the body that sets a reaction; None takes it back."""
    return {
        **_envelope(out),
        "type": "reaction",
        "reaction": {"message_id": external_id, "emoji": emoji or ""},
    }


def _envelope(out: Outgoing) -> dict[str, Any]:
    """With a number and a business-scoped id the number wins, as it does at WhatsApp."""
    route = out.route or out.to.user
    user_id = route.removeprefix(BSUID_ROUTE)
    to = {"recipient": user_id} if route.startswith(BSUID_ROUTE) or is_bsuid(user_id) else {"to": route}
    return {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        **to,
        "biz_opaque_callback_data": out.token,
    }


def _content(out: Outgoing, uploaded: tuple[Upload, str] | None) -> tuple[str, Any]:
    if len(out.attachments) > 1 or (out.extra is not None and (out.attachments or out.text.plain)):
        raise Refused("kind")
    if uploaded is not None:
        return _media(out, *uploaded)
    if isinstance(out.extra, Place):
        return "location", _place(out.extra)
    if isinstance(out.extra, Card):
        return "contacts", [_card(out.extra)]
    if out.extra is not None or not out.text.plain.strip():
        raise Refused("kind")
    words = _words(out.text, ABILITIES.text_limit)
    return "text", {"preview_url": _LINK.search(words) is not None, "body": words}


def _words(text: Text, limit: int) -> str:
    """With marks; without them where only they make it too long: the words matter more."""
    marked = markup.to_whatsapp(text)
    return marked if len(marked) <= limit else markup.without_marks(text)


def _media(out: Outgoing, file: Upload, media_id: str) -> tuple[str, dict[str, Any]]:
    kind = _TYPES[file.kind]
    content: dict[str, Any] = {"id": media_id}
    caption = ABILITIES.media[file.kind].caption
    if out.text.plain.strip() and not caption:
        raise Refused("kind")
    if file.kind is MediaKind.VOICE:
        content["voice"] = True
    if file.kind is MediaKind.DOCUMENT:
        content["filename"] = file.name
    if out.text.plain.strip():
        content["caption"] = _words(out.text, caption)
    return kind, content


def _place(place: Place) -> dict[str, Any]:
    names = {"name": place.name, "address": place.address}
    return {
        "latitude": place.latitude,
        "longitude": place.longitude,
        **{key: value for key, value in names.items() if value},
    }


def _card(card: Card) -> dict[str, Any]:
    shown = card.name or card.organization or next(iter(card.phones), "")
    if not shown:
        raise Refused("kind")
    content: dict[str, Any] = {
        "name": {"formatted_name": shown, "first_name": shown.split()[0] if shown.split() else shown},
        "phones": [_phone(phone) for phone in card.phones],
        "emails": [{"email": email, "type": "WORK"} for email in card.emails],
        "org": {"company": card.organization} if card.organization else None,
    }
    return {key: value for key, value in content.items() if value}


def _phone(phone: str) -> dict[str, str]:
    """`wa_id` gives the card its button to write; a number that is not on WhatsApp shows one to invite instead."""
    number = digits(phone)
    return {"phone": phone, "type": "WORK", **({"wa_id": number} if number else {})}

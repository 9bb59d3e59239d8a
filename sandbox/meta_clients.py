"""Clients of the fake WhatsApp: their phones, the conversation on each, and the webhooks that their deeds cause."""

from __future__ import annotations

import uuid
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sandbox.meta_errors import hook_error
from sandbox.meta_hooks import WebhookSender
from sandbox.meta_media import Media, Shelf

WINDOW_SECONDS = 24 * 3600
TYPING_SECONDS = 25
PROGRESS = ("sent", "delivered", "read", "played")
MEDIA_KINDS = ("image", "video", "audio", "voice", "document", "sticker")
CAPTIONED = {"image", "video", "document"}
NO_WINDOW = {"edit", "revoke", "system"}  # these do not open the 24-hour window

_PIXEL = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89"
    b"\x00\x00\x00\rIDATx\xdac\xf8\xff\xff?\x00\x05\xfe\x02\xfe\xa75\x81\x84\x00\x00\x00\x00IEND\xaeB`\x82"
)
_SAMPLES: dict[str, tuple[bytes, str]] = {
    "image": (_PIXEL, "image/png"),
    "video": (b"\x00\x00\x00\x18ftypmp42 sample", "video/mp4"),
    "audio": (b"ID3 sample", "audio/mpeg"),
    "voice": (b"OggS sample OpusHead", "audio/ogg; codecs=opus"),
    "document": (b"%PDF-1.4 sample", "application/pdf"),
    "sticker": (b"RIFF\x00\x00\x00\x00WEBPVP8 sample", "image/webp"),
}


@dataclass(eq=False, slots=True)
class Phone:
    """A client. `hides_number`: webhooks name only the user id (and the username)."""

    number: str
    name: str
    user_id: str
    username: str | None = None
    hides_number: bool = False
    reads: bool = False  # opens each message at once
    on_whatsapp: bool = True
    last_wrote: float | None = None
    typing_until: float = 0.0  # the business is seen typing
    bubbles: list[Bubble] = field(default_factory=list)

    def contact(self) -> dict[str, Any]:
        profile = {"name": self.name} | ({"username": self.username} if self.username else {})
        known = {} if self.hides_number else {"wa_id": self.number}
        return {"profile": profile, **known, "user_id": self.user_id}


@dataclass(eq=False, slots=True)
class Bubble:
    """One message of a conversation. `raw` is the webhook's message, or the body of the send."""

    id: str
    phone: Phone
    sender: str  # "client" or "business"
    kind: str
    text: str
    at: float
    raw: Mapping[str, Any]
    media: dict[str, Any] | None = None
    reply_to: str | None = None
    status: str = "sent"
    reactions: dict[str, str] = field(default_factory=dict)
    by_user_id: bool = False  # sent to the user id, not to the number
    tag: str | None = None  # biz_opaque_callback_data
    pricing: dict[str, Any] | None = None
    choices: dict[str, dict[str, Any]] = field(default_factory=dict)  # what a tap on this title sends back

    def shown(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "from": self.sender,
            "kind": self.kind,
            "text": self.text,
            "media": self.media,
            "reply_to": self.reply_to,
            "reactions": dict(self.reactions),
            "at": self.at,
            "status": self.status,
        }


@dataclass(eq=False, kw_only=True)
class WhatsAppClients(WebhookSender):
    phone_number_id: str
    waba_id: str
    display_phone: str
    shelf: Shelf = field(init=False)
    phones: dict[str, Phone] = field(default_factory=dict)
    bubbles: dict[str, Bubble] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.shelf = Shelf(self.world)

    def add_phone(
        self,
        number: str,
        name: str,
        *,
        user_id: str | None = None,
        username: str | None = None,
        hides_number: bool = False,
        reads: bool = False,
    ) -> Phone:
        digits = number.lstrip("+")
        phone = Phone(digits, name, user_id or f"US.77{digits}", username, hides_number, reads)
        self.phones[digits] = phone
        self.world.touch()
        return phone

    def phone(self, number_or_user_id: str) -> Phone:
        found = self.find_phone(number_or_user_id)
        if found is None:
            raise LookupError(f"no phone {number_or_user_id}")
        return found

    def find_phone(self, number_or_user_id: str) -> Phone | None:
        by_number = self.phones.get(number_or_user_id.lstrip("+"))
        return by_number or next((p for p in self.phones.values() if p.user_id == number_or_user_id), None)

    def messages(self, number_or_user_id: str) -> list[dict[str, Any]]:
        """The conversation as the client's phone shows it. What failed never got there (see `message`)."""
        bubbles = self.phone(number_or_user_id).bubbles
        return [b.shown() for b in bubbles if b.status != "failed" and b.kind != "reaction"]

    def message(self, wamid: str) -> dict[str, Any]:
        """Any message, also a reaction or one that failed."""
        return self.bubbles[wamid].shown()

    def media(self, media_id: str) -> tuple[bytes, str]:
        found = self.shelf.get(media_id)
        if found is None:
            raise LookupError(f"no media {media_id}")
        return found.content, found.mime

    def writes(
        self,
        number_or_user_id: str,
        text: str = "",
        *,
        kind: str = "text",
        reply_to: str | None = None,
        file: bytes | None = None,
        mime: str | None = None,
        file_name: str | None = None,
        caption: str | None = None,
        extra: Mapping[str, Any] | None = None,
        timestamp: float | None = None,
        wamid: str | None = None,
    ) -> str:
        """The client does something in the chat; the signed webhook follows.

        `text` is the emoji of a reaction ("" takes it away), the title of a tapped button or list row, the new
        text of an edit, the new number of a "system" change ("" changes only the user id), the name of a
        location or contact, what an unsupported message is. `reply_to` is the target of a reaction, edit, revoke
        or tap. `extra` is merged into the message; inside an object of the same key, too; None drops a key.
        """
        phone = self.phone(number_or_user_id)
        at = self.world.now() if timestamp is None else timestamp
        wamid = wamid or new_wamid(phone.number, inbound=True)
        message: dict[str, Any] = {"id": wamid, "timestamp": str(int(at))}
        if not phone.hides_number and (kind != "system" or text):
            message["from"] = phone.number
        if kind == "system":
            contacts = []
            message |= self._changed_identity(phone, text)
        else:
            contacts = [phone.contact()]
            message["from_user_id"] = phone.user_id
            quoted = self.bubbles.get(reply_to or "")
            if quoted is not None and kind not in {"reaction", "edit", "revoke"}:
                author = self.display_phone if quoted.sender == "business" else phone.number
                message["context"] = {"from": author, "id": quoted.id}
            kept = self._keep_media(kind, file, mime, file_name)
            message |= self._content(kind, text, reply_to, kept, caption)
        message = merged(message, extra or {})
        shown_media = _media_view(message)
        bubble = Bubble(wamid, phone, "client", kind, caption or text, at, message, shown_media, reply_to)
        self._apply(bubble)
        if kind not in NO_WINDOW:
            phone.last_wrote = max(at, phone.last_wrote or 0.0)
        self._post_value("messages", contacts, "messages", [message])
        return wamid

    def echo(
        self,
        number_or_user_id: str,
        text: str = "",
        *,
        kind: str = "text",
        reply_to: str | None = None,
        file: bytes | None = None,
        mime: str | None = None,
        file_name: str | None = None,
        caption: str | None = None,
        timestamp: float | None = None,
    ) -> str:
        """The consultant writes from the WhatsApp Business app on the phone (Coexistence)."""
        phone = self.phone(number_or_user_id)
        at = self.world.now() if timestamp is None else timestamp
        wamid = new_wamid(phone.number, inbound=False)
        to = {} if phone.hides_number else {"to": phone.number}
        message = {"from": self.display_phone, **to, "to_user_id": phone.user_id}
        message |= {"id": wamid, "timestamp": str(int(at))}
        message |= self._content(kind, text, reply_to, self._keep_media(kind, file, mime, file_name), caption)
        shown_media = _media_view(message)
        self._apply(Bubble(wamid, phone, "business", kind, caption or text, at, message, shown_media, reply_to))
        self._post_value("smb_message_echoes", [phone.contact()], "message_echoes", [message])
        return wamid

    def phone_reads(self, number_or_user_id: str) -> None:
        """The client opens the chat: read statuses of all that is there."""
        for bubble in self.phone(number_or_user_id).bubbles:
            if bubble.sender == "business" and bubble.status in {"sent", "delivered"}:
                self.status(bubble.id, "read")

    def phone_plays(self, number_or_user_id: str) -> None:
        """The client listens to all voice messages."""
        for bubble in self.phone(number_or_user_id).bubbles:
            if bubble.sender == "business" and bubble.kind == "voice" and bubble.status in PROGRESS[:-1]:
                self.status(bubble.id, "played")

    def status(
        self,
        wamid: str,
        state: str,
        *,
        errors: Sequence[int | Mapping[str, Any]] | None = None,
        timestamp: float | None = None,
    ) -> None:
        """A status webhook. `errors`: codes, or whole error objects; a failed one is 131026 if not told."""
        bubble = self.bubbles[wamid]
        at = self.world.now() if timestamp is None else timestamp
        failed = state == "failed"
        value: dict[str, Any] = {"id": wamid, "status": state, "timestamp": str(int(at))}
        if not (bubble.by_user_id and bubble.phone.hides_number):
            value["recipient_id"] = bubble.phone.number
        if bubble.by_user_id or not failed:
            value["recipient_user_id"] = bubble.phone.user_id
        if bubble.pricing is not None and state in {"sent", "delivered"}:
            value["pricing"] = bubble.pricing
        if bubble.tag is not None:
            value["biz_opaque_callback_data"] = bubble.tag
        if errors is None and failed:
            errors = [131026]
        if errors:
            value["errors"] = [hook_error(e) if isinstance(e, int) else dict(e) for e in errors]
        if bubble.status != "failed" and (failed or _rank(state) > _rank(bubble.status)):
            bubble.status = state
        contacts = [] if failed else [bubble.phone.contact()]
        self._post_value("messages", contacts, "statuses", [value])

    def keep(self, bubble: Bubble) -> None:
        self.bubbles[bubble.id] = bubble
        bubble.phone.bubbles.append(bubble)
        self.world.touch()

    def react(self, target_id: str | None, side: str, emoji: str) -> None:
        target = self.bubbles.get(target_id or "")
        if target is None:
            return
        if emoji:
            target.reactions[side] = emoji
        else:
            target.reactions.pop(side, None)
        self.world.touch()

    def _apply(self, bubble: Bubble) -> None:
        """What the deed does to the conversation on the phone."""
        target = self.bubbles.get(bubble.reply_to or "")
        if bubble.kind == "reaction":
            self.react(bubble.reply_to, bubble.sender, bubble.text)
        elif bubble.kind == "edit" and target is not None:
            target.text = bubble.text
        elif bubble.kind == "revoke" and target is not None:
            target.kind, target.text, target.media = "revoked", "", None
        if bubble.kind not in {"reaction", "edit", "revoke", "system"}:
            self.keep(bubble)

    def _keep_media(self, kind: str, file: bytes | None, mime: str | None, name: str | None) -> Media | None:
        if kind not in MEDIA_KINDS:
            return None
        sample, usual = _SAMPLES[kind]
        content = sample if file is None else file
        return self.shelf.put(content, mime or usual, uploaded=False, name=name)

    def _content(
        self, kind: str, text: str, target: str | None, media: Media | None, caption: str | None
    ) -> dict[str, Any]:
        """`type` and the object of that name, as the documented examples have them."""
        if media is not None:
            return media_content(kind, media, caption or text)
        if kind == "edit":
            return {"type": "edit", "edit": self._edited(target, text)}
        if kind == "revoke":
            return {"type": "revoke", "revoke": {"original_message_id": target}}
        if kind == "interactive":
            quoted = self.bubbles.get(target or "")
            usual = {"type": "button_reply", "button_reply": {"id": text, "title": text}}
            return {"type": kind, kind: quoted.choices.get(text, usual) if quoted else usual}
        if kind == "button":
            quoted = self.bubbles.get(target or "")
            usual = {"payload": text, "text": text}
            return {"type": kind, kind: quoted.choices.get(text, usual) if quoted else usual}
        return plain_content(kind, text, target)

    def _edited(self, target: str | None, text: str) -> dict[str, Any]:
        original = self.bubbles.get(target or "")
        content: dict[str, Any] = {"type": "text", "text": {"body": text}}
        if original is not None and original.media is not None:
            kind = original.raw["type"]
            content = {"type": kind, kind: {**original.raw[kind], "caption": text}}
        return {"original_message_id": target, "message": {"context": {"id": "M0"}, **content}}

    def _changed_identity(self, phone: Phone, new_number: str) -> dict[str, Any]:
        """The number (and with it the user id) changes, or the user id alone."""
        old_number, old_id = phone.number, phone.user_id
        phone.user_id = f"{old_id[:2]}.{uuid.uuid4().int % 10**19}"
        ids = {"user_id": phone.user_id, "previous_user_id": old_id}
        if not new_number:
            said = {"body": f"User {phone.name} changed their user id", **ids, "type": "user_changed_user_id"}
            return {"type": "system", "system": said}
        phone.number = new_number.lstrip("+")
        self.phones[phone.number] = self.phones.pop(old_number)
        body = f"User {phone.name} changed from {old_number} to {phone.number}"
        said = {"body": body, "wa_id": phone.number, **ids, "type": "user_changed_number"}
        return {"type": "system", "system": said}

    def _post_value(self, on: str, contacts: list[dict[str, Any]], key: str, items: list[dict[str, Any]]) -> None:
        metadata = {"display_phone_number": self.display_phone, "phone_number_id": self.phone_number_id}
        value: dict[str, Any] = {"messaging_product": "whatsapp", "metadata": metadata}
        if contacts:
            value["contacts"] = contacts
        value[key] = items
        change = {"value": value, "field": on}
        entry = {"id": self.waba_id, "changes": [change]}
        self.post({"object": "whatsapp_business_account", "entry": [entry]})


def new_wamid(number: str, *, inbound: bool) -> str:
    """Shaped like the real ones (base64 of the number and a hex id); unique across runs."""
    digits = number.encode()[:60]
    direction = b"\x12" if inbound else b"\x11"
    tail = b"\x15\x02\x00" + direction + b"\x18\x14" + b"3A" + uuid.uuid4().hex[:18].upper().encode() + b"\x00"
    return "wamid." + b64encode(b"\x1c\x18" + bytes([len(digits)]) + digits + tail).decode()


def merged(message: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """`extra` over `message`: objects are merged, None drops the key."""
    result = dict(message)
    for key, value in extra.items():
        ours = result.get(key)
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(ours, Mapping):
            result[key] = merged(ours, value)
        else:
            result[key] = value
    return result


def media_content(kind: str, media: Media, caption: str | None) -> dict[str, Any]:
    name = "audio" if kind == "voice" else kind
    content: dict[str, Any] = {}
    if caption and kind in CAPTIONED:
        content["caption"] = caption
    if kind == "document":
        content["filename"] = media.name or "file"
    content |= {"mime_type": media.mime, "sha256": media.sha256_base64, "id": media.id}
    if name == "audio":
        content["voice"] = kind == "voice"
    if kind == "sticker":
        content["animated"] = media.animated
    return {"type": name, name: content}


def plain_content(kind: str, text: str, target: str | None) -> dict[str, Any]:
    if kind == "text":
        return {"type": kind, kind: {"body": text}}
    if kind == "location":
        named = {"name": text} if text else {}
        return {"type": kind, kind: {"latitude": 41.7151, "longitude": 44.8271, **named}}
    if kind == "contacts":
        name = {"first_name": text or "Sample", "formatted_name": text or "Sample"}
        phones = [{"phone": "+1 202-555-0177", "wa_id": "12025550177", "type": "MOBILE"}]
        return {"type": kind, kind: [{"name": name, "phones": phones}]}
    if kind == "reaction":
        return {"type": kind, kind: {"message_id": target, "emoji": text}}
    if kind == "order":
        item = {
            "product_retailer_id": "consult-40",
            "quantity": 1,
            "item_price": 50,
            "currency": "USD",
        }
        return {
            "type": kind,
            kind: {"catalog_id": "500600700800", "text": text, "product_items": [item]},
        }
    if kind == "unsupported":
        what = {"unsupported": {"type": text}} if text else {}
        error = hook_error(131051)
        del error["href"]
        return {"type": kind, **what, "errors": [error]}
    return {"type": kind, kind: {"body": text}}


def _media_view(message: Mapping[str, Any]) -> dict[str, Any] | None:
    kind = message["type"]
    content = message.get(kind)
    if kind not in MEDIA_KINDS or not isinstance(content, Mapping):
        return None
    names = {"id": "id", "mime_type": "mime", "filename": "name", "voice": "voice"}
    return {ours: content[theirs] for theirs, ours in names.items() if theirs in content}


def _rank(state: str) -> int:
    return PROGRESS.index(state) if state in PROGRESS else -1

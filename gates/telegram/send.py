"""What is to be sent, as a call of the Bot API (pure), and the call. Importing this module imports aiogram."""

from __future__ import annotations

import mimetypes
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from aiogram import Bot
from aiogram.methods import (
    DeleteBusinessMessages,
    DeleteMessage,
    EditMessageCaption,
    EditMessageText,
    SendAnimation,
    SendAudio,
    SendContact,
    SendDocument,
    SendLocation,
    SendMediaGroup,
    SendMessage,
    SendPhoto,
    SendSticker,
    SendVenue,
    SendVideo,
    SendVideoNote,
    SendVoice,
    SetMessageReaction,
    TelegramMethod,
)
from aiogram.types import (
    FSInputFile,
    InputFile,
    InputMediaAudio,
    InputMediaDocument,
    InputMediaPhoto,
    InputMediaVideo,
    Message,
    MessageEntity,
    ReactionTypeEmoji,
    ReplyParameters,
)

from gates.telegram.abilities import QUOTE_LIMIT, REACTIONS
from gates.telegram.api import call
from gates.telegram.entities import to_entities, utf16_len
from gates.telegram.errors import QUOTE_INVALID
from gates.telegram.names import BUSINESS, TELEGRAM, external_id
from gates.telegram.vcard import write_card
from inbox.blobs import Blobs
from inbox.errors import Refused
from inbox.gate import Outgoing, Receipt
from inbox.model import Attachment, Card, ExternalId, MediaKind, Place, Text

File: TypeAlias = str | InputFile
FileOf: TypeAlias = Callable[[Attachment], File]
Common: TypeAlias = dict[str, Any]

SEND_TIMEOUT = 30.0
UPLOAD_TIMEOUT = 150.0
"""Seconds for 50 MB over a slow line."""

_SENDERS: dict[MediaKind, tuple[Callable[..., TelegramMethod[Message]], str]] = {
    MediaKind.PHOTO: (SendPhoto, "photo"),
    MediaKind.VIDEO: (SendVideo, "video"),
    MediaKind.VIDEO_NOTE: (SendVideoNote, "video_note"),
    MediaKind.ANIMATION: (SendAnimation, "animation"),
    MediaKind.AUDIO: (SendAudio, "audio"),
    MediaKind.VOICE: (SendVoice, "voice"),
    MediaKind.DOCUMENT: (SendDocument, "document"),
    MediaKind.STICKER: (SendSticker, "sticker"),
}
_NO_CAPTION = frozenset({MediaKind.VIDEO_NOTE, MediaKind.STICKER})
_WITH_SPOILER = frozenset({MediaKind.PHOTO, MediaKind.VIDEO, MediaKind.ANIMATION})
_WITH_DURATION = frozenset(
    {MediaKind.VIDEO, MediaKind.VIDEO_NOTE, MediaKind.ANIMATION, MediaKind.AUDIO, MediaKind.VOICE}
)

AlbumItem: TypeAlias = InputMediaPhoto | InputMediaVideo | InputMediaAudio | InputMediaDocument

_ALBUM_ITEMS: dict[MediaKind, Callable[..., AlbumItem]] = {
    MediaKind.PHOTO: InputMediaPhoto,
    MediaKind.VIDEO: InputMediaVideo,
    MediaKind.AUDIO: InputMediaAudio,
    MediaKind.DOCUMENT: InputMediaDocument,
}
_ALBUM_SETS = (
    frozenset({MediaKind.PHOTO, MediaKind.VIDEO}),
    frozenset({MediaKind.AUDIO}),
    frozenset({MediaKind.DOCUMENT}),
)


class Sender:
    """The gate's calls. Each is one request, except a quote that Telegram does not find: once more without it."""

    def __init__(self, bot: Bot, blobs: Blobs) -> None:
        self._bot = bot
        self._blobs = blobs

    async def send(self, out: Outgoing) -> Receipt:
        try:
            return await self._send(out)
        except Refused as error:
            if error.code != QUOTE_INVALID or out.quote is None:
                raise
        receipt = await self._send(replace(out, quote=None))
        return replace(receipt, note="quote_lost")

    async def _send(self, out: Outgoing) -> Receipt:
        sources = [self.file(attachment) for attachment in out.attachments]
        uploads = any(not isinstance(source, str) for source in sources)
        method = request(out, sources)
        result: Message | list[Message] = await call(self._bot, method, UPLOAD_TIMEOUT if uploads else SEND_TIMEOUT)
        messages = result if isinstance(result, list) else [result]
        ids = tuple(external_id(out.to.user, message.message_id) for message in messages)
        return Receipt(ids, messages[0].date)

    async def edit(self, to: Outgoing, message: ExternalId) -> None:
        try:
            await call(self._bot, edit_request(to, message))
        except Refused as error:
            if error.reason != "unchanged":
                raise

    async def delete(self, to: Outgoing, message: ExternalId) -> None:
        await call(self._bot, delete_request(to, message))

    async def react(self, to: Outgoing, message: ExternalId, emoji: str | None) -> None:
        await call(self._bot, reaction_request(to, message, emoji))

    def file(self, attachment: Attachment) -> File:
        """A file id of this bot as it is, else an upload of the stored bytes."""
        if attachment.origin in (TELEGRAM, BUSINESS) and attachment.ref:
            return attachment.ref
        if attachment.sha256 is None or not (path := self._blobs.path(attachment.sha256)).is_file():
            raise Refused("bad_media", detail="no bytes")
        return FSInputFile(path, filename=file_name(attachment))


def request(out: Outgoing, files: Sequence[File]) -> TelegramMethod[Any]:
    """The one call that sends `out`. files: the source of each attachment, in order. Raises Refused."""
    common = _address(out)
    if (reply := reply_parameters(out)) is not None:
        common["reply_parameters"] = reply
    if len(files) > 1:
        return _album(out, files, common)
    if files:
        return _medium(out, out.attachments[0], files[0], common)
    if isinstance(out.extra, Place):
        _without_text(out)
        return _place(out.extra, common)
    if isinstance(out.extra, Card):
        _without_text(out)
        return _card(out.extra, common)
    if out.extra is not None:
        raise Refused("kind", code=out.extra.kind)
    return _message(out.text, common)


def edit_request(to: Outgoing, message: ExternalId) -> TelegramMethod[Any]:
    """Text of a text message, caption of a medium: which one, `to.attachments` tells."""
    target = _address(to) | {"message_id": _message_id(to, message)}
    if not to.attachments:
        return EditMessageText(text=to.text.plain, entities=_entities(to.text), parse_mode=None, **target)
    if to.attachments[0].kind in _NO_CAPTION:
        raise Refused("unsupported", detail="no caption")
    return EditMessageCaption(caption=to.text.plain, caption_entities=_entities(to.text), parse_mode=None, **target)


def delete_request(to: Outgoing, message: ExternalId) -> TelegramMethod[bool]:
    target = _address(to)
    message_id = _message_id(to, message)
    if to.to.provider == BUSINESS:
        return DeleteBusinessMessages(business_connection_id=target["business_connection_id"], message_ids=[message_id])
    return DeleteMessage(chat_id=target["chat_id"], message_id=message_id)


def reaction_request(to: Outgoing, message: ExternalId, emoji: str | None) -> TelegramMethod[bool]:
    """A bot has one reaction per message; None takes it back.

    setMessageReaction has no business_connection_id: with a Business chat's ids it would hit another message, one of
    the bot's own chat with the same person.
    """
    if to.to.provider == BUSINESS:
        raise Refused("unsupported", detail="business reaction")
    plain = None if emoji is None else emoji.replace("\ufe0f", "")
    if plain is not None and plain not in REACTIONS:
        raise Refused("not_allowed", detail="reaction")
    reaction = [] if plain is None else [ReactionTypeEmoji(emoji=plain)]
    return SetMessageReaction(chat_id=_chat_id(to), message_id=_message_id(to, message), reaction=list(reaction))


def reply_parameters(out: Outgoing) -> ReplyParameters | None:
    """None where there is nothing to answer to, or where it stands in another chat."""
    chat, _, number = (out.reply_to or "").rpartition(":")
    if chat != out.to.user or not number.isdecimal():
        return None
    return ReplyParameters(
        message_id=int(number),
        allow_sending_without_reply=True,
        quote=cut(out.quote, QUOTE_LIMIT) if out.quote else None,
        quote_parse_mode=None,
    )


def cut(text: str, limit: int) -> str:
    """The beginning of `text` that fits into `limit` UTF-16 units; it is still a part of the quoted words."""
    if utf16_len(text) <= limit:
        return text
    kept = text[:limit]
    while utf16_len(kept) > limit:
        kept = kept[:-1]
    return kept


def file_name(attachment: Attachment) -> str:
    """A name for the upload. It stands unquoted in a multipart header, so it must not be able to leave it."""
    if attachment.name:
        clean = "".join(char if char.isprintable() and char not in '"\\/' else "_" for char in attachment.name)
        return clean[-120:]
    mime = (attachment.mime or "").partition(";")[0].strip()
    extension = {"audio/ogg": ".ogg", "audio/opus": ".ogg", "application/x-tgsticker": ".tgs"}.get(mime)
    return f"{attachment.kind.value}{extension or mimetypes.guess_extension(mime) or '.bin'}"


def _address(out: Outgoing) -> Common:
    if out.to.provider != BUSINESS:
        return {"chat_id": _chat_id(out)}
    if not out.route:
        raise Refused("window", detail="no connection")
    return {"chat_id": _chat_id(out), "business_connection_id": out.route}


def _chat_id(out: Outgoing) -> int:
    try:
        return int(out.to.user)
    except ValueError:
        raise Refused("unreachable", detail="chat id") from None


def _message_id(to: Outgoing, message: ExternalId) -> int:
    chat, _, number = message.rpartition(":")
    if chat != to.to.user or not number.isdecimal():
        raise Refused("not_found", detail="external id")
    return int(number)


def _entities(text: Text) -> list[MessageEntity] | None:
    return [MessageEntity(**entity) for entity in to_entities(text)] or None


def _caption(text: Text) -> Common:
    if not text.plain:
        return {}
    return {"caption": text.plain, "caption_entities": _entities(text), "parse_mode": None}


def _without_text(out: Outgoing) -> None:
    """Words beside what has no caption would be lost; the planner sends them apart."""
    if out.text.plain:
        raise Refused("invalid", detail="text beside")


def _message(text: Text, common: Common) -> TelegramMethod[Message]:
    if not text.plain.strip():
        raise Refused("invalid", detail="empty")
    return SendMessage(text=text.plain, entities=_entities(text), parse_mode=None, **common)


def _medium(out: Outgoing, attachment: Attachment, file: File, common: Common) -> TelegramMethod[Message]:
    if attachment.kind in _NO_CAPTION:
        _without_text(out)
    make, field = _SENDERS[attachment.kind]
    return make(**{field: file}, **common, **_caption(out.text), **_looks(attachment, file))


def _looks(attachment: Attachment, file: File) -> Common:
    looks: Common = {}
    if attachment.spoiler and attachment.kind in _WITH_SPOILER:
        looks["has_spoiler"] = True
    if attachment.duration and attachment.kind in _WITH_DURATION and not isinstance(file, str):
        looks["duration"] = attachment.duration
    return looks


def _album(out: Outgoing, files: Sequence[File], common: Common) -> TelegramMethod[list[Message]]:
    kinds = {attachment.kind for attachment in out.attachments}
    if not any(kinds <= allowed for allowed in _ALBUM_SETS):
        raise Refused("kind", code="album")
    media = [
        _ALBUM_ITEMS[attachment.kind](
            media=file, **_looks(attachment, file), **(_caption(out.text) if first else {"parse_mode": None})
        )
        for first, attachment, file in zip([True] + [False] * len(files), out.attachments, files, strict=False)
    ]
    return SendMediaGroup(media=list(media), **common)


def _place(place: Place, common: Common) -> TelegramMethod[Message]:
    if not place.name and not place.address:
        return SendLocation(latitude=place.latitude, longitude=place.longitude, **common)
    return SendVenue(
        latitude=place.latitude,
        longitude=place.longitude,
        title=place.name or place.address,
        address=place.address or place.name,
        **common,
    )


def _card(card: Card, common: Common) -> TelegramMethod[Message]:
    """A card without a number is no contact for Telegram: it goes as its words."""
    if not card.phones:
        words = [card.name, card.organization, *card.emails]
        return _message(Text("\n".join(word for word in words if word)), common)
    vcard = write_card(card) if len(card.phones) > 1 or card.emails or card.organization else None
    fits = vcard is not None and len(vcard.encode()) <= 2048
    return SendContact(
        phone_number=card.phones[0], first_name=card.name or card.phones[0], vcard=vcard if fits else None, **common
    )

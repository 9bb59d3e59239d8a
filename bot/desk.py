"""The owner's chat on Telegram: implements inbox.desk.Desk with aiogram. Importing this module imports aiogram."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any, TypeAlias

from aiogram import Bot
from aiogram.methods import (
    CreateForumTopic,
    EditForumTopic,
    EditMessageText,
    GetChat,
    GetChatMember,
    GetMe,
    PinChatMessage,
    SendAnimation,
    SendAudio,
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
    CopyTextButton,
    DisabledButton,
    FSInputFile,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputFile,
    InputMediaAudio,
    InputMediaDocument,
    InputMediaPhoto,
    InputMediaVideo,
    LinkPreviewOptions,
    Message,
    MessageEntity,
    ReactionTypeEmoji,
    ReplyParameters,
)

from bot.render import TEXT_LIMIT, UNIT, File, Piece, card_notice, client_head, network_head, plan, topic_name
from bot.say import reply_button
from bot.texts.words import Words
from gates.telegram.api import call
from gates.telegram.entities import to_entities
from gates.telegram.names import BUSINESS, TELEGRAM
from gates.telegram.send import file_name
from inbox.blobs import Blobs
from inbox.clock import Clock
from inbox.desk import How, Item, Sent, Sight
from inbox.errors import InboxError, Refused, TopicGone, Unreachable
from inbox.model import (
    EMPTY,
    Act,
    Attachment,
    Author,
    Button,
    ContactId,
    MediaKind,
    Notice,
    Place,
    Provider,
    Text,
    Topic,
)
from inbox.text import size, split
from inbox.texts import Texts

Common: TypeAlias = dict[str, Any]
AlbumItem: TypeAlias = InputMediaPhoto | InputMediaVideo | InputMediaAudio | InputMediaDocument

HEAD_ROOM = 64  # units for a time, a network's name, a sign above one text
SEND_TIMEOUT = 30.0
UPLOAD_TIMEOUT = 150.0
PHOTO_UPLOAD_LIMIT = 10 * 1024 * 1024  # bytes; bigger ones go as documents, telegram.md C.2

_NO_PREVIEW = LinkPreviewOptions(is_disabled=True)
_MAY_GO_AS_DOCUMENT = frozenset({"bad_media", "not_allowed"})  # VOICE_MESSAGES_FORBIDDEN is of the second kind
_EDIT_ANEW = frozenset({"not_found", "too_old"})
_WITH_SPOILER = frozenset({MediaKind.PHOTO, MediaKind.VIDEO, MediaKind.ANIMATION})
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
_ALBUM_ITEMS: dict[MediaKind, Callable[..., AlbumItem]] = {
    MediaKind.PHOTO: InputMediaPhoto,
    MediaKind.VIDEO: InputMediaVideo,
    MediaKind.AUDIO: InputMediaAudio,
    MediaKind.DOCUMENT: InputMediaDocument,
}
_TOPIC_COLORS = {  # of the seven that Telegram allows, telegram.md A.3
    "telegram": 7322096,
    "telegram_business": 7322096,
    "whatsapp": 9367192,
    "messenger": 13338331,
    "instagram": 16749490,
    "email": 16766590,
}


@dataclass(frozen=True, slots=True)
class Probe:
    """Which back-end the desk can have now, and what the owner should know or mend."""

    backend: str
    chat_id: int | None
    findings: tuple[Text, ...] = ()


class TelegramDesk:
    def __init__(self, bot: Bot, texts: Texts, blobs: Blobs, clock: Clock, *, language: str, zone: tzinfo) -> None:
        self._bot = bot
        self._texts = texts
        self._blobs = blobs
        self._clock = clock
        self._language = language
        self._zone = zone
        self._backend = "reply"
        self._chat_id: int | None = None
        self._networks: dict[ContactId, Provider] = {}  # of the last message shown, to head only what differs

    @property
    def backend(self) -> str:
        return self._backend

    @property
    def chat_id(self) -> int | None:
        return self._chat_id

    def set_place(self, chat_id: int | None, backend: str) -> None:
        self._chat_id = chat_id
        self._backend = backend

    def topic_name(self, sight: Sight) -> str:
        return topic_name(sight, self._words)

    def card(self, sight: Sight) -> Notice:
        return card_notice(sight, self._words)

    def cost(self, items: Sequence[Item]) -> int:
        if all(_is_brief(item) for item in items) and sum(map(_room, items)) <= TEXT_LIMIT:
            return 1  # without planning it, which is the dearest part of showing it
        return sum(piece.messages for piece in plan(items, self._words))

    async def open_topic(self, sight: Sight) -> int:
        color = next((_TOPIC_COLORS.get(i.address.provider) for i in sight.identities), None)
        method = CreateForumTopic(chat_id=self._chat, name=self.topic_name(sight), icon_color=color)
        return (await call(self._bot, method)).message_thread_id

    async def rename_topic(self, topic: Topic, name: str) -> None:
        if topic.thread_id is None:
            return
        try:
            await call(self._bot, EditForumTopic(chat_id=topic.chat_id, message_thread_id=topic.thread_id, name=name))
        except Refused as error:
            if error.reason != "unchanged":
                raise

    async def show(self, topic: Topic | None, sight: Sight, items: Sequence[Item], how: How = How.THREAD) -> Sent:
        road = _Road.of(topic, how)
        pieces, markup = self._plan(sight, items, road), None
        if road.headed:
            markup = keyboard(((reply_button(self._words, sight.contact.id),),))
        silent = not any(i.act is Act.SEND and i.message.author is Author.CLIENT for i in items)
        shown: list[tuple[int, int]] = []
        stray = False
        for number, piece in enumerate(pieces):
            common = self._common(road, piece.reply_to, silent=silent)
            if markup is not None and number == 0:
                common["reply_markup"] = markup
            try:
                messages = await self._send_found(piece, common, road)
            except InboxError as error:
                if not shown:
                    raise
                return Sent(tuple(shown), stray, cut=error)
            shown += _pairs(piece, messages)
            stray = stray or road.missed(messages)
        if items[-1].act is Act.SEND:
            self._networks[sight.contact.id] = items[-1].identity.address.provider
        return Sent(tuple(shown), stray)

    async def tell(self, topic: Topic | None, notice: Notice, standing: int | None, how: How = How.THREAD) -> Sent:
        texts = split(notice.text, TEXT_LIMIT, UNIT) or (notice.text,)
        if standing is not None and len(texts) == 1 and await self._edit(standing, notice):
            return Sent(((standing, 0),))
        road = _Road.of(topic, how) if topic is not None else _Road(None, None, headed=False)
        messages: list[Message] = []
        for number, text in enumerate(texts):
            common = self._common(road, notice.reply_to, silent=notice.silent)
            if number == len(texts) - 1 and notice.buttons:
                common["reply_markup"] = keyboard(notice.buttons)
            messages += await self._send_found(Piece((), text), common, road)
        return Sent(tuple((m.message_id, 0) for m in messages), topic is not None and road.missed(messages))

    async def pin(self, desk_message_id: int) -> None:
        method = PinChatMessage(chat_id=self._chat, message_id=desk_message_id, disable_notification=True)
        await call(self._bot, method)

    async def mark(self, chat_id: int, message_id: int, emoji: str) -> None:
        plain = emoji.replace("\ufe0f", "")
        reaction = [ReactionTypeEmoji(emoji=plain)] if plain else []
        method = SetMessageReaction(chat_id=chat_id, message_id=message_id, reaction=list(reaction))
        await call(self._bot, method)

    async def probe(self, owner_chat: int | None, forum_chat: int | None) -> Probe:
        """Look which back-end is possible: the forum first if one is set, then private topics, then replies.

        Raises what `call` raises, but for a forum chat that is unknown: that is a finding.
        """
        me = await call(self._bot, GetMe())
        findings: list[Text] = []
        if forum_chat is not None:
            problem = await self._forum_problem(forum_chat, me.id)
            if problem is None:
                return Probe("forum", forum_chat)
            findings.append(self._words.text(problem, chat=str(forum_chat)))
        if not me.has_topics_enabled:
            findings += [self._words.text("claim-topics-off"), self._words.text("claim-topics-path")]
            return Probe("reply", owner_chat, tuple(findings))
        if me.allows_users_to_create_topics:
            findings.append(self._words.text("topics-user-created"))
        return Probe("private", owner_chat, tuple(findings))

    async def _forum_problem(self, chat_id: int, bot_id: int) -> str | None:
        try:
            chat = await call(self._bot, GetChat(chat_id=chat_id))
            member = await call(self._bot, GetChatMember(chat_id=chat_id, user_id=bot_id))
        except Refused:
            return "forum-unknown"
        if not chat.is_forum:
            return "forum-not-forum"
        return None if getattr(member, "can_manage_topics", False) else "forum-no-rights"

    # -- one call -----------------------------------------------------------------------------------------------------

    def _plan(self, sight: Sight, items: Sequence[Item], road: _Road) -> tuple[Piece, ...]:
        words = self._words
        if not road.headed:
            return plan(items, words, self._network_head(sight, items[0]))
        head = client_head(sight, items[0].identity, words)
        pieces = plan(items, words, head)
        if pieces[0].messages == 1:
            return pieces
        # An album has no buttons, so its head goes in front.
        return (Piece((0,), head, reply_to=pieces[0].reply_to), *plan(items, words))

    def _network_head(self, sight: Sight, item: Item) -> Text:
        """Said only where a client has several networks and this is not the one of the message before."""
        provider = item.identity.address.provider
        several = len({i.address.provider for i in sight.identities}) > 1
        if not several or item.act is not Act.SEND or self._networks.get(sight.contact.id) == provider:
            return EMPTY
        return network_head(item.identity, item, self._words)

    async def _send_found(self, piece: Piece, common: Common, road: _Road) -> list[Message]:
        """A message that is quoted may be gone with its topic: then it goes without the quote.

        Where the reply is the way into the topic, the topic is gone.
        """
        try:
            return await self._send(piece, common)
        except Refused as error:
            if error.reason != "not_found" or "reply_parameters" not in common:
                raise
            if road.leads_by_reply:
                raise TopicGone("anchor", code=error.code) from None
        return await self._send(piece, {k: v for k, v in common.items() if k != "reply_parameters"})

    async def _send(self, piece: Piece, common: Common) -> list[Message]:
        if piece.place is not None:
            return [await call(self._bot, _place(piece.place, common))]
        if not piece.files:
            return [await call(self._bot, _message(piece.text, common))]
        if len(piece.files) == 1:
            return [await self._send_file(piece.files[0], common)]
        try:
            return await self._send_album(piece.files, common)
        except Refused as error:
            if error.reason not in _MAY_GO_AS_DOCUMENT:
                raise
        return [await self._send_file(file, common) for file in piece.files]

    async def _send_album(self, files: Sequence[File], common: Common) -> list[Message]:
        sources = [self._source(file.attachment) for file in files]
        media = [
            _ALBUM_ITEMS[file.attachment.kind](media=source, **_looks(file), **_caption(file.caption))
            for file, source in zip(files, sources, strict=True)
        ]
        return await call(self._bot, SendMediaGroup(media=list(media), **common), _timeout(sources))

    async def _send_file(self, file: File, common: Common) -> Message:
        source = self._source(file.attachment)
        try:
            return await call(self._bot, _medium(_kind(file.attachment), file, source, common), _timeout([source]))
        except Refused as error:
            # A file id keeps its kind; only what is uploaded can go as a document instead.
            if error.reason not in _MAY_GO_AS_DOCUMENT or file.attachment.sha256 is None:
                raise
        source = self._upload(file.attachment)
        return await call(self._bot, _medium(MediaKind.DOCUMENT, file, source, common), UPLOAD_TIMEOUT)

    def _source(self, attachment: Attachment) -> str | InputFile:
        if attachment.origin in (TELEGRAM, BUSINESS):
            return attachment.ref
        return self._upload(attachment)

    def _upload(self, attachment: Attachment) -> InputFile:
        if attachment.sha256 is None or not (path := self._blobs.path(attachment.sha256)).is_file():
            raise Refused("bad_media", detail="no bytes")
        return FSInputFile(path, filename=file_name(attachment))

    async def _edit(self, message_id: int, notice: Notice) -> bool:
        """False: there is nothing (any more) that can be edited."""
        method = EditMessageText(
            chat_id=self._chat,
            message_id=message_id,
            text=notice.text.plain,
            entities=_entities(notice.text),
            parse_mode=None,
            link_preview_options=_NO_PREVIEW,
            reply_markup=keyboard(notice.buttons) if notice.buttons else None,
        )
        try:
            await call(self._bot, method)
        except Refused as error:
            if error.reason == "unchanged":
                return True
            if error.reason in _EDIT_ANEW:
                return False
            raise
        return True

    def _common(self, road: _Road, reply_to: int | None, *, silent: bool) -> Common:
        common: Common = {"chat_id": self._chat, "disable_notification": silent}
        if road.thread_id is not None:
            common["message_thread_id"] = road.thread_id
        # The way into the topic must hold: without it the message would stand outside, under nobody's name.
        target = reply_to or road.anchor
        if target is not None:
            common["reply_parameters"] = ReplyParameters(
                message_id=target, allow_sending_without_reply=not road.leads_by_reply, quote_parse_mode=None
            )
        return common

    @property
    def _words(self) -> Words:
        return Words(self._texts, self._language, self._zone, self._clock.now())

    @property
    def _chat(self) -> int:
        if self._chat_id is None:
            raise Unreachable("desk")
        return self._chat_id


@dataclass(frozen=True, slots=True)
class _Road:
    """Where a call is aimed at. headed: outside topics, so it says whose it is."""

    thread_id: int | None
    anchor: int | None
    headed: bool
    topic_thread: int | None = None

    @classmethod
    def of(cls, topic: Topic | None, how: How) -> _Road:
        if topic is None:
            return cls(None, None, headed=True)
        if how is How.ANCHOR:
            if topic.anchor is None:
                raise TopicGone("anchor")
            return cls(None, topic.anchor, headed=False, topic_thread=topic.thread_id)
        if how is How.PLAIN or topic.thread_id is None:
            return cls(None, topic.anchor, headed=True)
        return cls(topic.thread_id, None, headed=False, topic_thread=topic.thread_id)

    @property
    def leads_by_reply(self) -> bool:
        """Only the reply makes the message land in the topic."""
        return self.anchor is not None and not self.headed

    def missed(self, messages: Sequence[Message]) -> bool:
        """Whether any message landed elsewhere than in the topic: Telegram does that without an error at times."""
        if self.headed:
            return False
        threads = {m.message_thread_id for m in messages}
        return None in threads if self.topic_thread is None else threads != {self.topic_thread}


def _is_brief(item: Item) -> bool:
    """Nothing but words, and no mark above them."""
    message = item.message
    bare = not message.attachments and message.extra is None and message.quote is None and message.mark is None
    return bare and item.act is Act.SEND and not item.repeat and not item.late


def _room(item: Item) -> int:
    return size(item.message.text.plain, UNIT) + HEAD_ROOM


def keyboard(rows: Sequence[Sequence[Button]]) -> InlineKeyboardMarkup:
    return InlineKeyboardMarkup(inline_keyboard=[[_button(button) for button in row] for row in rows])


def _button(button: Button) -> InlineKeyboardButton:
    if button.disabled:
        return InlineKeyboardButton(text=button.label, style=button.style, disabled=DisabledButton())
    return InlineKeyboardButton(
        text=button.label,
        style=button.style,
        callback_data=button.data,
        url=button.url,
        copy_text=CopyTextButton(text=button.copy) if button.copy else None,
    )


def _pairs(piece: Piece, messages: Sequence[Message]) -> list[tuple[int, int]]:
    if piece.files:
        return [(m.message_id, file.item) for m, file in zip(messages, piece.files, strict=True)]
    return [(message.message_id, item) for message in messages for item in piece.items]


def _message(text: Text, common: Common) -> SendMessage:
    return SendMessage(
        text=text.plain, entities=_entities(text), parse_mode=None, link_preview_options=_NO_PREVIEW, **common
    )


def _place(place: Place, common: Common) -> TelegramMethod[Message]:
    where: Common = {"latitude": place.latitude, "longitude": place.longitude}
    if not place.name and not place.address:
        return SendLocation(**where, **common)
    return SendVenue(**where, title=place.name or place.address, address=place.address or place.name, **common)


def _medium(kind: MediaKind, file: File, source: str | InputFile, common: Common) -> TelegramMethod[Message]:
    make, field = _SENDERS[kind]
    looks = _looks(file) if kind in _WITH_SPOILER else {}
    return make(**{field: source}, **common, **_caption(file.caption), **looks)


def _kind(attachment: Attachment) -> MediaKind:
    """A photo too big to be uploaded as one goes as a document."""
    uploaded = attachment.origin not in (TELEGRAM, BUSINESS)
    if uploaded and attachment.kind is MediaKind.PHOTO and (attachment.size or 0) > PHOTO_UPLOAD_LIMIT:
        return MediaKind.DOCUMENT
    return attachment.kind


def _looks(file: File) -> Common:
    return {"has_spoiler": True} if file.attachment.spoiler and file.attachment.kind in _WITH_SPOILER else {}


def _caption(text: Text) -> Common:
    if not text.plain:
        return {"parse_mode": None}
    return {"caption": text.plain, "caption_entities": _entities(text), "parse_mode": None}


def _entities(text: Text) -> list[MessageEntity] | None:
    return [MessageEntity(**entity) for entity in to_entities(text)] or None


def _timeout(sources: Sequence[str | InputFile]) -> float:
    return SEND_TIMEOUT if all(isinstance(source, str) for source in sources) else UPLOAD_TIMEOUT

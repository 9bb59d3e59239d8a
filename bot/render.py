"""From what is to be shown to what is sent: items into pieces, a client into a card and a topic's name. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from bot.texts.words import Words, phone, sentence
from gates.telegram.names import BUSINESS, TELEGRAM
from inbox.desk import Item, Sight
from inbox.model import (
    EMPTY,
    Act,
    Attachment,
    Author,
    Card,
    Extra,
    Identity,
    MediaKind,
    Notice,
    Place,
    Span,
    Stub,
    Text,
)
from inbox.text import boundaries, join, size, split

TEXT_LIMIT = 4096  # UTF-16 units, telegram.md C.2
CAPTION_LIMIT = 1024
JOINED_LIMIT = 3500
ALBUM_LIMIT = 10
TOPIC_NAME_LIMIT = 128
NAME_LIMIT = 200  # characters of a client's name, wherever it is shown
UPLOAD_LIMIT = 50 * 1024 * 1024  # bytes
UNIT = "utf16"

_WITHOUT_CAPTION = frozenset({MediaKind.STICKER, MediaKind.VIDEO_NOTE})
_MIXES = (
    frozenset({MediaKind.PHOTO, MediaKind.VIDEO}),
    frozenset({MediaKind.DOCUMENT}),
    frozenset({MediaKind.AUDIO}),
)
_STUBS = frozenset(
    "poll dice checklist story paid_media invoice game rich_message gift giveaway order product flow interactive "
    "button template call group system contact photo video video_note animation audio voice document sticker ephemeral "
    "unsupported unknown".split()
)
_UNSEEN = re.compile("[\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\u3164\ufeff]")
_FORWARDED = {"forwarded": "mark-forwarded", "forwarded_often": "mark-forwarded-often"}
_STUB_NAMES = {
    "unique_gift": "gift",
    "gift_upgrade_sent": "gift",
    "giveaway_winners": "giveaway",
    "successful_payment": "payment",
    "refunded_payment": "refund",
    "passport_data": "passport",
    "users_shared": "shared",
    "user_shared": "shared",
    "chat_shared": "shared",
    "web_app_data": "web-app",
    "live_photo": "photo",
    "location": "place",
    "venue": "place",
    "contacts": "contact",
    "fallback": "link",
    "nfm_reply": "flow",
    "image": "photo",
}


@dataclass(frozen=True, slots=True)
class File:
    attachment: Attachment
    item: int
    caption: Text = EMPTY


@dataclass(frozen=True, slots=True)
class Piece:
    """One call: a text, a place, a file, or an album of up to ten. `items`: the indices of what it shows."""

    items: tuple[int, ...]
    text: Text = EMPTY
    files: tuple[File, ...] = ()
    place: Place | None = None
    reply_to: int | None = None

    @property
    def messages(self) -> int:
        """How many messages the call makes."""
        return len(self.files) or 1


@dataclass(frozen=True, slots=True)
class _Shape:
    """An item taken apart. marks: what stands above its own words."""

    item: Item
    number: int
    marks: Text
    words: Text
    files: tuple[Attachment, ...]
    place: Place | None

    @property
    def text(self) -> Text:
        return join([t for t in (self.marks, self.words) if t.plain])

    @property
    def is_text(self) -> bool:
        return not self.files and self.place is None


def plan(items: Sequence[Item], words: Words, head: Text = EMPTY) -> tuple[Piece, ...]:
    """Everything that the items say, in order, in as few calls as the limits let. `head` stands above it all."""
    shapes = [_shape(item, number, words) for number, item in enumerate(items)]
    pieces: list[Piece] = []
    for run in _runs(shapes):
        first = head if not pieces else EMPTY
        if run[0].is_text:
            pieces += _texts(run, words, first)
        elif len(run) > 1 and not run[0].item.message.album:
            pieces += _gathered(run, words, first)
        else:
            pieces += _media(run, first)
    return tuple(pieces)


def network_head(identity: Identity, item: Item, words: Words) -> Text:
    """WhatsApp, 14:02"""
    at = words.when(item.message.at)
    return words.text("head-network", network=sentence(words.gate(identity.address.provider)), at=at)


def client_head(sight: Sight, identity: Identity, words: Words) -> Text:
    """What tells messages apart where there are no topics."""
    return words.text("head-client", name=_name(sight, words), network=words.gate(identity.address.provider))


def topic_name(sight: Sight, words: Words) -> str:
    codes = dict.fromkeys(words.gate_code(i.address.provider) for i in sight.identities)
    state = words.plain(f"state-{_state(sight, words)}")
    name = words.plain("topic-name", state=state, gates="+".join(codes), name=_name(sight, words))
    ends = [end for end in boundaries(name) if size(name[:end], UNIT) <= TOPIC_NAME_LIMIT]
    return name[: ends[-1]].rstrip()


def card_notice(sight: Sight, words: Words) -> Notice:
    """The client's card. Says until when, not how long: it is not redrawn while nothing happens."""
    return Notice(key=f"card:{sight.contact.id}", text=join(list(_card_lines(sight, words))), pin=True)


def _state(sight: Sight, words: Words) -> str:
    if sight.waits_for == "blocked":
        return "blocked"
    if sight.window_until is not None and sight.window_until <= words.now:
        return "closed"
    return "owner" if sight.waits_for == "owner" else "client"


def _name(sight: Sight, words: Words) -> str:
    return shown_name(sight.contact.name, words)


def shown_name(given: str, words: Words) -> str:
    """Without what turns the line around or shows nothing; a name of nothing else is none."""
    name = " ".join(_UNSEEN.sub("", given).split())[:NAME_LIMIT]
    return name if any(unicodedata.category(c)[0] in "LNPS" for c in name) else words.plain("nameless")


def _card_lines(sight: Sight, words: Words) -> Iterator[Text]:
    handles = ", ".join(dict.fromkeys(_handle(i) for i in sight.identities if i.handle))
    name = _name(sight, words)
    yield words.text("card-title-handle", name=name, handle=handles) if handles else words.text("card-title", name=name)
    networks = sentence(", ".join(dict.fromkeys(words.gate(i.address.provider) for i in sight.identities)))
    if sight.contact.source:
        yield words.text("card-networks-source", networks=networks, source=sight.contact.source)
    else:
        yield words.text("card-networks", networks=networks)
    if sight.window_until is not None:
        key = "card-window" if sight.window_until > words.now else "card-window-closed"
        yield words.text(key, until=words.moment(sight.window_until))
    for number in dict.fromkeys(filter(None, map(_phone, sight.identities))):
        yield words.text("card-phone", phone=number)


def _handle(identity: Identity) -> str:
    handle = identity.handle or ""
    return handle if "@" in handle or handle.startswith("+") else f"@{handle}"


def _phone(identity: Identity) -> str | None:
    """WhatsApp's route is a number where the network shows it to us."""
    return phone(identity.route) if identity.address.provider == "whatsapp" and identity.route else None


# -- one item ---------------------------------------------------------------------------------------------------------


def _shape(item: Item, number: int, words: Words) -> _Shape:
    place = item.message.extra if item.act is Act.SEND and isinstance(item.message.extra, Place) else None
    files = tuple(a for a in _attachments(item) if _can_go(a, item))
    body = _body(item, words)
    if not body.plain.strip() and not files and place is None:
        body = words.text("empty-message")
    return _Shape(item, number, _marks(item, words), body, files, place)


def _attachments(item: Item) -> tuple[Attachment, ...]:
    if item.act is Act.SEND:
        return item.message.attachments
    return (item.attachment,) if item.act is Act.FILE and item.attachment is not None else ()


def _can_go(attachment: Attachment, item: Item) -> bool:
    return _is_here(attachment) and not _is_too_big(attachment) and not _is_refused(item)


def _is_refused(item: Item) -> bool:
    """Every file is here and yet the item counts as lost: the desk refused it, so it does not go again."""
    return item.lost and all(_is_here(a) for a in _attachments(item))


def _is_here(attachment: Attachment) -> bool:
    return attachment.sha256 is not None or attachment.origin in (TELEGRAM, BUSINESS)


def _is_too_big(attachment: Attachment) -> bool:
    """Only what is uploaded has a limit; Telegram's own files go by their id."""
    return attachment.origin not in (TELEGRAM, BUSINESS) and (attachment.size or 0) > UPLOAD_LIMIT


def _marks(item: Item, words: Words) -> Text:
    marks = []
    if item.repeat:
        marks.append(words.text("mark-repeat"))
    if item.late and item.act is Act.SEND:
        delay = words.duration(item.message.stored_at - item.message.at)
        marks.append(words.text("mark-late", delay=delay, at=words.when(item.message.at)))
    if item.act is Act.SEND and item.message.mark in _FORWARDED:
        marks.append(words.text(_FORWARDED[item.message.mark]))
    return join(marks, " · ")


def _body(item: Item, words: Words) -> Text:
    message = item.message
    elsewhere = message.author is Author.OWNER_ELSEWHERE
    match item.act:
        case Act.EDIT:
            body = words.text("edited", text=message.text) if message.text.plain else words.text("edited-empty")
            return _signed(body, words) if elsewhere else body
        case Act.DELETE:
            return words.text("deleted-by-owner" if elsewhere else "deleted")
        case Act.REACT if item.emoji:
            return words.text("reaction", name=item.identity.name or words.plain("nameless"), emoji=item.emoji)
        case Act.REACT:
            return words.text("reaction-back", name=item.identity.name or words.plain("nameless"))
        case Act.FILE:
            return join(list(_absences(item, words)))
        case _:
            body = join(list(_lines(item, words)))
            if item.lost:
                body = Text(body.plain)
            return _signed(body, words) if elsewhere else body


def _signed(body: Text, words: Words) -> Text:
    return join([words.text("elsewhere"), body], "")


def _lines(item: Item, words: Words) -> Iterator[Text]:
    message = item.message
    if message.quote and message.quote.strip() and item.reply_to is None:
        yield Text(message.quote, (Span("quote", 0, len(message.quote)),))
    if message.text.plain.strip():
        yield message.text
    yield from _extra_lines(message.extra, item, words)
    yield from _absences(item, words)


def _absences(item: Item, words: Words) -> Iterator[Text]:
    return (_absent(a, item, words) for a in _attachments(item) if not _can_go(a, item))


def _absent(attachment: Attachment, item: Item, words: Words) -> Text:
    """The line in a file's place."""
    kind = attachment.kind.replace("_", "-")
    where = words.in_gate(item.identity.address.provider)
    if item.act is Act.SEND and not item.lost and not _is_here(attachment):
        return words.text(f"missing-{kind}")
    what = words.plain(f"file-{kind}")
    if attachment.name:
        what = words.plain("file-named", what=what, name=attachment.name)
    if _is_too_big(attachment):
        return words.text("file-too-big", what=what, size=words.size(attachment.size or 0), where=where)
    return words.text("file-lost", what=what, where=where)


def _extra_lines(extra: Extra | None, item: Item, words: Words) -> Iterator[Text]:
    match extra:
        case Stub():
            yield _stub(extra, item, words)
        case Card():
            yield words.text("card-line", details=", ".join(filter(None, _card_details(extra))))
        case _:
            return


def _stub(stub: Stub, item: Item, words: Words) -> Text:
    where = words.in_gate(item.identity.address.provider)
    if stub.kind in _STUB_NAMES:
        what = words.plain(f"stub-{_STUB_NAMES[stub.kind]}")
    elif stub.kind in _STUBS:
        what = words.plain(f"stub-{stub.kind.replace('_', '-')}")
    else:
        what = words.plain("stub-other", kind=stub.kind)
    if stub.detail:
        return words.text("stub-line-detail", what=what, detail=stub.detail, where=where)
    return words.text("stub-line", what=what, where=where)


def _card_details(card: Card) -> Iterator[str]:
    yield card.name
    yield card.organization
    for number in card.phones:
        yield phone("".join(c for c in number if c in "+0123456789")) or number
    yield from card.emails


# -- several items ----------------------------------------------------------------------------------------------------


def _runs(shapes: Sequence[_Shape]) -> Iterator[list[_Shape]]:
    """Neighbours that may share a call: texts of the conversation, the items of one album, files that waited."""
    run: list[_Shape] = []
    for shape in shapes:
        if run and not _together(run, shape):
            yield run
            run = []
        run.append(shape)
    if run:
        yield run


def _together(run: Sequence[_Shape], shape: _Shape) -> bool:
    last = run[-1]
    if last.item.act is not Act.SEND or shape.item.act is not Act.SEND:
        return False
    if last.is_text and shape.is_text:
        return shape.item.reply_to is None
    if not last.files or not shape.files or last.item.message.album != shape.item.message.album:
        return False
    return bool(shape.item.message.album) or (shape.item.reply_to is None and _mix(last.files[-1], shape.files[0]))


def _texts(run: Sequence[_Shape], words: Words, head: Text) -> Iterator[Piece]:
    reply_to = run[0].item.reply_to
    waiting: list[tuple[int, Text]] = [(-1, head)] if head.plain else []
    length = size(head.plain, UNIT)
    for shape in run:
        text = _line(shape, words) if len(run) > 1 else shape.text
        more = size(text.plain, UNIT) + 1
        if length + more > JOINED_LIMIT and any(number >= 0 for number, _ in waiting):
            yield from _pieces(waiting, reply_to)
            waiting, length = [], 0
        waiting.append((shape.number, text))
        length += more
    yield from _pieces(waiting, reply_to)


def _line(shape: _Shape, words: Words) -> Text:
    """What one of several says, with its time."""
    return words.text("joined-line", at=words.when(shape.item.message.at), text=shape.text)


def _pieces(parts: Sequence[tuple[int, Text]], reply_to: int | None) -> Iterator[Piece]:
    numbers = tuple(number for number, _ in parts if number >= 0)
    for text in split(join([text for _, text in parts]), TEXT_LIMIT, UNIT):
        yield Piece(numbers, text, reply_to=reply_to)


def _media(run: Sequence[_Shape], head: Text) -> Iterator[Piece]:
    """Files with their words as captions; words that do not fit there go in front."""
    reply_to = run[0].item.reply_to
    files: list[File] = []
    for shape in run:
        text = join([t for t in (head if shape is run[0] else EMPTY, shape.text) if t.plain])
        caption = EMPTY
        if shape.files and shape.files[0].kind not in _WITHOUT_CAPTION and size(text.plain, UNIT) <= CAPTION_LIMIT:
            caption = text
        elif text.plain:
            yield from _pieces([(shape.number, text)], reply_to)
        files += [File(a, shape.number, caption if n == 0 else EMPTY) for n, a in enumerate(shape.files)]
        if shape.place is not None:
            yield Piece((shape.number,), place=shape.place, reply_to=reply_to)
    for album in _albums(files):
        yield Piece(tuple(dict.fromkeys(f.item for f in album)), files=tuple(album), reply_to=reply_to)


def _gathered(run: Sequence[_Shape], words: Words, head: Text) -> Iterator[Piece]:
    """Files that came one by one and waited together: an album, under it what was said of each, with its time.

    Captions of several items are seen only when the items are opened, so there is one for all.
    """
    said = [(-1, head)] if head.plain else []
    said += [(shape.number, _line(shape, words)) for shape in run if shape.text.plain]
    caption = join([text for _, text in said])
    if size(caption.plain, UNIT) > CAPTION_LIMIT:
        yield from _pieces(said, None)
        caption = EMPTY
    files = [File(a, shape.number) for shape in run for a in shape.files]
    files[0] = replace(files[0], caption=caption)
    for album in _albums(files):
        yield Piece(tuple(dict.fromkeys(f.item for f in album)), files=tuple(album))


def _albums(files: Sequence[File]) -> Iterator[list[File]]:
    album: list[File] = []
    for file in files:
        if album and not (len(album) < ALBUM_LIMIT and _mix(album[-1].attachment, file.attachment)):
            yield album
            album = []
        album.append(file)
    if album:
        yield album


def _mix(one: Attachment, other: Attachment) -> bool:
    kinds = {one.kind, other.kind}
    return any(kinds <= mix for mix in _MIXES)

"""Fit what the owner wrote to what a network can: the calls to make, or a refusal before anything is sent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from inbox.abilities import Abilities, MediaRule
from inbox.model import EMPTY, Attachment, Card, Extra, MediaKind, MessageId, Place, Stub, Text
from inbox.text import Measure, join, keep, size, split

# What else a kind may travel as, best first. All fall back to a document at last.
_FALLBACKS: dict[MediaKind, tuple[MediaKind, ...]] = {
    MediaKind.VIDEO_NOTE: (MediaKind.VIDEO,),
    MediaKind.ANIMATION: (MediaKind.VIDEO,),
    MediaKind.VOICE: (MediaKind.AUDIO,),
    MediaKind.STICKER: (MediaKind.PHOTO, MediaKind.VIDEO),
}
_FAMILIES = {MediaKind.PHOTO: "image/", MediaKind.VIDEO: "video/", MediaKind.AUDIO: "audio/"}
_MIXES = (
    frozenset({MediaKind.PHOTO, MediaKind.VIDEO}),
    frozenset({MediaKind.DOCUMENT}),
    frozenset({MediaKind.AUDIO}),
)

QUOTE_LOST = "quote_lost"  # the network has no quotes
KIND_CHANGED = "kind_changed"  # a file goes as another kind, so it will look different


class Content(Protocol):
    """What is to be sent; a stored message is one."""

    @property
    def text(self) -> Text: ...
    @property
    def attachments(self) -> tuple[Attachment, ...]: ...
    @property
    def extra(self) -> Extra | None: ...
    @property
    def reply_to(self) -> MessageId | None: ...
    @property
    def quote(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class PartPlan:
    """What one call sends. Each attachment's kind is the one to send it as."""

    text: Text = EMPTY
    attachments: tuple[Attachment, ...] = ()
    extra: Extra | None = None
    reply_to: MessageId | None = None
    quote: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """warnings: QUOTE_LOST, KIND_CHANGED."""

    parts: tuple[PartPlan, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """reason: as inbox.errors.Refused: too_big (detail: the file's name or kind; limit: bytes), bad_media (detail: the
    type), kind (detail: what it was); or "empty".
    """

    reason: str
    detail: str = ""
    limit: int | None = None


def fit(content: Content, abilities: Abilities, measure: Measure | None = None) -> Plan | Refusal:
    """Plan the calls, in order: media with the text as caption where it fits, else the text after them, then a place.

    `measure` counts a text as it is really sent, marks included; without it the plain text counts.
    """
    if isinstance(content.extra, Stub):
        return Refusal("kind", content.extra.kind)
    media: list[Attachment] = []
    for attachment in content.attachments:
        shaped = shape(attachment, abilities)
        if isinstance(shaped, Refusal):
            return shaped
        media.append(shaped)
    text, extra = _words(content, abilities)
    groups = [PartPlan(attachments=g) for g in _albums(media, abilities)]
    if groups and text.plain and _fits_caption(text, groups[0].attachments[0], abilities, measure):
        groups[0] = replace(groups[0], text=text)
        text = EMPTY
    texts = split(text, abilities.text_limit, abilities.text_unit, measure)
    parts = [*groups, *(PartPlan(text=t) for t in texts), *([PartPlan(extra=extra)] if extra else [])]
    if not parts:
        return Refusal("empty")
    if abilities.reply and content.reply_to is not None:
        parts[0] = replace(parts[0], reply_to=content.reply_to, quote=content.quote)
    return Plan(tuple(parts), tuple(_warnings(content, media, abilities)))


def shape(attachment: Attachment, abilities: Abilities) -> Attachment | Refusal:
    """The attachment as the best kind that the network takes it as; an unknown size is taken to fit."""
    refusal = Refusal("kind", attachment.kind)
    too_big: int | None = None
    for kind in (attachment.kind, *_FALLBACKS.get(attachment.kind, ()), MediaKind.DOCUMENT):
        rule = abilities.media.get(kind)
        if rule is None:
            continue
        if not _takes(rule, kind, attachment):
            refusal = Refusal("bad_media", attachment.mime or attachment.kind)
        elif attachment.size is not None and attachment.size > rule.max_bytes:
            too_big = max(too_big or 0, rule.max_bytes)
        else:
            return replace(attachment, kind=kind)
    if too_big is not None:
        return Refusal("too_big", attachment.name or attachment.kind, too_big)
    return refusal


def _takes(rule: MediaRule, kind: MediaKind, attachment: Attachment) -> bool:
    mime = (attachment.mime or "").partition(";")[0].strip().lower()
    if not mime:
        # A sticker may be a picture, a video or an animation of vectors, so an unknown one is no photo.
        return kind in (attachment.kind, MediaKind.DOCUMENT) or attachment.kind is not MediaKind.STICKER
    if rule.mimes and mime not in rule.mimes:
        return False
    return kind is attachment.kind or mime.startswith(_FAMILIES.get(kind, ""))


def _words(content: Content, abilities: Abilities) -> tuple[Text, Extra | None]:
    """The text to send, and the place or card that can go as such; one that cannot is written out under the text."""
    texts = [content.text] if content.text.plain.strip() else []
    extra = content.extra
    if isinstance(extra, Place) and not abilities.place:
        texts.append(Text(_place_lines(extra)))
        extra = None
    elif isinstance(extra, Card) and not abilities.card:
        texts.append(Text(_card_lines(extra)))
        extra = None
    return keep(join(texts, "\n"), abilities.markup), extra


def _place_lines(place: Place) -> str:
    link = f"https://maps.google.com/?q={place.latitude:.6f},{place.longitude:.6f}"
    return "\n".join(line for line in (place.name, place.address, link) if line)


def _card_lines(card: Card) -> str:
    return "\n".join(line for line in (card.name, card.organization, *card.phones, *card.emails) if line)


def _albums(media: list[Attachment], abilities: Abilities) -> Iterator[tuple[Attachment, ...]]:
    """Neighbours that may travel together, in order; others alone."""
    album: list[Attachment] = []
    for attachment in media:
        if album and not (len(album) < abilities.album_size and _mix(album[-1], attachment, abilities)):
            yield tuple(album)
            album = []
        album.append(attachment)
    if album:
        yield tuple(album)


def _mix(one: Attachment, other: Attachment, abilities: Abilities) -> bool:
    kinds = {one.kind, other.kind}
    return kinds <= abilities.album and any(kinds <= mix for mix in _MIXES)


def _fits_caption(text: Text, first: Attachment, abilities: Abilities, measure: Measure | None) -> bool:
    length = measure(text) if measure else size(text.plain, abilities.text_unit)
    return length <= abilities.media[first.kind].caption


def _warnings(content: Content, media: list[Attachment], abilities: Abilities) -> Iterator[str]:
    if content.reply_to is not None and not abilities.reply:
        yield QUOTE_LOST
    if any(a.kind is not b.kind for a, b in zip(content.attachments, media, strict=True)):
        yield KIND_CHANGED

"""Telegram's formatting to ours and back: their offsets count UTF-16 units, ours count code points."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from typing import Any

from gates.telegram.shape import integer, obj, word
from inbox.model import Span, Text
from inbox.text import size, to_utf16

_KINDS = {
    "bold": "bold",
    "italic": "italic",
    "underline": "underline",
    "strikethrough": "strike",
    "spoiler": "spoiler",
    "code": "code",
    "pre": "pre",
    "blockquote": "quote",
    "expandable_blockquote": "quote",
    "text_link": "link",
    "text_mention": "mention",
}
"""Addresses, phones, hashtags and @names are left out: every app finds them in the plain text by itself."""

_TYPES = {
    "bold": "bold",
    "italic": "italic",
    "underline": "underline",
    "strike": "strikethrough",
    "spoiler": "spoiler",
    "code": "code",
    "pre": "pre",
    "quote": "blockquote",
    "folded": "expandable_blockquote",
    "link": "text_link",
    "mention": "text_link",  # Telegram itself turns a link to tg://user?id= into a mention
}


def utf16_len(text: str) -> int:
    """Length in Telegram's unit."""
    return len(text) + sum(1 for char in text if ord(char) > 0xFFFF)


def to_spans(text: str, entities: Iterable[Mapping[str, Any]]) -> tuple[Span, ...]:
    """Entities of `text` as spans. What lies outside the text is cut, what splits a character is widened to it."""
    units = _units(text)
    spans = []
    for entity in entities:
        kind = _KINDS.get(word(entity, "type") or "")
        offset, length = integer(entity, "offset"), integer(entity, "length")
        if kind is None or offset is None or length is None:
            continue
        start = max(bisect_right(units, max(offset, 0)) - 1, 0)
        end = min(bisect_left(units, offset + length), len(text))
        url = _url(kind, entity)
        if start < end and (url or kind != "link"):
            spans.append(Span(kind, start, end, url))
    return tuple(spans)


def to_entities(text: Text) -> list[dict[str, Any]]:
    """Spans of `text` as entities, outermost first. A span that Telegram cannot show is left out."""
    entities: list[dict[str, Any]] = []
    for span in sorted(text.spans, key=lambda s: (s.start, -s.end)):
        start, end = max(span.start, 0), min(span.end, len(text.plain))
        kind = _TYPES.get(span.kind)
        if kind is None or start >= end or (kind == "text_link" and not span.url):
            continue
        length = size(text.plain[start:end], "utf16")
        entity: dict[str, Any] = {"type": kind, "offset": to_utf16(text.plain, start), "length": length}
        if kind == "text_link":
            entity["url"] = span.url
        elif kind == "pre" and span.url:
            entity["language"] = span.url
        entities.append(entity)
    return entities


def _units(text: str) -> list[int]:
    """UTF-16 offset of every code point, and of the end."""
    units = [0]
    for char in text:
        units.append(units[-1] + (2 if ord(char) > 0xFFFF else 1))
    return units


def _url(kind: str, entity: Mapping[str, Any]) -> str | None:
    if kind == "link":
        return word(entity, "url")
    if kind == "pre":
        return word(entity, "language")
    if kind == "mention":
        user_id = integer(obj(entity, "user") or {}, "id")
        return None if user_id is None else f"tg://user?id={user_id}"
    return None

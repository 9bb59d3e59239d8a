"""UTF-16 offsets and code points."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gates.telegram.entities import to_entities, to_spans, utf16_len
from inbox.model import Span, Text

WORDS = st.text(st.sampled_from("aя 😀👨‍👩‍👧🇷🇺é\n"), min_size=1, max_size=20)
KINDS = st.sampled_from(["bold", "italic", "underline", "strike", "spoiler", "code", "pre", "quote", "link"])


@st.composite
def texts(draw: st.DrawFn) -> Text:
    plain = draw(WORDS)
    spans = []
    for _ in range(draw(st.integers(0, 4))):
        kind, start = draw(KINDS), draw(st.integers(0, len(plain) - 1))
        end = draw(st.integers(start + 1, len(plain)))
        spans.append(Span(kind, start, end, "https://example.com" if kind == "link" else None))
    return Text(plain, tuple(sorted(spans, key=lambda s: (s.start, -s.end))))


@settings(max_examples=200, deadline=None)
@given(texts())
def test_there_and_back(text: Text) -> None:
    entities = to_entities(text)
    units = text.plain.encode("utf-16-le")
    for entity, span in zip(entities, text.spans, strict=True):
        cut = units[entity["offset"] * 2 : (entity["offset"] + entity["length"]) * 2]
        assert cut.decode("utf-16-le") == text.plain[span.start : span.end]
    assert to_spans(text.plain, entities) == text.spans


@settings(max_examples=200, deadline=None)
@given(WORDS, st.integers(-5, 60), st.integers(-5, 60))
def test_broken_offsets_are_clamped(plain: str, offset: int, length: int) -> None:
    for span in to_spans(plain, [{"type": "bold", "offset": offset, "length": length}]):
        assert 0 <= span.start < span.end <= len(plain)
    assert utf16_len(plain) == len(plain.encode("utf-16-le")) // 2


@pytest.mark.parametrize(
    ("entity", "spans"),
    [
        ({"type": "bold", "offset": 1, "length": 1}, (Span("bold", 0, 1),)),  # half of the emoji: all of it
        ({"type": "bold", "offset": 0, "length": 99}, (Span("bold", 0, 3),)),
        ({"type": "bold", "offset": 9, "length": 1}, ()),
        ({"type": "bold", "offset": 0, "length": 0}, ()),
        ({"type": "bold", "offset": True, "length": 2}, ()),
        ({"type": "text_link", "offset": 0, "length": 2}, ()),
        ({"type": "pre", "offset": 0, "length": 2, "language": "sql"}, (Span("pre", 0, 1, "sql"),)),
        (
            {"type": "text_mention", "offset": 0, "length": 2, "user": {"id": 5}},
            (Span("mention", 0, 1, "tg://user?id=5"),),
        ),
        ({"type": "custom_emoji", "offset": 0, "length": 2}, ()),
        ({"type": "hologram", "offset": 0, "length": 2}, ()),
        ({}, ()),
    ],
)
def test_single_entities(entity: dict[str, Any], spans: tuple[Span, ...]) -> None:
    assert to_spans("😀ab", [entity]) == spans


def test_spans_that_telegram_cannot_show_are_left_out() -> None:
    spans = (Span("link", 0, 1), Span("glow", 0, 1), Span("bold", 2, 2), Span("bold", 1, 50), Span("mention", 0, 1))
    assert to_entities(Text("ab", spans)) == [{"type": "bold", "offset": 1, "length": 1}]

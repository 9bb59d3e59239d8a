"""Measuring, cutting and joining text."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from inbox.model import Span, Text
from inbox.text import boundaries, cut, join, keep, size, split, to_utf16

FAMILY = "👨‍👩‍👧‍👦"
WAVE = "👋🏽"
HEART = "❤️"
KEYCAP = "1️⃣"
FLAG = "🇫🇷"
SCOTLAND = "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"
ACCENT = "e\u0301"
SHORT_I = "и\u0306"
CLUSTERS = (FAMILY, WAVE, HEART, KEYCAP, FLAG, SCOTLAND, ACCENT, SHORT_I, "\r\n", "नि", "👩🏿‍🚀", "🏳️‍🌈")
UNITS = ("chars", "bytes", "utf16")
LINK = "https://example.com/a?b=c"

words = st.text("абвгдежzyx,.!?(", min_size=1, max_size=12)
pieces = st.one_of(
    words, st.sampled_from((*CLUSTERS, LINK, " ", "  ", "\n", "\n\n", "\u00a0", ". ")), st.text(max_size=4)
)
plains = st.lists(pieces, max_size=40).map("".join)


@st.composite
def texts(draw: st.DrawFn) -> Text:
    plain = draw(plains)
    kinds = st.sampled_from(("bold", "italic", "link", "quote", "mention"))
    spans = []
    for _ in range(draw(st.integers(0, 4))):
        start, end = sorted(draw(st.tuples(*[st.integers(0, len(plain))] * 2)))
        if start < end:
            spans.append(Span(draw(kinds), start, end))
    return Text(plain, tuple(spans))


def formatted(text: Text) -> list[tuple[str, frozenset[str]]]:
    """What a reader sees: every visible code point with its formatting."""
    return [
        (char, frozenset(s.kind for s in text.spans if s.start <= i < s.end))
        for i, char in enumerate(text.plain)
        if not char.isspace()
    ]


def starred(text: Text) -> int:
    """Two marks around each bold run, as a network with typed markup counts."""
    return len(text.plain) + 2 * sum(s.kind == "bold" for s in text.spans)


@pytest.mark.parametrize(
    ("text", "chars", "octets", "utf16"),
    [("", 0, 0, 0), ("abc", 3, 3, 3), ("Анна", 4, 8, 4), ("€", 1, 3, 1), ("😀", 1, 4, 2), (FLAG, 2, 8, 4)],
)
def test_size(text: str, chars: int, octets: int, utf16: int) -> None:
    assert [size(text, u) for u in UNITS] == [chars, octets, utf16]


def test_size_knows_its_units_only() -> None:
    with pytest.raises(ValueError, match="no unit words"):
        size("a", "words")


@given(plains)
def test_sizes_are_those_of_the_codecs(text: str) -> None:
    assert size(text, "bytes") == len(text.encode())
    assert size(text, "utf16") == len(text.encode("utf-16-le")) // 2


@given(plains, st.data())
def test_an_offset_in_utf16_is_the_size_of_what_stands_before(text: str, data: st.DataObject) -> None:
    offset = data.draw(st.integers(0, len(text)))
    assert to_utf16(text, offset) == len(text[:offset].encode("utf-16-le")) // 2


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_a_character_of_several_code_points_has_no_boundary_inside(cluster: str) -> None:
    assert boundaries(cluster) == [0, len(cluster)]
    assert boundaries(f"а{cluster}а") == [0, 1, 1 + len(cluster), 2 + len(cluster)]


def test_flags_go_by_pairs() -> None:
    assert boundaries("🇫🇷🇩🇪🇮🇹") == [0, 2, 4, 6]
    assert boundaries("🇫🇷🇩") == [0, 2, 3]


def test_marks_do_not_cling_to_line_ends() -> None:
    assert boundaries("\n\u0301") == [0, 1, 2]
    assert boundaries("") == [0]


@pytest.mark.parametrize(
    ("plain", "limit", "expected"),
    [
        ("short", 10, ["short"]),
        ("one two three", 8, ["one two", "three"]),
        ("one two  \n three", 9, ["one two", "three"]),
        ("aaa.\n\nbbb\nccc ddd", 14, ["aaa.\n\nbbb", "ccc ddd"]),
        ("aaaaa aa\n\nbb\ncc dd", 14, ["aaaaa aa", "bb\ncc dd"]),
        ("aaaa aa\nbb. cc dd", 14, ["aaaa aa", "bb. cc dd"]),
        ("aaaa aa bb. cc dd", 14, ["aaaa aa bb.", "cc dd"]),
        ("aaaa aa «bb!» cc dd", 16, ["aaaa aa «bb!»", "cc dd"]),
        ("a\n\nbbbbb bbbbb bbbbb", 14, ["a\n\nbbbbb bbbbb", "bbbbb"]),
        ("aaaaaaaaaa", 4, ["aaaa", "aaaa", "aa"]),
        ("a bbbbbbbbbb", 4, ["a", "bbbb", "bbbb", "bb"]),
        ("10\u00a0000 рублей", 8, ["10\u00a0000", "рублей"]),
        ("   one two   ", 7, ["one two"]),
        ("one\r\ntwo", 4, ["one", "two"]),
        ("  ", 1, []),
        ("", 1, []),
    ],
)
def test_where_text_is_cut(plain: str, limit: int, expected: list[str]) -> None:
    assert [t.plain for t in split(Text(plain), limit, "chars")] == expected


def test_a_limit_counts_in_its_unit() -> None:
    assert [t.plain for t in split(Text("аааа"), 4, "bytes")] == ["аа", "аа"]
    assert [t.plain for t in split(Text("😀😀😀"), 4, "utf16")] == ["😀😀", "😀"]
    assert [t.plain for t in split(Text("😀😀😀"), 5, "utf16")] == ["😀😀", "😀"]


def test_a_character_over_the_limit_is_cut_between_code_points() -> None:
    assert [t.plain for t in split(Text(FAMILY), 4, "chars")] == [FAMILY[:4], FAMILY[4:]]
    assert [t.plain for t in split(Text("😀a"), 1, "bytes")] == ["😀", "a"]


def test_a_limit_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="limit"):
        split(Text("a"), 0, "chars")


def test_an_address_stays_whole() -> None:
    parts = split(Text(f"слово,{LINK}"), len(LINK), "chars")
    assert [t.plain for t in parts] == ["слово,", LINK]


def test_an_address_longer_than_a_message_is_cut() -> None:
    parts = split(Text(LINK), 10, "chars")
    assert "".join(t.plain for t in parts) == LINK


def test_words_under_a_link_stay_together() -> None:
    text = Text("see my very own page now", (Span("link", 4, 20, LINK),))
    parts = split(text, 18, "chars")
    assert parts == (Text("see"), Text("my very own page", (Span("link", 0, 16, LINK),)), Text("now"))


def test_a_span_past_the_end_does_no_harm() -> None:
    parts = split(Text("one two", (Span("link", 4, 99, LINK), Span("link", 50, 60, LINK))), 4, "chars")
    assert [t.plain for t in parts] == ["one", "two"]


def test_spans_are_cut_along() -> None:
    text = Text("one two three", (Span("bold", 0, 13), Span("italic", 5, 11)))
    assert split(text, 7, "chars") == (
        Text("one two", (Span("bold", 0, 7), Span("italic", 5, 7))),
        Text("three", (Span("bold", 0, 5), Span("italic", 0, 3))),
    )


def test_a_gate_counts_its_own_marks() -> None:
    text = Text("one two three", (Span("bold", 0, 13),))
    assert [t.plain for t in split(text, 13, "chars", starred)] == ["one two", "three"]
    assert split(text, 15, "chars", starred) == (text,)


@given(texts(), st.sampled_from(UNITS), st.integers(24, 200))
@example(Text(" " * 500 + "a"), "chars", 30)
@example(Text("a" * 30 + "\u00a0"), "chars", 30)
@example(Text(f"aa{WAVE}👩🏿‍🚀", (Span("link", 3, 5),)), "bytes", 24)
@example(Text((FAMILY + FLAG) * 40), "utf16", 30)
@settings(max_examples=200, deadline=None)
def test_split_loses_nothing(text: Text, unit: str, limit: int) -> None:
    parts = split(text, limit, unit)
    assert [f for p in parts for f in formatted(p)] == formatted(text)
    at = 0
    ends = set(boundaries(text.plain))
    wide = _has_wide_cluster(text.plain, limit, unit)
    for part in parts:
        assert 0 < size(part.plain, unit) <= limit
        assert part.plain.strip()
        start = text.plain.index(part.plain, at)
        assert not text.plain[at:start].strip()
        at = start + len(part.plain)
        assert part == cut(text, start, at)
        assert wide or {start, at} <= ends
    assert not text.plain[at:].strip()


def _has_wide_cluster(plain: str, limit: int, unit: str) -> bool:
    points = boundaries(plain)
    return any(size(plain[a:b], unit) > limit for a, b in pairwise(points))


@given(texts(), st.integers(30, 200))
@settings(max_examples=100, deadline=None)
def test_split_by_a_measure_keeps_its_limit(text: Text, limit: int) -> None:
    parts = split(text, limit, "chars", starred)
    assert [f for p in parts for f in formatted(p)] == formatted(text)
    assert all(starred(p) <= limit for p in parts)


@given(st.lists(words, max_size=20), st.integers(26, 60), st.data())
@settings(max_examples=100, deadline=None)
def test_addresses_stay_whole_wherever_they_stand(around: list[str], limit: int, data: st.DataObject) -> None:
    plain = "".join(data.draw(st.sampled_from((" ", "", "\n"))) + w + f"<{LINK}>" for w in around)
    parts = split(Text(plain), limit, "chars")
    assert sum(p.plain.count(LINK) for p in parts) == plain.count(LINK)


def test_a_hostile_text_takes_no_time() -> None:
    text = Text("e" + "\u0301" * 50_000 + LINK * 1000 + " a" * 20_000)
    parts = split(text, 4096, "utf16", lambda t: size(t.plain, "utf16"))
    assert sum(len(p.plain.replace(" ", "")) for p in parts) == len(text.plain.replace(" ", ""))


def test_join() -> None:
    bold = Text("b", (Span("bold", 0, 1),))
    assert join([Text("aa"), bold, bold], ", ") == Text("aa, b, b", (Span("bold", 4, 5), Span("bold", 7, 8)))
    assert join([], "\n") == Text()
    assert join([Text(), bold], "\n").plain == "\nb"


@given(st.lists(texts(), max_size=4))
@settings(max_examples=50, deadline=None)
def test_join_keeps_formatting(several: list[Text]) -> None:
    assert formatted(join(several, "\n")) == [f for t in several for f in formatted(t)]


@pytest.mark.parametrize(
    ("text", "kinds", "expected"),
    [
        (Text("ab", (Span("bold", 0, 1), Span("italic", 1, 2))), {"bold"}, Text("ab", (Span("bold", 0, 1),))),
        (Text("my page!", (Span("link", 0, 7, LINK),)), set(), Text(f"my page ({LINK})!")),
        (Text("my page", (Span("link", 0, 7, LINK),)), {"link"}, Text("my page", (Span("link", 0, 7, LINK),))),
        (Text("example.com", (Span("link", 0, 11, "https://example.com/"),)), set(), Text("example.com")),
        (Text("a@b.example", (Span("link", 0, 11, "mailto:a@b.example"),)), set(), Text("a@b.example")),
        (Text("@anna", (Span("mention", 0, 5),)), set(), Text("@anna")),
        (
            Text("a b c", (Span("link", 2, 3, "x:y"), Span("bold", 0, 5), Span("bold", 4, 5), Span("quote", 0, 3))),
            {"bold", "quote"},
            Text("a b (x:y) c", (Span("bold", 0, 11), Span("bold", 10, 11), Span("quote", 0, 9))),
        ),
        (
            Text("a b", (Span("link", 0, 1, "x:1"), Span("link", 2, 3, "x:2"), Span("bold", 2, 3))),
            {"bold"},
            Text("a (x:1) b (x:2)", (Span("bold", 8, 9),)),
        ),
    ],
)
def test_keep(text: Text, kinds: set[str], expected: Text) -> None:
    assert keep(text, frozenset(kinds)) == expected

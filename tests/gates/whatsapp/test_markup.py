"""WhatsApp's marks to spans and back."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gates.whatsapp.markup import rendered_length, to_text, to_whatsapp, without_marks
from inbox.model import Span, Text


def spans(text: Text) -> list[tuple[str, str]]:
    return [(span.kind, text.plain[span.start : span.end]) for span in text.spans]


@pytest.mark.parametrize(
    ("marked", "plain", "expected"),
    [
        ("*жирно* и _курсив_", "жирно и курсив", [("bold", "жирно"), ("italic", "курсив")]),
        ("~нет~, `код`!", "нет, код!", [("strike", "нет"), ("code", "код")]),
        ("*_оба_*", "оба", [("bold", "оба"), ("italic", "оба")]),
        ("*важно: _очень_ важно*", "важно: очень важно", [("bold", "важно: очень важно"), ("italic", "очень")]),
        ("```a\nb```", "a\nb", [("pre", "a\nb")]),
        ("до ```a``` после", "до a после", [("pre", "a")]),
        ("> слова\nответ", "слова\nответ", [("quote", "слова")]),
        ("> раз\n> два\nтри", "раз\nдва\nтри", [("quote", "раз\nдва")]),
        ("> *раз*", "раз", [("bold", "раз"), ("quote", "раз")]),
        ("(*в скобках*)", "(в скобках)", [("bold", "в скобках")]),
        ("*https://x.example/*", "https://x.example/", [("bold", "https://x.example/")]),
    ],
)
def test_pairs_become_spans(marked: str, plain: str, expected: list[tuple[str, str]]) -> None:
    text = to_text(marked)
    assert text.plain == plain
    assert spans(text) == expected
    assert to_whatsapp(text) == marked


@pytest.mark.parametrize(
    "words",
    [
        "2*3*4",
        "snake_case_name",
        "a * b * c",
        "* пункт\n* пункт",
        "*не закрыто",
        "**",
        "***",
        "*x\ny*",
        "цена ~100",
        "https://x.example/_next_/a_b_c",
        ">5 человек",
        "5 > 3",
        "`",
        "``````",
        "``` ```",
        "",
    ],
)
def test_other_signs_stay_as_they_are(words: str) -> None:
    assert to_text(words) == Text(words)


def styled(plain: str, *marks: tuple[str, int, int]) -> Text:
    return Text(plain, tuple(Span(*mark) for mark in marks))


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (styled("Да, жирно", ("bold", 4, 9)), "Да, *жирно*"),
        (styled("жирно ", ("bold", 0, 6)), "*жирно* "),
        (styled("раз\nдва", ("bold", 0, 7)), "*раз*\n*два*"),
        (styled("привет", ("bold", 3, 6)), "привет"),
        (styled("абв", ("bold", 0, 3), ("italic", 0, 3), ("strike", 0, 3)), "*_~абв~_*"),
        (styled("раз два три", ("bold", 0, 7), ("italic", 4, 11)), "*раз _два_* три"),
        (styled("раз два", ("underline", 0, 3), ("spoiler", 4, 7)), "раз два"),
        (styled("a = 1", ("code", 0, 5), ("bold", 0, 5)), "*`a = 1`*"),
        (styled("a\nb", ("pre", 0, 3), ("bold", 0, 3)), "```a\nb```"),
        (styled("a\nb", ("code", 0, 3)), "```a\nb```"),
        (styled("a`b", ("code", 0, 3)), "a`b"),
        (styled("раз\nдва\nтри", ("quote", 0, 7)), "> раз\n> два\nтри"),
        (styled("раз два", ("quote", 0, 7), ("bold", 0, 3)), "> *раз* два"),
        (styled("раз два", ("bold", 0, 7), ("quote", 0, 7)), "> *раз два*"),
        (styled("x раз", ("quote", 2, 5)), "x раз"),
    ],
)
def test_spans_become_marks(text: Text, written: str) -> None:
    assert to_whatsapp(text) == written
    assert rendered_length(text) == len(written)
    assert without_marks(text) == text.plain


@pytest.mark.parametrize(
    ("words", "url", "written"),
    [
        ("запись", "https://cal.example/a", "запись (https://cal.example/a)"),
        ("https://cal.example/a", "https://cal.example/a", "https://cal.example/a"),
        ("cal.example", "https://cal.example/", "cal.example"),
        ("a@mail.example", "mailto:a@mail.example", "a@mail.example"),
        ("Анна", "tg://user?id=1", "Анна"),
    ],
)
def test_links_become_words_and_address(words: str, url: str, written: str) -> None:
    text = Text(f"Вот {words}.", (Span("link", 4, 4 + len(words), url),))
    assert to_whatsapp(text) == without_marks(text) == f"Вот {written}."


def test_a_link_in_bold_keeps_both() -> None:
    text = Text("запись", (Span("bold", 0, 6), Span("link", 0, 6, "https://cal.example")))
    assert to_whatsapp(text) == "*запись* (https://cal.example)"


WORDS = st.text("абв xyz1.,\n*_~`> ", max_size=40)
KINDS = st.sampled_from(["bold", "italic", "strike", "code", "pre", "quote", "underline", "link"])


@st.composite
def texts(draw: st.DrawFn) -> Text:
    plain = draw(WORDS)
    places = st.integers(0, len(plain))
    found = draw(st.lists(st.tuples(KINDS, places, places), max_size=5))
    return Text(plain, tuple(Span(kind, min(a, b), max(a, b), "https://x.example") for kind, a, b in found))


@settings(max_examples=200)
@given(texts())
def test_writing_only_ever_adds(text: Text) -> None:
    """Every word stays, in order, and what is added is marks and addresses."""
    written = iter(to_whatsapp(text))
    assert all(letter in written for letter in text.plain)
    assert rendered_length(text) >= len(text.plain)


@settings(max_examples=200)
@given(st.text(max_size=60) | WORDS)
def test_reading_only_ever_takes_away_marks(marked: str) -> None:
    text = to_text(marked)
    letters = iter(marked)
    assert all(letter in letters for letter in text.plain)
    assert set(Counter(marked) - Counter(text.plain)) <= set("*_~`> ")
    assert all(0 <= span.start < span.end <= len(text.plain) for span in text.spans)


@settings(max_examples=150)
@given(st.lists(st.sampled_from(["слово", "*жирно*", "_курсив_", "~нет~", "`код`", "\n", "> цитата\n"]), max_size=8))
def test_what_was_read_is_written_back(pieces: list[str]) -> None:
    marked = " ".join(pieces)
    once = to_text(marked)
    assert to_text(to_whatsapp(once)) == once


@pytest.mark.parametrize("sign", ["*a ", "_", "*_~", "`a", "```", "> ", "*a_"])
def test_a_long_run_of_signs_takes_no_time_to_speak_of(sign: str) -> None:
    words = sign * 50_000
    assert len(to_text(words).plain) <= len(words)

"""The resources, their markup and the forms of dates, lengths, sizes and phones."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bot
from bot.texts import LANGUAGES, FluentTexts, MissingText, base_language
from bot.texts.words import phone
from inbox.model import Provider, Span, Text
from tests.bot.drawing import NOW, TEXTS, words

KEYS = sorted(TEXTS.keys("ru"))
FOLDER = Path(bot.__file__).parent
NBSP = "\N{NO-BREAK SPACE}"

# Put together in code out of a prefix and a word of the model.
BUILT = re.compile(
    r"(gate|in|code|actor|size|why|state|stub|missing|file|command|menu|about|client|stranger|status-desk)-[a-z-]+"
)


def sample(key: str, language: str = "ru") -> dict[str, object]:
    counted = {"count", "messages", "clients", "hours"}
    return {name: 5 if name in counted else "х" for name in TEXTS.keys(language)[key]}


def lines_of(language: str) -> list[str]:
    source = (FOLDER / "texts" / f"{language}.ftl").read_text("utf-8")
    return [line for line in source.splitlines() if line and not line.startswith("#")]


def test_both_languages_have_the_same_texts_with_the_same_values() -> None:
    assert dict(TEXTS.keys("ru")) == dict(TEXTS.keys("en"))


def test_every_text_is_used() -> None:
    code = "\n".join(path.read_text("utf-8") for path in FOLDER.rglob("*.py"))
    unused = {key for key in KEYS if f'"{key}"' not in code and not BUILT.fullmatch(key)}
    assert unused == set()


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("key", KEYS)
def test_every_text_renders(key: str, language: str) -> None:
    text = TEXTS.text(key, language, **sample(key, language))
    assert text.plain.strip()
    assert "**" not in text.plain and "`" not in text.plain and "~" not in text.plain and "{" not in text.plain
    assert all(0 <= s.start < s.end <= len(text.plain) for s in text.spans)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    "pattern",
    [
        r"!",
        r"\(а\)|\(ла\)|\(ась\)",
        r"[Уу]пс|[Oo]ops|[Ии]звините|[Ss]orry",
        r"\.\.\.",
        r"(?<![.=:] )(?<!^    )\bВ(ы|ас|ам|аш\w*)\b",
        r"\b([Тт]икет|[Лл]ид|[Юю]зер|[Гг]ейт|[Тт]ред)\w*",
        r"\d (?=₽|ч\b|мин\b|МБ|MB|GB|ГБ)",
        r"(?<=[а-яё»)}]) —",
        r"[«»].*\bthe\b",
    ],
)
def test_no_line_breaks_the_norms(language: str, pattern: str) -> None:
    assert [line for line in lines_of(language) if re.search(pattern, line)] == []


def test_quotation_marks_are_those_of_the_language() -> None:
    for language, foreign in (("ru", "“”\"'"), ("en", "«»\"'")):
        bare = [re.sub(r'\{" "\}', "", line) for line in lines_of(language)]
        assert [line for line in bare if any(mark in line for mark in foreign)] == []


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("key", [k for k in KEYS if k.startswith(("button-", "command-", "menu-"))])
def test_labels_are_short_and_bare(key: str, language: str) -> None:
    text = TEXTS.text(key, language, **sample(key, language))
    assert not text.spans and not text.plain.endswith(".")
    assert len(text.plain) <= (256 if key.startswith(("command-", "menu-")) else 40)


@pytest.mark.parametrize(
    ("n", "expected"),
    [(1, "1 сообщение"), (2, "2 сообщения"), (5, "5 сообщений"), (21, "21 сообщение"), (12500, f"12{NBSP}500 сообщ")],
)
def test_plurals(n: int, expected: str) -> None:
    assert TEXTS.plain("backlog", "ru", messages=n, clients=1).startswith(expected)


@settings(max_examples=150)
@given(st.text(max_size=40))
def test_values_are_put_in_as_they_are(value: str) -> None:
    text = TEXTS.text("card-title-handle", "ru", name=value, handle=value)
    assert text.plain == f"{value} · {value}"
    assert text.spans == ((Span("bold", 0, len(value)),) if value else ())


@given(st.text(alphabet="*_`[]()~{}\U0010fff0ab ", max_size=30))
def test_values_made_of_markup_are_put_in_as_they_are(value: str) -> None:
    assert TEXTS.plain("sent-to", "en", name=value) == f"Sent: {value}"


def test_markup_becomes_spans() -> None:
    text = TEXTS.text("about-del", "en")
    assert text.plain.startswith("/del as a reply")
    assert text.spans == (Span("code", 0, 4),)


def test_a_text_given_as_a_value_keeps_its_formatting() -> None:
    given_text = Text("цена 5", (Span("bold", 0, 4), Span("link", 5, 6, "https://example.com")))
    text = TEXTS.text("edited", "ru", text=given_text)
    assert text.plain == "Изменено: цена 5"
    assert text.spans == (Span("bold", 10, 14), Span("link", 15, 16, "https://example.com"))


@pytest.mark.parametrize(
    ("tag", "language"), [("ru", "ru"), ("ru-RU", "ru"), ("en_GB", "en"), ("de", "en"), ("", "en")]
)
def test_any_other_language_is_answered_in_english(tag: str, language: str) -> None:
    assert base_language(tag) == language
    assert TEXTS.plain("button-answer", tag) == {"ru": "Ответить", "en": "Reply"}[language]


def test_a_missing_text_or_value_is_an_error_in_tests() -> None:
    with pytest.raises(MissingText, match="no-such-key"):
        TEXTS.text("no-such-key", "ru")
    with pytest.raises(MissingText, match="name"):
        TEXTS.text("sent-to", "ru")


def test_a_missing_text_or_value_never_shows_its_name() -> None:
    texts = FluentTexts()
    assert texts.plain("no-such-key", "ru") == "…"
    assert texts.plain("sent-to", "ru") == "Отправлено: …"


AT = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "ru", "en"),
    [
        (AT, "чт, 26 ноября, 15:00", "Thu, 26 November, 15:00"),
        (AT.replace(year=2027), "пт, 26 ноября 2027, 15:00", "Fri, 26 November 2027, 15:00"),
        (datetime(2026, 12, 31, 22, 0, tzinfo=UTC), "пт, 1 января 2027, 01:00", "Fri, 1 January 2027, 01:00"),
    ],
)
def test_moments(at: datetime, ru: str, en: str) -> None:
    assert (words("ru").moment(at), words("en").moment(at)) == (ru, en)


@pytest.mark.parametrize(
    ("delta", "ru", "en"),
    [
        (timedelta(hours=3), "через 3~часа", "in 3~hours"),
        (timedelta(minutes=-12), "12~минут назад", "12~minutes ago"),
        (timedelta(days=-1), "вт, 24 ноября, 14:00", "Tue, 24 November, 14:00"),
    ],
)
def test_relative(delta: timedelta, ru: str, en: str) -> None:
    assert (words("ru").relative(NOW + delta), words("en").relative(NOW + delta)) == (
        ru.replace("~", NBSP),
        en.replace("~", NBSP),
    )


def test_when_is_the_clock_today_and_the_moment_otherwise() -> None:
    assert words("ru").when(NOW - timedelta(hours=13)) == "01:00"
    assert words("ru").when(NOW - timedelta(hours=15)) == "вт, 24 ноября, 23:00"


@pytest.mark.parametrize(
    ("delta", "ru", "en"),
    [
        (timedelta(seconds=0.1), "0,1~с", "0.1~s"),
        (timedelta(seconds=-5), "0~с", "0~s"),
        (timedelta(seconds=25.3), "25~с", "25~s"),
        (timedelta(minutes=2), "2~мин", "2~min"),
        (timedelta(hours=2, minutes=10, seconds=59), "2~ч 10~мин", "2~h 10~min"),
        (timedelta(days=6, hours=4, minutes=30), "6~дн 4~ч", "6~d 4~h"),
        (timedelta(days=1, minutes=30), "1~дн", "1~d"),
    ],
)
def test_durations(delta: timedelta, ru: str, en: str) -> None:
    assert (words("ru").duration(delta), words("en").duration(delta)) == (ru.replace("~", NBSP), en.replace("~", NBSP))


@pytest.mark.parametrize(
    ("count", "ru", "en"),
    [
        (0, "0~Б", "0~B"),
        (1024, "1~КБ", "1~KB"),
        (3_250_000, "3,1~МБ", "3.1~MB"),
        (38 * 1024**2, "38~МБ", "38~MB"),
        (5 * 1024**3 // 2, "2,5~ГБ", "2.5~GB"),
        (1_500 * 1024**3, "1~500~ГБ", "1,500~GB"),
    ],
)
def test_sizes(count: int, ru: str, en: str) -> None:
    assert (words("ru").size(count), words("en").size(count)) == (ru.replace("~", NBSP), en.replace("~", NBSP))


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("12025550143", "+1 202-555-0143"),
        ("+79161234567", "+7 916 123-45-67"),
        ("0012025550143", "+1 202-555-0143"),
        ("anna", None),
        ("123", None),
        ("", None),
    ],
)
def test_phones(number: str, expected: str | None) -> None:
    assert phone(number) == (expected.replace(" ", NBSP) if expected else None)


def test_a_gate_without_texts_is_called_by_its_own_name() -> None:
    line = words("ru")
    assert (line.gate(Provider("new_net")), line.in_gate(Provider("new_net"))) == ("New Net", f"в{NBSP}New Net")
    assert line.gate(Provider("calcom")) == "Cal.com"
    assert line.gate_code(Provider("new_net")) == "NE"

"""/find and /history over a real store: what stands in the message, what its buttons do, how often, and for whom."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot import finding
from bot.console import Console
from bot.handlers import search
from bot.handlers.commands import COMMANDS
from bot.owner import OwnerMessage
from bot.place import Place as DeskPlace
from bot.speech import Speech
from bot.texts import LANGUAGES
from inbox.lanes import GENERAL, desk_lane
from inbox.model import (
    Address,
    Attachment,
    Author,
    Contact,
    ContactId,
    Identity,
    MediaKind,
    Message,
    MessageId,
    Notice,
    Part,
    Place,
    Provider,
    Stub,
    Text,
)
from inbox.routing import Command
from inbox.routing import Console as Commands
from inbox.store import Found, Hit, Line, Unit
from inbox.text import size
from storage import search as stored_search
from storage.store import SqlStore, open_store
from tests.bot.drawing import NOW, TEXTS, ZONE, compare, draw_notice, words
from tests.inbox.factories import StoodClock, rules

CHAT = 501
WHATSAPP, TELEGRAM = Provider("whatsapp"), Provider("telegram")
ANNA = Contact(ContactId(1), "Анна Петрова")


@dataclass
class Bench:
    """The console of a desk, and what it says."""

    store: SqlStore
    console: Console
    clock: StoodClock
    written: int = 900
    raw: int = 40
    topics: dict[int, int] = field(default_factory=dict)

    async def person(self, name: str = "Анна Петрова", *roads: Provider) -> list[Identity]:
        """Whose topic has ten times the client's number."""

        def work(unit: Unit) -> list[Identity]:
            contact = unit.add_contact(name, language=None, source=None)
            topic = unit.add_topic(contact.id, "private", CHAT)
            unit.set_topic(topic.id, thread_id=contact.id * 10, card_message_id=contact.id * 100)
            return [
                unit.add_identity(contact.id, Address(road, "acc", f"{contact.id}"), name)
                for road in roads or (WHATSAPP,)
            ]

        return await self.store.write(work)

    async def says(
        self, identity: Identity, text: str, author: Author = Author.CLIENT, shown: int | None = None, **parts: Any
    ) -> Message:
        self.clock.move(minutes=1)
        content = Part(Text(text), extra=parts.pop("extra", None))

        def work(unit: Unit) -> Message:
            message = unit.add_message(identity.id, author, at=unit.now, content=content, **parts)
            if shown is not None:
                unit.add_shown(CHAT, shown, message.id, 0)
            return message

        return await self.store.write(work)

    async def command(self, line: str, thread: int | None = None, *, chat: int = CHAT, again: bool = False) -> None:
        if not again:
            self.written += 1
            self.raw += 1
        name, _, args = line.partition(" ")
        wrote = OwnerMessage(self.raw, chat, self.written, thread, Text(line), (), None, None, None, None, "ru", CHAT)
        await COMMANDS[name[1:]](Command(name[1:], args), wrote, self.console)

    async def tap(self, data: str) -> str:
        area, verb, argument = data.split(":", 2)
        assert area == "l" and len(data.encode()) <= 64
        return await search.tap(verb, argument, self.console)

    async def said(self, contact: int | None = None) -> list[Notice]:
        """Everything said in a topic, or in General, oldest first."""
        lane = desk_lane(ContactId(contact)) if contact else GENERAL
        rows = await self.store.read(lambda r: r.lane_rows(lane, 1000))
        return [row.content for row in rows if isinstance(row.content, Notice)]

    async def last(self, contact: int | None = None) -> Notice:
        return (await self.said(contact))[-1]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    clock = StoodClock(NOW)
    async with open_store(tmp_path, clock) as store:
        yield Bench(store, _console(store, clock), clock)


def _console(store: SqlStore, clock: StoodClock) -> Console:
    async def nothing() -> Any:
        raise AssertionError("is not asked")

    desk: Any = SimpleNamespace(chat_id=CHAT, backend="private")
    return Console(
        store=store,
        rules=rules(),
        speech=Speech(TEXTS, clock, language="ru", zone=ZONE, windows={}),
        desk=desk,
        commands=Commands(frozenset(COMMANDS)),  # type: ignore[arg-type]
        wakes=[],
        toast=lambda *_: None,
        standing=nothing,
        touch=lambda _: None,
        recheck=nothing,
        serves=lambda *_: True,
        retry=lambda _: False,
        member=lambda _: nothing(),
        obey=nothing,
        place=DeskPlace(CHAT, None, None),
    )


def buttons(notice: Notice) -> dict[str, str]:
    return {b.label: b.data or "" for row in notice.buttons for b in row}


def bold(notice: Notice) -> list[str]:
    return [notice.text.plain[s.start : s.end] for s in notice.text.spans if s.kind == "bold"]


async def test_in_general_everybody_s_messages_are_found(bench: Bench) -> None:
    (anna,) = await bench.person()
    (igor,) = await bench.person("Игорь", TELEGRAM)
    await bench.says(anna, "Сколько стоит консультация?")
    await bench.says(igor, "ёлка")
    await bench.says(igor, "Консультации по вторникам", Author.OWNER)
    await bench.command("/find КОНСУЛЬТАЦИЮ")
    notice = await bench.last()
    assert notice.key == "find:41" and notice.reply_to == 901
    assert notice.text.plain.splitlines()[1:] == [
        "1. Игорь · TG · 14:03 · ответ",
        "Консультации по вторникам",
        "2. Анна Петрова · WA · 14:01",
        "Сколько стоит консультация?",
    ]
    assert bold(notice) == ["Поиск", "1. Игорь", "Консультации", "2. Анна Петрова", "консультация"]
    assert buttons(notice) == {"1": "l:open:41:3", "2": "l:open:41:1"}


async def test_the_command_answers_once(bench: Bench) -> None:
    await bench.command("/find слово")
    await bench.command("/find слово", again=True)
    assert len(await bench.said()) == 1


async def test_in_a_topic_only_its_client_until_everywhere_is_tapped(bench: Bench) -> None:
    (anna,) = await bench.person()
    (igor,) = await bench.person("Игорь")
    await bench.says(anna, "цена анны")
    await bench.says(igor, "цена игоря")
    await bench.command("/find цены", thread=10)
    first = await bench.last(1)
    assert "цена анны" in first.text.plain and "цена игоря" not in first.text.plain
    assert buttons(first)["Искать везде"] == "l:all:41"
    assert await bench.tap("l:all:41") == ""
    second = await bench.last(1)
    assert second.key == first.key and "цена игоря" in second.text.plain
    assert await bench.tap(buttons(second)["Только этот клиент"]) == ""
    assert (await bench.last(1)).text == first.text
    assert await bench.said() == [] and await bench.said(2) == []


async def test_pages_are_turned_in_one_message(bench: Bench) -> None:
    (anna,) = await bench.person()
    for number in range(8):
        await bench.says(anna, f"слово {number}")
    await bench.command("/find слово")
    first = await bench.last()
    assert list(buttons(first)) == ["1", "2", "3", "4", "5", "6", "Раньше"]
    assert await bench.tap(buttons(first)["Раньше"]) == ""
    second = await bench.last()
    assert list(buttons(second)) == ["7", "8", "Позже"] and second.key == first.key
    assert "8. Анна Петрова · WA · 14:01\nслово 0" in second.text.plain
    await bench.says(anna, "слово новое")
    assert await bench.tap(buttons(second)["Позже"]) == ""
    third = await bench.last()
    assert "слово новое" in third.text.plain and list(buttons(third)) == list(buttons(first))
    for old in ("l:find:41:9", "l:find:99:0", "l:all:41", "l:find:x:0", "l:find:41:-1", "l:what:41:0", "l:hist:41:0"):
        assert await bench.tap(old) == "button-old", old


async def test_clients_are_found_too_and_opened(bench: Bench) -> None:
    await bench.person()
    await bench.person("Анна Иванова")
    await bench.command("/find анна")
    notice = await bench.last()
    assert "Клиенты: Анна Иванова, Анна Петрова" in notice.text.plain
    assert "В сообщениях ничего не нашлось" in notice.text.plain
    assert await bench.tap(buttons(notice)["Анна Петрова"]) == "find-opened"
    assert await bench.tap(buttons(notice)["Анна Петрова"]) == "find-opened-before"
    (line,) = await bench.said(1)
    assert line.reply_to == 100 and await bench.said(2) == []
    assert await bench.tap("l:who:41:77") == "button-old"


async def test_a_found_message_is_answered_in_its_topic(bench: Bench) -> None:
    (anna,) = await bench.person()
    await bench.says(anna, "слово клиента", shown=555)
    await bench.says(anna, "слово ответа", Author.OWNER, source=f"desk:{CHAT}:777")
    await bench.says(anna, "слово с другого пульта", source="desk:9:1")
    await bench.command("/find слово")
    opened = buttons(await bench.last())
    assert [await bench.tap(opened[label]) for label in ("3", "2", "1")] == ["find-opened"] * 3
    assert await bench.tap(opened["1"]) == "find-opened-before"
    client, owner, elsewhere = await bench.said(1)
    assert (client.reply_to, owner.reply_to, elsewhere.reply_to) == (555, 777, None)
    assert elsewhere.text.plain == "🔎 Найденное сообщение, 14:03: слово с другого пульта"
    assert await bench.tap("l:open:41:99") == "button-old"


async def test_words_that_only_begin_so_are_shown_where_there_is_nothing_else(bench: Bench) -> None:
    (anna,) = await bench.person()
    for number in range(7):
        await bench.says(anna, f"консультация {number}")
    await bench.command("/find консуль")
    notice = await bench.last()
    assert "Точно этого слова нет" in notice.text.plain and "консультация 6" in notice.text.plain
    await bench.tap(buttons(notice)["Раньше"])
    assert "консультация 0" in (await bench.last()).text.plain


@pytest.mark.parametrize("line", ["/find", "/find  ", "/find 🙂", "/find ?"])
async def test_without_words_the_command_explains_itself(bench: Bench, line: str) -> None:
    await bench.command(line)
    assert (await bench.last()).text == TEXTS.text("about-find", "ru")


async def test_nothing_found_says_so_and_what_to_try(bench: Bench) -> None:
    await bench.person()
    await bench.command("/find ёжик", thread=10)
    notice = await bench.last(1)
    assert "Ничего не нашлось. Попробуйте" in notice.text.plain and list(buttons(notice)) == ["Искать везде"]


async def test_too_many_is_said_and_is_no_error(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    (anna,) = await bench.person()
    await bench.says(anna, "слово")
    monkeypatch.setattr(stored_search, "BUDGET", 0.0)
    await bench.command("/find слово")
    assert "Просмотрено не всё" in (await bench.last()).text.plain


async def test_beside_the_desk_it_is_answered_on_the_desk(bench: Bench) -> None:
    await bench.command("/find слово", chat=777)
    assert (await bench.last()).reply_to is None


async def test_history_of_all_networks(bench: Bench) -> None:
    one, two = await bench.person("Анна Петрова", WHATSAPP, TELEGRAM)
    bench.clock.move(days=-1)
    await bench.says(one, "Здравствуйте")
    bench.clock.move(days=1)
    await bench.says(two, "Добрый день", Author.OWNER)
    await bench.says(two, "", attachments=(Attachment(MediaKind.PHOTO, TELEGRAM, "r"),))
    await bench.says(one, "перезвонить", Author.NOTE)
    await bench.command("/history", thread=10)
    notice = await bench.last(1)
    assert notice.key == "history:41" and notice.reply_to == 901 and notice.buttons == ()
    assert notice.text.plain.replace("\N{NO-BREAK SPACE}", "~").splitlines() == [
        "Переписка · Анна Петрова",
        "вт, 24 ноября",
        "14:01 WA~Анна Петрова: Здравствуйте",
        "ср, 25 ноября",
        "14:02 TG~ответ: Добрый день",
        "14:03 TG~Анна Петрова: [Фото]",
        "14:04 WA~заметка: перезвонить",
    ]
    (quote,) = [s for s in notice.text.spans if s.kind == "quote"]
    assert notice.text.plain[quote.start : quote.end].startswith("вт, 24") and quote.end == len(notice.text.plain)


async def test_history_is_turned(bench: Bench) -> None:
    (anna,) = await bench.person()
    for number in range(7):
        await bench.says(anna, f"слово {number}")
    await bench.command("/history 3", thread=10)
    first = await bench.last(1)
    assert [f"слово {n}" in first.text.plain for n in range(7)] == [False] * 4 + [True] * 3
    assert await bench.tap(buttons(first)["Раньше"]) == ""
    second = await bench.last(1)
    assert [f"слово {n}" in second.text.plain for n in range(7)] == [False] + [True] * 3 + [False] * 3
    assert await bench.tap(buttons(second)["Раньше"]) == ""
    third = await bench.last(1)
    assert list(buttons(third)) == ["Позже"] and "слово 0" in third.text.plain and third.key == first.key
    assert await bench.tap("l:hist:41:7") == await bench.tap("l:hist:9:0") == "button-old"


@pytest.mark.parametrize(("args", "count"), [("", 30), ("50", 50), ("0", 1), ("9999", 90), ("все", 30), ("9" * 9, 30)])
async def test_how_many_lines_are_asked_for(args: str, count: int, bench: Bench) -> None:
    (anna,) = await bench.person()
    for number in range(count + 1):
        await bench.says(anna, f"s{number}")
    await bench.command(f"/history {args}", thread=10)
    notice = await bench.last(1)
    assert len([line for line in notice.text.plain.splitlines() if ": s" in line]) == count
    assert list(buttons(notice)) == ["Раньше"]


async def test_history_needs_a_topic(bench: Bench) -> None:
    await bench.command("/history")
    assert (await bench.last()).text.plain == "/history работает в теме клиента"


async def test_history_of_a_client_who_said_nothing(bench: Bench) -> None:
    await bench.person()
    await bench.command("/history", thread=10)
    assert (await bench.last(1)).text.plain.endswith("Сообщений пока нет")


# -- screens ----------------------------------------------------------------------------------------------------------


def hit(text: str, *places: tuple[int, int], author: Author = Author.CLIENT, is_deleted: bool = False) -> Hit:
    return Hit(MessageId(5), ANNA, WHATSAPP, author, NOW - timedelta(days=2), text, places, is_deleted)


def line(head: str, minutes: int = 0, **fields: Any) -> Line:
    base: dict[str, Any] = {
        "message_id": MessageId(1000 - minutes),
        "provider": WHATSAPP,
        "author": Author.CLIENT,
        "at": NOW - timedelta(minutes=minutes),
        "is_cut": False,
        "extra": None,
        "files": (),
        "is_edited": False,
        "is_deleted": False,
    }
    return Line(head=head, **(base | fields))


LINES = [
    line("Новое", 1, is_edited=True),
    line("Забытое", 2, is_deleted=True, author=Author.OWNER),
    line("Длинное " * 15, 3, is_cut=True, author=Author.OWNER_ELSEWHERE, provider=TELEGRAM),
    line("", 4, files=(MediaKind.PHOTO, MediaKind.VIDEO_NOTE)),
    line("Вот адрес", 5, extra=Place(1.0, 2.0)),
    line("", 6, extra=Stub("poll"), author=Author.AUTO),
    line("", 2000, author=Author.NOTE),
]


@pytest.mark.parametrize("language", LANGUAGES)
def test_screens(language: str) -> None:
    said = words(language)
    look = finding.Look("новая цена", home=1, own=True)
    found = Found((hit("Новая цена: 5", (0, 5), (6, 10)), hit("цена нового", (0, 4), author=Author.NOTE)), MessageId(5))
    gone = Found((hit("ц" * 300 + " новая", (301, 306), is_deleted=True),))
    screens = [
        ("found in a topic", finding.results(said, 41, look, 0, found, client=ANNA, reply_to=900)),
        ("found everywhere, page 2", finding.results(said, 41, finding.Look("цена"), 1, gone, client=None)),
        ("wider", finding.results(said, 41, finding.Look("це", wide=True), 0, gone, client=None, clients=[ANNA])),
        ("nothing", finding.results(said, 41, finding.Look("цена"), 0, Found(), client=None)),
        ("nothing but clients", finding.results(said, 41, look, 0, Found(), client=None, clients=[ANNA])),
        ("nothing more", finding.results(said, 41, finding.Look("цена"), 2, Found(), client=None)),
        ("too many", finding.results(said, 41, finding.Look("ц"), 0, Found((), MessageId(7), True), client=None)),
        ("history", finding.history(said, 42, 1, LINES, client=ANNA, count=6, several=True, reply_to=900)[0]),
        ("no history", finding.history(said, 42, 0, [], client=ANNA, count=30, several=False)[0]),
    ]
    compare(f"search.{language}", [(name, draw_notice(notice)) for name, notice in screens])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.text(max_size=120), st.integers(0, 9000)), min_size=1, max_size=91), st.integers(1, 90))
def test_history_fits_into_a_message_and_every_line_has_its_page(
    given_lines: list[tuple[str, int]], count: int
) -> None:
    lines = [line(head, n * 600, message_id=MessageId(1000 - n)) for n, (head, _) in enumerate(given_lines)]
    notice, older = finding.history(words("ru"), 1, 0, lines[: count + 1], client=ANNA, count=count, several=True)
    assert size(notice.text.plain, "utf16") <= 4096 and len(notice.text.spans) <= 100
    shown = [one for one in lines if older is None or one.message_id >= older]
    assert notice.text.plain.count(": ") >= min(len(shown), len(lines)) > 0
    assert (older is None) is (len(shown) == len(lines[: count + 1]))


@settings(max_examples=200, deadline=None)
@given(st.text(min_size=1, max_size=700), st.data())
def test_an_excerpt_shows_what_was_found(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    place = (start, data.draw(st.integers(start + 1, min(len(text), start + 40))))
    shown = finding.excerpt(text, [place])
    assert len(shown.plain) <= 182 and all(0 <= s.start < s.end <= len(shown.plain) for s in shown.spans)
    assert [shown.plain[s.start : s.end] for s in shown.spans] == [
        "".join(" " if c in "\n\r\t\v\f\u2028\u2029" else c for c in text[place[0] : place[1]])[
            : shown.spans[0].end - shown.spans[0].start
        ]
    ]

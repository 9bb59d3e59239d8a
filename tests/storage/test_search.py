"""Finding messages and clients, and a client's last messages: what is written is found in the same transaction."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inbox.model import (
    Address,
    Attachment,
    AttachmentId,
    Author,
    ContactId,
    Identity,
    IdentityId,
    MediaKind,
    Message,
    MessageId,
    Part,
    Place,
    Text,
)
from inbox.search import document, parse
from inbox.store import Found, Unit
from storage import search as search_module
from storage import store as store_module
from storage.db import FILE
from storage.index import merge_some
from storage.migrate import migrate, migrations
from storage.store import SqlStore, open_store
from storage.unit import SqlReading, SqlUnit
from storage.writer import Limits
from tests.storage.world import TELEGRAM, WHATSAPP, StoodClock, person, said

ANNA, BORIS = ContactId(1), ContactId(2)
AT = datetime(2026, 3, 1, tzinfo=UTC)


async def texts(store: SqlStore, asked: str, contact: ContactId | None = None, limit: int = 20) -> list[str]:
    found = await store.read(lambda r: r.find_messages(parse(asked), contact, limit))
    assert not found.is_cut
    return [hit.text for hit in found.hits]


def change(unit: Unit, message: Message, words: str | None) -> None:
    unit.add_version(message.id, None if words is None else Part(Text(words)), unit.now)


def file(name: str | None, ref: str = "r") -> Attachment:
    return Attachment(MediaKind.DOCUMENT, WHATSAPP, ref, name=name)


async def test_any_form_finds_it_newest_first(store: SqlStore) -> None:
    def work(unit: Unit) -> None:
        _, anna = person(unit, "1")
        _, boris = person(unit, "2", "Борис")
        said(unit, anna, "Сколько стоит консультация?")
        said(unit, boris, "Ёлка и консультации", Author.OWNER)
        said(unit, anna, "про консультацию с ним", Author.NOTE)
        said(unit, anna, "Консультацией займёмся завтра", Author.AUTO)
        said(unit, anna, "консультант")

    await store.write(work)
    assert await texts(store, "консультации") == [
        "Консультацией займёмся завтра",
        "про консультацию с ним",
        "Ёлка и консультации",
        "Сколько стоит консультация?",
    ]
    assert await texts(store, "елки КОНСУЛЬТАЦИЯ") == ["Ёлка и консультации"]
    assert await texts(store, "консультация", ANNA, 1) == ["Консультацией займёмся завтра"]
    assert await texts(store, "консультация", BORIS) == ["Ёлка и консультации"]
    assert await texts(store, "конс*", ANNA, 1) == ["консультант"]
    assert await texts(store, "ничего") == await texts(store, "", ANNA) == []


async def test_what_a_hit_says(store: SqlStore, clock: StoodClock) -> None:
    def work(unit: Unit) -> Message:
        _, anna = person(unit, "1")
        return said(unit, anna, "и ёлка, и ёлки", Author.OWNER)

    message = await store.write(work)
    await store.write(lambda u: change(u, message, None))
    (hit,) = (await store.read(lambda r: r.find_messages(parse("ёлка"), None, 5))).hits
    assert (hit.message_id, hit.contact.name, hit.provider, hit.author) == (message.id, "Анна", WHATSAPP, Author.OWNER)
    assert (hit.at, hit.is_deleted, hit.places) == (clock.at, True, ((2, 6), (10, 14)))


async def test_pages_follow_each_other(store: SqlStore) -> None:
    def work(unit: Unit) -> None:
        _, anna = person(unit, "1")
        for number in range(7):
            said(unit, anna, f"слово {number}")

    await store.write(work)
    seen: list[str] = []
    before: MessageId | None = None
    for expected in (3, 3, 1):
        found = await store.read(lambda r, b=before: r.find_messages(parse("слово"), None, 3, b))  # type: ignore[misc]
        assert len(found.hits) == expected and not found.is_cut
        seen += [hit.text for hit in found.hits]
        before = found.next
    assert before is None and seen == [f"слово {n}" for n in range(6, -1, -1)]
    assert (await store.read(lambda r: r.find_messages(parse("слово"), None, 7))).next is None


async def test_new_words_are_found_and_old_ones_are_not(store: SqlStore) -> None:
    message = await store.write(lambda u: said(u, person(u, "1")[1], "старое слово"))
    await store.write(lambda u: change(u, message, "новое слово"))
    assert await texts(store, "старый") == []
    assert await texts(store, "новый") == await texts(store, "слова") == ["новое слово"]
    await store.write(lambda u: change(u, message, ""))
    assert await texts(store, "новый") == []
    await store.write(lambda u: change(u, message, "снова"))
    assert await texts(store, "снова") == ["снова"]


async def test_names_of_files_are_found(store: SqlStore) -> None:
    def work(unit: Unit) -> Message:
        _, anna = person(unit, "1")
        return unit.add_message(
            anna.id, Author.CLIENT, at=unit.now, content=Part(), attachments=(file("Смета кухни.pdf"), file(None))
        )

    await store.write(work)
    assert await texts(store, "сметы кухня") == ["\nСмета кухни.pdf"]
    await store.write(lambda u: u.set_attachment(AttachmentId(2), name="план.dwg"))
    assert await texts(store, "план") == ["\nСмета кухни.pdf\nплан.dwg"]
    await store.write(lambda u: u.set_attachment(AttachmentId(1), name="иное.pdf", size=5))
    assert await texts(store, "смета") == []
    await store.write(lambda u: u.set_attachment(AttachmentId(1), size=7))
    assert await texts(store, "иное план") == ["\nиное.pdf\nплан.dwg"]


async def test_what_is_rolled_back_is_not_found(store: SqlStore) -> None:
    def fails(unit: Unit) -> None:
        said(unit, person(unit, "1")[1], "слово")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await store.write(fails)
    assert await texts(store, "слово") == []
    assert await store.read(lambda r: r.find_contacts("анна", 5)) == []


async def test_joined_clients_are_one(store: SqlStore) -> None:
    def work(unit: Unit) -> tuple[Identity, Identity, Message]:
        _, one = person(unit, "1")
        _, two = person(unit, "2", "Аня", TELEGRAM)
        said(unit, one, "слово раз")
        message = said(unit, two, "слово два")
        return one, two, message

    one, two, message = await store.write(work)
    await store.write(lambda u: u.join_identities(one.id, two.id))
    for contact in (ANNA, BORIS):
        assert await texts(store, "слово", contact) == ["слово два", "слово раз"]
        assert [line.head for line in await store.read(lambda r, c=contact: r.last_messages(c, 9))] == [  # type: ignore[misc]
            "слово два",
            "слово раз",
        ]
    await store.write(lambda u: change(u, message, "иное"))
    assert await texts(store, "иное", ANNA) == ["иное"] and await texts(store, "слово", ANNA) == ["слово раз"]
    assert [c.id for c in await store.read(lambda r: r.find_contacts("аня", 5))] == [ANNA]


async def named(store: SqlStore, words: str, limit: int = 5) -> list[str]:
    return [c.name for c in await store.read(lambda r: r.find_contacts(words, limit))]


async def test_clients_are_found_by_name_handle_mail_and_phone(store: SqlStore, clock: StoodClock) -> None:
    def work(unit: Unit) -> None:
        petrova = unit.add_contact("Анна Петрова", language=None, source=None)
        anna = unit.add_identity(petrova.id, Address(WHATSAPP, "acc", "US.1"), "Annie")
        unit.set_identity(anna.id, route="12025550143", handle="anna_home")
        alyona = unit.add_contact("Алёна", language=None, source=None)
        mail = unit.add_identity(alyona.id, Address(TELEGRAM, "acc", "alyona@example.com"), "")
        said(unit, mail, "…")

    await store.write(work)
    for words in ("анна", "петр", "Петрова Анна", "@anna_home", "annie", "12025550143", "+1 202", "555-0143", "0143"):
        assert await named(store, words) == ["Анна Петрова"], words
    for words in ("алена", "Алён", "alyona@example.com", "Алёной"):
        assert await named(store, words) == ["Алёна"], words
    for words in ("а", "", "?", "мария", "анна мария", "143", "9999"):
        assert await named(store, words) == [], words
    assert await named(store, "ал") == ["Алёна"]
    await store.write(lambda u: u.set_contact(ANNA, name="Мария"))
    assert await named(store, "петр") == [] and await named(store, "мари") == ["Мария"]
    await store.write(lambda u: u.set_identity(IdentityId(1), route="12025550199"))
    assert await named(store, "0143") == [] and await named(store, "0199") == ["Мария"]
    assert await named(store, "8202555 0199") == ["Мария"]


async def test_clients_come_in_the_order_of_the_last_touch(store: SqlStore, clock: StoodClock) -> None:
    people = [await store.write(lambda u, n=n: person(u, str(n), f"Анна {n}")[1]) for n in range(3)]  # type: ignore[misc]
    for identity in (people[1], people[0]):
        clock.move(minutes=1)
        await store.write(lambda u, i=identity: said(u, i, "…"))  # type: ignore[misc]
    assert await named(store, "анна") == ["Анна 0", "Анна 1", "Анна 2"]
    assert await named(store, "анна", 2) == ["Анна 0", "Анна 1"]


async def test_last_messages_of_all_networks(store: SqlStore, clock: StoodClock) -> None:
    def work(unit: Unit) -> list[Message]:
        contact, one = person(unit, "1")
        two = unit.add_identity(contact.id, Address(TELEGRAM, "acc", "2"), "Анна")
        person(unit, "3", "Борис")
        made = [said(unit, one, "раз"), said(unit, two, "два", Author.OWNER), said(unit, one, "т" * 300)]
        place = Part(extra=Place(1.0, 2.0, "Кафе"))
        files = (Attachment(MediaKind.PHOTO, WHATSAPP, "a"), Attachment(MediaKind.VIDEO_NOTE, WHATSAPP, "b"))
        made.append(unit.add_message(two.id, Author.NOTE, at=unit.now, content=place, attachments=files))
        return made

    made = await store.write(work)
    await store.write(lambda u: change(u, made[0], "раз!"))
    await store.write(lambda u: change(u, made[1], None))
    lines = await store.read(lambda r: r.last_messages(ANNA, 9))
    assert [line.message_id for line in lines] == [m.id for m in reversed(made)]
    note, long, two, one = lines
    assert (one.head, one.is_edited, one.is_deleted, one.provider) == ("раз!", True, False, WHATSAPP)
    assert (two.head, two.is_deleted, two.author, two.provider) == ("два", True, Author.OWNER, TELEGRAM)
    assert (long.head, long.is_cut, one.is_cut) == ("т" * 120, True, False)
    assert (note.author, note.extra, note.at) == (Author.NOTE, Place(1.0, 2.0, "Кафе"), clock.at)
    assert note.files == (MediaKind.PHOTO, MediaKind.VIDEO_NOTE) and long.files == ()
    assert await store.read(lambda r: r.last_messages(ANNA, 2)) == lines[:2]
    assert await store.read(lambda r: r.last_messages(ANNA, 9, long.message_id)) == lines[2:]
    assert await store.read(lambda r: r.last_messages(BORIS, 9)) == []


@pytest.mark.parametrize("budgets", [(0.0, 1.0), (0.0, 0.0)])
async def test_a_query_that_takes_too_long_is_cut(
    store: SqlStore, budgets: tuple[float, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one client all is found all the same, in its own rows, while their time lasts."""
    monkeypatch.setattr(search_module, "BUDGET", budgets[0])
    monkeypatch.setattr(search_module, "OWN_BUDGET", budgets[1])

    def work(unit: Unit) -> None:
        _, anna = person(unit, "1")
        for number in range(300):
            said(unit, anna, f"слово {number} " + " ".join(f"w{number}x{n}" for n in range(20)))

    await store.write(work)

    def look(contact: ContactId | None) -> Found:
        reading = SqlReading(connection)
        return reading.find_messages(parse("слово"), contact, 500)

    with closing(sqlite3.connect(store.path)) as connection:
        connection.row_factory = sqlite3.Row
        everywhere, own = look(None), look(ANNA)
        assert everywhere.is_cut and len(everywhere.hits) < 300
        assert (len(own.hits) == 300 and not own.is_cut) is (budgets[1] > 0)
        if everywhere.next is not None:
            assert everywhere.next == everywhere.hits[-1].message_id
        assert connection.execute("select count(*) from messages").fetchone()[0] == 300  # no time limit is left behind


async def test_clients_whose_search_takes_too_long_are_none(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def work(unit: Unit) -> None:
        for number in range(300):
            person(unit, str(number), f"Анна {number}")

    await store.write(work)
    assert len(await named(store, "анна", 500)) == 300
    monkeypatch.setattr(search_module, "BUDGET", 0.0)
    assert await named(store, "анна", 500) == []


def segments(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("select count(distinct segid) from search_idx").fetchone()[0])


async def test_the_index_is_tidied_when_nothing_happens(tmp_path: Path, clock: StoodClock) -> None:
    async with open_store(tmp_path, clock, limits=Limits(idle=60)) as store:
        _, anna = await store.write(lambda u: person(u, "1"))
        for number in range(13):
            await store.write(lambda u, n=number: said(u, anna, f"слово {n}"))  # type: ignore[misc]
    assert segments(store.path) >= 4
    async with open_store(tmp_path, clock, limits=Limits(idle=0.01)) as store:
        await store.write(lambda u: said(u, anna, "слово"))
        async with asyncio.timeout(10):
            while segments(store.path) > 3:  # noqa: ASYNC110 a file rings no bell
                await asyncio.sleep(0.01)
        assert len(await texts(store, "слово")) == 14


def test_housekeeping_ends_and_never_fails(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "inbox.db", isolation_level=None)) as connection:
        connection.row_factory = sqlite3.Row
        migrate(connection, tmp_path / "inbox.db", migrations())
        unit = SqlUnit(connection, AT)
        _, anna = person(unit, "1")
        for number in range(6):
            said(unit, anna, f"слово {number}")
        assert merge_some(connection)
        assert not merge_some(connection)
        for number in range(6):
            said(unit, anna, f"слово {number}")
        connection.execute("pragma query_only = on")
        assert not merge_some(connection)


def dump(path: Path) -> dict[str, list[tuple[object, ...]]]:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("create virtual table temp.terms using fts5vocab(main, search, instance)")
        return {
            "terms": connection.execute("select term, doc from terms order by 1, 2").fetchall(),
            "words": connection.execute("select * from contact_words order by 1, 2").fetchall(),
            "timeline": connection.execute("select * from timeline order by 1, 2").fetchall(),
        }


def test_an_older_database_is_filled_as_if_written_now(
    tmp_path: Path, clock: StoodClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(unit: Unit) -> None:
        anna, one = person(unit, "12025550143", "Анна Петрова")
        unit.add_contact("Никто", language=None, source=None)
        unit.set_identity(one.id, handle="anna_home")
        unit.add_identity(anna.id, Address(TELEGRAM, "acc", "2"), "Анюта")
        first = said(unit, one, "старые слова")
        change(unit, first, "Ёлка " * 60)
        change(unit, said(unit, one, "удалено"), None)
        unit.add_message(
            one.id,
            Author.AUTO,
            at=unit.now,
            content=Part(extra=Place(1.0, 2.0)),
            attachments=(file("смета.pdf"), file(None, "b")),
        )

    async def write(folder: Path) -> None:
        async with open_store(folder, clock) as store:
            await store.write(work)

    async def open_again(folder: Path) -> None:
        async with open_store(folder, clock) as store:
            assert len((await store.read(lambda r: r.find_messages(parse("елка"), ANNA, 5))).hits) == 1
            assert [c.id for c in await store.read(lambda r: r.find_contacts("0143", 5))] == [ANNA]

    asyncio.run(write(tmp_path / "new"))
    with monkeypatch.context() as patch:
        _without_search(patch)
        asyncio.run(write(tmp_path / "old"))
    asyncio.run(open_again(tmp_path / "old"))
    assert dump(tmp_path / "old" / FILE) == dump(tmp_path / "new" / FILE)
    assert (tmp_path / "old" / "backups" / "inbox-schema-0001.db").exists()


def _without_search(patch: pytest.MonkeyPatch) -> None:
    """The program as it was before there was a search."""
    patch.setattr(store_module, "migrations", lambda: migrations()[:1])
    patch.setattr(SqlUnit, "_index_message", lambda *_: None)
    patch.setattr(SqlUnit, "_index_contact", lambda *_: None)
    patch.setattr(SqlUnit, "_terms_of", lambda *_: [])


ACT = st.tuples(st.integers(0, 3), st.sampled_from(["ёлка", "ёлки дом", "дома", "", "елкой цены", "🙂"]))


@settings(max_examples=60, deadline=None)
@given(st.lists(ACT, max_size=25), st.booleans())
def test_the_index_against_a_plain_model(acts: list[tuple[int, str]], joined: bool) -> None:
    """Messages are written and edited at will: the index knows just the words that stand now."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.row_factory = sqlite3.Row
        migrate(connection, Path(), migrations())
        unit = SqlUnit(connection, AT)
        people = [person(unit, str(n))[1] for n in range(2)]
        model: list[tuple[Message, int, str]] = []
        for number, words in acts:
            if number < 2 or not model:
                model.append((said(unit, people[number % 2], words), number % 2, words))
            else:
                at = number % len(model)
                change(unit, model[at][0], words)
                model[at] = (model[at][0], model[at][1], words)
        if joined:
            unit.join_identities(people[0].id, people[1].id)
        for asked in ("елка", "дом", "цена", "ёлк*", "ёл*"):
            query = parse(asked)
            expected = [m.id for m, _, words in reversed(model) if query.find(words) is not None]
            assert [h.message_id for h in unit.find_messages(query, None, 99).hits] == expected
            for who in (0, 1):
                own = [m.id for m, whose, words in reversed(model) if query.find(words) and (joined or whose == who)]
                found = unit.find_messages(query, people[who].contact_id, 99)
                assert [h.message_id for h in found.hits] == own
        heads = {(row["message_id"], row["head"]) for row in connection.execute("select * from timeline")}
        assert heads == {(m.id, words) for m, _, words in model}
        connection.execute("create virtual table temp.terms using fts5vocab(main, search, instance)")
        terms = {(row["term"], row["doc"]) for row in connection.execute("select term, doc from terms")}
        known = {(t, m.id) for m, _, words in model for t in document(words, 0).split()[1:]}
        assert {(t, d) for t, d in terms if not t.startswith("=")} == known

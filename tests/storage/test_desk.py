"""Topics and their threads, shown messages, notices, marks, prompts."""

from __future__ import annotations

import sqlite3
from operator import methodcaller

import pytest

from inbox.model import ContactId, MessageId, Topic
from inbox.store import Mark, Prompt, Shown, Unit
from storage.store import SqlStore
from tests.storage.world import StoodClock, person, said

CHAT = 202555010


async def test_a_topic_is_one_per_contact_and_place(store: SqlStore) -> None:
    contact, _ = await store.write(lambda u: person(u, "1"))
    topic = await store.write(lambda u: u.add_topic(contact.id, "private", CHAT))
    assert topic == Topic(topic.id, contact.id, "private", CHAT)
    changed = await store.write(
        lambda u: u.set_topic(
            topic.id, thread_id=5, name_shown="Анна", card_message_id=6, card_shown="d", card_pinned=True, anchor=7
        )
    )
    assert changed == Topic(topic.id, contact.id, "private", CHAT, 5, "Анна", 6, "d", True, 7)
    assert await store.read(lambda r: r.topic_of(contact.id, "private", CHAT)) == changed
    assert await store.read(lambda r: r.topic_of(contact.id, "forum", CHAT)) is None
    assert await store.read(lambda r: r.topic_at(CHAT, 5)) == changed
    assert await store.read(lambda r: r.topic_at(CHAT + 1, 5)) is None
    with pytest.raises(sqlite3.IntegrityError):
        await store.write(lambda u: u.add_topic(contact.id, "private", CHAT))
    with pytest.raises(KeyError):
        await store.write(lambda u: u.set_topic(99, anchor=1))
    with pytest.raises(KeyError):
        await store.write(lambda u: u.add_topic(ContactId(99), "private", CHAT))


async def test_a_thread_that_was_replaced_still_leads_to_its_client(store: SqlStore) -> None:
    def work(unit: Unit) -> ContactId:
        contact, _ = person(unit, "1")
        topic = unit.add_topic(contact.id, "private", CHAT)
        for thread_id in (5, None, 8):
            unit.set_topic(topic.id, thread_id=thread_id)
        return contact.id

    contact_id = await store.write(work)
    for thread_id in (5, 8):
        found = await store.read(methodcaller("topic_at", CHAT, thread_id))
        assert found is not None and (found.contact_id, found.thread_id) == (contact_id, 8)


@pytest.mark.parametrize(
    ("kept_thread", "lost_thread", "thread"), [(5, 6, 5), (5, None, 5), (None, 6, 6), (None, None, None)]
)
async def test_joined_contacts_have_one_topic_and_all_threads(
    store: SqlStore, kept_thread: int | None, lost_thread: int | None, thread: int | None
) -> None:
    def work(unit: Unit) -> tuple[ContactId, ContactId]:
        (kept, one), (lost, two) = person(unit, "1"), person(unit, "2")
        for contact, thread_id in ((kept, kept_thread), (lost, lost_thread)):
            unit.set_topic(unit.add_topic(contact.id, "private", CHAT).id, thread_id=thread_id)
        unit.set_topic(unit.add_topic(lost.id, "forum", -100).id, thread_id=40)
        unit.join_identities(one.id, two.id)
        return kept.id, lost.id

    kept, lost = await store.write(work)
    topic = await store.read(lambda r: r.topic_of(kept, "private", CHAT))
    assert topic is not None and (topic.contact_id, topic.thread_id) == (kept, thread)
    assert await store.read(lambda r: r.topic_of(lost, "private", CHAT)) == topic
    for old in {kept_thread, lost_thread} - {None}:
        assert await store.read(methodcaller("topic_at", CHAT, old)) == topic
    forum = await store.read(lambda r: r.topic_at(-100, 40))
    assert forum is not None and forum.contact_id == kept


async def test_shown_is_many_to_many(store: SqlStore) -> None:
    def work(unit: Unit) -> tuple[MessageId, MessageId]:
        _, identity = person(unit, "1")
        one, two = said(unit, identity, "раз").id, said(unit, identity, "два").id
        for desk_id, message_id, part in ((10, one, 0), (10, two, 0), (11, two, 1), (11, two, 1)):
            unit.add_shown(CHAT, desk_id, message_id, part)
        return one, two

    one, two = await store.write(work)
    assert await store.read(lambda r: r.shown_at(CHAT, 10)) == [Shown(CHAT, 10, one, 0), Shown(CHAT, 10, two, 0)]
    assert await store.read(lambda r: r.shown_as(two)) == [Shown(CHAT, 10, two, 0), Shown(CHAT, 11, two, 1)]
    assert await store.read(lambda r: r.shown_as(two, 0)) == [Shown(CHAT, 10, two, 0)]
    assert await store.read(lambda r: r.shown_at(CHAT, 12)) == []
    with pytest.raises(KeyError):
        await store.write(lambda u: u.add_shown(CHAT, 1, MessageId(99), 0))


async def test_notices_stand_where_they_were_last_shown(store: SqlStore) -> None:
    assert await store.read(lambda r: r.notice_at("digest")) is None
    await store.write(lambda u: u.set_notice("digest", CHAT, 5))
    await store.write(lambda u: u.set_notice("digest", CHAT + 1, 6))
    assert await store.read(lambda r: r.notice_at("digest")) == (CHAT + 1, 6)


async def test_marks_are_a_state(store: SqlStore, clock: StoodClock) -> None:
    start = clock.at

    def work(unit: Unit) -> list[MessageId]:
        _, identity = person(unit, "1")
        return [said(unit, identity, "…").id for _ in range(2)]

    one, two = await store.write(work)
    await store.write(lambda u: u.want_mark(two, CHAT, 12, "🕊"))
    clock.move(seconds=1)
    await store.write(lambda u: u.want_mark(one, CHAT, 11, "🕊"))
    await store.write(lambda u: u.want_mark(two, CHAT, 12, "🕊"))
    marks = await store.read(lambda r: r.marks_to_draw(9))
    assert marks == [Mark(two, CHAT, 12, "🕊", "", start), Mark(one, CHAT, 11, "🕊", "", clock.at)]
    assert await store.read(lambda r: r.marks_to_draw(1)) == marks[:1]
    await store.write(lambda u: u.set_mark_shown(two, "🕊"))
    assert [m.message_id for m in await store.read(lambda r: r.marks_to_draw(9))] == [one]
    clock.move(seconds=1)
    await store.write(lambda u: u.want_mark(two, CHAT, 12, "👌"))
    assert (await store.read(lambda r: r.marks_to_draw(9)))[1] == Mark(two, CHAT, 12, "👌", "🕊", clock.at)
    await store.write(lambda u: u.want_mark(two, CHAT, 13, "👌"))
    assert (await store.read(lambda r: r.marks_to_draw(9)))[1].shown == ""
    with pytest.raises(KeyError):
        await store.write(lambda u: u.set_mark_shown(MessageId(99), "🕊"))


async def test_prompts(store: SqlStore) -> None:
    await store.write(lambda u: u.set_prompt("topic:1", Prompt("rename", "1")))
    await store.write(lambda u: u.set_prompt("topic:1", Prompt("merge", "2")))
    assert await store.read(lambda r: r.prompt("topic:1")) == Prompt("merge", "2")
    await store.write(lambda u: u.set_prompt("topic:1", None))
    assert await store.read(lambda r: r.prompt("topic:1")) is None

"""Messages, versions, files, ids on the networks, facts that came too early."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from operator import methodcaller

import pytest

from inbox.gate import Came, Changed, Person, Progress, Reacted
from inbox.model import (
    Address,
    Attachment,
    AttachmentId,
    Author,
    Card,
    DeliveryState,
    ExternalId,
    IdentityId,
    MediaKind,
    Message,
    MessageId,
    Part,
    Place,
    Span,
    Stub,
    Text,
)
from inbox.store import DuplicateSource, Ref, Unit
from storage.store import SqlStore
from tests.storage.world import WHATSAPP, StoodClock, person, said

PHOTO = Attachment(MediaKind.PHOTO, WHATSAPP, "media-1", mime="image/jpeg", size=10, name="a.jpg", spoiler=True)
VOICE = Attachment(MediaKind.VOICE, WHATSAPP, "media-2", duration=7)


async def test_a_message_comes_back_as_it_was_given(store: SqlStore, clock: StoodClock) -> None:
    at = clock.at - timedelta(seconds=2, microseconds=7)
    text = Text("жирный и ссылка", (Span("bold", 0, 6), Span("link", 9, 15, "https://example.com/a")))

    def work(unit: Unit) -> Message:
        _, identity = person(unit, "1")
        first = said(unit, identity, "раз")
        content = Part(text, extra=Place(55.75, 37.6, "Кафе"), reply_to=first.id, quote="ра")
        return unit.add_message(
            identity.id, Author.CLIENT, at=at, content=content, attachments=(PHOTO, VOICE), album="al", source=None
        )

    made = await store.write(work)
    assert (made.text, made.at, made.stored_at) == (text, at, clock.at)
    assert (made.extra, made.quote, made.album) == (Place(55.75, 37.6, "Кафе"), "ра", "al")
    assert [(a.kind, a.ref, a.spoiler, a.duration) for a in made.attachments] == [
        (MediaKind.PHOTO, "media-1", True, None),
        (MediaKind.VOICE, "media-2", False, 7),
    ]
    assert await store.read(lambda r: r.message(made.id)) == made
    assert made.reply_to is not None
    assert (await store.read(lambda r: r.message(MessageId(made.id - 1)))).id == made.reply_to


@pytest.mark.parametrize("extra", [Card("Борис", ("+1 202 555 0102",)), Stub("poll", "?"), Place(1.0, 2.0), None])
async def test_extras(store: SqlStore, extra: Place | Card | Stub | None) -> None:
    def work(unit: Unit) -> Message:
        return unit.add_message(person(unit, "1")[1].id, Author.CLIENT, at=unit.now, content=Part(extra=extra))

    assert (await store.write(work)).extra == extra


async def test_one_desk_update_makes_one_message(store: SqlStore) -> None:
    def work(unit: Unit) -> MessageId:
        _, identity = person(unit, "1")
        return unit.add_message(
            identity.id, Author.OWNER, at=unit.now, content=Part(Text("да")), source="desk:-100200:31"
        ).id

    made = await store.write(work)
    with pytest.raises(DuplicateSource):
        await store.write(
            lambda u: u.add_message(
                IdentityId(1), Author.OWNER, at=u.now, content=Part(Text("да")), source="desk:-100200:31"
            )
        )
    found = await store.read(lambda r: r.message_by_source("desk:-100200:31"))
    assert found is not None and found.id == made
    assert await store.read(lambda r: r.message_by_source("desk:-100200:32")) is None
    assert await store.read(lambda r: r.source_of(made)) == (-100200, 31)


async def test_a_clients_message_has_no_source(store: SqlStore) -> None:
    made = await store.write(lambda u: said(u, person(u, "1")[1], "…"))
    assert await store.read(lambda r: r.source_of(made.id)) is None


async def test_albums(store: SqlStore) -> None:
    def work(unit: Unit) -> tuple[IdentityId, list[MessageId]]:
        _, identity = person(unit, "1")
        ids = [
            unit.add_message(identity.id, Author.CLIENT, at=unit.now, content=Part(), album=album).id
            for album in ("a", "b", "a", None)
        ]
        return identity.id, ids

    identity_id, ids = await store.write(work)
    assert await store.read(lambda r: r.album_messages(identity_id, "a")) == [ids[0], ids[2]]


async def test_ids_on_the_network(store: SqlStore) -> None:
    def work(unit: Unit) -> tuple[MessageId, list[bool]]:
        message = said(unit, person(unit, "1")[1], "…")
        taken = [
            unit.add_ref(WHATSAPP, account, ExternalId(external), message.id, part)
            for account, external, part in (("2003", "b", 1), ("2003", "a", 0), ("2003", "a", 5), ("2004", "a", 2))
        ]
        return message.id, taken

    message_id, taken = await store.write(work)
    assert taken == [True, True, False, True]
    assert await store.read(lambda r: r.ref(WHATSAPP, "2003", ExternalId("a"))) == Ref(message_id, 0)
    assert await store.read(lambda r: r.ref(WHATSAPP, "2005", ExternalId("a"))) is None
    assert await store.read(lambda r: r.refs_of(message_id)) == [("a", 0), ("b", 1), ("a", 2)]


async def test_an_edit_keeps_the_old_words_and_a_deletion_keeps_them_all(store: SqlStore, clock: StoodClock) -> None:
    at = datetime(2026, 3, 1, 9, 5, tzinfo=UTC)

    def work(unit: Unit) -> MessageId:
        _, identity = person(unit, "1")
        card = Card("Борис")
        return unit.add_message(
            identity.id, Author.CLIENT, at=unit.now, content=Part(Text("было"), extra=card), attachments=[PHOTO]
        ).id

    message_id = await store.write(work)
    await store.write(lambda u: u.add_version(message_id, Part(Text("стало", (Span("bold", 0, 5),))), at))
    edited = await store.read(lambda r: r.message(message_id))
    assert (edited.text.plain, edited.text.spans, edited.edited_at) == ("стало", (Span("bold", 0, 5),), at)
    assert edited.extra == Card("Борис") and len(edited.attachments) == 1 and edited.deleted_at is None
    await store.write(lambda u: u.add_version(message_id, None, at + timedelta(minutes=1)))
    deleted = await store.read(lambda r: r.message(message_id))
    assert (deleted.text.plain, deleted.deleted_at) == ("стало", at + timedelta(minutes=1))
    with closing(sqlite3.connect(store.path)) as connection:
        assert connection.execute("select message_id, text from message_versions").fetchall() == [(message_id, "было")]
    for content in (Part(), None):
        with pytest.raises(KeyError):
            await store.write(methodcaller("add_version", MessageId(99), content, at))


async def test_files(store: SqlStore) -> None:
    def work(unit: Unit) -> tuple[MessageId, AttachmentId, int]:
        message = unit.add_message(
            person(unit, "1")[1].id, Author.CLIENT, at=unit.now, content=Part(), attachments=[PHOTO]
        )
        file = message.attachments[0].id
        assert file is not None
        return message.id, file, unit.add_job("fetch", {"attachment": file}, unit.now)

    message_id, file, job = await store.write(work)
    assert await store.read(lambda r: r.attachment_message(file)) == message_id
    assert await store.read(lambda r: r.fetch_pending(file)) is True
    assert await store.read(lambda r: r.fetch_pending(AttachmentId(file + 1))) is False

    def fetched(unit: Unit) -> None:
        unit.set_attachment(file, sha256="ab" * 32, size=2**40, mime="image/png", name="b.png")
        unit.finish_job(job)

    await store.write(fetched)
    stored = await store.read(lambda r: r.attachment(file))
    assert (stored.sha256, stored.size, stored.mime, stored.name) == ("ab" * 32, 2**40, "image/png", "b.png")
    assert await store.read(lambda r: r.fetch_pending(file)) is False
    with pytest.raises(KeyError):
        await store.read(lambda r: r.attachment(AttachmentId(99)))
    with pytest.raises(KeyError):
        await store.write(lambda u: u.set_attachment(AttachmentId(99), size=1))


async def test_a_size_that_cannot_be_true_is_not_known(store: SqlStore) -> None:
    files = [Attachment(MediaKind.PHOTO, WHATSAPP, "r", size=size, duration=size) for size in (2**64, -1, 0)]

    def work(unit: Unit) -> Message:
        _, identity = person(unit, "1")
        return unit.add_message(identity.id, Author.CLIENT, at=unit.now, content=Part(), attachments=files)

    assert [(a.size, a.duration) for a in (await store.write(work)).attachments] == [(None, None), (None, None), (0, 0)]


async def test_early_facts_wait_for_their_message(store: SqlStore, clock: StoodClock) -> None:
    who = Person(Address(WHATSAPP, "2003", "1"), ("k1", "k2"), name="Анна")
    external = ExternalId("wamid.1")
    at = clock.at
    facts: list[Came | Changed | Reacted | Progress] = [
        Progress(None, WHATSAPP, "2003", external, at, DeliveryState.DELIVERED, token="7"),
        Changed(who, external, at, Text("иначе", (Span("code", 0, 2),))),
        Changed(who, external, at, None),
        Reacted(who, external, at, "👍", author=Author.OWNER_ELSEWHERE),
        Came(who, external, at, Text("эхо"), (PHOTO,), Place(1.5, 2), author=Author.OWNER_ELSEWHERE, echo_token="9"),
    ]

    def keep(unit: Unit) -> None:
        for fact in [*facts, facts[0]]:
            unit.keep_early(WHATSAPP, "2003", external, fact)
        unit.keep_early(WHATSAPP, "2003", ExternalId("other"), facts[0])

    await store.write(keep)
    assert await store.write(lambda u: u.take_early(WHATSAPP, "2003", external)) == facts
    assert await store.write(lambda u: u.take_early(WHATSAPP, "2003", external)) == []
    assert await store.write(lambda u: u.drop_early(clock.at)) == 0
    clock.move(hours=1)
    assert await store.write(lambda u: u.drop_early(u.now)) == 1

"""Contacts, identities, keys, and two of them that turn out to be one person."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from operator import methodcaller

import pytest

from inbox.model import Address, Author, ContactId, IdentityId, Part, Text
from inbox.store import Unit
from storage.store import SqlStore
from tests.storage.world import TELEGRAM, WHATSAPP, StoodClock, person, said


async def test_a_contact_is_kept_and_changed(store: SqlStore) -> None:
    made = await store.write(lambda u: u.add_contact("Анна", language="ru", source="site"))
    assert (made.name, made.language, made.via, made.source) == ("Анна", "ru", None, "site")
    changed = await store.write(lambda u: u.set_contact(made.id, name="Анна П.", language=None))
    assert (changed.name, changed.language, changed.source) == ("Анна П.", None, "site")
    assert await store.read(lambda r: r.contact(made.id)) == changed


async def test_unknown_ids_and_fields(store: SqlStore) -> None:
    with pytest.raises(KeyError):
        await store.read(lambda r: r.contact(ContactId(7)))
    with pytest.raises(KeyError):
        await store.read(lambda r: r.identity(IdentityId(7)))
    with pytest.raises(KeyError):
        await store.read(lambda r: r.identities_of(ContactId(7)))
    with pytest.raises(KeyError):
        await store.write(lambda u: u.set_contact(ContactId(7), name="x"))
    with pytest.raises(KeyError):
        await store.write(lambda u: u.add_identity(ContactId(7), Address(WHATSAPP, "2003", "1"), "x"))
    with pytest.raises(KeyError):
        await store.write(lambda u: u.add_key(IdentityId(7), "k"))
    contact, _ = await store.write(lambda u: person(u, "1"))
    with pytest.raises(TypeError, match="colour"):
        await store.write(lambda u: u.set_contact(contact.id, colour="red"))
    with pytest.raises(KeyError):
        await store.write(lambda u: u.set_contact(contact.id, via=IdentityId(99)))


async def test_an_identity_is_found_by_address_and_by_any_key(store: SqlStore) -> None:
    def work(unit: Unit) -> IdentityId:
        _, identity = person(unit, "12025550101")
        for key in ("number:12025550101", "bsuid:US.1", "number:12025550101"):
            unit.add_key(identity.id, key)
        return identity.id

    made = await store.write(work)
    address = Address(WHATSAPP, "2003", "12025550101")
    found = await store.read(lambda r: r.identity_at(address))
    assert found is not None and found.id == made
    assert await store.read(lambda r: r.identity_at(Address(TELEGRAM, "2003", "12025550101"))) is None
    assert await store.read(lambda r: r.keys_of(made)) == ("number:12025550101", "bsuid:US.1")
    assert [i.id for _, i in await store.read(lambda r: r.identities_by_key("bsuid:US.1"))] == [made]
    assert await store.read(lambda r: r.identities_by_key("bsuid:US.2")) == []


async def test_an_identity_is_changed_and_moves_to_another_address(store: SqlStore) -> None:
    _, identity = await store.write(lambda u: person(u, "1"))
    at = datetime(2026, 3, 1, 8, 59, 58, 123456, tzinfo=UTC)
    moved = Address(WHATSAPP, "2003", "2")
    changed = await store.write(
        lambda u: u.set_identity(identity.id, handle="anna", route="r", last_inbound_at=at, address=moved)
    )
    assert (changed.handle, changed.route, changed.last_inbound_at, changed.address) == ("anna", "r", at, moved)
    assert await store.read(lambda r: r.identity_at(identity.address)) is None


async def test_recent_contacts_are_those_who_wrote_or_were_written_to(store: SqlStore, clock: StoodClock) -> None:
    def first(unit: Unit) -> None:
        for name in ("Анна", "Борис", "Вера", "Глеб"):
            _, identity = person(unit, name, name)
            if name != "Глеб":
                said(unit, identity, "привет")

    await store.write(first)
    clock.move(minutes=1)

    def second(unit: Unit) -> None:
        anna = unit.identity_at(Address(WHATSAPP, "2003", "Анна"))
        vera = unit.identity_at(Address(WHATSAPP, "2003", "Вера"))
        assert anna is not None and vera is not None
        said(unit, anna, "ответ", Author.OWNER)
        said(unit, vera, "заметка", Author.NOTE)
        unit.add_message(vera.id, Author.CLIENT, at=unit.now - timedelta(days=5), content=Part(Text("поздно")))

    await store.write(second)
    assert [c.name for c in await store.read(lambda r: r.recent_contacts(9))] == ["Анна", "Вера", "Борис"]
    assert [c.name for c in await store.read(lambda r: r.recent_contacts(1))] == ["Анна"]


@pytest.mark.parametrize(
    ("authors", "waits"),
    [
        ([], False),
        ([Author.CLIENT], True),
        ([Author.CLIENT, Author.OWNER], False),
        ([Author.OWNER, Author.CLIENT, Author.NOTE, Author.AUTO], True),
        ([Author.CLIENT, Author.OWNER_ELSEWHERE], False),
    ],
)
async def test_who_has_the_next_word(store: SqlStore, authors: list[Author], waits: bool) -> None:
    def work(unit: Unit) -> ContactId:
        contact, identity = person(unit, "1")
        for author in authors:
            said(unit, identity, "…", author)
        return contact.id

    contact_id = await store.write(work)
    assert await store.read(lambda r: r.waits_for_owner(contact_id)) is waits


async def test_the_next_word_is_looked_for_on_all_roads(store: SqlStore) -> None:
    def work(unit: Unit) -> ContactId:
        contact, one = person(unit, "1")
        two = unit.add_identity(contact.id, Address(TELEGRAM, "77", "5"), "Анна")
        said(unit, two, "сюда")
        said(unit, one, "ответ", Author.OWNER)
        return contact.id

    contact_id = await store.write(work)
    assert await store.read(lambda r: r.waits_for_owner(contact_id)) is False


async def test_two_identities_of_one_body_become_one(store: SqlStore) -> None:
    def work(unit: Unit) -> tuple[ContactId, IdentityId, ContactId, IdentityId]:
        kept_contact, kept = person(unit, "1", "Анна")
        lost_contact, lost = person(unit, "2", "Аня")
        unit.add_key(kept.id, "shared")
        unit.add_key(lost.id, "shared")
        unit.add_key(lost.id, "own")
        unit.set_identity(lost.id, handle="anya", last_inbound_at=unit.now)
        unit.set_contact(lost_contact.id, via=lost.id, language="ru")
        third = unit.add_identity(lost_contact.id, Address(TELEGRAM, "77", "5"), "Аня")
        said(unit, lost, "раз")
        said(unit, third, "два")
        unit.join_identities(kept.id, lost.id)
        return kept_contact.id, kept.id, lost_contact.id, lost.id

    kept_contact, kept, lost_contact, lost = await store.write(work)
    identity = await store.read(lambda r: r.identity(kept))
    assert (identity.handle, identity.name) == ("anya", "Анна") and identity.last_inbound_at is not None
    assert await store.read(lambda r: r.identity(lost)) == identity
    assert await store.read(lambda r: r.identity_at(Address(WHATSAPP, "2003", "2"))) == identity
    assert set(await store.read(lambda r: r.keys_of(kept))) == {"shared", "own"}
    assert await store.read(lambda r: r.identities_by_key("shared", "none")) == [("shared", identity)]
    contact = await store.read(lambda r: r.contact(kept_contact))
    assert (contact.via, contact.language) == (kept, "ru")
    assert await store.read(lambda r: r.contact(lost_contact)) == contact
    owned = await store.read(lambda r: r.identities_of(lost_contact))
    assert [i.address.user for i in owned] == ["1", "5"]
    assert await store.read(lambda r: r.recent_contacts(9)) == [contact]
    assert await store.read(lambda r: r.waits_for_owner(kept_contact)) is True


async def test_joining_is_harmless_twice_and_follows_chains(store: SqlStore) -> None:
    def work(unit: Unit) -> list[IdentityId]:
        ids = [person(unit, str(n))[1].id for n in range(3)]
        unit.join_identities(ids[1], ids[2])
        unit.join_identities(ids[0], ids[1])
        unit.join_identities(ids[0], ids[2])
        said(unit, unit.identity(ids[2]), "кто я?")
        return ids

    ids = await store.write(work)
    assert {(await store.read(methodcaller("identity", i))).id for i in ids} == {ids[0]}
    with pytest.raises(KeyError):
        await store.write(lambda u: u.join_identities(ids[0], IdentityId(99)))


async def test_an_old_address_may_be_taken_by_the_kept_identity(store: SqlStore) -> None:
    def work(unit: Unit) -> IdentityId:
        _, kept = person(unit, "1")
        _, lost = person(unit, "2")
        unit.join_identities(kept.id, lost.id)
        return unit.set_identity(kept.id, address=lost.address).id

    kept = await store.write(work)
    found = await store.read(lambda r: r.identity_at(Address(WHATSAPP, "2003", "2")))
    assert found is not None and found.id == kept

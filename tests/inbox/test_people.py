"""One person, one client: whatever the ids by which a network names them."""

from __future__ import annotations

from inbox.gate import Person, Rekeyed
from inbox.model import Act, Address, DeliveryState, Part, Text
from inbox.store import Unit
from tests.inbox.factories import BUSINESS, NOW, TELEGRAM, WHATSAPP, Desk, came, changed, echo, later, person

NUMBER, OTHER_NUMBER, BSUID = "wa:number:12025550101", "wa:number:12025550102", "wa:bsuid:US.1"


def by_number(number: str = "12025550101") -> Person:
    return person(number, keys=(f"wa:number:{number}",), route=number)


def by_bsuid() -> Person:
    return person("US.1", keys=(BSUID,), route="bsuid:US.1")


def by_both(number: str = "12025550101") -> Person:
    return person("US.1", keys=(BSUID, f"wa:number:{number}"), route=number)


async def test_one_person_in_the_bots_chat_and_in_business_is_one_client(desk: Desk) -> None:
    key = ("telegram:user:77",)
    await desk.apply(came("1", "в бота", person("77", TELEGRAM, "bot", keys=key)))
    await desk.apply(came("1", "в личку", person("77", BUSINESS, "owner", keys=key)))
    bot, own = await desk.identity("77", TELEGRAM, "bot"), await desk.identity("77", BUSINESS, "owner")
    assert bot.id != own.id
    assert bot.contact_id == own.contact_id
    assert [e.data["client"] for e in await desk.events("client.created")] == [bot.contact_id]
    assert await desk.shown(1) == [("send", "в бота"), ("send", "в личку")]


async def test_two_gates_are_never_joined_by_a_name_or_a_handle(desk: Desk) -> None:
    await desk.apply(came("1", "a", person("12025550101", WHATSAPP, handle="anna", route="12025550101")))
    await desk.apply(came("1", "b", person("12025550101", TELEGRAM, "bot", handle="anna", route="12025550101")))
    assert len(await desk.events("client.created")) == 2
    assert await desk.shown(1) == [("send", "a")]
    assert await desk.shown(2) == [("send", "b")]


async def test_a_body_that_names_the_bsuid_and_the_number_leads_to_the_client_of_either(desk: Desk) -> None:
    await desk.apply(came("1", "по номеру", by_number()))
    await desk.apply(came("2", "по обоим", by_both()))
    await desk.apply(came("3", "по новому", by_bsuid()))
    first, third = await desk.message("1"), await desk.message("3")
    assert first.identity_id == third.identity_id
    assert len(await desk.events("client.created")) == 1
    assert len(await desk.shown(1)) == 3


async def test_a_body_that_names_both_keys_of_two_clients_joins_them_with_all_that_waits(desk: Desk) -> None:
    await desk.apply(came("1", "по номеру", by_number()))
    await desk.apply(came("2", "по новому", by_bsuid()))
    waits = await desk.answer("ждёт", "US.1")
    parked = await desk.answer("стоит", "US.1")
    leaving = await desk.answer("уходит", "US.1")

    def stand(unit: Unit) -> None:
        topic = unit.add_topic((unit.identity(parked.identity_id)).contact_id, "private", 501)
        unit.set_topic(topic.id, thread_id=9)
        unit.set_delivery(unit.deliveries_of(parked.id)[0].id, state=DeliveryState.PARKED, error="parked")
        unit.set_delivery(unit.deliveries_of(leaving.id)[0].id, state=DeliveryState.SENDING)

    await desk.store.write(stand)
    await desk.apply(came("3", "по обоим", by_both()))

    assert {(await desk.message(n)).identity_id for n in ("1", "2", "3")} == {1}
    topic = await desk.see(lambda r: r.topic_at(501, 9))
    assert topic is not None and topic.contact_id == 1
    assert await desk.shown(1) == [("send", "по номеру"), ("send", "по новому"), ("send", "по обоим")]
    assert await desk.lane("desk:2") == []
    rows = [(await desk.rows(m))[0] for m in (waits, parked, leaving)]
    assert [d.lane for d in rows] == ["whatsapp:1"] * 3
    # her parked text leaves with the message that joined them, before anything newer
    assert [str(d.state) for d in rows] == ["waiting", "waiting", "sending"]
    assert await desk.see(lambda r: r.lane_heads("whatsapp")) == []


async def test_a_changed_number_keeps_the_client_and_a_repeat_says_nothing_new(desk: Desk) -> None:
    await desk.apply(came("1", "раньше", by_number()))
    fact = Rekeyed((NUMBER,), by_number("12025550102"), later(hours=1))
    await desk.apply(fact)
    await desk.apply(fact)
    await desk.apply(came("2", "потом", by_number("12025550102")))
    identity = await desk.identity("12025550102")
    assert identity.id == (await desk.message("1")).identity_id == (await desk.message("2")).identity_id
    assert identity.route == "12025550102"
    assert [(e.data["client"], e.data["change"], e.timestamp) for e in await desk.events("client.changed")] == [
        (1, "ids", later(hours=1))
    ]
    assert len(await desk.events("client.created")) == 1


async def test_a_number_may_change_again_and_back(desk: Desk) -> None:
    await desk.apply(came("1", "раньше", by_number()))
    await desk.apply(Rekeyed((NUMBER,), by_number("12025550102"), later(hours=1)))
    await desk.apply(Rekeyed((OTHER_NUMBER,), by_number(), later(hours=2)))
    await desk.apply(Rekeyed((NUMBER,), by_number("12025550102"), later(hours=3)))
    await desk.apply(came("2", "потом", by_number("12025550102")))
    assert (await desk.message("2")).identity_id == 1
    assert (await desk.identity("12025550102")).address.user == "12025550102"
    assert len(await desk.events("client.changed")) == 3


async def test_a_client_who_writes_under_new_ids_before_the_change_is_reported_becomes_one_again(desk: Desk) -> None:
    await desk.apply(came("1", "раньше", by_number()))
    await desk.apply(came("2", "уже с нового", by_number("12025550102")))
    await desk.apply(Rekeyed((NUMBER,), by_number("12025550102"), later(hours=1)))
    await desk.apply(came("3", "потом", by_number("12025550102")))
    assert {(await desk.message(n)).identity_id for n in ("1", "2", "3")} == {1}
    assert (await desk.identity("12025550102")).address == Address(WHATSAPP, "acc", "12025550102")
    assert len(await desk.shown(1)) == 3


async def test_a_change_of_ids_of_somebody_unknown_makes_the_client(desk: Desk) -> None:
    await desk.apply(Rekeyed((NUMBER,), by_number("12025550102"), later(hours=1)))
    assert (await desk.identity("12025550102")).contact_id == 1
    assert await desk.shown(1) == []


async def test_what_a_body_says_of_a_person_is_learned_and_never_forgotten(desk: Desk) -> None:
    await desk.apply(came("1", "a", person(name=None)))
    assert (await desk.see(lambda r: r.contact((r.recent_contacts(1))[0].id))).name == ""
    await desk.apply(came("2", "b", person(name="Анна", handle="anna", language="ru", route="r1")))
    await desk.apply(came("3", "c", person(name=None, handle=None)))
    await desk.apply(came("4", "d", person(name="Анна Петрова", language="en", route="r2")))
    identity = await desk.identity()
    contact = await desk.see(lambda r: r.contact(identity.contact_id))
    assert (identity.name, identity.handle, identity.route) == ("Анна Петрова", "anna", "r2")
    assert (contact.name, contact.language) == ("Анна", "ru")  # what may be hers by now is not overwritten
    assert [e.data for e in await desk.events("client.changed")] == [
        {"id": 3, "type": "client.changed", "stored_at": NOW.isoformat(), "client": 1, "name": "Анна", "language": "ru"}
    ]


async def test_the_label_of_the_link_stays_with_the_client(desk: Desk) -> None:
    await desk.apply(came("1", "a", source="spring"))
    await desk.apply(came("2", "b", source="autumn"))
    assert (await desk.see(lambda r: r.recent_contacts(1)))[0].source == "spring"
    assert (await desk.events("client.created"))[0].data["source"] == "spring"


async def test_an_echo_to_a_person_known_by_the_number_finds_the_client(desk: Desk) -> None:
    """What is under way to them is under way, whichever id the echo names."""
    await desk.apply(came("1", "вопрос", by_number()))
    message = await desk.answer("ответ", "12025550101")
    await desk.claimed(message)
    await desk.apply(echo("e1", "ответ", by_both()))
    assert await desk.shown(1) == [("send", "вопрос")]
    assert await desk.see(lambda r: r.next_job_at("echo")) is not None


async def test_an_edit_that_names_the_joined_identity_still_finds_its_message(desk: Desk) -> None:
    await desk.apply(came("1", "было", by_number()), came("2", "два", by_bsuid()), came("3", "три", by_both()))
    await desk.apply(changed("2", "стало", later(minutes=1), by_bsuid()))
    assert (await desk.message("2")).text == Text("стало")
    assert (await desk.shown(1))[-1] == (Act.EDIT, "стало")


async def test_joining_leaves_the_acts_of_other_clients_alone(desk: Desk) -> None:
    await desk.apply(came("1", "чужой", person("u9", keys=("wa:bsuid:US.9",), name="Борис")))
    await desk.apply(came("2", "по номеру", by_number()), came("3", "по новому", by_bsuid()))
    other = await desk.answer("чужому", "u9")
    await desk.store.write(
        lambda u: u.add_delivery(Act.REACT, "whatsapp", "whatsapp:1", message_id=other.id, content=Part(emoji="👍"))
    )
    await desk.apply(came("4", "по обоим", by_both()))
    assert await desk.shown(1) == [("send", "чужой")]
    assert [d.act for d in await desk.lane("whatsapp:1")] == [Act.SEND, Act.REACT]
    assert len(await desk.shown(2)) == 3

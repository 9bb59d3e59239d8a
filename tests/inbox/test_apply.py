"""From facts to rows: what the desk will show, what is exported, what a repeat changes (nothing)."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inbox import fate
from inbox.answers import MARK_AFTER
from inbox.apply import ECHO_WAIT, Effects, apply
from inbox.gate import Claim, Fact, ForDesk, Inbound, Receipt, Road
from inbox.jobs import work
from inbox.model import Author, Card, DeliveryState, ExternalId, Message, Part, Place, Provider, Stub, Text
from inbox.store import Unit
from storage.store import open_store
from tests.inbox.factories import (
    BUSINESS,
    CHAT,
    NOW,
    TELEGRAM,
    WHATSAPP,
    Desk,
    StoodClock,
    ago,
    came,
    changed,
    echo,
    later,
    person,
    photo,
    progress,
    reacted,
    rules,
)

WAITING, SENDING, SENT, DELIVERED, READ, FAILED = (
    DeliveryState.WAITING,
    DeliveryState.SENDING,
    DeliveryState.SENT,
    DeliveryState.DELIVERED,
    DeliveryState.READ,
    DeliveryState.FAILED,
)


async def taken(desk: Desk, message: Message, *ids: str) -> None:
    """The network took it and gave it these ids."""
    await desk.claimed(message)
    (row,) = await desk.rows(message, WHATSAPP)
    receipt = Receipt(tuple(ExternalId(i) for i in ids), NOW)

    def settle(unit: Unit) -> None:
        for fact in fate.taken(unit, unit.delivery(row.id), receipt, desk.rules.voice):
            apply(unit, fact, desk.rules, Effects())

    await desk.store.write(settle)


# messages


async def test_a_message_is_stored_shown_and_exported_as_the_contract_says(desk: Desk) -> None:
    await desk.apply(came("m1", "первое"))
    desk.clock.move(seconds=5)
    fact = came(
        "m2",
        "второе",
        at=later(seconds=3),
        attachments=(photo("f1", name="a.jpg"),),
        extra=Place(1.5, 2.5, "Кафе"),
        reply_to=ExternalId("m1"),
        quote="пер",
        album="g1",
        source="spring",
        mark="forwarded",
        choice="b1",
    )
    await desk.apply(fact)
    message = await desk.message("m2")
    assert (message.at, message.stored_at) == (later(seconds=3), later(seconds=5))
    assert (message.album, message.reply_to, message.quote, message.mark) == ("g1", 1, "пер", "forwarded")
    assert [a.ref for a in message.attachments] == ["f1"]
    assert [j.payload for j in await desk.see(lambda r: r.jobs_due("fetch", later(days=1), 9))] == [{"attachment": 1}]
    assert await desk.shown(1) == [("send", "первое"), ("send", "второе")]
    event = (await desk.events("message.in"))[1]
    assert event.substance() == {
        "provider": "whatsapp",
        "timestamp": later(seconds=3).isoformat(),
        "data": {
            "id": event.id,
            "type": "message.in",
            "stored_at": later(seconds=5).isoformat(),
            "client": 1,
            "message": 2,
            "external_id": "m2",
            "text": "второе",
            "author": "client",
            "attachments": [{"kind": "photo", "mime": "image/jpeg", "name": "a.jpg"}],
            "extra": {"is": "Place", "latitude": 1.5, "longitude": 2.5, "name": "Кафе"},
            "source": "spring",
            "mark": "forwarded",
            "choice": "b1",
            "album": "g1",
            "reply_to": 1,
        },
    }


@pytest.mark.parametrize("extra", [Card("Борис", ("+1 202 555 0102",)), Stub("poll")])
async def test_what_is_no_text_comes_back_as_it_was(desk: Desk, extra: Card | Stub) -> None:
    await desk.apply(came("m1", extra=extra))
    assert (await desk.message("m1")).extra == extra


async def test_the_same_message_in_other_batches_is_shown_once(desk: Desk) -> None:
    first, second, third = (came(f"m{n}", f"{n}") for n in (1, 2, 3))
    await desk.apply(first, second)
    await desk.apply(second, first)
    await desk.apply(first, first, third)
    assert await desk.shown(1) == [("send", "1"), ("send", "2"), ("send", "3")]
    assert len(await desk.events("message.in")) == 3


async def test_an_id_is_one_only_inside_its_account_and_network(desk: Desk) -> None:
    await desk.apply(came("m1", "a", person("u1")), came("m1", "b", person("u1", account="other")))
    await desk.apply(came("m1", "c", person("u1", TELEGRAM)))
    assert len(await desk.events("message.in")) == 3


async def test_what_comes_late_keeps_its_place_and_its_own_time(desk: Desk) -> None:
    await desk.apply(came("m2", "второе", at=NOW))
    await desk.apply(came("m1", "первое", at=ago(hours=3)))
    assert await desk.shown(1) == [("send", "второе"), ("send", "первое")]
    assert [e.timestamp for e in await desk.events("message.in")] == [NOW, ago(hours=3)]


# edits and deletions


async def test_an_edit_keeps_the_old_words_and_is_shown_and_exported(desk: Desk) -> None:
    await desk.apply(came("m1", "было"))
    await desk.apply(changed("m1", "стало", later(minutes=1)))
    message = await desk.message("m1")
    assert (message.text, message.edited_at, message.deleted_at) == (Text("стало"), later(minutes=1), None)
    assert desk.table("select text from message_versions") == [("было",)]
    assert await desk.shown(1) == [("send", "было"), ("edit", "стало")]  # what is shown late shows what came
    (event,) = await desk.events("message.edited")
    assert event.timestamp == later(minutes=1)
    assert event.data == {
        "id": event.id,
        "type": "message.edited",
        "stored_at": NOW.isoformat(),
        "client": 1,
        "message": 1,
        "external_id": "m1",
        "author": "client",
        "text": "стало",
    }


async def test_edits_out_of_order_leave_the_newest_words(desk: Desk) -> None:
    await desk.apply(came("m1", "0"))
    for minute in (2, 1, 3, 2):
        await desk.apply(changed("m1", f"{minute}", later(minutes=minute)))
    assert (await desk.message("m1")).text.plain == "3"
    assert [e.data["text"] for e in await desk.events("message.edited")] == ["2", "3"]


async def test_an_edit_to_the_same_words_is_none(desk: Desk) -> None:
    await desk.apply(came("m1", "то же"))
    await desk.apply(changed("m1", "то же", later(minutes=1)))
    assert await desk.events("message.edited") == []
    assert await desk.shown(1) == [("send", "то же")]


async def test_what_is_deleted_is_not_edited_any_more(desk: Desk) -> None:
    await desk.apply(came("m1", "слова"))
    await desk.apply(changed("m1", None, later(minutes=1)))
    await desk.apply(changed("m1", None, later(minutes=2)))
    await desk.apply(changed("m1", "другие", later(minutes=3)))
    message = await desk.message("m1")
    assert (message.text.plain, message.deleted_at) == ("слова", later(minutes=1))
    (event,) = await desk.events("message.deleted", "message.edited")
    assert event.data["type"] == "message.deleted" and "text" not in event.data
    assert [act for act, _ in await desk.shown(1)] == ["send", "delete"]


async def test_an_edit_and_a_deletion_that_come_first_wait_for_their_message(desk: Desk) -> None:
    await desk.apply(changed("m1", "вторые", later(minutes=2)))
    await desk.apply(changed("m1", "первые", later(minutes=1)))
    await desk.apply(changed("m2", None, later(minutes=1)))
    assert await desk.events() == []
    await desk.apply(came("m1", "начало"), came("m2", "сказано"))
    assert (await desk.message("m1")).text.plain == "вторые"
    assert (await desk.message("m2")).deleted_at == later(minutes=1)
    assert [act for act, _ in await desk.shown(1)] == ["send", "edit", "send", "delete"]
    assert desk.table("select count(*) from early") == [(0,)]


# reactions


async def test_a_reaction_is_shown_once_and_may_be_taken_back_and_given_again(desk: Desk) -> None:
    await desk.apply(came("m1", "вопрос"))
    given, back, anew = (
        reacted("m1", "👍", later(minutes=1)),
        reacted("m1", None, later(minutes=2)),
        reacted("m1", "👍", later(minutes=3)),
    )
    for fact in (given, given, back, given, anew, back):
        await desk.apply(fact)
    assert [e.data["emoji"] for e in await desk.events("message.reaction")] == ["👍", None, "👍"]
    assert [(act, words) for act, words in await desk.shown(1) if act == "react"] == [
        ("react", "👍"),
        ("react", ""),
        ("react", "👍"),
    ]
    event = (await desk.events("message.reaction"))[0]
    assert event.timestamp == later(minutes=1)
    assert {k: event.data[k] for k in ("client", "message", "external_id", "author")} == {
        "client": 1,
        "message": 1,
        "external_id": "m1",
        "author": "client",
    }


async def test_a_reaction_that_comes_first_waits_for_its_message(desk: Desk) -> None:
    await desk.apply(reacted("m1", "🔥", later(minutes=1)))
    await desk.apply(came("m1", "вопрос"))
    assert await desk.shown(1) == [("send", "вопрос"), ("react", "🔥")]


# delivery reports


async def test_a_report_moves_forward_only_and_has_the_networks_time(desk: Desk) -> None:
    await desk.apply(came("m1", "вопрос"))
    message = await desk.answer("ответ")
    await taken(desk, message, "s1")
    for state, minute in ((READ, 3), (DELIVERED, 2), (SENT, 1), (READ, 3)):
        await desk.apply(progress("s1", state, later(minutes=minute)))
    assert await desk.states(message) == ["read"]
    events = await desk.events("delivery.changed")
    assert [(e.data["state"], e.timestamp) for e in events] == [("sent", NOW), ("read", later(minutes=3))]
    assert events[1].data == {
        "id": events[1].id,
        "type": "delivery.changed",
        "stored_at": NOW.isoformat(),
        "client": 1,
        "message": 2,
        "external_id": "s1",
        "state": "read",
    }


async def test_a_report_that_overtakes_our_own_answer_waits_for_it(desk: Desk) -> None:
    await desk.apply(came("m1", "вопрос"))
    message = await desk.answer("ответ")
    await desk.apply(progress("s1", DELIVERED, later(minutes=2)), progress("s1", READ, later(minutes=3)))
    assert await desk.states(message) == ["waiting"]
    await taken(desk, message, "s1")
    assert await desk.states(message) == ["read"]
    assert [e.data["state"] for e in await desk.events("delivery.changed")] == ["sent", "delivered", "read"]


async def test_a_report_for_nobody_is_kept_for_a_while_and_changes_nothing(desk: Desk) -> None:
    await desk.apply(progress("x", READ), progress("x", READ))
    assert await desk.events() == []
    assert desk.table("select count(*) from early") == [(1,)]


# echoes


async def test_what_the_owner_typed_elsewhere_is_shown_and_exported_and_never_sent(desk: Desk) -> None:
    fact = echo("e1", "из приложения", person("u1", BUSINESS, "owner"))
    await desk.apply(fact)
    await desk.apply(fact)
    assert await desk.shown(1) == [("send", "из приложения")]
    (event,) = await desk.events("message.out", "message.in")
    assert (event.data["type"], event.data["author"], event.data["external_id"]) == (
        "message.out",
        "owner_elsewhere",
        "e1",
    )
    assert {q.target for q in await desk.see(lambda r: r.queues())} == {"desk"}
    identity = await desk.identity("u1", BUSINESS, "owner")
    assert identity.last_inbound_at is None


async def due_echoes(desk: Desk) -> int:
    """Run the echoes that are due, as the worker of jobs does."""
    todo = work(desk.rules)["echo"]

    def run(unit: Unit) -> int:
        jobs = unit.jobs_due("echo", unit.now, 10)
        for job in jobs:
            unit.finish_job(job.id)
            todo(unit, job)
        return len(jobs)

    return await desk.store.write(run)


async def test_an_echo_waits_for_a_send_that_is_under_way_and_proves_to_be_ours(desk: Desk) -> None:
    await desk.apply(came("m1", "вопрос"))
    message = await desk.answer("ответ")
    (row,) = await desk.claimed(message)
    await desk.apply(echo("s1", "ответ"))
    assert await due_echoes(desk) == 0
    desk.clock.move(seconds=ECHO_WAIT.total_seconds())
    assert await due_echoes(desk) == 1  # still under way: it waits on
    await desk.store.write(lambda u: u.set_delivery(row.id, state=WAITING))
    await taken(desk, message, "s1")
    desk.clock.move(seconds=ECHO_WAIT.total_seconds())
    assert await due_echoes(desk) == 1
    assert await desk.shown(1) == [("send", "вопрос")]
    assert len(await desk.events("message.out")) == 1


async def test_an_echo_that_waited_and_is_hers_is_shown(desk: Desk) -> None:
    await desk.apply(came("m1", "вопрос"))
    message = await desk.answer("ответ")
    (row,) = await desk.claimed(message)
    await desk.apply(echo("e1", "с телефона"), echo("e1", "с телефона"))
    await desk.store.write(lambda u: u.set_delivery(row.id, state=WAITING))
    await taken(desk, message, "s1")
    desk.clock.move(seconds=ECHO_WAIT.total_seconds())
    assert await due_echoes(desk) == 2
    assert await desk.shown(1) == [("send", "вопрос"), ("send", "с телефона")]
    assert [e.data["author"] for e in await desk.events("message.out")] == ["owner", "owner_elsewhere"]


async def in_doubt(desk: Desk, words: str = "ответ", **fields: Any) -> Message:
    message = await desk.answer(words, **fields)
    (row,) = await desk.claimed(message)
    await desk.store.write(lambda u: fate.doubt(u, u.delivery(row.id), "uncertain:timeout:", desk.rules.voice))
    return message


async def test_an_echo_with_the_words_of_a_send_in_doubt_settles_it(desk: Desk) -> None:
    await desk.apply(came("m1", "вопрос"))
    message = await in_doubt(desk)
    await desk.apply(echo("s1", "ответ", at=later(seconds=7)))
    assert await desk.states(message) == ["sent"]
    assert await desk.message("s1") == await desk.see(lambda r: r.message(message.id))
    assert [act for act, _ in await desk.shown(1)] == ["send"]  # the question was not shown yet: it is taken back
    last = (await desk.events("delivery.changed"))[-1]
    assert (last.data["state"], last.timestamp) == ("sent", later(seconds=7))
    await desk.apply(progress("s1", READ))
    assert await desk.states(message) == ["read"]


async def test_an_echo_with_other_words_settles_nothing(desk: Desk) -> None:
    await desk.apply(came("m1", "вопрос"))
    message = await in_doubt(desk)
    await desk.apply(echo("e1", "другое"))
    assert await desk.states(message) == ["uncertain"]
    assert ("send", "другое") in await desk.shown(1)


async def test_an_echo_of_a_file_without_words_does_not_settle_another_file(desk: Desk) -> None:
    await desk.apply(came("m1", "вопрос"))
    message = await in_doubt(desk, "", attachments=(photo(),))
    await desk.apply(echo("e1", attachments=(photo("other"),)))
    assert await desk.states(message) == ["uncertain"]
    assert len(await desk.events("message.out")) == 2


async def test_an_echo_that_brings_our_token_back_is_ours_and_settles_its_send(desk: Desk) -> None:
    await desk.apply(came("m1", "вопрос"), came("m9", "другой", person("u2")))
    message = await in_doubt(desk)
    (row,) = await desk.rows(message)
    await desk.apply(echo("e1", "ответ!", person("u2"), echo_token=fate.token_of(row)))
    assert await desk.states(message) == ["uncertain"]
    await desk.apply(echo("s1", "иначе записано", echo_token=fate.token_of(row)))
    assert await desk.states(message) == ["sent"]
    assert len(await desk.events("message.out")) == 2


@pytest.mark.parametrize("token", ["", "x", "99999", "9" * 40, "²"])
async def test_a_token_of_somebody_elses_program_is_no_token(desk: Desk, token: str) -> None:
    await desk.apply(came("m1", "вопрос"))
    await desk.apply(echo("e1", "чужой программой", echo_token=token))
    await desk.apply(progress("x", READ, token=token))
    assert await desk.shown(1) == [("send", "вопрос"), ("send", "чужой программой")]


# the small menu of clients


async def test_a_bare_start_makes_the_client_and_answers_once_without_a_topic(desk: Desk) -> None:
    fact = came("m1", who=person("u1", TELEGRAM, language="en"), opens=True, source="spring")
    await desk.apply(fact)
    await desk.apply(fact)
    assert await desk.shown(1) == []
    assert [d.content.text.plain for d in await desk.lane("telegram:1") if isinstance(d.content, Part)] == [
        "menu start en"
    ]
    assert [e.data["type"] for e in await desk.events()] == ["client.created", "message.out"]
    assert (await desk.events("message.out"))[0].data["author"] == Author.AUTO
    assert (await desk.events("client.created"))[0].data["source"] == "spring"
    await desk.apply(came("m2", "здравствуйте", person("u1", TELEGRAM)))
    assert await desk.shown(1) == [("send", "здравствуйте")]


@pytest.mark.parametrize("command", ["help", "privacy"])
async def test_the_menu_answers_by_itself(desk: Desk, command: str) -> None:
    fact = came("m1", f" /{command}\n", person("u1", TELEGRAM))
    await desk.apply(fact, fact)
    assert await desk.shown(1) == []
    (row,) = await desk.lane("telegram:1")
    assert row.content is not None and row.content.text.plain == f"menu {command} None"


@pytest.mark.parametrize(
    ("words", "provider"), [("/zoom", TELEGRAM), ("/help me", TELEGRAM), ("/help", WHATSAPP), ("help", TELEGRAM)]
)
async def test_other_commands_of_clients_are_messages(desk: Desk, words: str, provider: Provider) -> None:
    await desk.apply(came("m1", words, person("u1", provider)))
    assert await desk.shown(1) == [("send", words)]


async def test_the_owners_own_command_elsewhere_is_no_clients_menu(desk: Desk) -> None:
    await desk.apply(echo("e1", "/help", person("u1", TELEGRAM)))
    assert await desk.shown(1) == [("send", "/help")]
    assert await desk.lane("telegram:1") == []


async def test_a_late_start_does_not_turn_the_window_back(desk: Desk) -> None:
    await desk.apply(came("m2", "привет", person("u1", TELEGRAM), at=NOW))
    await desk.apply(came("m1", who=person("u1", TELEGRAM), at=ago(days=2), opens=True))
    assert (await desk.identity("u1", TELEGRAM)).last_inbound_at == NOW


# the window


async def test_the_window_counts_from_the_networks_time_whatever_the_order(desk: Desk) -> None:
    await desk.apply(came("m1", "a", at=ago(hours=3)))
    assert (await desk.identity()).last_inbound_at == ago(hours=3)
    await desk.apply(came("m2", "b", at=ago(hours=9)))
    assert (await desk.identity()).last_inbound_at == ago(hours=3)
    await desk.apply(came("m3", "c", at=ago(hours=1)))
    assert (await desk.identity()).last_inbound_at == ago(hours=1)


async def test_parked_texts_leave_in_order_before_newer_ones_and_held_ones_stay(desk: Desk) -> None:
    await desk.apply(came("m1", "вопрос"), came("m2", "другой", person("u2")))
    messages = [await desk.answer(words) for words in ("раз", "два", "стоит", "три")]
    other = await desk.answer("другому", "u2")

    def park(unit: Unit) -> None:
        for message, error in (
            (messages[0], "parked"),
            (messages[1], "parked"),
            (messages[2], "refused:window:131047"),
            (other, "parked"),
        ):
            (row,) = unit.deliveries_of(message.id)
            unit.set_delivery(row.id, state=DeliveryState.PARKED, error=error)

    await desk.store.write(park)
    await desk.apply(came("m3", "я снова здесь"))
    assert [(d.message_id, d.error) for d in await desk.lane("whatsapp:1")] == [
        (messages[0].id, None),
        (messages[1].id, None),
        (messages[3].id, None),
    ]
    assert await desk.states(messages[2]) == ["parked"]
    assert await desk.states(other) == ["parked"]


async def test_an_echo_opens_no_window(desk: Desk) -> None:
    await desk.apply(came("m1", "вопрос", at=ago(days=3)))
    await desk.apply(echo("e1", "сама написала"))
    assert (await desk.identity()).last_inbound_at == ago(days=3)


# what is no conversation


async def test_a_road_is_told_when_it_changes(desk: Desk) -> None:
    road = Road(BUSINESS, "owner", "c1", open=True, may_reply=True, at=NOW)
    effects = await desk.apply(road, road)
    assert effects.roads_changed
    await desk.apply(replace(road, may_reply=False, at=later(hours=1)))
    assert await desk.notices(0) == ["road True False"]  # what waits to be said says the newest
    assert [(e.data["open"], e.data["may_reply"]) for e in await desk.events("gate.changed")] == [
        (True, True),
        (True, False),
    ]


async def test_news_of_a_road_that_were_overtaken_change_nothing(desk: Desk) -> None:
    closed = Road(BUSINESS, "owner", "c1", open=False, may_reply=False, at=later(hours=1))
    await desk.apply(closed)
    await desk.apply(replace(closed, open=True, may_reply=True, at=NOW))
    assert await desk.notices(0) == ["road False False"]
    assert len(await desk.events("gate.changed")) == 1


async def test_a_fact_is_exported_once_with_the_client_it_names(desk: Desk) -> None:
    who = person()
    await desk.apply(came("m1", "вопрос", who))
    fact = Fact(WHATSAPP, "template.changed", later(hours=1), {"keys": list(who.keys), "event": "APPROVED"})
    nobody = Fact(WHATSAPP, "gate.changed", later(hours=1), {"event": "x"})
    await desk.apply(fact, nobody, fact)
    (one,) = await desk.events("template.changed")
    assert (one.data["client"], one.data["event"], one.timestamp) == (1, "APPROVED", later(hours=1))
    assert "keys" not in one.data
    (two,) = await desk.events("gate.changed")
    assert two.data["client"] is None


async def test_the_first_right_code_wins_for_ever(desk: Desk) -> None:
    assert (await desk.apply(Claim(CHAT, CHAT, "ru"))).claimed
    assert not (await desk.apply(Claim(666, 666, "ru"))).claimed
    assert await desk.see(lambda r: r.setting("owner_id")) == str(CHAT)
    assert len(await desk.events("gate.changed")) == 1


async def test_the_owners_update_is_handed_on(desk: Desk) -> None:
    assert (await desk.apply(ForDesk())).for_desk
    assert await desk.events() == []


async def test_the_mark_of_waiting_is_due_after_a_moment(desk: Desk) -> None:
    await desk.apply(came("m1", "вопрос"))
    message = await desk.answer("ответ", source=f"desk:{CHAT}:7")
    assert await desk.see(lambda r: r.next_job_at("mark")) == NOW + MARK_AFTER
    assert await desk.mark(message) == ""


# repeats, in any order and any batches (R8)

FACTS: list[Inbound] = [
    came("m1", "раз", at=ago(minutes=9)),
    came("m2", "два", at=ago(minutes=8), attachments=(photo(),), reply_to=ExternalId("m1")),
    came("m3", "чужой", person("u2"), at=ago(minutes=8)),
    came("m4", "/help", person("u3", TELEGRAM)),
    echo("e1", "сама", at=ago(minutes=6)),
    changed("m1", "раз!", ago(minutes=7)),
    changed("m1", "раз!!", ago(minutes=5)),
    changed("m2", None, ago(minutes=5)),
    changed("m2", "поздно", ago(minutes=4)),
    changed("m3", "чужой!", ago(minutes=4), person("u2")),
    reacted("m1", "👍", ago(minutes=4)),
    reacted("m1", None, ago(minutes=3)),
    reacted("m3", "🔥", ago(minutes=3), person("u2")),
    progress("s1", SENT, ago(minutes=3)),
    progress("s1", DELIVERED, ago(minutes=2)),
    progress("s1", READ, ago(minutes=1)),
    progress("s2", SENT, ago(minutes=2)),
    progress("s2", FAILED, ago(minutes=1), error="refused:blocked:131026"),
    progress("never", READ, ago(minutes=1)),
]
KEPT = (
    "messages",
    "message_versions",
    "attachments",
    "refs",
    "early",
    "deliveries",
    "contacts",
    "identities",
    "identity_keys",
    "events",
    "marks",
)

ORDERS = st.permutations(range(len(FACTS)))
BATCHES = st.lists(st.integers(1, len(FACTS)), max_size=len(FACTS))


def batches(order: Sequence[int], sizes: Sequence[int]) -> list[list[Inbound]]:
    """The facts in this order, cut into bodies of these sizes; what is left goes alone."""
    out: list[list[Inbound]] = []
    rest = [FACTS[n] for n in order]
    for size in sizes:
        out.append(rest[:size])
        rest = rest[size:]
    return [b for b in (*out, *([fact] for fact in rest)) if b]


async def history(folder: Path, *bodies: list[Inbound]) -> Desk:
    """Two answers of the owner that have left, and then these bodies."""
    async with open_store(folder, StoodClock()) as store:
        desk = Desk(store, StoodClock(), rules())
        await desk.apply(came("m0", "нулевое", at=ago(minutes=10)))
        for name in ("s1", "s2"):
            await taken(desk, await desk.answer(name, source=f"desk:{CHAT}:{name[1]}"), name)
        for body in bodies:
            await desk.apply(*body)
        return desk


def kept(desk: Desk) -> dict[str, list[tuple[Any, ...]]]:
    return {name: desk.table(f"select * from {name} order by 1, 2, 3") for name in KEPT}  # noqa: S608


def outcome(desk: Desk) -> dict[str, object]:
    """What does not depend on the order in which it all came."""
    events = [json.loads(data) for (data,) in desk.table("select data from events")]
    told = [e for e in events if e["type"] in ("message.in", "message.out", "message.deleted", "message.reaction")]
    return {
        "messages": sorted(
            desk.table(
                "select r.external_id, iif(m.deleted_at is null, m.text, null), m.at, m.deleted_at"
                " from refs r join messages m on m.id = r.message_id"
            )
        ),
        "early": sorted(desk.table("select fact from early")),
        "states": desk.table(
            "select text, state from messages m join deliveries d on m.id = message_id"
            " where d.target = 'whatsapp' order by 1"
        ),
        "acts": sorted(
            desk.table(
                "select act, r.external_id, iif(act = 'send', null, content) from deliveries d"
                " join refs r using (message_id) where target = 'desk' and act in ('send', 'react', 'delete')"
            )
        ),
        "events": sorted((e["type"], e.get("external_id") or "", str(e.get("emoji"))) for e in told),
        "marks": desk.table("select wanted from marks order by message_id"),
    }


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(order=ORDERS, sizes=BATCHES, again=ORDERS, sizes_again=BATCHES)
def test_a_history_that_comes_again_in_any_order_changes_nothing(
    order: list[int], sizes: list[int], again: list[int], sizes_again: list[int]
) -> None:
    once, twice = batches(order, sizes), batches(again, sizes_again)
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        first = asyncio.run(history(Path(one), *once))
        second = asyncio.run(history(Path(two), *once, *twice, *once))
        assert kept(second) == kept(first)


@cache
def straight() -> dict[str, object]:
    """The outcome of the history as it happened."""
    with tempfile.TemporaryDirectory() as folder:
        return outcome(asyncio.run(history(Path(folder), *batches(range(len(FACTS)), []))))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(order=ORDERS, sizes=BATCHES)
def test_the_order_in_which_a_history_comes_does_not_matter_to_what_is_known_at_the_end(
    order: list[int], sizes: list[int]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        shuffled = asyncio.run(history(Path(folder), *batches(order, sizes)))
        assert outcome(shuffled) == straight()

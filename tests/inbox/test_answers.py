"""What the owner's answer becomes before it leaves, and what may still be changed until then."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from inbox import answers, fate
from inbox.abilities import Abilities
from inbox.gate import Receipt
from inbox.model import Attachment, DeliveryState, ExternalId, Message, MessageId, Part, Text
from inbox.store import DuplicateSource, Unit
from tests.inbox.factories import CHAT, NOW, TELEGRAM, WHATSAPP, Desk, abilities, came, later, photo, progress

S = DeliveryState
SHORT = abilities(text_limit=5)
SOURCE = f"desk:{CHAT}:7"


@pytest.fixture(autouse=True)
async def asked(desk: Desk) -> None:
    await desk.apply(came("m1", "вопрос"))


async def words(desk: Desk, message: Message) -> list[tuple[int, str, str]]:
    rows = await desk.rows(message)
    return [(d.part, d.content.text.plain, str(d.state)) for d in rows if isinstance(d.content, Part)]


async def reword(desk: Desk, message: Message, text: str, road: Abilities = SHORT) -> bool:
    def work(unit: Unit) -> bool:
        current = unit.message(message.id)
        identity = unit.identity(current.identity_id)
        return answers.change_waiting(unit, identity, current, Part(text=Text(text)), road, desk.rules.voice)

    return await desk.store.write(work)


async def take_back(desk: Desk, message: Message) -> bool:
    return await desk.store.write(
        lambda u: answers.take_back(u, u.identity(message.identity_id), u.message(message.id))
    )


async def test_an_answer_is_a_message_a_delivery_and_a_line_of_the_export(desk: Desk) -> None:
    message = await desk.answer("ответ", source=SOURCE, attachments=(photo(origin=TELEGRAM, name="a.jpg"),))
    (row,) = await desk.rows(message)
    assert (row.target, row.lane, row.state) == ("whatsapp", "whatsapp:1", S.WAITING)
    assert row.content == Part(text=Text("ответ"), attachments=(message.attachments[0].id,))  # type: ignore[arg-type]
    (event,) = await desk.events("message.out")
    assert event.data == {
        "id": event.id,
        "type": "message.out",
        "stored_at": NOW.isoformat(),
        "client": 1,
        "message": message.id,
        "author": "owner",
        "text": "ответ",
        "attachments": [{"kind": "photo", "mime": "image/jpeg", "name": "a.jpg"}],
    }
    assert await desk.see(lambda r: r.source_of(message.id)) == (CHAT, 7)
    assert await desk.see(lambda r: r.fetch_pending(message.attachments[0].id)) is True  # type: ignore[arg-type]


async def test_the_same_update_of_the_desk_makes_one_message(desk: Desk) -> None:
    await desk.answer("ответ", source=SOURCE)
    with pytest.raises(DuplicateSource):
        await desk.answer("ответ", source=SOURCE)
    assert len(await desk.lane("whatsapp:1")) == 1
    assert len(await desk.events("message.out")) == 1


async def test_what_is_too_long_goes_in_parts_in_order(desk: Desk) -> None:
    message = await desk.answer("раз два три", road=SHORT)
    assert await words(desk, message) == [
        (0, "раз", "waiting"),
        (1, "два", "waiting"),
        (2, "три", "waiting"),
    ]
    assert [d.part for d in await desk.lane("whatsapp:1")] == [0, 1, 2]
    assert (await desk.events("message.out"))[0].data["text"] == "раз два три"


async def test_a_quote_goes_with_the_first_part(desk: Desk) -> None:
    message = await desk.answer("раз два", road=SHORT, reply_to=MessageId(1))
    assert [d.content.reply_to for d in await desk.rows(message) if isinstance(d.content, Part)] == [1, None]


@pytest.mark.parametrize(
    ("road", "text", "files", "error"),
    [
        (None, "ответ", (), "refused:gate_off:"),
        (abilities(media={}), "подпись", (photo(),), "refused:kind:"),
        (abilities(), "", (photo(size=99_000_000),), "refused:too_big:max16777216"),
        (abilities(), "", (), "refused:empty:"),
    ],
)
async def test_what_the_road_cannot_take_fails_and_is_told(
    desk: Desk, road: Abilities | None, text: str, files: Sequence[Attachment], error: str
) -> None:
    message = await desk.answer(text, road=road, source=SOURCE, attachments=files)
    (row,) = await desk.rows(message)
    assert (row.state, row.error) == (S.FAILED, error)
    assert await desk.notices() == [f"failed {error}"]
    assert await desk.mark(message) == "💔"
    assert await desk.see(lambda r: r.lane_heads(WHATSAPP)) == []
    assert [e.data["type"] for e in await desk.events("message.out", "delivery.changed")] == [
        "message.out",
        "delivery.changed",
    ]


# what waits may still be changed


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("четыре слова тут есть", ["четыр", "е", "слова", "тут", "есть"]),
        ("раз два", ["раз", "два"]),
        ("да", ["да"]),
    ],
)
async def test_an_edit_of_what_waits_changes_what_will_be_sent(desk: Desk, text: str, sent: list[str]) -> None:
    message = await desk.answer("один два", road=SHORT)
    assert await reword(desk, message, text)
    waiting = [d.content.text.plain for d in await desk.lane("whatsapp:1") if isinstance(d.content, Part)]
    assert waiting == sent
    assert [d.part for d in await desk.lane("whatsapp:1")] == list(range(len(sent)))
    assert (await desk.see(lambda r: r.message(message.id))).text.plain == text
    assert desk.table("select text from message_versions") == [("один два",)]
    (event,) = await desk.events("message.edited")
    assert (event.data["text"], event.data["author"], event.data["message"]) == (text, "owner", message.id)


async def test_new_parts_of_a_held_text_are_held_as_well(desk: Desk) -> None:
    message = await desk.answer("раз", road=SHORT)
    (row,) = await desk.claimed(message)
    await desk.store.write(lambda u: fate.fail(u, u.delivery(row.id), "refused:window:1", desk.rules.voice))
    assert await reword(desk, message, "раз два")
    assert await words(desk, message) == [(0, "раз", "parked"), (1, "два", "parked")]
    assert {d.error for d in await desk.rows(message)} == {"refused:window:1"}


async def test_an_edit_that_the_road_cannot_take_fails_with_the_new_words(desk: Desk) -> None:
    message = await desk.answer("раз")
    assert await reword(desk, message, " ")
    assert await words(desk, message) == [(0, "раз", "dropped"), (0, " ", "failed")]
    assert await desk.notices() == ["failed refused:empty:"]


@pytest.mark.parametrize("state", [S.SENDING, S.SENT, S.UNCERTAIN, S.READ])
async def test_it_is_too_late_to_change_what_has_left(desk: Desk, state: DeliveryState) -> None:
    message = await desk.answer("раз два", road=SHORT)
    await desk.store.write(lambda u: u.set_delivery(u.deliveries_of(message.id)[0].id, state=state))
    assert not await reword(desk, message, "три")
    assert not await take_back(desk, message)
    assert [w for _, w, _ in await words(desk, message)] == ["раз", "два"]
    assert await desk.events("message.edited", "message.deleted") == []


async def test_what_waits_may_be_taken_back(desk: Desk) -> None:
    message = await desk.answer("раз два", road=SHORT, source=SOURCE)
    assert await take_back(desk, message)
    assert await take_back(desk, message)
    assert await desk.states(message) == ["dropped", "dropped"]
    assert (await desk.see(lambda r: r.message(message.id))).deleted_at == NOW
    assert await desk.lane("whatsapp:1") == []
    (event,) = await desk.events("message.deleted")
    assert (event.data["author"], event.data["message"], "text" in event.data) == ("owner", message.id, False)
    assert await desk.mark(message) == ""


async def test_a_failed_message_may_be_reworded_for_its_next_try(desk: Desk) -> None:
    message = await desk.answer("раз")
    (row,) = await desk.claimed(message)
    await desk.store.write(lambda u: fate.fail(u, u.delivery(row.id), "refused:invalid:1", desk.rules.voice))
    assert await reword(desk, message, "два")
    new = await desk.store.write(lambda u: answers.again(u, u.delivery(row.id)))
    assert new.content == Part(text=Text("два"))


async def test_what_is_sent_later_keeps_its_place_behind(desk: Desk) -> None:
    first, second = await desk.answer("раз"), await desk.answer("два")
    receipt = Receipt((ExternalId("s1"),), NOW)
    (row,) = await desk.claimed(first)
    await desk.store.write(lambda u: fate.taken(u, u.delivery(row.id), receipt, desk.rules.voice))
    assert [d.message_id for d in await desk.see(lambda r: r.lane_heads(WHATSAPP))] == [second.id]


async def test_a_late_report_about_the_refused_try_does_not_touch_the_released_one(desk: Desk) -> None:
    message = await desk.answer("ответ")
    (row,) = await desk.rows(message)

    def refused_once(unit: Unit) -> None:
        unit.add_ref(WHATSAPP, "acc", ExternalId("s1"), message.id, 0)
        unit.set_delivery(row.id, state=DeliveryState.PARKED, error="parked", external_id="s1")

    await desk.store.write(refused_once)
    await desk.apply(came("m2", "снова я", at=later(hours=25)))
    assert [r.state for r in await desk.rows(message)] == ["waiting", "dropped"]
    await desk.apply(progress("s1", DeliveryState.FAILED, later(hours=26), error="refused:window:131047"))
    assert [r.state for r in await desk.rows(message)] == ["waiting", "dropped"]

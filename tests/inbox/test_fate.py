"""What became of a send: states go forward only, a mark shows the worst part, the owner is told what matters."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from inbox import fate
from inbox.answers import again
from inbox.gate import Receipt
from inbox.jobs import work
from inbox.model import Act, Author, Delivery, DeliveryId, DeliveryState, ExternalId, Message, Notice, Part, Text
from inbox.store import Unit
from tests.inbox.factories import CHAT, NOW, TELEGRAM, WHATSAPP, Desk, abilities, came, later, photo, progress, reacted

S = DeliveryState
WINDOW = "refused:window:131047"


async def settle(desk: Desk, message: Message, how: Callable[[Unit, Delivery], object], part: int = 0) -> Delivery:
    """Do it to the newest try of one part."""

    def run(unit: Unit) -> Delivery:
        row = [d for d in unit.deliveries_of(message.id, WHATSAPP) if d.part == part and d.act is Act.SEND][-1]
        how(unit, row)
        return unit.delivery(row.id)

    return await desk.store.write(run)


def taken(desk: Desk, *ids: str, state: DeliveryState = S.SENT) -> Callable[[Unit, Delivery], object]:
    receipt = Receipt(tuple(ExternalId(i) for i in ids), later(seconds=1), state)
    return lambda u, d: fate.taken(u, d, receipt, desk.rules.voice)


def failed(desk: Desk, error: str) -> Callable[[Unit, Delivery], object]:
    return lambda u, d: fate.fail(u, d, error, desk.rules.voice)


def doubted(desk: Desk) -> Callable[[Unit, Delivery], object]:
    return lambda u, d: fate.doubt(u, d, "uncertain:timeout:", desk.rules.voice)


async def stand(desk: Desk, delivery_id: DeliveryId) -> None:
    """The question about this delivery stands on the desk."""

    def show(unit: Unit) -> None:
        unit.set_notice(f"delivery:{delivery_id}", CHAT, 77)
        for row in unit.lane_rows("desk:1", 100):
            unit.set_delivery(row.id, state=S.SENT)

    await desk.store.write(show)


@pytest.fixture
async def answered(desk: Desk) -> Message:
    """An answer of the owner whose call is under way."""
    await desk.apply(came("m1", "вопрос"))
    message = await desk.answer("ответ", source=f"desk:{CHAT}:7")
    await desk.claimed(message)
    return message


async def test_what_was_taken_has_its_id_its_mark_and_its_line(desk: Desk, answered: Message) -> None:
    row = await settle(desk, answered, taken(desk, "s1"))
    assert (row.state, row.external_id) == (S.SENT, "s1")
    assert await desk.see(lambda r: r.refs_of(answered.id)) == [("s1", 0)]
    assert await desk.mark(answered) == "🕊"
    (event,) = await desk.events("delivery.changed")
    assert (event.data["state"], event.timestamp) == ("sent", later(seconds=1))
    assert await desk.notices() == []


async def test_a_state_never_goes_back(desk: Desk, answered: Message) -> None:
    await settle(desk, answered, taken(desk, "s1", state=S.READ))
    for how in (taken(desk, "s1"), failed(desk, "refused:blocked:1"), failed(desk, WINDOW), doubted(desk)):
        row = await settle(desk, answered, how)
        assert (row.state, row.error) == (S.READ, None)
    await desk.apply(progress("s1", S.FAILED, error="refused:blocked:1"), progress("s1", S.FAILED, error=WINDOW))
    assert await desk.states(answered) == ["read"]
    assert await desk.notices() == []
    assert len(await desk.events("delivery.changed")) == 1


async def test_a_refusal_is_told_as_a_reply_with_the_reason(desk: Desk, answered: Message) -> None:
    row = await settle(desk, answered, failed(desk, "refused:blocked:131026"))
    assert (row.state, row.error) == (S.FAILED, "refused:blocked:131026")
    (notice,) = [d.content for d in await desk.lane("desk:1") if isinstance(d.content, Notice)]
    assert (notice.text.plain, notice.reply_to) == ("failed refused:blocked:131026", 7)
    assert await desk.mark(answered) == "💔"
    (event,) = await desk.events("delivery.changed")
    assert (event.data["state"], event.data["error"]) == ("failed", "refused:blocked:131026")


async def test_a_closed_window_holds_the_text_and_is_no_failure(desk: Desk, answered: Message) -> None:
    row = await settle(desk, answered, failed(desk, WINDOW))
    assert (row.state, row.error) == (S.PARKED, WINDOW)
    assert await desk.notices() == [f"held {WINDOW}"]
    assert await desk.mark(answered) == "✍"
    (event,) = await desk.events("delivery.changed")
    assert (event.data["state"], event.data["reason"]) == ("waiting", "window")


@pytest.mark.parametrize("before", [S.SENT, S.UNCERTAIN])
async def test_a_report_of_a_closed_window_holds_the_text_once(
    desk: Desk, answered: Message, before: DeliveryState
) -> None:
    await settle(desk, answered, taken(desk, "s1"))
    await settle(desk, answered, lambda u, d: u.set_delivery(d.id, state=before))
    report = progress("s1", S.FAILED, later(minutes=1), error=WINDOW)
    await desk.apply(report)
    await desk.apply(report)
    await desk.apply(progress("s1", S.SENT))
    assert await desk.states(answered) == ["parked"]
    assert await desk.notices() == [f"held {WINDOW}"]
    assert (await desk.events("delivery.changed"))[-1].timestamp == later(minutes=1)


async def test_a_report_of_a_closed_window_that_overtakes_our_answer_is_not_lost(desk: Desk, answered: Message) -> None:
    (row,) = await desk.rows(answered)
    await desk.apply(progress("s1", S.FAILED, error=WINDOW, token=fate.token_of(row)))
    await settle(desk, answered, taken(desk, "s1"))
    assert await desk.states(answered) == ["parked"]
    assert await desk.notices() == [f"held {WINDOW}"]


async def test_proof_that_the_client_has_it_beats_a_hold(desk: Desk, answered: Message) -> None:
    await settle(desk, answered, taken(desk, "s1"))
    await desk.apply(progress("s1", S.FAILED, error=WINDOW), progress("s1", S.DELIVERED))
    assert await desk.states(answered) == ["delivered"]


# in doubt


async def test_a_lost_answer_is_asked_about_and_any_outcome_ends_the_doubt(desk: Desk, answered: Message) -> None:
    row = await settle(desk, answered, doubted(desk))
    assert row.state is S.UNCERTAIN
    assert await desk.mark(answered) == "🤔"
    assert await desk.notices() == ["uncertain"]
    await stand(desk, row.id)
    await desk.apply(progress("s1", S.DELIVERED, later(minutes=2), token=fate.token_of(row)))
    assert await desk.states(answered) == ["delivered"]
    assert await desk.mark(answered) == "👌"
    (notice,) = [d.content for d in await desk.lane("desk:1") if isinstance(d.content, Notice)]
    assert (notice.key, notice.text.plain) == (f"delivery:{row.id}", "settled delivered")  # says so where it was asked
    await desk.apply(progress("s1", S.READ))  # the id is known now
    assert await desk.states(answered) == ["read"]


async def test_a_report_by_the_token_settles_a_call_that_is_still_under_way(desk: Desk, answered: Message) -> None:
    (row,) = await desk.rows(answered)
    await desk.apply(progress("s1", S.DELIVERED, token=fate.token_of(row)))
    assert await desk.states(answered) == ["delivered"]
    assert (await settle(desk, answered, doubted(desk))).state is S.DELIVERED


async def test_the_token_of_one_send_settles_no_other(desk: Desk, answered: Message) -> None:
    (row,) = await desk.rows(answered)
    await settle(desk, answered, taken(desk, "s1"))
    await desk.apply(progress("zzz", S.READ, token=fate.token_of(row)))  # it has an id of its own already
    assert await desk.states(answered) == ["sent"]


async def test_what_the_owner_knows_to_have_arrived_still_takes_the_networks_word(
    desk: Desk, answered: Message
) -> None:
    row = await settle(desk, answered, doubted(desk))
    await settle(desk, answered, taken(desk))  # her tap: it arrived
    assert await desk.states(answered) == ["sent"]
    await desk.apply(progress("s1", S.READ, token=fate.token_of(row)))
    assert await desk.states(answered) == ["read"]


async def test_after_a_refusal_there_is_no_doubt(desk: Desk, answered: Message) -> None:
    await settle(desk, answered, failed(desk, "refused:blocked:1"))
    assert (await settle(desk, answered, doubted(desk))).state is S.FAILED
    assert await desk.notices() == ["failed refused:blocked:1"]


# another try


async def test_a_retry_starts_anew(desk: Desk, answered: Message) -> None:
    first = await settle(desk, answered, failed(desk, "refused:blocked:1"))
    new = await desk.store.write(lambda u: again(u, u.delivery(first.id)))
    assert (new.state, new.attempts, new.external_id, new.error) == (S.WAITING, 0, None, None)
    assert (new.content, new.lane, new.part) == (first.content, first.lane, first.part)
    await settle(desk, answered, taken(desk, "s2"))
    assert await desk.states(answered) == ["dropped", "sent"]
    assert await desk.mark(answered) == "🕊"


async def test_a_late_report_about_the_first_try_says_nothing_of_the_second(desk: Desk, answered: Message) -> None:
    await settle(desk, answered, taken(desk, "s1"))
    await desk.apply(progress("s1", S.FAILED, error="refused:unreachable:131026"))
    (first,) = await desk.rows(answered)
    await desk.store.write(lambda u: again(u, u.delivery(first.id)))
    await settle(desk, answered, taken(desk, "s2"))
    await desk.apply(progress("s1", S.FAILED, error="refused:unreachable:131026"), progress("s1", S.READ))
    assert await desk.states(answered) == ["dropped", "sent"]
    await desk.apply(progress("s2", S.DELIVERED))
    assert await desk.states(answered) == ["dropped", "delivered"]


async def test_a_report_by_the_token_of_a_dropped_try_revives_nothing(desk: Desk, answered: Message) -> None:
    first = await settle(desk, answered, doubted(desk))
    await desk.store.write(lambda u: again(u, u.delivery(first.id)))
    await desk.apply(progress("s1", S.READ, token=fate.token_of(first)))
    assert await desk.states(answered) == ["dropped", "waiting"]
    await desk.apply(reacted("s1", "👍"))  # but what the client does with that copy belongs to the message
    assert [e.data["message"] for e in await desk.events("message.reaction")] == [answered.id]


# marks


async def test_several_parts_show_the_worst(desk: Desk) -> None:
    await desk.apply(came("m1", "вопрос"))
    road = abilities(text_limit=5)
    message = await desk.answer("раз два три", source=f"desk:{CHAT}:7", road=road)
    assert len(await desk.rows(message)) == 3
    seen = []
    for how, part in (
        (taken(desk, "a", state=S.READ), 0),
        (taken(desk, "b"), 1),
        (taken(desk, "c", state=S.DELIVERED), 2),
        (doubted(desk), 1),
    ):
        await settle(desk, message, how, part)
        seen.append(await desk.mark(message))
    assert seen == ["", "", "🕊", "🕊"]  # all parts are on the way at first; b never goes back
    await desk.apply(progress("b", S.FAILED, error="refused:blocked:1"))
    assert await desk.mark(message) == "💔"
    assert [(e.data["state"], e.data.get("part")) for e in await desk.events("delivery.changed")] == [
        ("read", None),
        ("sent", 1),
        ("delivered", 2),
        ("failed", 1),
    ]


async def test_an_album_shows_one_mark_at_its_first_message(desk: Desk) -> None:
    await desk.apply(came("m1", "вопрос"))
    first, second = [
        await desk.answer("", source=f"desk:{CHAT}:{n}", album="g", attachments=(photo(f"f{n}"),)) for n in (7, 8)
    ]
    await settle(desk, first, taken(desk, "a", state=S.READ))
    await settle(desk, second, taken(desk, "b"))
    assert (await desk.mark(first), await desk.mark(second)) == ("🕊", "")
    await settle(desk, second, lambda u, d: fate.report(u, progress("b", S.READ), desk.rules.voice))
    assert await desk.mark(first) == "👀"


async def test_what_leaves_at_once_has_no_mark_of_waiting(desk: Desk, answered: Message) -> None:
    mark = work(desk.rules)["mark"]
    (job,) = await desk.see(lambda r: r.jobs_due("mark", NOW + timedelta(minutes=1), 9))
    await desk.store.write(lambda u: fate.refresh_mark(u, answered.id))
    assert await desk.mark(answered) == ""
    await desk.store.write(lambda u: mark(u, job))
    assert await desk.mark(answered) == "✍"
    await settle(desk, answered, taken(desk, "s1"))
    await desk.store.write(lambda u: mark(u, job))
    assert await desk.mark(answered) == "🕊"


async def test_a_note_is_marked_as_one(desk: Desk) -> None:
    await desk.apply(came("m1", "вопрос"))
    note = await desk.store.write(
        lambda u: u.add_message(
            u.message(u.ref(WHATSAPP, "acc", ExternalId("m1")).message_id).identity_id,  # type: ignore[union-attr]
            Author.NOTE,
            at=NOW,
            content=Part(Text("заметка")),
            source=f"desk:{CHAT}:9",
        )
    )
    await desk.store.write(lambda u: fate.refresh_mark(u, note.id))
    assert await desk.mark(note) == "🙈"


# changes of what was sent


@pytest.mark.parametrize("act", [Act.EDIT, Act.DELETE, Act.REACT])
async def test_a_change_that_the_network_refuses_is_told_and_the_message_stays_as_it_is(
    desk: Desk, answered: Message, act: Act
) -> None:
    await settle(desk, answered, taken(desk, "s1"))
    row = await desk.store.write(
        lambda u: u.add_delivery(act, WHATSAPP, "whatsapp:1", message_id=answered.id, content=Part())
    )
    await desk.store.write(lambda u: fate.fail(u, u.delivery(row), "refused:too_old:", desk.rules.voice))
    assert await desk.notices() == [f"cannot {act} refused:too_old:"]
    assert await desk.states(answered) == ["sent", "failed"]
    assert await desk.mark(answered) == "🕊"


async def test_what_could_not_leave_for_a_day_is_asked_about(desk: Desk, answered: Message) -> None:
    row = await settle(desk, answered, lambda u, d: fate.expire(u, d, desk.rules.voice))
    assert (row.state, row.error) == (S.PARKED, "refused:expired:")
    assert await desk.notices() == ["failed refused:expired:"]


# the start after a kill


async def test_after_a_kill_sends_are_in_doubt_and_the_rest_is_done_again(desk: Desk, answered: Message) -> None:
    await desk.apply(came("m2", "ещё"))
    (reaction, shown) = await desk.store.write(
        lambda u: (
            u.add_delivery(Act.REACT, WHATSAPP, "whatsapp:1", message_id=answered.id, content=Part(emoji="👍")),
            u.lane_rows("desk:1", 1)[0].id,
        )
    )
    waiting = await desk.answer("потом")

    def kill(unit: Unit) -> None:
        for row in (reaction, shown):
            unit.set_delivery(row, state=S.SENDING, call=1)
        fate.orphaned(unit, unit.orphans(), desk.rules.voice)

    await desk.store.write(kill)
    assert await desk.states(answered) == ["uncertain", "waiting"]
    assert (await desk.rows(answered))[0].error == "uncertain:restart:"
    assert await desk.notices() == ["uncertain"]
    again_shown = await desk.see(lambda r: r.delivery(shown))
    assert (again_shown.state, again_shown.repeat, again_shown.call) == (S.WAITING, True, None)
    assert await desk.states(waiting) == ["waiting"]
    assert await desk.see(lambda r: r.unsettled_in("whatsapp:1")) == [(await desk.rows(answered))[0]]
    # what is in doubt holds up nothing
    assert [d.id for d in await desk.see(lambda r: r.lane_heads(WHATSAPP))] == [reaction]


async def test_notices_of_general_that_still_wait_say_the_newest(desk: Desk) -> None:
    def tell(unit: Unit) -> None:
        for words in ("раз", "два"):
            fate.tell_general(unit, Notice("a", Text(words)))
            fate.tell_general(unit, Notice("b", Text(words)))

    await desk.store.write(tell)
    assert await desk.notices(0) == ["два", "два"]


async def test_an_answer_of_another_network_is_none_of_this_one(desk: Desk, answered: Message) -> None:
    (row,) = await desk.rows(answered)
    fact = progress("s1", S.READ, token=fate.token_of(row))
    await desk.apply(type(fact)(None, TELEGRAM, "acc", fact.external_id, NOW, S.READ, token=fact.token))
    assert await desk.states(answered) == ["sending"]

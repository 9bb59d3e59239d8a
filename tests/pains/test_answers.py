"""What the owner writes, and what becomes of it."""

from __future__ import annotations

from sandbox.world import Fault
from tests.rig import ANNA, IGOR, OWNER, Rig, words


async def test_an_answer_goes_out_once_and_its_mark_follows_the_reports(desk: Rig) -> None:
    topic = await desk.known()
    answer = desk.telegram.writes(OWNER, "Добрый день", thread_id=topic)
    await desk.until(lambda: desk.mark(answer) == "👌", "the mark of delivery")
    desk.graph.phone_reads(IGOR)
    await desk.until(lambda: desk.mark(answer) == "👀", "the mark of reading")
    assert [c.request["text"]["body"] for c in desk.sends()] == ["Добрый день"]
    await desk.until(
        lambda: [e["state"] for e in desk.exported("delivery.changed")] == ["sent", "delivered", "read"], "exported"
    )


async def test_nothing_that_begins_with_a_slash_leaves(desk: Rig) -> None:
    topic = await desk.known()
    note = desk.telegram.writes(OWNER, "/ перезвонить", thread_id=topic)
    desk.telegram.writes(OWNER, "//и ещё", thread_id=topic)
    desk.telegram.writes(OWNER, "/hepl", thread_id=topic)
    desk.telegram.writes(OWNER, "/zomm завтра", thread_id=topic)
    answer = desk.telegram.writes(OWNER, "видно", thread_id=topic)
    await desk.until(lambda: desk.mark(answer) == "👌" and desk.mark(note) == "🙈", "both marks")
    await desk.until(lambda: len(desk.said("Клиенту ничего не отправлено")) == 2, "two hints")
    assert "/help" in words(desk.said("/hepl")[0])
    assert [c.request["text"]["body"] for c in desk.sends()] == ["видно"]


async def test_a_lost_answer_is_in_doubt_and_only_she_sends_it_again(desk: Rig) -> None:
    topic = await desk.known()
    desk.graph.auto_statuses = False
    desk.world.plan(Fault("lost", "graph", "POST /messages"))
    answer = desk.telegram.writes(OWNER, "дошло?", thread_id=topic)
    await desk.until(lambda: desk.mark(answer) == "🤔", "the mark of doubt")
    await desk.until(lambda: bool(desk.said("Неизвестно, дошло ли")), "the question")
    later = desk.telegram.writes(OWNER, "следующее", thread_id=topic)
    await desk.until(lambda: desk.mark(later) == "🕊", "the next one is not held up")
    question = desk.said("Неизвестно, дошло ли")[0]
    again = question["reply_markup"]["inline_keyboard"][0][0]
    assert again["text"] == "Отправить ещё раз"
    assert question["reply_to_message"]["message_id"] == answer
    desk.telegram.presses(OWNER, OWNER, question["message_id"], again["callback_data"])
    desk.telegram.presses(OWNER, OWNER, question["message_id"], again["callback_data"])
    await desk.until(lambda: desk.mark(answer) == "🕊", "sent")
    bodies = [c.request["text"]["body"] for c in desk.sends()]
    assert bodies == ["дошло?", "следующее", "дошло?"]


async def test_a_report_settles_a_doubt(desk: Rig) -> None:
    topic = await desk.known()
    desk.world.plan(Fault("lost", "graph", "POST /messages"))
    answer = desk.telegram.writes(OWNER, "дошло", thread_id=topic)
    await desk.until(lambda: desk.mark(answer) == "👌", "the report came by our own token")
    assert len(desk.sends()) == 1


async def test_a_dead_token_keeps_the_queue_and_says_so_once(desk: Rig) -> None:
    topic = await desk.known()
    desk.graph.token_valid = False
    first = desk.telegram.writes(OWNER, "первое", thread_id=topic)
    second = desk.telegram.writes(OWNER, "второе", thread_id=topic)
    await desk.until(lambda: bool(desk.said("WhatsApp не работает")), "the trouble is told")
    await desk.until(lambda: desk.mark(first) == "✍" and desk.mark(second) == "✍", "both wait")
    assert len(desk.said("WhatsApp не работает")) == 1
    trouble = desk.said("WhatsApp не работает")[0]
    assert "190" in words(trouble)
    desk.graph.token_valid = True
    check = trouble["reply_markup"]["inline_keyboard"][0][0]
    desk.telegram.presses(OWNER, OWNER, trouble["message_id"], check["callback_data"])
    await desk.until(lambda: desk.mark(first) == desk.mark(second) == "👌", "both left in order")
    assert [c.request["text"]["body"] for c in desk.sends() if c.status == 200] == ["первое", "второе"]
    await desk.until(lambda: bool(desk.said("WhatsApp снова работает")), "the same message closes itself")
    assert desk.said("WhatsApp не работает") == []


async def test_a_closed_window_holds_the_text_and_parking_sends_it_when_the_client_writes(desk: Rig) -> None:
    topic = await desk.known()
    desk.graph.window_error_sync = True
    desk.world.shift = desk.clock.shift = 25 * 3600
    answer = desk.telegram.writes(OWNER, "ещё актуально?", thread_id=topic)
    await desk.until(lambda: bool(desk.said("24")), "the 24 hours are named")
    await desk.until(lambda: desk.mark(answer) == "✍", "it waits")
    held = desk.said("Не отправлено")[0]
    park = held["reply_markup"]["inline_keyboard"][0][0]
    assert park["text"] == "Отправить, когда клиент напишет"
    desk.telegram.presses(OWNER, OWNER, held["message_id"], park["callback_data"])
    await desk.until(lambda: bool(desk.said("Уйдёт, когда клиент напишет")), "parked")
    desk.graph.writes(IGOR, "Я снова здесь")
    await desk.until(lambda: desk.mark(answer) == "👌", "it left")


async def test_an_edit_of_a_waiting_text_changes_what_is_sent(desk: Rig) -> None:
    topic = await desk.known()
    outage = desk.world.plan(Fault("error", "graph", "POST /messages", times=None, error="131016"))
    answer = desk.telegram.writes(OWNER, "завтра в 15", thread_id=topic)
    await desk.until(lambda: bool(desk.world.of("graph", "POST /messages")), "tried")
    desk.telegram.edits(OWNER, answer, "завтра в 16")
    gone = desk.telegram.writes(OWNER, "лишнее", thread_id=topic)
    desk.telegram.writes(OWNER, "/del", thread_id=topic, reply_to=gone)
    await desk.until(lambda: bool(desk.said("Снято с отправки")), "taken back")
    desk.world.lift(outage)
    await desk.until(lambda: desk.mark(answer) == "👌", "sent")
    assert [c.request["text"]["body"] for c in desk.sends() if c.status == 200] == ["завтра в 16"]


async def test_telegram_edits_quotes_and_deletions_go_over(desk: Rig) -> None:
    first = desk.telegram.writes(ANNA, "Какой у вас адрес?")
    await desk.until(lambda: bool(desk.said("Какой у вас адрес?")), "shown")
    topic, shown = desk.topic("Анна Петрова"), desk.said("Какой у вас адрес?")[0]["message_id"]
    answer = desk.telegram.writes(OWNER, "улица Ленина", thread_id=topic, reply_to=shown)

    def there() -> list[dict[str, object]]:
        return [m for m in desk.telegram.messages(ANNA) if m["from"]["id"] != ANNA and not m["_deleted"]]

    await desk.until(lambda: desk.mark(answer) == "🕊", "sent")
    assert there()[-1]["reply_to_message"]["message_id"] == first  # type: ignore[index]
    desk.telegram.edits(OWNER, answer, "улица Мира")
    await desk.until(lambda: there()[-1]["text"] == "улица Мира", "the client sees the new words")
    desk.telegram.reacts(OWNER, OWNER, shown, "👍")
    await desk.until(
        lambda: any(r["emoji"] == "👍" for m in desk.telegram.messages(ANNA) for r in m["_reactions"]), "her reaction"
    )
    desk.telegram.writes(OWNER, "/del", thread_id=topic, reply_to=answer)
    await desk.until(lambda: there() == [], "gone at the client's")
    kinds = {"message.edited", "message.deleted", "message.reaction"}
    await desk.until(lambda: kinds <= {line["data"]["type"] for line in desk.export()}, "exported")


async def test_words_in_general_go_to_nobody_until_she_says_to_whom(desk: Rig) -> None:
    await desk.known()
    message = desk.telegram.writes(OWNER, "Перезвоню через час")
    await desk.until(lambda: bool(desk.said("Кому это?")), "asked")
    question = desk.said("Кому это?")[0]
    assert desk.sends() == []
    button = next(b for row in question["reply_markup"]["inline_keyboard"] for b in row if b["text"] == "Игорь")
    desk.telegram.presses(OWNER, OWNER, question["message_id"], button["callback_data"])
    desk.telegram.presses(OWNER, OWNER, question["message_id"], button["callback_data"])
    await desk.until(lambda: desk.mark(message) == "👌", "sent")
    assert len(desk.sends()) == 1

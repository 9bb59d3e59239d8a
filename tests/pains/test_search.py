"""/find and /history in the running bot: what was found is opened in its client's topic, and nobody else is told."""

from __future__ import annotations

from tests.rig import OWNER, Rig, words


async def test_a_message_is_found_opened_and_read_in_its_conversation(desk: Rig) -> None:
    topic = await desk.known(text="Сколько стоит консультация?")
    other = desk.telegram.writes(OWNER, "/find консультации")
    await desk.until(lambda: bool(desk.said("Сколько стоит консультация?")[1:]), "found")
    found = desk.said("Поиск")[0]
    assert found["reply_to_message"]["message_id"] == other and "message_thread_id" not in found
    assert [found["text"][e["offset"] :][: e["length"]] for e in found["entities"]][-1] == "консультация"

    (button,) = [b for row in found["reply_markup"]["inline_keyboard"] for b in row]
    desk.telegram.presses(OWNER, OWNER, found["message_id"], button["callback_data"])
    await desk.until(lambda: bool(desk.said("Найденное сообщение")), "opened in the topic")
    line = desk.said("Найденное сообщение")[0]
    shown = next(m for m in desk.desk() if words(m) == "Сколько стоит консультация?")
    assert line["message_thread_id"] == topic and line["reply_to_message"]["message_id"] == shown["message_id"]

    answer = desk.telegram.writes(OWNER, "От 5 тысяч", thread_id=topic)
    await desk.until(lambda: desk.mark(answer) != "", "sent")
    desk.telegram.writes(OWNER, "/ про скидку", thread_id=topic)
    desk.telegram.writes(OWNER, "/history", thread_id=topic)
    await desk.until(lambda: bool(desk.said("Переписка")), "history")
    past = desk.said("Переписка")[0]
    assert past["message_thread_id"] == topic
    assert [part in words(past) for part in ("консультация?", "ответ: От 5 тысяч", "заметка: про скидку")] == [True] * 3

    desk.telegram.writes(OWNER, "/find скидка", thread_id=topic)
    await desk.until(lambda: bool(desk.said("«скидка»")), "the note is found")
    assert "про скидку" in words(desk.said("«скидка»")[0])
    assert [call for call in desk.sends() if "скидк" in str(call)] == [] and len(desk.sends()) == 1

"""What the owner sends besides plain words, and how it arrives at clients of both networks."""

from __future__ import annotations

from typing import Any

import pytest

from inbox.text import size
from tests.rig import ANNA, IGOR, OWNER, Rig, words

MIB = 1024 * 1024
TO_TELEGRAM = {
    "photo": "sendPhoto",
    "video": "sendVideo",
    "animation": "sendAnimation",
    "audio": "sendAudio",
    "voice": "sendVoice",
    "video_note": "sendVideoNote",
    "document": "sendDocument",
    "sticker": "sendSticker",
    "location": "sendLocation",
    "venue": "sendVenue",
    "contact": "sendContact",
}
TO_WHATSAPP = {
    "photo": "image",
    "video": "video",
    "animation": "video",
    "audio": "audio",
    "voice": "audio",
    "video_note": "video",
    "document": "document",
    "sticker": "sticker",
    "location": "location",
    "venue": "location",
    "contact": "contacts",
}
CAPTIONED = {"photo", "video", "animation", "audio", "voice", "document"}


async def anna(desk: Rig, text: str = "Добрый вечер") -> int:
    """A Telegram client who has written; her topic."""
    desk.telegram.starts(ANNA)
    desk.telegram.writes(ANNA, text)
    await desk.until(lambda: bool(desk.said(text)), "shown")
    return desk.topic("Анна Петрова")


def got(desk: Rig) -> list[dict[str, Any]]:
    """What Anna has from the bot, its greeting apart."""
    return [m for m in desk.telegram.messages(ANNA) if m["from"]["id"] != ANNA and not m["_deleted"]][1:]


def buttons(message: dict[str, Any]) -> dict[str, str]:
    rows = message.get("reply_markup", {}).get("inline_keyboard", [])
    return {b["text"]: b["callback_data"] for row in rows for b in row}


async def test_every_kind_goes_to_telegram_as_that_kind(desk: Rig) -> None:
    topic = await anna(desk)
    for kind in TO_TELEGRAM:
        caption = f"подпись {kind}" if kind in CAPTIONED else None
        message = desk.telegram.writes(OWNER, kind=kind, caption=caption, thread_id=topic)
        await desk.until(lambda message=message: desk.mark(message) == "🕊", f"{kind} is sent")  # type: ignore[misc]
    for received, kind in zip(got(desk), TO_TELEGRAM, strict=True):
        assert kind in received, kind
        assert words(received) == (f"подпись {kind}" if kind in CAPTIONED else ""), kind
    for kind, method in TO_TELEGRAM.items():
        (call,) = [c for c in desk.world.of("telegram", method) if c.request["chat_id"] == ANNA]
        assert not str(call.request.get(kind, "")).startswith("attach://"), "a file id is enough"


async def test_every_kind_goes_to_whatsapp_as_what_it_takes(desk: Rig) -> None:
    topic = await desk.known()
    for kind in TO_WHATSAPP:
        caption = f"подпись {kind}" if kind in CAPTIONED else None
        message = desk.telegram.writes(OWNER, kind=kind, caption=caption, thread_id=topic)
        await desk.until(lambda message=message: desk.mark(message) == "👌", f"{kind} is delivered")  # type: ignore[misc]
    sent = [dict(c.request) for c in desk.sends()]
    kinds = [body["type"] for body in sent if body["type"] != "text"]
    assert kinds == list(TO_WHATSAPP.values())
    captions = [body[body["type"]].get("caption") for body in sent if body["type"] in ("image", "video", "document")]
    assert captions == ["подпись photo", "подпись video", "подпись animation", None, "подпись document"]
    # Sound has no caption there: the words follow it.
    alone = [body["text"]["body"] for body in sent if body["type"] == "text"]
    assert alone == ["подпись audio", "подпись voice"]
    places = [body["location"] for body in sent if body["type"] == "location"]
    assert "name" not in places[0] and places[1]["name"] == "Library"
    assert next(b for b in sent if b["type"] == "contacts")["contacts"][0]["phones"][0]["phone"] == "+12025550123"


async def test_an_album_is_one_call_to_telegram_and_single_messages_to_whatsapp(desk: Rig) -> None:
    topics = {"anna": await anna(desk), "igor": await desk.known()}
    firsts: dict[str, int] = {}
    for name, topic in topics.items():
        for number, kind in enumerate(("photo", "video", "photo")):
            caption = f"альбом {name}" if number == 0 else None
            extra = {"media_group_id": f"{name}-7"}
            item = desk.telegram.writes(OWNER, kind=kind, caption=caption, thread_id=topic, extra=extra)
            firsts.setdefault(name, item)
    await desk.until(lambda: desk.mark(firsts["anna"]) == "🕊", "sent")
    (call,) = desk.world.of("telegram", "sendMediaGroup")
    assert [m["type"] for m in call.request["media"]] == ["photo", "video", "photo"]
    assert [m.get("caption") for m in call.request["media"]] == ["альбом anna", None, None]
    await desk.until(lambda: desk.mark(firsts["igor"]) == "👌", "delivered")
    await desk.until(lambda: len(desk.sends()) == 3, "one by one")
    assert [c.request["type"] for c in desk.sends()] == ["image", "video", "image"]
    assert [c.request[c.request["type"]].get("caption") for c in desk.sends()] == ["альбом igor", None, None]


@pytest.mark.parametrize("kind", ["poll", "dice"])
async def test_what_no_client_can_get_is_told_and_not_sent(desk: Rig, kind: str) -> None:
    topics = [await anna(desk), await desk.known()]
    for topic in topics:
        message = desk.telegram.writes(OWNER, kind=kind, thread_id=topic)
        await desk.until(lambda message=message: desk.mark(message) == "💔", "marked")  # type: ignore[misc]
    await desk.until(lambda: len(desk.said("не принимает сообщения такого вида")) == 2, "told in both topics")
    assert {m["message_thread_id"] for m in desk.said("не принимает сообщения такого вида")} == set(topics)
    assert got(desk) == [] and desk.sends() == []


@pytest.mark.parametrize(
    ("bytes_", "reason"),
    [
        (101 * MIB, "файл больше, чем принимает WhatsApp: не\N{NO-BREAK SPACE}больше"),
        (30 * MIB, "не\N{NO-BREAK SPACE}больше 20\N{NO-BREAK SPACE}МБ"),
    ],
)
async def test_a_file_too_big_fails_with_its_limit_before_anything_is_sent(desk: Rig, bytes_: int, reason: str) -> None:
    topic = await desk.known()
    file = {"file_id": "BQACAgIAAx-big", "file_unique_id": "AgADbig", "file_size": bytes_, "file_name": "Отчёт.pdf"}
    message = desk.telegram.writes(OWNER, kind="document", caption="отчёт", thread_id=topic, extra={"document": file})
    await desk.until(lambda: desk.mark(message) == "💔", "marked")
    await desk.until(lambda: bool(desk.said(reason)), "the limit is named")
    assert desk.sends() == [] and desk.world.of("graph", "POST /media") == []
    told = desk.said(reason)[0]
    desk.telegram.presses(OWNER, OWNER, told["message_id"], buttons(told)["Повторить"])
    later = desk.telegram.writes(OWNER, "тогда ссылкой", thread_id=topic)
    await desk.until(lambda: desk.mark(later) == "👌", "later words are not held up")
    assert [c.request["type"] for c in desk.sends()] == ["text"], "and no caption without its file"


async def test_a_long_text_goes_in_parts_in_order_and_whole(desk: Rig) -> None:
    text = " ".join(f"слово{n}👍🏽" for n in range(900))
    assert len(text) > 9000
    igor, topic = await desk.known(), await anna(desk)
    to_igor = desk.telegram.writes(OWNER, text, thread_id=igor)
    to_anna = desk.telegram.writes(OWNER, text, thread_id=topic)
    await desk.until(lambda: desk.mark(to_igor) == "👌" and desk.mark(to_anna) == "🕊", "all parts")
    for parts, unit in (
        ([c.request["text"]["body"] for c in desk.sends()], "chars"),
        ([words(m) for m in got(desk)], "utf16"),
    ):
        assert len(parts) >= 3 and all(size(part, unit) <= 4096 for part in parts)
        assert " ".join(parts) == text
    desk.telegram.edits(OWNER, to_anna, "короче")
    await desk.until(lambda: bool(desk.said("исправить нельзя")), "several messages cannot become one")


async def test_a_forwarded_message_goes_as_her_own(desk: Rig) -> None:
    topic = await anna(desk)
    origin = {"type": "hidden_user", "sender_user_name": "Коллега", "date": 1_790_000_000}
    message = desk.telegram.writes(OWNER, "Пересланное", thread_id=topic, extra={"forward_origin": origin})
    await desk.until(lambda: desk.mark(message) == "🕊", "sent")
    assert [words(m) for m in got(desk)] == ["Пересланное"]
    assert "forward_origin" not in got(desk)[0]


async def test_a_quote_in_a_joined_message_hits_the_one_that_was_quoted(idle: Rig) -> None:
    desk = idle
    for text in ("Первый вопрос", "Второй вопрос", "Третий вопрос"):
        desk.telegram.writes(ANNA, text)
    await desk.start()
    await desk.until(lambda: bool(desk.said("Третий вопрос")), "shown")
    shown = desk.said("Второй вопрос")[0]
    assert "Первый вопрос" in words(shown) and "Третий вопрос" in words(shown), "joined in one message"
    topic = desk.topic("Анна Петрова")
    answer = desk.telegram.writes(
        OWNER, "На второй", thread_id=topic, reply_to=shown["message_id"], quote="Второй вопрос"
    )
    await desk.until(lambda: desk.mark(answer) == "🕊", "sent")
    reply = next(m for m in desk.telegram.messages(ANNA) if words(m) == "На второй")
    assert words(reply["reply_to_message"]) == "Второй вопрос" and reply["quote"]["text"] == "Второй вопрос"


async def test_captions_are_edited_and_messages_taken_back_at_telegram(desk: Rig) -> None:
    topic = await anna(desk)
    photo = desk.telegram.writes(OWNER, kind="photo", caption="вот план", thread_id=topic)
    await desk.until(lambda: desk.mark(photo) == "🕊", "sent")
    desk.telegram.edits(OWNER, photo, caption="вот новый план")
    await desk.until(lambda: [words(m) for m in got(desk)] == ["вот новый план"], "edited for the client")
    desk.telegram.edits(OWNER, photo, caption="/план для себя")
    await desk.until(lambda: bool(desk.said("исправить нельзя")), "words with a slash stay here")
    assert buttons(desk.said("исправить нельзя")[0]) == {}
    assert [words(m) for m in got(desk)] == ["вот новый план"]
    desk.telegram.writes(OWNER, "/del", thread_id=topic)
    await desk.until(lambda: bool(desk.said("ответом на своё сообщение")), "how it is done")
    desk.telegram.writes(OWNER, "/del", thread_id=topic, reply_to=photo)
    await desk.until(lambda: got(desk) == [], "gone at the client's")
    later = desk.telegram.writes(OWNER, "старое", thread_id=topic)
    await desk.until(lambda: desk.mark(later) == "🕊", "sent")
    desk.world.shift = desk.clock.shift = 49 * 3600
    desk.telegram.writes(OWNER, "/del", thread_id=topic, reply_to=later)
    await desk.until(lambda: bool(desk.said("прошло слишком много времени")), "told why not")
    assert [words(m) for m in got(desk)] == ["старое"]


async def test_whatsapp_edits_become_a_correction_and_nothing_is_taken_back(desk: Rig) -> None:
    topic = await desk.known()
    answer = desk.telegram.writes(OWNER, "В пять", thread_id=topic)
    await desk.until(lambda: desk.mark(answer) == "👌", "delivered")
    desk.telegram.edits(OWNER, answer, "В шесть")
    await desk.until(lambda: bool(desk.said("исправить нельзя: WhatsApp так не умеет")), "told")
    question = desk.said("исправить нельзя")[0]
    assert list(buttons(question)) == ["Отправить исправление", "Оставить"]
    desk.graph.phone_reads(IGOR)
    await desk.until(lambda: desk.mark(answer) == "👀", "a report meanwhile")
    assert buttons(desk.said("исправить нельзя")[0]), "leaves the question as it is"
    for _ in range(2):
        desk.telegram.presses(OWNER, OWNER, question["message_id"], buttons(question)["Отправить исправление"])
    await desk.until(lambda: bool(desk.said("Исправление уходит отдельным сообщением")), "the question is settled")
    await desk.until(lambda: len(desk.sends()) == 2, "the correction")
    assert [c.request["text"]["body"] for c in desk.sends()] == ["В пять", "В шесть"]
    assert "context" in desk.sends()[1].request
    desk.telegram.edits(OWNER, answer, "В семь")
    await desk.until(lambda: bool(desk.said("исправить нельзя")), "asked again")
    again = desk.said("исправить нельзя")[0]
    desk.telegram.presses(OWNER, OWNER, again["message_id"], buttons(again)["Оставить"])
    await desk.until(lambda: bool(desk.said("Оставлено как есть")), "left")
    desk.telegram.writes(OWNER, "/del", thread_id=topic, reply_to=answer)
    await desk.until(lambda: bool(desk.said("удалить нельзя: WhatsApp так не умеет")), "told")
    await desk.until(lambda: len(desk.telegram.toasts) == 3, "all taps are answered")
    assert len(desk.sends()) == 2


async def test_reactions_reach_the_client_and_a_forbidden_one_is_told(desk: Rig) -> None:
    igor = await desk.known()
    topic = await anna(desk)
    of_igor, of_anna = desk.said("Здравствуйте")[0]["message_id"], desk.said("Добрый вечер")[0]["message_id"]
    desk.telegram.reacts(OWNER, OWNER, of_igor, "🔥")
    await desk.until(lambda: [c.request["reaction"]["emoji"] for c in desk.sends()] == ["🔥"], "her own reaction")
    desk.telegram.writes(OWNER, "/react 🎈", thread_id=igor, reply_to=of_igor)
    await desk.until(lambda: len(desk.sends()) == 2, "any emoji by the command")
    desk.telegram.writes(OWNER, "/react", thread_id=igor, reply_to=of_igor)
    await desk.until(lambda: len(desk.sends()) == 3, "taken back")
    assert [c.request["reaction"]["emoji"] for c in desk.sends()] == ["🔥", "🎈", ""]
    assert {c.request["type"] for c in desk.sends()} == {"reaction"}
    desk.telegram.writes(OWNER, "/react 🎈", thread_id=topic, reply_to=of_anna)
    await desk.until(lambda: bool(desk.said("реакцию поставить нельзя")), "Telegram allows only some")
    desk.telegram.writes(OWNER, "/react 👍", thread_id=topic)
    await desk.until(lambda: bool(desk.said("/react пишется ответом на сообщение")), "how it is done")
    desk.telegram.writes(OWNER, "/react 👍", thread_id=topic, reply_to=of_anna)

    def reactions() -> list[str]:
        return [r["emoji"] for m in desk.telegram.messages(ANNA) for r in m["_reactions"]]

    await desk.until(lambda: reactions() == ["👍"], "the client sees it")
    await desk.until(lambda: len(desk.exported("message.reaction")) == 4, "exported")

"""Files, and what is no text: shown as what it is, announced while it is not here, said when it never comes."""

from __future__ import annotations

import re
import time
from collections import Counter
from typing import Any

import pytest

from sandbox.world import Fault
from tests.rig import ANNA, BORIS, IGOR, MARIA, OWNER, Rig, words

LINE_WITHIN = 15.0  # seconds, promised
LOST = "не\u00a0удалось получить"
IN_WHATSAPP = "в\u00a0WhatsApp"


def with_media(rig: Rig, kind: str) -> list[dict[str, Any]]:
    return [m for m in rig.desk() if kind in m]


async def test_a_file_that_does_not_come_is_a_line_and_what_became_of_it_answers_the_line(desk: Rig) -> None:
    await desk.known()
    await desk.known(MARIA, "Мария", "Добрый вечер")
    trouble = desk.world.plan(Fault("500", "graph", "GET /media", times=None))
    began = time.monotonic()
    picture = desk.graph.writes(IGOR, kind="image", caption="вот фото кухни")
    voice = desk.graph.writes(MARIA, kind="voice")
    await desk.until(
        lambda: bool(desk.said("Фото загружается") and desk.said("Голосовое загружается")), "lines", LINE_WITHIN
    )
    assert time.monotonic() - began < LINE_WITHIN
    desk.graph.writes(IGOR, "видно?")
    await desk.until(lambda: bool(desk.said("видно?")), "the next message does not wait for it")
    desk.graph.shelf.drop(desk.graph.message(voice)["media"]["id"])
    desk.world.lift(trouble)
    await desk.until(lambda: bool(with_media(desk, "photo") and desk.said(LOST)), "both ends", 30.0)
    ((photo,), (line,)) = with_media(desk, "photo"), desk.said("Фото загружается")
    assert "вот фото кухни" in words(line)
    assert photo["reply_to_message"]["message_id"] == line["message_id"]
    assert photo["message_thread_id"] == line["message_thread_id"] == desk.topic("Игорь")
    assert len(desk.said("вот фото кухни")) == 1
    ((end,), (announced,)) = desk.said(LOST), desk.said("Голосовое загружается")
    assert end["reply_to_message"]["message_id"] == announced["message_id"]
    assert IN_WHATSAPP in words(end)
    await desk.until(lambda: len(desk.exported("media.stored")) == 1, "exported")
    message = next(e["message"] for e in desk.exported("message.in") if e["external_id"] == picture)
    assert desk.exported("media.stored")[0]["message"] == message


async def test_a_short_trouble_with_a_file_is_not_announced(desk: Rig) -> None:
    await desk.known()
    desk.world.plan(Fault("lost", "graph", "GET /file"))
    desk.world.plan(Fault("half", "graph", "GET /file"))
    desk.graph.writes(IGOR, kind="image", caption="вот фото кухни")
    await desk.until(lambda: bool(with_media(desk, "photo")), "the picture")
    assert [words(m) for m in with_media(desk, "photo")] == ["вот фото кухни"]
    assert desk.said("загружается") == []


async def test_a_file_that_is_gone_is_said(desk: Rig) -> None:
    await desk.known()
    wamid = desk.graph.writes(IGOR, kind="document", file_name="смета.pdf", caption="посмотрите")
    desk.graph.shelf.drop(desk.graph.message(wamid)["media"]["id"])
    await desk.until(lambda: bool(desk.said(LOST)), "said")
    text = words(desk.said(LOST)[0])
    assert "посмотрите" in text
    assert "Файл «смета.pdf»" in text
    assert IN_WHATSAPP in text
    assert with_media(desk, "document") == []


async def test_each_kind_of_whatsapp_is_shown_as_what_it_is(desk: Rig) -> None:
    topic = await desk.known()
    desk.graph.writes(IGOR, kind="image", caption="подпись")
    desk.graph.writes(IGOR, kind="voice")
    desk.graph.writes(IGOR, kind="sticker")
    desk.graph.writes(IGOR, kind="video")
    desk.graph.writes(IGOR, kind="audio")
    desk.graph.writes(IGOR, kind="document", file_name="договор.pdf")
    desk.graph.writes(IGOR, "Офис", kind="location")
    desk.graph.writes(IGOR, "Вера", kind="contacts")
    desk.graph.writes(IGOR, "poll", kind="unsupported")
    desk.graph.writes(IGOR, "что это", kind="hologram")
    desk.graph.writes(IGOR, "конец")
    await desk.until(lambda: bool(desk.said("конец")), "all of it")
    here = [m for m in desk.desk() if m.get("message_thread_id") == topic]
    kinds = ("photo", "voice", "sticker", "video", "audio", "document")
    shown = [next((k for k in kinds if k in m), "") for m in here]
    assert [k for k in shown if k] == list(kinds)
    assert words(next(m for m in here if "photo" in m)) == "подпись"
    assert next(m for m in here if "document" in m)["document"]["file_name"] == "договор.pdf"
    (place,) = [m for m in here if "venue" in m or "location" in m]
    assert place["location"]["latitude"] == pytest.approx(41.7151)
    text = "\n".join(words(m) for m in here)
    assert "Вера" in text
    assert "+1 202 555-01-77" in text or "2025550177" in "".join(c for c in text if c.isdigit())
    for line in ("Опрос", "«hologram»"):
        assert any(line in words(m) and IN_WHATSAPP in words(m) for m in here)
    assert desk.exported("message.in")[-1]["text"] == "конец"
    assert len(desk.exported("message.in")) == 12


async def test_each_kind_of_telegram_is_shown_as_what_it_is(desk: Rig) -> None:
    desk.telegram.starts(ANNA)
    kinds = ("photo", "voice", "video_note", "sticker", "animation", "video", "audio", "document")
    for kind in kinds:
        desk.telegram.writes(ANNA, kind=kind)
    desk.telegram.writes(ANNA, kind="location")
    desk.telegram.writes(ANNA, kind="contact")
    desk.telegram.writes(ANNA, kind="poll")
    desk.telegram.writes(ANNA, "конец")
    await desk.until(lambda: bool(desk.said("конец")), "all of it")
    topic = desk.topic("Анна Петрова")
    here = [m for m in desk.desk() if m.get("message_thread_id") == topic]
    shown = [next((k for k in kinds if k in m), "") for m in here]
    assert [k for k in shown if k] == list(kinds)
    assert any("location" in m for m in here)
    assert any("Опрос" in words(m) and "в\u00a0Telegram" in words(m) for m in here)


async def test_albums_of_two_clients_at_once_stay_whole_and_apart(desk: Rig) -> None:
    desk.telegram.starts(ANNA)
    desk.telegram.starts(BORIS)
    for n in range(4):
        desk.telegram.writes(ANNA, kind="photo", caption="квартира" if n == 0 else None, media_group_id="anna")
        desk.telegram.writes(BORIS, kind="photo", caption="дача" if n == 0 else None, media_group_id="boris")
    await desk.until(lambda: len(with_media(desk, "photo")) == 8, "both albums")
    for name, caption in (("Анна Петрова", "квартира"), ("Борис", "дача")):
        topic = desk.topic(name)
        album = [m for m in with_media(desk, "photo") if m["message_thread_id"] == topic]
        assert len(album) == 4
        assert len({m["media_group_id"] for m in album}) == 1
        assert [words(m) for m in album] == [caption, "", "", ""]
    assert len({m["media_group_id"] for m in with_media(desk, "photo")}) == 2
    assert len(desk.world.of("telegram", "sendMediaGroup")) == 2


async def test_photos_and_videos_of_one_album_stay_together_and_the_text_after_follows(desk: Rig) -> None:
    desk.telegram.starts(ANNA)
    for kind in ("photo", "video", "photo"):
        desk.telegram.writes(ANNA, kind=kind, media_group_id="mixed")
    desk.telegram.writes(ANNA, "вот такие")
    await desk.until(lambda: bool(desk.said("вот такие")), "all of it")
    album = [m for m in desk.desk() if "media_group_id" in m]
    assert ["photo" if "photo" in m else "video" for m in album] == ["photo", "video", "photo"]
    assert len({m["media_group_id"] for m in album}) == 1
    assert desk.said("вот такие")[0]["message_id"] > album[-1]["message_id"]


async def test_a_part_of_an_album_can_be_answered_and_is_quoted(desk: Rig) -> None:
    desk.telegram.starts(ANNA)
    items = [desk.telegram.writes(ANNA, kind="photo", media_group_id="anna") for _ in range(3)]
    await desk.until(lambda: len(with_media(desk, "photo")) == 3, "the album")
    second = with_media(desk, "photo")[1]["message_id"]
    answer = desk.telegram.writes(OWNER, "эта лучше", thread_id=desk.topic("Анна Петрова"), reply_to=second)
    await desk.until(lambda: desk.mark(answer) == "🕊", "sent")
    theirs = [m for m in desk.telegram.messages(ANNA) if m.get("text") == "эта лучше"]
    assert theirs[0]["reply_to_message"]["message_id"] == items[1]


async def test_a_file_that_the_desk_refuses_is_a_line_and_stops_nothing(desk: Rig) -> None:
    await desk.known()
    desk.world.plan(Fault("error", "telegram", "sendPhoto", times=None, error="Bad Request: IMAGE_PROCESS_FAILED"))
    desk.world.plan(Fault("error", "telegram", "sendDocument", times=None, error="Bad Request: FILE_PARTS_INVALID"))
    desk.graph.writes(IGOR, kind="image", caption="чертёж")
    desk.graph.writes(IGOR, "дальше")
    await desk.until(lambda: bool(desk.said("дальше")), "the next message")
    (line,) = desk.said("чертёж")
    assert LOST in words(line)
    assert line["message_id"] < desk.said("дальше")[0]["message_id"]


async def test_many_pictures_at_once_all_come_in_order(desk: Rig) -> None:
    await desk.known()
    for n in range(8):
        desk.graph.writes(IGOR, kind="image", caption=f"снимок {n}")
    await desk.until(lambda: len(with_media(desk, "photo")) == 8, "all of them", 30.0)
    said = "\n".join(words(m) for m in with_media(desk, "photo"))  # those that waited stand in albums
    assert re.findall(r"снимок \d", said) == [f"снимок {n}" for n in range(8)]
    stored = Counter(e["message"] for e in desk.exported("media.stored"))
    assert all(count == 1 for count in stored.values())

"""Section 5: the files and the calls, signed, in order, at least once."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from datetime import datetime, timedelta

from tests.contract.process import IGOR, OWNER, SUBSTANCE, Place, Post, in_order, text_message

KEY = base64.b64decode(SUBSTANCE.removeprefix("whsec_"))


def verified(post: Post) -> bool:
    """As a receiver by Standard Webhooks 1.0 looks at a call."""
    given = {name.lower(): value for name, value in post.headers.items()}
    content = f"{given['webhook-id']}.{given['webhook-timestamp']}.".encode() + post.body
    wanted = base64.b64encode(hmac.new(KEY, content, hashlib.sha256).digest()).decode()
    fresh = abs(time.time() - int(given["webhook-timestamp"])) < 120
    kind = given["content-type"].startswith("application/json")
    return f"v1,{wanted}" in given["webhook-signature"].split(" ") and fresh and kind


async def test_every_event_goes_out_in_order_until_it_is_taken(place: Place) -> None:
    place.receiver.status = 500
    async with place.running():
        begun = time.monotonic()
        for number in range(3):
            assert (await place.whatsapp(text_message(f"Строка {number}", wamid=f"wamid.{number}"))).status == 200
        await place.until(lambda: len(place.receiver.posts) >= 3, "three tries")
        first, second, third = place.receiver.posts[:3]
        assert first.at - begun < 1.0
        assert 0.9 < second.at - first.at < 1.8
        assert 1.9 < third.at - second.at < 3.0
        assert {p.body for p in (first, second, third)} == {first.body}
        assert {p.headers["webhook-id"] for p in (first, second, third)} == {f"evt_{first.id}"}
        await place.until(lambda: len(place.exported("message.in")) == 3, "the file does not wait")
    place.receiver.status = 200
    begun = time.monotonic()
    async with place.running():
        opened = time.monotonic()
        await place.until(lambda: len(in_order(place.receiver.taken)) == len(place.lines()), "all taken")
        assert place.receiver.taken[0].at - opened < 1.0, place.receiver.taken[0].at - begun
        await _work_on_the_desk(place)
        await _no_more(place)
    ended = len(place.receiver.posts)
    place.receiver.status = 200
    async with place.running():
        await place.whatsapp(text_message("Тот же адрес", wamid="wamid.same"))
        await place.until(lambda: place.exported("message.in")[-1]["data"]["text"] == "Тот же адрес", "in the file")
        assert len(place.receiver.posts) == ended
    async with place.running(SUBSTANCE_WEBHOOK_URL=f"{place.receiver.address}?another"):
        await place.until(lambda: len(in_order(place.receiver.taken)) == len(place.lines()), "another address")
    assert all(verified(post) for post in place.receiver.posts)
    ids = [line["data"]["id"] for line in place.lines()]
    assert ids == sorted(set(ids))
    assert in_order(place.receiver.taken) == ids
    files = {line["data"]["id"]: line for line in place.lines()}
    assert all(post.event == files[post.id] for post in place.receiver.posts)
    assert place.leaks() == []


async def _work_on_the_desk(place: Place) -> None:
    """What each line says: a text, a file, an answer with its states, and a fact without a client."""
    await place.ready()
    await place.until(lambda: bool(place.said_to(OWNER, "Строка 2")), "shown")
    place.graph.writes(IGOR, kind="image", caption="Фото")
    await place.until(lambda: bool(place.exported("media.stored")), "the file is fetched")
    topic = next(t for t in place.telegram.topics_of(OWNER) if t["name"].endswith("Игорь"))
    place.telegram.writes(OWNER, "Добрый день", thread_id=topic["message_thread_id"])
    await place.until(lambda: "delivered" in _states(place), "delivered")
    value = {"event": "VERIFIED_ACCOUNT"}
    entry = [{"id": "100200300400500", "time": 1_790_000_000, "changes": [{"field": "account_update", "value": value}]}]
    await place.whatsapp({"object": "whatsapp_business_account", "entry": entry})
    await place.until(lambda: bool(place.exported("gate.changed")), "a fact")
    inbound = place.exported("message.in")
    assert [line["data"]["text"] for line in inbound] == ["Строка 0", "Строка 1", "Строка 2", "Фото"]
    assert datetime.fromisoformat(inbound[0]["timestamp"]).timestamp() == 1_790_000_000
    clients = {line["data"]["client"] for line in inbound}
    assert len(clients) == 1 and all(isinstance(client, int) for client in clients)
    assert inbound[0]["data"]["external_id"] == "wamid.0"
    stored = place.exported("media.stored")[0]["data"]
    assert stored["message"] == inbound[3]["data"]["message"]
    assert len(stored["sha256"]) == 64 and stored["size"] > 0
    (answer,) = place.exported("message.out")
    assert (answer["provider"], answer["data"]["author"], answer["data"]["text"]) == (
        "whatsapp",
        "owner",
        "Добрый день",
    )
    assert {line["data"]["message"] for line in place.exported("delivery.changed")} == {answer["data"]["message"]}
    assert place.exported("gate.changed")[0]["data"]["client"] is None
    for line in place.lines():
        assert line.keys() == {"provider", "timestamp", "data"}
        assert datetime.fromisoformat(line["timestamp"]).utcoffset() is not None
        assert datetime.fromisoformat(line["data"]["stored_at"]).utcoffset() == timedelta(0)
        assert {"id", "type", "stored_at", "client"} <= line["data"].keys()


def _states(place: Place) -> list[str]:
    return [line["data"]["state"] for line in place.exported("delivery.changed")]


async def _no_more(place: Place) -> None:
    """410: nothing is sent any more, the file goes on, the desk is told."""
    await place.until(lambda: len(in_order(place.receiver.taken)) == len(place.lines()), "all taken")
    before = len(place.receiver.posts)
    place.receiver.status = 410
    await place.whatsapp(text_message("После конца", wamid="wamid.gone"))
    await place.until(lambda: bool(place.said_to(OWNER, "410")), "told on the desk", 30.0)
    await place.whatsapp(text_message("И ещё", wamid="wamid.gone2"))
    await place.until(lambda: place.exported("message.in")[-1]["data"]["text"] == "И ещё", "the file goes on")
    await place.until(lambda: bool(place.said_to(OWNER, "И ещё")), "the desk goes on", 30.0)
    assert len(place.receiver.posts) == before + 1

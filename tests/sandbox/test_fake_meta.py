"""The fake Graph: what it takes and refuses, what it sends, and how it makes trouble."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from sandbox.meta import FakeGraph
from sandbox.meta_hooks import emulate, merge, sign
from sandbox.meta_rules import BODY, CAPTION, CONTACTS, TEXT
from sandbox.world import Fault, World

ANNA, BORIS, LENA = "12025550143", "12025550155", "12025550161"
LENA_ID = "GE.8800223344556677889"
PHONE, WABA, SECRET, TOKEN = "200300400500600", "100200300400500", "test_app_secret", "test_access_token"
DAY = 86400.0
Json = dict[str, Any]


class Receiver:
    """Takes webhooks as the product would; `answers` are given out before the usual 200."""

    def __init__(self) -> None:
        self.raw: list[bytes] = []
        self.signatures: list[str] = []
        self.answers: list[int] = []
        self.token = "verify"

    async def take(self, request: web.Request) -> web.Response:
        self.raw.append(await request.read())
        self.signatures.append(request.headers["X-Hub-Signature-256"])
        return web.Response(status=self.answers.pop(0) if self.answers else 200)

    async def greet(self, request: web.Request) -> web.Response:
        if request.query["hub.verify_token"] != self.token or request.query["hub.mode"] != "subscribe":
            return web.Response(status=403)
        return web.Response(text=request.query["hub.challenge"])

    def values(self, key: str) -> list[Json]:
        bodies = [json.loads(raw) for raw in self.raw]
        changes = [c for body in bodies for entry in body["entry"] for c in entry["changes"]]
        return [item for c in changes for item in c["value"].get(key, [])]

    def states(self) -> list[str]:
        return [status["status"] for status in self.values("statuses")]


class Stage:
    def __init__(self, graph: FakeGraph, receiver: Receiver, http: aiohttp.ClientSession) -> None:
        self.graph, self.receiver, self.http = graph, receiver, http
        self.world = graph.world

    async def call(self, method: str, path: str, **options: Any) -> tuple[int, Json]:
        headers = {"Authorization": f"Bearer {TOKEN}", **options.pop("headers", {})}
        address = path if path.startswith("http") else f"{self.graph.base}/v25.0/{path}"
        async with self.http.request(method, address, headers=headers, **options) as answer:
            return answer.status, await answer.json(content_type=None)

    async def send(self, body: Json, **envelope: Any) -> tuple[int, Json]:
        message = {"messaging_product": "whatsapp", "to": ANNA, **envelope, **body}
        return await self.call("POST", f"{PHONE}/messages", json=message)

    async def sent(self, body: Json, **envelope: Any) -> str:
        status, answer = await self.send(body, **envelope)
        assert status == 200, answer
        return str(answer["messages"][0]["id"])

    async def upload(self, content: bytes, mime: str, *, name: str = "file", **fields: str) -> tuple[int, Json]:
        form = aiohttp.FormData({"messaging_product": "whatsapp", "type": mime, **fields})
        form.add_field("file", io.BytesIO(content), filename=name, content_type=mime)
        return await self.call("POST", f"{PHONE}/media", data=form)

    async def quiet(self) -> None:
        await self.world.until(lambda: self.graph.pending == 0, what="all webhooks taken")

    def error(self, answer: Json) -> int:
        return int(answer["error"]["code"])


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    graph = FakeGraph(
        World(),
        app_secret=SECRET,
        verify_token="verify",
        access_token=TOKEN,
        phone_number_id=PHONE,
        waba_id=WABA,
    )
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/webhooks/whatsapp", receiver.take)
    app.router.add_get("/webhooks/whatsapp", receiver.greet)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    await graph.start()
    graph.webhook_url = f"http://127.0.0.1:{runner.addresses[0][1]}/webhooks/whatsapp"
    graph.retry_first = 0.01
    graph.add_phone(ANNA, "Анна", user_id="US.7700112233445566778")
    graph.add_phone(BORIS, "Борис", reads=True)
    graph.add_phone(LENA, "Лена", user_id=LENA_ID, username="example.username", hides_number=True)
    async with aiohttp.ClientSession() as http:
        yield Stage(graph, receiver, http)
    await graph.stop()
    await runner.cleanup()


@pytest.fixture
async def open_stage(stage: Stage) -> Stage:
    """All clients have written, and their webhooks are out of the way."""
    for who in (ANNA, BORIS, LENA):
        stage.graph.writes(who, "Здравствуйте")
    await stage.quiet()
    stage.receiver.raw.clear()
    return stage


IN_TEXT: Json = {
    "object": "whatsapp_business_account",
    "entry": [
        {
            "id": WABA,
            "changes": [
                {
                    "value": {
                        "messaging_product": "whatsapp",
                        "metadata": {"display_phone_number": "12025550100", "phone_number_id": PHONE},
                        "contacts": [
                            {
                                "profile": {"name": "Тестовый клиент"},
                                "wa_id": ANNA,
                                "user_id": "US.7700112233445566778",
                            }
                        ],
                        "messages": [
                            {
                                "from": ANNA,
                                "from_user_id": "US.7700112233445566778",
                                "id": "wamid.HBgLMTIwMjU1NTAxNDMVAgASGBQzQU0101AA=",
                                "timestamp": "1795305701",
                                "type": "text",
                                "text": {"body": "Здравствуйте! Можно записаться на консультацию?"},
                            }
                        ],
                    },
                    "field": "messages",
                }
            ],
        }
    ],
}


def test_signature_vector() -> None:
    raw = emulate(IN_TEXT)
    assert len(raw) == 849
    assert sign(SECRET, raw) == "sha256=7675a4f7a73466aa53268e4203643a12934bdff148f77702766c6dde68cd5c32"


def test_emulated_bytes_are_ascii_with_escaped_slashes() -> None:
    assert emulate({"a": "я/"}) == b'{"a":"\\u044f\\/"}'


async def test_incoming_text_has_the_documented_shape(stage: Stage) -> None:
    stage.graph.add_phone(ANNA, "Тестовый клиент", user_id="US.7700112233445566778")
    stage.graph.writes(
        ANNA,
        "Здравствуйте! Можно записаться на консультацию?",
        timestamp=1795305701,
        wamid="wamid.HBgLMTIwMjU1NTAxNDMVAgASGBQzQU0101AA=",
    )
    await stage.quiet()
    assert json.loads(stage.receiver.raw[0]) == IN_TEXT
    assert stage.receiver.signatures == [sign(SECRET, stage.receiver.raw[0])]


KEYBOARD: Json = {
    "type": "button",
    "body": {"text": "Подтверждаете?"},
    "footer": {"text": "40 минут, Zoom"},
    "action": {"buttons": [{"type": "reply", "reply": {"id": "confirm:42", "title": "Подтверждаю"}}]},
}
ROWS: list[Json] = [{"id": "slot:1", "title": "25 ноября 10:00", "description": "40 минут, Zoom"}]
LIST: Json = {
    "type": "list",
    "body": {"text": "Выберите время"},
    "action": {"button": "Показать время", "sections": [{"title": "Среда", "rows": ROWS}]},
}
CTA: Json = {
    "type": "cta_url",
    "body": {"text": "Ссылка готова"},
    "action": {
        "name": "cta_url",
        "parameters": {"display_text": "Открыть Zoom", "url": "https://zoom.example/j/1"},
    },
}
CARD: Json = {
    "name": {"formatted_name": "Пример Контакт", "first_name": "Пример"},
    "phones": [{"phone": "+12025550177", "type": "WORK", "wa_id": "12025550177"}],
}


def ask(kind: str, name: str) -> Json:
    return {"type": kind, "body": {"text": "Пришлите, пожалуйста"}, "action": {"name": name}}


def typed(kind: str, content: Any) -> Json:
    return {"type": kind, kind: content}


def template(name: str, *components: Json) -> Json:
    return typed("template", {"name": name, "language": {"code": "ru"}, "components": list(components)})


def words(kind: str, *texts: str) -> Json:
    return {"type": kind, "parameters": [{"type": "text", "text": t} for t in texts]}


MATERIALS = template(
    "consult_materials",
    {"type": "header", "parameters": [{"type": "document", "document": {"link": "https://a.example/1.pdf"}}]},
    words("body", "клиент"),
    {
        "type": "button",
        "sub_type": "quick_reply",
        "index": "0",
        "parameters": [{"type": "payload", "payload": "confirm:42"}],
    },
    {
        "type": "button",
        "sub_type": "url",
        "index": "1",
        "parameters": [{"type": "text", "text": "j/123456789"}],
    },
)
NAMED = template(
    "consult_reminder_named",
    {"type": "body", "parameters": [{"type": "text", "parameter_name": "when", "text": "25 ноября в 10:00"}]},
)

TAKEN: dict[str, Json] = {
    "text": typed("text", {"preview_url": False, "body": "Да, есть время в среду."}),
    "longest": typed("text", {"body": "я" * TEXT}),
    "reply": {"context": {"message_id": "wamid.unknown"}, **typed("text", {"body": "Отвечаю"})},
    "tracked": {"biz_opaque_callback_data": "out:777", **typed("text", {"body": "С меткой"})},
    "linked": typed("image", {"link": "https://files.example/sketch.jpg", "caption": "Эскиз"}),
    "place": typed("location", {"latitude": 41.7151, "longitude": 44.8271, "name": "Студия", "address": "1"}),
    "card": typed("contacts", [CARD]),
    "buttons": typed("interactive", {**KEYBOARD, "header": {"type": "text", "text": "Консультация"}}),
    "list": typed("interactive", LIST),
    "cta": typed("interactive", CTA),
    "where": typed("interactive", ask("location_request_message", "send_location")),
    "who": typed("interactive", ask("request_contact_info", "request_contact_info")),
    "template": template("consult_reminder", words("body", "клиент", "25 ноября")),
    "named": NAMED,
    "materials": MATERIALS,
}


@pytest.mark.parametrize("name", TAKEN)
async def test_documented_sends_are_taken(open_stage: Stage, name: str) -> None:
    body = {"recipient_type": "individual", **TAKEN[name]}
    status, answer = await open_stage.send(body)
    assert status == 200, answer
    accepted = answer["messages"][0]
    assert answer["contacts"] == [{"input": ANNA, "wa_id": ANNA}]
    assert accepted["id"].startswith("wamid.HBgL")
    assert accepted.get("message_status") == ("accepted" if body["type"] == "template" else None)
    assert open_stage.graph.messages(ANNA)[-1]["id"] == accepted["id"]
    await open_stage.quiet()
    assert open_stage.receiver.states() == ["sent", "delivered"]
    call = open_stage.world.of("graph", "POST /messages")[-1]
    assert (call.status, call.request["type"]) == (200, body["type"])


MEDIA: dict[str, tuple[str, bytes, str, Json]] = {
    "image": ("image", b"\xff\xd8", "image/jpeg", {"caption": "Эскиз"}),
    "video": ("video", b"mp4", "video/mp4", {"caption": "Обзор"}),
    "audio": ("audio", b"mp3", "audio/mpeg", {}),
    "voice": ("audio", b"OggS", "audio/ogg; codecs=opus", {"voice": True}),
    "document": ("document", b"%PDF", "application/pdf", {"filename": "смета.pdf", "caption": "Смета"}),
    "sticker": ("sticker", b"RIFF", "image/webp", {}),
}


@pytest.mark.parametrize("name", MEDIA)
async def test_media_is_uploaded_and_sent(open_stage: Stage, name: str) -> None:
    kind, content, mime, rest = MEDIA[name]
    status, answer = await open_stage.upload(content, mime)
    assert status == 200
    await open_stage.sent(typed(kind, {"id": answer["id"], **rest}))
    shown = open_stage.graph.messages(ANNA)[-1]
    assert (shown["kind"], shown["media"]["id"], shown["text"]) == (
        name,
        answer["id"],
        rest.get("caption", ""),
    )
    assert open_stage.graph.media(answer["id"]) == (content, mime)
    call = open_stage.world.of("graph", "POST /media")[0]
    assert call.request["size"] == len(content)


def buttons(count: int, **changes: str) -> Json:
    reply = {"id": "b", "title": "Да", **changes}
    return typed("interactive", {**KEYBOARD, "action": {"buttons": [{"type": "reply", "reply": reply}] * count}})


def rows(*sections: list[Json], **changes: str) -> Json:
    action = {"button": "Время", "sections": [{"title": "Среда", "rows": r} for r in sections], **changes}
    return typed("interactive", {**LIST, "action": action})


def row(**changes: str) -> Json:
    return {"id": "r", "title": "10:00", **changes}


LINK = "https://files.example/a"
REFUSED: dict[str, tuple[int, Json]] = {
    "no type": (131008, {"text": {"body": "a"}}),
    "unknown type": (131009, typed("poll", {})),
    "object missing": (131008, {"type": "text"}),
    "object of another type": (100, {"type": "text", "text": {"body": "a"}, "image": {"link": LINK}}),
    "typo on top": (100, {"contxt": {}, **typed("text", {"body": "a"})}),
    "typo inside": (100, typed("text", {"body": "a", "preview": True})),
    "typo in context": (100, {"context": {"id": "x"}, **typed("text", {"body": "a"})}),
    "body not a string": (100, typed("text", {"body": 5})),
    "text not an object": (100, typed("text", "a")),
    "empty text": (131009, typed("text", {"body": ""})),
    "long text": (131009, typed("text", {"body": "я" * (TEXT + 1)})),
    "long caption": (131009, typed("image", {"link": LINK, "caption": "я" * (CAPTION + 1)})),
    "caption of a sticker": (100, typed("sticker", {"link": LINK, "caption": "a"})),
    "caption of audio": (100, typed("audio", {"link": LINK, "caption": "a"})),
    "long file name": (131009, typed("document", {"link": LINK, "filename": "a" * 241})),
    "plain http link": (131009, typed("image", {"link": "http://files.example/a"})),
    "unknown media": (100, typed("image", {"id": "1"})),
    "neither id nor link": (131008, typed("image", {"caption": "a"})),
    "both id and link": (131008, typed("image", {"id": "1", "link": LINK})),
    "long tag": (131009, {"biz_opaque_callback_data": "a" * 513, **typed("text", {"body": "a"})}),
    "a group": (131009, {"recipient_type": "group", **typed("text", {"body": "a"})}),
    "no latitude": (131008, typed("location", {"longitude": 1.0})),
    "latitude as text": (100, typed("location", {"latitude": "1", "longitude": 1.0})),
    "off the globe": (131009, typed("location", {"latitude": 91, "longitude": 1.0})),
    "too many contacts": (131009, typed("contacts", [CARD] * (CONTACTS + 1))),
    "contact without a name": (131008, typed("contacts", [{"phones": []}])),
    "reaction to nothing": (131009, typed("reaction", {"message_id": "wamid.no", "emoji": "👍"})),
    "four buttons": (131009, buttons(4)),
    "no buttons": (131009, buttons(0)),
    "long button title": (131009, buttons(1, title="я" * 21)),
    "long button id": (131009, buttons(1, id="a" * 257)),
    "long interactive body": (131009, typed("interactive", {**KEYBOARD, "body": {"text": "я" * (BODY + 1)}})),
    "long footer": (131009, typed("interactive", {**KEYBOARD, "footer": {"text": "я" * 61}})),
    "long header": (
        131009,
        typed("interactive", {**KEYBOARD, "header": {"type": "text", "text": "я" * 61}}),
    ),
    "unknown interactive": (131009, typed("interactive", {**KEYBOARD, "type": "flow"})),
    "eleven rows": (131009, rows([row()] * 6, [row()] * 5)),
    "eleven sections": (131009, rows(*[[row()]] * 11)),
    "long list label": (131009, rows([row()], button="я" * 21)),
    "long row id": (131009, rows([row(id="a" * 201)])),
    "long row title": (131009, rows([row(title="я" * 25)])),
    "long row text": (131009, rows([row(description="я" * 73)])),
    "emoji on a link": (
        131009,
        typed(
            "interactive",
            {
                **CTA,
                "action": {"name": "cta_url", "parameters": {"display_text": "Zoom 🎥", "url": LINK}},
            },
        ),
    ),
    "template in another language": (
        132001,
        typed("template", {"name": "consult_reminder", "language": {"code": "en_US"}}),
    ),
    "template unknown": (132001, template("no_such")),
    "template paused": (132015, template("consult_news")),
    "one value of two": (132000, template("consult_reminder", words("body", "клиент"))),
    "name of a value": (132012, template("consult_reminder_named", words("body", "клиент"))),
    "media header missing": (132012, template("consult_materials", words("body", "клиент"))),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_wrong_sends_are_refused(open_stage: Stage, name: str) -> None:
    code, body = REFUSED[name]
    status, answer = await open_stage.send(body)
    assert open_stage.error(answer) == code, answer
    assert status == (404 if code == 132001 else 400)
    assert set(answer["error"]) == {"message", "type", "code", "error_data", "fbtrace_id"}
    assert len(open_stage.graph.messages(ANNA)) == 1
    assert open_stage.world.of("graph", "POST /messages")[-1].answer == answer


RECIPIENTS: list[tuple[Json, int]] = [
    ({}, 131008),
    ({"to": "Анна"}, 131009),
    ({"to": 12025550143}, 131009),
    ({"recipient": ANNA}, 131009),
    ({"to": "12025550100"}, 131021),
]


@pytest.mark.parametrize(("named", "code"), RECIPIENTS)
async def test_wrong_recipients(stage: Stage, named: Json, code: int) -> None:
    body = {"messaging_product": "whatsapp", **named, **TAKEN["text"]}
    status, answer = await stage.call("POST", f"{PHONE}/messages", json=body)
    assert (status, stage.error(answer)) == (400, code)


async def test_send_to_user_id(open_stage: Stage) -> None:
    body = {"messaging_product": "whatsapp", "recipient": LENA_ID, **TAKEN["text"]}
    status, answer = await open_stage.call("POST", f"{PHONE}/messages", json=body)
    assert status == 200
    assert answer["contacts"] == [{"input": LENA_ID, "user_id": LENA_ID}]
    await open_stage.quiet()
    told = open_stage.receiver.values("statuses")[0]
    assert (told["recipient_user_id"], "recipient_id" in told) == (LENA_ID, False)
    assert open_stage.receiver.values("contacts")[0] == {
        "profile": {"name": "Лена", "username": "example.username"},
        "user_id": LENA_ID,
    }


async def test_number_wins_over_user_id(open_stage: Stage) -> None:
    await open_stage.sent(TAKEN["text"], to=f"+{BORIS}", recipient=LENA_ID)
    assert len(open_stage.graph.messages(BORIS)) == 2
    assert len(open_stage.graph.messages(LENA)) == 1


async def test_reactions_of_both_sides(open_stage: Stage) -> None:
    graph = open_stage.graph
    first = graph.messages(ANNA)[0]["id"]
    await open_stage.sent(typed("reaction", {"message_id": first, "emoji": "❤️"}))
    graph.writes(ANNA, "👍", kind="reaction", reply_to=first)
    assert graph.messages(ANNA)[0]["reactions"] == {"business": "❤️", "client": "👍"}
    await open_stage.sent(typed("reaction", {"message_id": first, "emoji": ""}))
    graph.writes(ANNA, "", kind="reaction", reply_to=first)
    assert graph.messages(ANNA)[0]["reactions"] == {}
    assert len(graph.messages(ANNA)) == 1
    status, answer = await open_stage.send(typed("reaction", {"message_id": first, "emoji": "👍"}), to=BORIS)
    assert (status, open_stage.error(answer)) == (400, 131009)
    status, answer = await open_stage.send(typed("reaction", {"message_id": first, "emoji": "yes"}))
    assert (status, open_stage.error(answer)) == (400, 131009)


async def test_read_marks_and_typing(open_stage: Stage) -> None:
    graph = open_stage.graph
    second = graph.writes(ANNA, "Ещё вопрос")
    mark = {"messaging_product": "whatsapp", "status": "read", "message_id": second}
    path = f"{PHONE}/messages"
    assert await open_stage.call("POST", path, json=mark) == (200, {"success": True})
    assert [m["status"] for m in graph.messages(ANNA)] == ["read", "read"]
    typing = {**mark, "typing_indicator": {"type": "text"}}
    assert await open_stage.call("POST", path, json=typing) == (200, {"success": True})
    assert graph.phone(ANNA).typing_until > open_stage.world.now()
    await open_stage.sent(TAKEN["text"])
    assert graph.phone(ANNA).typing_until == 0.0
    status, answer = await open_stage.call("POST", path, json={**mark, "message_id": "wamid.no"})
    assert (status, open_stage.error(answer)) == (400, 131009)


async def test_media_lives_five_minutes_at_its_address(stage: Stage) -> None:
    _, uploaded = await stage.upload(b"bytes", "application/pdf", name="a.pdf")
    _, answer = await stage.call("GET", uploaded["id"], params={"phone_number_id": PHONE})
    assert (answer["mime_type"], answer["file_size"], answer["id"]) == (
        "application/pdf",
        5,
        uploaded["id"],
    )
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    async with stage.http.get(answer["url"], headers=bearer) as file:
        assert (file.status, file.content_type, await file.read()) == (200, "application/pdf", b"bytes")
    async with stage.http.get(answer["url"]) as file:
        assert file.status == 401
    stage.world.shift += 301
    async with stage.http.get(answer["url"], headers=bearer) as file:
        assert file.status == 404
    _, again = await stage.call("GET", uploaded["id"])
    async with stage.http.get(again["url"], headers=bearer) as file:
        assert file.status == 200
    assert await stage.call("DELETE", uploaded["id"]) == (200, {"success": True})
    status, gone = await stage.call("GET", uploaded["id"])
    assert (status, gone["error"]["code"], gone["error"]["error_subcode"]) == (400, 100, 33)
    assert stage.world.of("graph", "GET /file")[0].answer == {"size": 5}


async def test_uploads_and_client_media_expire(stage: Stage) -> None:
    stage.graph.writes(ANNA, kind="image", file=b"\xff\xd8", mime="image/jpeg", caption="Фото комнаты")
    await stage.quiet()
    inbound = stage.receiver.values("messages")[0]["image"]
    assert (inbound["caption"], inbound["mime_type"]) == ("Фото комнаты", "image/jpeg")
    _, uploaded = await stage.upload(b"bytes", "image/png")
    stage.world.shift += 8 * DAY
    assert (await stage.call("GET", inbound["id"]))[0] == 400
    assert (await stage.call("GET", uploaded["id"]))[0] == 200
    stage.world.shift += 23 * DAY
    assert (await stage.call("GET", uploaded["id"]))[0] == 400


UNFIT: list[tuple[str, bytes, str, Json]] = [
    ("audio", b"webm", "audio/webm", {}),
    ("audio", b"mp3", "audio/mpeg", {"voice": True}),
    ("image", b"gif", "image/gif", {}),
    ("image", b"\0" * (5 * 1024**2 + 1), "image/jpeg", {}),
    ("sticker", b"\0" * (100 * 1024 + 1), "image/webp", {}),
]


@pytest.mark.parametrize(("kind", "content", "mime", "rest"), UNFIT)
async def test_unfit_media_fails_later(open_stage: Stage, kind: str, content: bytes, mime: str, rest: Json) -> None:
    _, uploaded = await open_stage.upload(content, mime)
    wamid = await open_stage.sent(typed(kind, {"id": uploaded["id"], **rest}))
    await open_stage.quiet()
    (told,) = open_stage.receiver.values("statuses")
    assert (told["id"], told["status"], told["errors"][0]["code"]) == (wamid, "failed", 131053)
    assert open_stage.graph.message(wamid)["status"] == "failed"


async def test_animated_stickers_may_be_larger(open_stage: Stage) -> None:
    animated = b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\x02" + b"\0" * 200_000
    _, uploaded = await open_stage.upload(animated, "image/webp")
    await open_stage.sent(typed("sticker", {"id": uploaded["id"]}))
    await open_stage.quiet()
    assert open_stage.receiver.states() == ["sent", "delivered"]


async def test_wrong_uploads(stage: Stage) -> None:
    status, answer = await stage.upload(b"a", "image/png", messaging_product="other")
    assert (status, stage.error(answer)) == (400, 100)
    status, answer = await stage.upload(b"", "image/png")
    assert (status, stage.error(answer)) == (400, 131008)
    status, answer = await stage.upload(b"a", "image/png", type="image/jpeg")
    assert (status, stage.error(answer)) == (400, 131009)
    status, answer = await stage.call("POST", f"{PHONE}/media", json={})
    assert (status, stage.error(answer)) == (400, 100)


async def test_closed_window_fails_later_or_at_once(open_stage: Stage) -> None:
    open_stage.world.shift += DAY + 1
    wamid = await open_stage.sent(TAKEN["text"])
    await open_stage.quiet()
    (told,) = open_stage.receiver.values("statuses")
    assert (told["id"], told["status"], told["errors"][0]["code"]) == (wamid, "failed", 131047)
    assert open_stage.receiver.values("contacts") == []
    open_stage.graph.window_error_sync = True
    status, answer = await open_stage.send(TAKEN["text"])
    assert (status, open_stage.error(answer)) == (400, 131047)
    assert len(open_stage.graph.messages(ANNA)) == 1
    await open_stage.sent(TAKEN["template"])
    assert len(open_stage.graph.messages(ANNA)) == 2
    open_stage.graph.writes(ANNA, "Я тут")
    await open_stage.sent(TAKEN["text"])


async def test_numbers_that_fail(stage: Stage) -> None:
    for number in ("12025550147", "12025550156"):
        stage.graph.add_phone(number, "Клиент")
        stage.graph.writes(number, "Здравствуйте")
    await stage.sent(TAKEN["text"], to="12025550147")
    await stage.sent(TAKEN["text"], to="12025550199")
    status, answer = await stage.send(TAKEN["text"], to="12025550156")
    assert (status, stage.error(answer)) == (400, 131056)
    await stage.quiet()
    told = stage.receiver.values("statuses")
    assert [(t["recipient_id"], t["errors"][0]["code"]) for t in told] == [
        ("12025550147", 131047),
        ("12025550199", 131026),
    ]


async def test_pair_rate(open_stage: Stage) -> None:
    open_stage.graph.buckets = True
    open_stage.graph.auto_statuses = False
    for _ in range(45):
        await open_stage.sent(TAKEN["text"])
    status, answer = await open_stage.send(TAKEN["text"])
    assert (status, open_stage.error(answer)) == (400, 131056)
    await open_stage.sent(TAKEN["text"], to=BORIS)
    open_stage.world.shift += 6
    await open_stage.sent(TAKEN["text"])
    assert (await open_stage.send(TAKEN["text"]))[0] == 400


@pytest.mark.parametrize("reverse", [False, True])
async def test_statuses_follow_with_the_tag(open_stage: Stage, reverse: bool) -> None:
    open_stage.graph.reverse_statuses = reverse
    wamid = await open_stage.sent(TAKEN["tracked"], to=BORIS)
    await open_stage.quiet()
    told = open_stage.receiver.values("statuses")
    states = ["sent", "delivered", "read"]
    assert [t["status"] for t in told] == (states[::-1] if reverse else states)
    assert {t["biz_opaque_callback_data"] for t in told} == {"out:777"}
    assert {t["id"] for t in told} == {wamid}
    assert all(isinstance(t["timestamp"], str) for t in told)
    assert ["pricing" in t for t in told] == ([False, True, True] if reverse else [True, True, False])
    assert open_stage.graph.message(wamid)["status"] == "read"


async def test_client_reads_and_plays(open_stage: Stage) -> None:
    _, uploaded = await open_stage.upload(b"OggS", "audio/ogg")
    await open_stage.sent(typed("audio", {"id": uploaded["id"], "voice": True}))
    open_stage.graph.phone_reads(ANNA)
    open_stage.graph.phone_reads(ANNA)
    open_stage.graph.phone_plays(ANNA)
    await open_stage.quiet()
    assert open_stage.receiver.states() == ["sent", "delivered", "read", "played"]


async def test_token_and_errors_of_graph(stage: Stage) -> None:
    wrong = {"Authorization": "Bearer wrong"}
    status, answer = await stage.call("GET", PHONE, headers=wrong)
    assert (status, answer["error"].pop("fbtrace_id")[0]) == (401, "A")
    assert answer["error"] == {
        "message": "Error validating access token: Session has expired.",
        "type": "OAuthException",
        "code": 190,
        "error_subcode": 463,
    }
    stage.graph.token_valid = False
    assert (await stage.send(TAKEN["text"]))[0] == 401
    stage.graph.token_valid = True
    status, answer = await stage.call("GET", f"{stage.graph.base}/v1.0/{PHONE}")
    assert (status, stage.error(answer)) == (400, 100)
    status, answer = await stage.call("POST", f"{PHONE}/register", json={})
    assert (status, stage.error(answer), answer["error"]["error_subcode"]) == (404, 100, 33)
    assert stage.world.of("graph", f"POST /v25.0/{PHONE}/register")[0].status == 404
    status, answer = await stage.call("POST", "999/messages", json={})
    assert (status, answer["error"]["error_subcode"]) == (400, 33)
    status, answer = await stage.call("POST", f"{PHONE}/messages", data=b"{}")
    assert (status, stage.error(answer)) == (400, 100)


async def test_account_answers(stage: Stage) -> None:
    _, number = await stage.call("GET", PHONE, params={"fields": "display_phone_number,status"})
    assert number == {"display_phone_number": "+12025550100", "status": "CONNECTED", "id": PHONE}
    assert (await stage.call("GET", PHONE, params={"fields": "nonsense"}))[0] == 400
    _, first = await stage.call("GET", f"{WABA}/message_templates", params={"limit": "3", "fields": "name"})
    _, rest = await stage.call("GET", first["paging"]["next"], params={"limit": "3"})
    assert [len(first["data"]), len(rest["data"])] == [3, 1]
    assert set(first["data"][0]) == {"id", "name"}
    assert "next" not in rest["paging"]
    await stage.call("DELETE", f"{WABA}/subscribed_apps")
    stage.graph.writes(ANNA, "Не дойдёт")
    assert stage.graph.pending == 0
    assert await stage.call("GET", f"{WABA}/subscribed_apps") == (200, {"data": []})
    assert await stage.call("POST", f"{WABA}/subscribed_apps") == (200, {"success": True})
    assert len((await stage.call("GET", f"{WABA}/subscribed_apps"))[1]["data"]) == 1


async def test_debug_token(stage: Stage) -> None:
    asked = {"input_token": TOKEN, "access_token": f"900800700600500|{SECRET}"}
    for address in (f"{stage.graph.base}/debug_token", "debug_token"):
        _, answer = await stage.call("GET", address, params=asked)
        assert (answer["data"]["is_valid"], answer["data"]["expires_at"]) == (True, 0)
    stage.graph.token_valid = False
    _, answer = await stage.call("GET", "debug_token", params=asked)
    assert (answer["data"]["is_valid"], answer["data"]["error"]["code"]) == (False, 190)
    assert (await stage.call("GET", "debug_token", params={"input_token": TOKEN}))[0] == 401
    assert TOKEN not in repr(stage.world.of("graph", "GET /debug_token"))


FAULTS: list[tuple[Fault, int, int]] = [
    (Fault("429", "graph", "POST /messages", seconds=90), 400, 130429),
    (Fault("error", "graph", error="131000"), 500, 131000),
    (Fault("error", "graph", error="190"), 401, 190),
    (Fault("error", "graph", error="368"), 403, 368),
    (Fault("error", "graph", error="131026"), 400, 131026),
]


@pytest.mark.parametrize(("fault", "status", "code"), FAULTS)
async def test_planned_errors(open_stage: Stage, fault: Fault, status: int, code: int) -> None:
    open_stage.world.plan(fault)
    got, answer = await open_stage.send(TAKEN["text"])
    assert (got, open_stage.error(answer)) == (status, code)
    assert len(open_stage.graph.messages(ANNA)) == 1
    await open_stage.sent(TAKEN["text"])


@pytest.mark.parametrize(("kind", "taken"), [("refuse", False), ("lost", True), ("half", True)])
async def test_cut_connections(open_stage: Stage, kind: str, taken: bool) -> None:
    # Twice: the client repeats a request of its own on a kept connection that was closed under it.
    open_stage.world.plan(Fault(kind, "graph", "POST /messages", times=2))
    with pytest.raises(aiohttp.ClientError):
        await open_stage.send(TAKEN["text"])
    calls = open_stage.world.of("graph", "POST /messages")
    assert {call.status for call in calls} == {0}
    assert len(open_stage.graph.messages(ANNA)) == 1 + (len(calls) if taken else 0)


async def test_other_trouble(open_stage: Stage) -> None:
    open_stage.world.plan(Fault("500", "graph"))
    headers = {"Authorization": f"Bearer {TOKEN}"}
    path = f"{open_stage.graph.base}/v25.0/{PHONE}/messages"
    body = {"messaging_product": "whatsapp", "to": ANNA, **TAKEN["text"]}
    async with open_stage.http.post(path, json=body, headers=headers) as answer:
        assert (answer.status, await answer.text()) == (500, "Internal Server Error")
    assert len(open_stage.graph.messages(ANNA)) == 1
    open_stage.world.plan(Fault("garbage", "graph"))
    async with open_stage.http.post(path, json=body, headers=headers) as answer:
        assert (answer.status, answer.content_type) == (200, "text/html")
    assert len(open_stage.graph.messages(ANNA)) == 2
    open_stage.world.plan(Fault("hang", "graph", seconds=60))
    short = aiohttp.ClientTimeout(total=0.05)
    with pytest.raises(TimeoutError):
        await open_stage.http.post(path, json=body, headers=headers, timeout=short)
    assert len(open_stage.graph.messages(ANNA)) == 3


async def test_handshake(stage: Stage) -> None:
    assert await stage.graph.handshake()
    stage.receiver.token = "another"
    assert not await stage.graph.handshake()


async def test_redelivery_after_503(stage: Stage) -> None:
    stage.receiver.answers = [503, 500]
    stage.graph.writes(ANNA, "Здравствуйте")
    assert stage.graph.pending == 1
    await stage.quiet()
    assert len(stage.receiver.raw) == 3
    assert len(set(stage.receiver.raw)) == 1
    assert [(d.attempt, d.status) for d in stage.graph.deliveries] == [(1, 503), (2, 500), (3, 200)]


async def test_webhooks_wait_for_the_receiver(stage: Stage) -> None:
    address, stage.graph.webhook_url = stage.graph.webhook_url, None
    stage.graph.writes(ANNA, "Рано")
    await stage.world.until(lambda: len(stage.graph.deliveries) > 0)
    assert stage.graph.deliveries[0].status == 0
    stage.graph.webhook_url = address
    await stage.quiet()
    assert len(stage.receiver.raw) == 1


async def test_duplicates(stage: Stage) -> None:
    stage.graph.duplicate = 2
    stage.graph.writes(ANNA, "Здравствуйте")
    await stage.quiet()
    assert len(stage.receiver.raw) == 3
    assert len(set(stage.receiver.raw)) == 1


async def test_batch_has_all_levels(open_stage: Stage) -> None:
    open_stage.graph.batch = 0.2
    written = [open_stage.graph.writes(who, "Ещё") for who in (ANNA, BORIS, ANNA, BORIS)]
    sent = await open_stage.sent(TAKEN["text"])
    await open_stage.quiet()
    (raw,) = open_stage.receiver.raw
    body = json.loads(raw)
    values = [[change["value"] for change in entry["changes"]] for entry in body["entry"]]
    counts = [[len(v.get("messages") or v["statuses"]) for v in of_entry] for of_entry in values]
    assert counts == [[3, 1], [2]]
    assert [m["id"] for m in open_stage.receiver.values("messages")] == written
    assert [s["id"] for s in open_stage.receiver.values("statuses")] == [sent, sent]
    assert len(body["entry"][0]["changes"][0]["value"]["contacts"]) == 2


def test_merge_leaves_management_entries_alone() -> None:
    entry = {"id": WABA, "time": 1, "changes": [{"field": "account_update", "value": {}}]}
    merged = merge([IN_TEXT, {"object": "whatsapp_business_account", "entry": [entry]}])
    assert merged["entry"] == [IN_TEXT["entry"][0], entry]


async def test_forged_body_comes_once(stage: Stage) -> None:
    stage.graph.bad_signature_next = True
    stage.receiver.answers = [401]
    stage.graph.writes(ANNA, "Подделка")
    stage.graph.writes(ANNA, "Настоящее")
    await stage.quiet()
    verified = [s == sign(SECRET, r) for s, r in zip(stage.receiver.signatures, stage.receiver.raw, strict=True)]
    assert verified == [False, True]


KINDS: dict[str, tuple[str, Callable[[Json], Any], Any]] = {
    "voice": ("", lambda m: (m["type"], m["audio"]["voice"]), ("audio", True)),
    "audio": ("", lambda m: (m["type"], m["audio"]["voice"]), ("audio", False)),
    "sticker": ("", lambda m: m["sticker"]["animated"], False),
    "document": ("План", lambda m: (m["document"]["caption"], m["document"]["filename"]), ("План", "file")),
    "location": ("Кафе", lambda m: m["location"]["name"], "Кафе"),
    "contacts": ("Иван", lambda m: m["contacts"][0]["name"]["formatted_name"], "Иван"),
    "order": ("", lambda m: m["order"]["product_items"][0]["quantity"], 1),
    "unsupported": (
        "poll_creation",
        lambda m: (m["unsupported"]["type"], m["errors"][0]["code"]),
        ("poll_creation", 131051),
    ),
    "hologram": ("x", lambda m: m["hologram"], {"body": "x"}),
}


@pytest.mark.parametrize("kind", KINDS)
async def test_kinds_that_a_client_writes(stage: Stage, kind: str) -> None:
    text, look, wanted = KINDS[kind]
    wamid = stage.graph.writes(ANNA, text, kind=kind, extra={"group_id": "g"})
    await stage.quiet()
    (message,) = stage.receiver.values("messages")
    assert (look(message), message["id"], message["group_id"]) == (wanted, wamid, "g")
    assert stage.graph.messages(ANNA)[0]["id"] == wamid


async def test_edits_and_revokes(stage: Stage) -> None:
    graph = stage.graph
    text = graph.writes(ANNA, "Здравствуйте")
    image = graph.writes(ANNA, kind="image", caption="Фото комнаты")
    graph.writes(ANNA, "Здравствуйте!", kind="edit", reply_to=text)
    graph.writes(ANNA, "Фото кухни", kind="edit", reply_to=image)
    graph.writes(ANNA, kind="revoke", reply_to=text)
    await stage.quiet()
    edits = [m["edit"] for m in stage.receiver.values("messages") if m["type"] == "edit"]
    assert edits[0]["message"] == {
        "context": {"id": "M0"},
        "type": "text",
        "text": {"body": "Здравствуйте!"},
    }
    assert (edits[1]["original_message_id"], edits[1]["message"]["image"]["caption"]) == (
        image,
        "Фото кухни",
    )
    assert [(m["kind"], m["text"]) for m in graph.messages(ANNA)] == [
        ("revoked", ""),
        ("image", "Фото кухни"),
    ]


async def test_taps_send_what_was_offered(open_stage: Stage) -> None:
    graph = open_stage.graph
    keys = await open_stage.sent(TAKEN["buttons"])
    slots = await open_stage.sent(TAKEN["list"])
    papers = await open_stage.sent(MATERIALS)
    graph.writes(ANNA, "Подтверждаю", kind="interactive", reply_to=keys)
    graph.writes(ANNA, "25 ноября 10:00", kind="interactive", reply_to=slots)
    graph.writes(ANNA, "Confirm", kind="button", reply_to=papers)
    await open_stage.quiet()
    button, slot, reply = open_stage.receiver.values("messages")
    assert button["interactive"]["button_reply"] == {"id": "confirm:42", "title": "Подтверждаю"}
    assert button["context"] == {"from": "12025550100", "id": keys}
    assert slot["interactive"]["list_reply"] == ROWS[0]
    assert reply["button"] == {"payload": "confirm:42", "text": "Confirm"}


async def test_number_and_user_id_change(stage: Stage) -> None:
    graph = stage.graph
    graph.writes(ANNA, "12025550188", kind="system")
    graph.writes("12025550188", "", kind="system")
    graph.writes("12025550188", "Это снова я")
    await stage.quiet()
    number, user_id, after = stage.receiver.values("messages")
    assert number["from"] == ANNA
    assert number["system"]["wa_id"] == "12025550188"
    assert number["system"]["previous_user_id"] == "US.7700112233445566778"
    assert "from" not in user_id
    assert user_id["system"]["previous_user_id"] == number["system"]["user_id"]
    assert (after["from"], after["from_user_id"]) == ("12025550188", user_id["system"]["user_id"])
    assert len(stage.receiver.values("contacts")) == 1


async def test_client_without_number(stage: Stage) -> None:
    stage.graph.writes(LENA_ID, "Пишу без номера телефона")
    await stage.quiet()
    (message,) = stage.receiver.values("messages")
    assert (message["from_user_id"], "from" in message) == (LENA_ID, False)


async def test_echo(stage: Stage) -> None:
    wamid = stage.graph.echo(ANNA, "Из приложения")
    await stage.quiet()
    (echo,) = stage.receiver.values("message_echoes")
    assert (echo["from"], echo["to"], echo["to_user_id"]) == ("12025550100", ANNA, "US.7700112233445566778")
    assert (echo["id"], echo["text"]) == (wamid, {"body": "Из приложения"})
    assert stage.graph.messages(ANNA)[0]["from"] == "business"
    await stage.sent(TAKEN["text"])
    await stage.quiet()
    assert stage.receiver.states() == ["failed"]


async def test_stop_drops_what_waits(stage: Stage) -> None:
    stage.receiver.answers = [503] * 1000
    stage.graph.writes(ANNA, "Здравствуйте")
    await stage.world.until(lambda: len(stage.graph.deliveries) > 1)
    await stage.graph.stop()
    count = len(stage.graph.deliveries)
    await stage.graph.start()
    stage.receiver.answers.clear()
    stage.graph.writes(ANNA, "Снова")
    await stage.world.until(lambda: len(stage.graph.deliveries) > count)
    assert (
        "Снова" in json.loads(stage.receiver.raw[-1])["entry"][0]["changes"][0]["value"]["messages"][0]["text"].values()
    )

"""The fake Bot API over real HTTP: refusals, topics, pace, trouble, delivery, business accounts, aiogram's view."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import TelegramBadRequest
from aiogram.types import (
    BufferedInputFile,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputMediaPhoto,
    InputMediaVideo,
    ReactionTypeEmoji,
    ReplyParameters,
    Update,
)
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from sandbox.telegram import FakeTelegram
from sandbox.telegram_parameters import Refusal
from sandbox.telegram_rules import text_fields, units
from sandbox.world import Fault, World

TOKEN = "4242:sandbox-token"
BOT_ID = 4242
OWNER, CLIENT, SILENT = 501, 777, 888
FORUM, CHANNEL, GROUP = -1001000000001, -1001000000002, -1001000000003
RIGHTS = {"can_reply": True, "can_read_messages": True, "can_delete_sent_messages": True}
ALL_KINDS = [
    "message",
    "edited_message",
    "channel_post",
    "callback_query",
    "message_reaction",
    "my_chat_member",
    "business_connection",
    "business_message",
    "edited_business_message",
    "deleted_business_messages",
]

Answer = tuple[int, dict[str, Any]]


class Api:
    """Raw calls, as any HTTP client would make them."""

    def __init__(self, base: str, session: aiohttp.ClientSession) -> None:
        self.base = base
        self.session = session

    async def call(self, method: str, **parameters: Any) -> Answer:
        async with self.session.post(f"{self.base}/bot{TOKEN}/{method}", json=parameters) as answer:
            return answer.status, await answer.json()

    async def ok(self, method: str, **parameters: Any) -> Any:
        status, body = await self.call(method, **parameters)
        assert status == 200 and body["ok"] is True, body
        return body["result"]

    async def upload(self, method: str, files: dict[str, bytes], **parameters: Any) -> Answer:
        form = aiohttp.FormData(quote_fields=False)
        for name, value in parameters.items():
            form.add_field(name, value if isinstance(value, str) else json.dumps(value))
        for name, data in files.items():
            form.add_field(name, io.BytesIO(data), filename=f"{name}.bin")
        async with self.session.post(f"{self.base}/bot{TOKEN}/{method}", data=form) as answer:
            return answer.status, await answer.json()

    async def updates(self, offset: int | None = None) -> list[dict[str, Any]]:
        parameters: dict[str, Any] = {"allowed_updates": ALL_KINDS}
        if offset is not None:
            parameters["offset"] = offset
        result = await self.ok("getUpdates", **parameters)
        assert isinstance(result, list)
        return result


class Hook:
    """A webhook: keeps what comes, answers what the plan says (200 when it says nothing)."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.bodies: list[dict[str, Any]] = []
        self.secrets: list[str | None] = []
        self.plan: list[int] = []
        self.gates: dict[int, asyncio.Event] = {}  # chat id -> its messages are answered after this
        self.retry_after = ""
        self.url = ""
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_post("/webhooks/telegram", self._take)
        self._runner = web.AppRunner(app, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/webhooks/telegram"

    async def stop(self) -> None:
        for gate in self.gates.values():
            gate.set()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.bodies.append(body)
        self.secrets.append(request.headers.get("X-Telegram-Bot-Api-Secret-Token"))
        self.world.touch()
        gate = self.gates.get(body.get("message", {}).get("chat", {}).get("id"))
        if gate is not None:
            await gate.wait()
        headers = {"Retry-After": self.retry_after} if self.retry_after else {}
        return web.Response(status=self.plan.pop(0) if self.plan else 200, text="{}", headers=headers)

    def texts(self) -> list[str]:
        return [body["message"]["text"] for body in self.bodies if "message" in body]


@pytest_asyncio.fixture
async def world() -> World:
    return World()


@pytest_asyncio.fixture
async def fake(world: World) -> AsyncIterator[FakeTelegram]:
    fake = FakeTelegram(world, TOKEN, BOT_ID)
    fake.retry_delays = (0.01, 0.02)
    fake.add_user(OWNER, "Вера", username="vera")
    fake.add_user(CLIENT, "Анна", "Петрова")
    fake.add_user(SILENT, "Борис")
    fake.add_forum(FORUM, "Desk", [OWNER])
    fake.add_channel(CHANNEL, "News", "news_example")
    fake.add_forum(GROUP, "Plain", [OWNER], forum=False)
    await fake.start()
    yield fake
    await fake.stop()


@pytest_asyncio.fixture
async def api(fake: FakeTelegram) -> AsyncIterator[Api]:
    async with aiohttp.ClientSession() as session:
        yield Api(fake.base, session)


@pytest_asyncio.fixture
async def hook(world: World) -> AsyncIterator[Hook]:
    hook = Hook(world)
    await hook.start()
    yield hook
    await hook.stop()


# -- refusals ---------------------------------------------------------------------------------------------------------


def _text(**more: Any) -> tuple[str, dict[str, Any]]:
    return "sendMessage", {"chat_id": OWNER, "text": "hello", **more}


def _keys(**button: Any) -> dict[str, Any]:
    return {"inline_keyboard": [[{"text": "ok", **button}]]}


def _album(*kinds: str) -> tuple[str, dict[str, Any]]:
    return "sendMediaGroup", {"chat_id": OWNER, "media": [{"type": kind, "media": "x"} for kind in kinds]}


def _entity(offset: int, length: int, **more: Any) -> list[dict[str, Any]]:
    return [{"type": "bold", "offset": offset, "length": length, **more}]


REFUSALS: list[tuple[tuple[str, dict[str, Any]], int, str]] = [
    (("sendMesage", {}), 404, "Not Found"),
    (("sendMessage", {"chat_id": OWNER}), 400, "message text is empty"),
    (("sendMessage", {"text": "x"}), 400, "chat_id is empty"),
    (_text(txt="typo"), 400, "unknown parameter txt"),
    (_text(parse_mode="HTML"), 400, "unknown parameter parse_mode"),
    (_text(chat_id="abc"), 400, "chat_id must be an integer"),
    (_text(chat_id=123456), 400, "chat not found"),
    (_text(chat_id="@nobody"), 400, "chat not found"),
    (_text(chat_id=SILENT), 403, "Forbidden: bot can't initiate conversation with a user"),
    (_text(text=" \n "), 400, "message text is empty"),
    (_text(text="я" * 4097), 400, "message is too long"),
    (_text(text="🔥" * 2049), 400, "message is too long"),
    (_text(text="half \ud83d"), 400, "strings must be encoded in UTF-8"),
    (_text(entities=_entity(3, 3)), 400, "entity beginning at UTF-16 offset 3 ends after"),
    (_text(text="🔥🔥", entities=_entity(1, 1)), 400, "entity begins in a middle of a UTF-16 symbol"),
    (_text(entities=[{"type": "loud", "offset": 0, "length": 1}]), 400, "can't parse entities"),
    (_text(entities=[{"type": "text_link", "offset": 0, "length": 1}]), 400, "can't parse entities"),
    (_text(reply_parameters={"message_id": 999}), 400, "message to be replied not found"),
    (_text(reply_parameters={"message": 1}), 400, "can't parse reply parameters"),
    (_text(reply_parameters={"message_id": 1, "quote": "absent"}), 400, "QUOTE_TEXT_INVALID"),
    (_text(reply_markup=_keys(callback_data="я" * 33)), 400, "BUTTON_DATA_INVALID"),
    (_text(reply_markup=_keys(callback_data="")), 400, "BUTTON_DATA_INVALID"),
    (_text(reply_markup=_keys()), 400, "exactly one action"),
    (_text(reply_markup=_keys(url="nowhere")), 400, "Wrong HTTP URL"),
    (_text(reply_markup=_keys(callback="x")), 400, "unknown field callback"),
    (_text(reply_markup={"inline_keyboard": [[{"text": "x", "callback_data": "x"}] * 101]}), 400, "too long"),
    (_text(message_thread_id=5), 400, "message thread not found"),
    (_text(chat_id=FORUM, message_thread_id=1), 400, "message thread not found"),
    (_text(business_connection_id="none"), 400, "business connection not found"),
    (("sendPhoto", {"chat_id": OWNER, "photo": "no-such-id"}), 400, "wrong file identifier/HTTP URL specified"),
    (("sendPhoto", {"chat_id": OWNER, "photo": "x", "caption": "я" * 1025}), 400, "caption is too long"),
    (("sendVideoNote", {"chat_id": OWNER, "video_note": "x", "caption": "x"}), 400, "unknown parameter caption"),
    (_album("photo"), 400, "2-10"),
    (_album(*["photo"] * 11), 400, "2-10"),
    (_album("photo", "document"), 400, "document can't be mixed"),
    (_album("video", "audio"), 400, "audio can't be mixed"),
    (_album("photo", "animation"), 400, "'animation' is not allowed"),
    (("copyMessage", {"chat_id": OWNER, "from_chat_id": OWNER, "message_id": 99}), 400, "message to copy not found"),
    (("copyMessages", {"chat_id": OWNER, "from_chat_id": OWNER, "message_ids": [2, 1]}), 400, "increasing"),
    (("copyMessages", {"chat_id": OWNER, "from_chat_id": OWNER, "message_ids": [98, 99]}), 400, "no messages to copy"),
    (("editMessageText", {"chat_id": OWNER, "message_id": 99, "text": "x"}), 400, "message to edit not found"),
    (("editMessageText", {"chat_id": OWNER, "message_id": 1, "text": "x"}), 400, "message can't be edited"),
    (("deleteMessage", {"chat_id": OWNER, "message_id": 99}), 400, "message to delete not found"),
    (("pinChatMessage", {"chat_id": OWNER, "message_id": 99}), 400, "message to pin not found"),
    (("getFile", {"file_id": "nothing"}), 400, "wrong file_id or the file is temporarily unavailable"),
    (("createForumTopic", {"chat_id": OWNER, "name": ""}), 400, "topic name"),
    (("createForumTopic", {"chat_id": OWNER, "name": "x" * 129}), 400, "topic name"),
    (("createForumTopic", {"chat_id": OWNER, "name": "x", "icon_color": 5}), 400, "TOPIC_ICON_COLOR_INVALID"),
    (("createForumTopic", {"chat_id": GROUP, "name": "x"}), 400, "the chat is not a forum"),
    (("answerCallbackQuery", {"callback_query_id": "1"}), 400, "query is too old"),
    (("sendChatAction", {"chat_id": OWNER, "action": "dancing"}), 400, "wrong parameter action"),
    (("setMyCommands", {"commands": [{"command": "Зум", "description": "x"}]}), 400, "BOT_COMMAND_INVALID"),
    (
        ("setMyCommands", {"commands": [], "scope": {"type": "chat", "chat_id": SILENT}}),
        400,
        "chat not found",
    ),
    (("setMyShortDescription", {"short_description": "x" * 121}), 400, "too long"),
    (("setWebhook", {"url": "http://127.0.0.1:1/x", "allowed_updates": ["mesage"]}), 400, "unknown update kind"),
    (("setWebhook", {"url": "http://127.0.0.1:1/x", "secret_token": "a b"}), 400, "secret token"),
    (
        ("setMessageReaction", {"chat_id": OWNER, "message_id": 1, "reaction": [{"type": "emoji", "emoji": "✅"}]}),
        400,
        "REACTION_INVALID",
    ),
    (
        ("setMessageReaction", {"chat_id": OWNER, "message_id": 1, "reaction": [{"type": "emoji", "emoji": "👌"}] * 2}),
        400,
        "REACTIONS_TOO_MANY",
    ),
    (("setMessageReaction", {"chat_id": OWNER, "message_id": 9, "reaction": []}), 400, "message to react not found"),
]


@pytest.mark.parametrize(("call", "code", "text"), REFUSALS)
async def test_refuses(
    api: Api, fake: FakeTelegram, world: World, call: tuple[str, dict[str, Any]], code: int, text: str
) -> None:
    fake.writes(OWNER, "first words")
    status, body = await api.call(call[0], **call[1])
    assert (status, body["ok"], body["error_code"]) == (code, False, code)
    assert text in body["description"]
    assert world.calls[-1].status == code
    assert len(fake.messages(OWNER)) == 1


async def test_token_and_unknown_methods(api: Api, fake: FakeTelegram, world: World) -> None:
    assert (await api.call("sendStar"))[0] == 404
    assert [call.status for call in world.of("telegram", "sendStar")] == [404]
    async with api.session.get(f"{fake.base}/bot1:wrong/getMe") as answer:
        assert answer.status == 401
    fake.token_valid = False
    assert (await api.call("getMe"))[1] == {"ok": False, "error_code": 401, "description": "Unauthorized"}


async def test_bodies_of_every_form_mean_the_same(api: Api, fake: FakeTelegram) -> None:
    fake.writes(OWNER, "hi")
    url = f"{fake.base}/bot{TOKEN}/sendMessage"
    entities = json.dumps([{"type": "bold", "offset": 2, "length": 2}])
    async with api.session.get(url, params={"chat_id": str(OWNER), "text": "  ab ", "entities": entities}) as answer:
        assert (await answer.json())["result"]["text"] == "ab"
    async with api.session.post(url, data={"chat_id": str(OWNER), "text": "  ab ", "entities": entities}) as answer:
        assert (await answer.json())["result"]["entities"] == [{"type": "bold", "offset": 0, "length": 2}]
    status, body = await api.upload("sendMessage", {}, chat_id=OWNER, text="  ab ", entities=entities)
    assert status == 200 and body["result"]["text"] == "ab"


async def test_blocked_and_kicked(api: Api, fake: FakeTelegram) -> None:
    fake.writes(CLIENT, "hi")
    fake.blocks(CLIENT)
    status, body = await api.call("sendMessage", chat_id=CLIENT, text="x")
    assert (status, body["description"]) == (403, "Forbidden: bot was blocked by the user")
    fake.writes(CLIENT, "again")
    await api.ok("sendMessage", chat_id=CLIENT, text="x")
    fake.removes_bot(OWNER, FORUM)
    status, body = await api.call("sendMessage", chat_id=FORUM, text="x")
    assert (status, body["description"]) == (403, "Forbidden: bot was kicked from the supergroup chat")
    before = fake.pending
    fake.writes(OWNER, "unheard", chat_id=FORUM)
    assert fake.pending == before


async def test_edit_rules(api: Api, fake: FakeTelegram, world: World) -> None:
    fake.writes(OWNER, "hi")
    sent = await api.ok("sendMessage", chat_id=OWNER, text="one", reply_markup=_keys(callback_data="a"))
    where = {"chat_id": OWNER, "message_id": sent["message_id"]}
    _, same = await api.call("editMessageText", **where, text="one", reply_markup=_keys(callback_data="a"))
    assert "message is not modified" in same["description"]
    edited = await api.ok("editMessageText", **where, text="one")
    assert "reply_markup" not in edited and edited["edit_date"] >= sent["date"]
    assert "there is no caption" in (await api.call("editMessageCaption", **where, caption="x"))[1]["description"]
    world.shift = 49 * 3600
    await api.ok("editMessageText", **where, text="two")
    _, late = await api.call("deleteMessage", **where)
    assert "message can't be deleted" in late["description"]
    assert await api.ok("deleteMessages", chat_id=OWNER, message_ids=[sent["message_id"], 777]) is True
    assert [m["_deleted"] for m in fake.messages(OWNER)] == [False, False]


async def test_files(api: Api, fake: FakeTelegram) -> None:
    fake.writes(OWNER, "hi")
    status, body = await api.upload(
        "sendPhoto", {"p": b"x" * (10 * 1024 * 1024 + 1)}, chat_id=OWNER, photo="attach://p"
    )
    assert (status, body["description"]) == (400, "Bad Request: too big for a photo")
    status, body = await api.upload("sendDocument", {"document": b"d" * (21 * 1024 * 1024)}, chat_id=OWNER)
    document = body["result"]["document"]
    assert (status, document["file_name"]) == (200, "document.bin")
    assert (await api.call("getFile", file_id=document["file_id"]))[1]["description"] == "Bad Request: file is too big"
    status, body = await api.call("sendPhoto", chat_id=OWNER, photo=document["file_id"])
    assert "wrong file identifier" in body["description"]
    assert (await api.ok("sendDocument", chat_id=OWNER, document=document["file_id"]))["document"] == document
    status, body = await api.upload("sendDocument", {"d": b""}, chat_id=OWNER, document="attach://d")
    assert (status, body["description"]) == (400, "Bad Request: file must be non-empty")

    fake.writes(OWNER, kind="voice", file=b"OggS voice")
    voice = fake.messages(OWNER)[-1]["voice"]
    path = (await api.ok("getFile", file_id=voice["file_id"]))["file_path"]
    async with api.session.get(f"{fake.base}/file/bot{TOKEN}/{path}") as answer:
        assert await answer.read() == b"OggS voice"


async def test_the_journal_has_no_bytes(api: Api, fake: FakeTelegram, world: World) -> None:
    fake.writes(OWNER, "hi")
    await api.upload("sendPhoto", {"p": b"secret bytes"}, chat_id=OWNER, photo="attach://p", caption="c")
    call = world.of("telegram", "sendPhoto")[0]
    assert call.request == {
        "chat_id": OWNER,
        "photo": "attach://p",
        "caption": "c",
        "_files": {"p": {"name": "p.bin", "size": 12}},
    }


@given(st.text(max_size=40), st.integers(0, 40), st.integers(0, 40))
def test_trimming_keeps_entities_on_their_words(text: str, start: int, length: int) -> None:
    marked = text[start : start + length]
    entity = {"type": "bold", "offset": units(text[:start]), "length": units(marked)}
    try:
        fields = text_fields(text, [entity])
    except Refusal as refusal:
        assert not text.strip() and refusal.code == 400
        return
    assert fields["text"] == text.strip()
    for kept in fields.get("entities", []):
        raw = fields["text"].encode("utf-16-le")
        shown = raw[2 * kept["offset"] : 2 * (kept["offset"] + kept["length"])].decode("utf-16-le")
        assert shown and shown in marked


# -- topics -----------------------------------------------------------------------------------------------------------


async def test_private_topics(api: Api, fake: FakeTelegram) -> None:
    fake.writes(OWNER, "/start")
    topic = await api.ok("createForumTopic", chat_id=OWNER, name="WA Анна")
    thread = topic["message_thread_id"]
    assert thread not in [m["message_id"] for m in fake.messages(OWNER)]
    sent = await api.ok("sendMessage", chat_id=OWNER, text="card", message_thread_id=thread)
    assert (sent["message_thread_id"], sent["is_topic_message"]) == (thread, True)
    assert "reply_to_message" not in sent
    anchored = await api.ok(
        "sendMessage", chat_id=OWNER, text="by anchor", reply_parameters={"message_id": sent["message_id"]}
    )
    assert anchored["message_thread_id"] == thread

    assert await api.ok("editForumTopic", chat_id=OWNER, message_thread_id=thread, name="✅ Анна") is True
    _, same = await api.call("editForumTopic", chat_id=OWNER, message_thread_id=thread, name="✅ Анна")
    assert same["description"] == "Bad Request: TOPIC_NOT_MODIFIED"
    status, _ = await api.call("closeForumTopic", chat_id=OWNER, message_thread_id=thread)
    assert status == 400

    mine = fake.writes(OWNER, "answer", thread_id=thread)
    update = (await api.updates())[-1]["message"]
    assert (update["message_id"], update["message_thread_id"], update["is_topic_message"]) == (mine, thread, True)

    before = fake.pending
    fake.deletes_topic(OWNER, thread)
    assert fake.pending == before
    _, gone = await api.call("sendMessage", chat_id=OWNER, text="x", message_thread_id=thread)
    assert gone["description"] == "Bad Request: message thread not found"
    _, gone = await api.call(
        "sendMessage",
        chat_id=OWNER,
        text="x",
        reply_parameters={"message_id": sent["message_id"]},
    )
    assert gone["description"] == "Bad Request: message to be replied not found"
    assert fake.topics_of(OWNER)[0]["deleted"] is True


async def test_own_service_messages_come_back(api: Api, fake: FakeTelegram) -> None:
    fake.writes(OWNER, "/start")
    thread = (await api.ok("createForumTopic", chat_id=OWNER, name="A"))["message_thread_id"]
    sent = await api.ok("sendMessage", chat_id=OWNER, text="card", message_thread_id=thread)
    await api.ok("editForumTopic", chat_id=OWNER, message_thread_id=thread, name="B")
    await api.ok("pinChatMessage", chat_id=OWNER, message_id=sent["message_id"])
    bodies = [u["message"] for u in await api.updates() if u["message"]["from"]["id"] == BOT_ID]
    kinds = ["forum_topic_created", "forum_topic_edited", "pinned_message"]
    assert [[kind for kind in kinds if kind in body] for body in bodies] == [[kind] for kind in kinds]
    head = bodies[0]["message_id"]
    assert (await api.call("deleteMessage", chat_id=OWNER, message_id=head))[0] == 400
    assert (await api.call("copyMessage", chat_id=OWNER, from_chat_id=OWNER, message_id=head))[0] == 400


async def test_mode_off_and_the_wrong_thread(api: Api, fake: FakeTelegram) -> None:
    fake.writes(OWNER, "/start")
    thread = (await api.ok("createForumTopic", chat_id=OWNER, name="A"))["message_thread_id"]
    fake.wrong_thread = True
    lost = await api.ok("sendMessage", chat_id=OWNER, text="x", message_thread_id=thread)
    assert "message_thread_id" not in lost
    assert [m["text"] for m in fake.messages(OWNER, None)] == ["/start", "x"]
    fake.topics = False
    assert (await api.ok("getMe"))["has_topics_enabled"] is False
    _, refused = await api.call("createForumTopic", chat_id=OWNER, name="B")
    assert refused["description"] == "Bad Request: the chat is not a forum"
    _, refused = await api.call("sendMessage", chat_id=OWNER, text="x", message_thread_id=thread)
    assert refused["description"] == "Bad Request: message thread not found"
    assert await api.ok("sendChatAction", chat_id=OWNER, action="typing", message_thread_id=99) is True


async def test_supergroup_topics(api: Api, fake: FakeTelegram) -> None:
    topic = await api.ok("createForumTopic", chat_id=FORUM, name="A")
    thread = topic["message_thread_id"]
    assert fake.messages(FORUM)[0]["message_id"] == thread
    sent = await api.ok("sendMessage", chat_id=FORUM, text="x", message_thread_id=thread)
    assert sent["reply_to_message"]["message_id"] == thread and sent["chat"]["is_forum"] is True
    assert await api.ok("closeForumTopic", chat_id=FORUM, message_thread_id=thread) is True
    assert await api.ok("reopenForumTopic", chat_id=FORUM, message_thread_id=thread) is True
    plain = await api.ok("sendMessage", chat_id=GROUP, text="x", message_thread_id=thread)
    assert "message_thread_id" not in plain
    assert await api.ok("deleteForumTopic", chat_id=FORUM, message_thread_id=thread) is True
    assert (await api.call("sendMessage", chat_id=FORUM, text="x", message_thread_id=thread))[0] == 400
    fake.add_forum(FORUM - 1, "No rights", [OWNER], rights={})
    _, refused = await api.call("createForumTopic", chat_id=FORUM - 1, name="A")
    assert "not enough rights" in refused["description"]
    member = await api.ok("getChatMember", chat_id=FORUM, user_id=BOT_ID)
    assert (member["status"], member["can_manage_topics"]) == ("administrator", True)


async def test_reply_across_topics_is_never_lenient(api: Api, fake: FakeTelegram) -> None:
    fake.writes(OWNER, "/start")
    one = (await api.ok("createForumTopic", chat_id=OWNER, name="1"))["message_thread_id"]
    two = (await api.ok("createForumTopic", chat_id=OWNER, name="2"))["message_thread_id"]
    sent = await api.ok("sendMessage", chat_id=OWNER, text="in one", message_thread_id=one)
    lenient = {"message_id": sent["message_id"], "allow_sending_without_reply": True}
    across = await api.ok(
        "sendMessage", chat_id=OWNER, text="x", message_thread_id=two, reply_parameters={**lenient, "quote": "one"}
    )
    assert "reply_to_message" not in across and across["external_reply"]["message_id"] == sent["message_id"]
    assert across["quote"] == {"text": "one", "position": 3, "is_manual": True}
    await api.ok("deleteMessage", chat_id=OWNER, message_id=sent["message_id"])
    same = await api.ok("sendMessage", chat_id=OWNER, text="x", message_thread_id=one, reply_parameters=lenient)
    assert "reply_to_message" not in same
    status, _ = await api.call("sendMessage", chat_id=OWNER, text="x", message_thread_id=two, reply_parameters=lenient)
    assert status == 400


async def test_people_may_make_topics(api: Api, fake: FakeTelegram) -> None:
    fake.user_topics = True
    fake.writes(OWNER, "typed anywhere")
    made, typed = [u["message"] for u in await api.updates()]
    assert made["forum_topic_created"]["is_name_implicit"] is True
    assert made["message_thread_id"] == typed["message_thread_id"]
    assert (await api.ok("getMe"))["allows_users_to_create_topics"] is True


# -- carrying, reactions, buttons -------------------------------------------------------------------------------------


async def test_copy_forward_and_albums(api: Api, fake: FakeTelegram) -> None:
    fake.writes(OWNER, "/start")
    ids = [fake.writes(CLIENT, kind="photo", caption=c, media_group_id="g1") for c in ("one", None)]
    copied = await api.ok("copyMessages", chat_id=OWNER, from_chat_id=CLIENT, message_ids=[*ids, 500])
    shown = fake.messages(OWNER)[-2:]
    assert [m["message_id"] for m in shown] == [c["message_id"] for c in copied]
    assert shown[0]["media_group_id"] == shown[1]["media_group_id"] != "g1"
    one = await api.ok("copyMessage", chat_id=OWNER, from_chat_id=CLIENT, message_id=ids[0], caption="new")
    assert list(one) == ["message_id"] and fake.messages(OWNER)[-1]["caption"] == "new"
    forwarded = await api.ok("forwardMessage", chat_id=OWNER, from_chat_id=CLIENT, message_id=ids[0])
    assert forwarded["forward_origin"]["sender_user"]["id"] == CLIENT
    story = fake.writes(CLIENT, kind="story")
    _, refused = await api.call("copyMessage", chat_id=OWNER, from_chat_id=CLIENT, message_id=story)
    assert refused["description"] == "Bad Request: message can't be copied"
    closed = fake.writes(CLIENT, "protected", extra={"has_protected_content": True})
    _, refused = await api.call("forwardMessage", chat_id=OWNER, from_chat_id=CLIENT, message_id=closed)
    assert refused["description"] == "Bad Request: message can't be forwarded"


async def test_reactions_both_ways(api: Api, fake: FakeTelegram) -> None:
    await api.updates()
    first = fake.writes(OWNER, kind="photo", media_group_id="g")
    second = fake.writes(OWNER, kind="photo", media_group_id="g")
    for emoji in ("✍", "👌"):
        reaction = [{"type": "emoji", "emoji": emoji}]
        assert await api.ok("setMessageReaction", chat_id=OWNER, message_id=second, reaction=reaction) is True
    assert fake.messages(OWNER)[0]["_reactions"] == [{"who": BOT_ID, "emoji": "👌"}]
    await api.ok("setMessageReaction", chat_id=OWNER, message_id=first, reaction=[])
    assert fake.messages(OWNER)[0]["_reactions"] == []
    fake.reacts(OWNER, OWNER, first, "🔥")
    fake.reacts(OWNER, OWNER, first, "🔥")
    fake.reacts(OWNER, OWNER, first, None)
    told = [u["message_reaction"] for u in await api.updates() if "message_reaction" in u]
    assert [(len(t["old_reaction"]), len(t["new_reaction"])) for t in told] == [(0, 1), (1, 0)]


async def test_reactions_are_told_only_when_asked_for(fake: FakeTelegram) -> None:
    mine = fake.writes(OWNER, "x")
    before = fake.pending
    fake.reacts(OWNER, OWNER, mine, "🔥")
    assert fake.pending == before


async def test_buttons(api: Api, fake: FakeTelegram, world: World) -> None:
    fake.writes(OWNER, "/start")
    sent = await api.ok("sendMessage", chat_id=OWNER, text="?", reply_markup=_keys(callback_data="yes"))
    with pytest.raises(LookupError):
        fake.presses(OWNER, OWNER, sent["message_id"], "no")
    query = fake.presses(OWNER, OWNER, sent["message_id"], "yes")
    update = (await api.updates())[-1]["callback_query"]
    assert (update["id"], update["data"], update["message"]["reply_markup"]) == (query, "yes", sent["reply_markup"])
    assert await api.ok("answerCallbackQuery", callback_query_id=query, text="done") is True
    assert (fake.toasts[0]["text"], fake.toasts[0]["user_id"]) == ("done", OWNER)
    assert (await api.call("answerCallbackQuery", callback_query_id=query))[0] == 400
    old = fake.presses(OWNER, OWNER, sent["message_id"], "yes")
    world.shift += 3600
    assert (await api.call("answerCallbackQuery", callback_query_id=old))[0] == 400


async def test_channel(api: Api, fake: FakeTelegram) -> None:
    post = await api.ok("sendMessage", chat_id="@news_example", text="post")
    assert post["sender_chat"]["id"] == CHANNEL and "from" not in post
    assert fake.pending == 0
    await api.ok("pinChatMessage", chat_id=CHANNEL, message_id=post["message_id"])
    fake.writes(OWNER, "by hand", chat_id=CHANNEL)
    assert ["channel_post" in update for update in await api.updates()] == [True, True]
    fake.add_channel(CHANNEL - 50, "Read only", rights={})
    _, refused = await api.call("sendMessage", chat_id=CHANNEL - 50, text="x")
    assert refused["description"] == "Bad Request: need administrator rights in the channel chat"


async def test_face(api: Api, fake: FakeTelegram) -> None:
    fake.writes(OWNER, "/start")
    scope = {"type": "chat", "chat_id": OWNER}
    commands = [{"command": "zoom", "description": "Meeting"}]
    await api.ok("setMyCommands", commands=commands, scope=scope, language_code="ru")
    assert await api.ok("getMyCommands", scope=scope, language_code="ru") == commands
    assert await api.ok("getMyCommands") == []
    await api.ok("deleteMyCommands", scope=scope, language_code="ru")
    assert await api.ok("getMyCommands", scope=scope, language_code="ru") == []
    await api.ok("setMyDescription", description="d")
    assert await api.ok("getMyDescription", language_code="ru") == {"description": "d"}
    await api.ok("setChatMenuButton", chat_id=OWNER, menu_button={"type": "commands"})
    icons = await api.ok("getForumTopicIconStickers")
    icon = icons[0]["custom_emoji_id"]
    topic = await api.ok("createForumTopic", chat_id=OWNER, name="A", icon_custom_emoji_id=icon)
    assert topic["icon_custom_emoji_id"] == icon
    assert (await api.ok("getChat", chat_id=OWNER))["first_name"] == "Вера"


# -- pace and trouble -------------------------------------------------------------------------------------------------


async def test_pace_of_a_chat(api: Api, fake: FakeTelegram, world: World) -> None:
    fake.writes(OWNER, "/start")
    fake.writes(CLIENT, "hi")
    fake.buckets = True
    topic = await api.ok("createForumTopic", chat_id=OWNER, name="A")
    sent = await api.ok("sendMessage", chat_id=OWNER, text="x")
    await api.ok("editMessageText", chat_id=OWNER, message_id=sent["message_id"], text="y")
    await api.ok("editForumTopic", chat_id=OWNER, message_thread_id=topic["message_thread_id"], name="B")
    statuses = [(await api.call("sendMessage", chat_id=OWNER, text="x"))[0] for _ in range(2)]
    assert statuses == [200, 429]
    world.shift += 3
    status, body = await api.call("sendMessage", chat_id=OWNER, text="x")
    assert (status, body["parameters"]["retry_after"] in (5, 6)) == (429, True)
    await api.ok("sendMessage", chat_id=CLIENT, text="others flow")
    world.shift += 6
    await api.ok("sendMessage", chat_id=OWNER, text="x")


async def test_pace_of_a_group_and_of_albums(api: Api, fake: FakeTelegram, world: World) -> None:
    fake.buckets = True
    taken = 0
    while (await api.call("sendMessage", chat_id=FORUM, text="x"))[0] == 200:
        taken += 1
        world.shift += 1
    assert 28 <= taken <= 31  # twenty at once and what a minute gives back meanwhile
    fake.writes(OWNER, "/start")
    media = [{"type": "photo", "media": f"attach://{n}"} for n in "abcdefgh"]
    status, _ = await api.upload("sendMediaGroup", {n: b"p" for n in "abcdefgh"}, chat_id=OWNER, media=media)
    assert status == 200
    assert (await api.call("sendMessage", chat_id=OWNER, text="x"))[0] == 429


CUT = ["refuse", "lost", "half"]


@pytest.mark.parametrize("kind", CUT)
async def test_cut_connections(api: Api, fake: FakeTelegram, world: World, kind: str) -> None:
    fake.writes(OWNER, "/start")
    world.plan(Fault(kind, "telegram", "sendMessage"))
    with pytest.raises(aiohttp.ClientError):
        await api.call("sendMessage", chat_id=OWNER, text="x")
    assert world.of("telegram", "sendMessage")[0].status == 0
    assert [m["text"] for m in fake.messages(OWNER)] == ["/start", *(["x"] if kind != "refuse" else [])]
    await api.ok("sendMessage", chat_id=OWNER, text="next is fine")


async def test_other_faults(api: Api, fake: FakeTelegram, world: World) -> None:
    fake.writes(OWNER, "/start")
    world.plan(Fault("429", "telegram", "sendMessage", seconds=7))
    world.plan(Fault("error", "telegram", "sendMessage", error="403 Forbidden: user is deactivated"))
    world.plan(Fault("error", "telegram", "sendMessage", error="Bad Request: TOPIC_CLOSED"))
    answers = [await api.call("sendMessage", chat_id=OWNER, text="x") for _ in range(3)]
    assert [(status, body["description"]) for status, body in answers] == [
        (429, "Too Many Requests: retry after 7"),
        (403, "Forbidden: user is deactivated"),
        (400, "Bad Request: TOPIC_CLOSED"),
    ]
    assert answers[0][1]["parameters"] == {"retry_after": 7}
    url, data = f"{fake.base}/bot{TOKEN}/sendMessage", {"chat_id": str(OWNER), "text": "x"}
    assert len(fake.messages(OWNER)) == 1
    for kind, status in (("500", 500), ("garbage", 200)):
        world.plan(Fault(kind, "telegram", "sendMessage"))
        async with api.session.post(url, data=data) as answer:
            assert answer.status == status
            with pytest.raises(ValueError, match="Expecting value"):
                json.loads(await answer.text())
    assert len(fake.messages(OWNER)) == 2
    hang = world.plan(Fault("hang", "telegram", "sendMessage", seconds=30))
    with pytest.raises(TimeoutError):
        async with api.session.post(url, data=data, timeout=aiohttp.ClientTimeout(total=0.1)):
            raise AssertionError("answered")
    assert len(fake.messages(OWNER)) == 3 and hang not in world.faults


# -- delivery ---------------------------------------------------------------------------------------------------------


async def _listen(api: Api, hook: Hook, **more: Any) -> None:
    await api.ok("setWebhook", url=hook.url, secret_token="s3cret", allowed_updates=ALL_KINDS, **more)


async def test_webhook_order_repetition_and_lanes(api: Api, fake: FakeTelegram, world: World, hook: Hook) -> None:
    fake.writes(CLIENT, "kept while no webhook is set")
    hook.plan = [500, 503]
    await _listen(api, hook)
    await world.until(lambda: fake.pending == 0, what="all taken")
    assert len({body["update_id"] for body in hook.bodies}) == 1 and len(hook.bodies) == 3
    assert set(hook.secrets) == {"s3cret"}
    assert [d.status for d in fake.updates.delivered] == [500, 503, 200]

    hook.bodies.clear()
    hook.gates[CLIENT] = asyncio.Event()
    first = fake.writes(CLIENT, "1")
    fake.edits(CLIENT, first, "1 edited")
    fake.writes(CLIENT, "2")
    fake.writes(OWNER, "meanwhile")
    await world.until(lambda: "meanwhile" in hook.texts(), what="the other chat flows")
    assert hook.texts() == ["1", "meanwhile"]
    hook.gates.pop(CLIENT).set()
    await world.until(lambda: fake.pending == 0, what="all taken")
    order = [(kind, body[kind]["chat"]["id"]) for body in hook.bodies for kind in body if kind != "update_id"]
    assert [kind for kind, chat in order if chat == CLIENT] == ["message", "edited_message", "message"]
    info = await api.ok("getWebhookInfo")
    assert (info["url"], info["pending_update_count"]) == (hook.url, 0)


async def test_webhook_obeys_retry_after(api: Api, fake: FakeTelegram, world: World, hook: Hook) -> None:
    fake.retry_delays = (60.0,)
    hook.plan, hook.retry_after = [503], "0"
    await _listen(api, hook)
    fake.writes(CLIENT, "soon again")
    await world.until(lambda: fake.pending == 0, what="taken without the long pause")
    assert hook.texts() == ["soon again"] * 2


async def test_a_new_webhook_takes_over_in_order(api: Api, fake: FakeTelegram, world: World, hook: Hook) -> None:
    await api.ok("setWebhook", url="http://127.0.0.1:9/nobody")
    for number in range(30):
        fake.writes(CLIENT if number % 2 else OWNER, str(number))
    await world.until(lambda: len(fake.updates.delivered) > 4, what="tries that nobody answers")
    assert {d.status for d in fake.updates.delivered} == {0}
    assert "last_error_date" in await api.ok("getWebhookInfo")
    await _listen(api, hook)
    await world.until(lambda: fake.pending == 0, what="all taken")
    for parity in (0, 1):
        assert [int(t) for t in hook.texts() if int(t) % 2 == parity] == list(range(parity, 30, 2))


async def test_dropping_what_waits(api: Api, fake: FakeTelegram) -> None:
    fake.writes(CLIENT, "lost")
    await api.ok("deleteWebhook", drop_pending_updates=True)
    assert await api.updates() == []


async def test_stop_ends_what_waits(api: Api, fake: FakeTelegram, world: World) -> None:
    await api.ok("setWebhook", url="http://127.0.0.1:9/nobody")
    fake.writes(CLIENT, "unheard")
    hang = asyncio.create_task(api.call("getMe"))
    world.plan(Fault("hang", "telegram", "getMe", seconds=60))
    await world.until(lambda: bool(world.of("telegram", "getMe")), what="the call hangs")
    async with asyncio.timeout(5):
        await fake.stop()
        await asyncio.wait([hang])
    assert fake.pending == 1
    mine = asyncio.current_task()
    assert [t for t in asyncio.all_tasks() if t is not mine and "sandbox.telegram" in repr(t.get_coro())] == []


async def test_webhook_duplicates(api: Api, fake: FakeTelegram, world: World, hook: Hook) -> None:
    await _listen(api, hook)
    fake.duplicate_updates = True
    fake.writes(CLIENT, "twice")
    await world.until(lambda: fake.pending == 0, what="taken")
    assert hook.texts() == ["twice", "twice"]
    assert await fake.redeliver(hook.bodies[0]["update_id"]) == 200
    assert hook.bodies[0] == hook.bodies[1] == hook.bodies[2]


async def test_raw_updates_and_their_age(api: Api, fake: FakeTelegram, world: World) -> None:
    update_id = fake.raw_update({"some_new_kind": {"x": 1}})
    assert await api.updates() == [{"some_new_kind": {"x": 1}, "update_id": update_id}]
    world.shift = 25 * 3600
    assert await api.updates() == []


async def test_get_updates_and_conflicts(api: Api, fake: FakeTelegram, hook: Hook) -> None:
    for text in ("a", "b", "c"):
        fake.writes(CLIENT, text)
    got = await api.updates()
    assert [u["message"]["text"] for u in got] == ["a", "b", "c"]
    assert len(await api.ok("getUpdates", limit=2)) == 2
    assert [u["message"]["text"] for u in await api.updates(got[1]["update_id"])] == ["b", "c"]
    assert await api.updates(got[2]["update_id"] + 1) == [] and fake.pending == 0

    waiting = asyncio.create_task(api.call("getUpdates", timeout=50))
    await fake.world.until(lambda: fake.updates.polling > 0, what="the long poll stands")
    fake.writes(CLIENT, "d")
    assert (await waiting)[1]["result"][0]["message"]["text"] == "d"
    await api.updates(got[2]["update_id"] + 2)

    waiting = asyncio.create_task(api.call("getUpdates", timeout=50))
    await fake.world.until(lambda: fake.updates.polling > 0, what="the long poll stands")
    assert await api.ok("getUpdates") == []
    assert (await waiting)[0] == 409
    await _listen(api, hook)
    assert (await api.call("getUpdates"))[0] == 409
    await api.ok("deleteWebhook")
    assert await api.updates() == []


async def test_allowed_updates(api: Api, fake: FakeTelegram, hook: Hook, world: World) -> None:
    await api.ok("setWebhook", url=hook.url, allowed_updates=["message"])
    mine = fake.writes(CLIENT, "seen")
    fake.edits(CLIENT, mine, "not asked for")
    await world.until(lambda: fake.pending == 0, what="taken")
    assert [sorted(body) for body in hook.bodies] == [["message", "update_id"]]
    await api.ok("setWebhook", url=hook.url)
    assert (await api.ok("getWebhookInfo"))["allowed_updates"] == ["message"]


# -- business accounts ------------------------------------------------------------------------------------------------


async def test_business(api: Api, fake: FakeTelegram, world: World) -> None:
    await api.updates()
    fake.connects_business(OWNER, "biz1", RIGHTS)
    heard = fake.business_writes("biz1", CLIENT, CLIENT, "hello")
    target = {"business_connection_id": "biz1", "chat_id": CLIENT}
    sent = await api.ok(
        "sendMessage", **target, text="hi", message_thread_id=12345, reply_parameters={"message_id": 99}
    )
    assert (sent["from"]["id"], sent["sender_business_bot"]["id"], sent["business_connection_id"]) == (
        OWNER,
        BOT_ID,
        "biz1",
    )
    assert "message_thread_id" not in sent
    by_hand = fake.business_writes("biz1", OWNER, CLIENT, "typed in the app")
    await api.ok("editMessageText", **target, message_id=sent["message_id"], text="hi!")
    await api.ok("readBusinessMessage", **target, message_id=heard)
    fake.business_edits("biz1", CLIENT, CLIENT, heard, "hello!")
    fake.business_deletes("biz1", CLIENT, [heard])
    kinds = [next(k for k in u if k != "update_id") for u in await api.updates()]
    assert kinds == [
        "business_connection",
        "business_message",
        "business_message",
        "business_message",
        "edited_business_message",
        "deleted_business_messages",
    ]
    await api.ok("deleteBusinessMessages", business_connection_id="biz1", message_ids=[sent["message_id"]])
    _, refused = await api.call("deleteBusinessMessages", business_connection_id="biz1", message_ids=[by_hand])
    assert "not enough rights" in refused["description"]
    assert fake.messages(CLIENT) == []
    assert (await api.ok("getBusinessConnection", business_connection_id="biz1"))["is_enabled"] is True
    _, refused = await api.call("sendMessage", **target, text="x", reply_markup={"force_reply": True})
    assert "BUSINESS_FORCE_REPLY" in refused["description"]
    _, refused = await api.call("sendMessage", business_connection_id="biz1", chat_id="@anna", text="x")
    assert refused["description"] == "Bad Request: chat identifier must be a valid Integer"


async def test_business_windows_and_rights(api: Api, fake: FakeTelegram, world: World) -> None:
    target = {"business_connection_id": "biz1", "chat_id": CLIENT, "text": "x"}
    fake.connects_business(OWNER, "biz1", RIGHTS)

    async def outcome() -> str:
        return str((await api.call("sendMessage", **target))[1].get("description", "sent"))

    assert await outcome() == "Bad Request: BUSINESS_PEER_INVALID"
    fake.business_writes("biz1", CLIENT, CLIENT, "hello")
    assert await outcome() == "sent"
    world.shift += 24 * 3600 + 5
    assert await outcome() == "Bad Request: BUSINESS_PEER_INVALID"
    fake.business_writes("biz1", CLIENT, CLIENT, "back")
    fake.connects_business(OWNER, "biz1", {"can_read_messages": True})
    assert await outcome() == "Bad Request: BUSINESS_PEER_INVALID"
    fake.connects_business(OWNER, "biz1", RIGHTS, enabled=False)
    assert await outcome() == "Bad Request: BUSINESS_PEER_INVALID"
    fake.connects_business(OWNER, "biz1", RIGHTS)
    assert await outcome() == "sent"


# -- aiogram's view ---------------------------------------------------------------------------------------------------

KINDS = (
    "photo video voice audio animation document sticker video_note location venue contact poll dice story paid_media "
    "checklist game invoice live_photo something_new"
).split()


@pytest.mark.parametrize("kind", KINDS)
async def test_every_kind_is_understood(api: Api, fake: FakeTelegram, kind: str) -> None:
    await api.updates()
    fake.connects_business(OWNER, "biz1", RIGHTS)
    fake.writes(CLIENT, kind=kind, caption="words", reply_to=fake.writes(CLIENT, "before"), quote="fore")
    fake.business_writes("biz1", CLIENT, CLIENT, kind=kind)
    fake.writes(OWNER, kind=kind, chat_id=CHANNEL)
    for body in await api.updates():
        update = Update.model_validate(body)
        assert update.event is not None
    message = Update.model_validate((await api.updates())[2]).message
    assert message is not None and message.quote is not None
    assert message.content_type == (kind if kind != "something_new" else "unknown")
    assert message.caption == ("words" if "caption" in fake.messages(CLIENT)[-1] else None)


async def test_every_update_is_understood(api: Api, fake: FakeTelegram) -> None:
    await api.updates()
    fake.add_forum(FORUM - 9, "New", [OWNER], added_by=OWNER)
    fake.add_channel(CHANNEL - 9, "New", added_by=OWNER)
    fake.blocks(CLIENT)
    fake.connects_business(OWNER, "biz1", RIGHTS)
    heard = fake.business_writes("biz1", CLIENT, CLIENT, "hello")
    fake.business_edits("biz1", CLIENT, CLIENT, heard, "hello!")
    fake.business_deletes("biz1", CLIENT, [heard])
    fake.starts(CLIENT, "payload_1")
    mine = fake.writes(CLIENT, "see https://example.org")
    fake.edits(CLIENT, mine, "changed", entities=[{"type": "bold", "offset": 0, "length": 2}])
    fake.reacts(CLIENT, CLIENT, mine, "👍")
    thread = fake.creates_topic(OWNER, "by hand", chat_id=FORUM)
    fake.writes(OWNER, "in it", chat_id=FORUM, thread_id=thread)
    sent = await api.ok("sendMessage", chat_id=CLIENT, text="?", reply_markup=_keys(callback_data="yes"))
    fake.presses(CLIENT, CLIENT, sent["message_id"], "yes")
    fake.removes_bot(OWNER, FORUM)
    bodies = await api.updates()
    seen = {Update.model_validate(body).event_type for body in bodies}
    assert seen == set(ALL_KINDS) - {"channel_post"}


async def test_aiogram_drives_it(fake: FakeTelegram) -> None:
    session = AiohttpSession(api=TelegramAPIServer.from_base(fake.base))
    async with Bot(TOKEN, session=session) as bot:
        assert (await bot.get_me()).has_topics_enabled is True
        theirs = fake.writes(CLIENT, "hi", kind="document", file=b"%PDF-", file_name="a.pdf")
        asked = fake.writes(OWNER, "/start")
        topic = await bot.create_forum_topic(OWNER, "Анна")
        into: dict[str, Any] = {"chat_id": OWNER, "message_thread_id": topic.message_thread_id}
        keyboard = InlineKeyboardMarkup(inline_keyboard=[[InlineKeyboardButton(text="ok", callback_data="ok")]])
        card = await bot.send_message(**into, text="card", reply_markup=keyboard)
        assert card.is_topic_message is True and card.message_thread_id == topic.message_thread_id
        photo = await bot.send_photo(**into, photo=BufferedInputFile(b"png", "p.png"), caption="c")
        assert photo.photo is not None
        again = await bot.send_photo(
            **into,
            photo=photo.photo[-1].file_id,
            reply_parameters=ReplyParameters(message_id=card.message_id, allow_sending_without_reply=True),
        )
        assert again.reply_to_message is not None and again.reply_to_message.message_id == card.message_id
        album = await bot.send_media_group(
            **into,
            media=[
                InputMediaPhoto(media=BufferedInputFile(b"one", "1.png"), caption="album"),
                InputMediaVideo(media=BufferedInputFile(b"two", "2.mp4"), width=64, height=48, duration=1),
            ],
        )
        assert len({message.media_group_id for message in album}) == 1
        copied = await bot.copy_message(**into, from_chat_id=CLIENT, message_id=theirs, caption="from Анна")
        shown = fake.messages(OWNER, topic.message_thread_id)[-1]
        assert (shown["message_id"], shown["document"]["file_name"]) == (copied.message_id, "a.pdf")
        assert await bot.set_message_reaction(OWNER, asked, reaction=[ReactionTypeEmoji(emoji="👌")])
        assert await bot.set_message_reaction(OWNER, asked, reaction=[])
        edited = await bot.edit_message_text("card 2", chat_id=OWNER, message_id=card.message_id)
        assert not isinstance(edited, bool) and edited.text == "card 2"
        assert await bot.edit_forum_topic(**into, name="✅ Анна")
        loaded = await bot.download(shown["document"]["file_id"])
        assert loaded is not None and loaded.read() == b"%PDF-"
        assert await bot.delete_forum_topic(**into)
        with pytest.raises(TelegramBadRequest, match="message thread not found"):
            await bot.send_message(**into, text="x")

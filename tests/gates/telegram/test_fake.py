"""The gate against the sandbox's strict Bot API: what it sends is taken, what comes is read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import aiohttp
import pytest
from pydantic import SecretStr

from gates.telegram.access import Connection, DeskPlace
from gates.telegram.api import make_bot
from gates.telegram.gate import TelegramGate
from gates.telegram.settings import TelegramSettings
from inbox.clock import SystemClock
from inbox.errors import Refused, Unreachable
from inbox.gate import Came, Changed, Inbound, Progress, Reacted, Receipt, Road
from inbox.model import Attachment, Card, MediaKind, Place, Provider, Text
from sandbox.telegram import FakeTelegram
from sandbox.world import World
from tests.gates.telegram.cases import ANNA, BOT, OWNER, TOKEN
from tests.gates.telegram.conftest import FolderBlobs, close
from tests.gates.telegram.test_send import BASE, BUSINESS_BASE, HELLO


@pytest.fixture
async def fake() -> AsyncIterator[FakeTelegram]:
    made = FakeTelegram(World(), TOKEN, BOT)
    await made.start()
    made.add_user(ANNA, "Анна", "Ким", "anna_kim")
    made.add_user(OWNER, "Ольга")
    yield made
    await made.stop()


@pytest.fixture
async def live(fake: FakeTelegram, http: aiohttp.ClientSession, blobs: FolderBlobs) -> AsyncIterator[TelegramGate]:
    settings = TelegramSettings(token=SecretStr(TOKEN), api_base=fake.base, webhook_secret=SecretStr("s"))
    made = TelegramGate(settings, http, blobs, SystemClock())
    made.set_desk(DeskPlace(owner_id=OWNER))
    bot = make_bot(settings)
    made.connect(bot)
    yield made
    await close(bot)


class Reader:
    """Facts one after the other, as a poll worker would take them."""

    def __init__(self, gate: TelegramGate) -> None:
        self._gate = gate
        self._batches = gate.fetch(None)

    async def next(self) -> list[Inbound]:
        _, raws = await anext(self._batches)
        return [fact for raw in raws for fact in self._gate.parse(raw)]


async def test_a_conversation(fake: FakeTelegram, live: TelegramGate, blobs: FolderBlobs) -> None:
    reader = Reader(live)
    first = fake.writes(ANNA, "Здравствуйте 👋")
    (came,) = await reader.next()
    assert isinstance(came, Came) and came.text.plain == "Здравствуйте 👋"
    fake.writes(ANNA, kind="voice", file=b"OggS voice")
    (voice,) = await reader.next()
    assert isinstance(voice, Came)
    assert b"".join([chunk async for chunk in live.download(voice.attachments[0])]) == b"OggS voice"

    receipt = await live.send(replace(BASE, text=HELLO, reply_to=came.external_id))
    foreign = Attachment(MediaKind.PHOTO, Provider("whatsapp"), "9", mime="image/jpeg", sha256=blobs.add(b"jpeg"))
    album = await live.send(replace(BASE, text=HELLO, attachments=(foreign, foreign)))
    await live.send(replace(BASE, attachments=voice.attachments))
    for extra in (Place(1.5, 2.5, "Cafe"), Card("Pyotr", ("+12025550143",))):
        await live.send(replace(BASE, extra=extra))
    assert len(album.external_ids) == 2
    shown = fake.messages(ANNA)
    assert shown[0]["message_id"] == first
    assert [kind for body in shown[2:] for kind in ("text", "photo", "voice", "venue", "contact") if kind in body] == [
        "text",
        "photo",
        "photo",
        "voice",
        "venue",
        "contact",
    ]

    await live.edit(replace(BASE, text=Text("Changed")), receipt.external_ids[0])
    await live.edit(replace(BASE, text=Text("Changed")), receipt.external_ids[0])
    await live.react(BASE, came.external_id, "👌")
    await live.react(BASE, came.external_id, None)
    await live.delete(BASE, album.external_ids[1])
    assert [body.get("text") for body in fake.messages(ANNA)][2] == "Changed"

    sent = int(receipt.external_ids[0].rpartition(":")[2])
    fake.reacts(ANNA, ANNA, sent, "❤")
    (reacted,) = await reader.next()
    assert isinstance(reacted, Reacted) and (reacted.external_id, reacted.emoji) == (receipt.external_ids[0], "❤")
    fake.edits(ANNA, first, "Добрый день")
    (changed,) = await reader.next()
    assert isinstance(changed, Changed) and changed.text == Text("Добрый день")
    assert changed.external_id == came.external_id

    fake.blocks(ANNA)
    await reader.next()
    with pytest.raises(Refused, match="blocked"):
        await live.send(replace(BASE, text=HELLO))


async def test_a_business_conversation(fake: FakeTelegram, live: TelegramGate) -> None:
    reader = Reader(live)
    route = "Bc-1"
    rights = {"can_reply": True, "can_delete_sent_messages": True}
    fake.connects_business(OWNER, route, rights)
    (road,) = await reader.next()
    assert isinstance(road, Road) and road.open and road.may_reply and road.route == route
    live.set_connections({route: Connection(OWNER, can_reply=road.may_reply, enabled=road.open)})
    fake.business_writes(route, ANNA, ANNA, "Добрый день")
    (came,) = await reader.next()
    assert isinstance(came, Came) and came.person.route == route
    receipt: Receipt = await live.send(replace(BUSINESS_BASE, route=route, text=HELLO, reply_to=came.external_id))
    echo = await reader.next()
    assert [(fact.external_id, fact.state) for fact in echo if isinstance(fact, Progress)] == [
        (receipt.external_ids[0], receipt.state)
    ]
    await live.edit(replace(BUSINESS_BASE, route=route, text=Text("Changed")), receipt.external_ids[0])
    await live.delete(replace(BUSINESS_BASE, route=route), receipt.external_ids[0])
    methods = [call.method for call in fake.world.of("telegram")]
    assert methods.count("editMessageText") == methods.count("deleteBusinessMessages") == 1


async def test_a_refused_download_and_the_webhook(fake: FakeTelegram, live: TelegramGate) -> None:
    with pytest.raises((Refused, Unreachable)):
        [chunk async for chunk in live.download(Attachment(MediaKind.PHOTO, Provider("telegram"), "no-such-file"))]
    await live.register("https://desk.example")
    assert live.registered

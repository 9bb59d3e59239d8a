"""The gate over real HTTP: against the strict stand-in for Graph, and against servers that misbehave."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from pydantic import SecretStr

from gates.http import open_http
from gates.whatsapp.gate import WhatsAppGate
from gates.whatsapp.parse import parse
from gates.whatsapp.settings import WhatsAppSettings
from inbox.clock import SystemClock
from inbox.errors import InboxError, Locked, Refused, Throttled, Uncertain, Unreachable, Unverified
from inbox.gate import Deletes, Edits, Gate, Inbound, Outgoing, Polls, Probes, Progress, Reacts, Registers
from inbox.model import Address, Attachment, Card, DeliveryState, ExternalId, MediaKind, Place, Span, Text
from sandbox.meta import FakeGraph
from sandbox.meta_hooks import emulate, sign
from sandbox.world import Fault, World
from tests.gates.meta.serving import serving
from tests.gates.whatsapp.cases import (
    ANNA,
    ANNA_ID,
    FIXTURES,
    LENA,
    LENA_ID,
    MINE,
    PHONE,
    WABA,
    WHATSAPP,
    Shelf,
    file,
    raw,
    to_anna,
)

SECRET, TOKEN, VERIFY = "test_app_secret", "test_access_token", "verify"
SHORT = aiohttp.ClientTimeout(total=1, connect=0.5)


def make_gate(base: str, http: aiohttp.ClientSession, folder: Path) -> WhatsAppGate:
    settings = WhatsAppSettings(
        phone_number_id=PHONE,
        access_token=SecretStr(TOKEN),
        business_account_id=WABA,
        app_secret=SecretStr(SECRET),
        verify_token=SecretStr(VERIFY),
        graph_api_base=base,
    )
    return WhatsAppGate(settings, http, Shelf(folder), SystemClock())


@dataclass
class Stage:
    graph: FakeGraph
    gate: WhatsAppGate
    shelf: Shelf

    @property
    def world(self) -> World:
        return self.graph.world

    def keep(self, kind: MediaKind, content: bytes, **fields: Any) -> Attachment:
        blob = self.shelf.keep(content)
        return file(kind, sha256=blob.sha256, size=blob.size, **fields)

    async def fails(self, out: Outgoing) -> InboxError:
        with pytest.raises(InboxError) as caught:
            await self.gate.send(out)
        return caught.value


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    graph = FakeGraph(
        World(), app_secret=SECRET, verify_token=VERIFY, access_token=TOKEN, phone_number_id=PHONE, waba_id=WABA
    )
    graph.subscribed = False
    graph.add_phone(ANNA, "Анна", user_id=ANNA_ID)
    graph.add_phone(LENA, "Лена", user_id=LENA_ID, username="lena", hides_number=True)
    base = await graph.start()
    for who in (ANNA, LENA):
        graph.writes(who, "Здравствуйте")
    async with open_http(timeout=SHORT) as http:
        yield Stage(graph, make_gate(base, http, tmp_path), Shelf(tmp_path))
    await graph.stop()


async def test_it_claims_the_powers_that_its_abilities_name(stage: Stage) -> None:
    gate: Gate = stage.gate
    (abilities,) = gate.roads.values()
    assert isinstance(gate, Reacts) == (abilities.reactions is not None)
    assert isinstance(gate, Edits) == (abilities.edit is not None)
    assert isinstance(gate, Deletes) == (abilities.delete is not None)
    assert isinstance(gate, Probes)
    assert not isinstance(gate, Polls | Registers)


async def test_a_probe_is_quiet_while_the_number_answers(stage: Stage) -> None:
    await stage.gate.probe()
    stage.world.plan(Fault("error", "graph", error="100"))
    await stage.gate.probe()
    assert [call.status for call in stage.world.calls] == [200, 400]


@pytest.mark.parametrize(
    ("fault", "kind", "reason"),
    [
        (Fault("error", "graph", error="190"), Locked, "token"),
        (Fault("error", "graph", error="131000"), Unreachable, "temporary"),
        (Fault("500", "graph"), Uncertain, "answer"),
        (Fault("429", "graph", seconds=120), Throttled, "later"),
    ],
)
async def test_a_probe_says_what_is_wrong(stage: Stage, fault: Fault, kind: type[InboxError], reason: str) -> None:
    stage.world.plan(fault)
    with pytest.raises(kind) as caught:
        await stage.gate.probe()
    assert (type(caught.value), caught.value.reason) == (kind, reason)


async def test_a_text_with_marks_arrives_as_a_reply(stage: Stage) -> None:
    (first,) = stage.graph.messages(ANNA)
    out = to_anna(text=Text("Да, в среду", (Span("bold", 4, 11),)), reply_to=ExternalId(first["id"]))
    receipt = await stage.gate.send(out)
    shown = stage.graph.messages(ANNA)[-1]
    assert receipt.external_ids == (shown["id"],)
    assert receipt.state is DeliveryState.SENT
    (call,) = stage.world.of("graph", "POST /messages")
    assert call.request["text"]["body"] == "Да, *в среду*"
    assert call.request["context"] == {"message_id": first["id"]}
    assert call.request["biz_opaque_callback_data"] == "out:777"


async def test_a_person_without_a_number_is_reached_by_the_other_id(stage: Stage) -> None:
    out = to_anna(to=Address(WHATSAPP, PHONE, LENA_ID), route=f"bsuid:{LENA_ID}", text=Text("Да"))
    receipt = await stage.gate.send(out)
    assert stage.graph.messages(LENA)[-1]["id"] == receipt.external_ids[0]


WEBP = b"RIFF\x1a\0\0\0WEBPVP8X\x0a\0\0\0" + b"\0" * 20


@pytest.mark.parametrize(
    ("kind", "fields", "content", "goes_as", "mime"),
    [
        (MediaKind.PHOTO, {}, b"\xff\xd8\xff photo", "image", "image/jpeg"),
        (MediaKind.VIDEO, {"mime": "video/mp4"}, b"video", "video", "video/mp4"),
        (MediaKind.VIDEO_NOTE, {}, b"round", "video", "video/mp4"),
        (MediaKind.AUDIO, {"mime": "audio/mpeg", "name": "a.mp3"}, b"song", "audio", "audio/mpeg"),
        (MediaKind.VOICE, {"mime": "audio/ogg; codecs=opus"}, b"OggS voice", "audio", "audio/ogg"),
        (MediaKind.DOCUMENT, {"mime": "application/pdf", "name": "смета.pdf"}, b"%PDF", "document", "application/pdf"),
        (MediaKind.STICKER, {"mime": "image/webp"}, WEBP, "sticker", "image/webp"),
        (MediaKind.STICKER, {"mime": "video/webm", "name": "s.webm"}, b"webm", "document", "video/webm"),
        (MediaKind.PHOTO, {"mime": "image/gif"}, b"GIF89a", "document", "image/gif"),
    ],
)
async def test_files_are_uploaded_and_sent(
    stage: Stage, kind: MediaKind, fields: dict[str, str], content: bytes, goes_as: str, mime: str
) -> None:
    out = to_anna(attachments=(stage.keep(kind, content, **fields),))
    receipt = await stage.gate.send(out)
    (call,) = stage.world.of("graph", "POST /messages")
    assert call.request["type"] == goes_as
    media_id = call.request[goes_as]["id"]
    assert stage.graph.media(media_id) == (content, mime)
    assert call.request[goes_as].get("voice") == (True if kind is MediaKind.VOICE else None)
    if goes_as == "document":
        assert call.request["document"]["filename"] == fields.get("name", "file.gif")
    assert stage.graph.message(receipt.external_ids[0])["id"] == receipt.external_ids[0]


@pytest.mark.parametrize("extra", [Place(41.7, 44.8, "Студия"), Card("Анна Пример", ("+12025550177",))])
async def test_places_and_cards_are_taken(stage: Stage, extra: Place | Card) -> None:
    receipt = await stage.gate.send(to_anna(extra=extra))
    assert stage.graph.messages(ANNA)[-1]["id"] == receipt.external_ids[0]


async def test_a_reaction_is_set_and_taken_back(stage: Stage) -> None:
    (first,) = stage.graph.messages(ANNA)
    await stage.gate.react(to_anna(), ExternalId(first["id"]), "❤️")
    await stage.gate.react(to_anna(), ExternalId(first["id"]), None)
    calls = stage.world.of("graph", "POST /messages")
    assert [call.request["reaction"]["emoji"] for call in calls] == ["❤️", ""]


@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    [
        (Fault("refuse", "graph"), Uncertain, ""),
        (Fault("lost", "graph"), Uncertain, ""),
        (Fault("half", "graph"), Uncertain, ""),
        (Fault("hang", "graph", seconds=3), Uncertain, ""),
        (Fault("garbage", "graph"), Uncertain, "http200"),
        (Fault("500", "graph"), Uncertain, "http500"),
        (Fault("429", "graph", seconds=5), Throttled, "130429"),
        (Fault("error", "graph", error="131000"), Unreachable, "131000"),
        (Fault("error", "graph", error="190"), Locked, "190"),
        (Fault("error", "graph", error="131047"), Refused, "131047"),
        (Fault("error", "graph", error="131026"), Refused, "131026"),
    ],
)
async def test_trouble_with_a_send(stage: Stage, fault: Fault, kind: type[InboxError], code: str) -> None:
    stage.world.plan(fault)
    found = await stage.fails(to_anna(text=Text("Да")))
    assert (type(found), found.code) == (kind, code)
    assert TOKEN not in f"{found!r}{found.detail}"


async def test_nobody_there_is_unreachable(stage: Stage) -> None:
    await stage.graph.stop()
    assert type(await stage.fails(to_anna(text=Text("Да")))) is Unreachable


async def test_a_dead_token_locks(stage: Stage) -> None:
    stage.graph.token_valid = False
    found = await stage.fails(to_anna(text=Text("Да")))
    assert (type(found), found.reason) == (Locked, "token")


@pytest.mark.parametrize("kind", ["refuse", "lost", "half", "garbage", "500"])
async def test_trouble_with_an_upload_never_leaves_a_doubt(stage: Stage, kind: str) -> None:
    """The message itself was not sent, so the delivery may simply be tried again."""
    stage.world.plan(Fault(kind, "graph", "POST /media"))
    out = to_anna(attachments=(stage.keep(MediaKind.PHOTO, b"photo"),))
    assert type(await stage.fails(out)) is Unreachable
    assert stage.world.of("graph", "POST /messages") == []
    await stage.gate.send(out)


async def test_a_file_that_graph_does_not_take_is_bad_media(stage: Stage) -> None:
    stage.world.plan(Fault("error", "graph", "POST /media", error="100"))
    found = await stage.fails(to_anna(attachments=(stage.keep(MediaKind.PHOTO, b"photo"),)))
    assert (type(found), found.reason, found.code) == (Refused, "bad_media", "100")


@pytest.mark.parametrize("sha256", [None, "f" * 64])
async def test_a_file_that_is_not_there_is_not_found(stage: Stage, sha256: str | None) -> None:
    found = await stage.fails(to_anna(attachments=(file(MediaKind.PHOTO, sha256=sha256),)))
    assert (type(found), found.reason) == (Refused, "not_found")


async def test_the_pair_rate_waits_longer_each_time_for_that_person_alone(stage: Stage) -> None:
    async def wait() -> tuple[float, bool]:
        stage.world.plan(Fault("error", "graph", error="131056"))
        found = await stage.fails(to_anna(text=Text("Да")))
        assert isinstance(found, Throttled)
        return found.retry_after, found.everyone

    assert [await wait() for _ in range(7)] == [(s, False) for s in (6, 12, 24, 48, 96, 192, 300)]
    await stage.gate.send(to_anna(to=Address(WHATSAPP, PHONE, LENA_ID), route=f"bsuid:{LENA_ID}", text=Text("Да")))
    assert (await wait())[0] == 300
    await stage.gate.send(to_anna(text=Text("Да")))
    assert (await wait())[0] == 6


async def test_our_token_comes_back_with_the_statuses(stage: Stage) -> None:
    bodies: list[bytes] = []

    async def take(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        assert stage.gate.verify("POST", {}, request.headers, body) is None
        bodies.append(body)
        stage.world.touch()
        return web.Response()

    async with serving(take) as base:
        stage.graph.webhook_url = f"{base}/webhooks/whatsapp"
        stage.graph.subscribed = True
        receipt = await stage.gate.send(to_anna(text=Text("Да")))
        await stage.world.until(lambda: len(bodies) >= 2 and stage.graph.pending == 0, what="sent and delivered")
    facts = [fact for body in bodies for fact in stage.gate.parse(raw(body)) if isinstance(fact, Progress)]
    assert [(fact.state, fact.external_id, fact.token) for fact in facts] == [
        (DeliveryState.SENT, receipt.external_ids[0], "out:777"),
        (DeliveryState.DELIVERED, receipt.external_ids[0], "out:777"),
    ]


async def received(gate: WhatsAppGate, attachment: Attachment) -> bytes:
    return b"".join([chunk async for chunk in gate.download(attachment)])


def inbound(ref: str) -> Attachment:
    return Attachment(MediaKind.PHOTO, WHATSAPP, ref)


async def test_a_clients_file_is_fetched(stage: Stage) -> None:
    content = bytes(range(256)) * 2000
    wamid = stage.graph.writes(ANNA, kind="image", file=content, mime="image/jpeg")
    media_id = next(m for m in stage.graph.messages(ANNA) if m["id"] == wamid)["media"]["id"]
    assert await received(stage.gate, inbound(media_id)) == content


@pytest.mark.parametrize("ref", ["700000000000001", "../../secret?x=1", "а/б"])
async def test_an_id_that_is_not_there_is_gone(stage: Stage, ref: str) -> None:
    with pytest.raises(Refused, match="gone"):
        await received(stage.gate, inbound(ref))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("lost", Unreachable), ("500", Unreachable), ("garbage", Unreachable), ("429", Throttled)],
)
async def test_trouble_with_a_download_may_be_tried_again(stage: Stage, kind: str, expected: type[InboxError]) -> None:
    stage.world.plan(Fault(kind, "graph", times=None, seconds=1))
    with pytest.raises(expected):
        await received(stage.gate, inbound("1"))


@dataclass
class Lookaside:
    """Gives out a new address at each call for the id; `statuses` are what the addresses answer, in order."""

    statuses: list[int]
    elsewhere: str | None = None
    given: int = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        assert request.headers.get("Authorization") == f"Bearer {TOKEN}"
        if request.path.startswith("/v25.0/"):
            self.given += 1
            base = self.elsewhere or f"http://{request.host}"
            return web.json_response({"url": f"{base}/file?hash={self.given}"})
        status = self.statuses[int(request.query["hash"]) - 1]
        return web.Response(status=status, body=b"bytes" if status == 200 else b"")


async def fetch(lookaside: Lookaside, folder: Path) -> bytes:
    async with serving(lookaside.answer) as base, open_http(timeout=SHORT) as http:
        return await received(make_gate(base, http, folder), inbound("1"))


@pytest.mark.parametrize("first", [401, 403, 404, 410])
async def test_an_address_that_died_is_asked_for_anew(first: int, tmp_path: Path) -> None:
    lookaside = Lookaside([first, 200])
    assert await fetch(lookaside, tmp_path) == b"bytes"
    assert lookaside.given == 2


@pytest.mark.parametrize(
    ("statuses", "kind", "reason"),
    [
        ([404, 404], Refused, "gone"),
        ([404, 410], Refused, "gone"),
        ([403, 403], Refused, "not_allowed"),
        ([416], Refused, "gone"),
        ([500], Unreachable, "answer"),
        ([429], Throttled, "later"),
    ],
)
async def test_a_file_that_does_not_come(
    statuses: list[int], kind: type[InboxError], reason: str, tmp_path: Path
) -> None:
    lookaside = Lookaside(statuses)
    with pytest.raises(kind) as caught:
        await fetch(lookaside, tmp_path)
    assert (type(caught.value), caught.value.reason) == (kind, reason)
    assert lookaside.given == len(statuses)


@pytest.mark.parametrize("elsewhere", ["http://127.0.0.1:9", "http://lookaside.fbsbx.com", "https://evil.example"])
async def test_a_file_elsewhere_is_not_fetched(elsewhere: str, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="not_allowed"):
        await fetch(Lookaside([200], elsewhere), tmp_path)


async def answering(answer: Any, folder: Path) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.json_response(answer)

    async with serving(handler) as base, open_http(timeout=SHORT) as http:
        await make_gate(base, http, folder).send(to_anna(text=Text("Да")))


@pytest.mark.parametrize("answer", [{}, {"messages": []}, {"messages": [{"id": 5}]}, {"messages": {"id": "x"}}])
async def test_taken_without_an_id_is_uncertain(answer: Any, tmp_path: Path) -> None:
    with pytest.raises(Uncertain):
        await answering(answer, tmp_path)


async def test_an_address_that_is_none_is_tried_again(tmp_path: Path) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.json_response({"id": "1"})

    async with serving(handler) as base, open_http(timeout=SHORT) as http:
        with pytest.raises(Unreachable):
            await received(make_gate(base, http, tmp_path), inbound("1"))


async def test_keys_come_in_the_order_of_their_bodies(stage: Stage) -> None:
    """The index of keys is then written at its end, not all over."""
    whole = emulate(json.loads((FIXTURES / "in_text.json").read_bytes()))
    told = [whole.replace(b'"timestamp":"', b'"timestamp":"1%d' % n, 1) for n in range(3)]
    late = re.sub(rb'"timestamp":"[0-9]+"', b'"timestamp":"1800000000"', whole)
    early = re.sub(rb'"timestamp":"[0-9]+"', b'"timestamp":"1700000000"', whole)
    keys = [stage.gate.key(early), stage.gate.key(late)]
    assert keys == sorted(keys)
    assert keys[0] == "1700000000" + hashlib.sha256(early).hexdigest()
    for odd in (*told, b"", b"{", b'"timestamp":"', b'"timestamp":"\xff000000000"'):
        assert stage.gate.key(odd) == hashlib.sha256(odd).hexdigest()


async def test_webhooks_are_checked_keyed_and_read(stage: Stage) -> None:
    body = emulate(json.loads((FIXTURES / "in_text.json").read_bytes()))
    assert stage.gate.verify("POST", {}, {"X-Hub-Signature-256": sign(SECRET, body)}, body) is None
    with pytest.raises(Unverified):
        stage.gate.verify("POST", {}, {"X-Hub-Signature-256": sign("other", body)}, body)
    asked = {"hub.mode": "subscribe", "hub.verify_token": VERIFY, "hub.challenge": "42"}
    assert stage.gate.verify("GET", asked, {}, b"") == "42"
    assert stage.gate.key(body) == stage.gate.key(bytes(body)) != stage.gate.key(b"")
    facts: list[Inbound] = list(stage.gate.parse(raw(body)))
    assert facts == parse(raw(body), MINE)
    assert stage.gate.provider in stage.gate.roads

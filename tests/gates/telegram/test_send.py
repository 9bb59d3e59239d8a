"""What is sent, as Telegram gets it over HTTP."""

from __future__ import annotations

import inspect
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiogram.types import ReactionTypeEmoji

from gates.telegram.abilities import REACTIONS, ROADS
from gates.telegram.gate import TelegramGate
from gates.telegram.names import BUSINESS, TELEGRAM
from gates.telegram.send import cut, file_name
from gates.telegram.vcard import read_card, write_card
from inbox.errors import InboxError, Refused, Unreachable
from inbox.gate import Outgoing
from inbox.model import (
    EMPTY,
    Address,
    Attachment,
    Card,
    ExternalId,
    MediaKind,
    Place,
    Provider,
    Span,
    Stub,
    Text,
)
from tests.gates.telegram.cases import ANNA, BOT, OWNER, ROUTE
from tests.gates.telegram.conftest import FolderBlobs
from tests.gates.telegram.server import Server, failed

BASE = Outgoing(
    to=Address(TELEGRAM, str(BOT), str(ANNA)),
    route=None,
    keys=(f"telegram:user:{ANNA}",),
    text=EMPTY,
    attachments=(),
    token="17",
)
BUSINESS_BASE = replace(BASE, to=Address(BUSINESS, str(OWNER), str(ANNA)), route=ROUTE)
SENT = ExternalId(f"{ANNA}:501")
HELLO = Text("Hi 👋 Anna", (Span("bold", 5, 9), Span("link", 0, 2, "https://example.com")))
ENTITIES = [
    {"type": "text_link", "offset": 0, "length": 2, "url": "https://example.com"},
    {"type": "bold", "offset": 6, "length": 4},
]


def held(kind: MediaKind, ref: str = "AgAC-1", **fields: Any) -> Attachment:
    return Attachment(kind, TELEGRAM, ref, **fields)


async def test_text_with_entities_and_no_parse_mode(gate: TelegramGate, server: Server) -> None:
    receipt = await gate.send(replace(BASE, text=HELLO))
    (call,) = server.calls
    assert call.method == "sendMessage"
    assert call.fields == {"chat_id": ANNA, "text": HELLO.plain, "entities": ENTITIES}
    assert receipt.external_ids == (SENT,)
    assert receipt.at == datetime.fromtimestamp(1798000000, UTC)


async def test_a_reply_with_a_quote_through_a_business_connection(gate: TelegramGate, server: Server) -> None:
    out = replace(BUSINESS_BASE, text=Text("Yes"), reply_to=ExternalId(f"{ANNA}:41"), quote="at 15")
    receipt = await gate.send(out)
    (call,) = server.calls
    assert call.fields == {
        "chat_id": ANNA,
        "business_connection_id": ROUTE,
        "text": "Yes",
        "reply_parameters": {"message_id": 41, "allow_sending_without_reply": True, "quote": "at 15"},
    }
    assert receipt.note is None


async def test_a_quote_that_is_not_found_is_left_out_once_and_said(gate: TelegramGate, server: Server) -> None:
    server.will("sendMessage", failed(400, "Bad Request: QUOTE_TEXT_INVALID"))
    receipt = await gate.send(replace(BASE, text=HELLO, reply_to=ExternalId(f"{ANNA}:41"), quote="x"))
    first, second = server.calls
    assert first.fields["reply_parameters"]["quote"] == "x"
    assert "quote" not in second.fields["reply_parameters"]
    assert receipt.note == "quote_lost"


async def test_a_quote_is_tried_without_it_only_once(gate: TelegramGate, server: Server) -> None:
    server.will("sendMessage", *[failed(400, "Bad Request: QUOTE_TEXT_INVALID") for _ in range(2)])
    with pytest.raises(Refused):
        await gate.send(replace(BASE, text=HELLO, reply_to=ExternalId(f"{ANNA}:41"), quote="x"))
    assert len(server.calls) == 2


@pytest.mark.parametrize("reply_to", ["5:41", "41", f"{ANNA}:x", ""])
async def test_an_answer_to_what_stands_elsewhere_is_sent_without_it(
    gate: TelegramGate, server: Server, reply_to: str
) -> None:
    await gate.send(replace(BASE, text=HELLO, reply_to=ExternalId(reply_to)))
    assert "reply_parameters" not in server.calls[0].fields


@pytest.mark.parametrize(
    ("kind", "method"),
    [
        (MediaKind.PHOTO, "sendPhoto"),
        (MediaKind.VIDEO, "sendVideo"),
        (MediaKind.VIDEO_NOTE, "sendVideoNote"),
        (MediaKind.ANIMATION, "sendAnimation"),
        (MediaKind.AUDIO, "sendAudio"),
        (MediaKind.VOICE, "sendVoice"),
        (MediaKind.DOCUMENT, "sendDocument"),
        (MediaKind.STICKER, "sendSticker"),
    ],
)
async def test_every_medium_by_its_own_id_and_by_upload(
    gate: TelegramGate, server: Server, blobs: FolderBlobs, kind: MediaKind, method: str
) -> None:
    captioned = ROADS[TELEGRAM].media[kind].caption > 0
    text = HELLO if captioned else EMPTY
    await gate.send(replace(BASE, text=text, attachments=(held(kind),)))
    foreign = Attachment(kind, Provider("whatsapp"), "9", mime="image/png", sha256=blobs.add(b"bytes"), name="a b.png")
    await gate.send(replace(BUSINESS_BASE, text=text, attachments=(foreign,)))
    by_id, upload = server.calls
    assert by_id.method == upload.method == method
    assert by_id.fields[kind.value] == "AgAC-1" and not by_id.files
    name = upload.fields[kind.value].removeprefix("attach://")
    assert upload.files == {name: ("a b.png", b"bytes")}
    assert upload.fields["business_connection_id"] == ROUTE
    for call in server.calls:
        assert call.fields.get("caption") == (HELLO.plain if captioned else None)
        assert call.fields.get("caption_entities") == (ENTITIES if captioned else None)
        assert "parse_mode" not in call.fields


async def test_spoiler_and_duration(gate: TelegramGate, server: Server, blobs: FolderBlobs) -> None:
    sha256 = blobs.add(b"v")
    video = Attachment(MediaKind.VIDEO, Provider("whatsapp"), "9", sha256=sha256, spoiler=True, duration=4)
    await gate.send(replace(BASE, attachments=(video,)))
    assert (server.calls[0].fields["has_spoiler"], server.calls[0].fields["duration"]) == (True, 4)


async def test_an_album_of_ids_and_uploads(gate: TelegramGate, server: Server, blobs: FolderBlobs) -> None:
    foreign = Attachment(MediaKind.VIDEO, Provider("whatsapp"), "9", sha256=blobs.add(b"v"), mime="video/mp4")
    out = replace(BUSINESS_BASE, text=HELLO, attachments=(held(MediaKind.PHOTO, spoiler=True), foreign))
    receipt = await gate.send(out)
    (call,) = server.calls
    photo, video = call.fields["media"]
    assert call.method == "sendMediaGroup" and call.fields["business_connection_id"] == ROUTE
    assert photo == {
        "type": "photo",
        "media": "AgAC-1",
        "caption": HELLO.plain,
        "caption_entities": ENTITIES,
        "has_spoiler": True,
    }
    assert call.files == {video["media"].removeprefix("attach://"): ("video.mp4", b"v")}
    assert "caption" not in video
    assert receipt.external_ids == (SENT, ExternalId(f"{ANNA}:502"))


async def test_a_place_a_venue_and_cards(gate: TelegramGate, server: Server) -> None:
    many = Card("Pyotr", ("+12025550143", "+12025550144"), ("p@example.com",), "Studio; one")
    for extra in (Place(1.5, -2.5), Place(1.5, -2.5, "Cafe"), Card("Pyotr", ("+12025550143",)), many):
        await gate.send(replace(BASE, extra=extra))
    place, venue, card, rich = server.calls
    assert (place.method, place.fields["latitude"], place.fields["longitude"]) == ("sendLocation", 1.5, -2.5)
    assert (venue.method, venue.fields["title"], venue.fields["address"]) == ("sendVenue", "Cafe", "Cafe")
    assert (card.method, card.fields["first_name"], card.fields.get("vcard")) == ("sendContact", "Pyotr", None)
    assert read_card(rich.fields["vcard"]) == many
    await gate.send(replace(BASE, extra=Card("Pyotr", (), ("p@example.com",))))
    assert (server.calls[4].method, server.calls[4].fields["text"]) == ("sendMessage", "Pyotr\np@example.com")


@pytest.mark.parametrize(
    ("out", "reason"),
    [
        (BASE, "invalid"),
        (replace(BASE, text=Text(" \n")), "invalid"),
        (replace(BASE, extra=Stub("poll")), "kind"),
        (replace(BASE, text=HELLO, extra=Place(1, 2)), "invalid"),
        (replace(BASE, text=HELLO, attachments=(held(MediaKind.STICKER),)), "invalid"),
        (replace(BASE, attachments=(held(MediaKind.PHOTO), held(MediaKind.DOCUMENT))), "kind"),
        (replace(BASE, attachments=(Attachment(MediaKind.PHOTO, Provider("whatsapp"), "9"),)), "bad_media"),
        (replace(BASE, attachments=(Attachment(MediaKind.PHOTO, Provider("whatsapp"), "9", sha256="0"),)), "bad_media"),
        (replace(BUSINESS_BASE, text=HELLO, route=None), "window"),
        (replace(BASE, text=HELLO, to=Address(TELEGRAM, "1", "anna")), "unreachable"),
    ],
)
async def test_what_cannot_be_sent_is_refused_before_the_network(
    gate: TelegramGate, server: Server, out: Outgoing, reason: str
) -> None:
    with pytest.raises(Refused) as caught:
        await gate.send(out)
    assert caught.value.reason == reason
    assert server.calls == []


async def test_edits(gate: TelegramGate, server: Server) -> None:
    await gate.edit(replace(BASE, text=HELLO), SENT)
    await gate.edit(replace(BUSINESS_BASE, text=HELLO, attachments=(held(MediaKind.PHOTO),)), SENT)
    text, caption = server.calls
    assert text.method == "editMessageText"
    assert text.fields == {"chat_id": ANNA, "message_id": 501, "text": HELLO.plain, "entities": ENTITIES}
    assert caption.method == "editMessageCaption"
    assert (caption.fields["caption"], caption.fields["business_connection_id"]) == (HELLO.plain, ROUTE)


async def test_an_edit_that_changes_nothing_has_succeeded(gate: TelegramGate, server: Server) -> None:
    server.will("editMessageText", failed(400, "Bad Request: message is not modified: specified new message content"))
    await gate.edit(replace(BASE, text=HELLO), SENT)
    server.will("editMessageText", failed(400, "Bad Request: message to edit not found"))
    with pytest.raises(Refused, match="not_found"):
        await gate.edit(replace(BASE, text=HELLO), SENT)
    with pytest.raises(Refused, match="unsupported"):
        await gate.edit(replace(BASE, text=HELLO, attachments=(held(MediaKind.VIDEO_NOTE),)), SENT)
    assert len(server.calls) == 2


async def test_deletions(gate: TelegramGate, server: Server) -> None:
    await gate.delete(BASE, SENT)
    await gate.delete(BUSINESS_BASE, SENT)
    plain, business = server.calls
    assert (plain.method, plain.fields) == ("deleteMessage", {"chat_id": ANNA, "message_id": 501})
    assert business.method == "deleteBusinessMessages"
    assert business.fields == {"business_connection_id": ROUTE, "message_ids": [501]}
    with pytest.raises(Refused, match="not_found"):
        await gate.delete(BASE, ExternalId("5:501"))


async def test_reactions(gate: TelegramGate, server: Server) -> None:
    await gate.react(BASE, SENT, "❤️")
    await gate.react(BASE, SENT, None)
    put, taken = server.calls
    assert put.fields == {"chat_id": ANNA, "message_id": 501, "reaction": [{"type": "emoji", "emoji": "❤"}]}
    assert taken.fields == {"chat_id": ANNA, "message_id": 501, "reaction": []}
    with pytest.raises(Refused, match="not_allowed"):
        await gate.react(BASE, SENT, "✅")
    with pytest.raises(Refused, match="unsupported"):
        await gate.react(BUSINESS_BASE, SENT, "❤")
    assert len(server.calls) == 2


def test_the_allowed_reactions_are_those_that_the_api_documents() -> None:
    source = inspect.getsource(ReactionTypeEmoji)
    listed = source.split("it can be one of ")[1].split('."""')[0]
    assert {word.strip('"') for word in listed.split(", ")} == REACTIONS


def test_abilities_agree_with_what_is_done() -> None:
    bot, business = ROADS[TELEGRAM], ROADS[BUSINESS]
    assert bot.window.free is None and business.window.free == timedelta(hours=24)
    assert business.reactions is None
    assert bot.shares_files_with == business.shares_files_with == {TELEGRAM, BUSINESS}


async def test_before_aiogram_is_there_nothing_leaves(gate: TelegramGate, server: Server) -> None:
    gate._sender = None
    for attempt in (gate.send(BASE), gate.edit(BASE, SENT), gate.delete(BASE, SENT), gate.react(BASE, SENT, "❤")):
        with pytest.raises(InboxError) as caught:
            await attempt
        assert type(caught.value) is Unreachable
    assert server.calls == []


@pytest.mark.parametrize(
    ("attachment", "name"),
    [
        (held(MediaKind.VOICE, mime="audio/ogg; codecs=opus"), "voice.ogg"),
        (held(MediaKind.STICKER, mime="application/x-tgsticker"), "sticker.tgs"),
        (held(MediaKind.DOCUMENT), "document.bin"),
        (held(MediaKind.DOCUMENT, name='a"\r\nX-Evil: 1\\/b.pdf'), "a___X-Evil: 1__b.pdf"),
        (held(MediaKind.DOCUMENT, name="x" * 300 + ".pdf"), "x" * 116 + ".pdf"),
        (held(MediaKind.DOCUMENT, name="Договор №1.pdf"), "Договор №1.pdf"),
    ],
)
def test_names_of_uploads(attachment: Attachment, name: str) -> None:
    assert file_name(attachment) == name


def test_a_long_quote_is_cut_and_no_character_with_it() -> None:
    assert cut("ab", 2) == "ab"
    assert cut("a😀b", 2) == "a"
    assert cut("a😀b", 3) == "a😀"


def test_cards_there_and_back() -> None:
    card = Card("Ким, Анна", ("+12025550143",), ("a@example.com",), "One, two")
    assert read_card(write_card(card)) == card
    assert read_card("nonsense\nTEL") == Card("")
    folded = "BEGIN:VCARD\r\nitem1.TEL;type=CELL:+1 202\r\n 5550143\r\nEND:VCARD"
    assert read_card(folded).phones == ("+1 2025550143",)

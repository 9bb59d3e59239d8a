"""Every sample update next to the sources, and what it must be read as."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from aiogram.types import Update

from gates.telegram.abilities import ROADS
from gates.telegram.content import content
from gates.telegram.names import TELEGRAM
from inbox.codec import build, plain
from inbox.gate import Inbound
from tests.gates.telegram.cases import FIXTURES, parsed


def expectation(path: Path) -> Path:
    return path.with_name(f"{path.stem}.expected.json")


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_fixture_is_read_as_expected(path: Path) -> None:
    expected = json.loads(expectation(path).read_text("utf-8"))
    facts = parsed(path.read_bytes())
    assert [plain(fact) for fact in facts] == expected
    assert [build(Inbound, item) for item in expected] == facts


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_fixture_is_an_update_for_aiogram(path: Path) -> None:
    update = Update.model_validate(json.loads(path.read_text("utf-8")))
    assert update.event_type in path.read_text("utf-8")


def test_there_are_fixtures_and_no_forgotten_expectations() -> None:
    folder = FIXTURES[0].parent
    wanted = {expectation(path) for path in FIXTURES} | set(FIXTURES)
    assert set(folder.glob("*.json")) == wanted


def test_every_medium_that_can_be_sent_can_be_read() -> None:
    read = {a.kind for path in FIXTURES for fact in parsed(path.read_bytes()) for a in getattr(fact, "attachments", ())}
    assert read == set(ROADS[TELEGRAM].media)


CHAT = {"id": 3000000001, "type": "private"}


@pytest.mark.parametrize(
    ("fields", "answered"),
    [
        ({"reply_to_message": {"message_id": 5}}, 5),
        ({"reply_to_message": {"message_id": 5}, "message_thread_id": 5}, 5),
        ({"reply_to_message": {"message_id": 5}, "message_thread_id": 5, "is_topic_message": True}, None),
        ({"reply_to_message": {"message_id": 5, "forum_topic_created": {"name": "x"}}}, None),
        ({"external_reply": {"chat": {"id": 3000000001}, "message_id": 6}}, 6),
        ({"external_reply": {"chat": {"id": -1001}, "message_id": 6}}, None),
        ({"external_reply": {"message_id": 6}}, None),
    ],
)
def test_what_a_message_answers(fields: dict[str, Any], answered: int | None) -> None:
    assert content({"chat": CHAT, "text": "x", **fields}).reply_to_message_id == answered


@pytest.mark.parametrize(
    "kind", ["photo", "voice", "sticker", "document", "venue", "location", "contact", "poll", "text"]
)
def test_a_broken_medium_is_named_not_dropped(kind: str) -> None:
    read = content({"chat": CHAT, kind: 5})
    assert not read.is_service
    assert plain(read.extra) == {"is": "Stub", "kind": kind}


def test_a_deep_rich_message_is_cut_not_followed() -> None:
    block: dict[str, Any] = {"type": "paragraph", "text": "deep"}
    for _ in range(100):
        block = {"type": "blockquote", "blocks": [block]}
    read = content({"rich_message": {"blocks": [{"type": "paragraph", "text": "top"}, block]}})
    assert read.text.plain == "top"

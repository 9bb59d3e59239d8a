"""The same bodies through another reader, pywa: ids, kinds, people and texts must agree."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pywa import WhatsApp
from pywa.types import Message, MessageStatus
from pywa.types.base_update import RawUpdate

from gates.whatsapp.parse import parse
from inbox.gate import Came, Progress
from inbox.model import DeliveryState, MediaKind, Place, Stub
from tests.gates.whatsapp.cases import FIXTURES, MINE, PHONE, raw

KINDS = {
    MediaKind.PHOTO: "image",
    MediaKind.VIDEO: "video",
    MediaKind.AUDIO: "audio",
    MediaKind.VOICE: "audio",
    MediaKind.DOCUMENT: "document",
    MediaKind.STICKER: "sticker",
}
OTHER_READERS = ("in_batch", "in_edit", "in_revoke", "in_system", "in_button", "in_interactive", "in_reaction_removed_no")
"""pywa reads these with types of their own, or (a batch) only in part."""
STATES = {"played": DeliveryState.READ}


def bodies(prefix: str, *without: str) -> list[Any]:
    paths = [path for path in sorted(FIXTURES.glob(f"{prefix}*.json")) if len(path.suffixes) == 1]
    return [pytest.param(path, id=path.stem) for path in paths if not path.name.startswith(without)]


def update(path: Path) -> RawUpdate:
    return RawUpdate(json.loads(path.read_bytes()))


@pytest.fixture(scope="module")
def client() -> WhatsApp:
    return WhatsApp(phone_id=PHONE, token="invented")


@pytest.mark.parametrize("path", bodies("in_", "in_batch", "in_edit", "in_revoke", "in_system", "in_button", "in_interactive"))
def test_messages(path: Path, client: WhatsApp) -> None:
    theirs = Message.from_update(client, update(path))
    (ours,) = parse(raw(path.read_bytes()), MINE)
    assert (ours.person.address.user, ours.person.name, ours.person.handle) == (
        theirs.from_user.bsuid,
        theirs.from_user.name,
        theirs.from_user.username,
    )

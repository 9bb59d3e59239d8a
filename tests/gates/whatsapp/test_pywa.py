"""The same bodies through another reader, pywa: ids, people, times, kinds and texts must agree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pywa.client import WhatsApp
from pywa.types.base_update import RawUpdate
from pywa.types.callback import CallbackButton, CallbackSelection
from pywa.types.message import DeletedMessage, EditedMessage, Message, OutgoingMessage
from pywa.types.message_status import MessageStatus
from pywa.types.system import PhoneNumberChange

from gates.whatsapp.parse import parse
from inbox.gate import Came, Changed, Inbound, Progress, Reacted, Rekeyed
from inbox.model import Author, Card, DeliveryState, MediaKind, Place
from tests.gates.whatsapp.cases import FIXTURES, MINE, PHONE, raw

TYPES = {
    MediaKind.PHOTO: "image",
    MediaKind.VIDEO: "video",
    MediaKind.AUDIO: "audio",
    MediaKind.VOICE: "audio",
    MediaKind.DOCUMENT: "document",
    MediaKind.STICKER: "sticker",
}


@pytest.fixture(scope="module")
def client() -> WhatsApp:
    return WhatsApp(phone_id=PHONE, token="invented")


def bodies(*patterns: str, without: tuple[str, ...] = ()) -> list[Any]:
    paths = sorted(path for pattern in patterns for path in FIXTURES.glob(f"{pattern}.json"))
    return [pytest.param(path, id=path.stem) for path in paths if "." not in path.stem and path.stem not in without]


def both(path: Path, client: WhatsApp) -> tuple[Inbound, Any]:
    """The first fact of ours, and what pywa hands to its handlers."""
    body = path.read_bytes()
    update = RawUpdate(body, hmac_header=None, update_hash=path.stem)
    handler = client._get_handler_type(update)
    assert handler is not None
    theirs = client._handlers_to_updates[handler].from_update(client=client, update=update)
    return parse(raw(body), MINE)[0], theirs


def compare_content(ours: Came, theirs: Any) -> None:
    if ours.attachments:
        (attachment,) = ours.attachments
        media = getattr(theirs, TYPES[attachment.kind])
        assert (attachment.ref, attachment.mime) == (media.id, media.mime_type)
        assert attachment.name == getattr(media, "filename", None)
        assert (attachment.kind is MediaKind.VOICE) == bool(getattr(media, "voice", False))
        assert ours.text.plain == (theirs.caption or "")
    elif isinstance(ours.extra, Place):
        place = theirs.location
        assert (ours.extra.latitude, ours.extra.longitude) == (place.latitude, place.longitude)
        assert (ours.extra.name or None, ours.extra.address or None) == (place.name, place.address)
    elif isinstance(ours.extra, Card):
        (card,) = theirs.contacts
        assert list(ours.extra.phones) == [phone.phone for phone in card.phones]
    elif ours.extra is None:
        assert ours.text.plain == theirs.text
    else:
        assert theirs.type.value in (ours.extra.kind, "unsupported") or ours.extra.kind == "group"


MESSAGES = bodies(
    "in_text*",
    "in_image*",
    "in_video",
    "in_audio_file",
    "in_voice",
    "in_document",
    "in_sticker*",
    "in_location*",
    "in_contacts*",
    "in_order",
    "in_unsupported*",
    "in_group_text",
    "in_batch_*",
)


@pytest.mark.parametrize("path", MESSAGES)
def test_messages(path: Path, client: WhatsApp) -> None:
    ours, theirs = both(path, client)
    assert isinstance(ours, Came)
    assert isinstance(theirs, Message)
    user = theirs.from_user
    assert (ours.external_id, ours.at) == (theirs.id, theirs.timestamp)
    assert (ours.person.address.user, ours.person.name, ours.person.handle) == (user.bsuid, user.name, user.username)
    assert ours.person.route == (user.wa_id or f"bsuid:{user.bsuid}")
    quoted = theirs.reply_to_message
    assert ours.reply_to == (quoted.id if quoted else None)
    assert (ours.mark is not None, ours.mark == "forwarded_often") == (theirs.forwarded, theirs.forwarded_many_times)
    if theirs.referral is not None:
        assert ours.source == f"ad:{theirs.referral.source_id}"
    compare_content(ours, theirs)


@pytest.mark.parametrize("path", bodies("in_reaction*"))
def test_reactions(path: Path, client: WhatsApp) -> None:
    ours, theirs = both(path, client)
    assert isinstance(ours, Reacted)
    assert (ours.external_id, ours.emoji) == (theirs.reaction.message_id, theirs.reaction.emoji or None)


@pytest.mark.parametrize("path", bodies("in_button*", "in_interactive_*_reply", without=("in_interactive_nfm_reply",)))
def test_choices(path: Path, client: WhatsApp) -> None:
    ours, theirs = both(path, client)
    assert isinstance(ours, Came)
    assert isinstance(theirs, CallbackButton | CallbackSelection)
    assert (ours.external_id, ours.text.plain, ours.choice) == (theirs.id, theirs.title, theirs.data)
    assert theirs.reply_to_message is not None
    assert ours.reply_to == theirs.reply_to_message.id


@pytest.mark.parametrize("path", bodies("in_edit*", "in_revoke", "coex_echo_edit", "coex_echo_revoke"))
def test_edits_and_deletions(path: Path, client: WhatsApp) -> None:
    ours, theirs = both(path, client)
    assert isinstance(ours, Changed)
    assert ours.external_id == theirs.original_message_id
    assert ours.at == theirs.timestamp
    if isinstance(theirs, DeletedMessage):
        assert ours.text is None
    if isinstance(theirs, EditedMessage):
        assert ours.text is not None
        assert ours.text.plain == (theirs.message.text or theirs.message.caption)


@pytest.mark.parametrize("path", bodies("coex_echo_text"))
def test_echoes(path: Path, client: WhatsApp) -> None:
    ours, theirs = both(path, client)
    assert isinstance(ours, Came)
    assert isinstance(theirs, OutgoingMessage)
    assert (ours.external_id, ours.text.plain, ours.author) == (theirs.id, theirs.text, Author.OWNER_ELSEWHERE)
    assert ours.person.address.user == theirs.to_user.bsuid


@pytest.mark.parametrize("path", bodies("in_system_user_changed_number"))
def test_changed_numbers(path: Path, client: WhatsApp) -> None:
    ours, theirs = both(path, client)
    assert isinstance(ours, Rekeyed)
    assert isinstance(theirs, PhoneNumberChange)
    assert ours.person.route == theirs.new_wa_id
    assert f"whatsapp:{PHONE}:number:{theirs.old_wa_id}" in ours.old_keys


STATUSES = bodies(
    "status_*",
    # pywa has a type of its own for the first, and cannot read the others: they have no contacts.
    without=(
        "status_group_read",
        "status_failed_130472_experiment",
        "status_failed_131026",
        "status_failed_131047",
        "status_failed_131049",
        "status_failed_131053_media",
    ),
)


@pytest.mark.parametrize("path", STATUSES)
def test_statuses(path: Path, client: WhatsApp) -> None:
    ours, theirs = both(path, client)
    assert isinstance(ours, Progress)
    assert isinstance(theirs, MessageStatus)
    assert (ours.external_id, ours.at, ours.token) == (theirs.id, theirs.timestamp, theirs.tracker)
    assert ours.state == {"played": DeliveryState.READ}.get(theirs.status.value, theirs.status.value)
    assert (ours.error is not None) == (theirs.error is not None)
    assert ours.person is not None
    assert ours.person.address.user == theirs.from_user.bsuid

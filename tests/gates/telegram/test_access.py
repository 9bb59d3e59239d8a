"""Who is the owner, who is a client, who is nobody: one table, forged updates included."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gates.telegram.access import Connection, DeskPlace
from gates.telegram.parse import TelegramParser
from inbox.errors import Unreadable
from inbox.gate import Came, Changed, Claim, ForDesk, Inbound, Progress, Reacted, Road
from inbox.model import Author
from tests.gates.telegram.cases import ANNA, BOT, GROUP, OWNER, ROUTE, raw

MEMBER, STRANGER_GROUP, CODE = 2000000002, -1001000000009, "K7-pine"
AT = 1798000000

OPEN = DeskPlace(claim_code=CODE)
PRIVATE = DeskPlace(owner_id=OWNER, chat_id=OWNER, claim_code=CODE)
TEAM = DeskPlace(owner_id=OWNER, chat_id=GROUP, members=frozenset({MEMBER}))
CONNECTIONS = {
    ROUTE: Connection(OWNER, can_reply=True, enabled=True),
    "Bc-off": Connection(OWNER, can_reply=False, enabled=False),
    "Bc-stranger": Connection(ANNA, can_reply=True, enabled=True),
}


def read(desk: DeskPlace, kind: str, body: dict[str, Any]) -> list[Inbound]:
    update = json.dumps({"update_id": 1, kind: body}).encode()
    return TelegramParser(BOT, desk, CONNECTIONS).parse(raw(update))


def user(user_id: int) -> dict[str, Any]:
    return {"id": user_id, "is_bot": user_id == BOT, "first_name": "N", "language_code": "ru"}


def chat(chat_id: int) -> dict[str, Any]:
    return {"id": chat_id, "type": "private" if chat_id > 0 else "supergroup"}


def message(chat_id: int, user_id: int, text: str = "hello", **fields: Any) -> dict[str, Any]:
    head = {"message_id": 7, "date": AT, "edit_date": AT, "chat": chat(chat_id), "from": user(user_id)}
    return head | {"text": text} | fields


def business(user_id: int, route: str = ROUTE) -> dict[str, Any]:
    return message(ANNA, user_id, business_connection_id=route)


def names(facts: list[Inbound]) -> list[str]:
    return [type(fact).__name__ for fact in facts]


DESK, CLIENT, NOBODY = ["ForDesk"], ["Came"], list[str]()


@pytest.mark.parametrize(
    ("desk", "chat_id", "user_id", "expected"),
    [
        (PRIVATE, OWNER, OWNER, DESK),
        (PRIVATE, ANNA, ANNA, CLIENT),
        (PRIVATE, MEMBER, MEMBER, CLIENT),
        (PRIVATE, OWNER, BOT, NOBODY),
        (PRIVATE, BOT, BOT, NOBODY),
        (PRIVATE, GROUP, OWNER, NOBODY),
        (PRIVATE, GROUP, ANNA, NOBODY),
        (TEAM, GROUP, OWNER, DESK),
        (TEAM, GROUP, MEMBER, DESK),
        (TEAM, GROUP, ANNA, DESK),
        (TEAM, GROUP, BOT, NOBODY),
        (TEAM, OWNER, OWNER, DESK),
        (TEAM, MEMBER, MEMBER, CLIENT),
        (TEAM, STRANGER_GROUP, OWNER, NOBODY),
        (TEAM, STRANGER_GROUP, MEMBER, NOBODY),
        (OPEN, OWNER, OWNER, CLIENT),
        (OPEN, ANNA, ANNA, CLIENT),
        (OPEN, GROUP, ANNA, NOBODY),
    ],
)
def test_a_message(desk: DeskPlace, chat_id: int, user_id: int, expected: list[str]) -> None:
    assert names(read(desk, "message", message(chat_id, user_id))) == expected
    unlisted = (desk, chat_id, user_id) == (TEAM, GROUP, ANNA)
    edited = ["Changed"] if expected == CLIENT else NOBODY if unlisted else expected
    assert names(read(desk, "edited_message", message(chat_id, user_id))) == edited


@pytest.mark.parametrize(
    ("desk", "chat_id", "user_id", "expected"),
    [
        (PRIVATE, OWNER, OWNER, DESK),
        (PRIVATE, ANNA, ANNA, ["Reacted"]),
        (PRIVATE, ANNA, BOT, NOBODY),
        (PRIVATE, OWNER, ANNA, NOBODY),
        (PRIVATE, GROUP, OWNER, NOBODY),
        (TEAM, GROUP, MEMBER, DESK),
        (TEAM, GROUP, ANNA, NOBODY),
    ],
)
def test_a_reaction(desk: DeskPlace, chat_id: int, user_id: int, expected: list[str]) -> None:
    body = {
        "chat": chat(chat_id),
        "user": user(user_id),
        "message_id": 7,
        "date": AT,
        "old_reaction": [],
        "new_reaction": [{"type": "emoji", "emoji": "👍"}],
    }
    assert names(read(desk, "message_reaction", body)) == expected


@pytest.mark.parametrize(
    ("desk", "chat_id", "user_id", "expected"),
    [
        (PRIVATE, OWNER, OWNER, DESK),
        (PRIVATE, OWNER, ANNA, NOBODY),
        (PRIVATE, ANNA, ANNA, NOBODY),
        (PRIVATE, ANNA, OWNER, NOBODY),
        (TEAM, GROUP, MEMBER, DESK),
        (TEAM, GROUP, ANNA, NOBODY),
        (TEAM, STRANGER_GROUP, OWNER, NOBODY),
        (OPEN, OWNER, OWNER, NOBODY),
    ],
)
def test_a_tap(desk: DeskPlace, chat_id: int, user_id: int, expected: list[str]) -> None:
    body = {
        "id": "1",
        "from": user(user_id),
        "data": "x",
        "message": {"message_id": 7, "date": 0, "chat": chat(chat_id)},
    }
    assert names(read(desk, "callback_query", body)) == expected
    inline = {"id": "1", "from": user(user_id), "data": "x", "inline_message_id": "i"}
    assert read(desk, "callback_query", inline) == []


@pytest.mark.parametrize(
    ("desk", "chat_id", "user_id", "status", "expected"),
    [
        (PRIVATE, ANNA, ANNA, "kicked", ["Fact"]),
        (PRIVATE, ANNA, ANNA, "member", ["Fact"]),
        (PRIVATE, ANNA, ANNA, "restricted", NOBODY),
        (PRIVATE, OWNER, OWNER, "kicked", DESK),
        (PRIVATE, STRANGER_GROUP, OWNER, "administrator", DESK),
        (PRIVATE, STRANGER_GROUP, ANNA, "administrator", DESK),
    ],
)
def test_a_membership(desk: DeskPlace, chat_id: int, user_id: int, status: str, expected: list[str]) -> None:
    body = {"chat": chat(chat_id), "from": user(user_id), "date": AT, "new_chat_member": {"status": status}}
    assert names(read(desk, "my_chat_member", body)) == expected


@pytest.mark.parametrize(
    ("desk", "chat_id", "text", "expected"),
    [
        (OPEN, ANNA, f"/start {CODE}", Claim(ANNA, ANNA, "ru")),
        (OPEN, GROUP, f"/start {CODE}", None),
        (PRIVATE, ANNA, f"/start {CODE}", CODE),
        (OPEN, ANNA, "/start K7-pin", "K7-pin"),
        (OPEN, ANNA, f"/start {CODE} ", ""),
        (OPEN, ANNA, f" /start {CODE}", ""),
        (OPEN, ANNA, f"/start {CODE}\ud800", ""),
        (DeskPlace(), ANNA, "/start ", ""),
        (DeskPlace(claim_code=""), ANNA, "/start ", ""),
    ],
)
def test_a_claim(desk: DeskPlace, chat_id: int, text: str, expected: Claim | str | None) -> None:
    """A wrong code is a client's message: with a source if it looks like a link's label, else as it stands."""
    facts = read(desk, "message", message(chat_id, ANNA, text))
    if expected is None or isinstance(expected, Claim):
        assert facts == ([] if expected is None else [expected])
        return
    (came,) = facts
    assert isinstance(came, Came)
    assert (came.source or "", came.opens) == (expected, bool(expected))


@pytest.mark.parametrize(
    ("route", "chat_id", "user_id", "expected"),
    [
        (ROUTE, ANNA, ANNA, Author.CLIENT),
        (ROUTE, ANNA, OWNER, Author.OWNER_ELSEWHERE),
        ("Bc-off", ANNA, ANNA, Author.CLIENT),
        ("Bc-stranger", OWNER, OWNER, None),
        ("Bc-stranger", ANNA, OWNER, None),
        (ROUTE, OWNER, OWNER, None),
        (ROUTE, BOT, OWNER, None),
        (ROUTE, 777000, 777000, None),
        (ROUTE, GROUP, OWNER, None),
    ],
)
def test_a_business_message(route: str, chat_id: int, user_id: int, expected: Author | None) -> None:
    body = message(chat_id, user_id, business_connection_id=route)
    came, changed = read(PRIVATE, "business_message", body), read(PRIVATE, "edited_business_message", body)
    gone = read(PRIVATE, "deleted_business_messages", body | {"message_ids": [7, 8]})
    if expected is None:
        assert came == changed == gone == []
        return
    assert isinstance(came[0], Came) and isinstance(changed[0], Changed) and isinstance(gone[0], Changed)
    assert came[0].author is changed[0].author is expected
    assert came[0].person.address.user == gone[0].person.address.user == str(ANNA)
    assert [fact.external_id for fact in gone if isinstance(fact, Changed)] == [f"{ANNA}:7", f"{ANNA}:8"]


def test_the_bots_own_business_send_proves_itself_and_is_no_new_message() -> None:
    body = message(ANNA, OWNER, business_connection_id=ROUTE, sender_business_bot=user(BOT))
    (progress,) = read(PRIVATE, "business_message", body)
    assert isinstance(progress, Progress)
    assert (progress.account, progress.external_id) == (str(OWNER), f"{ANNA}:7")
    assert read(PRIVATE, "edited_business_message", body) == []


def test_a_client_cannot_pretend_to_be_the_bots_echo() -> None:
    body = message(ANNA, ANNA, business_connection_id=ROUTE, sender_business_bot=user(BOT))
    (came,) = read(PRIVATE, "business_message", body)
    assert isinstance(came, Came) and came.author is Author.CLIENT


@pytest.mark.parametrize(
    ("desk", "owner_of_it", "taken"),
    [(PRIVATE, OWNER, True), (PRIVATE, ANNA, False), (OPEN, ANNA, True)],
)
def test_a_business_connection(desk: DeskPlace, owner_of_it: int, taken: bool) -> None:
    body = {"id": "Bc-new", "user": user(owner_of_it), "user_chat_id": 1, "date": AT, "is_enabled": True}
    roads = read(desk, "business_connection", body | {"rights": {"can_reply": True}})
    assert [(road.account, road.may_reply) for road in roads if isinstance(road, Road)] == [
        (str(owner_of_it), True)
    ] * taken
    assert (names(roads) == DESK) is not taken
    (road,) = read(OPEN, "business_connection", body | {"rights": {}})
    assert isinstance(road, Road) and road.open and not road.may_reply


@pytest.mark.parametrize(
    ("desk", "kind", "body", "shape"),
    [
        (
            PRIVATE,
            "business_message",
            message(ANNA, ANNA, business_connection_id="Bc-x"),
            "business_connection_unknown",
        ),
        (OPEN, "business_message", business(ANNA), "business_owner_unknown"),
        (PRIVATE, "business_message", business(MEMBER), "private_chat"),
        (PRIVATE, "message", message(ANNA, MEMBER), "private_chat"),
        (PRIVATE, "message", message(OWNER, ANNA), "private_chat"),
        (PRIVATE, "message", message(ANNA, ANNA, chat={"id": ANNA, "type": "channel"}), "private_chat"),
        (PRIVATE, "message", message(ANNA, ANNA) | {"from": None}, "message.from"),
        (PRIVATE, "message", message(ANNA, ANNA) | {"date": 10**15}, "message.date"),
        (PRIVATE, "message", message(ANNA, ANNA) | {"message_id": True}, "message.message_id"),
        (PRIVATE, "hologram", {}, "update_kind"),
    ],
)
def test_what_telegram_cannot_have_sent_is_kept_as_unreadable(
    desk: DeskPlace, kind: str, body: dict[str, Any], shape: str
) -> None:
    with pytest.raises(Unreadable) as caught:
        read(desk, kind, body)
    assert caught.value.reason == shape


def test_a_post_in_a_groups_own_name_is_nobodys() -> None:
    body = {"message_id": 7, "date": AT, "chat": chat(GROUP), "sender_chat": chat(GROUP), "text": "hello"}
    assert read(TEAM, "message", body) == []


def test_the_same_person_in_both_roads_has_one_key() -> None:
    (plain,) = read(PRIVATE, "message", message(ANNA, ANNA))
    (second,) = read(PRIVATE, "business_message", business(ANNA))
    (reacted,) = read(
        PRIVATE,
        "message_reaction",
        {"chat": chat(ANNA), "user": user(ANNA), "message_id": 7, "date": AT, "new_reaction": []},
    )
    assert isinstance(plain, Came) and isinstance(second, Came) and isinstance(reacted, Reacted)
    assert plain.person.keys == second.person.keys == reacted.person.keys == (f"telegram:user:{ANNA}",)
    assert plain.person.address != second.person.address
    assert reacted.external_id == plain.external_id and reacted.emoji is None


def test_the_owners_work_is_handed_on_whatever_it_holds() -> None:
    body = message(OWNER, OWNER) | {"text": None, "pinned_message": {"message_id": 1}}
    assert read(PRIVATE, "message", body) == [ForDesk()]

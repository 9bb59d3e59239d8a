"""Nobody else's update acts as the owner's: every kind of update, crossed with every way of looking like her."""

from __future__ import annotations

import asyncio
import hmac
import json
import re
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiogram.types import Update

import gates.telegram.parse
import inbox.apply
from bot.handlers import strangers
from gates.telegram.access import DeskPlace
from gates.telegram.parse import UPDATE_KINDS, TelegramParser
from inbox.gate import Claim, ForDesk
from inbox.model import INBOX
from inbox.store import Unit
from tests.pains.test_claim import code_of
from tests.rig import ANNA, BORIS, BOT, OWNER, TOKEN, Rig, rig

Body = dict[str, Any]

FORUM = -1001000000077
FOREIGN = -1001000000099
CHANNEL = -1001000000088
ANONYMOUS = 1087968824
TELEGRAM_ITSELF = 777000
ROUTE, STRANGE_ROUTE = "Bc-owner", "Bc-strange"
AT = 1_790_000_000
MUTANTS_SEE = 5  # every n-th update: enough to be found out by
TEXTS = ("чужие слова", "/status", "/team 2002", "/del", "/ заметка", "/start", "/find Анна")
MESSAGES = ("message", "edited_message", "channel_post", "edited_channel_post", "guest_message")
BORROWED = {"forward_origin", "via_bot", "sender_chat"}
BUSINESS = ("business_message", "edited_business_message")


def user(user_id: int, **more: Any) -> Body:
    bot = user_id in (BOT, ANONYMOUS)
    return {"id": user_id, "is_bot": bot, "first_name": "Имя", "language_code": "ru", **more}


def chat(chat_id: Any, kind: str = "") -> Body:
    if isinstance(chat_id, int) and chat_id > 0:
        return {"id": chat_id, "type": kind or "private", "first_name": "Имя"}
    return {"id": chat_id, "type": kind or "supergroup", "title": "Чат", "is_forum": True}


def disguises(desk: int) -> Iterator[tuple[Body, Body | None, Body]]:
    """(chat, from, further fields of a message): none of these is the owner at her desk."""
    origin = {"type": "user", "date": AT, "sender_user": user(OWNER)}
    hers = {"message_id": 5, "date": AT, "chat": chat(desk), "from": user(OWNER), "text": "/status"}
    yield chat(OWNER), user(ANNA), {}
    yield chat(ANNA), user(OWNER), {}
    yield chat(OWNER, "group"), user(ANNA), {}
    yield chat(OWNER, "channel"), user(ANNA), {"sender_chat": chat(OWNER, "channel")}
    yield chat(OWNER), None, {}
    yield chat(OWNER), None, {"sender_chat": chat(OWNER)}
    yield chat(OWNER), user(OWNER), {"sender_chat": chat(CHANNEL, "channel")}
    yield chat(str(OWNER)), user(OWNER), {}
    yield chat(float(OWNER)), user(OWNER), {}
    yield chat(OWNER), user(OWNER) | {"id": str(OWNER)}, {}
    yield chat(-OWNER), user(OWNER), {}
    yield chat(FOREIGN), user(OWNER), {}
    yield chat(FOREIGN, "group"), user(OWNER), {"forward_origin": origin}
    yield chat(FOREIGN), user(ANONYMOUS), {"sender_chat": chat(FOREIGN)}
    yield chat(CHANNEL, "channel"), user(OWNER), {"author_signature": "Ольга"}
    yield chat(CHANNEL, "channel"), None, {"sender_chat": chat(CHANNEL, "channel"), "author_signature": "Ольга"}
    yield chat(OWNER), user(BOT), {"via_bot": user(BOT)}
    yield chat(ANNA), user(ANNA), {"forward_origin": origin, "forward_from": user(OWNER)}
    yield chat(ANNA), user(ANNA, is_bot=True), {}
    yield chat(ANNA), user(ANNA), {"via_bot": user(BOT)}
    yield chat(ANNA), user(ANNA), {"reply_to_message": hers, "quote": {"text": "/status", "position": 0}}
    yield chat(ANNA), user(ANNA), {"contact": {"phone_number": "+12025550100", "first_name": "О", "user_id": OWNER}}
    yield chat(ANNA), user(ANNA, username="olga", first_name="Ольга"), {"author_signature": "Ольга"}
    yield chat(ANNA), user(ANNA), {"message_thread_id": 1, "is_topic_message": True}
    yield chat(ANNA), user(ANNA), {"business_connection_id": ROUTE, "sender_business_bot": user(OWNER)}
    if desk != OWNER:
        yield chat(desk), user(ANNA), {}
        yield chat(desk), user(ANNA), {"reply_to_message": hers}
        yield chat(desk), user(ANONYMOUS), {"sender_chat": chat(desk)}
        yield chat(desk), user(OWNER), {"sender_chat": chat(desk)}
        yield chat(desk), user(OWNER), {"sender_chat": chat(CHANNEL, "channel"), "is_automatic_forward": True}
        yield chat(desk), user(TELEGRAM_ITSELF), {"sender_chat": chat(CHANNEL, "channel"), "forward_origin": origin}
        yield chat(desk), user(ANNA), {"left_chat_member": user(OWNER), "new_chat_members": [user(ANNA)]}
        yield chat(desk), None, {}


def message(number: int, where: Body, who: Body | None, text: str, more: Body) -> Body:
    sender = {"from": who} if who is not None else {}
    said = {} if "contact" in more or "left_chat_member" in more else {"text": text}
    return {"message_id": 50_000 + number, "date": AT, "edit_date": AT, "chat": where, **sender, **said, **more}


def forged(desk: int, data: list[str], shown: int, texts: int = len(TEXTS)) -> Iterator[Body]:
    """data: of buttons that she has on her desk now. shown: a client's message there. texts: how many in each way."""
    numbers = count(1)
    for number, (where, who, more) in enumerate(disguises(desk)):
        for kind in MESSAGES:
            for text in (TEXTS[(number + step) % len(TEXTS)] for step in range(texts)):
                yield {kind: message(next(numbers), where, who, text, more)}
        body = message(next(numbers), where, who, "/status", more)
        for kind in BUSINESS:
            for route in (STRANGE_ROUTE, "Bc-unknown"):
                yield {kind: {**body, "business_connection_id": route}}
        taps = data
        if who == user(OWNER) and where["id"] in (OWNER, desk):
            taps = []  # in whose name the message stands says nothing of who taps: that is she
        for one in taps:
            tapped = {**body, "message_id": shown}
            yield {"callback_query": {"id": "7", "from": who, "chat_instance": "1", "data": one, "message": tapped}}
        if taps:
            sender = {"user": who} if who is not None else {"actor_chat": where}
            thumb = {"old_reaction": [], "new_reaction": [{"type": "emoji", "emoji": "👍"}]}
            yield {"message_reaction": {"chat": where, "message_id": shown, "date": AT, **sender, **thumb}}
        member = {"status": "member", "user": user(BOT)}
        change = {"chat": where, "from": who, "date": AT, "old_chat_member": member, "new_chat_member": member}
        yield {"chat_member": change}
        yield {"chat_join_request": {"chat": where, "from": who, "user_chat_id": OWNER, "date": AT}}
        yield {"chat_boost": {"chat": where, "boost": {"boost_id": "b", "add_date": AT, "expiration_date": AT}}}
    yield from _without_a_chat(data, shown)


def _without_a_chat(data: list[str], shown: int) -> Iterator[Body]:
    here = {"message_id": shown, "date": 0, "chat": chat(OWNER)}
    for who in (user(ANNA), user(BORIS), user(OWNER)):
        for one in data:
            tap = {"id": "8", "from": who, "chat_instance": "1", "data": one}
            yield {"callback_query": {**tap, "inline_message_id": "inline"}}
            yield {"callback_query": {**tap, "message": {**here, "chat": chat(ANNA)}}}
            yield {"callback_query": {**tap, "message": {**here, "chat": chat(FOREIGN)}}}
            if who["id"] != OWNER:
                yield {"callback_query": {**tap, "message": here}}
                yield {"callback_query": {**tap, "message": {**here, "chat": chat(FORUM)}}}
        yield {"inline_query": {"id": "1", "from": who, "query": "/status", "offset": ""}}
        yield {"chosen_inline_result": {"result_id": "1", "from": who, "query": "/status"}}
        yield {"shipping_query": {"id": "1", "from": who, "invoice_payload": "/status", "shipping_address": {}}}
        yield {"pre_checkout_query": {"id": "1", "from": who, "currency": "XTR", "total_amount": 1}}
        yield {"purchased_paid_media": {"from": who, "paid_media_payload": "/status"}}
        yield {"poll_answer": {"poll_id": "1", "user": who, "option_ids": [0]}}
        yield {"managed_bot": {"user": who, "bot": user(BOT)}}
        yield {"subscription": {"user": who}}
        yield {"stopped_message_generation": {"chat": chat(OWNER), "user": who}}
    yield {"poll": {"id": "1", "question": "/status", "options": []}}
    yield {"message_reaction_count": {"chat": chat(OWNER), "message_id": shown, "date": AT, "reactions": []}}
    yield {"removed_chat_boost": {"chat": chat(OWNER), "boost_id": "b", "remove_date": AT, "source": {}}}
    yield {
        "deleted_business_messages": {"business_connection_id": STRANGE_ROUTE, "chat": chat(ANNA), "message_ids": [1]}
    }
    connection = {"user": user(ANNA), "user_chat_id": OWNER, "date": AT, "is_enabled": True, "can_reply": True}
    yield {"business_connection": {"id": "Bc-forged", **connection}}
    yield {
        "my_chat_member": {"chat": chat(OWNER), "from": user(ANNA), "date": AT, "new_chat_member": {"status": "kicked"}}
    }
    yield {"hologram": {"chat": chat(OWNER), "from": user(OWNER), "text": "/status"}}
    yield from ({"message": None}, {"message": []}, {"message": "x"}, {"callback_query": 5}, {"edited_message": {}})


HERS = """
    select 'setting', key, value from settings where key not like 'quarantine:%' and key not in ('roads', 'alive')
    union all select 'prompt', place, ref from prompts
    union all select 'message', id, author || ':' || coalesce(deleted_at, '') || ':' || coalesce(edited_at, '')
        from messages where author in ('owner', 'note', 'owner_elsewhere')
    union all select 'delivery', d.id, d.lane from deliveries d left join messages m on m.id = d.message_id
        where d.target <> 'desk' and coalesce(m.author, '') <> 'auto'
    union all select 'notice', id, content from deliveries where act = 'notice'
        and content not like '%"stranger:%' and content not like '%quarantine:%' and content not like '%"backlog%'
"""
"""All that an act of the owner's leaves: settings, questions that wait, her messages, sends, answers on the desk."""


class Post:
    """Updates to the running product, as Telegram sends them."""

    def __init__(self, desk: Rig) -> None:
        self.desk = desk
        self.numbers = count(700_000)

    def rows(self, sql: str) -> set[tuple[Any, ...]]:
        with closing(sqlite3.connect(f"file:{self.desk.data_dir / 'inbox.db'}?mode=ro", uri=True)) as connection:
            return set(connection.execute(sql).fetchall())

    async def all(self, updates: list[Body]) -> None:
        """Deliver them and wait until each has been looked at."""
        secret = self.desk.world.of("telegram", "setWebhook")[-1].request["secret_token"]
        headers = {"X-Telegram-Bot-Api-Secret-Token": secret}
        url = f"http://127.0.0.1:{self.desk.port}/webhooks/telegram"
        at_once = asyncio.Semaphore(16)
        async with aiohttp.ClientSession(headers=headers) as http:

            async def one(update: Body) -> None:
                numbered = json.dumps({"update_id": next(self.numbers), **update}).encode()
                async with at_once, http.post(url, data=numbered) as answer:
                    assert answer.status == 200

            await asyncio.gather(*(one(update) for update in updates))
        await self.desk.until(
            lambda: not self.rows("select 1 from inbox where state in ('new', 'desk')"), "looked at", 60
        )


@asynccontextmanager
async def staged(folder: Path, place: int) -> AsyncIterator[tuple[Rig, list[str], int]]:
    """A desk with a client, the owner's Business connection, and open questions with buttons of every kind."""
    settings = {} if place == OWNER else {"DESK_CHAT_ID": str(place)}
    async with rig(folder / "data", **settings) as desk:
        telegram = desk.telegram
        if place != OWNER:
            telegram.add_forum(FORUM, "Консультации", members=[OWNER, ANNA, BORIS], added_by=OWNER)
        await desk.start()
        telegram.connects_business(OWNER, ROUTE, {"can_reply": True})
        telegram.connects_business(ANNA, STRANGE_ROUTE, {"can_reply": True})
        telegram.writes(ANNA, "Настоящий вопрос")

        def bots(part: str) -> list[Body]:
            return [m for m in telegram.messages(place) if m["from"]["id"] == BOT and part in str(m.get("text"))]

        await desk.until(lambda: bool(bots("Настоящий вопрос")), "shown")
        telegram.writes(OWNER, "Перезвоню", chat_id=place)
        telegram.writes(OWNER, "/find вопрос", chat_id=place)
        await desk.until(lambda: bool(bots("Кому это?")) and bool(bots("Поиск")), "asked")
        found = [b["callback_data"] for m in (*bots("Кому это?"), *bots("Поиск")) for b in _buttons(m)]
        await desk.until(lambda: telegram.pending == 0, "all delivered")
        more = ["d:re:1", "d:again:1", "d:drop:1", "g:topics:", "g:check:telegram", f"g:seat:{place}.1:{ANNA}"]
        yield desk, [*found, *more, "x", "d", "::", "/status"], bots("Настоящий вопрос")[0]["message_id"]


def _buttons(shown: Body) -> Iterator[Body]:
    for row in shown["reply_markup"]["inline_keyboard"]:
        yield from (b for b in row if "callback_data" in b)


async def pretend(
    folder: Path, place: int = OWNER, *, texts: int = 1, every: int = 1
) -> tuple[int, set[tuple[Any, ...]]]:
    """Send all of it, or every n-th: the number of updates, and what was done as if by the owner."""
    async with staged(folder, place) as (desk, data, shown):
        post = Post(desk)
        await post.all([])
        before = post.rows(HERS)
        updates = list(forged(place, data, shown, texts))[::every]
        await post.all(updates)
        acted = post.rows(HERS) - before
        if not acted:
            await _is_still_served(desk, place)
    return len(updates), acted


async def _is_still_served(desk: Rig, place: int) -> None:
    """A client's own messages of these kinds are messages after all that, and so is what looked like a command."""
    assert {"Настоящий вопрос", "/status", "/team 2002"} <= {e["text"] for e in desk.exported("message.in")}
    number = desk.telegram.writes(ANNA, "ещё вопрос")
    desk.telegram.edits(ANNA, number, "ещё вопрос, исправлен")
    desk.telegram.business_writes(ROUTE, BORIS, BORIS, "лично")
    await desk.until(
        lambda: any("исправлен" in str(m.get("text")) for m in desk.telegram.messages(place)), "shown with its edit", 60
    )
    await desk.until(lambda: "лично" in [e["text"] for e in desk.exported("message.in")], "through her own account")


def test_the_table_has_every_kind_that_there_is() -> None:
    known = set(Update.model_fields) - {"update_id"}
    sent = {kind for update in forged(FORUM, ["x"], 1) for kind in update}
    assert known <= sent and set(UPDATE_KINDS) <= sent


@pytest.mark.parametrize("place", [OWNER, FORUM], ids=["private", "group"])
async def test_nobody_acts_as_the_owner(place: int, tmp_path: Path, counts: Callable[..., None], soak: bool) -> None:
    updates, acted = await pretend(tmp_path, place, texts=len(TEXTS) if soak else 1)
    counts("OWN", desk="private" if place == OWNER else "group", updates=updates, acted=len(acted))
    assert acted == set()


def _by_chat(self: DeskPlace, chat_id: int, user_id: int) -> bool:
    return chat_id in (self.owner_id, self.chat_id)


def _by_user(self: DeskPlace, chat_id: int, user_id: int) -> bool:
    return user_id == self.owner_id


@pytest.mark.parametrize(
    ("mutant", "serves"), [("the chat alone decides", _by_chat), ("the user alone decides", _by_user)]
)
async def test_half_a_check_is_found_out(
    mutant: str,
    serves: Callable[[DeskPlace, int, int], bool],
    tmp_path: Path,
    counts: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(DeskPlace, "serves", serves)
    updates, acted = await pretend(tmp_path, every=MUTANTS_SEE)
    counts("OWN", mutant=mutant, updates=updates, acted=len(acted))
    assert len(acted) > 0


async def test_a_tap_without_a_look_at_who_taps_is_found_out(
    tmp_path: Path, counts: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = strangers.may_act

    def tap(self: TelegramParser, query: Body, raw: Any) -> list[ForDesk]:
        return [ForDesk()]

    monkeypatch.setattr(TelegramParser, "_tap", tap)
    monkeypatch.setattr(
        strangers, "may_act", lambda update, serves: "callback_query" in update or looked(update, serves)
    )
    updates, acted = await pretend(tmp_path, every=MUTANTS_SEE)
    counts("OWN", mutant="whoever taps", updates=updates, acted=len(acted))
    assert len(acted) > 0


# -- the claim --------------------------------------------------------------------------------------------------------


def claims(code: str) -> Iterator[Body]:
    """The right code, in ways that claim nothing; and wrong ones."""
    start, numbers = f"/start {code}", count(1)
    origin = {"type": "user", "date": AT, "sender_user": user(ANNA)}
    for where, who, more in disguises(OWNER):
        person = who is not None and who["id"] == ANNA and not who["is_bot"]
        by_hand = person and where == chat(ANNA) and not more.keys() & BORROWED
        for kind in (*MESSAGES, *BUSINESS):
            route = {"business_connection_id": ROUTE} if kind in BUSINESS else {}
            if not (by_hand and kind == "message"):
                yield {kind: message(next(numbers), where, who, start, {**more, **route})}
    yield {"message": message(next(numbers), chat(ANNA), user(ANNA), start, {"forward_origin": origin})}
    yield {"message": {**message(next(numbers), chat(ANNA), user(ANNA), "", {}), "caption": start, "text": None}}
    yield {"inline_query": {"id": "1", "from": user(ANNA), "query": start, "offset": ""}}
    yield {"callback_query": {"id": "1", "from": user(ANNA), "data": start, "message": {"chat": chat(ANNA)}}}
    for wrong in (code[:-1], code + "x", code.swapcase(), f" {code}", f"{code} ", "", "x", code.encode().hex(), TOKEN):
        yield {"message": message(next(numbers), chat(ANNA), user(ANNA), f"/start {wrong}", {})}
    for wrong in (
        code,
        f"/START {code}",
        f"/start@bot {code}",
        f"/start\n{code}",
        f"/start  {code}",
        f"x /start {code}",
    ):
        yield {"message": message(next(numbers), chat(ANNA), user(ANNA), wrong, {})}


async def claim(folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str | None, list[str]]:
    """First all that is no claim, then two people at once, then once more: updates, the early owner, the owners."""
    async with rig(folder / "data", OWNER_ID="") as desk:
        await desk.start()
        code = await code_of(desk, capsys)
        assert len(code) >= 32
        post = Post(desk)
        await desk.until(lambda: bool(desk.world.of("telegram", "setWebhook")), "the webhook is set")
        updates = list(claims(code))
        await post.all(updates)
        early = {value for (value,) in post.rows("select value from settings where key = 'owner_id'")}
        start = f"/start {code}"
        rivals = [message(900 + n, chat(who), user(who), start, {}) for n, who in enumerate((BORIS, OWNER) * 5)]
        await post.all([{"message": body} for body in rivals])
        await post.all([{"message": message(990, chat(ANNA), user(ANNA), start, {})}])
        events = [e for e in desk.exported("gate.changed") if e.get("change") == "claimed"]
        owners = {value for (value,) in post.rows("select value from settings where key = 'owner_id'")}
    return len(updates), next(iter(early), None), [*owners, *(["again"] * (len(events) - 1))]


async def test_the_desk_is_claimed_once_and_by_the_code_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], counts: Callable[..., None]
) -> None:
    updates, early, owners = await claim(tmp_path, capsys)
    counts("OWN", claims=updates, early=int(early is not None), owners=len(owners))
    assert early is None
    assert len(owners) == 1 and owners[0] in (str(BORIS), str(OWNER))


async def test_a_code_from_anywhere_and_a_claim_without_a_look_are_found_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], counts: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(gates.telegram.parse, "_is_by_hand", lambda *_: True)
        _, early, _ = await claim(tmp_path / "anywhere", capsys)
    counts("OWN", mutant="the code from anywhere", early=int(early is not None))
    assert early is not None

    def whoever_comes(unit: Unit, fact: Claim) -> bool:
        unit.set_setting("owner_id", str(fact.user_id))
        unit.emit(INBOX, "gate.changed", unit.now, change="claimed")
        return True

    def always(self: DeskPlace, text: str) -> bool:
        return bool(re.fullmatch(r"/start [A-Za-z0-9_-]{32}", text))

    with monkeypatch.context() as patched:
        patched.setattr(inbox.apply, "_claim", whoever_comes)
        patched.setattr(DeskPlace, "opens_with", always)
        _, _, owners = await claim(tmp_path / "again", capsys)
    counts("OWN", mutant="a claim that does not look whether there is an owner", owners=len(owners))
    assert len(owners) > 1


def test_the_code_is_compared_as_bytes_by_what_takes_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[object, object]] = []

    def decide(given: object, expected: object) -> bool:
        compared.append((given, expected))
        return given == b"ask"

    monkeypatch.setattr(hmac, "compare_digest", decide)
    place = DeskPlace(claim_code="пароль")
    assert not place.opens_with("/start пароль")
    assert place.opens_with("ask")
    assert compared == [("/start пароль".encode(), "/start пароль".encode()), (b"ask", "/start пароль".encode())]

"""A desk that nobody has claimed, by long polling; and the secrets that the program makes for itself."""

from __future__ import annotations

import re
import sqlite3
import stat
from contextlib import closing

from tests.contract.process import (
    ANNA,
    BORIS,
    BOT,
    HOOK_SECRET,
    OWNER,
    STRANGER,
    Child,
    Place,
    private_message,
)

UNCLAIMED = {"OWNER_ID": "", "PUBLIC_URL": "", "SECRET_KEY": ""}
FAR = 990_000_000  # an update id that polling never reaches here


async def test_a_claim_by_long_polling(place: Place) -> None:
    place.settings = UNCLAIMED
    telegram = place.telegram
    await telegram.updates.point("http://127.0.0.1:9/old", "old", None, 40, False)
    telegram.writes(ANNA, "До захвата")
    async with place.running() as child:
        await place.ready()
        code = _code(child)
        await _before(place, code)
        telegram.writes(OWNER, f"/start {code}")
        await place.until(lambda: bool(place.said_to(OWNER, "По делу до захвата")), "the Business chat is shown", 30.0)
        for words in ("До захвата", "Тоже до захвата", "Мимо очереди"):
            await place.until(lambda w=words: bool(place.said_to(OWNER, w)), words, 30.0)  # type: ignore[misc]
        telegram.writes(STRANGER, f"/start {code}")
        telegram.writes(STRANGER, "Я тоже хозяин")
        await place.until(lambda: bool(place.said_to(OWNER, "Я тоже хозяин")), "a client like any other", 30.0)
        assert not place.said_to(OWNER, "Чужая переписка")
        assert (await place.get("/readyz")).json()["parts"]["desk"] == {"state": "ok", "detail": ""}
        await _offset_waits_for_the_commit(place)
    assert code not in child.err
    _offsets(place)
    assert place.leaks() == []
    await _the_next_start(place)


def _code(child: Child) -> str:
    found = re.findall(r"/start ([A-Za-z0-9_-]{16,64})", child.out)
    assert len(found) == 1, child.out
    return str(found[0])


async def _before(place: Place, code: str) -> None:
    """Nobody is the owner: all are clients, taken and exported, answered by nothing but the small menu."""
    telegram, methods = place.telegram, [call.method for call in place.world.of("telegram")]
    assert methods.index("deleteWebhook") < methods.index("getUpdates")
    assert (await place.part("desk"))["state"] == "ok"
    assert (await place.part("desk"))["detail"]
    for wrong in (code[:-1], f"{code}x", code.swapcase(), "owner", ""):
        telegram.starts(STRANGER, wrong)
    telegram.writes(BORIS, "Тоже до захвата")
    telegram.connects_business(OWNER, "bc-owner", {"can_reply": True})
    telegram.connects_business(STRANGER, "bc-stranger", {"can_reply": True})
    telegram.business_writes("bc-owner", BORIS, BORIS, "По делу до захвата")
    telegram.business_writes("bc-stranger", ANNA, ANNA, "Чужая переписка")
    assert (await place.update(private_message(FAR, BORIS, "Мимо очереди"))).status == 200
    await place.until(lambda: telegram.pending == 0, "all fetched")
    texts = {"До захвата", "Тоже до захвата", "Мимо очереди"}
    await place.until(lambda: texts <= {x["data"]["text"] for x in place.exported("message.in")}, "exported")
    assert not [m for m in telegram.messages(OWNER) if m["from"]["id"] == BOT]


async def _offset_waits_for_the_commit(place: Place) -> None:
    """While the database cannot be written, Telegram keeps the update."""
    await place.until(lambda: place.telegram.pending == 0, "all fetched")
    with closing(sqlite3.connect(place.data / "inbox.db", isolation_level=None, timeout=5)) as other:
        other.execute("begin immediate")
        asked = len(place.world.of("telegram", "getUpdates"))
        place.telegram.writes(ANNA, "Пока заперто")
        await place.until(lambda: len(place.world.of("telegram", "getUpdates")) > asked, "fetched")
        await place.until_async(lambda: _locked_out(place), "refused", 20.0)
        assert place.telegram.pending >= 1
        other.execute("rollback")
    await place.until(lambda: place.telegram.pending == 0, "taken after all", 30.0)
    await place.until(lambda: bool(place.said_to(OWNER, "Пока заперто")), "shown", 30.0)
    assert len(place.said_to(OWNER, "Пока заперто")) == 1


async def _locked_out(place: Place) -> bool:
    return (await place.update(private_message(FAR + 1, BORIS, "Не принято"))).status == 503


def _offsets(place: Place) -> None:
    """What came to the webhook has moved nothing."""
    calls = place.world.of("telegram", "getUpdates")
    offsets = [call.request["offset"] for call in calls if "offset" in call.request]
    assert offsets == sorted(offsets)
    assert offsets[-1] <= max(u for u in place.telegram.updates.history) + 1 < FAR
    assert {tuple(call.request["allowed_updates"]) for call in calls} == {tuple(calls[0].request["allowed_updates"])}
    assert {"message_reaction", "business_message"} <= set(calls[0].request["allowed_updates"])


async def _the_next_start(place: Place) -> None:
    """By webhook, with a secret of the program's own: made once, sealed, the same each time. Nobody claims again."""
    place.settings = {**UNCLAIMED, "PUBLIC_URL": place.address, "TELEGRAM_WEBHOOK_SECRET": ""}
    for number in (1, 2):
        async with place.running() as child:
            await place.until(lambda n=number: len(place.world.of("telegram", "setWebhook")) == n, "set", 60.0)  # type: ignore[misc]
            assert child.out == ""
    first, second = (call.request["secret_token"] for call in place.world.of("telegram", "setWebhook"))
    assert first == second != HOOK_SECRET
    assert re.fullmatch(r"[A-Za-z0-9_-]{32,256}", first)
    key = place.data / "secret.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    files = [path for path in place.data.rglob("*") if path.is_file()]
    assert [path for path in files if first.encode() in path.read_bytes()] == []
    assert place.leaks(first, key.read_text().strip()) == []

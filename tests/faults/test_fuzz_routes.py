"""Hostile calls to the real app: no 5xx, no worker gone, nothing blocked, nothing told without end, nothing leaked."""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from gates.whatsapp.gate import WhatsAppGate
from inbox.quarantine import SHAPES
from tests.faults.flood import ON, calls, flood, signed, spoken
from tests.pains.test_inbound import body, text_of
from tests.rig import ANNA, IGOR, OWNER, Rig, rig, words

BROKEN = frozenset({"workers.ended", "outbox.broken", "outbox.unsettled", "desk.broken", "send.broken", "job.broken"})
UNKNOWN = "непонятного вида"


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig(tmp_path / "data") as made:
        await made.start()
        yield made


def rows(rig: Rig, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"file:{rig.data_dir / 'inbox.db'}?mode=ro", uri=True)) as connection:
        return connection.execute(sql).fetchall()


async def works(rig: Rig, word: str) -> None:
    """A client of each network writes, is shown, and is answered."""
    rig.graph.writes(IGOR, f"ватсап {word}")
    rig.telegram.writes(ANNA, f"телеграм {word}")
    await rig.until(lambda: bool(rig.said(f"ватсап {word}") and rig.said(f"телеграм {word}")), "shown", 60)
    rig.telegram.writes(OWNER, f"игорю {word}", thread_id=rig.topic("Игорь"))
    rig.telegram.writes(OWNER, f"анне {word}", thread_id=rig.topic("Анна Петрова"))
    await rig.until(lambda: f"игорю {word}" in [c.request.get("text", {}).get("body") for c in rig.sends()], "sent", 60)
    await rig.until(lambda: any(words(m) == f"анне {word}" for m in rig.telegram.messages(ANNA)), "sent", 60)


async def quiet(rig: Rig) -> None:
    """Everything that was taken has been read and shown, as far as it can be."""
    await rig.until(lambda: not rows(rig, "select 1 from inbox where state in ('new', 'desk') limit 1"), "read", 60)
    waiting = "select 1 from deliveries where target = 'desk' and state in ('waiting', 'sending') limit 1"
    await rig.until(lambda: not rows(rig, waiting), "shown", 60)


def topic_texts(rig: Rig, name: str) -> list[str]:
    thread = rig.topic(name)
    return [words(m) for m in rig.desk() if m.get("message_thread_id") == thread and words(m)]


def told_shapes(rig: Rig) -> Counter[str]:
    """Notices about what was not understood, by network and shape."""
    texts = [words(notice) for notice in rig.said(UNKNOWN)]
    return Counter(f"{text.partition(':')[0]} {text.partition('(')[2].partition(')')[0]}" for text in texts)


def failures(statuses: Mapping[str, Counter[int]]) -> int:
    return sum(count for by_status in statuses.values() for status, count in by_status.items() if not 0 < status < 500)


async def test_a_flood_of_hostile_bodies(desk: Rig, counts: Callable[..., None], soak: bool) -> None:
    desk.telegram.starts(ANNA)
    await works(desk, "до")
    before = {name: topic_texts(desk, name) for name in ("Игорь", "Анна Петрова")}
    with capture_logs() as lines:
        statuses = await flood(desk, 8, 5_000 if soak else 250)
        await quiet(desk)
    assert failures(statuses) == 0
    assert {s for name in ON for s in statuses[name]} == {200}
    assert {s for name in statuses.keys() - set(ON) for s in statuses[name]} == {404}
    assert [line for line in lines if line["event"] in BROKEN] == []
    assert {name: topic_texts(desk, name) for name in before} == before, "nothing of it is in another client's topic"

    kept = dict(rows(desk, "select state, count(*) from inbox group by 1"))
    assert kept["quarantined"] > 50 and kept["done"] > 50 and kept.keys() == {"quarantined", "done"}
    assert (
        rows(desk, "select min(length(body)) from inbox where state = 'quarantined' and error <> 'not_json'")[0][0] > 0
    )
    told = told_shapes(desk)
    assert told and max(told.values()) == 1, "once for each network and shape"
    assert len(told) <= 2 * (SHAPES + 1)
    assert len(rows(desk, "select 1 from settings where key like 'quarantine%'")) == 2

    await works(desk, "после")
    answered = sum(sum(statuses[name].values()) for name in ON)
    figures = {"answers_5xx": failures(statuses), "quarantined": kept["quarantined"], "read": kept["done"]}
    counts("R12", bodies=answered, **figures, notices=len(told))


async def test_a_key_that_is_not_total_is_found(
    desk: Rig, monkeypatch: pytest.MonkeyPatch, counts: Callable[..., None]
) -> None:
    monkeypatch.setattr(WhatsAppGate, "key", lambda _, body: str(json.loads(body)["entry"]))
    statuses = await flood(desk, 8, 40)
    assert failures(statuses) > 0
    counts("R12", mutant="the key of a body reads it", answers_5xx=failures(statuses))


async def test_calls_that_no_library_makes(desk: Rig, counts: Callable[..., None]) -> None:
    await desk.known()
    todo = list(calls(desk))
    statuses = [status for answer in await asyncio.gather(*(spoken(desk, call) for call in todo)) for status in answer]
    assert [status for status in statuses if status >= 500] == []
    assert {200, 400, 401, 403, 404, 405, 415, 417} <= set(statuses)
    await works(desk, "после")
    counts("R12", raw_calls=len(todo), answers=len(statuses), answers_5xx=0)


async def test_the_good_ones_of_a_thousand_entries_are_shown_and_the_rest_is_told(
    desk: Rig, counts: Callable[..., None]
) -> None:
    """One body of a thousand entries; every fourth is broken, each in its own way."""
    rng, now = random.Random(4), desk.world.now()
    entries: list[Any] = []
    good: list[str] = []
    for number in range(1_000):
        entry = body(text_of(IGOR, f"запись {number};", at=now))["entry"][0]
        if number % 4:
            good.append(f"запись {number};")
        else:
            change = entry["changes"][0]
            value = change["value"]
            holder, key = rng.choice([(entry, "changes"), (change, "value"), (value, "messages"), (change, "field")])
            holder[key] = rng.choice([None, 7, "слово", [], {}, [None], {"a": []}, 2**64])
        entries.append(entry)
    raw = json.dumps({"object": "whatsapp_business_account", "entry": entries}).encode()
    async with aiohttp.ClientSession() as http:
        url = f"http://127.0.0.1:{desk.port}/webhooks/whatsapp"
        async with http.post(url, data=raw, headers=signed("whatsapp", raw, desk)) as answer:
            assert answer.status == 200
    await desk.until(lambda: bool(desk.said(good[-1])), "the last good one is shown", 60)
    await quiet(desk)
    whole = "\n".join(words(m) for m in desk.desk())
    assert [text for text in good if whole.count(text) != 1] == []
    assert [whole.index(text) for text in good] == sorted(whole.index(text) for text in good)
    told = sum(told_shapes(desk).values())
    assert 0 < told <= 5
    assert rows(desk, "select count(*) from inbox where length(body) > 100000") == [(1,)]
    counts("R12", entries=len(entries), good=len(good), shown=len(good), notices=told)

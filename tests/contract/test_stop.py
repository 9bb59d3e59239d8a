"""SIGTERM at any moment: within 5 s, with 0, and nothing that was acknowledged is lost."""

from __future__ import annotations

import asyncio
import fcntl
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import aiohttp
import pytest

from sandbox.world import Fault
from tests.contract.process import IGOR, OWNER, Place, child, text_message


@pytest.mark.parametrize("ports", [1, 5], ids=["at once", "while it starts"])
async def test_during_the_start(place: Place, ports: int) -> None:
    async with place.running() as child:
        for number in range(ports):
            answer = await place.whatsapp(text_message(f"Рано {number}", wamid=f"wamid.{number}"))
            assert answer.status == 200
            await place.until(lambda n=number: len(place.exported("message.in")) > n, "exported")  # type: ignore[misc]
        assert (await place.get("/readyz")).status == 503
        code, seconds = await child.stop()
        assert (code, seconds < 5.0, child.out) == (0, True, ""), (seconds, child.err)
    assert place.stored() == ports


@contextmanager
def locked(place: Place) -> Iterator[None]:
    """Somebody else writes into the database, for as long as the block lasts."""
    with closing(sqlite3.connect(place.data / "inbox.db", isolation_level=None)) as other:
        other.execute("begin immediate")
        yield


def _is_held(folder: Path) -> bool:
    with (folder / "inbox.lock").open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


async def test_while_another_process_holds_the_database(place: Place) -> None:
    """The running one, with writes that wait; then one that waits for the database before it can open its port."""
    async with place.running() as first:
        await place.whatsapp(text_message("До того", wamid="wamid.before"))
        with locked(place):
            calls = [
                asyncio.create_task(place.whatsapp(text_message("Ждёт", wamid=f"wamid.waits{n}"))) for n in range(3)
            ]
            for _ in range(3):
                assert (await place.get("/healthz")).status == 200  # asked later, answered meanwhile
            code, seconds = await first.stop()
            answers = await asyncio.gather(*calls, return_exceptions=True)
    assert (code, seconds < 4.0) == (0, True), (seconds, first.err)
    assert {a.status for a in answers if not isinstance(a, BaseException)} <= {503}
    assert all(isinstance(a, aiohttp.ClientError) for a in answers if isinstance(a, BaseException))
    with locked(place):
        async with child(place.folder, place.environment) as second:
            await place.until(lambda: _is_held(place.data), "it is starting")
            code, seconds = await second.stop()
    assert (code, seconds < 4.0) == (0, True), (seconds, second.err)
    async with place.running():
        await place.until(lambda: len(place.exported("message.in")) == 1, "what was acknowledged is there")
    assert place.stored() == 1


async def test_under_load_while_a_provider_hangs(place: Place) -> None:
    async with place.running() as child:
        place.graph.auto_statuses = False  # no report ever says what became of the answer
        place.graph.writes(IGOR, "Начало")
        await place.whatsapp({"object": "moon"})
        await place.ready()
        await place.until(lambda: bool(place.said_to(OWNER, "Начало")), "shown")
        await place.until(lambda: bool(place.said_to(OWNER, "непонятного вида")), "told")
        place.world.plan(Fault("hang", "graph", "POST /messages", times=None, seconds=60))
        topic = place.telegram.topics_of(OWNER)[0]["message_thread_id"]
        place.telegram.writes(OWNER, "Ответ без ответа", thread_id=topic)
        await place.until(lambda: bool(place.graph.messages(IGOR)[1:]), "on its way")
        taken: list[str] = []
        refused: list[int] = []
        load = [asyncio.create_task(_load(place, lane, taken, refused)) for lane in range(4)]
        await place.until(lambda: len(taken) > 20, "under load")
        _, half = await asyncio.open_connection("127.0.0.1", place.port)
        half.write(b"POST /webhooks/telegram HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
        await half.drain()
        ending = asyncio.create_task(child.stop())
        await place.until_async(lambda: _says_that_it_stops(place), "not ready any more", 3.0)
        code, seconds = await ending
        half.close()
        await asyncio.gather(*load)
        assert (code, seconds < 5.0, child.out) == (0, True, ""), (seconds, child.err[-2000:])
    assert set(refused) <= {503}
    bodies = "".join(row[0] for row in place.rows("select cast(body as text) from inbox"))
    assert [wamid for wamid in taken if f'"{wamid}"' not in bodies] == []
    place.world.faults.clear()
    async with place.running():
        wanted = len(taken) + 1
        await place.until(lambda: len(place.exported("message.in")) >= wanted, "all exported after all")
        await place.until(lambda: _state(place) == "uncertain", "the answer's fate is not known")
        await place.ready()
        await place.until(lambda: _asked(place), "she is asked", 30.0)
    sent = [c for c in place.world.of("graph", "POST /messages") if c.request.get("type")]
    assert len(sent) == 1
    assert place.rows("select attempts from inbox where state = 'quarantined'") == [(2,)]
    assert len(place.said_to(OWNER, "непонятного вида")) == 1


async def _says_that_it_stops(place: Place) -> bool:
    answer = await place.get("/readyz")
    return answer.status == 503 and "stopping" in answer.json()["parts"]["workers"]["detail"]


def _asked(place: Place) -> bool:
    """A question with buttons, as a reply to her answer."""
    own = [m["message_id"] for m in place.telegram.messages(OWNER) if m.get("text") == "Ответ без ответа"]
    replies = [m for m in place.said_to(OWNER, "") if m.get("reply_to_message", {}).get("message_id") in own]
    return any(m["_markup"] for m in replies)


def _state(place: Place) -> str:
    states = [line["data"]["state"] for line in place.exported("delivery.changed")]
    return states[-1] if states else ""


async def _load(place: Place, lane: int, taken: list[str], refused: list[int]) -> None:
    number = 0
    while True:
        wamid = f"wamid.{lane}.{number}"
        try:
            answer = await place.whatsapp(text_message(wamid, number=f"1202555018{lane}", wamid=wamid))
        except aiohttp.ClientError:
            return
        if answer.status != 200:
            refused.append(answer.status)
            return
        taken.append(wamid)
        number += 1

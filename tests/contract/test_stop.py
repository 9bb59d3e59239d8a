"""SIGTERM at any moment: within 5 s, with 0, and nothing that was acknowledged is lost."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from sandbox.world import Fault
from tests.contract.process import IGOR, OWNER, Place, text_message


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


async def test_under_load_while_a_provider_hangs(place: Place) -> None:
    async with place.running() as child:
        place.graph.auto_statuses = False  # no report ever says what became of the answer
        place.graph.writes(IGOR, "Начало")
        await place.ready()
        await place.until(lambda: bool(place.said_to(OWNER, "Начало")), "shown")
        place.world.plan(Fault("hang", "graph", "POST /messages", times=None, seconds=60))
        topic = place.telegram.topics_of(OWNER)[0]["message_thread_id"]
        place.telegram.writes(OWNER, "Ответ без ответа", thread_id=topic)
        await place.until(lambda: bool(place.graph.messages(IGOR)[1:]), "on its way")
        taken: list[str] = []
        refused: list[int] = []
        load = [asyncio.create_task(_load(place, lane, taken, refused)) for lane in range(8)]
        await place.until(lambda: len(taken) > 40, "under load")
        code, seconds = await child.stop()
        print("STOP", seconds, len(taken), refused)
        for task in load:
            task.cancel()
        await asyncio.gather(*load, return_exceptions=True)
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
        if answer.status == 200:
            taken.append(wamid)
        else:
            refused.append(answer.status)
        number += 1

"""P17: what aiogram costs for the hot update, her text in a topic; the handler decides that nothing is to be done."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

from bench.bodies import people
from bench.child import child
from bench.figures import median, spread, times, us
from bench.history import OWNER
from bench.phrases import ANSWER
from bench.plan import Plan
from bench.report import Line

ROUND = 1000


async def cost(plan: Plan) -> list[Line]:
    async with child(
        ["-m", "bench.dispatch", str(plan.rounds), str(plan.count(ROUND))], plan.work / "dispatch"
    ) as process:
        told = await process.says(120)
    ours, single, handler = told["product"], told["single"], told["handler"]
    share = median([a / b for a, b in zip(ours, single, strict=True)])
    return [
        Line(
            "P17",
            "dispatch of the hot update / through one router, CPU",
            "<= 1.2",
            times(share),
            share,
            share <= 1.2,
            {
                "product's dispatcher": us(median(ours)),
                "one router": us(median(single)),
                "the handler alone": us(median(handler)),
                "rounds": spread([a / b for a, b in zip(ours, single, strict=True)]),
            },
        )
    ]


async def measured(rounds: int, count: int) -> dict[str, list[float]]:
    """CPU seconds an update, a value for each round."""
    from aiogram import Bot, Dispatcher  # noqa: PLC0415 only in the child: it takes seconds
    from aiogram.types import Update  # noqa: PLC0415

    from bot.dispatcher import make_dispatcher  # noqa: PLC0415
    from bot.handlers import writing  # noqa: PLC0415
    from bot.owner import owner_message  # noqa: PLC0415
    from inbox.gate import Raw  # noqa: PLC0415
    from inbox.model import Provider  # noqa: PLC0415
    from inbox.routing import Nothing  # noqa: PLC0415

    class Idle:
        """A console that finds nothing to do."""

        async def read(self, work: object) -> Nothing:
            return Nothing()

    single = Dispatcher()
    single.include_router(writing.router())
    bot = Bot("7000000001:AAHexampleexampleexampleexampleexample")
    raw = json.dumps(_update()).encode()
    wrote = owner_message(Raw(Provider("telegram"), "1", raw, _now(), 1))
    console: Any = Idle()
    extra = {"wrote": wrote, "console": console, "update_key": "1"}
    message = Update.model_validate(_update()).message
    assert message is not None and wrote is not None
    dispatchers = {"product": make_dispatcher(), "single": single}
    found: dict[str, list[float]] = {"product": [], "single": [], "handler": []}
    for number in range(rounds + 1):
        for name, dispatcher in dispatchers.items():
            started = time.process_time()
            for _ in range(count):
                await dispatcher.feed_raw_update(bot, _update(), **extra)
            found[name].append((time.process_time() - started) / count)
        started = time.process_time()
        for _ in range(count):
            await writing.on_message(message, wrote, console)
        found["handler"].append((time.process_time() - started) / count)
        if number == 0:  # all is warm now
            found = {name: [] for name in found}
    await bot.session.close()
    return found


def _now() -> Any:
    from inbox.clock import SystemClock  # noqa: PLC0415

    return SystemClock().now()


def _update() -> dict[str, Any]:
    who = {"id": OWNER, "is_bot": False, "first_name": people(1)[0].name, "language_code": "ru"}
    chat = {"id": OWNER, "type": "private", "first_name": who["first_name"]}
    place = {"message_thread_id": 17, "is_topic_message": True}
    message = {"message_id": 90, "date": 1_795_306_200, "from": who, "chat": chat, "text": ANSWER, **place}
    return {"update_id": 860_000_001, "message": message}


if __name__ == "__main__":
    result = asyncio.run(measured(int(sys.argv[1]), int(sys.argv[2])))
    sys.stdout.write(json.dumps(result) + "\n")

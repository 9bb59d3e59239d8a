"""P16: five hundred messages in a minute, at Telegram's own pace, against a fake that counts it."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass

from bench.bodies import tagged
from bench.figures import median, percentile
from bench.plan import Plan
from bench.report import Line
from bench.stage import Stage, stage
from sandbox.picture import picture

MESSAGES, SECONDS, CLIENTS = 500, 60.0, 40
PHOTOS = 0.15
COUNTED = frozenset(
    "sendMessage sendPhoto sendMediaGroup sendDocument sendVideo sendVoice sendAudio copyMessage "
    "editMessageText editMessageCaption createForumTopic editForumTopic pinChatMessage".split()
)
"""Calls that Telegram counts against the chat; a reaction is counted apart."""


@dataclass(frozen=True, slots=True)
class Outcome:
    calls: dict[str, int]
    throttled: int
    first_sign: list[float]  # seconds, each client's
    waits: list[float]  # seconds, each message's
    drained: float

    @property
    def counted(self) -> int:
        return _counted(self.calls)

    def references(self) -> dict[str, str]:
        named = sorted((m, n) for m, n in self.calls.items() if m in COUNTED or m == "setMessageReaction")
        return {
            "calls": ", ".join(f"{method} {count}" for method, count in named),
            "drained": f"{self.drained:.0f} s",
            "wait p50": f"{median(self.waits):.0f} s",
            "first sign p50": f"{median(self.first_sign):.0f} s",
        }


async def burst(plan: Plan) -> list[Line]:
    """Quick: a tenth of it, which has no goal."""
    share = 10 if plan.quick else 1
    known = await _run(plan, share, known=True)
    fresh = await _run(plan, share, known=False)
    p95 = percentile(known.first_sign, 0.95)
    size = f"{MESSAGES // share} messages in {SECONDS / share:.0f} s from {max(4, CLIENTS // share)} clients"
    met = known.counted <= 180 and known.throttled == 0 and p95 <= 40
    return [
        Line(
            "P16",
            f"{size}: calls, 429s, first sign p95",
            "<= 180, 0, <= 40 s",
            f"{known.counted}, {known.throttled}, {p95:.0f} s",
            float(known.counted),
            None if plan.quick else met,
            known.references(),
        ),
        Line(
            "P16",
            "the same from clients without topics",
            "reported",
            f"{fresh.counted}, {fresh.throttled}, {percentile(fresh.first_sign, 0.95):.0f} s",
            float(fresh.counted),
            None,
            fresh.references(),
        ),
    ]


async def _run(plan: Plan, share: int, *, known: bool) -> Outcome:
    clients = max(4, CLIENTS // share)
    async with stage(plan.work / "burst", clients) as scene:
        if known:
            async with scene.app(at_once=True, core=None):
                await scene.acquaint()
                await _quiet(scene)
        scene.telegram.buckets = True
        async with scene.app(at_once=False, core=None):
            await _quiet(scene)
            return await _pour(scene, MESSAGES // share, SECONDS / share)


async def _quiet(scene: Stage) -> None:
    """Cards, pins and names of the acquaintance are done, and the chat's bucket is full again."""
    calls = -1
    while calls != _counted(scene.world.methods):
        calls = _counted(scene.world.methods)
        await asyncio.sleep(6)


def _counted(methods: Mapping[str, int]) -> int:
    return sum(count for method, count in methods.items() if method in COUNTED)


async def _pour(scene: Stage, count: int, seconds: float) -> Outcome:
    chance = random.Random(5)
    before = dict(scene.world.methods)
    journal = len(scene.world.calls)
    sent: dict[int, float] = {}
    first: dict[str, int] = {}
    start = time.perf_counter()
    for at, number in zip(sorted(chance.uniform(0, seconds) for _ in range(count)), scene.numbers(count), strict=True):
        await asyncio.sleep(max(0.0, start + at - time.perf_counter()))
        client = chance.choice(scene.clients)
        sent[number] = time.perf_counter()
        first.setdefault(client.number, number)
        if chance.random() < PHOTOS:
            caption = tagged(number)
            scene.graph.writes(client.number, kind="image", file=picture(number % 7), mime="image/png", caption=caption)
        else:
            scene.graph.writes(client.number, tagged(number))
    await scene.shown(sent, timeout=60 + 3 * count)
    arrived = scene.world.arrived["telegram"]
    calls = {m: n - before.get(m, 0) for m, n in scene.world.methods.items() if n > before.get(m, 0)}
    return Outcome(
        calls,
        sum(call.status == 429 for call in list(scene.world.calls)[journal:]),
        [arrived[number] - sent[number] for number in first.values()],
        [arrived[number] - at for number, at in sent.items()],
        max(arrived[number] for number in sent) - start,
    )

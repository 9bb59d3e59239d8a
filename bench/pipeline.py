"""P6 to P9: through the whole product. From a webhook to the desk, from the desk to the client, out into the export."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from aiohttp import web

from bench.bodies import MOST_PEOPLE
from bench.figures import median, ms, percentile, spread
from bench.history import OWNER
from bench.ingest import saturated
from bench.load import offered, poisson
from bench.phrases import ANSWER
from bench.plan import Plan
from bench.report import Line
from bench.stage import Stage, free_port, stage

RATE = 20.0  # messages a second where the pipeline idles between them
OWNERS_RATE = 4.0  # her messages; each client is below the networks' pace to one person
CLIENTS = 40
BURST = 500


async def shown(plan: Plan) -> list[Line]:
    """Alone in the lanes: no client writes twice before the first was shown."""
    acks: list[list[float]] = []
    ways: list[list[float]] = []
    async with stage(plan.work / "shown", CLIENTS) as scene, scene.app(at_once=True):
        await scene.acquaint()
        for number in range(plan.rounds):
            ack, way = await _idle_round(scene, plan.count(200), number)
            acks.append(ack)
            ways.append(way)
    ack50, ack99 = (median([percentile(r, q) for r in acks]) for q in (0.5, 0.99))
    way50, way99 = (median([percentile(r, q) for r in ways]) for q in (0.5, 0.99))
    share = way50 / ack50
    return [
        Line(
            "P6",
            "webhook to sendMessage at the fake, 20/s: p50 / ack p50; p99",
            "<= 1.3x ack, p99 < 30 ms",
            f"{share:.2f}x; {ms(way99)}",
            share,
            share <= 1.3 and way99 < 0.030,
            {
                "p50": ms(way50),
                "ack": f"p50 {ms(ack50)}, p99 {ms(ack99)}",
                "rounds' p99": spread([percentile(r, 0.99) * 1000 for r in ways]) + " ms",
            },
        )
    ]


async def _idle_round(scene: Stage, count: int, seed: int) -> tuple[list[float], list[float]]:
    """Seconds from the due time to the ack, and to the desk."""
    numbers = scene.numbers(count)
    due: dict[int, float] = {}
    load = await offered(scene.port, scene.requests(numbers), RATE, seed, due_times=due)
    if load.failures:
        raise RuntimeError(f"{load.failures} webhooks were refused")
    await scene.shown(numbers)
    arrived = scene.world.arrived["telegram"]
    return load.latencies, [arrived[n] - due[i] for i, n in enumerate(numbers)]


async def answered(plan: Plan) -> list[Line]:
    rounds: list[list[float]] = []
    async with stage(plan.work / "answered", 80) as scene, scene.app(at_once=True):
        await scene.acquaint()
        threads = list(scene.threads().values())
        for number in range(plan.rounds):
            rounds.append(await _answers_round(scene, threads, plan.count(80), number))
    everything = [seconds for r in rounds for seconds in r]  # a round is too small for a 99th percentile of its own
    p50, p99 = percentile(everything, 0.5), percentile(everything, 0.99)
    return [
        Line(
            "P7",
            "the owner's text to the call at the client's network, p99",
            "< 40 ms",
            ms(p99),
            p99,
            p99 < 0.040,
            {"p50": ms(p50), "rounds' worst": spread([max(r) * 1000 for r in rounds]) + " ms"},
        )
    ]


async def _answers_round(scene: Stage, threads: list[int], count: int, seed: int) -> list[float]:
    numbers = scene.numbers(count)
    due: dict[int, float] = {}
    async for i, at in poisson(count, OWNERS_RATE, seed):
        due[numbers[i]] = at
        scene.telegram.writes(OWNER, f"#n{numbers[i]}# {ANSWER}", thread_id=threads[numbers[i] % len(threads)])
    arrived = scene.world.arrived["graph"]
    await scene.until(lambda: all(n in arrived for n in numbers), "her answers at the network")
    return [arrived[n] - due[n] for n in numbers]


class Receiver:
    """A healthy receiver of the export: lateness of each event against the commit that stored it."""

    def __init__(self) -> None:
        self.late: list[float] = []
        self.ids: list[int] = []

    async def take(self, request: web.Request) -> web.Response:
        data = json.loads(await request.read())["data"]
        self.late.append(time.time() - datetime.fromisoformat(data["stored_at"]).timestamp())
        self.ids.append(data["id"])
        return web.Response(status=204)

    async def settled(self, count: int) -> None:
        """Until so many came, and for a moment nothing more."""
        async with asyncio.timeout(120):
            while True:
                seen = len(self.ids)
                await asyncio.sleep(0.5)
                if seen == len(self.ids) >= count:
                    return


@asynccontextmanager
async def receiving(port: int) -> AsyncIterator[Receiver]:
    receiver = Receiver()
    site = web.Application()
    site.add_routes([web.post("/", receiver.take)])
    runner = web.AppRunner(site, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield receiver
    finally:
        await runner.cleanup()


async def exported(plan: Plan) -> list[Line]:
    port = free_port()
    settings = {"SUBSTANCE_WEBHOOK_URL": f"http://127.0.0.1:{port}/", "SUBSTANCE_WEBHOOK_SECRET": "example-key"}
    steady: list[float] = []
    bursts: list[list[float]] = []
    async with (
        receiving(port) as receiver,
        stage(plan.work / "exported", CLIENTS, **settings) as scene,
        scene.app(at_once=True),
    ):
        await scene.acquaint()
        await receiver.settled(2 * CLIENTS)
        for number in range(plan.rounds):
            receiver.late.clear()
            await _idle_round(scene, plan.count(200), number)
            await receiver.settled(1)
            steady.append(percentile(receiver.late, 0.99))
            receiver.late.clear()
            await scene.pump(plan.count(BURST))
            await receiver.settled(1)
            bursts.append(list(receiver.late))
        order = receiver.ids == sorted(receiver.ids)
    worst = median([max(b) for b in bursts])
    burst99 = median([percentile(b, 0.99) for b in bursts])
    return [
        Line(
            "P8",
            "export event at the receiver after its commit, 20/s, p99",
            "< 100 ms",
            ms(median(steady)),
            median(steady),
            median(steady) < 0.100,
            {"rounds": spread([s * 1000 for s in steady]) + " ms", "in order": "yes" if order else "NO"},
        ),
        Line(
            "P8",
            f"the same in a burst of {plan.count(BURST)} messages at once, p99",
            "< 1 s (promised)",
            ms(burst99),
            burst99,
            burst99 < 1.0,
            {
                "p50": ms(median([percentile(b, 0.5) for b in bursts])),
                "last": ms(worst),
                "events a burst": f"{median([len(b) for b in bursts]):.0f}",
            },
        ),
    ]


async def throughput(plan: Plan) -> list[Line]:
    base = await saturated(plan, ("ingest",), plan.rounds, plan.seconds(2.0))
    rates: list[float] = []
    calls: list[float] = []
    cpu: list[float] = []
    ack: list[float] = []
    loads: list[float] = []
    count = plan.count(3000)
    async with stage(plan.work / "throughput", MOST_PEOPLE) as scene, scene.app(at_once=True) as process:
        await scene.acquaint()
        for _ in range(plan.rounds):
            before, sends = process.cpu(), scene.world.methods.get("sendMessage", 0)
            own = time.process_time()
            numbers, started, load = await scene.pump(count)
            seconds = max(scene.world.arrived["telegram"][n] for n in numbers) - started
            rates.append(count / seconds)
            loads.append((time.process_time() - own) / seconds)
            calls.append((scene.world.methods["sendMessage"] - sends) / seconds)
            cpu.append((process.cpu() - before) / count)
            ack.append(load.rate)
    shutil.rmtree(plan.work / "throughput", ignore_errors=True)
    share = median(rates) / median(base["ingest"].rate)
    return [
        Line(
            "P9",
            "whole pipeline, messages/s of P1",
            ">= 0.30",
            f"{share:.3f}; {median(rates):.0f}/s",
            share,
            share >= 0.30,
            {
                "P1's ingest": f"{median(base['ingest'].rate):.0f}/s",
                "taken in meanwhile": f"{median(ack):.0f}/s",
                "calls": f"{median(calls):.0f}/s (waiting texts of a client are joined)",
                "CPU": f"{median(cpu) * 1000:.2f} ms a message",
                "load and fakes": f"{median(loads) * 100:.0f}% of their core",
                "rounds": spread(rates) + " messages/s",
            },
        )
    ]

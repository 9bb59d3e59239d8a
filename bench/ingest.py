"""P1 to P5: how much and how fast is taken in durably, beside a bare handler and the floor."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench import history
from bench.bodies import Bodies, people
from bench.child import Child, child
from bench.figures import median, ms, percentile, spread, times, us
from bench.load import Load, offered, saturate
from bench.plan import Plan
from bench.report import Line

RATE = 200.0  # requests a second where latency is looked at
CEILING = 25_000  # requests a second that no variant reaches: so many are prepared
WARM_UP = 0.5
REALISTIC = 200_000  # messages of a few years
QUIET_P99 = 0.015


@dataclass(slots=True)
class Server:
    child: Child
    port: int
    folder: Path


@dataclass(slots=True)
class Rounds:
    """What one variant showed, a value for each round."""

    rate: list[float] = field(default_factory=list)  # requests a second
    cpu: list[float] = field(default_factory=list)  # seconds a request
    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    own: list[float] = field(default_factory=list)  # share of a core that the load itself took

    def add(self, load: Load, cpu: float) -> None:
        if load.failures or not load.latencies:
            raise RuntimeError(
                f"{load.failures} of {load.failures + len(load.latencies)} requests were not answered 200"
            )
        self.rate.append(load.rate)
        self.cpu.append(cpu / len(load.latencies))
        self.p50.append(percentile(load.latencies, 0.50))
        self.p99.append(percentile(load.latencies, 0.99))
        self.own.append(load.own_cpu / load.seconds)


@asynccontextmanager
async def servers(variants: Sequence[str], work: Path) -> AsyncIterator[dict[str, Server]]:
    """All of them at once; one that is not asked takes no time."""
    async with AsyncExitStack() as stack:
        made: dict[str, Server] = {}
        for variant in variants:
            folder = work / variant
            shutil.rmtree(folder, ignore_errors=True)
            made[variant] = await start(stack, variant, folder)
        yield made


async def start(stack: AsyncExitStack, variant: str, folder: Path) -> Server:
    process = await stack.enter_async_context(child(["-m", "bench.servers", variant], folder))
    return Server(process, int((await process.says())["port"]), folder)


class Driver:
    """Sends new bodies only: a repeat would be cheaper."""

    def __init__(self) -> None:
        self._bodies = Bodies()
        self._clients = people(40)
        self._next = 0

    def requests(self, count: int) -> list[bytes]:
        start, self._next = self._next, self._next + count
        return self._bodies.requests(self._clients, start, count)

    async def saturate(self, server: Server, seconds: float, into: Rounds | None) -> None:
        requests = self.requests(int(seconds * CEILING) if into else int(WARM_UP * CEILING))
        before = server.child.cpu()
        load = await saturate(server.port, iter(requests), seconds)
        if into is not None:
            into.add(load, server.child.cpu() - before)

    async def offer(self, server: Server, seconds: float, seed: int, into: Rounds) -> None:
        requests = self.requests(max(1, int(RATE * seconds)))
        before = server.child.cpu()
        load = await offered(server.port, requests, RATE, seed)
        into.add(load, server.child.cpu() - before)


async def saturated(plan: Plan, variants: Sequence[str], rounds: int, seconds: float) -> dict[str, Rounds]:
    found = {variant: Rounds() for variant in variants}
    driver = Driver()
    async with servers(variants, plan.work / "ingest") as running:
        for variant in variants:
            await driver.saturate(running[variant], WARM_UP, None)
        for _ in range(rounds):
            for variant in variants:
                await driver.saturate(running[variant], seconds, found[variant])
    return found


def ratio(values: Sequence[float], base: Sequence[float]) -> list[float]:
    """Round by round: neighbours in time saw the same neighbours on the machine."""
    return [value / other for value, other in zip(values, base, strict=True)]


async def throughput(plan: Plan) -> list[Line]:
    found = await saturated(plan, ("bare", "floor", "ingest"), plan.rounds, plan.seconds(4.0))
    base, low, ours = found["bare"], found["floor"], found["ingest"]
    rate, share = ratio(ours.rate, base.rate), ratio(ours.rate, low.rate)
    cpu, more = ratio(ours.cpu, base.cpu), ratio(ours.cpu, low.cpu)
    return [
        Line(
            "P1",
            "durable ingest, requests/s of bare; of the floor",
            ">= 0.45, and >= 0.85 of the floor",
            f"{median(rate):.2f}; {median(share):.2f} of the floor",
            median(rate),
            median(rate) >= 0.45 and median(share) >= 0.85,
            {
                "ingest": f"{median(ours.rate):.0f}/s, p99 {ms(median(ours.p99))}",
                "bare": f"{median(base.rate):.0f}/s, p99 {ms(median(base.p99))}",
                "floor": f"{median(low.rate):.0f}/s = {median(ratio(low.rate, base.rate)):.2f} of bare",
                "rounds": f"{spread(rate)} of bare, {spread(share)} of the floor",
                "load's own core": ", ".join(f"{n} {median(f.own) * 100:.0f}%" for n, f in found.items()),
            },
        ),
        Line(
            "P2",
            "CPU of the durable ack / CPU of bare",
            "<= 1.8, or <= 1.1 of the floor's",
            f"{times(median(cpu))}; {times(median(more))} of the floor's",
            median(cpu),
            median(cpu) <= 1.8 or median(more) <= 1.1,
            {
                "ingest": us(median(ours.cpu)),
                "bare": us(median(base.cpu)),
                "floor": f"{us(median(low.cpu))} = {times(median(ratio(low.cpu, base.cpu)))} of bare",
                "rounds": spread(cpu),
            },
        ),
    ]


async def steady(plan: Plan, variants: Sequence[str], seconds: float) -> dict[str, Rounds]:
    found = {variant: Rounds() for variant in variants}
    driver = Driver()
    async with servers(variants, plan.work / "steady") as running:
        for variant in variants:
            await driver.saturate(running[variant], WARM_UP, None)
        for number in range(plan.rounds):
            for variant in variants:
                await driver.offer(running[variant], seconds, number, found[variant])
    return found


def latencies(found: Mapping[str, Rounds]) -> dict[str, str]:
    return {name: f"p50 {ms(median(r.p50))}, p99 {ms(median(r.p99))}" for name, r in found.items()}


async def latency(plan: Plan) -> list[Line]:
    found = await steady(plan, ("bare", "floor", "ingest"), plan.seconds(10.0))
    ours = found["ingest"]
    share = median(ratio(ours.p99, found["bare"].p99))
    return [
        Line(
            "P3",
            "ack p99 at 200/s, open loop / bare's p99; absolute",
            "<= 1.5, and < 15 ms",
            f"{times(share)}; {ms(median(ours.p99))}",
            share,
            share <= 1.5 and median(ours.p99) < QUIET_P99,
            {**latencies(found), "rounds": spread(ratio(ours.p99, found["bare"].p99))},
        )
    ]


async def slow_disk(plan: Plan) -> list[Line]:
    found = await steady(plan, ("bare", "slow"), plan.seconds(8.0))
    p99 = median(found["slow"].p99)
    return [
        Line(
            "P4",
            "ack p99 at 200/s with 5 ms added to each commit",
            "< 60 ms",
            ms(p99),
            p99,
            p99 < 0.060,
            latencies(found),
        )
    ]


async def during_backup(plan: Plan) -> list[Line]:
    """The load goes on as long as the copy takes; what was due before its end counts."""
    found = {"bare": Rounds(), "ingest": Rounds()}
    beside: dict[str, Rounds] = {"backup": Rounds()}
    driver, took, size = Driver(), [0.0], 0
    folder = plan.work / "backup"
    shutil.rmtree(folder, ignore_errors=True)
    await history.copied(plan, REALISTIC, folder / "ingest")
    async with AsyncExitStack() as stack:
        plain = await start(stack, "bare", folder / "bare")
        ours = await start(stack, "ingest", folder / "ingest")
        for number in range(plan.rounds):
            await driver.offer(plain, plan.seconds(4.0), number, found["bare"])
            await driver.offer(ours, plan.seconds(4.0), number, found["ingest"])
            seconds, size = await _backed_up(driver, ours, number, beside["backup"])
            took.append(seconds)
    p99 = median(beside["backup"].p99)
    return [
        Line(
            "P5",
            "ack p99 at 200/s while a backup is made",
            "< 100 ms",
            ms(p99),
            p99,
            p99 < 0.100,
            {
                **latencies(found),
                "backup": f"{size / 1024**2:.0f} MB in {median(took[1:]):.1f} s",
                "worst round": ms(max(beside["backup"].p99)),
            },
        )
    ]


async def _backed_up(driver: Driver, server: Server, number: int, into: Rounds) -> tuple[float, int]:
    """Seconds that the copy took, and its bytes."""
    target = server.folder / "copy.db"
    said: asyncio.Task[dict[str, float]] = asyncio.create_task(server.child.says(600))
    await server.child.tell({"backup": str(target)})
    whole, started = Load(), time.perf_counter()
    before, part = server.child.cpu(), 0
    while not said.done():
        load = await offered(server.port, driver.requests(int(RATE / 2)), RATE, number * 1000 + part)
        whole.latencies += load.latencies
        whole.failures += load.failures
        part += 1
    whole.seconds = time.perf_counter() - started
    into.add(whole, server.child.cpu() - before)
    target.unlink()
    told = said.result()
    return told["seconds"], int(told["bytes"])

"""P13 to P15: how soon after a start, and in how much memory."""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from bench import history
from bench.child import Child, child, settings
from bench.figures import mb, median, ms, spread, times
from bench.history import OWNER
from bench.load import Connection, Done
from bench.phrases import client_name
from bench.plan import Plan
from bench.report import Line
from bench.stage import Stage, stage
from storage.db import FILE

IMPORT = "import aiogram, aiohttp.web"
IMPORT_AND_WAIT = "import aiogram, sys; print('{}', flush=True); sys.stdin.read()"
LOOK_EVERY = 0.005
SETTLE = 3.0
QUEUED = 100_000
LANES = 100


async def first_answer(plan: Plan) -> list[Line]:
    """The command as it is run, until a signed webhook gets its 200; the first round makes the database."""
    answers: list[float] = []
    imports: list[float] = []
    async with stage(plan.work / "first_answer", 40) as scene:
        for _ in range(plan.rounds):
            answers.append(await _start_until_200(scene))
            imports.append(await _import_seconds(scene.folder))
    restarts = answers[1:]
    share = median([a / i for a, i in zip(restarts, imports[1:], strict=True)])
    return [
        Line(
            "P13",
            f"start to the first 200 / `{IMPORT}` alone",
            "<= 0.25",
            f"{share:.2f}; {median(restarts):.2f} s",
            share,
            share <= 0.25,
            {
                "the import": f"{median(imports):.2f} s",
                "first start, database made": f"{answers[0]:.2f} s",
                "rounds": spread(restarts) + " s",
            },
        )
    ]


async def _start_until_200(scene: Stage) -> float:
    request = scene.requests(scene.numbers(1))[0]
    started = time.perf_counter()
    async with child(["-m", "bot"], scene.folder, scene.environment, core=None) as process:
        while await _status(scene.port, request) != 200:
            if process.ended:
                raise RuntimeError("the product ended")
            await asyncio.sleep(LOOK_EVERY)
        return time.perf_counter() - started


async def _status(port: int, request: bytes) -> int:
    """0: nobody listens yet."""
    loop = asyncio.get_running_loop()
    try:
        _, connection = await loop.create_connection(Connection, "127.0.0.1", port)
    except OSError:
        return 0
    answer: asyncio.Future[int] = loop.create_future()
    done: Done = answer.set_result
    connection.send(request, done)
    try:
        return await answer
    finally:
        connection.close()


async def _import_seconds(folder: Path) -> float:
    started = time.perf_counter()
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", IMPORT, cwd=folder, env=settings({}))
    if await process.wait():
        raise RuntimeError(f"`{IMPORT}` failed")
    return time.perf_counter() - started


async def memory(plan: Plan) -> list[Line]:
    """Idle, then after a tenth of the messages (all is warm then) and after all of them."""
    async with child(["-c", IMPORT_AND_WAIT], plan.work / "import") as bare:
        await bare.says()
        base = bare.rss()
    async with stage(plan.work / "memory", 40) as scene, scene.app(at_once=True) as process:
        idle = await _settled_rss(process)
        await scene.acquaint()
        await _pump_all(scene, plan.messages // 10)
        warm = await _settled_rss(process)
        await _pump_all(scene, plan.messages - plan.messages // 10)
        last = await _settled_rss(process)
    shutil.rmtree(plan.work / "memory", ignore_errors=True)
    growth = last / warm - 1
    return [
        Line(
            "P14",
            "memory idle / memory of `import aiogram`",
            "<= 1.12",
            f"{times(idle / base)}; {mb(idle)}",
            idle / base,
            idle / base <= 1.12,
            {"import aiogram": mb(base)},
        ),
        Line(
            "P14",
            f"growth of memory from {plan.messages // 10} to {plan.messages} messages",
            "< 10% (after a million)",
            f"{growth * 100:.1f}%",
            growth,
            growth < 0.10,
            {"idle": mb(idle), "warm": mb(warm), "at the end": mb(last)},
        ),
    ]


async def _pump_all(scene: Stage, count: int) -> None:
    """In portions, as a fake remembers all that it took."""
    for start in range(0, count, 1000):
        await scene.pump(min(1000, count - start))


async def _settled_rss(process: Child) -> int:
    """The least of a few looks: what the last message left behind is cleared by then."""
    looks: list[int] = []
    for _ in range(5):
        await asyncio.sleep(SETTLE / 5)
        looks.append(process.rss())
    return min(looks)


@dataclass(frozen=True, slots=True)
class ColdStart:
    """Seconds until the first send: since the port was open, and since the first call to Telegram."""

    whole: float
    calling: float


async def cold(plan: Plan) -> list[Line]:
    """Beside the same start with one row that waits."""
    queued = plan.count(QUEUED)
    many = [await _first_send(plan, queued) for _ in range(plan.rounds)]
    one = [await _first_send(plan, 1) for _ in range(plan.rounds)]
    whole, calling = ([getattr(start, name) for start in many] for name in ("whole", "calling"))
    return [
        Line(
            "P15",
            f"cold start with {queued} queued rows: listening to the first send",
            "< 0.3 s",
            f"{median(whole):.2f} s",
            median(whole),
            median(whole) < 0.3,
            {"with one row": f"{median([start.whole for start in one]):.2f} s", "rounds": spread(whole) + " s"},
        ),
        Line(
            "P15",
            "the part of it after aiogram's import: first call to the first send",
            "< 0.3 s",
            ms(median(calling)),
            median(calling),
            median(calling) < 0.3,
            {"with one row": ms(median([start.calling for start in one])), "most": ms(max(calling))},
        ),
    ]


async def _first_send(plan: Plan, rows: int) -> ColdStart:
    folder = plan.work / "cold"
    async with AsyncExitStack() as stack:
        scene = await stack.enter_async_context(stage(folder, 1))
        data = folder / "data"
        await history.copied(plan, 10_000, data)
        threads = {c: scene.telegram.creates_topic(OWNER, client_name(c)) for c in range(1, LANES + 1)}
        history.queue(data / FILE, threads, rows)
        process = await stack.enter_async_context(child(["-m", "bench.app"], folder, scene.environment, core=None))
        await process.says()
        listening = time.perf_counter()
        arrived = scene.world.arrived["telegram"]
        await scene.until(lambda: bool(arrived), "the first send")
        first = min(arrived.values())
        return ColdStart(first - listening, first - min(scene.world.first.values()))

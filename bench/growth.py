"""P10 to P12: the same acts on a small and on a big database."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import random
import shutil
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from bench import history
from bench.bodies import Bodies, Client, tagged
from bench.child import child
from bench.figures import median, ms, percentile
from bench.history import Shape
from bench.phrases import COMMON, RARE, client_name
from bench.plan import Plan
from bench.report import Line

SMALL = 10_000
ACTS = 300  # a round
LAST = 50  # messages of a client
PAGE = 20  # results of a search


async def growth(plan: Plan) -> list[Line]:
    small, big = await history.cached(plan, SMALL), await history.cached(plan, plan.rows)
    work = plan.work / "growth"
    shutil.rmtree(work, ignore_errors=True)
    await history.copied(plan, SMALL, work / "small")
    arguments = ["-m", "bench.growth", str(work / "small"), str(SMALL), str(big), str(plan.rows)]
    async with child([*arguments, str(plan.rounds), str(plan.count(ACTS))], work, core=None) as process:
        told = await process.says(1800)
    size = {name: (folder / "inbox.db").stat().st_size for name, folder in (("small", small), ("big", big))}
    return [_inbound(plan, told, size["big"]), *_search(plan, told), _card(plan, told)]


def _judged(plan: Plan, met: bool) -> bool | None:
    """The goals are for ten million."""
    return met if plan.rows >= 10_000_000 else None


def _inbound(plan: Plan, told: dict[str, Any], size: int) -> Line:
    small, big = told["small"], told["big"]
    share = median([b / s for b, s in zip(big["p50"], small["p50"], strict=True)])
    return Line(
        "P10",
        f"inbound transactions p50 at {plan.rows} / at {SMALL} messages",
        "<= 1.5 at 10 000 000",
        f"{share:.2f}",
        share,
        _judged(plan, share <= 1.5),
        {
            f"at {plan.rows}": f"p50 {ms(median(big['p50']))}, p99 {ms(median(big['p99']))}",
            f"at {SMALL}": f"p50 {ms(median(small['p50']))}, p99 {ms(median(small['p99']))}",
            "database": f"{size / 1024**3:.2f} GB",
            "one act": "body committed, then applied and committed",
        },
    )


def _search(plan: Plan, told: dict[str, Any]) -> list[Line]:
    name = f"search, newest {PAGE}, at {plan.rows}, p99: rare, common, prefix"
    found = told["big"].get("search")
    if not isinstance(found, dict):
        return [Line("P11", name, "< 10 ms, never over 200 ms", "not built", None, None, {"why": str(found)})]
    p99 = [percentile(found[kind], 0.99) for kind in ("rare", "common", "prefix")]
    met = max(p99) < 0.010 and max(max(values) for values in found.values()) < 0.2
    result = ", ".join(ms(value) for value in p99)
    worst = {kind: f"p50 {ms(median(values))}, most {ms(max(values))}" for kind, values in found.items()}
    return [Line("P11", name, "< 10 ms, never over 200 ms", result, max(p99), _judged(plan, met), worst)]


def _card(plan: Plan, told: dict[str, Any]) -> Line:
    cards = told["big"]["card"]
    value = percentile(cards, 0.5)
    return Line(
        "P12",
        f"a client's last {LAST} messages at {plan.rows}, p50",
        "< 1 ms at 10 000 000",
        ms(value),
        value,
        _judged(plan, value < 0.001),
        {"p99": ms(percentile(cards, 0.99)), f"at {SMALL}": ms(percentile(told["small"]["card"], 0.5))},
    )


# what runs in the child


async def measured(folders: dict[str, tuple[Path, Shape]], rounds: int, count: int) -> dict[str, Any]:
    from contextlib import AsyncExitStack  # noqa: PLC0415

    from inbox.clock import SystemClock  # noqa: PLC0415
    from storage.store import open_store  # noqa: PLC0415

    found: dict[str, Any] = {name: {"p50": [], "p99": []} for name in folders}
    async with AsyncExitStack() as stack:
        stores = {
            name: await stack.enter_async_context(open_store(folder, SystemClock()))
            for name, (folder, _) in folders.items()
        }
        for number in range(rounds + 1):
            for name, store in stores.items():
                times = await _inbound_acts(store, folders[name][1], count, number)
                if number:  # the first round warms up
                    found[name]["p50"].append(percentile(times, 0.50))
                    found[name]["p99"].append(percentile(times, 0.99))
    for name, (folder, shape) in folders.items():
        found[name]["card"] = _cards(folder / "inbox.db", shape, count)
        found[name]["search"] = _searches(folder / "inbox.db", count)
    return found


async def _inbound_acts(store: Any, shape: Shape, count: int, seed: int) -> list[float]:
    """Known clients, new messages; parsing is not counted."""
    from bench.servers import gate_settings  # noqa: PLC0415
    from gates.whatsapp.abilities import ABILITIES, WHATSAPP  # noqa: PLC0415
    from gates.whatsapp.parse import Mine, parse  # noqa: PLC0415
    from inbox.apply import Effects, Rules, apply  # noqa: PLC0415
    from inbox.clock import SystemClock  # noqa: PLC0415
    from inbox.gate import Raw  # noqa: PLC0415

    voice: Any = None  # nothing is said for a plain text
    rules = Rules({WHATSAPP: ABILITIES}, voice)
    mine, clock = Mine(gate_settings().phone_number_id), SystemClock()
    chance, bodies, run = random.Random(seed), Bodies(), uuid.uuid4().hex
    times: list[float] = []
    for number in range(count):
        client = _old(chance.randint(1, shape.contacts))
        raw = Raw(WHATSAPP, f"{run}{number}", bodies.text(client, number, tagged(number)), clock.now())
        facts = parse(raw, mine)

        def work(unit: Any, key: str = raw.key, facts: Any = facts) -> None:
            for fact in facts:
                apply(unit, fact, rules, Effects())

        started = time.perf_counter()
        await store.put([raw])
        await store.write(work)
        times.append(time.perf_counter() - started)
    return times


def _old(number: int) -> Client:
    """A client of the history."""
    return Client("", client_name(number), history.user(number))


def _cards(path: Path, shape: Shape, count: int) -> list[float]:
    from inbox.model import ContactId  # noqa: PLC0415

    chance = random.Random(9)
    clients = [ContactId(chance.randint(1, shape.contacts)) for _ in range(count)]
    with _reading(path) as reading:
        return [_timed(partial(reading.last_messages, client, LAST)) for client in clients]


def _searches(path: Path, count: int) -> dict[str, list[float]] | str:
    """As the product looks, the found words in their messages included; why not, where it cannot."""
    if importlib.util.find_spec("storage.search") is None:
        return "there is no storage.search"
    from inbox.search import parse  # noqa: PLC0415

    queries = {"rare": parse(RARE), "common": parse(COMMON), "prefix": parse(f"{COMMON[:5]}*")}
    with _reading(path) as reading:
        for kind, query in queries.items():
            if not reading.find_messages(query, None, PAGE).hits:
                raise RuntimeError(f"the {kind} word was not found")
        return {
            kind: [_timed(partial(reading.find_messages, query, None, PAGE)) for _ in range(count)]
            for kind, query in queries.items()
        }


@contextmanager
def _reading(path: Path) -> Iterator[Any]:
    from storage.db import open_read_only  # noqa: PLC0415
    from storage.unit import SqlReading  # noqa: PLC0415

    connection = open_read_only(path)
    try:
        yield SqlReading(connection)
    finally:
        connection.close()


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    small, small_rows, big, big_rows, times, acts = sys.argv[1:]
    where = {"small": (Path(small), Shape(int(small_rows))), "big": (Path(big), Shape(int(big_rows)))}
    sys.stdout.write(json.dumps(asyncio.run(measured(where, int(times), int(acts)))) + "\n")
    sys.stdout.flush()

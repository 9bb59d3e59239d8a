"""`python -m bench`: measure, print the table, write the JSON.

A missed goal is told; exit code 1 means that a row could not be measured at all.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import burst, dispatch, growth, ingest, pipeline, start
from bench.child import pin, unpin
from bench.plan import ROOT, Plan
from bench.report import Failure, Line, Report, machine, markdown, table, told


@dataclass(frozen=True, slots=True)
class Group:
    """Rows that are measured together. pinned: the load has a core of its own."""

    rows: tuple[str, ...]
    measure: Callable[[Plan], Awaitable[list[Line]]]
    pinned: bool = True


GROUPS: tuple[Group, ...] = (
    Group(("P1", "P2"), ingest.throughput),
    Group(("P3",), ingest.latency),
    Group(("P4",), ingest.slow_disk),
    Group(("P5",), ingest.during_backup),
    Group(("P6",), pipeline.shown),
    Group(("P7",), pipeline.answered),
    Group(("P8",), pipeline.exported),
    Group(("P9",), pipeline.throughput),
    Group(("P10", "P11", "P12"), growth.growth, pinned=False),
    Group(("P13",), start.first_answer, pinned=False),
    Group(("P14",), start.memory),
    Group(("P15",), start.cold, pinned=False),
    Group(("P16",), burst.burst, pinned=False),
    Group(("P17",), dispatch.cost, pinned=False),
)


def main(arguments: Sequence[str]) -> int:
    options = _options(arguments)
    wanted = [name.strip().upper() for name in options.only.split(",") if name.strip()]
    known = [row for group in GROUPS for row in group.rows]
    if unknown := sorted(set(wanted) - set(known)):
        sys.stderr.write(f"no such rows: {', '.join(unknown)}; there are {', '.join(known)}\n")
        return 2
    groups = [group for group in GROUPS if not wanted or set(group.rows) & set(wanted)]
    plan = Plan(options.quick, options.rows, options.messages or (2_000 if options.quick else 20_000), options.work)
    report = asyncio.run(_measure(groups, plan))
    report.lines = [line for line in report.lines if not wanted or line.row in wanted]
    report.write(options.json)
    sys.stdout.write(markdown(report) if options.markdown else table(report.lines))
    sys.stderr.write(told(report.failures))
    return 1 if report.failures else 0


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure the goals of the project.")
    parser.add_argument("--quick", action="store_true", help="few and short rounds: the order of magnitude only")
    parser.add_argument("--only", default="", metavar="ROWS", help="rows to measure, like P1,P6")
    parser.add_argument("--json", type=Path, default=ROOT / "build" / "bench.json", metavar="FILE")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    parser.add_argument("--rows", type=int, default=200_000, help="messages in the big database (the goal: 10000000)")
    parser.add_argument("--messages", type=int, default=0, help="messages through the pipeline for P14's growth")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "bench", help="where databases are kept")
    return parser.parse_args(arguments)


async def _measure(groups: Sequence[Group], plan: Plan) -> Report:
    report = Report(plan.quick, machine=machine())
    plan.work.mkdir(parents=True, exist_ok=True)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, _cancel(asyncio.current_task()))
    for group in groups:
        sys.stderr.write(f"{', '.join(group.rows)} ... ")
        sys.stderr.flush()
        started = time.perf_counter()
        with _placed(group):
            try:
                report.lines += await group.measure(plan)
            except Exception as error:  # one row's trouble is not the others'
                report.failures.append(Failure(group.rows, f"{type(error).__name__}: {error}"))
        sys.stderr.write(f"{time.perf_counter() - started:.0f} s\n")
    return report


def _cancel(task: asyncio.Task[Any] | None) -> Callable[[], object]:
    """Children are ended on the way out, also when the measurement itself is."""
    assert task is not None
    return task.cancel


class _placed(contextlib.AbstractContextManager[None]):  # noqa: N801 used as a function
    def __init__(self, group: Group) -> None:
        self._pinned = group.pinned

    def __enter__(self) -> None:
        if self._pinned:
            pin(0, 1)

    def __exit__(self, *_: object) -> None:
        unpin()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

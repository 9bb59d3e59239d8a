"""What a measurement says, and how it is printed: one line a figure, beside its goal and its references."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Line:
    """One figure. met: None where there is no goal, or where this run is too small to judge it.

    references: what was measured beside it in the same run, as text with units.
    """

    row: str
    metric: str
    goal: str
    result: str
    value: float | None = None
    met: bool | None = None
    references: Mapping[str, str] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        return "-" if self.met is None else "met" if self.met else "missed"


@dataclass(frozen=True, slots=True)
class Failure:
    """Rows that could not be measured, and why."""

    rows: tuple[str, ...]
    reason: str


@dataclass(slots=True)
class Report:
    quick: bool
    lines: list[Line] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    machine: dict[str, Any] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [{**asdict(line), "verdict": line.verdict} for line in self.lines]
        body = {
            "quick": self.quick,
            "machine": self.machine,
            "lines": lines,
            "failures": [asdict(failure) for failure in self.failures],
        }
        path.write_text(json.dumps(body, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


HEAD = ("row", "metric", "goal", "result", "verdict", "references")


def machine() -> dict[str, Any]:
    """What the figures depend on, without a name of the machine."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpus": len(os.sched_getaffinity(0)),
        "load_before": os.getloadavg()[0],
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "system": f"{platform.system()} {platform.machine()}",
    }


def cells(line: Line) -> tuple[str, ...]:
    references = "; ".join(f"{name}: {value}" for name, value in line.references.items())
    return (line.row, line.metric, line.goal, line.result, line.verdict, references)


def table(lines: Iterable[Line]) -> str:
    """Columns for a terminal; the references stand under their line."""
    rows = [HEAD[:5], *(cells(line)[:5] for line in lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    out: list[str] = []
    for row, under in zip(rows, ["", *(cells(line)[5] for line in lines)], strict=True):
        out.append("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        if under:
            out.append(f"{'':{widths[0]}}  {under}")
    return "\n".join(out) + "\n"


def markdown(report: Report) -> str:
    lines = ["| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in cells(line)) + " |" for line in report.lines]
    lines += [f"| {', '.join(f.rows)} | not measured |  |  |  | {f.reason} |" for f in report.failures]
    return "\n".join(lines) + "\n"


def told(failures: Sequence[Failure]) -> str:
    return "".join(f"not measured: {', '.join(f.rows)}: {f.reason}\n" for f in failures)

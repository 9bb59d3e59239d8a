"""A finding: what was looked at, how it is, and what to do about it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    FINE = "fine"
    WARNING = "warning"
    BROKEN = "broken"


SIGNS = {Level.FINE: "✓", Level.WARNING: "!", Level.BROKEN: "✗"}


@dataclass(frozen=True, slots=True)
class Finding:
    """fix: one thing to do; "" where nothing is to be done. No part of it is a secret."""

    check: str
    level: Level
    text: str
    fix: str = ""


def fine(check: str, text: str) -> Finding:
    return Finding(check, Level.FINE, text)


def warning(check: str, text: str, fix: str) -> Finding:
    return Finding(check, Level.WARNING, text, fix)


def broken(check: str, text: str, fix: str) -> Finding:
    return Finding(check, Level.BROKEN, text, fix)


def as_text(findings: Sequence[Finding]) -> str:
    width = max((len(f.check) for f in findings), default=0)
    lines = []
    for f in findings:
        lines.append(f"{SIGNS[f.level]} {f.check:<{width}}  {f.text}")
        if f.fix:
            lines.append(f"  {'':<{width}}  -> {f.fix}")
    return "".join(f"{line}\n" for line in lines)


def as_json(findings: Sequence[Finding]) -> str:
    """{"broken": count, "warnings": count, "findings": [{"check", "level", "text", "fix"}]}"""
    told = {
        "broken": sum(f.level is Level.BROKEN for f in findings),
        "warnings": sum(f.level is Level.WARNING for f in findings),
        "findings": [{"check": f.check, "level": f.level, "text": f.text, "fix": f.fix} for f in findings],
    }
    return json.dumps(told, ensure_ascii=False, indent=2) + "\n"

"""Screens as plain text, so that a snapshot reads like the screen: formatting, buttons and no-break spaces shown."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from bot.texts import FluentTexts
from bot.texts.words import Words
from inbox.model import Notice, Text

NOW = datetime(2026, 11, 25, 11, 0, tzinfo=UTC)  # 14:00 in Moscow
ZONE = ZoneInfo("Europe/Moscow")
TEXTS = FluentTexts(strict=True)

_MARKS = {"bold": ("**", "**"), "italic": ("_", "_"), "code": ("`", "`"), "quote": ("> ", ""), "folded": (">> ", "")}


class StoppedClock:
    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        raise AssertionError(f"nothing here sleeps, for {seconds} s")


def words(language: str) -> Words:
    return Words(TEXTS, language, ZONE, NOW)


def draw_text(text: Text) -> str:
    marks: list[tuple[int, int, str]] = []
    for span in text.spans:
        before, after = _MARKS.get(span.kind, (f"<{span.kind}>", f"</{span.kind} {span.url}>"))
        marks += [(span.start, 1, before), (span.end, 0, after)]
    out = text.plain
    for at, _, mark in sorted(marks, reverse=True):
        out = out[:at] + mark + out[at:]
    return out.replace("\N{NO-BREAK SPACE}", "~")


def draw_notice(notice: Notice) -> str:
    flags = [f"reply to {notice.reply_to}"] if notice.reply_to else []
    flags += ["pin"] if notice.pin else []
    flags += [] if notice.silent else ["sound"]
    lines = [f"({notice.key}{''.join(', ' + flag for flag in flags)})", draw_text(notice.text)]
    for row in notice.buttons:
        lines.append("  ".join(f"[{b.label}{'|' + b.style if b.style else ''}]({b.data})" for b in row))
    return "\n".join(lines)


def compare(name: str, screens: Iterable[tuple[str, str]]) -> None:
    """Against the snapshot of that name; UPDATE_SCREENS=1 writes it anew, for the reviewer to read."""
    path = Path(__file__).with_name("screens") / f"{name}.txt"
    drawn = "\n".join(f"=== {title}\n{screen}\n" for title, screen in screens)
    if os.environ.get("UPDATE_SCREENS"):
        path.write_text(drawn, "utf-8")
    assert drawn == path.read_text("utf-8")

"""Which backups stay: the newest of each of the last 24 hours, 7 days and 4 weeks in which there was one."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Hashable
from datetime import UTC, datetime
from pathlib import Path

_NAME = re.compile(r"inbox-(\d{8}T\d{6})Z\.db")
_Span = Callable[[datetime], Hashable]
_KEPT: tuple[tuple[_Span, int], ...] = (
    (lambda at: (at.date(), at.hour), 24),
    (lambda at: at.date(), 7),
    (lambda at: at.isocalendar()[:2], 4),
)


def surplus(made: Collection[datetime]) -> set[datetime]:
    """Those that may go."""
    return set(made) - {at for span, count in _KEPT for at in _newest_of_each(made, span, count)}


def thin(folder: Path) -> list[Path]:
    """Remove surplus dated backups; copies made before a migration are left alone. Returns what was removed."""
    dated = {at: path for path in folder.glob("inbox-*.db") if (at := _made_at(path)) is not None}
    gone = [dated[at] for at in sorted(surplus(dated.keys()))]
    for path in gone:
        path.unlink(missing_ok=True)
    return gone


def _newest_of_each(made: Collection[datetime], span: _Span, count: int) -> list[datetime]:
    newest = {span(at): at for at in sorted(made)}
    return sorted(newest.values())[-count:]


def _made_at(path: Path) -> datetime | None:
    found = _NAME.fullmatch(path.name)
    return None if found is None else datetime.strptime(found[1], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)

"""Which backups stay: the newest of each of the last 24 hours, 7 days and 4 weeks in which there was one, the last
three made before a migration; fewer where the disk is short of room, and never none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from storage.backup import Copy, copies

MIGRATIONS = 3
_NAME = re.compile(r"inbox-(\d{8}T\d{6})Z\.db")
_Span = Callable[[datetime], Hashable]
_HOURS: tuple[_Span, int] = (lambda at: (at.date(), at.hour), 24)
_LONGER: tuple[tuple[_Span, int], ...] = ((lambda at: at.date(), 7), (lambda at: at.isocalendar()[:2], 4))


@dataclass(frozen=True, slots=True)
class Room:
    """gone: what makes room, in the order in which it goes. fits: a copy may be begun then."""

    gone: tuple[Copy, ...]
    fits: bool


def surplus(made: Collection[datetime]) -> set[datetime]:
    """Those that may go."""
    return set(made) - {at for span, count in (_HOURS, *_LONGER) for at in _newest_of_each(made, span, count)}


def room(found: Sequence[Copy], *, need: int, free: int, floor: int) -> Room:
    """Bytes. found: newest first. The newest always stays; nothing goes for a copy that would not fit even then."""
    for wanted, fits in ((floor + need, True), (floor, False)):
        gone: list[Copy] = []
        left = free
        for copy in _least_missed(found):
            if left >= wanted:
                break
            gone.append(copy)
            left += copy.size
        if left >= wanted:
            return Room(tuple(gone), fits)
    return Room(tuple(gone), False)


def thin(data_dir: Path) -> list[Path]:
    """Remove the surplus of a data folder; what has another name is left alone. Returns what was removed."""
    found = copies(data_dir)
    dated = {at: copy.path for copy in found if (at := made_at(copy.path)) is not None}
    before_migrations = [copy.path for copy in found if made_at(copy.path) is None]
    gone = [*(dated[at] for at in sorted(surplus(dated.keys()))), *before_migrations[MIGRATIONS:]]
    for path in gone:
        path.unlink(missing_ok=True)
    return gone


def made_at(path: Path) -> datetime | None:
    """By its name; None: before a migration."""
    found = _NAME.fullmatch(path.name)
    return None if found is None else datetime.strptime(found[1], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)


def _least_missed(found: Sequence[Copy]) -> list[Copy]:
    """All but the newest: surplus, hourly, daily or weekly, those before migrations; each kind from the oldest on."""
    dated = {at: copy for copy in found[1:] if (at := made_at(copy.path)) is not None}
    newest = made_at(found[0].path) if found else None
    known = {*dated, *([newest] if newest else [])}
    surplus_ones = surplus(known)
    longer = {at for span, count in _LONGER for at in _newest_of_each(known, span, count)}

    def value(at: datetime) -> tuple[int, datetime]:
        return (0 if at in surplus_ones else 2 if at in longer else 1, at)

    others = sorted((copy for copy in found[1:] if made_at(copy.path) is None), key=lambda copy: copy.at)
    return [*(dated[at] for at in sorted(dated, key=value)), *others]


def _newest_of_each(made: Collection[datetime], span: _Span, count: int) -> list[datetime]:
    newest = {span(at): at for at in sorted(made)}
    return sorted(newest.values())[-count:]

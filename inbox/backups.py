"""Backups that the owner asks for: who waits for an answer stands in a row, so that a restart forgets nobody."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from inbox.model import ContactId
from inbox.store import Reading, Unit

ASKED = "backup_asked"
MOST = 20


@dataclass(frozen=True, slots=True)
class Asked:
    """ref: names the message that the answer will stand in. reply_to: what she wrote. contact: in whose topic."""

    ref: str
    reply_to: int | None = None
    contact: ContactId | None = None


def ask(unit: Unit, who: Asked) -> bool:
    """False: it is asked for in this very message already."""
    waiting = asked(unit)
    if any(other.ref == who.ref for other in waiting):
        return False
    _keep(unit, [*waiting, who][-MOST:])
    return True


def asked(reading: Reading) -> list[Asked]:
    return [
        Asked(row["ref"], row["reply_to"], None if row["contact"] is None else ContactId(row["contact"]))
        for row in json.loads(reading.setting(ASKED) or "[]")
    ]


def answered(unit: Unit, those: list[Asked]) -> None:
    _keep(unit, [who for who in asked(unit) if who not in those])


def _keep(unit: Unit, waiting: list[Asked]) -> None:
    unit.set_setting(ASKED, json.dumps([asdict(who) for who in waiting]) if waiting else None)

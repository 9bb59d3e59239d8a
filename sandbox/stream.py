"""The export as it grows: lines of the product's JSONL files, each with its age at the moment it could be read."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

KEPT = 2000
EVERY = 0.01  # seconds between looks; it adds to each age


@dataclass(frozen=True, slots=True)
class Line:
    """age: seconds from the cause to the line in the file. The cause is the act where it is known, else the storing."""

    number: int
    age: float
    at: float
    body: dict[str, Any]

    def view(self) -> dict[str, Any]:
        return {"number": self.number, "age": round(self.age * 1000), "at": self.at, "body": self.body}


class Causes:
    """When things were done, by the provider's id of what was made."""

    def __init__(self) -> None:
        self._moments: dict[str, float] = {}
        self._order: deque[str] = deque()

    def add(self, external_id: str, moment: float) -> None:
        self._moments[external_id] = moment
        self._order.append(external_id)
        if len(self._order) > KEPT:
            self._moments.pop(self._order.popleft(), None)

    def get(self, external_id: str) -> float | None:
        return self._moments.get(external_id)


class Stream:
    """Follows a folder of files that only grow. `shift`: seconds that the product's clock is ahead of ours."""

    def __init__(self, folder: Path, causes: Causes, shift: Callable[[], float], changed: Callable[[], None]) -> None:
        self._folder = folder
        self._causes = causes
        self._shift = shift
        self._changed = changed
        self._shifts = [shift()]
        self._read: dict[Path, int] = {}
        self._count = 0
        self.lines: deque[Line] = deque(maxlen=KEPT)

    @property
    def count(self) -> int:
        return self._count

    def skip(self) -> None:
        """Leave out what the files hold already."""
        for path in self._folder.glob("*.jsonl"):
            self._read[path] = path.stat().st_size

    async def run(self) -> None:
        while True:
            if self._look():
                self._changed()
            await asyncio.sleep(EVERY)

    def _look(self) -> bool:
        if self._shift() != self._shifts[-1]:
            self._shifts = [*self._shifts[-4:], self._shift()]
        grown = False
        for path in sorted(self._folder.glob("*.jsonl")):
            if path.stat().st_size > self._read.get(path, 0):
                grown = self._take(path) or grown
        return grown

    def _take(self, path: Path) -> bool:
        with path.open("rb") as file:
            file.seek(self._read.get(path, 0))
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._read[path] = self._read.get(path, 0) + len(whole)
        now = time.time()
        for raw in whole.splitlines():
            body = json.loads(raw)
            self._count += 1
            self.lines.append(Line(self._count, self._age(body, now), now + self._shift(), body))
        return bool(whole)

    def _age(self, body: dict[str, Any], now: float) -> float:
        data = body["data"]
        cause = self._causes.get(str(data.get("external_id"))) if data["type"] == "message.in" else None
        if cause is not None:
            return now - cause
        stored = datetime.fromisoformat(data["stored_at"]).timestamp()
        # The clock may have been moved between the storing and this look.
        ages = [now + shift - stored for shift in self._shifts]
        return min((age for age in ages if age > -0.005), default=max(ages))

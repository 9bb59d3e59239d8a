"""What the fake providers share: a clock that can be moved, a journal of every call, and planned trouble.

Nothing here knows the product. Tests drive it directly, the page through a small JSON API.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Call:
    """One call that a fake provider received: what was asked, and what it answered."""

    number: int
    at: float  # seconds of the world's clock
    provider: str  # "telegram", "graph"
    method: str  # Bot API method, or "POST /messages"
    request: Mapping[str, Any]
    status: int  # HTTP status; 0: the connection was cut without an answer
    answer: Any
    fault: str = ""  # the kind of the planned trouble that it met


@dataclass(slots=True)
class Fault:
    """Trouble that a fake provider makes for the next matching calls.

    kind: "refuse"   the call is not taken, the connection is closed
          "lost"     the call is taken, the connection is closed without an answer
          "half"     the call is taken, half of the answer is sent, then the connection is closed
          "hang"     the call is taken, the answer comes after `seconds`
          "500"      the call is not taken, a bare 500 without the provider's error body
          "garbage"  the call is taken, the answer is 200 with `error` (a character is a byte) or with HTML
          "429"      the provider's own throttling answer with `seconds` as retry_after
          "error"    the provider's own error answer: `error` is given to the fake, which knows its codes
    """

    kind: str
    provider: str
    method: str | None = None  # None: any
    times: int | None = 1  # None: until it is lifted
    seconds: float = 0.0
    error: str = ""
    chance: float = 1.0


@dataclass
class World:
    """Shared state of the fakes. `shift` moves the clock of the providers (and, in the sandbox, of the product).

    time: Unix seconds; another clock than the system's lets their time pass faster.
    """

    seed: int = 0
    shift: float = 0.0
    time: Callable[[], float] = time.time
    calls: deque[Call] = field(default_factory=lambda: deque(maxlen=100_000))
    faults: list[Fault] = field(default_factory=list)
    _count: int = 0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    listeners: list[Callable[[], None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    def now(self) -> float:
        """Unix seconds by the world's clock."""
        return self.time() + self.shift

    def record(
        self, provider: str, method: str, request: Mapping[str, Any], status: int, answer: Any, fault: str = ""
    ) -> Call:
        self._count += 1
        call = Call(self._count, self.now(), provider, method, request, status, answer, fault)
        self.calls.append(call)
        self.touch()
        return call

    def touch(self) -> None:
        """Something changed: wake whoever waits for a condition, and the page."""
        self._changed.set()
        self._changed = asyncio.Event()
        for listener in self.listeners:
            listener()

    def plan(self, fault: Fault) -> Fault:
        self.faults.append(fault)
        return fault

    def lift(self, fault: Fault) -> None:
        if fault in self.faults:
            self.faults.remove(fault)

    def trouble(self, provider: str, method: str) -> Fault | None:
        """The planned fault for this call, used up as planned."""
        for fault in self.faults:
            if fault.provider != provider or (fault.method is not None and fault.method != method):
                continue
            if fault.chance < 1.0 and self.random.random() >= fault.chance:
                continue
            if fault.times is not None:
                fault.times -= 1
                if fault.times <= 0:
                    self.faults.remove(fault)
            return fault
        return None

    def of(self, provider: str, method: str | None = None) -> list[Call]:
        return [c for c in self.calls if c.provider == provider and method in (None, c.method)]

    async def until(self, condition: Callable[[], bool], timeout: float = 10.0, what: str = "") -> None:
        """Wait until the condition holds; it is looked at again at each change. Raises TimeoutError."""
        try:
            async with asyncio.timeout(timeout):
                while not condition():
                    changed = self._changed
                    try:
                        async with asyncio.timeout(0.25):
                            await changed.wait()
                    except TimeoutError:
                        continue
        except TimeoutError:
            raise TimeoutError(f"waited {timeout} s for: {what or 'a condition'}") from None

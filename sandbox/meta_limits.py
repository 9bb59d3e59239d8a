"""How fast the Graph API lets a number send: the pair rate, and limits that are put up for a while."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field

from sandbox.meta_errors import GraphError

PAIR_RATE = 131056
PAIR_BURST, PAIR_SECONDS = 45, 6.0
SAYS_WHEN = frozenset({80006, 80007})  # limits of an account: the usage header says when they end


@dataclass(slots=True)
class Limits:
    now: Callable[[], float]
    account: str
    _tokens: dict[str, tuple[float, float]] = field(default_factory=dict)
    _blocks: dict[str | None, tuple[int, float]] = field(default_factory=dict)

    def block(self, code: int, seconds: float, person: str | None = None) -> float:
        """Refuse sends with this code for so long, to one person or (None) to all; returns when that ends."""
        until = self.now() + seconds
        self._blocks[person] = (code, until)
        return until

    def look(self, person: str) -> None:
        """Raises GraphError while a block stands."""
        for key in (None, person):
            code, until = self._blocks.get(key, (0, 0.0))
            left = until - self.now()
            if left > 0:
                raise GraphError(code, headers=usage(self.account, left) if code in SAYS_WHEN else None)

    def pay(self, person: str) -> None:
        """Pair rate: a burst of 45, then one message per six seconds. Raises GraphError."""
        now = self.now()
        left, at = self._tokens.get(person, (float(PAIR_BURST), now))
        left = min(float(PAIR_BURST), left + (now - at) / PAIR_SECONDS)
        allowed = left >= 1.0
        self._tokens[person] = (left - 1.0 if allowed else left, now)
        if not allowed:
            raise GraphError(PAIR_RATE)


def usage(account: str, seconds: float) -> dict[str, str]:
    """The header that says how much of a limit is used, and in how many minutes there is access again."""
    line = {
        "type": "whatsapp",
        "call_count": 100,
        "total_cputime": 1,
        "total_time": 1,
        "estimated_time_to_regain_access": -(-int(seconds) // 60),
    }
    return {"X-Business-Use-Case-Usage": json.dumps({account: [line]})}

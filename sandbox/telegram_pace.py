"""How fast the Bot API lets a bot send: a bucket for each chat, one for the bot, a stricter one for groups.

Sends, edits and topic creation share them; an album of n counts n. The numbers are those of the simulation that the
product was designed with (Telegram promises none): 1/s with a burst of 5, 20/min in a group, 30/s for the bot, and a
call over it costs 8 s in which every call for that chat is refused as well.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from sandbox.telegram_parameters import Refusal


@dataclass(slots=True)
class Bucket:
    rate: float  # tokens a second
    size: float
    tokens: float
    at: float

    def take(self, now: float, count: int) -> bool:
        """A count larger than the bucket passes when the bucket is full, and leaves it in debt."""
        self.tokens = min(self.size, self.tokens + max(0.0, now - self.at) * self.rate)
        self.at = now
        if self.tokens < min(float(count), self.size):
            return False
        self.tokens -= count
        return True


def too_many(seconds: float) -> Refusal:
    wait = max(1, math.ceil(seconds))
    return Refusal(429, f"Too Many Requests: retry after {wait}", {"retry_after": wait})


@dataclass(slots=True)
class Pace:
    now: Callable[[], float]
    penalty: float = 8.0
    _buckets: dict[str, Bucket] = field(default_factory=dict)
    _until: dict[str, float] = field(default_factory=dict)

    def block(self, chat: str, seconds: float) -> None:
        """Refuse every call for a chat for so long, whatever its pace."""
        self._until[chat] = self.now() + seconds

    def spend(self, chat: str, count: int, *, group: bool) -> None:
        """Count calls for a chat. Raises Refusal 429 over the pace and during the penalty."""
        now = self.now()
        scopes = [(chat, 1.0, 5.0), ("bot", 30.0, 30.0)]
        if group:
            scopes.append((f"{chat}/minute", 20 / 60, 20.0))
        for scope, _, _ in scopes:
            if self._until.get(scope, 0.0) > now:
                raise too_many(self._until[scope] - now)
        for scope, rate, size in scopes:
            bucket = self._buckets.setdefault(scope, Bucket(rate, size, size, now))
            if not bucket.take(now, count):
                self._until[scope] = now + self.penalty
                raise too_many(self.penalty)

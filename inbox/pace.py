"""How fast calls may leave, and when a failed one is tried again. Time is passed in: monotonic seconds."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import Literal

Kind = Literal["message", "edit", "reaction", "topic", "rename", "pin"]

_EPSILON = 1e-6

# Telegram's own figures: about one message a second to a chat, short bursts forgiven; 20 a minute to a group.
# A little slower and less at once: calls that leave a second apart may arrive closer together, and cost a 429 then.
CHAT_RATE = 0.95
CHAT_BURST = 4
GROUP_RATE = 20 / 60
# Promised: 18 messages in any 10 s, as the network counts. A call may take a second to get there, so the guard looks
# back further than that.
GUARD_MESSAGES, GUARD_SECONDS = 18, 11.0
GROUP_MESSAGES, GROUP_SECONDS = 20, 62.0
# Limits of these are not documented.
SIDE_RATE = 1 / 3
SIDE_BURST = 5
SIDE_KINDS: tuple[Kind, ...] = ("reaction", "topic", "rename", "pin")
# Each puts a line into the chat; an edit or a reaction does not.
SEEN_KINDS: frozenset[Kind] = frozenset({"message", "topic", "rename", "pin"})
SLOW_FACTOR, SLOW_SECONDS = 0.5, 300.0


class Bucket:
    """A token bucket: `rate` a second, `burst` at once; `rate` may be infinite.

    A cost above the burst (an album) goes when the bucket is full, and leaves a debt.
    """

    def __init__(self, rate: float, burst: float) -> None:
        if not rate > 0 or not burst >= 1:
            raise ValueError("a bucket needs a rate above 0 and a burst of 1 or more")
        self._rate = rate
        self._burst = float(burst)
        self._tokens = self._burst
        self._counted: float | None = None  # up to when tokens were counted in
        self._blocked_until = -math.inf
        self._factor = 1.0
        self._slow_until = -math.inf

    def wait(self, now: float, cost: float = 1) -> float:
        """Seconds until `cost` may be taken; 0: at once."""
        self._refill(now)
        blocked = self.blocked(now)
        missing = min(cost, self._burst) - self._tokens
        if missing <= _EPSILON or math.isinf(self._rate):
            return blocked
        return blocked + self._time_for(now + blocked, missing)

    def take(self, now: float, cost: float = 1) -> None:
        self._refill(now)
        if not math.isinf(self._rate):
            self._tokens -= cost

    def spare(self, now: float) -> float:
        """Tokens that are there beyond the next call's own."""
        self._refill(now)
        return max(0.0, self._tokens - 1)

    def block(self, now: float, seconds: float) -> None:
        """Nothing for so long, then one: a refusal says that the network counts more than we do."""
        self._refill(now)
        self._tokens = min(self._tokens, 1.0)
        self._blocked_until = max(self._blocked_until, now + seconds)
        self._counted = self._blocked_until

    def release(self, now: float) -> None:
        """Lift a block: whoever asked for it says that it is over."""
        if self.blocked(now) > 0:
            self._blocked_until = -math.inf
            self._counted = now

    def blocked(self, now: float) -> float:
        """Seconds until a block ends."""
        return max(0.0, self._blocked_until - now)

    def slow(self, now: float, factor: float, seconds: float) -> None:
        """Multiply the rate for a while; a second time makes it longer, not slower."""
        self._refill(now)
        self._factor = factor
        self._slow_until = max(self._slow_until, now + seconds)

    def _refill(self, now: float) -> None:
        if self._counted is None:
            self._counted = now
        elif now > self._counted:
            slowed = max(0.0, min(now, self._slow_until) - self._counted)
            gained = (slowed * self._factor + (now - self._counted - slowed)) * self._rate
            self._tokens = min(self._burst, self._tokens + gained)
            self._counted = now

    def _time_for(self, start: float, tokens: float) -> float:
        slowed = max(0.0, self._slow_until - start)
        while_slow = slowed * self._rate * self._factor
        if tokens <= while_slow:
            return tokens / (self._rate * self._factor)
        return slowed + (tokens - while_slow) / self._rate


class Window:
    """A guard: never more than `limit` in any `seconds`. A cost above the limit goes when the window is empty."""

    def __init__(self, limit: float, seconds: float) -> None:
        self._limit = limit
        self._seconds = seconds
        self._taken: deque[tuple[float, float]] = deque()
        self._sum = 0.0

    def wait(self, now: float, cost: float = 1) -> float:
        """Seconds until `cost` may be taken; 0: at once."""
        self._forget(now)
        over = self._sum + min(cost, self._limit) - self._limit
        free_at = now
        for at, taken in self._taken:
            if over <= _EPSILON:
                break
            over -= taken
            free_at = at + self._seconds
        return free_at - now

    def take(self, now: float, cost: float = 1) -> None:
        self._taken.append((now, cost))
        self._sum += cost

    def _forget(self, now: float) -> None:
        while self._taken and self._taken[0][0] + self._seconds <= now:
            self._sum -= self._taken.popleft()[1]


class ChatPace:
    """The pace of one chat of the owner's bot. rate=inf opens it wide, for measuring.

    All kinds share the chat's bucket; SIDE_KINDS have a slow bucket each besides; SEEN_KINDS count as messages in the
    guard. A reaction is different: it waits for its own bucket only, and takes from the chat's what is there beyond
    the next message's slot. So marks make a burst shorter, but no message waits for a mark, and a backlog of messages
    does not hold the marks up. Topics, renames and pins take a whole slot: whoever asks for messages first has them
    delayed by one slot at most. `refusals`: how many 429s there were.
    """

    def __init__(self, rate: float = CHAT_RATE, burst: int = CHAT_BURST, *, group: bool = False) -> None:
        self._open = math.isinf(rate)
        self.refusals = 0
        self._buckets = [Bucket(rate, burst)]
        self._windows = [] if self._open else [Window(GUARD_MESSAGES, GUARD_SECONDS)]
        if group and not self._open:
            self._buckets.append(Bucket(GROUP_RATE, burst))
            self._windows.append(Window(GROUP_MESSAGES, GROUP_SECONDS))
        self._side = {k: Bucket(rate if self._open else SIDE_RATE, SIDE_BURST) for k in SIDE_KINDS}

    def wait(self, kind: Kind, now: float, cost: float = 1) -> float:
        """Seconds until the call may leave; 0: at once. cost: messages that it makes (an album: its items)."""
        waits = [0.0]
        if kind in self._side:
            waits.append(self._side[kind].wait(now))
        if kind == "reaction":
            waits += [b.blocked(now) for b in self._buckets]
        else:
            waits += [b.wait(now, cost) for b in self._buckets]
        if kind in SEEN_KINDS:
            waits += [w.wait(now, cost) for w in self._windows]
        return max(waits)

    def take(self, kind: Kind, now: float, cost: float = 1) -> None:
        if kind in self._side:
            self._side[kind].take(now)
        for bucket in self._buckets:
            bucket.take(now, min(cost, bucket.spare(now)) if kind == "reaction" else cost)
        if kind in SEEN_KINDS:
            for window in self._windows:
                window.take(now, cost)

    def blocked(self, now: float) -> float:
        """Seconds for which a 429 keeps messages back."""
        return max(bucket.blocked(now) for bucket in self._buckets)

    def throttled(self, now: float, retry_after: float, kind: Kind) -> None:
        """A 429. Limits look per method family, so one for a rename or a mark does not mute the chat."""
        self.refusals += 1
        for bucket in [self._side[kind]] if kind in self._side else self._buckets:
            bucket.block(now, retry_after)
            bucket.slow(now, SLOW_FACTOR, SLOW_SECONDS)


def backoff(attempts: int, random: Callable[[], float]) -> float:
    """Seconds until a send that was surely not taken is tried again, after so many attempts; `random` gives [0, 1)."""
    steps = (5.0, 30.0, 120.0, 600.0)
    return _step(steps, attempts) * (0.8 + 0.4 * random())


def fetch_backoff(attempts: int) -> float:
    """Seconds until a file is asked for again, after so many attempts: 1, 3, 10, then three times longer up to 1 h."""
    return _step((1.0, 3.0, 10.0, 30.0, 90.0, 270.0, 810.0, 2430.0, 3600.0), attempts)


def export_backoff(attempts: int) -> float:
    """Seconds until an event is posted again, after so many attempts."""
    return _step((1.0, 2.0, 5.0, 15.0, 30.0, 60.0, 120.0, 240.0, 480.0, 600.0), attempts)


def _step(steps: tuple[float, ...], attempts: int) -> float:
    return steps[min(max(attempts, 1), len(steps)) - 1]

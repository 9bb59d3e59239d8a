"""Looks at the gates and the desk every few seconds and says how they are: for /readyz, /metrics and /status."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from bot.figures import Hook, Observer, Target
from bot.health import DESK, Health, State
from inbox.clock import Clock
from inbox.errors import ACCEPTED, InboxError, Locked, StorageDown, Uncertain, Unreachable
from inbox.log import Log

EVERY = 5.0  # seconds: a change shows within 15
PROBE_EVERY = 10.0  # of a gate that is well: with PROBE_LIMIT, one that dies unused shows within 14
PROBE_AGAIN = 5.0  # of one that is not
PROBE_SOONEST = 2.0  # after a call that failed
PROBE_LIMIT = 4.0
LOOK = 0.5
HOOK_EVERY = 60.0
BLOCKED = 5.0  # a shorter wait is told to nobody
BEHIND = timedelta(seconds=5)
SENT_BACK = frozenset({Unreachable.name, Uncertain.name, Locked.name})


@dataclass(slots=True)
class Watched:
    """A gate that can be asked. targets: what sends through it. trouble(): what besides them is wrong with it.

    An answer to a real call is as good as one to a probe; a call that failed is looked into at once. besides: whose
    calls tell of it too.
    """

    name: str
    probe: Callable[[], Awaitable[None]]
    targets: Sequence[Target]
    trouble: Callable[[], str | None] = lambda: None
    besides: Sequence[Target] = ()
    error: str | None = None

    @property
    def taken(self) -> int:
        return sum(target.calls.get(ACCEPTED, 0) for target in (*self.targets, *self.besides))

    @property
    def failed(self) -> int:
        return sum(target.calls.get(name, 0) for target in (*self.targets, *self.besides) for name in SENT_BACK)

    @property
    def wrong(self) -> str | None:
        """What the last probe met, else what keeps its targets back: an error as it is stored."""
        troubles = (self.error, self.trouble(), *(target.trouble for target in self.targets))
        return next((trouble for trouble in troubles if trouble is not None), None)

    @property
    def wait(self) -> float:
        return max((target.blocked() for target in self.targets), default=0.0)


@dataclass(slots=True)
class Watch:
    """desk: the target whose trouble is the desk's. note(): what is said of a desk that is well.

    webhook: asks Telegram of our webhook; None where updates are polled.
    """

    health: Health
    observer: Observer
    gates: Sequence[Watched]
    desk: Target
    note: Callable[[], str]
    webhook: Callable[[], Awaitable[Hook | None]] | None
    clock: Clock
    log: Log
    _failed: dict[str, int] = field(default_factory=dict)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for gate in self.gates:
                group.create_task(self._probe(gate), name="probe")
            if self.webhook is not None:
                group.create_task(self._ask_of_webhook(self.webhook), name="webhook")
            group.create_task(self._look(), name="figures")

    def backlog(self) -> str:
        """What is said of a storage that is well. Not a few bodies between two commits: those that have waited for a
        while.
        """
        figures = self.observer.latest
        if figures is None or figures.new_since is None or figures.at - figures.new_since < BEHIND:
            return ""
        return f"{figures.new} bodies wait"

    async def _probe(self, gate: Watched) -> None:
        while True:
            begun, failed = self.clock.monotonic(), gate.failed
            gate.error = await asked(gate.probe)
            await self._until_due(gate, begun, failed)

    async def _until_due(self, gate: Watched, begun: float, failed: int) -> None:
        since, taken = begun, gate.taken
        while True:
            self._tell(gate)
            now = self.clock.monotonic()
            if gate.failed != failed and now - begun >= PROBE_SOONEST:
                return
            if gate.taken != taken:
                since, taken = now, gate.taken
                if gate.error is not None:
                    return
            left = since + (PROBE_EVERY if gate.error is None else PROBE_AGAIN) - now
            if left <= 0:
                return
            await self.clock.sleep(min(LOOK, left))

    def _tell(self, gate: Watched) -> None:
        wrong = gate.wrong
        self.observer.troubles[gate.name] = wrong
        self.health.set(gate.name, *told(wrong, gate.wait))
        if gate.name == "telegram":
            state, detail = told(self.desk.trouble or wrong, self.desk.blocked())
            self.health.set(DESK, state, detail or self.note())

    async def _ask_of_webhook(self, ask: Callable[[], Awaitable[Hook | None]]) -> None:
        """Not while Telegram cannot be asked: what it said before is old then, and is not shown."""
        while True:
            try:
                async with asyncio.timeout(PROBE_LIMIT):
                    self.observer.hook = await ask()
            except (InboxError, TimeoutError):
                self.observer.hook = None
            except Exception as error:
                self.observer.hook = None
                self.log.error("webhook.not_asked", error=type(error).__name__)
            await self.clock.sleep(HOOK_EVERY if self.observer.hook else PROBE_EVERY)

    async def _look(self) -> None:
        """A picture that cannot be taken ends nothing."""
        while True:
            try:
                await self.observer.look()
                await self.observer.remember()
            except StorageDown:
                self.log.debug("figures.later")
            except Exception as error:
                self.log.error("figures.failed", error=type(error).__name__)
            await self.clock.sleep(EVERY)


async def asked(probe: Callable[[], Awaitable[None]]) -> str | None:
    """What is wrong, as it is stored. An answer of any kind means that the network and the token live, except where
    it says that they do not. A fault of our own is told, and ends nothing.
    """
    try:
        async with asyncio.timeout(PROBE_LIMIT):
            await probe()
    except (Locked, Unreachable, Uncertain) as error:
        return error.stored()
    except TimeoutError:
        return "uncertain:timeout:"
    except InboxError:
        return None
    except Exception as error:
        return f"broken:{type(error).__name__}:"
    return None


def told(wrong: str | None, wait: float) -> tuple[State, str]:
    if wrong is not None:
        return "degraded", words(wrong)
    return ("degraded", f"429 for {wait:.0f} s") if wait >= BLOCKED else ("ok", "")


def words(stored: str) -> str:
    """An error as it is stored, "name:reason:code", for an operator."""
    name, _, rest = stored.partition(":")
    reason, _, code = rest.partition(":")
    shown = f" ({code})" if code else ""
    if reason == "conflict":
        return f"another program takes the updates{shown}"
    if name == Locked.name:
        return f"token refused{shown}" if reason == "token" else f"locked: {reason}{shown}"
    if name == Unreachable.name:
        return f"cannot be reached: {reason}{shown}" if reason != "connect" else f"no connection{shown}"
    if name == Uncertain.name:
        return f"no answer: {reason}{shown}" if reason != "timeout" else f"no answer{shown}"
    return f"{name} {reason}".strip() + shown

"""What the process is made of, as each part of it may ask for another one. How they are made: `bot.build`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bot.backups import Backups
from bot.config import Config
from bot.disk import DiskWatch
from bot.figures import Observer
from bot.health import Health, Metrics
from bot.place import Place
from bot.secrets import Vault
from bot.speech import Speech
from bot.texts import FluentTexts
from gates.telegram.gate import TelegramGate
from inbox.apply import Rules
from inbox.clock import Clock, Wake
from inbox.errors import StorageDown
from inbox.gate import Gate, Raw
from inbox.model import Provider
from inbox.outbox import OutboxWorker
from inbox.substance import SinkWorker
from storage.blobs import FileBlobs
from storage.store import SqlStore


@dataclass(slots=True)
class Wakes:
    """One bell for each kind of work."""

    intake: Wake = field(default_factory=Wake)
    desk: Wake = field(default_factory=Wake)  # the owner's updates
    outbox: Wake = field(default_factory=Wake)  # the desk's lanes
    marks: Wake = field(default_factory=Wake)
    upkeep: Wake = field(default_factory=Wake)
    media: Wake = field(default_factory=Wake)
    jobs: Wake = field(default_factory=Wake)
    backups: Wake = field(default_factory=Wake)
    sinks: dict[str, Wake] = field(default_factory=dict)
    clients: dict[str, Wake] = field(default_factory=dict)

    def all(self) -> list[Wake]:
        fixed = [self.desk, self.outbox, self.marks, self.media, self.jobs]
        return [*fixed, *self.sinks.values(), *self.clients.values()]


@dataclass(slots=True)
class App:
    """rate: messages a second to the desk instead of Telegram's own pace. outboxes: there once the desk is."""

    config: Config
    clock: Clock
    store: SqlStore
    vault: Vault
    gates: Mapping[str, Gate]
    telegram: TelegramGate
    rules: Rules
    texts: FluentTexts
    speech: Speech
    place: Place
    blobs: FileBlobs
    backups: Backups
    health: Health
    metrics: Metrics
    wakes: Wakes
    sinks: list[SinkWorker]
    observer: Observer
    started: float
    rate: float | None
    disk: DiskWatch
    caught_up: asyncio.Event = field(default_factory=asyncio.Event)  # what the owner did before the start is known
    outboxes: list[OutboxWorker] = field(default_factory=list)
    loaded: Callable[[], None] | None = None

    @property
    def roads(self) -> dict[Provider, Gate]:
        return {road: gate for gate in self.gates.values() for road in gate.roads}

    async def put(self, raws: Sequence[Raw]) -> None:
        """Commit what came in. Raises StorageDown, also where the room that is left is for what is under way."""
        if self.health.stopping:
            raise StorageDown("closed")
        if self.disk.is_full:
            raise StorageDown("full")
        await self.store.put(raws)

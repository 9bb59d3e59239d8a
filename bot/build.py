"""Puts the parts together: everything that can be there before aiogram is, in a fraction of a second."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import structlog
from pydantic import SecretStr

from bot import __version__
from bot.backups import Backups
from bot.config import Config
from bot.disk import DiskWatch, give_back_if_full
from bot.exposition import FiguresCollector
from bot.figures import Observer
from bot.health import Health, Metrics, PartsCollector, Start
from bot.parts import App, Wakes
from bot.place import find_place, tell_gate
from bot.receiver import WebhookSink
from bot.secrets import Vault, open_vault
from bot.speech import Speech
from bot.texts import FluentTexts
from gates import catalog
from gates.http import open_http
from gates.telegram.gate import TelegramGate
from inbox.apply import Rules
from inbox.clock import Clock, Wake
from inbox.store import Unit
from inbox.substance import Sink, SinkWorker
from inbox.waits import resume
from storage.blobs import FOLDER as BLOBS
from storage.blobs import FileBlobs
from storage.reserve import Reserve
from storage.store import SqlStore, open_store
from storage.substance import FileSink

log = structlog.get_logger("bot")


@asynccontextmanager
async def build(config: Config, clock: Clock, rate: float | None = None) -> AsyncIterator[App]:
    """Everything that can be there before aiogram is."""
    if config.telegram is None:
        raise ValueError("no bot token")
    async with AsyncExitStack() as stack:
        reserve = Reserve(config.data_dir)
        give_back_if_full(config.data_dir, reserve)
        store = await stack.enter_async_context(open_store(config.data_dir, clock))
        state = Health(catalog.WEBHOOKS | {"email"})
        disk = DiskWatch(config.data_dir, store, reserve, state, clock, log)
        await disk.begin()
        await store.write(resume)
        http = await stack.enter_async_context(open_http())
        vault = open_vault(config.data_dir, config.secret_keys)
        blobs = FileBlobs(config.data_dir / BLOBS, lambda: disk.refuses)
        await asyncio.to_thread(blobs.drop_unfinished)
        settings: dict[str, object] = {"telegram": config.telegram.settings(await _webhook_secret(store, vault))}
        if config.whatsapp is not None:
            settings["whatsapp"] = config.whatsapp
        gates = catalog.build(settings, catalog.Tools(http, blobs, clock))
        telegram = gates["telegram"]
        if not isinstance(telegram, TelegramGate):
            raise TypeError("the desk's bot is Telegram's")
        roads = {road: abilities for gate in gates.values() for road, abilities in gate.roads.items()}
        windows = {road: abilities.window.free for road, abilities in roads.items()}
        texts = FluentTexts()
        speech = Speech(texts, clock, language=config.language, zone=config.timezone, windows=windows)
        place = await find_place(store, config)
        await tell_gate(telegram, place, store)
        files = FileSink(config.data_dir)
        await store.ensure_events_after(await files.last() or 0)
        sinks: list[Sink] = [files]
        if config.substance is not None:
            receiver = WebhookSink(config.substance.url, config.substance.key, http, clock)
            await store.write(partial(_meet_receiver, name=receiver.name, url=config.substance.url))
            sinks.append(receiver)
        wakes = Wakes(sinks={s.name: Wake() for s in sinks}, clients={road: Wake() for road in roads})
        exports = [SinkWorker(s, store, speech, clock, wakes.sinks[s.name], log) for s in sinks]
        metrics = Metrics(__version__)
        app = App(
            config=config,
            clock=clock,
            store=store,
            vault=vault,
            gates=gates,
            telegram=telegram,
            rules=Rules(roads, speech),
            texts=texts,
            speech=speech,
            place=place,
            blobs=blobs,
            backups=Backups(store, clock, speech, wakes.backups, wakes.outbox, log),
            health=state,
            metrics=metrics,
            wakes=wakes,
            sinks=exports,
            observer=Observer(store, clock, config.data_dir, gates, exports, metrics.acknowledged),
            started=clock.monotonic(),
            rate=rate,
            disk=disk,
        )
        app.metrics.add(PartsCollector(app.health))
        app.metrics.add(FiguresCollector(lambda: app.observer.latest))
        app.health.mark_started(Start.SCHEMA)
        yield app


def _meet_receiver(unit: Unit, *, name: str, url: str) -> None:
    """The end that another address once asked for (410) is none of this one's. An address may hold a secret."""
    digest = hashlib.sha256(url.encode()).hexdigest()
    if unit.setting("substance_receiver") != digest:
        unit.set_setting("substance_receiver", digest)
        unit.set_sink(name, stopped=False)


async def _webhook_secret(store: SqlStore, vault: Vault) -> SecretStr:
    """Made at the first start and kept sealed: Telegram is told it again at each start.

    After a change of keys it is sealed anew, so that the old key may go.
    """
    sealed = await store.read(lambda r: r.setting("telegram_webhook_secret"))
    known = vault.open(sealed) if sealed else None
    renewed = vault.renew(sealed) if sealed else None
    if renewed is not None:
        await store.write(lambda u: u.set_setting("telegram_webhook_secret", renewed))
    if known is not None:
        return SecretStr(known)
    made = secrets.token_urlsafe(32)
    await store.write(lambda u: u.set_setting("telegram_webhook_secret", vault.seal(made)))
    return SecretStr(made)

"""The composition root: what the process is made of, the order of its start, and its end.

Settings, storage, port and intake come first, in a fraction of a second, so that webhooks are taken and committed at
once; then aiogram is imported in a thread, and the desk and all that sends start.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import secrets
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING

import structlog
from aiohttp import web
from pydantic import SecretStr

from bot import __version__, health
from bot.backups import Backups
from bot.catching_up import catch_up
from bot.config import Config, Switch
from bot.crowd import Crowd, make_room
from bot.disk import DiskWatch, Mouth, give_back_if_full
from bot.exposition import FiguresCollector
from bot.figures import Hook, Observer
from bot.health import DESK, WORKERS, Health, Metrics, PartsCollector, Start
from bot.place import Place, find_place, tell_gate
from bot.receiver import WebhookSink
from bot.say import BEFORE_THE_ROAD
from bot.secrets import Vault, open_vault
from bot.speech import Speech
from bot.texts import FluentTexts
from bot.watch import Watch, Watched
from gates import catalog
from gates import web as gate_web
from gates.http import open_http
from gates.telegram.gate import TelegramGate
from inbox.apply import Effects, Rules
from inbox.clock import Clock, SystemClock, Wake
from inbox.errors import InboxError, StorageDown
from inbox.fate import orphaned
from inbox.gate import Gate, Probes, Raw
from inbox.intake import IntakeWorker
from inbox.jobs import JobWorker, work
from inbox.media import MediaWorker
from inbox.model import Provider
from inbox.outbox import OutboxWorker
from inbox.polling import PollWorker
from inbox.quarantine import OTHER, reopen
from inbox.store import Unit
from inbox.substance import Sink, SinkWorker
from inbox.waits import resume
from storage.blobs import FOLDER as BLOBS
from storage.blobs import FileBlobs
from storage.reserve import Reserve
from storage.store import SqlStore, open_store
from storage.substance import FileSink

if TYPE_CHECKING:
    from bot.deskwork import DeskWork

log = structlog.get_logger("bot")

SETTLE = 2.0  # seconds in which what is under way at the end may settle; with the rest of the end well below 5
CLOSING = 0.5  # seconds for the answers that are under way then
RETRY = 5.0
PROBE_EVERY = 3600.0
CONFLICT = "conflict"  # the reason where another program takes the updates


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


async def serve(
    config: Config,
    *,
    clock: SystemClock | None = None,
    routes: Sequence[web.AbstractRouteDef] = (),
    stop: asyncio.Event | None = None,
    ready: Callable[[int], None] | None = None,
    rate: float | None = None,
    loaded: Callable[[], None] | None = None,
) -> int:
    """Run until `stop` is set or SIGTERM comes; returns the exit code.

    routes: further pages on the same port. ready(port): the port is open. rate: messages a second to the desk instead
    of Telegram's own pace; inf opens it. loaded: aiogram is imported, and with it everything.
    """
    ending = stop or asyncio.Event()
    if stop is None:
        for name in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(name, ending.set)
    make_room()
    async with build(config, clock or SystemClock(), rate) as app:
        app.loaded = loaded
        runner = await _listen(app, routes)
        try:
            if ready is not None:
                ready(runner.addresses[0][1])
            return await _run(app, ending)
        finally:
            app.health.stop()
            await runner.cleanup()


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


async def _listen(app: App, routes: Sequence[web.AbstractRouteDef]) -> web.AppRunner:
    site, crowd = web.Application(), Crowd()
    crowd.watch(site)
    token = app.config.metrics_token

    webhooks = gate_web.Webhooks(
        dict(app.gates), app.put, app.clock, app.wakes.intake.ring, app.metrics, catalog.WEBHOOKS
    )
    site.add_routes(webhooks.routes())
    site.add_routes(health.routes(app.health, app.metrics, token.get_secret_value() if token else None))
    site.add_routes(routes)
    runner = web.AppRunner(site, access_log=None, shutdown_timeout=CLOSING, **gate_web.SERVER_OPTIONS)
    await runner.setup()
    webhooks.put_before(runner)
    if runner.server is not None:
        crowd.surround(runner.server)
    await web.TCPSite(runner, app.config.host, app.config.port, backlog=1024).start()
    return runner


async def _run(app: App, ending: asyncio.Event) -> int:
    """All workers in one group; the end of one of them is the end of the process, which is safe: all is in rows."""
    running = asyncio.create_task(_workers(app), name="workers")
    waiting = asyncio.create_task(ending.wait(), name="stop")
    try:
        await asyncio.wait((running, waiting), return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            app.health.set(WORKERS, "down", "ended")
            log.error("workers.ended", error=repr(running.exception()))
            return 1
        log.info("stopping")
        app.health.stop()
        await _settle(app)
        return 0
    finally:
        waiting.cancel()
        running.cancel()
        await asyncio.gather(running, waiting, return_exceptions=True)


async def _settle(app: App) -> None:
    for outbox in app.outboxes:
        outbox.close()
    until = app.clock.monotonic() + SETTLE
    while any(o.busy for o in app.outboxes) and app.clock.monotonic() < until:
        await app.clock.sleep(0.05)


async def _workers(app: App) -> None:
    wakes, store = app.wakes, app.store
    await store.write(lambda u: orphaned(u, u.orphans(), app.rules.voice))
    changed = asyncio.Event()

    async def on_change(_: Effects) -> None:
        try:
            await _learn(app)
        finally:
            changed.set()

    intakes = {gate.provider: gate for gate in app.gates.values()}
    intake = IntakeWorker(store, intakes, app.rules, app.clock, wakes.intake, wakes.all(), on_change, log)
    media_done = [wakes.outbox, *wakes.clients.values(), *wakes.sinks.values()]
    media = MediaWorker(store, app.blobs, app.roads, app.rules, app.clock, wakes.media, media_done, log)
    jobs = JobWorker(store, work(app.rules), app.clock, wakes.jobs, [*wakes.all(), wakes.upkeep], log)
    mouth: asyncio.Future[Mouth] = asyncio.get_running_loop().create_future()
    async with asyncio.TaskGroup() as group:
        group.create_task(app.disk.run(mouth), name="disk")
        for sink in app.sinks:
            group.create_task(sink.run(), name="export")
        group.create_task(intake.run(), name="intake")
        group.create_task(media.run(), name="media")
        group.create_task(jobs.run(), name="jobs")
        group.create_task(app.backups.run(), name="backups")
        desk = await _desk(app)
        desk.start(group)
        watch = _watch(app, desk)
        mouth.set_result(Mouth(desk.announce, app.speech.disk, wakes.outbox, watch.backlog))
        group.create_task(_follow_place(app, desk, changed), name="place")
        group.create_task(watch.run(), name="watch")
        group.create_task(_ask_for_updates(app), name="updates")
        group.create_task(_catch_up(app), name="catching up")
        app.health.mark_started(Start.WORKERS)


async def _desk(app: App) -> DeskWork:
    """aiogram takes seconds to import; meanwhile webhooks are taken, parsed and exported."""
    module = await _imported("bot.deskwork")
    if app.loaded is not None:
        app.loaded()
    desk: DeskWork = module.DeskWork(app, log)
    return desk


async def _imported(name: str) -> ModuleType:
    """In a thread of its own that no end of the program waits for: a stop during the start must not take seconds."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[ModuleType] = loop.create_future()

    def tell(module: ModuleType | None, error: BaseException | None) -> None:
        if done.done():
            return
        if module is not None:
            done.set_result(module)
        else:
            done.set_exception(error or ImportError(name))

    def work() -> None:
        module: ModuleType | None = None
        error: BaseException | None = None
        try:
            module = importlib.import_module(name)
        except BaseException as problem:
            error = problem
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(tell, module, error)

    threading.Thread(target=work, name="import", daemon=True).start()
    return await done


async def _follow_place(app: App, desk: DeskWork, changed: asyncio.Event) -> None:
    """Choose the desk's back-end at the start and look at it again hourly; obey a claim or a changed connection."""
    announce_claim(app.place.claim_code)
    known = False
    while True:
        known = await desk.settle() or known
        if known:
            app.health.set(DESK, "ok", _note(app))
            app.health.mark_started(Start.BOT)
            app.health.mark_started(Start.BACKEND)
        try:
            async with asyncio.timeout(PROBE_EVERY if known else RETRY):
                await changed.wait()
        except TimeoutError:
            continue
        changed.clear()
        if app.place.owner_id is not None and not desk.is_claimed:
            known = await desk.settle()
            await _welcome(desk)


async def _welcome(desk: DeskWork) -> None:
    try:
        await desk.welcome()
    except StorageDown as error:
        log.warning("desk.welcome_lost", error=error.stored())


def _note(app: App) -> str:
    return "nobody has claimed it yet" if app.place.owner_id is None else ""


async def _learn(app: App) -> None:
    """The gate must know of a claim or a connection before the next body is parsed; what waited for it is read anew."""
    place = await find_place(app.store, app.config)
    app.place.owner_id = place.owner_id
    app.place.claim_code = None if place.owner_id else app.place.claim_code
    await tell_gate(app.telegram, app.place, app.store)
    await app.store.write(lambda u: reopen(u, BEFORE_THE_ROAD | {OTHER}))
    app.wakes.intake.ring()


def announce_claim(code: str | None) -> None:
    """To standard output, not to the log: whoever reads it owns the desk."""
    if code is None:
        return
    sys.stdout.write(f"To claim the desk send the bot: /start {code}\n")
    sys.stdout.flush()


async def _ask_for_updates(app: App) -> None:
    """By webhook where the world can reach us, else by long polling."""
    if app.config.public_url is None:
        poll = PollWorker("telegram", app.telegram, app.store, app.put, app.wakes.intake, log)
        async with asyncio.TaskGroup() as group:
            group.create_task(poll.run(), name="poll")
            while not app.telegram.poller.asked:
                await app.clock.sleep(0.05)
            app.health.mark_started(Start.UPDATES)
        return
    failures = 0
    while not app.telegram.registered:
        try:
            await app.telegram.register(app.config.public_url)
        except InboxError as error:
            failures += 1
            log.warning("webhook.not_set", error=error.stored())
            await app.clock.sleep(min(RETRY, 0.5 * 2 ** min(failures, 6)))
    app.health.mark_started(Start.UPDATES)


async def _catch_up(app: App) -> None:
    gate = app.telegram
    asked = (lambda: gate.poller.asked) if app.config.public_url is None else (lambda: gate.registered)
    await catch_up(gate, asked, app.store, app.clock, app.caught_up, log)


def _watch(app: App, desk: DeskWork) -> Watch:
    for name, state in app.config.gates.items():
        if name in app.gates:
            app.health.set(name, "ok")
        else:
            app.health.set(name, "ok", "off" if state.switch is not Switch.ON else "not available in this version")
    app.observer.targets = desk.targets
    app.observer.workers = app.outboxes
    app.observer.throttled = {desk.target.name: lambda: desk.refusals}
    app.observer.polled_at = lambda: app.telegram.poller.answered_at
    gates = [
        Watched(
            name,
            gate.probe,
            [t for t in desk.targets if t.name in gate.roads],
            partial(_reception, app, name),
            besides=[desk.target] if name == app.telegram.provider else [],
        )
        for name, gate in app.gates.items()
        if isinstance(gate, Probes)
    ]
    webhook = partial(_of_webhook, app) if app.config.public_url is not None else None
    return Watch(app.health, app.observer, gates, desk.target, partial(_note, app), webhook, app.clock, log)


def _reception(app: App, gate: str) -> str | None:
    """Where Telegram's updates go, if not here."""
    if gate != app.telegram.provider:
        return None
    if app.config.public_url is None:
        trouble = app.telegram.poller.trouble
        return trouble if trouble is not None and CONFLICT in trouble else None
    return f"unreachable:{CONFLICT}:" if app.observer.hook is not None and app.observer.hook.elsewhere else None


async def _of_webhook(app: App) -> Hook | None:
    if not app.telegram.registered:
        return None
    info = await app.telegram.webhook(app.config.public_url or "")
    return Hook(info.pending, info.error, info.error_at, info.elsewhere)

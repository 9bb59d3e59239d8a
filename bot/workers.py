"""All workers in one group. What takes in, applies and exports starts at once, the desk when aiogram is there."""

from __future__ import annotations

import asyncio
import importlib
import threading
from contextlib import suppress
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING

import structlog

from bot import updates
from bot.claiming import follow_place, learn
from bot.config import Switch
from bot.disk import Mouth
from bot.health import Start
from bot.parts import App
from bot.taking_up import take_up
from bot.watch import Watch, Watched
from inbox.apply import Effects
from inbox.gate import Probes
from inbox.intake import IntakeWorker
from inbox.jobs import JobWorker, work
from inbox.media import MediaWorker

if TYPE_CHECKING:
    from bot.deskwork import DeskWork

log = structlog.get_logger("bot")


async def run_workers(app: App) -> None:
    wakes, store = app.wakes, app.store
    await take_up(store, app.rules.voice, app.clock, log)
    changed = asyncio.Event()

    async def on_change(_: Effects) -> None:
        try:
            await learn(app)
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
        group.create_task(follow_place(app, desk, changed), name="place")
        group.create_task(watch.run(), name="watch")
        group.create_task(updates.ask_for(app), name="updates")
        group.create_task(updates.catch_up_with(app), name="catching up")
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
            partial(updates.reception, app, name),
            besides=[desk.target] if name == app.telegram.provider else [],
        )
        for name, gate in app.gates.items()
        if isinstance(gate, Probes)
    ]
    webhook = partial(updates.of_webhook, app) if app.config.public_url is not None else None
    return Watch(app.health, app.observer, gates, desk.target, lambda: app.place.note, webhook, app.clock, log)

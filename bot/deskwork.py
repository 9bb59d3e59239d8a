"""All that sends, and the owner's console: made once aiogram is there. Importing this module imports aiogram."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta

from aiogram.methods import AnswerCallbackQuery

from bot import __version__, menu
from bot.config import Switch
from bot.console import Console, tell
from bot.desk import TelegramDesk
from bot.dispatcher import DeskWorker, make_dispatcher
from bot.figures import Figures, Target
from bot.handlers.commands import COMMANDS
from bot.membership import Membership
from bot.parts import App
from bot.render import shown_name
from bot.speech import Standing
from bot.status import GateHealth, Status
from bot.texts.words import Words
from gates.telegram.api import call, make_bot
from inbox.errors import InboxError, Unreachable
from inbox.lanes import contact_of
from inbox.log import Log
from inbox.model import Notice, Provider, Text
from inbox.outbox import OutboxWorker
from inbox.pace import CHAT_BURST, CHAT_RATE, ChatPace
from inbox.routing import Console as Commands
from inbox.sending import ClientTarget
from inbox.showing import DeskTarget
from inbox.store import Reading
from inbox.upkeep import MarkWorker, UpkeepWorker, spare

TOAST_TIMEOUT = 5.0
TOASTS = 100
ANNOUNCE_TIMEOUT = 30.0
OPEN_BURST = 1000


class DeskWork:
    """The desk, the lanes to it and to clients, and the worker of the owner's updates."""

    def __init__(self, app: App, log: Log) -> None:
        config, store, clock, rules, wakes = app.config, app.store, app.clock, app.rules, app.wakes
        self._app = app
        self._log = log
        self._findings: tuple[Text, ...] = ()
        self._menus_set = False
        self._toasts: asyncio.Queue[tuple[str, str]] = asyncio.Queue(TOASTS)
        self._bot = make_bot(app.telegram.settings)
        app.telegram.connect(self._bot)
        self._desk = TelegramDesk(
            self._bot, app.texts, app.blobs, clock, language=config.language, zone=config.timezone
        )
        self._pace = pace = _pace(app)
        self._upkeep = UpkeepWorker(self._desk, store, rules, clock, pace, wakes.upkeep, log)
        self._marks = MarkWorker(self._desk, store, clock, pace, wakes.marks, log)
        shares = app.telegram.roads[app.telegram.provider].shares_files_with
        self._target = DeskTarget(
            self._desk, store, rules, clock, pace, shares, self._upkeep.touch, self._upkeep.pin, log
        )
        done = [wakes.outbox, wakes.marks, *wakes.sinks.values()]
        self._clients = {
            road: ClientTarget(road, gate, store, rules, clock, done, log) for road, gate in app.roads.items()
        }
        app.outboxes.append(OutboxWorker(self._target, store, clock, wakes.outbox, log))
        for road, target in self._clients.items():
            app.outboxes.append(OutboxWorker(target, store, clock, wakes.clients[road], log, app.caught_up))
        membership = Membership(self._bot, app.telegram, app.place, store)
        console = Console(
            store=store,
            rules=rules,
            speech=app.speech,
            desk=self._desk,
            commands=Commands(commands=frozenset(COMMANDS)),
            wakes=[*wakes.all(), wakes.upkeep, wakes.backups],
            toast=self.toast,
            standing=self.standing,
            touch=self._upkeep.touch,
            recheck=self._recheck,
            serves=app.telegram.serves,
            place=app.place,
            retry=self._retry,
            member=membership.find,
            obey=membership.obey,
        )
        self._worker = DeskWorker(store, make_dispatcher(), self._bot, console, rules.voice, wakes.desk, log)

    def start(self, group: asyncio.TaskGroup) -> None:
        for outbox in self._app.outboxes:
            group.create_task(outbox.run(), name="outbox")
        group.create_task(self._marks.run(), name="marks")
        group.create_task(self._upkeep.run(), name="upkeep")
        group.create_task(self._worker.run(), name="desk")
        group.create_task(self._answer_taps(), name="toasts")
        group.create_task(self._close_at_end(), name="bot connection")

    @property
    def is_claimed(self) -> bool:
        return self._desk.chat_id is not None

    async def settle(self) -> bool:
        """Choose the back-end; False: Telegram did not answer, what is known stays."""
        place = self._app.place
        try:
            found = await self._desk.probe(place.owner_id, place.forum_id)
        except InboxError as error:
            self._log.warning("desk.probe_failed", error=error.stored())
            return False
        self._findings = found.findings
        self._desk.set_place(found.chat_id, found.backend)
        self._log.info("desk", backend=found.backend, claimed=found.chat_id is not None)
        if found.chat_id is not None and not self._menus_set:
            self._menus_set = await menu.offer(self._bot, self._app.texts, found.chat_id, self._log)
        self._app.wakes.outbox.ring()
        return True

    def _retry(self, provider: Provider) -> bool:
        target = self._clients.get(provider)
        if target is None or target.trouble is None:
            return False
        target.retry()
        return True

    async def _recheck(self) -> None:
        await self.settle()

    async def welcome(self) -> None:
        standing = await self.standing()
        await self._app.store.write(lambda u: tell(u, self._app.speech.welcome(standing)))
        self._app.wakes.outbox.ring()

    async def announce(self, notice: Notice) -> tuple[int, int]:
        """Say it outside topics at once, without a row: (chat id, desk message id). Raises what a desk raises."""
        chat = self._desk.chat_id
        if chat is None:
            raise Unreachable("unclaimed")
        await spare(self._pace, self._app.clock, "message")
        async with asyncio.timeout(ANNOUNCE_TIMEOUT):
            sent = await self._desk.tell(None, notice, None)
        return chat, sent.shown[0][0]

    @property
    def target(self) -> DeskTarget:
        return self._target

    @property
    def targets(self) -> list[Target]:
        return [self._target, *self._clients.values()]

    @property
    def refusals(self) -> int:
        """How often Telegram asked to wait, whatever was called."""
        return self._pace.refusals

    def toast(self, query_id: str, text: str) -> None:
        """Answer a tap, best effort: the act is done already."""
        if not self._toasts.full():
            self._toasts.put_nowait((query_id, text))

    async def _answer_taps(self) -> None:
        while True:
            query_id, text = await self._toasts.get()
            try:
                method = AnswerCallbackQuery(callback_query_id=query_id, text=text or None)
                await call(self._bot, method, timeout=TOAST_TIMEOUT)
            except InboxError as error:
                self._log.debug("toast.lost", error=error.stored())

    async def _close_at_end(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await self._bot.session.close()

    async def standing(self) -> Standing:
        app = self._app
        figures = await app.observer.look()
        states = [self._gate(name) for name in app.config.gates]
        status = Status(
            uptime=timedelta(seconds=app.clock.monotonic() - app.started),
            version=__version__,
            gates=tuple(states),
            backend=self._desk.backend if self._desk.chat_id is not None else None,
            figures=figures,
            longest=await app.store.read(lambda r: _longest(r, figures, app.speech.words)),
            backup_failed=failure.reason if (failure := app.backups.failure) else None,
        )
        ready = tuple(g.provider for g in states if g.state in ("on", "trouble"))
        return Standing(status, ready, tuple(g.provider for g in states if g.provider not in ready), self._findings)

    def _gate(self, name: str) -> GateHealth:
        gate = self._app.gates.get(name)
        if gate is not None:
            troubles = (*(self._clients[road].trouble for road in gate.roads), self._app.observer.troubles.get(name))
            trouble = next((t for t in troubles if t is not None), None)
            return GateHealth(Provider(name), "trouble" if trouble else "on", trouble or "")
        state = self._app.config.gates[name]
        detail = ", ".join(state.missing)
        return GateHealth(Provider(name), "incomplete" if state.switch is Switch.INCOMPLETE else "off", detail)


def _longest(reading: Reading, figures: Figures, words: Words) -> dict[str, str]:
    """By target, the name of the client who waits longest. A lane of nobody is a fault of ours, and has no name."""
    names = {}
    for line in figures.lines:
        contact = contact_of(line.queue.longest) if line.queue.longest is not None else None
        if contact is None:
            continue
        with suppress(KeyError):
            names[line.queue.target] = shown_name(reading.contact(contact).name, words)
    return names


def _pace(app: App) -> ChatPace:
    group = app.place.forum_id is not None
    if app.rate is None:
        return ChatPace(CHAT_RATE, CHAT_BURST, group=group)
    return ChatPace(app.rate, OPEN_BURST, group=group)

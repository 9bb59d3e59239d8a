"""Points at which the program can be killed, put into it from outside: each commit, each call, each await.

`FAIL_POINT=whatsapp.answered:2` kills at the second passing of that name, `FAIL_POINT=step:1234` at the 1234th passing
of any. A step is a resumption of any task, the moment before and after each commit and checkpoint, before and after
each call that leaves, and the named moments between. What was passed is written down, so that a run without a kill
says how many there are.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import signal
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Generator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp

import bot.app
import storage.backup
import storage.migrate
import storage.store
import storage.writer
from bot.desk import TelegramDesk
from inbox.desk import Sent
from inbox.model import Event
from inbox.pace import Bucket
from inbox.sending import ClientTarget, Letter
from inbox.showing import DeskTarget
from storage.substance import FileSink, line

ANY = "step"
INSIDE = 0.0003  # seconds: an emptied log is synced to the disk, which takes longer
IDLE = 0.005  # seconds of rest after which the log is emptied: many checkpoints, not one at the end


class Points:
    """Counts what is passed, and kills where it was asked to."""

    def __init__(self, wanted: str, record: Path) -> None:
        self._name, _, count = wanted.rpartition(":")
        self._count = int(count or 0)
        self._record = record
        self._lock = threading.Lock()
        self._steps = 0
        self._passed: Counter[str] = Counter()

    def reach(self, name: str) -> None:
        if self.due(name):
            self.die()

    def resume(self) -> None:
        """A task goes on."""
        with self._lock:
            self._steps += 1
            due = self._name == ANY and self._steps == self._count
        if due:
            self.die()

    def due(self, name: str) -> bool:
        """Count it; whether this is the one."""
        with self._lock:
            self._steps += 1
            self._passed[name] += 1
            if self._name == ANY:
                return self._steps == self._count
            return self._name == name and self._passed[name] == self._count

    def die(self) -> None:
        self.write_down()
        os.kill(os.getpid(), signal.SIGKILL)

    def die_soon(self) -> None:
        """From beside: in the middle of what this thread does next."""

        def wait() -> None:
            time.sleep(INSIDE)
            self.die()

        threading.Thread(target=wait, daemon=True).start()

    def write_down(self) -> None:
        known = {"steps": self._steps, "passed": dict(self._passed)}
        self._record.write_text(json.dumps(known), encoding="utf-8")


def install(points: Points) -> None:
    _serve(points)
    _commits(points)
    _migrations(points)
    _calls(points)
    _lanes(points)
    _file(points)


class Counted(Coroutine[Any, Any, Any]):
    """A coroutine whose every resumption is a step."""

    def __init__(self, inner: Coroutine[Any, Any, Any], points: Points) -> None:
        self._inner = inner
        self._points = points
        self.__qualname__ = getattr(inner, "__qualname__", type(inner).__name__)

    def send(self, value: Any) -> Any:
        self._points.resume()
        return self._inner.send(value)

    def throw(self, *error: Any) -> Any:
        self._points.resume()
        return self._inner.throw(*error)

    def close(self) -> None:
        self._inner.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._inner.__await__()


def _serve(points: Points) -> None:
    original = bot.app.serve

    def factory(loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> asyncio.Task[Any]:
        return asyncio.Task(Counted(work, points), loop=loop, **options)

    async def serve(*given: Any, **options: Any) -> int:
        asyncio.get_running_loop().set_task_factory(factory)
        return await original(*given, rate=math.inf, **options)

    replace_in(bot.app, "serve", serve)
    # Many short lives leave many answers to one person: the network's pace for them is another test's matter.
    replace_in(ClientTarget, "_person", lambda *_: Bucket(math.inf, 1))


def _commits(points: Points) -> None:
    """A group that has bodies in it is a `put`; its senders wait for the commit."""
    commit, checkpoint = storage.writer.commit, storage.writer.checkpoint

    def group(connection: sqlite3.Connection, **options: Any) -> Any:
        kind = "put" if options["rows"] else "work"
        connection.set_trace_callback(lambda sql: points.reach(f"{kind}.committing") if sql == "commit" else None)
        outcomes = commit(connection, **options)
        points.reach(f"{kind}.committed")
        return outcomes

    def empty(connection: sqlite3.Connection, **options: Any) -> None:
        points.reach("checkpoint.begun")
        if points.due("checkpoint.inside"):
            points.die_soon()
        checkpoint(connection, **options)
        points.reach("checkpoint.done")

    replace_in(storage.writer, "commit", group)
    replace_in(storage.writer, "checkpoint", empty)
    replace_in(storage.store, "checkpoint", empty)
    replace_in(storage.store, "Limits", lambda: storage.writer.Limits(idle=IDLE))


def _migrations(points: Points) -> None:
    migrate, copy, check = storage.migrate.migrate, storage.backup.copy, storage.backup._check

    def steps(connection: sqlite3.Connection, **options: Any) -> None:
        """Statement by statement: SQLite says of each one when it begins."""
        connection.set_trace_callback(lambda _: points.reach("migration.statement"))
        migrate(connection, **options)
        points.reach("migration.done")

    def copied(*given: Any) -> Path:
        points.reach("migration.copying")
        path = copy(*given)
        points.reach("migration.copied")
        return path

    def checked(*given: Any) -> None:
        check(*given)
        points.reach("migration.copy_unnamed")

    replace_in(storage.store, "migrate", steps)
    replace_in(storage.migrate, "copy", copied)
    replace_in(storage.backup, "_check", checked)


def _calls(points: Points) -> None:
    original: Callable[..., Any] = aiohttp.ClientSession._request

    async def request(self: aiohttp.ClientSession, method: str, address: Any, **options: Any) -> Any:
        name = urlsplit(str(address)).path.rpartition("/")[2]
        points.reach(f"{name}.leaving")
        answer = await original(self, method, address, **options)
        points.reach(f"{name}.answered")
        return answer

    replace_in(aiohttp.ClientSession, "_request", request)


def _lanes(points: Points) -> None:
    """After a row is claimed and before anything leaves; after the answer and before the row is settled."""
    to_client, to_desk = ClientTarget.perform, DeskTarget.perform
    leave, show = ClientTarget._leave, TelegramDesk.show

    async def client(self: ClientTarget, call: Any) -> None:
        points.reach(f"{self.name}.claimed")
        await to_client(self, call)
        points.reach(f"{self.name}.settled")

    async def desk(self: DeskTarget, call: Any) -> None:
        points.reach(f"desk.{call.kind}.claimed")
        await to_desk(self, call)
        points.reach(f"desk.{call.kind}.settled")

    async def left(self: ClientTarget, letter: Letter) -> Any:
        receipt = await leave(self, letter)
        points.reach(f"{self.name}.answered")
        return receipt

    async def showed(self: TelegramDesk, *given: Any) -> Sent:
        sent = await show(self, *given)
        points.reach("desk.show.answered")
        return sent

    replace_in(TelegramDesk, "show", showed)
    replace_in(ClientTarget, "perform", client)
    replace_in(DeskTarget, "perform", desk)
    replace_in(ClientTarget, "_leave", left)


def _file(points: Points) -> None:
    append = FileSink._append

    def appended(self: FileSink, events: Sequence[Event]) -> None:
        if points.due("file.half"):
            _half(self, events[0])
            points.die()
        append(self, events)
        points.reach("file.appended")

    replace_in(FileSink, "_append", appended)


def _half(sink: FileSink, event: Event) -> None:
    """What stands in a file when the kill comes between two pages of a line."""
    day = str(event.data["stored_at"])[:10]
    sink._folder.mkdir(parents=True, exist_ok=True)
    whole = line(event)
    with (sink._folder / f"{day}.jsonl").open("ab") as file:
        file.write(whole[: len(whole) // 2])


def replace_in(owner: Any, name: str, by: Any) -> None:
    setattr(owner, name, by)

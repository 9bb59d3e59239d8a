"""The running bot's own copies: when they are made, what is told of them, and that one of them is the history again."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from bot.backups import TROUBLE, Backups, Times
from bot.speech import Speech
from bot.texts import FluentTexts
from inbox.backups import Asked, ask, asked
from inbox.clock import Wake
from inbox.model import INBOX, Notice
from sandbox.world import Fault
from storage.backup import backup, copies, copy, default_path
from storage.gently import CopyFailed
from storage.inspect import integrity
from storage.store import SqlStore, open_store
from tests.bot.drawing import StoppedClock
from tests.rig import ANNA, IGOR, MARIA, OWNER, Rig, rig, words
from tests.storage.world import StoodClock

HOUR = timedelta(hours=1)
MARK = re.compile(r"(Игорь|Мария|Анна) [0-9]+;")
GB = 1024**3


class Silence:
    def debug(self, event: str, **values: object) -> None: ...
    def info(self, event: str, **values: object) -> None: ...
    def warning(self, event: str, **values: object) -> None: ...
    def error(self, event: str, **values: object) -> None: ...


@dataclass
class Disk:
    """What copies find: room, and what goes wrong with the next ones."""

    free: int = 10 * GB
    failing: str = ""
    begun: int = 0
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.go_on.set()

    async def copying(self, data_dir: Path, target: Path, at: datetime) -> Path:
        self.begun += 1
        await self.go_on.wait()
        if self.failing:
            raise CopyFailed(self.failing)
        return await asyncio.to_thread(copy, data_dir / "inbox.db", target, None, at)


class Bell(Wake):
    """Counts how often the worker came to its rest."""

    def __init__(self) -> None:
        super().__init__()
        self.rests = 0

    async def wait(self, timeout: float) -> None:
        self.rests += 1
        await super().wait(timeout)


class Scene:
    """A store, its backups and a clock that stands."""

    def __init__(self, store: SqlStore, clock: StoodClock, floor: int = 1000) -> None:
        self.store, self.clock, self.floor = store, clock, floor
        self.disk, self.wake = Disk(), Bell()
        self.backups = self.anew()

    def anew(self) -> Backups:
        """As the next process has it."""
        speech = Speech(FluentTexts(), StoppedClock(), language="ru", zone=ZoneInfo("Europe/Moscow"), windows={})
        self.backups = Backups(
            self.store,
            self.clock,
            speech,
            self.wake,
            Wake(),
            Silence(),
            times=Times(settle=0.0),
            floor=self.floor,
            copying=self.disk.copying,
            free=lambda _: self.disk.free,
        )
        return self.backups

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                self.wake.ring()
                await asyncio.sleep(0.005)

    async def rounds(self) -> None:
        """Whatever there was to do is done."""
        rests = self.wake.rests
        await self.until(lambda: self.wake.rests >= rests + 2)

    async def change(self) -> None:
        await self.store.write(lambda u: u.emit(INBOX, "x", u.now))

    async def told(self) -> list[Notice]:
        rows = await self.store.read(lambda r: r.lane_rows("desk:0", 100))
        return [row.content for row in rows if isinstance(row.content, Notice)]


@asynccontextmanager
async def scene(folder: Path, *, floor: int = 1000) -> AsyncIterator[Scene]:
    clock = StoodClock(datetime(2026, 3, 1, 9, 0, tzinfo=UTC))
    async with open_store(folder, clock) as store:
        yield Scene(store, clock, floor)


@asynccontextmanager
async def running(made: Scene) -> AsyncIterator[None]:
    task = asyncio.ensure_future(made.anew().run())
    try:
        yield
        assert not task.done(), task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_one_an_hour_while_anything_changes(tmp_path: Path) -> None:
    async with scene(tmp_path) as made:
        await made.change()
        async with running(made):
            await made.until(lambda: made.backups.newest is not None)
            first = made.backups.newest
            assert first is not None and first.at == made.clock.at
            assert first.path == default_path(tmp_path, made.clock.at)
            # Nothing has happened since, heartbeats apart: the copy is as true as it was.
            made.clock.move(hours=1)
            await made.store.beat()
            await made.until(lambda: made.backups.newest != first)
            same = made.backups.newest
            assert same is not None and same.path == first.path and same.at == made.clock.at
            await made.change()
            await made.rounds()
            assert made.disk.begun == 1
            made.clock.move(hours=1)
            await made.until(lambda: made.disk.begun == 2 and made.backups.kept == 2)
        async with running(made):  # not at every start
            await made.rounds()
            assert made.disk.begun == 2
            made.clock.move(hours=1)
            await made.until(lambda: made.backups.kept == 3)
        made.clock.move(hours=-30)  # the newest is out of the future
        async with running(made):
            await made.until(lambda: made.disk.begun == 4)
            await made.until(lambda: made.backups.kept == 4)


async def test_what_an_ended_process_left_is_swept_up(tmp_path: Path) -> None:
    async with scene(tmp_path) as made:
        part = tmp_path / "backups" / ".inbox-20260301T080000Z.db.part"
        part.parent.mkdir()
        part.touch()
        async with running(made):
            await made.until(lambda: made.backups.kept == 1)
        assert not part.exists()


async def test_a_failure_is_tried_again_ever_slower_told_when_it_is_late_and_closes_itself(
    tmp_path: Path, counts: Callable[..., None]
) -> None:
    async with scene(tmp_path) as made:
        await made.change()
        made.disk.failing = "io"
        async with running(made):
            await made.until(lambda: made.backups.failure is not None)
            start, tries = made.clock.at, 10
            for number in range(tries):
                begun, pause = made.disk.begun, min(3600, 60 * 2**number)
                made.clock.move(seconds=0.8 * pause - 1)
                await made.rounds()
                assert made.disk.begun == begun, number
                late = made.clock.at - start >= 3 * HOUR
                assert late or await made.told() == []
                made.clock.move(seconds=0.4 * pause + 2)
                await made.until(lambda begun=begun: made.disk.begun == begun + 1)  # type: ignore[misc]
            [told] = await made.told()
            assert "Копия не сделана" in told.text.plain and told.buttons[0][0].data == f"g:{told.key}"
            assert made.backups.failure is not None and made.backups.failure.reason == "io"
            counts("backup", failures=tries + 1, hours=round((made.clock.at - start) / HOUR), told=1)
            made.disk.failing = ""
            made.clock.move(hours=2)
            await made.until(lambda: made.backups.failure is None)
            await made.rounds()
            [closed] = await made.told()
            assert closed.key == told.key and "Копия сделана" in closed.text.plain and closed.buttons == ()
            assert await made.store.read(lambda r: r.setting(TROUBLE)) is None


async def test_of_a_copy_that_is_broken_she_hears_at_once(tmp_path: Path) -> None:
    async with scene(tmp_path) as made:
        await made.change()
        made.disk.failing = "broken"
        async with running(made):
            await made.until(lambda: made.backups.failure is not None)
            await made.rounds()
            [told] = await made.told()
            assert "проверку" in told.text.plain
        async with running(made):  # a restart does not tell it again
            made.clock.move(hours=1)
            await made.until(lambda: made.disk.begun == 2)
            await made.rounds()
            assert len(await made.told()) == 1


async def test_a_copy_that_would_fill_the_disk_is_not_begun(tmp_path: Path) -> None:
    async with scene(tmp_path, floor=GB) as made:
        await made.change()
        for hours in (30, 20, 10):
            at = made.clock.at - timedelta(hours=hours)
            await asyncio.to_thread(copy, made.store.path, default_path(tmp_path, at), None, at)
        kept = {c.path for c in copies(tmp_path)}
        await asyncio.to_thread(fill, made.store.path, 3)  # more than the old copies weigh
        made.disk.free = GB + 1
        async with running(made):
            await made.until(lambda: made.backups.failure is not None)
            await made.rounds()
            assert made.disk.begun == 0 and {c.path for c in copies(tmp_path)} == kept
            [told] = await made.told()  # the newest is ten hours old
            assert "на диске мало места" in told.text.plain
            made.disk.free = GB - 1  # the floor itself is touched: the oldest make room, the last good one never
            made.clock.move(hours=1)
            await made.until(lambda: len(copies(tmp_path)) == 2)
            made.disk.free = 0
            made.clock.move(hours=2)
            await made.until(lambda: len(copies(tmp_path)) == 1)
            made.clock.move(hours=2)
            await made.rounds()
            assert [c.path for c in copies(tmp_path)] == [default_path(tmp_path, made.clock.at - timedelta(hours=15))]
            assert made.disk.begun == 0 and len(await made.told()) == 1
            made.disk.free = 10 * GB
            made.clock.move(hours=2)
            await made.until(lambda: made.backups.kept == 2)
            await made.rounds()
            [closed] = await made.told()
            assert "Копия сделана" in closed.text.plain


async def test_those_who_ask_at_once_get_one_copy_and_each_an_answer(tmp_path: Path) -> None:
    async with scene(tmp_path) as made:
        await made.change()
        made.disk.go_on.clear()
        await made.store.write(lambda u: ask(u, Asked("1001.1", 1)))
        async with running(made):
            await made.until(lambda: made.disk.begun == 1)
        # The process ended in the middle: who asked is not forgotten.
        for ref in ("1001.1", "1001.2", "1001.2"):
            await made.store.write(lambda u, ref=ref: ask(u, Asked(ref)))  # type: ignore[misc]
        made.disk.go_on.set()
        async with running(made):
            await made.until(lambda: made.disk.begun == 2 and made.backups.newest is not None)
            await made.rounds()
            told = await made.told()
            assert [n.key for n in told] == ["backup:1001.1", "backup:1001.2"]
            assert all("Копия сделана" in n.text.plain and "inbox-20260301T090000Z.db" in n.text.plain for n in told)
            assert await made.store.read(asked) == [] and made.disk.begun == 2
            made.disk.failing = "full"
            await made.store.write(lambda u: ask(u, Asked("1001.3", 3)))
            await made.until(lambda: made.backups.failure is not None)
            await made.rounds()
            failed = (await made.told())[-1]
            assert failed.key == "backup:1001.3" and failed.reply_to == 3
            assert [b.label for row in failed.buttons for b in row] == ["Повторить"]


# -- on the desk ------------------------------------------------------------------------------------------------------


async def test_the_command_makes_one_and_says_where_it_lies(tmp_path: Path) -> None:
    async with rig(tmp_path / "data") as desk:
        await desk.start()
        topic = await desk.known()
        for thread in (None, topic):
            known = len(copies(desk.data_dir))
            asked_by = desk.telegram.writes(OWNER, "/backup", thread_id=thread)
            await desk.until(lambda known=known: len(desk.said("Копия сделана")) == known + 1, "made")  # type: ignore[misc]
            answer = desk.said("Копия сделана")[-1]
            assert answer["reply_to_message"]["message_id"] == asked_by
            assert answer.get("message_thread_id") == thread
            made = await asyncio.to_thread(copies, desk.data_dir)
            assert str(made[0].path) in words(answer) and await asyncio.to_thread(integrity, made[0].path) is None
            await asyncio.to_thread(backwards, made[0].path)
        desk.telegram.writes(OWNER, "/status")
        await desk.until(lambda: bool(desk.said("Копия: ")), "its age is told")
        assert desk.sends() == []
        # The disk says no: three parts and a button, which tries again and says so in the same message.
        folder = desk.data_dir / "backups"
        await asyncio.to_thread(shutil.rmtree, folder)
        folder.touch()
        desk.telegram.writes(OWNER, "/backup")
        await desk.until(lambda: bool(desk.said("Копия не сделана")), "told")
        question = desk.said("Копия не сделана")[-1]
        [[button]] = question["reply_markup"]["inline_keyboard"]
        assert button["text"] == "Повторить"
        folder.unlink()
        before = len(desk.desk())
        desk.telegram.presses(OWNER, OWNER, question["message_id"], button["callback_data"])
        await desk.until(lambda: not desk.said("Копия не сделана"), "told in its place")
        await desk.until(lambda: "Копия сделана" in words(message(desk, question["message_id"])), "made after all")
        assert len(desk.desk()) == before
        desk.telegram.writes(OWNER, "/help backup")
        await desk.until(lambda: bool(desk.said("делает копию базы сейчас")), "help")


def backwards(path: Path) -> None:
    """One second older by its name, so that the next one made in this second is another."""
    path.rename(default_path(path.parent.parent, datetime(2026, 1, 1, tzinfo=UTC)))


def message(desk: Rig, message_id: int) -> dict[str, object]:
    return next(m for m in desk.desk() if m["message_id"] == message_id)


async def test_a_stop_does_not_wait_for_the_copy_of_a_big_database(tmp_path: Path, counts: Callable[..., None]) -> None:
    data = tmp_path / "data"
    async with rig(data) as desk:
        await desk.start()
        await desk.stop()
        await asyncio.to_thread(fill, data / "inbox.db", 160)
        await desk.start()
        desk.telegram.writes(OWNER, "/backup")
        await begun(data / "backups")
        started = time.monotonic()
        await desk.stop()
        seconds = time.monotonic() - started
        counts("backup", stopped_within=f"{seconds:.1f} s", parts_left=len(list((data / "backups").iterdir())))
        assert seconds < 5.0 and list((data / "backups").iterdir()) == []
        await desk.start()
        await desk.until(lambda: bool(desk.said("Копия сделана")), "she is answered by the next process", 30.0)
        assert len(copies(data)) == 1


async def begun(folder: Path) -> None:
    """Until a copy is under way: looked at often, for it may be over in a moment."""
    async with asyncio.timeout(15):
        while not parts(folder):  # noqa: ASYNC110 - another process makes it
            await asyncio.sleep(0.005)


def parts(folder: Path) -> list[Path]:
    return list(folder.glob(".*.part"))


def fill(path: Path, megabytes: int) -> None:
    """With bodies that nobody understands."""
    with closing(sqlite3.connect(path)) as connection:
        sql = "insert into inbox (provider, key, body, received_at) values ('x', ?, randomblob(1000000), ?)"
        at = int(time.time() * 1e6)
        connection.executemany(sql, [(str(n), at) for n in range(megabytes)])
        connection.commit()


# -- restored ---------------------------------------------------------------------------------------------------------


@dataclass
class Found:
    """messages: acknowledged by the end. before: acknowledged before the copy was begun."""

    messages: int = 0
    before: int = 0
    in_copy: int = 0
    missing_before: int = 0
    missing_in_middle: int = 0
    shown_after_redelivery: int = 0
    not_shown: int = 0
    twice: int = 0
    answers_sent: int = 0

    @property
    def differences(self) -> int:
        return self.missing_before + self.missing_in_middle + self.not_shown + self.twice


@contextmanager
def reader_of(data: Path) -> Iterator[None]:
    """One who looks at the state of now: no checkpoint takes what comes after it out of the log meanwhile."""
    with closing(sqlite3.connect(f"file:{data / 'inbox.db'}?mode=ro", uri=True, isolation_level=None)) as connection:
        connection.execute("begin")
        connection.execute("select count(*) from inbox").fetchone()
        yield


async def file_alone(data: Path, target: Path) -> None:
    """What `cp` makes of a running database: the log is left behind."""
    copying = await asyncio.create_subprocess_exec("cp", str(data / "inbox.db"), str(target))
    assert await copying.wait() == 0


@dataclass
class Clients:
    """Three who write in turn; each text is known by its own mark. taken: acknowledged, in order."""

    desk: Rig
    taken: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in ("Игорь", "Мария", "Анна")})
    updates: list[int] = field(default_factory=list)

    @property
    def count(self) -> int:
        return sum(map(len, self.taken.values()))

    async def go_on(self, stop: asyncio.Event) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            texts = {name: f"{name} {number};" for name in self.taken}
            self.desk.graph.writes(IGOR, texts["Игорь"])
            self.desk.graph.writes(MARIA, texts["Мария"])
            self.desk.telegram.writes(ANNA, texts["Анна"])
            await self.desk.until(lambda: self.desk.graph.pending == self.desk.telegram.pending == 0, "taken")
            for name, text in texts.items():
                self.taken[name].append(text)

    async def reach(self, count: int) -> None:
        await self.desk.until(lambda: self.count >= count, "enough is written", 30.0)


@dataclass
class Past:
    """What a copy holds: clients' texts in the order of their webhooks, and those of them that were shown."""

    texts: list[str]
    shown: set[str]

    @classmethod
    def of(cls, path: Path) -> Past:
        with closing(sqlite3.connect(path)) as connection:
            try:
                bodies = connection.execute("select cast(body as text) from inbox order by id").fetchall()
                rows = connection.execute("select m.text from shown join messages m on m.id = message_id").fetchall()
            except sqlite3.DatabaseError:  # not even the tables
                return cls([], set())
        return cls([text for row in bodies if (text := mark_in(json.loads(row[0])))], {row[0] for row in rows})


def mark_in(body: object) -> str:
    """The text of a client in a webhook's body, whichever network's."""
    found = MARK.search(json.dumps(body, ensure_ascii=False))
    return found[0] if found else ""


async def history(data: Path, before: int, after: int) -> tuple[Found, Found]:
    """Webhooks keep coming; a copy is taken; more come; the copy is put in place; the networks repeat all.

    Second: what would have become of it with the database's file alone, copied in the same moment.
    """
    found, alone = Found(), Found()
    async with rig(data) as desk:
        await desk.start()
        topic = await desk.known()
        desk.graph.auto_statuses = False
        desk.world.plan(Fault("hang", "graph", "POST /messages", seconds=120))
        answer = desk.telegram.writes(OWNER, "дошло?", thread_id=topic)
        await desk.until(lambda: len(desk.sends()) == 1, "the answer is under way")
        clients, stop = Clients(desk), asyncio.Event()
        target, file = data.parent / "copy.db", data.parent / "file.db"
        with reader_of(data):
            writing = asyncio.ensure_future(clients.go_on(stop))
            await clients.reach(before)
            known = {name: list(texts) for name, texts in clients.taken.items()}
            await file_alone(data, file)
        await asyncio.to_thread(backup, data, target)
        await clients.reach(clients.count + after)
        stop.set()
        await writing
        past = await asyncio.to_thread(Past.of, target)
        compare(found, clients, known, past)
        compare(alone, clients, known, await asyncio.to_thread(Past.of, file))
        assert await asyncio.to_thread(integrity, target) is None
        await desk.until(lambda: len(desk.exported("message.in")) > clients.count, "exported")
        await desk.stop()
        last = desk.export()[-1]["data"]["id"]
        await restored(desk, target)
        await repeated(desk, clients, past, found)
        await desk.until(lambda: desk.mark(answer) == "🤔", "the answer under way is in doubt")
        await desk.until(lambda: bool(desk.said("Неизвестно, дошло ли")), "and asked about")
        found.answers_sent = len(desk.sends())
        ids = [line["data"]["id"] for line in desk.export()]
        assert ids == sorted(set(ids)) and ids[-1] > last
    return found, alone


def compare(found: Found, clients: Clients, known: dict[str, list[str]], past: Past) -> None:
    found.messages, found.in_copy = clients.count, len(past.texts)
    for name, texts in clients.taken.items():
        held = [text for text in past.texts if text.startswith(name)]
        found.before += len(known[name])
        found.missing_before += len(set(known[name]) - set(held))
        found.missing_in_middle += sum(text != right for text, right in zip(held, texts, strict=False))


async def restored(desk: Rig, target: Path) -> None:
    def put() -> None:
        for name in ("inbox.db-wal", "inbox.db-shm"):
            (desk.data_dir / name).unlink(missing_ok=True)
        shutil.copyfile(target, desk.data_dir / "inbox.db")

    await asyncio.to_thread(put)


async def repeated(desk: Rig, clients: Clients, past: Past, found: Found) -> None:
    """What the copy knows to be shown is not shown again; everything else is, once."""
    seen = len(desk.desk())
    bodies = {d.raw: json.loads(d.raw) for d in desk.graph.deliveries if d.status == 200}
    updates = [p.update_id for p in desk.telegram.updates.history.values() if mark_in(p.body)]
    await desk.start()
    for _ in range(2):
        for body in bodies.values():
            desk.graph.post(body)
        for update in updates:
            assert await desk.telegram.updates.again(update) == 200
    await desk.until(lambda: desk.graph.pending == 0, "all is taken", 30.0)
    expected = {text for texts in clients.taken.values() for text in texts} - past.shown

    def shown() -> Counter[str]:
        whole = "\n".join(words(m) for m in desk.desk()[seen:])
        return Counter({text: whole.count(text) for texts in clients.taken.values() for text in texts})

    async def at_rest() -> bool:
        with closing(sqlite3.connect(f"file:{desk.data_dir / 'inbox.db'}?mode=ro", uri=True)) as connection:
            open_ = "select count(*) from deliveries where target = 'desk' and state in ('waiting', 'sending')"
            new = "select count(*) from inbox where state = 'new'"
            return bool(connection.execute(f"select ({open_}) + ({new}) = 0").fetchone()[0])

    async with asyncio.timeout(30):
        while not await at_rest():  # noqa: ASYNC110 a database rings no bell
            await asyncio.sleep(0.05)
    counted = shown()
    found.shown_after_redelivery = sum(counted.values())
    found.not_shown = sum(counted[text] == 0 for text in expected)
    found.twice = sum(max(0, count - (text in expected)) for text, count in counted.items())


async def test_a_copy_under_load_is_the_history_up_to_it_and_repeats_bring_the_rest(
    tmp_path: Path, counts: Callable[..., None], soak: bool
) -> None:
    for number in range(5 if soak else 1):
        found, alone = await history(tmp_path / f"{number}" / "data", *((300, 150) if soak else (60, 30)))
        counts(
            "R15",
            messages=found.messages,
            in_copy=found.in_copy,
            missing_before=found.missing_before,
            missing_in_middle=found.missing_in_middle,
            shown_after_redelivery=found.shown_after_redelivery,
            not_shown=found.not_shown,
            twice=found.twice,
            answers_sent=found.answers_sent,
        )
        assert found.differences == 0
        assert found.before <= found.in_copy < found.messages
        assert found.shown_after_redelivery >= found.messages - found.in_copy
        assert found.answers_sent == 1
        counts("R15", mutant="the file alone, without its log", differences=alone.differences)
        assert alone.differences > 0

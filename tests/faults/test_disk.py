"""A disk that refuses under load: nothing that was acknowledged is lost, no answer leaves twice, she is told once."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from bot import disk as watch
from bot.room import BACK, LEAST, MB
from inbox.errors import StorageDown
from inbox.gate import Raw, Receipt
from inbox.sending import ClientTarget, Letter
from sandbox.world import Fault as Trouble
from storage import reserve
from storage.store import SqlStore
from storage.writer import Limits
from tests.faults.disk import LONG, Disk, Fault, broken, disk_rig, full, locked, read_only
from tests.rig import IGOR, MARIA, OWNER

MESSAGES = 12
QUEUE = 50
DOUBT = "Неизвестно, дошло ли"


async def trouble(
    disk: Disk,
    fault: Fault,
    *,
    messages: int = MESSAGES,
    seconds: float = 0.0,
    defect: Callable[[pytest.MonkeyPatch], None] | None = None,
) -> dict[str, Any]:
    """Clients write and an answer is under way while the disk refuses; then it takes data again. Returns counts."""
    rig = disk.rig
    topic = await rig.known()
    await rig.known(MARIA, "Мария", "Добрый вечер")
    rig.graph.writes(MARIA, "накануне;")
    await disk.until(lambda: bool(rig.said("накануне;")), "before")
    rig.world.plan(Trouble("hang", "graph", "POST /messages", seconds=0.4))
    answer = rig.telegram.writes(OWNER, "ответ в пути", thread_id=topic)
    await disk.until(lambda: bool(rig.sends()), "the answer has left")
    with pytest.MonkeyPatch.context() as patch, capture_logs() as log:
        async with fault(disk):
            if defect is not None:
                defect(patch)
            for n in range(messages):
                rig.graph.writes(IGOR if n % 2 else MARIA, f"{LONG}{n};")
            if defect is None:
                await disk.until(lambda: disk.turned_away > 0, "a webhook is refused")
                part = await disk.until_ready(503)
                assert part["state"] == "down"
                await disk.until(lambda: disk.told > 0, "she is told")
                if seconds:
                    await asyncio.sleep(seconds)
            # Where the disk is only full, there is room for what is under way.
            await disk.until(
                lambda: rig.mark(answer) in ("🕊", "👌") or "send.unsettled" in names(log), "the answer came back"
            )
            await disk.until(lambda: rig.graph.pending == 0 or disk.turned_away > 2, "the network has tried")
        if defect is None:
            await disk.until(lambda: disk.told_back > 0, "she is told that it is over")
        await disk.until(lambda: rig.graph.pending == 0, "the network has its 200 for everything")
        await disk.until(lambda: rig.mark(answer) in ("🕊", "👌"), "the answer has its mark")
        rig.graph.writes(IGOR, "наконец Игорь;")
        rig.graph.writes(MARIA, "наконец Мария;")
        await disk.until(lambda: bool(rig.said("наконец Мария;") and rig.said("наконец Игорь;")), "afterwards")
    await disk.until_ready(200, 30.0)
    if defect is None:
        await disk.until(lambda: exported(disk) == disk.committed, "all is exported, in order, each once")
    return {
        "offered": len(disk.offered),
        "acked": len(disk.acked),
        "refused_503": disk.refused,
        "lost": len(disk.acked - set(disk.shown)),
        "shown_twice": disk.shown_twice,
        "sent_twice": len(disk.answers) - len(set(disk.answers)),
        "reordered": reordered(disk),
        "told": disk.told,
        "told_back": disk.told_back,
        "unsettled": names(log).count("send.unsettled"),
        "most_waiting": disk.most_waiting,
    }


def exported(disk: Disk) -> list[str]:
    """Texts on the lines of the export's files; each line is whole, or this raises."""
    return [str(data["text"]).strip() for data in disk.rig.exported("message.in")]


def names(log: Sequence[Mapping[str, Any]]) -> list[str]:
    return [line["event"] for line in log]


def reordered(disk: Disk) -> int:
    """Neighbours of one client on the desk that were committed the other way round."""
    committed = disk.committed
    found = 0
    for client in ("0;", "1;"):
        mine = [t for t in disk.shown if t.startswith(LONG) and int(t[len(LONG) : -1]) % 2 == int(client[0])]
        places = [committed.index(t) for t in mine]
        found += sum(b < a for a, b in pairwise(places))
    return found


def says_yes_anyhow(patch: pytest.MonkeyPatch) -> None:
    """The defect: 200 whatever became of the commit."""
    sound = SqlStore.put

    async def put(self: SqlStore, raws: Sequence[Raw]) -> None:
        try:
            await sound(self, raws)
        except StorageDown:
            return

    patch.setattr(SqlStore, "put", put)


def sends_again(patch: pytest.MonkeyPatch) -> None:
    """The defect: an answer that went out, but whose outcome could not be stored, counts as not taken."""

    async def accepted(self: ClientTarget, letter: Letter, receipt: Receipt) -> None:
        try:
            await self._store.write(lambda u: self._taken(u, letter, receipt))
        except StorageDown:
            await self._settle(lambda u: self._put_back(u, letter.rows, 0.0))

    patch.setattr(ClientTarget, "_accepted", accepted)


FAULTS: dict[str, tuple[str, Fault]] = {
    "full": ("R5", full),
    "io": ("R5", broken),
    "readonly": ("R6", read_only),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_nothing_is_lost_and_she_is_told_once(tmp_path: Path, name: str, counts: Callable[..., None]) -> None:
    row, fault = FAULTS[name]
    async with disk_rig(tmp_path / "data", Limits(busy_timeout=100, queue=QUEUE)) as disk:
        found = await trouble(disk, fault)
    counts(row, fault=name, **found)
    assert found["refused_503"] > 0
    assert (found["lost"], found["shown_twice"], found["sent_twice"], found["reordered"]) == (0, 0, 0, 0)
    assert found["acked"] == found["offered"]
    assert (found["told"], found["told_back"]) == (1, 1)
    assert found["most_waiting"] <= QUEUE


async def test_a_lock_of_thirty_seconds(tmp_path: Path, soak: bool, counts: Callable[..., None]) -> None:
    """With the product's own patience where it is long; the queue stays bounded and /readyz says so within 15 s."""
    limits = Limits() if soak else Limits(busy_timeout=300)
    async with disk_rig(tmp_path / "data", limits, is_hasty=not soak) as disk:
        found = await trouble(disk, locked, seconds=30.0 if soak else 0.5)
    counts("R6", fault="locked", seconds=30 if soak else 0.5, **found)
    assert (found["lost"], found["sent_twice"], found["told"], found["told_back"]) == (0, 0, 1, 1)


async def test_a_stop_meanwhile_leaves_the_answer_in_doubt(tmp_path: Path, counts: Callable[..., None]) -> None:
    """What became of a send that has left is known in memory only; without it, she decides."""
    async with disk_rig(tmp_path / "data") as disk:
        rig = disk.rig
        rig.graph.auto_statuses = False
        topic = await rig.known()
        rig.world.plan(Trouble("hang", "graph", "POST /messages", seconds=0.5))
        answer = rig.telegram.writes(OWNER, "ответ в пути", thread_id=topic)
        await disk.until(lambda: bool(rig.sends()), "the answer has left")
        with capture_logs() as log:
            async with locked(disk):
                await disk.until(lambda: "send.unsettled" in names(log), "its outcome cannot be stored")
                await rig.stop()
        await rig.start()
        await disk.until(lambda: rig.mark(answer) == "🤔", "in doubt")
        await disk.until(lambda: bool(rig.said(DOUBT)), "she is asked")
        counts(
            "R6",
            stopped_meanwhile=len(disk.stores) - 1,
            in_doubt=len(rig.said(DOUBT)),
            sent_twice=len(disk.answers) - 1,
        )
        assert disk.answers == ["ответ в пути"]


class Space:
    """What the disk is said to have, and what the reserve makes of it."""

    def __init__(self, disk: Disk, free: int) -> None:
        self.disk = disk
        self.free = free
        disk.patch.setattr(shutil, "disk_usage", self.usage)

    def usage(self, folder: Path) -> Any:
        return SimpleNamespace(total=10_000 * MB, free=self.free)

    @property
    def reserved(self) -> bool:
        return (self.disk.rig.data_dir / reserve.FILE).exists()


async def test_a_disk_that_fills_up_and_is_emptied(tmp_path: Path, counts: Callable[..., None]) -> None:
    async with disk_rig(tmp_path / "data") as disk:
        rig, space = disk.rig, Space(disk, 9_000 * MB)
        disk.patch.setattr(watch, "backoff", lambda attempt, random: 0.05)
        topic = await rig.known()
        await disk.until(lambda: space.reserved, "room is set aside")

        space.free = 190 * MB
        await disk.until(lambda: bool(rig.said("На диске осталось 190")), "she is warned")
        assert (await disk.ready()) == (200, {"state": "degraded", "detail": "190 MB left on the disk"})
        await rig.stop()
        space.free = BACK - 1  # too little to make a reserve, so the one of the run before counts
        await rig.start()
        await disk.until_ready(200)

        rig.world.plan(Trouble("error", "telegram", "sendMessage", times=2, error="500 Internal Server Error"))
        space.free = LEAST - 1
        await disk.until(lambda: disk.told == 1, "she is told, at the third try")
        assert not space.reserved
        assert (await disk.ready()) == (503, {"state": "down", "detail": "full"})
        rig.graph.writes(IGOR, "ждёт у сети;")
        await disk.until(lambda: disk.refused > 0, "refused")
        assert disk.store.refusal is None, "what is left is taken by what is under way"

        await rig.stop()
        await rig.start()
        await disk.until_said("full")
        assert not space.reserved, "a start on a full disk has the room, too"

        space.free = BACK - 1
        await disk.until(lambda: disk.refused > 3, "not room enough yet")
        assert not space.reserved
        space.free = 9_000 * MB
        await disk.until(lambda: disk.told_back == 1, "she is told that it is over")
        await disk.until(lambda: bool(rig.said("ждёт у сети;")), "shown")
        await disk.until(lambda: space.reserved, "room is set aside again")
        late = rig.telegram.writes(OWNER, "да", thread_id=topic)
        await disk.until(lambda: rig.mark(late) == "👌", "answered")
        warned = [c for c in rig.world.of("telegram", "sendMessage") if "На диске осталось" in str(c.request["text"])]
        assert len(warned) == 1
        lost = len(disk.acked - set(disk.shown))
        counts("R5", warned=len(warned), told=disk.told, told_back=disk.told_back, refused_503=disk.refused, lost=lost)
        assert lost == 0


async def test_an_answer_to_the_network_before_the_commit_is_found(tmp_path: Path, counts: Callable[..., None]) -> None:
    async with disk_rig(tmp_path / "data") as disk:
        found = await trouble(disk, locked, messages=4, defect=says_yes_anyhow)
    assert found["lost"] > 0
    counts("R6", mutant="200 though the put failed", lost=found["lost"])


async def test_an_outcome_that_is_forgotten_is_found(tmp_path: Path, counts: Callable[..., None]) -> None:
    async with disk_rig(tmp_path / "data") as disk:
        disk.rig.graph.auto_statuses = False  # a report of the network would mend it
        found = await trouble(disk, locked, messages=4, defect=sends_again)
    assert found["sent_twice"] > 0
    counts("R6", mutant="a failed settle is a failed send", sent_twice=found["sent_twice"])

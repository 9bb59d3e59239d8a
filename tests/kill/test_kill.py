"""kill -9 of the program as it is started in earnest, with a call to the desk and an answer under way."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sandbox.world import Fault
from tests.kill.child import Started, end, kill, put_away
from tests.rig import IGOR, MARIA, OWNER, Rig, rig, words

REPEAT = "возможно, повтор"
UNDER_WAY = "в пути;"
STARTS_WITHIN = 60.0  # seconds; the import of aiogram takes the most of it


@pytest.fixture
async def fakes(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig(tmp_path / "data") as made:
        made.telegram.retry_delays = (0.1, 0.2)
        yield made


@pytest.fixture
def children() -> Iterator[list[Started]]:
    started: list[Started] = []
    yield started
    for child in started:
        put_away(child)


async def start(fakes: Rig, folder: Path, children: list[Started]) -> Started:
    """Start, and wait until it asks for updates, as the last of its parts does."""
    asked = len(fakes.world.of("telegram", "setWebhook"))
    children.append(Started(folder, fakes.environment))
    await fakes.until(lambda: len(fakes.world.of("telegram", "setWebhook")) > asked, "the start", STARTS_WITHIN)
    return children[-1]


def whole(fakes: Rig) -> str:
    return "\n".join(words(m) for m in fakes.desk())


def once_in_order(fakes: Rig, texts: list[str]) -> bool:
    shown = whole(fakes)
    places = [shown.find(text) for text in texts]
    return [shown.count(text) for text in texts] == [1] * len(texts) and places == sorted(places)


async def test_killed_at_the_worst_moment(fakes: Rig, tmp_path: Path, children: list[Started]) -> None:
    early = [f"до убийства {n};" for n in range(5)]
    for text in early:
        fakes.graph.writes(IGOR, text)
    child = await start(fakes, tmp_path, children)
    await fakes.until(lambda: early[-1] in whole(fakes), "shown", 30.0)
    await fakes.until(lambda: open_rows(fakes) == 0, "and known to be")
    fakes.graph.auto_statuses = False
    held = fakes.world.plan(Fault("hang", "telegram", "sendMessage", times=None, seconds=120))
    fakes.world.plan(Fault("hang", "graph", "POST /messages", seconds=120))
    answer = fakes.telegram.writes(OWNER, "дошло?", thread_id=fakes.topic("Игорь"))
    following = fakes.telegram.writes(OWNER, "следом", thread_id=fakes.topic("Игорь"))
    fakes.graph.writes(IGOR, UNDER_WAY)
    await fakes.until(lambda: UNDER_WAY in whole(fakes) and len(fakes.sends()) == 1, "two calls are under way")
    later = [f"пока пульт стоит {n};" for n in range(10)]
    maria = [f"Мария {n};" for n in range(5)]
    for text in later:
        fakes.graph.writes(IGOR, text)
    for text in maria:
        fakes.graph.writes(MARIA, text)
    await fakes.until(lambda: fakes.graph.pending == fakes.telegram.pending == 0, "acknowledged")
    await kill(child)
    fakes.world.lift(held)
    assert all(text not in whole(fakes) for text in (*later, *maria))

    child = await start(fakes, tmp_path, children)
    await fakes.until(lambda: later[-1] in whole(fakes) and maria[-1] in whole(fakes), "shown", 30.0)
    await check_desk(fakes, [*early, *later], maria)
    await check_answers(fakes, answer, following)
    await end(child)
    check_export(fakes, [*early, UNDER_WAY, *later, *maria])
    check_database(fakes)


async def check_desk(fakes: Rig, igor: list[str], maria: list[str]) -> None:
    """Nothing lost, nothing out of order; what may be a repeat, and only that, says so."""
    assert once_in_order(fakes, igor)
    assert once_in_order(fakes, maria)
    await fakes.until(lambda: len(fakes.said(UNDER_WAY)) == 2, "shown again", 30.0)
    assert [words(m).startswith(REPEAT) for m in fakes.said(UNDER_WAY)] == [False, True]
    assert whole(fakes).count(REPEAT) == 1


async def check_answers(fakes: Rig, answer: int, following: int) -> None:
    """The one that was under way is in doubt and does not leave again; the next one is not held up by it."""
    await fakes.until(lambda: fakes.mark(answer) == "🤔", "the mark of doubt", 30.0)
    await fakes.until(lambda: bool(fakes.said("Неизвестно, дошло ли")), "the question")
    assert fakes.said("Неизвестно, дошло ли")[0]["reply_to_message"]["message_id"] == answer
    await fakes.until(lambda: fakes.mark(following) == "🕊", "what waited has left", 30.0)
    assert [c.request["text"]["body"] for c in fakes.sends()] == ["дошло?", "следом"]


def check_export(fakes: Rig, texts: list[str]) -> None:
    """Each id once and in order over all the processes, and a line for every message."""
    ids = [line["data"]["id"] for line in fakes.export()]
    assert ids == sorted(set(ids))
    said = [e["text"] for e in fakes.exported("message.in")]
    assert sorted(said) == sorted(texts)
    assert [e["text"] for e in fakes.exported("message.out")] == ["дошло?", "следом"]


def open_rows(fakes: Rig) -> int:
    """What waits or is under way. A message that is seen may still be under way, and be shown again after a kill."""
    with closing(sqlite3.connect(f"file:{fakes.data_dir / 'inbox.db'}?mode=ro", uri=True)) as database:
        sql = "select count(*) from deliveries where state in ('waiting', 'sending')"
        return int(database.execute(sql).fetchone()[0])


def check_database(fakes: Rig) -> None:
    with closing(sqlite3.connect(fakes.data_dir / "inbox.db")) as database:
        assert database.execute("pragma integrity_check").fetchone() == ("ok",)
        assert database.execute("select count(*) from deliveries where state = 'sending'").fetchone() == (0,)

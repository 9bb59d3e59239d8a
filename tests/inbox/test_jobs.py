"""Work that becomes due happens once, at its time; what breaks is not tried for ever."""

from __future__ import annotations

from datetime import timedelta

from inbox.clock import Wake
from inbox.jobs import EARLY_KEPT, SWEEP_EVERY, JobWorker, work
from inbox.model import DeliveryState
from inbox.store import Job, Unit
from tests.inbox.factories import CHAT, Bell, Desk, came, echo, progress, running, until


class Jobs:
    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.bell, self.done = Bell(), Wake()
        self.ran: list[str] = []
        self.kinds = {**work(desk.rules), "note": self._note}

    def _note(self, unit: Unit, job: Job) -> None:
        if job.payload["say"] == "break":
            unit.set_setting("half", "done")
            raise ValueError("broken")
        self.ran.append(job.payload["say"])

    def worker(self) -> JobWorker:
        return JobWorker(self.desk.store, self.kinds, self.desk.clock, self.bell, [self.done], self.desk.log)

    async def add(self, say: str, seconds: float) -> None:
        await self.desk.store.write(lambda u: u.add_job("note", {"say": say}, u.now + timedelta(seconds=seconds)))


async def test_each_job_runs_once_when_it_is_due_longest_due_first(desk: Desk) -> None:
    jobs = Jobs(desk)
    for say, seconds in (("b", 2.0), ("a", 1.0), ("c", 60.0)):
        await jobs.add(say, seconds)
    async with running(jobs.worker().run()):
        await jobs.bell.settle()
        assert jobs.ran == []
        desk.clock.move(seconds=2)
        await jobs.bell.settle()
        assert jobs.ran == ["a", "b"]
        await jobs.bell.settle()
    assert jobs.ran == ["a", "b"]
    assert await desk.see(lambda r: r.next_job_at("note")) is not None


async def test_a_job_that_breaks_is_rolled_back_told_to_the_log_and_kept_aside(desk: Desk) -> None:
    jobs = Jobs(desk)
    await jobs.add("break", 0)
    await jobs.add("next", 0)
    async with running(jobs.worker().run()):
        await jobs.bell.settle()
    assert jobs.ran == ["next"]
    assert desk.log.count("job.broken") == 1
    assert await desk.see(lambda r: r.setting("half")) is None
    assert await desk.see(lambda r: r.next_job_at("note")) is None
    assert [(c.kind, c.count) for c in await desk.see(lambda r: r.job_counts())] == [("broken", 1)]


async def test_a_job_that_broke_is_tried_again_at_each_start_and_lost_at_none(desk: Desk) -> None:
    jobs = Jobs(desk)
    await jobs.add("break", 0)
    for start in (1, 2):
        async with running(jobs.worker().run()):
            await jobs.bell.settle()
            assert desk.log.count("job.broken") == start
            assert [(c.kind, c.count) for c in await desk.see(lambda r: r.job_counts())] == [("broken", 1)]
    jobs.kinds["note"] = lambda unit, job: jobs.ran.append(job.payload["say"])
    async with running(jobs.worker().run()):
        await jobs.bell.settle()
    assert jobs.ran == ["break"]
    assert await desk.see(lambda r: r.job_counts()) == []


async def test_the_mark_of_waiting_comes_after_two_seconds(desk: Desk) -> None:
    jobs = Jobs(desk)
    await desk.apply(came("m1", "вопрос"))
    message = await desk.answer("ответ", source=f"desk:{CHAT}:7")
    async with running(jobs.worker().run()):
        desk.clock.move(seconds=1)
        await jobs.bell.settle()
        assert await desk.mark(message) == ""
        desk.clock.move(seconds=1)
        await jobs.done.wait(5)
    assert await desk.mark(message) == "✍"


async def test_an_echo_waits_as_long_as_the_send_is_under_way(desk: Desk) -> None:
    jobs = Jobs(desk)
    await desk.apply(came("m1", "вопрос"))
    message = await desk.answer("ответ")
    (row,) = await desk.claimed(message)
    await desk.apply(echo("e1", "сама"))
    async with running(jobs.worker().run()):
        for _ in range(3):
            desk.clock.move(seconds=5)
            await jobs.bell.settle()
            assert await desk.shown(1) == [("send", "вопрос")]
        await desk.store.write(lambda u: u.set_delivery(row.id, state=DeliveryState.WAITING))
        desk.clock.move(seconds=5)
        await until(lambda: _both(desk), jobs.bell)


async def _both(desk: Desk) -> bool:
    return await desk.shown(1) == [("send", "вопрос"), ("send", "сама")]


async def test_what_came_too_early_is_dropped_and_counted_after_an_hour(desk: Desk) -> None:
    jobs = Jobs(desk)
    await desk.apply(progress("x", DeliveryState.READ))
    async with running(jobs.worker().run()):
        await jobs.bell.settle()
        desk.clock.move(seconds=EARLY_KEPT.total_seconds())
        await jobs.bell.settle()
        assert desk.table("select count(*) from early") == [(1,)]
        desk.clock.move(seconds=SWEEP_EVERY)
        await until(lambda: _swept(desk), jobs.bell)
    assert desk.log.lines == [("early.dropped", {"count": 1})]
    assert desk.table("select count(*) from early") == [(0,)]


async def _swept(desk: Desk) -> bool:
    return desk.log.count("early.dropped") == 1

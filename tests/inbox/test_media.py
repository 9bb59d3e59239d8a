"""Files are fetched beside the lanes: tried again ever more slowly, given up when the network has them no more."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from inbox.clock import Wake
from inbox.errors import Locked, Refused, Throttled, Unreachable
from inbox.gate import Person
from inbox.media import KEPT, MediaWorker
from inbox.model import Act, AttachmentId, DeliveryState, Message, Part, Provider
from storage.blobs import FileBlobs
from tests.faults.limits import with_file_limit
from tests.inbox.factories import (
    NOW,
    TELEGRAM,
    WHATSAPP,
    Bell,
    Desk,
    ScriptedGate,
    abilities,
    came,
    person,
    photo,
    running,
    until,
)

S = DeliveryState


def deque_of(*outcomes: bytes | Exception) -> deque[bytes | Exception]:
    return deque(outcomes)


def telegram_person() -> Person:
    return person("u1", TELEGRAM)


class Media:
    def __init__(self, desk: Desk, blobs: FileBlobs) -> None:
        self.desk = desk
        self.blobs = blobs
        self.gate = ScriptedGate(abilities())
        self.owner = ScriptedGate(abilities(), TELEGRAM)
        self.bell, self.done = Bell(), Wake()

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        async with running(self.worker().run()):
            yield

    def worker(self) -> MediaWorker:
        gates: dict[Provider, ScriptedGate] = {WHATSAPP: self.gate, TELEGRAM: self.owner}
        return MediaWorker(
            self.desk.store,
            self.blobs,
            gates,
            self.desk.rules,
            self.desk.clock,
            self.bell,
            [self.done],
            self.desk.log,
        )

    async def tried(self, times: int, ref: str = "p1") -> None:
        """Until it was asked for so often, and what came of it is stored."""

        async def stored() -> bool:
            jobs = self.desk.table("select attempts from jobs where kind = 'fetch'")
            return self.gate.downloads.count(ref) == times and all(n >= times for (n,) in jobs)

        await until(stored, self.bell)

    async def due(self) -> timedelta:
        at = await self.desk.see(lambda r: r.next_job_at("fetch"))
        assert at is not None
        return at - self.desk.clock.now()


@pytest.fixture
def media(desk: Desk) -> Media:
    return Media(desk, FileBlobs(desk.store.path.parent))


async def file_line(desk: Desk, message: Message) -> None:
    """The desk showed a line in the file's place; the file answers it when it is there."""
    content = Part(attachments=(AttachmentId(1),))
    await desk.store.write(
        lambda u: u.add_delivery(Act.FILE, "desk", "desk:1", message_id=message.id, content=content, state=S.PARKED)
    )


async def test_a_file_is_stored_exported_and_its_line_answered(media: Media) -> None:
    await media.desk.apply(came("m1", attachments=(photo(name="a.jpg"),)))
    message = await media.desk.message("m1")
    await file_line(media.desk, message)
    async with media.working():
        await media.done.wait(5)
    attachment = (await media.desk.message("m1")).attachments[0]
    assert attachment.sha256 is not None and attachment.size == 5
    assert media.blobs.path(attachment.sha256).read_bytes() == b"bytes"
    (event,) = await media.desk.events("media.stored")
    assert event.data == {
        "id": event.id,
        "type": "media.stored",
        "stored_at": NOW.isoformat(),
        "client": 1,
        "message": 1,
        "sha256": attachment.sha256,
        "size": 5,
        "kind": "photo",
        "mime": "image/jpeg",
        "name": "a.jpg",
    }
    assert [act for act, _ in await media.desk.shown(1)] == ["send", "file"]
    assert await media.desk.see(lambda r: r.next_job_at("fetch")) is None


async def test_a_file_that_the_disk_has_no_room_for_is_asked_for_ever_more_slowly(media: Media) -> None:
    media.gate.files["p1"] = deque_of(*[b"x" * 1_000_000] * 3, b"small")
    await media.desk.apply(came("m1", attachments=(photo(),)))
    waits = []
    async with media.working():
        with with_file_limit(500_000):
            for times in range(1, 4):
                await media.tried(times)
                waits.append((await media.due()).total_seconds())
                media.desk.clock.at += await media.due()
        await until(lambda: _stored(media), media.bell)
    assert waits == [1, 3, 10]


async def test_while_the_disk_takes_nothing_no_file_is_asked_for_and_none_is_late_afterwards(media: Media) -> None:
    held = True
    media.blobs = FileBlobs(media.desk.store.path.parent, lambda: held)
    await media.desk.apply(came("m1", attachments=(photo(),)))
    async with media.working():
        for _ in range(3):
            await media.bell.settle()
        assert media.gate.downloads == []
        held = False
        await until(lambda: _stored(media), media.bell)
    assert media.desk.table("select count(*) from jobs where kind = 'fetch'") == [(0,)]


async def test_it_is_tried_again_after_1_3_and_10_seconds_and_then_ever_slower(media: Media) -> None:
    media.gate.files["p1"] = deque_of(*[Unreachable("connect")] * 11)
    await media.desk.apply(came("m1", attachments=(photo(),)))
    waits = []
    async with media.working():
        for times in range(1, 12):
            await media.tried(times)
            waits.append((await media.due()).total_seconds())
            media.desk.clock.at += await media.due() - timedelta(milliseconds=1)
            await media.bell.settle()
            assert media.gate.downloads.count("p1") == times  # not a moment sooner
            media.desk.clock.move(milliseconds=1)
        await until(lambda: _stored(media))
    assert waits == [1, 3, 10, 30, 90, 270, 810, 2430, 3600, 3600, 3600]


async def _stored(media: Media) -> bool:
    return bool(await media.desk.events("media.stored"))


async def test_a_job_that_was_put_off_after_the_look_for_due_ones_waits(media: Media) -> None:
    media.gate.files["p1"] = deque_of(Unreachable("connect"))
    await media.desk.apply(came("m1", attachments=(photo(),)))
    (looked_at,) = await media.desk.see(lambda r: r.jobs_due("fetch", media.desk.clock.now(), 1))
    worker = media.worker()
    await worker._work(looked_at)
    await worker._work(looked_at)
    assert media.gate.downloads.count("p1") == 1
    assert await media.due() == timedelta(seconds=1)


async def test_a_network_that_names_a_time_is_asked_no_sooner(media: Media) -> None:
    media.gate.files["p1"] = deque_of(Throttled(120.0), Throttled(0.5))
    await media.desk.apply(came("m1", attachments=(photo(),)))
    async with media.working():
        await media.tried(1)
        assert await media.due() == timedelta(seconds=120)
        media.desk.clock.move(seconds=120)
        await media.tried(2)
        assert await media.due() == timedelta(seconds=3)


@pytest.mark.parametrize("error", [Locked("token"), TimeoutError(), ValueError("broken")])
async def test_whatever_else_goes_wrong_it_is_tried_again(media: Media, error: Exception) -> None:
    media.gate.files["p1"] = deque_of(error)
    await media.desk.apply(came("m1", attachments=(photo(),)))
    async with media.working():
        await media.tried(1)
        media.desk.clock.move(seconds=1)
        await until(lambda: _stored(media), media.bell)
    assert media.desk.log.count("media.later") == 1


async def test_a_gate_that_is_off_may_come_back(media: Media) -> None:
    await media.desk.apply(came("m1", attachments=(photo(origin=Provider("viber")),)))
    async with media.working():
        await until(lambda: _attempts(media, 1), media.bell)
    assert await media.due() == timedelta(seconds=1)


async def _attempts(media: Media, count: int) -> bool:
    return media.desk.table("select attempts from jobs where kind = 'fetch'") == [(count,)]


async def test_after_a_week_it_is_gone_and_its_line_says_so(media: Media) -> None:
    media.gate.files["p1"] = deque_of(*[Unreachable("connect")] * 9)
    await media.desk.apply(came("m1", attachments=(photo(),)))
    await file_line(media.desk, await media.desk.message("m1"))
    async with media.working():
        await media.tried(1)
        media.desk.clock.at = NOW + KEPT - timedelta(seconds=4)
        await media.tried(2)
        assert [act for act, _ in await media.desk.shown(1)] == ["send"]
        media.desk.clock.move(seconds=3)
        await until(lambda: _no_jobs(media), media.bell)
    assert [act for act, _ in await media.desk.shown(1)] == ["send", "file"]
    assert (await media.desk.message("m1")).attachments[0].sha256 is None
    assert await media.desk.events("media.stored") == []


async def _no_jobs(media: Media) -> bool:
    return media.desk.table("select count(*) from jobs where kind = 'fetch'") == [(0,)]


@pytest.mark.parametrize("reason", ["gone", "too_big"])
async def test_a_refusal_is_final(media: Media, reason: str) -> None:
    media.gate.files["p1"] = deque_of(Refused(reason))
    await media.desk.apply(came("m1", attachments=(photo(),)))
    await file_line(media.desk, await media.desk.message("m1"))
    async with media.working():
        await until(lambda: _no_jobs(media), media.bell)
    assert [act for act, _ in await media.desk.shown(1)] == ["send", "file"]


async def test_more_bytes_than_are_taken_are_a_refusal(media: Media, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inbox.media.LIMIT", 4)
    await media.desk.apply(came("m1", attachments=(photo(),)))
    async with media.working():
        await until(lambda: _no_jobs(media), media.bell)
    assert await media.desk.events("media.stored") == []
    assert media.gate.downloads == ["p1"]


async def test_a_slow_file_holds_up_no_other(media: Media) -> None:
    media.gate.files["slow"] = deque_of(*[Unreachable("connect")] * 99)
    await media.desk.apply(came("m1", attachments=(photo("slow"),)), came("m2", attachments=(photo("p1"),)))
    async with media.working():
        await until(lambda: _stored(media), media.bell)
    assert [e.data["message"] for e in await media.desk.events("media.stored")] == [2]


async def test_an_answer_fails_when_the_file_that_it_needs_will_not_come(media: Media) -> None:
    media.owner.files["own"] = deque_of(Refused("too_big"))
    await media.desk.apply(came("m1", "вопрос"), came("m1", "вопрос", telegram_person()))
    file = photo("own", TELEGRAM)
    needs = await media.desk.answer("", attachments=(file,))
    async with media.working():
        await until(lambda: _no_jobs(media), media.bell)
    (row,) = await media.desk.rows(needs)
    assert (row.state, row.error) == (S.FAILED, "refused:too_big:")
    assert await media.desk.notices(1) == ["failed refused:too_big:"]


async def test_an_answer_that_goes_by_the_networks_own_reference_needs_no_bytes(media: Media) -> None:
    media.owner.files["own"] = deque_of(Refused("too_big"))
    await media.desk.apply(came("m1", "вопрос", telegram_person()))
    shared = await media.desk.answer("", provider=TELEGRAM, attachments=(photo("own", TELEGRAM),))
    async with media.working():
        await until(lambda: _no_jobs(media), media.bell)
    assert await media.desk.states(shared) == ["waiting"]

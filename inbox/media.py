"""Fetches files at once, beside the lanes: a provider's address may live for five minutes only."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta

from inbox.abilities import Abilities
from inbox.apply import Rules
from inbox.blobs import HELD, Blob, Blobs
from inbox.clock import Clock, Wake
from inbox.errors import InboxError, Refused, StorageDown, Throttled, Unreachable
from inbox.fate import fail
from inbox.gate import Gate
from inbox.lanes import DESK
from inbox.log import Log
from inbox.model import Act, Attachment, AttachmentId, DeliveryState, Part, Provider
from inbox.pace import fetch_backoff
from inbox.store import Job, Reading, Store, Unit

PARALLEL = 4
LIMIT = 100 * 1024 * 1024
KEPT = timedelta(days=7)  # how long WhatsApp keeps a client's file (meta.md A3); others not longer
DEADLINE = 300.0


class MediaWorker:
    def __init__(
        self,
        store: Store,
        blobs: Blobs,
        gates: Mapping[Provider, Gate],
        rules: Rules,
        clock: Clock,
        wake: Wake,
        done: Sequence[Wake],
        log: Log,
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._gates = gates
        self._rules = rules
        self._clock = clock
        self._wake = wake
        self._done = done
        self._log = log
        self._busy: set[int] = set()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            while True:
                try:
                    jobs = await self._store.read(lambda r: r.jobs_due("fetch", self._clock.now(), PARALLEL * 2))
                except StorageDown:
                    await self._clock.sleep(1.0)
                    continue
                for job in jobs:
                    if job.id not in self._busy and len(self._busy) < PARALLEL:
                        self._busy.add(job.id)
                        group.create_task(self._work(job))
                await self._wake.wait(0.5 if jobs else 1.0)

    async def _work(self, job: Job) -> None:
        try:
            await self._fetch(job)
        except StorageDown:
            await self._clock.sleep(1.0)
        finally:
            self._busy.discard(job.id)
            self._wake.ring()
            for wake in self._done:
                wake.ring()

    async def _fetch(self, job: Job) -> None:
        attachment_id = AttachmentId(int(job.payload["attachment"]))
        if not await self._store.read(lambda r: _is_as_it_was(r, job)):
            return  # done or put off between the look for due jobs and this one's turn
        attachment = await self._store.read(lambda r: r.attachment(attachment_id))
        try:
            blob = await self._download(attachment)
        except Refused as error:
            reason = error.reason
            await self._store.write(lambda u: lost(u, job, attachment_id, reason, self._rules))
        except StorageDown as error:
            if error.reason == HELD:
                raise
            await self._later(job, attachment_id, error)  # no room for the file, but perhaps for the row
        except Exception as error:
            await self._later(job, attachment_id, error)
        else:
            await self._store.write(lambda u: stored(u, job, attachment, blob))

    async def _download(self, attachment: Attachment) -> Blob:
        gate = self._gates.get(attachment.origin)
        if gate is None:
            raise Unreachable("gate_off")
        async with asyncio.timeout(DEADLINE):
            return await self._blobs.put(gate.download(attachment), LIMIT)

    async def _later(self, job: Job, attachment_id: AttachmentId, error: Exception) -> None:
        self._log.info("media.later", attachment=attachment_id, attempts=job.attempts, error=_told(error))
        wait = fetch_backoff(job.attempts + 1)
        if isinstance(error, Throttled):
            wait = max(wait, error.retry_after)
        await self._store.write(lambda u: self._put_off(u, job, attachment_id, wait))

    def _put_off(self, unit: Unit, job: Job, attachment_id: AttachmentId, wait: float) -> None:
        due = unit.now + timedelta(seconds=wait)
        if due - unit.job(job.id).created_at > KEPT:
            lost(unit, job, attachment_id, "gone", self._rules)
        else:
            unit.set_job(job.id, due_at=due, attempts=job.attempts + 1)


def stored(unit: Unit, job: Job, attachment: Attachment, blob: Blob) -> None:
    """The bytes are here: the export learns of them, and whatever waited for them may leave."""
    assert attachment.id is not None
    unit.set_attachment(attachment.id, sha256=blob.sha256, size=blob.size)
    unit.finish_job(job.id)
    message = unit.message(unit.attachment_message(attachment.id))
    identity = unit.identity(message.identity_id)
    unit.emit(
        identity.address.provider,
        "media.stored",
        unit.now,
        client=identity.contact_id,
        message=message.id,
        sha256=blob.sha256,
        size=blob.size,
        kind=str(attachment.kind),
        mime=attachment.mime,
        name=attachment.name,
    )
    for row in unit.deliveries_of(message.id, DESK):
        if row.act is Act.FILE and row.state is DeliveryState.PARKED and _about(row.content, attachment.id):
            unit.set_delivery(row.id, state=DeliveryState.WAITING)


def lost(unit: Unit, job: Job, attachment_id: AttachmentId, reason: str, rules: Rules) -> None:
    """It will not come: the desk says so, and an answer that needs it has failed."""
    unit.finish_job(job.id)
    message_id = unit.attachment_message(attachment_id)
    for row in unit.deliveries_of(message_id):
        if row.state is DeliveryState.PARKED and row.act is Act.FILE and _about(row.content, attachment_id):
            unit.set_delivery(row.id, state=DeliveryState.WAITING)
        elif row.target != DESK and row.state is DeliveryState.WAITING and _about(row.content, attachment_id):
            if needs_bytes(unit.attachment(attachment_id), rules.roads.get(Provider(row.target))):
                fail(unit, row, f"refused:{reason}:", rules.voice)


def needs_bytes(attachment: Attachment, abilities: Abilities | None) -> bool:
    """Whether this road must have the file's bytes first."""
    return abilities is None or attachment.origin not in abilities.shares_files_with


def _is_as_it_was(reading: Reading, job: Job) -> bool:
    try:
        return reading.job(job.id).attempts == job.attempts
    except KeyError:
        return False


def _told(error: Exception) -> str:
    return error.stored() if isinstance(error, InboxError) else type(error).__name__


def _about(content: object, attachment_id: AttachmentId) -> bool:
    return isinstance(content, Part) and attachment_id in content.attachments

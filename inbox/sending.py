"""Lanes to clients: one message of the owner, or one piece of it, becomes one call of a gate."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from inbox import fate
from inbox.abilities import Abilities
from inbox.answers import reword
from inbox.apply import Effects, Rules, apply
from inbox.clock import Clock, Wake, fresh
from inbox.errors import ACCEPTED, InboxError, Locked, Refused, StorageDown, Throttled, Unreachable, outcome
from inbox.fate import tell_general
from inbox.gate import Deletes, Edits, Gate, Outgoing, Reacts, Receipt
from inbox.lanes import contact_of
from inbox.log import Log
from inbox.media import needs_bytes
from inbox.model import (
    Act,
    Attachment,
    Author,
    ContactId,
    Delivery,
    DeliveryState,
    ExternalId,
    Identity,
    MediaKind,
    Message,
    Notice,
    Part,
    Provider,
)
from inbox.outbox import Call, Later
from inbox.pace import Bucket, backoff
from inbox.plan import Refusal, shape
from inbox.store import Reading, Store, Unit
from inbox.voice import Voice

DEADLINE = 60.0  # seconds; an answer that takes longer is not waited for
UPLOAD_DEADLINE = 300.0
ALBUM_PAUSE = timedelta(seconds=1)
ALBUM_LONGEST = timedelta(seconds=3)
EXPIRES = timedelta(hours=24)
PEOPLE = 1000


@dataclass(frozen=True, slots=True)
class Letter:
    """What leaves in one call: several rows only for an album."""

    rows: tuple[Delivery, ...]
    message: Message
    identity: Identity
    out: Outgoing
    external_id: ExternalId | None = None  # what an edit, deletion or reaction is about


class ClientTarget:
    """All lanes of one provider. `calls`: since the start, by what became of them."""

    parallel = 16

    def __init__(
        self, name: Provider, gate: Gate, store: Store, rules: Rules, clock: Clock, done: Sequence[Wake], log: Log
    ) -> None:
        self.name: str = name
        self._provider = name
        self._gate = gate
        self._store = store
        self._rules = rules
        self._clock = clock
        self._done = done
        self._log = log
        self._random = random.Random()
        self._abilities: Abilities = gate.roads[name]
        pace = self._abilities.account_pace
        self._account = Bucket(pace.rate, pace.burst)
        self._people: OrderedDict[ContactId | None, Bucket] = OrderedDict()
        self._trouble: str | None = None
        self._trouble_since: float = 0.0
        self._outage = 0
        self.calls: Counter[str] = Counter()

    def blocked(self) -> float:
        """Seconds for which the network, not our own pace, keeps everything back."""
        return self._account.blocked(self._clock.monotonic())

    def wait(self) -> float:
        return self._account.wait(self._clock.monotonic())

    def order(self, heads: Sequence[Delivery]) -> Sequence[Delivery]:
        return heads

    def prepare(self, reading: Reading, head: Delivery) -> Letter | Later:
        assert head.message_id is not None
        message = reading.message(head.message_id)
        rows = self._album(reading, head, message)
        if isinstance(rows, Later):
            return rows
        attachments = [reading.attachment(a) for row in rows for a in _part(row).attachments]
        for attachment in attachments:
            if needs_bytes(attachment, self._abilities) and attachment.sha256 is None:
                assert attachment.id is not None
                if reading.fetch_pending(attachment.id):
                    return Later(1.0)
        attachments = [a if isinstance(s := shape(a, self._abilities), Refusal) else s for a in attachments]
        identity = reading.identity(message.identity_id)
        external = self._about(reading, head, message)
        return Letter(tuple(rows), message, identity, self._outgoing(reading, rows, identity, attachments), external)

    def reserve(self, call: Call) -> float:
        now = self._clock.monotonic()
        person = self._person(contact_of(call.rows[0].lane))
        wait = max(person.wait(now), self._account.wait(now))
        if wait <= 0:
            person.take(now)
            self._account.take(now)
        return wait

    async def perform(self, call: Call) -> None:
        assert isinstance(call, Letter)
        limit = UPLOAD_DEADLINE if call.out.attachments else DEADLINE
        try:
            async with asyncio.timeout(limit):
                receipt = await self._leave(call)
        except (InboxError, TimeoutError) as error:
            self.calls[outcome(error)] += 1
            await self._not_taken(call, error)
        except Exception as error:
            self.calls[outcome(error)] += 1
            self._log.error("send.broken", target=self.name, error=type(error).__name__)
            await self._not_taken(call, TimeoutError())
        else:
            self.calls[ACCEPTED] += 1
            await self._accepted(call, receipt)
            await self._recovered()
        for wake in self._done:
            wake.ring()

    def give_up(self, unit: Unit, row: Delivery) -> None:
        fate.fail(unit, row, Refused("broken").stored(), self._rules.voice)

    async def _leave(self, letter: Letter) -> Receipt:
        row, gate, out, external = letter.rows[0], self._gate, letter.out, letter.external_id
        if row.act is Act.SEND:
            return await gate.send(out)
        if external is None:
            raise Refused("not_found")
        if row.act is Act.EDIT and isinstance(gate, Edits):
            await gate.edit(out, external)
        elif row.act is Act.DELETE and isinstance(gate, Deletes):
            await gate.delete(out, external)
        elif row.act is Act.REACT and isinstance(gate, Reacts):
            await gate.react(out, external, _part(row).emoji)
        else:
            raise Refused("not_allowed")
        return Receipt((), self._clock.now())

    async def _accepted(self, letter: Letter, receipt: Receipt) -> None:
        """It went out; where that cannot be told, because a fact that waited for its id breaks, the owner is asked."""
        try:
            await self._settle(lambda u: self._taken(u, letter, receipt))
        except StorageDown:
            raise
        except Exception as error:
            self._log.error("send.broken", target=self.name, error=type(error).__name__)
            await self._not_taken(letter, TimeoutError())

    def _taken(self, unit: Unit, letter: Letter, receipt: Receipt) -> None:
        if letter.rows[0].act is not Act.SEND:
            for row in letter.rows:
                unit.set_delivery(row.id, state=DeliveryState.SENT, error=None)
            self._changed(unit, letter, receipt.at)
            return
        ids = receipt.external_ids
        for number, row in enumerate(letter.rows):
            own = ids if len(letter.rows) == 1 else ids[number : number + 1]
            for fact in fate.taken(unit, unit.delivery(row.id), replace(receipt, external_ids=own), self._rules.voice):
                apply(unit, fact, self._rules, Effects())

    def _changed(self, unit: Unit, letter: Letter, at: datetime) -> None:
        """The client sees her change now: the message has it, and the export."""
        row, identity, external = letter.rows[0], letter.identity, letter.external_id
        message = unit.message(letter.message.id)
        if row.act is Act.EDIT:
            reword(unit, identity, message, Part(text=_part(row).text, extra=message.extra), at, external)
        elif row.act is Act.DELETE:
            reword(unit, identity, message, None, at, external)
        else:
            unit.emit(
                identity.address.provider,
                "message.reaction",
                at,
                client=identity.contact_id,
                message=message.id,
                external_id=external,
                emoji=_part(row).emoji,
                author=str(Author.OWNER),
            )

    async def _settle(self, work: Callable[[Unit], None]) -> None:
        """What became of a call is known only here: a disk that does not take it is waited for."""
        while True:
            try:
                await self._store.write(work)
                return
            except StorageDown as error:
                if error.reason == "closed":
                    raise
                self._log.warning("send.unsettled", target=self.name, error=error.stored())
                await self._clock.sleep(1.0)

    async def _not_taken(self, letter: Letter, error: Exception) -> None:
        """The one place where an error becomes a state."""
        rows = letter.rows
        if isinstance(error, Refused) and _stands_already(rows[0], error):
            await self._settle(lambda u: self._taken(u, letter, Receipt((), self._clock.now())))
        elif isinstance(error, Refused):
            stored = error.stored()
            await self._settle(lambda u: self._each(u, rows, fate.fail, stored))
        elif isinstance(error, Throttled):
            seconds = error.retry_after * self._random.uniform(1.0, 1.2)
            if error.everyone:
                self._account.block(self._clock.monotonic(), seconds)
            await self._settle(lambda u: self._put_back(u, rows, seconds, counted=False))
        elif isinstance(error, Unreachable):
            seconds = backoff(rows[0].attempts + 1, self._random.random)
            await self._settle(lambda u: self._put_back(u, rows, seconds))
        elif isinstance(error, Locked):
            await self._locked(rows, error)
        elif rows[0].act is not Act.SEND:
            seconds = backoff(rows[0].attempts + 1, self._random.random)  # an edit or a reaction may be said twice
            await self._settle(lambda u: self._put_back(u, rows, seconds))
        else:
            text = error.stored() if isinstance(error, InboxError) else "uncertain:timeout:"
            await self._settle(lambda u: self._each(u, rows, fate.doubt, text))

    def _each(
        self, unit: Unit, rows: Sequence[Delivery], settle: Callable[[Unit, Delivery, str, Voice], None], error: str
    ) -> None:
        for row in rows:
            settle(unit, unit.delivery(row.id), error, self._rules.voice)

    def _put_back(self, unit: Unit, rows: Sequence[Delivery], seconds: float, *, counted: bool = True) -> None:
        for row in rows:
            current = unit.delivery(row.id)
            if current.state is not DeliveryState.SENDING:
                continue  # a report came first: it went out after all
            unit.set_delivery(
                row.id,
                state=DeliveryState.WAITING,
                call=None,
                attempts=current.attempts if counted else row.attempts,
                not_before=unit.now + timedelta(seconds=seconds),
            )
            if current.created_at is not None and unit.now - current.created_at > EXPIRES:
                late = unit.delivery(row.id)
                if row.act is Act.SEND:
                    fate.expire(unit, late, self._rules.voice)
                else:
                    fate.fail(unit, late, "refused:expired:", self._rules.voice)

    async def _locked(self, rows: Sequence[Delivery], error: Locked) -> None:
        """Token dead or account restricted: the whole gate rests and is tried again; what waits keeps waiting."""
        seconds = backoff(rows[0].attempts + 2, self._random.random)
        now = self._clock.monotonic()
        self._account.block(now, seconds)
        told = self._trouble is not None
        self._trouble = error.stored()
        if not told:
            self._trouble_since = now
            self._outage = int(self._clock.now().timestamp())
        await self._settle(lambda u: self._tell_locked(u, rows, error, seconds, told))

    def _tell_locked(self, unit: Unit, rows: Sequence[Delivery], error: Locked, seconds: float, told: bool) -> None:
        self._put_back(unit, rows, seconds)
        if told:
            return
        waiting = sum(q.waiting for q in unit.queues() if q.target == self.name)
        unit.emit(self._provider, "gate.changed", unit.now, state="locked", reason=error.reason, code=error.code)
        tell_general(unit, self._named(self._rules.voice.trouble(self._provider, error.stored(), waiting)))

    async def _recovered(self) -> None:
        if self._trouble is None:
            return
        minutes = round((self._clock.monotonic() - self._trouble_since) / 60)
        self._trouble = None

        def tell(unit: Unit) -> None:
            unit.emit(self._provider, "gate.changed", unit.now, state="ok")
            tell_general(unit, self._named(self._rules.voice.recovered(self._provider, minutes)))

        await self._settle(tell)

    def _named(self, notice: Notice) -> Notice:
        """Each outage has a message of its own: it is loud when it begins and closed in place when it ends."""
        return replace(notice, key=f"{notice.key}:{self._outage}")

    def retry(self) -> None:
        """The owner says that it is mended: what waits is tried now."""
        self._account.release(self._clock.monotonic())

    @property
    def trouble(self) -> str | None:
        """The stored form of the error for which the gate rests, for the health report."""
        return self._trouble

    def _person(self, contact: ContactId | None) -> Bucket:
        bucket = self._people.get(contact)
        if bucket is None:
            bucket = Bucket(self._abilities.person_pace.rate, self._abilities.person_pace.burst)
            self._people[contact] = bucket
            if len(self._people) > PEOPLE:
                self._people.popitem(last=False)
        self._people.move_to_end(contact)
        return bucket

    def _album(self, reading: Reading, head: Delivery, message: Message) -> list[Delivery] | Later:
        """The items of one album that may leave together; its last item is not announced, so a moment is waited."""
        if message.album is None or head.act is not Act.SEND or self._abilities.album_size < 2:
            return [head]
        rows: list[Delivery] = []
        newest = message.stored_at
        for row in reading.lane_rows(head.lane, self._abilities.album_size):
            if row.act is not Act.SEND or row.message_id is None:
                break
            other = reading.message(row.message_id)
            if other.album != message.album or not self._fits(rows, reading, row):
                break
            rows.append(row)
            newest = max(newest, other.stored_at)
        now = self._clock.now()
        full = len(rows) >= self._abilities.album_size
        if not full and fresh(newest, now, ALBUM_PAUSE) and fresh(message.stored_at, now, ALBUM_LONGEST):
            return Later((ALBUM_PAUSE - (now - newest)).total_seconds())
        return rows or [head]

    def _fits(self, rows: Sequence[Delivery], reading: Reading, row: Delivery) -> bool:
        part = _part(row)
        if len(part.attachments) != 1 or (rows and part.text.plain):
            return False
        kinds = {reading.attachment(a).kind for r in (*rows, row) for a in _part(r).attachments}
        return kinds <= self._abilities.album and may_mix(kinds)

    def _about(self, reading: Reading, head: Delivery, message: Message) -> ExternalId | None:
        """The id of the try that counts; what was not sent by us has only one."""
        if head.act is Act.SEND:
            return None
        sends = [d for d in reading.deliveries_of(message.id, self.name) if d.act is Act.SEND and d.part == head.part]
        sent = [d.external_id for d in sends if d.external_id is not None and d.state is not DeliveryState.DROPPED]
        refs = [ext for ext, part in reading.refs_of(message.id) if part == head.part]
        return next(iter((*sent[-1:], *refs)), None)

    def _outgoing(
        self, reading: Reading, rows: Sequence[Delivery], identity: Identity, attachments: Sequence[Attachment]
    ) -> Outgoing:
        part = _part(rows[0])
        quoted = self._quoted(reading, part, identity)
        return Outgoing(
            to=identity.address,
            route=identity.route,
            keys=reading.keys_of(identity.id),
            text=part.text,
            attachments=tuple(attachments),
            token=fate.token_of(rows[0]),
            extra=part.extra,
            reply_to=quoted[0][0] if quoted and self._abilities.reply else None,
            quote=part.quote,
        )

    def _quoted(self, reading: Reading, part: Part, identity: Identity) -> list[tuple[ExternalId, int]]:
        """Ids of what is quoted, where it belongs to the same conversation of the same network."""
        if part.reply_to is None or reading.message(part.reply_to).identity_id != identity.id:
            return []
        return reading.refs_of(part.reply_to)


def may_mix(kinds: Collection[MediaKind]) -> bool:
    """Photos and videos travel together, everything else only with its own kind."""
    return len(kinds) < 2 or set(kinds) <= {MediaKind.PHOTO, MediaKind.VIDEO}


def _stands_already(row: Delivery, error: Refused) -> bool:
    """A change whose first answer was lost may be there already when it is asked for again."""
    if row.act is Act.DELETE:
        return error.reason == "not_found" and row.attempts > 0
    return error.reason == "unchanged" and row.act is not Act.SEND


def _part(row: Delivery) -> Part:
    assert isinstance(row.content, Part)
    return row.content

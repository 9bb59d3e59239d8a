"""The screen of /status: what is wrong first, then what waits; the rest is folded. Pure but for the clock."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from bot import say
from bot.figures import Figures, Line, Receiver
from bot.texts.words import Words, sentence
from inbox.lanes import DESK
from inbox.model import Provider, Span, Text
from inbox.text import join
from storage.backup import FLOOR, OLD

SLOW = timedelta(minutes=1)  # longer, and the program should have applied, shown or exported it
LATE = timedelta(minutes=10)  # longer, and a network should have taken it
BLOCKED = 5.0  # seconds
RECENT = timedelta(hours=1)
PENDING = 50  # updates at Telegram, from which on Telegram itself speaks of it
LONGEST_EDGE = 10_000  # milliseconds: what took longer is not measured


@dataclass(frozen=True, slots=True)
class GateHealth:
    """state: on, trouble (detail: the stored error), off, incomplete (detail: the missing settings)."""

    provider: Provider
    state: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """backend: private, forum, reply, or None while nobody has claimed the desk. longest: by target, the name of the
    client who waits longest. backup_failed: why there is no newer copy, as `bot.backups` names it.
    """

    uptime: timedelta
    version: str
    gates: tuple[GateHealth, ...]
    backend: str | None
    figures: Figures
    longest: Mapping[str, str] = field(default_factory=dict)
    backup_failed: str | None = None


def status_text(words: Words, status: Status) -> Text:
    wrong = list(_wrong(words, status))
    lines = [words.text("status-wrong"), *wrong] if wrong else [words.text("status-well")]
    return join([*lines, *_waits(words, status, late=False), _folded(join(list(_rest(words, status))))])


def _folded(text: Text) -> Text:
    return Text(text.plain, (*text.spans, Span("folded", 0, len(text.plain))))


# what is wrong


def _wrong(words: Words, status: Status) -> Iterator[Text]:
    figures = status.figures
    for gate in status.gates:
        if gate.state in ("trouble", "incomplete"):
            yield _gate_line(words, gate)
    if status.backend is None:
        yield words.text("status-desk-unclaimed")
    for line in figures.lines:
        yield from _blocked(words, line, status.gates)
    if figures.new_since is not None and figures.at - figures.new_since > SLOW:
        wait = words.duration(figures.at - figures.new_since)
        yield words.text("status-new", count=figures.new, wait=wait)
    yield from _waits(words, status, late=True)
    if uncertain := sum(line.queue.uncertain for line in figures.lines):
        yield words.text("status-uncertain", count=uncertain)
    if figures.stuck:
        yield words.text("status-stuck", count=figures.stuck)
    if figures.broken_jobs:
        yield words.text("status-broken-jobs", count=figures.broken_jobs)
    yield from _quarantined(words, figures)
    yield from (_export_line(words, r) for r in figures.receivers if _fails(r))
    yield from _hook(words, figures)
    yield from _copies(words, status)
    if figures.disk.free < figures.disk.database + FLOOR:
        yield words.text("status-disk-low", free=words.size(figures.disk.free))


def _gate_line(words: Words, gate: GateHealth) -> Text:
    name = sentence(words.gate(gate.provider))
    if gate.state == "trouble":
        return words.text("status-gate-trouble", gate=name, why=say.cause(words, gate.provider, gate.detail))
    return words.text("status-gate-incomplete", gate=name, settings=gate.detail)


def _blocked(words: Words, line: Line, gates: Sequence[GateHealth]) -> Iterator[Text]:
    """Not where its network is told of already."""
    told = {gate.provider for gate in gates if gate.state == "trouble"}
    if line.blocked < BLOCKED or line.queue.target in told:
        return
    wait = words.duration(timedelta(seconds=math.ceil(line.blocked)))
    if line.queue.target == DESK:
        yield words.text("status-desk-blocked", wait=wait)
    else:
        gate = sentence(words.gate(Provider(line.queue.target)))
        yield words.text("status-gate-blocked", gate=gate, wait=wait)


def _quarantined(words: Words, figures: Figures) -> Iterator[Text]:
    counts = {gate: count for gate, count in figures.quarantined.items() if count}
    if counts:
        gates = ", ".join(f"{words.gate(gate)} {count}" for gate, count in sorted(counts.items()))
        yield words.text("status-quarantined", count=sum(counts.values()), gates=gates)


def _hook(words: Words, figures: Figures) -> Iterator[Text]:
    hook = figures.hook
    if hook is None:
        return
    if hook.error is not None and hook.error_at is not None and figures.at - hook.error_at < RECENT:
        yield words.text("status-hook-error", at=words.when(hook.error_at), error=hook.error)
    if hook.pending >= PENDING:
        yield words.text("status-hook-pending", count=hook.pending)


def _copies(words: Words, status: Status) -> Iterator[Text]:
    """Soon after the first start there may be none yet."""
    backup = status.figures.disk.backup
    if backup is None and status.uptime > OLD:
        yield words.text("status-backup-none")
    elif backup is not None and status.figures.at - backup[0] > OLD:
        yield words.text("status-backup-old", at=words.moment(backup[0]))
    if status.backup_failed is not None:
        yield words.text("status-backup-failed", why=say.why_no_backup(words, status.backup_failed))


# what waits


def _waits(words: Words, status: Status, *, late: bool) -> Iterator[Text]:
    """Queues that wait too long, or the others and what stands aside."""
    waiting = [line.queue for line in status.figures.lines if line.queue.waiting]
    for queue in waiting:
        age = words.now - queue.oldest if queue.oldest else timedelta()
        if (age > LATE) is not late:
            continue
        name = status.longest.get(queue.target)
        values = {"count": queue.waiting, "wait": words.duration(age), "who": f" ({name})" if name else ""}
        if queue.target == DESK:
            yield words.text("status-queue-desk", **values)
        else:
            yield words.text("status-queue-gate", where=words.in_gate(Provider(queue.target)), **values)
    if late:
        return
    if not waiting:
        yield words.text("status-queue-empty")
    if parked := sum(line.queue.parked for line in status.figures.lines):
        yield words.text("status-parked", count=parked)


# the rest


def _rest(words: Words, status: Status) -> Iterator[Text]:
    figures = status.figures
    on = [sentence(words.gate(g.provider)) for g in status.gates if g.state == "on"]
    if on:
        yield Text(" · ".join(words.plain("status-gate-on", gate=name) for name in on))
    for gate, at in sorted(figures.newest.items()):
        last = words.relative(min(at, words.now - timedelta(seconds=1)))
        yield words.text("status-last", gate=sentence(words.gate(gate)), at=last)
    if status.backend is not None:
        yield words.text(f"status-desk-{status.backend}")
    if figures.quick is not None and figures.slow is not None:
        quick, slow = _milliseconds(words, figures.quick), _milliseconds(words, figures.slow)
        yield words.text("status-ack", quick=quick, slow=slow)
    yield from (_export_line(words, r) for r in _worst_of_well(figures.receivers))
    if figures.disk.backup is not None:
        at, size = figures.disk.backup
        yield words.text("status-backup", at=words.moment(at), size=words.size(size))
    yield words.text("status-disk", size=words.size(figures.disk.database), free=words.size(figures.disk.free))
    yield words.text("status-head", uptime=words.duration(status.uptime), version=status.version)
    off = [words.gate(g.provider) for g in status.gates if g.state == "off"]
    if off:
        yield words.text("status-gates-off", gates=", ".join(off))


def _milliseconds(words: Words, seconds: float) -> str:
    """The upper edge of a bucket; the last bucket has none."""
    return f"{words.number(LONGEST_EDGE)}+" if math.isinf(seconds) else words.number(seconds * 1000)


def _fails(receiver: Receiver) -> bool:
    return receiver.stopped or receiver.failing_since is not None or receiver.lag > SLOW.total_seconds()


def _worst_of_well(receivers: Sequence[Receiver]) -> list[Receiver]:
    """One line is enough where all are well."""
    if any(_fails(r) for r in receivers):
        return []
    return sorted(receivers, key=lambda r: r.lag)[-1:]


def _export_line(words: Words, receiver: Receiver) -> Text:
    if receiver.stopped:
        return words.text("status-export-stopped")
    if receiver.failing_since is not None:
        return words.text("status-export-failing", since=words.when(receiver.failing_since))
    lag = words.duration(timedelta(seconds=receiver.lag))
    if _fails(receiver):
        return words.text("status-export-behind", lag=lag, count=receiver.waiting)
    return words.text("status-export", lag=lag)

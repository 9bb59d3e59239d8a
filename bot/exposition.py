"""The picture in the words of Prometheus. Labels are gates, targets, outcomes and kinds of work, never a person."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from bot.figures import Figures, Line
from inbox.store import JobCount

Labelled = Iterable[tuple[Sequence[str], float]]


class FiguresCollector(Collector):
    """Nothing before the first picture was taken."""

    def __init__(self, latest: Callable[[], Figures | None]) -> None:
        self._latest = latest

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        figures = self._latest()
        if figures is None:
            return
        yield from _queues(figures)
        yield from _calls(figures.lines)
        yield from _inbound(figures)
        yield from _export(figures)
        yield from _jobs(figures.jobs, figures.at)
        yield from _storage(figures)
        tasks = [((name,), count) for name, count in figures.tasks.items()]
        yield _gauge("desk_worker_running", "Running tasks of a worker; 0: it has ended.", ["worker"], tasks)


def _queues(figures: Figures) -> Iterator[Metric]:
    queues = [line.queue for line in figures.lines]
    by = [(q.target,) for q in queues]
    for name, text, values in (
        ("waiting", "Deliveries that wait.", [q.waiting for q in queues]),
        ("lanes", "Conversations in which something waits.", [q.lanes for q in queues]),
        ("uncertain", "Deliveries of which nobody knows whether they went out.", [q.uncertain for q in queues]),
        ("parked", "Deliveries that stand aside until something is decided or fetched.", [q.parked for q in queues]),
        ("stuck", "Deliveries that break the program and rest.", [line.stuck for line in figures.lines]),
    ):
        yield _gauge(f"desk_queue_{name}", text, ["target"], zip(by, values, strict=True))
    oldest = [_age(q.oldest, figures.at) for q in queues]
    text = "How long the front of a conversation has waited, of the one that waits longest."
    yield _gauge("desk_queue_oldest_seconds", text, ["target"], zip(by, oldest, strict=True))


def _calls(lines: Sequence[Line]) -> Iterator[Metric]:
    outcomes = [
        ((line.queue.target, outcome), count) for line in lines for outcome, count in sorted(line.calls.items())
    ]
    yield _counter("desk_calls", "Calls that deliver, by what became of them.", ["target", "outcome"], outcomes)
    throttled = [((line.queue.target,), line.throttled) for line in lines]
    yield _counter("desk_throttled", "Answers that asked to wait (429).", ["target"], throttled)
    breaks = [((line.queue.target,), line.breaks) for line in lines]
    yield _counter("desk_breaks", "How often a delivery could not be made into a call.", ["target"], breaks)
    blocked = [((line.queue.target,), line.blocked) for line in lines]
    yield _gauge("desk_blocked_seconds", "For how long the network keeps it back.", ["target"], blocked)


def _inbound(figures: Figures) -> Iterator[Metric]:
    yield _one("desk_intake_waiting", "Bodies on disk that are not applied yet.", figures.new)
    oldest = _age(figures.new_since, figures.at)
    yield _one("desk_intake_oldest_seconds", "How long the first of them has waited.", oldest)
    yield _one("desk_updates_waiting", "The owner's updates that wait to be handled.", figures.updates)
    aside = [((gate,), count) for gate, count in sorted(figures.quarantined.items())]
    yield _gauge("desk_quarantined", "Bodies that were not understood and are kept.", ["gate"], aside)
    newest = [((gate,), at.timestamp()) for gate, at in sorted(figures.newest.items())]
    text = "When the last body of a gate that was not a repeat came, by webhook or polling."
    yield _gauge("desk_last_body_timestamp_seconds", text, ["gate"], newest)
    if figures.polled_at is not None:
        at = figures.polled_at.timestamp()
        yield _one("desk_last_poll_timestamp_seconds", "When Telegram last answered getUpdates.", at)
    if figures.hook is not None:
        pending = figures.hook.pending
        yield _one("desk_telegram_pending_updates", "Updates that wait at Telegram, as it says.", pending)
        if figures.hook.error_at is not None:
            at = figures.hook.error_at.timestamp()
            yield _one("desk_telegram_error_timestamp_seconds", "When Telegram last failed to deliver to us.", at)


def _export(figures: Figures) -> Iterator[Metric]:
    receivers, by = figures.receivers, [(r.name,) for r in figures.receivers]
    lags = zip(by, [r.lag for r in receivers], strict=True)
    yield _gauge("desk_export_lag_seconds", "How long the next event of a receiver has waited.", ["sink"], lags)
    waiting = zip(by, [r.waiting for r in receivers], strict=True)
    yield _gauge("desk_export_waiting", "Events that a receiver has not taken, at most.", ["sink"], waiting)
    stopped = zip(by, [float(r.stopped) for r in receivers], strict=True)
    yield _gauge("desk_export_stopped", "1: the receiver wants no more (410).", ["sink"], stopped)


def _jobs(jobs: Sequence[JobCount], now: datetime) -> Iterator[Metric]:
    counts = {"fetch": 0.0, "broken": 0.0} | {job.kind: float(job.count) for job in jobs}
    text = "Work for later: fetch (files of clients), mark, echo; broken: it failed and is kept."
    yield _gauge("desk_jobs_waiting", text, ["kind"], [((kind,), count) for kind, count in counts.items()])
    ages = [((job.kind,), _age(job.oldest, now)) for job in jobs]
    yield _gauge("desk_jobs_oldest_seconds", "Age of the first of each kind.", ["kind"], ages)


def _storage(figures: Figures) -> Iterator[Metric]:
    disk = figures.disk
    yield _one("desk_database_bytes", "Size of the database.", disk.database)
    yield _one("desk_wal_bytes", "Size of its log.", disk.log)
    yield _one("desk_disk_free_bytes", "Room left for the data folder.", disk.free)
    yield _one("desk_writes_waiting", "Writes that wait for their group.", figures.writes)
    yield _counter("desk_commits", "Groups committed.", [], [((), figures.commits)])
    if disk.backup is not None:
        at, size = disk.backup
        yield _one("desk_backup_age_seconds", "Age of the newest backup; absent: there is none.", _age(at, figures.at))
        yield _one("desk_backup_bytes", "Its size.", size)


def _age(since: datetime | None, now: datetime) -> float:
    return 0.0 if since is None else max(0.0, (now - since).total_seconds())


def _one(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _gauge(name: str, text: str, labels: Sequence[str], values: Labelled) -> Metric:
    family = GaugeMetricFamily(name, text, labels=labels)
    for label, value in values:
        family.add_metric(label, value)
    return family


def _counter(name: str, text: str, labels: Sequence[str], values: Labelled) -> Metric:
    family = CounterMetricFamily(name, text, labels=labels)
    for label, value in values:
        family.add_metric(label, value)
    return family

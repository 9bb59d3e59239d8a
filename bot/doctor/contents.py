"""What the database says: what waits and since when, what was not understood, what broke. Read only."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import SecretStr

from bot.doctor.findings import Finding, broken, fine, warning
from bot.figures import recalled
from bot.secrets import peek
from inbox.jobs import BROKEN
from inbox.model import DeliveryState, Provider
from inbox.waits import ALIVE
from storage import inspect
from storage.db import FILE, open_read_only
from storage.substance import FOLDER as SUBSTANCE
from storage.substance import newest_event_id
from storage.unit import SqlReading

WAIT = timedelta(hours=1)
QUIET = timedelta(minutes=1)  # the running bot writes a word every few seconds
APPLIED = timedelta(minutes=1)
BEHIND = timedelta(minutes=5)
SILENT = timedelta(days=3)
NEWEST = 1000  # deliveries, of which the refused ones are told
SEALED = ("telegram_webhook_secret",)  # settings that are stored sealed


@dataclass(frozen=True, slots=True)
class Setup:
    """What the settings say: keys of the vault, gates that are on, and whether the export has a receiver."""

    keys: Sequence[SecretStr] = ()
    gates: Collection[str] = ()
    receiver: bool = False


def contents(folder: Path, now: datetime, setup: Setup, *, running: bool) -> Iterator[Finding]:
    path = folder / FILE
    if next(inspect.events_since(path, now + timedelta(minutes=1)), None) is not None:
        yield broken("clock.stored", "the clock is behind what is already stored", "set the clock, switch time sync on")
    with closing(open_read_only(path)) as connection:
        reading = SqlReading(connection)
        if running:
            yield from alive(reading, now)
        yield from secrets(reading, folder, setup.keys)
        yield from intake(reading, now, running=running)
        yield quarantine(reading)
        yield from queues(reading, now)
        yield from work(reading, now)
        yield from exports(reading, folder, now, receiver=setup.receiver)
        yield from silence(reading, now, setup.gates)


def alive(reading: SqlReading, now: datetime) -> Iterator[Finding]:
    """A process that holds the lock and writes nothing hangs, or its disk refuses."""
    said = reading.setting(ALIVE)
    if said is None:
        return
    quiet = now.timestamp() - int(said)
    if quiet > QUIET.total_seconds():
        text = f"the bot holds the folder, but has written nothing for {_long(timedelta(seconds=quiet))}"
        yield broken("running.alive", text, "look at its log and at /readyz, then start it again")


def secrets(reading: SqlReading, folder: Path, keys: Sequence[SecretStr]) -> Iterator[Finding]:
    vault = peek(folder, keys)
    sealed = [text for name in SEALED if (text := reading.setting(name)) is not None]
    if any(vault is None or vault.open(text) is None for text in sealed):
        yield warning(
            "secret_key.opens",
            "what is stored sealed cannot be opened with this key",
            "put the right secret.key back, or set SECRET_KEY to the old one; else it is made or asked for anew",
        )


def intake(reading: SqlReading, now: datetime, *, running: bool) -> Iterator[Finding]:
    """Bodies that were answered 200 and are not applied, and the owner's updates that are not handled."""
    for check, state, what in (("intake", "new", "bodies"), ("updates", "desk", "updates of the owner")):
        since, count = reading.oldest_raw(state), reading.count_raws(state)
        if since is None:
            yield fine(check, "nothing waits")
        elif not running:
            yield warning(
                check, f"{count} {what} wait for the start, since {since:%Y-%m-%d %H:%M} UTC", "start the bot"
            )
        elif now - since > APPLIED:
            text = f"{count} {what} are on disk and not applied, the oldest for {_long(now - since)}"
            yield broken(check, text, "look at the log for the reason, then start it again: they are kept")
        else:
            yield fine(check, f"{count} {what} are being applied")


def quarantine(reading: SqlReading) -> Finding:
    counts = reading.quarantined()
    if not counts:
        return fine("quarantine", "every webhook body was understood")
    gates = ", ".join(f"{gate} {count}" for gate, count in sorted(counts.items()))
    return warning(
        "quarantine",
        f"{sum(counts.values())} webhook bodies were not understood ({gates}); they are kept",
        "update: they are tried again at each start; the desk said which gate and shape",
    )


def queues(reading: SqlReading, now: datetime) -> Iterator[Finding]:
    found: list[Finding] = []
    for queue in reading.queues():
        check = f"queue.{queue.target}"
        if queue.oldest is not None and now - queue.oldest > WAIT:
            found.append(
                warning(
                    check,
                    f"{queue.waiting} wait in {queue.lanes} lanes, the oldest for {_long(now - queue.oldest)}",
                    "start the bot; if it runs, doctor --online and /status say what is wrong with the gate",
                )
            )
        if queue.uncertain:
            text = f"{queue.uncertain} are {DeliveryState.UNCERTAIN}: nobody knows whether they went out"
            found.append(warning(check, text, "decide on the desk: each has its two buttons"))
    for target, count in sorted(reading.failed_lately(NEWEST).items()):
        text = f"{count} of the newest {NEWEST} deliveries were refused for good"
        found.append(warning(f"failed.{target}", text, "the desk says why at each, and has its buttons"))
    for target, count in sorted(reading.broken_rows().items()):
        text = f"{count} deliveries break the program and rest"
        found.append(warning(f"broken.{target}", text, "report the log's outbox.broken lines; drop them on the desk"))
    yield from found or [fine("queue", "nothing is stuck")]


def work(reading: SqlReading, now: datetime) -> Iterator[Finding]:
    for job in reading.job_counts():
        if job.kind == BROKEN:
            text = f"{job.count} jobs broke and are kept"
            yield warning("jobs.broken", text, "update: they are tried again at each start; the log says job.broken")
        elif job.kind == "fetch" and now - job.oldest > WAIT:
            text = f"{job.count} files of clients are not fetched, the first for {_long(now - job.oldest)}"
            yield warning("media", text, "doctor --online: is the gate's token well? The provider keeps them for days")


def exports(reading: SqlReading, folder: Path, now: datetime, *, receiver: bool) -> Iterator[Finding]:
    """receiver: the settings name one; what another was owed before is nobody's."""
    held = {"file": newest_event_id(folder / SUBSTANCE) or 0}
    for name in ("file", "webhook"):
        sink, check = reading.sink(name), f"export.{name}"
        if sink is not None and sink.stopped:
            yield warning(check, "the receiver answered 410 and gets nothing", "give the export a receiver")
            continue
        if sink is not None and sink.failing_since is not None:
            since = f"{sink.failing_since:%Y-%m-%d %H:%M} UTC"
            yield warning(check, f"has failed since {since}", "look at the receiver, or at the disk")
            continue
        if name == "file" or receiver:
            yield from _behind(reading, check, held.get(name, sink.last_event_id if sink else 0), now)


def _behind(reading: SqlReading, check: str, taken: int, now: datetime) -> Iterator[Finding]:
    for event in reading.events_after(taken, 1):
        age = now - datetime.fromisoformat(event.data["stored_at"])
        if age > BEHIND:
            text = f"up to {reading.newest_event_id() - taken} events wait, the first for {_long(age)}"
            yield warning(check, text, "start the bot; if it runs, look at the disk, the receiver and the log")


def silence(reading: SqlReading, now: datetime, gates: Collection[str]) -> Iterator[Finding]:
    """When each gate last called, or was asked with an answer that was not empty."""
    _, newest = recalled(reading)
    for gate in sorted(gates):
        check, at = f"last.{gate}", newest.get(Provider(gate))
        fix = "write to it from another phone; if nothing comes, doctor --online looks at its webhook"
        if at is None:
            yield warning(check, "nothing has come from it yet", fix)
        elif now - at > SILENT:
            yield warning(check, f"nothing has come from it for {_long(now - at)}", fix)
        else:
            yield fine(check, f"something came {_long(now - at)} ago")


def _long(span: timedelta) -> str:
    minutes = span.total_seconds() / 60
    if minutes < 2:
        return f"{span.total_seconds():.0f} s"
    if minutes < 120:
        return f"{minutes:.0f} min"
    return f"{minutes / 60:,.0f} h" if minutes < 48 * 60 else f"{minutes / 60 / 24:,.0f} days"

"""What the product says: every notice and screen as a snapshot, and what must hold for all of them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from bot import say, team
from bot.figures import Disk, Figures, Hook, Line, Receiver
from bot.status import GateHealth, Status, status_text
from bot.texts import LANGUAGES
from inbox.model import (
    Act,
    Address,
    Contact,
    ContactId,
    Delivery,
    DeliveryId,
    DeliveryState,
    Identity,
    IdentityId,
    MessageId,
    Notice,
    Provider,
    Text,
)
from inbox.store import JobCount, Queue
from inbox.voice import Voice
from tests.bot.drawing import NOW, TEXTS, ZONE, StoppedClock, compare, draw_notice, draw_text, words

WHATSAPP, TELEGRAM, BUSINESS = Provider("whatsapp"), Provider("telegram"), Provider("telegram_business")
INSTAGRAM, MAIL = Provider("instagram"), Provider("email")
ANNA = Contact(ContactId(17), "Анна Петрова")
IGOR = Contact(ContactId(18), "Игорь")
NOBODY = Contact(ContactId(19), "")


def voice(language: str) -> say.OwnerVoice:
    windows = {WHATSAPP: timedelta(hours=24), TELEGRAM: None, BUSINESS: None, INSTAGRAM: timedelta(days=1)}
    return say.OwnerVoice(TEXTS, StoppedClock(), language=language, zone=ZONE, windows=windows)


def identity(provider: Provider = WHATSAPP) -> Identity:
    return Identity(IdentityId(3), ANNA.id, Address(provider, "acc", "u"), "Анна Петрова")


def delivery(
    error: str | None = None,
    *,
    act: Act = Act.SEND,
    provider: Provider = WHATSAPP,
    state: DeliveryState = DeliveryState.FAILED,
) -> Delivery:
    return Delivery(DeliveryId(71), act, provider, f"{provider}:17", state, MessageId(5), error=error)


REASONS = sorted(say._REASONS)


def delivery_notices(language: str) -> Iterator[tuple[str, Notice]]:
    said = voice(language)
    for reason in REASONS:
        notice = said.failed(delivery(f"refused:{reason}:131026"), identity(), 900)
        yield f"failed {reason}", notice
    yield "failed unknown reason", said.failed(delivery("refused:never_heard:"), identity(MAIL), 900)
    yield "failed without error", said.failed(delivery(None), identity(), None)
    yield "failed edit", said.failed(delivery("refused:too_old:", act=Act.EDIT), identity(TELEGRAM), 900)
    yield "failed delete", said.failed(delivery("refused:not_found:400", act=Act.DELETE), identity(TELEGRAM), 900)
    yield "failed react", said.failed(delivery("refused:not_allowed:", act=Act.REACT), identity(TELEGRAM), 900)
    yield "held", said.held(delivery("refused:window:131047"), identity(), 900)
    yield "held before sending", said.held(delivery("refused:window:"), identity(INSTAGRAM), 900)
    yield "held connection", said.held(delivery("refused:window:"), identity(BUSINESS), 900)
    yield "parked", said.parked(delivery(), identity(), 900)
    yield "uncertain", said.uncertain(delivery("uncertain:timeout:"), identity(), 900)
    for state in DeliveryState:
        yield f"settled {state}", said.settled(delivery(state=state), identity(), 900)
    yield "settled edit", said.settled(delivery("refused:too_old:", act=Act.EDIT), identity(), 900)
    for what, act in (("edit", Act.EDIT), ("delete", Act.DELETE), ("react", Act.REACT)):
        yield f"cannot {what}", said.cannot(what, delivery("refused:unsupported:", act=act), identity(), 900)
    yield "cannot edit any more", said.cannot("edit", delivery("refused:uncertain:"), identity(MAIL), 900)
    yield "unshown", said.unshown(delivery("refused:invalid:400"))


def other_notices(language: str) -> Iterator[tuple[str, Notice]]:
    said, line = voice(language), words(language)
    yield "quarantined 1", said.quarantined(WHATSAPP, "no_entry", 1)
    yield "quarantined, kept", said.quarantined(WHATSAPP, "no_entry", 2, again="0a1b2c3d4e5f")
    yield "quarantined, read again", said.tried_again(WHATSAPP, 2)
    yield "quarantined 22", said.quarantined(WHATSAPP, "no_entry", 22)
    yield "trouble", said.trouble(WHATSAPP, "locked:token:190", 2)
    yield "trouble, nothing waits", said.trouble(TELEGRAM, "locked:permission:", 0)
    yield "recovered", said.recovered(WHATSAPP, 18)
    yield "recovered soon", said.recovered(WHATSAPP, 0)
    yield "road open", said.road(BUSINESS, open=True, may_reply=True)
    yield "road without reply", said.road(BUSINESS, open=True, may_reply=False)
    yield "road closed", said.road(BUSINESS, open=False, may_reply=False)
    yield "backlog", said.backlog(47, [IGOR, ANNA, NOBODY] * 4)
    yield "backlog of one", said.backlog(1, [IGOR])
    yield "export stopped", said.export_stopped("webhook")
    yield "export given up", said.export_given_up("webhook", 12345)
    yield "ask", say.ask_whom(line, "41", [ANNA, IGOR, NOBODY], reply_to=900)
    yield "ask, more", say.ask_whom(line, "41", [ANNA] * 7, reply_to=None, more=6)
    yield "answered", say.answered_whom(line, "41", ANNA)
    yield "answered nobody", say.answered_whom(line, "41", None)
    yield "ask text", say.ask_text(line, ANNA)
    yield "unknown command", say.unknown_command(line, "zomm", "zoom", 900)
    yield "unknown command, nothing near", say.unknown_command(line, "xyz", None, 900)
    yield "needs reply", say.line(line, "needs-own-reply", 900, command="/del")
    yield "client blocked", say.client_blocked(line, ANNA, blocked=True)
    yield "client back", say.client_blocked(line, ANNA, blocked=False)
    yield "topics lost", said.topics(work=False)
    yield "topics back", said.topics(work=True)
    yield "disk full", say.disk(line, "full")
    yield "disk stuck", say.disk(line, "stuck")
    yield "disk low", say.disk(line, "low", 190 * 1024**2)
    yield "disk back", say.disk(line, "back")
    yield "backup begun", say.backup_begun(line, "1001.7", 900)
    made = say.backup_made(line, "1001.7", NOW, 3_250_000, "data/backups/inbox-20261125T120000Z.db", 1, reply_to=900)
    yield "backup made", made
    yield "backup made, one of many", say.backup_made(line, "t1", NOW, 900, "/data/backups/a.db", 23, reply_to=None)
    yield "no room for a backup", say.backup_failed(line, "t1", "room", NOW, need=480 * 1024**2, free=120 * 1024**2)
    for reason in ("full", "broken", "slow", "readonly"):
        yield f"backup failed: {reason}", say.backup_failed(line, "1001.7", reason, None, reply_to=900)
    yield "stranger member", say.stranger(line, "member", 5, reply_to=900)
    yield "stranger connection", say.stranger(line, "connection", "Bc-1")
    yield "stranger chat", say.stranger(line, "chat", -100500, chat="Соседи")
    yield from team_notices(language)
    off = [line.text("claim-topics-off"), line.text("claim-topics-path")]
    yield "claimed", say.claimed(line, [TELEGRAM], [WHATSAPP, INSTAGRAM, MAIL], off)
    yield "claimed, all is well", say.claimed(line, [TELEGRAM, WHATSAPP], [], [])


def team_notices(language: str) -> Iterator[tuple[str, Notice]]:
    line = words(language)
    borya, ref = team.Colleague(2002, "Борис"), "-1001000000077.900"
    for name in ("team-owner-only", "team-needs-group", "team-owner", "team-not-a-person", "team-no-answer"):
        yield name, say.line(line, name, 900)
    yield "team of nobody", team.listing(line, 900, {}, {})
    yield "team", team.listing(line, 900, {2002: "Борис", 2003: "Анна"}, {})
    yield "team, somebody left", team.listing(line, 900, {2002: "Борис"}, {2003: "Анна"})
    yield "team, let in?", team.question(line, ref, borya, listed=False, reply_to=900)
    yield "team, remove?", team.question(line, ref, borya, listed=True, reply_to=900)
    for key in ("team-added", "team-removed", "team-kept", "team-nobody", "team-full"):
        yield key, team.settled(line, ref, key, "Борис")
    yield "team, left", team.left(line, borya)
    yield "forwarded command", say.line(line, "command-forwarded", 900)


QUIET = Figures(
    at=NOW,
    lines=(Line(Queue("desk", 0, None, 0, 0)), Line(Queue("telegram", 0, None, 0, 0))),
    new=0,
    new_since=None,
    updates=0,
    quarantined={TELEGRAM: 0, WHATSAPP: 0},
    newest={TELEGRAM: NOW - timedelta(hours=2), WHATSAPP: NOW - timedelta(days=3)},
    receivers=(Receiver("file", 0.0, 0), Receiver("webhook", 0.1, 1)),
    jobs=(),
    disk=Disk(38 * 1024**2, 0, 12 * 1024**3, (NOW - timedelta(minutes=40), 3_250_000)),
    writes=0,
    commits=7,
    tasks={},
    hook=Hook(0),
    quick=0.005,
    slow=0.025,
)
BUSY = replace(
    QUIET,
    lines=(
        Line(Queue("desk", 3, NOW - timedelta(minutes=2), 0, 0, 2, "desk:1")),
        Line(Queue("telegram", 0, None, 0, 0), blocked=11.4),
        Line(Queue("whatsapp", 2, NOW - timedelta(hours=1, minutes=5), 1, 1, 1, "whatsapp:2"), stuck=1, blocked=30),
    ),
    new=4,
    new_since=NOW - timedelta(minutes=3),
    quarantined={TELEGRAM: 1, WHATSAPP: 2},
    jobs=(JobCount("broken", 1, NOW), JobCount("fetch", 2, NOW)),
    disk=Disk(38 * 1024**2, 0, 60 * 1024**2, (NOW - timedelta(days=3), 3_250_000)),
    hook=Hook(64, "Connection refused", NOW - timedelta(minutes=8)),
    receivers=(Receiver("file", 0.0, 0), Receiver("webhook", 600.0, 12, failing_since=NOW - timedelta(minutes=10))),
    slow=math.inf,
)
ALL_ON = (GateHealth(TELEGRAM, "on"), GateHealth(WHATSAPP, "on"), GateHealth(MAIL, "off"), GateHealth(INSTAGRAM, "off"))
UPTIME = timedelta(days=6, hours=4)
WELL = Status(UPTIME, "1.4.2", ALL_ON, "private", QUIET)
WRONG = Status(
    UPTIME,
    "1.4.2",
    (
        GateHealth(TELEGRAM, "on"),
        GateHealth(WHATSAPP, "trouble", "locked:token:190"),
        GateHealth(INSTAGRAM, "incomplete", "INSTAGRAM_ACCESS_TOKEN"),
        GateHealth(MAIL, "off"),
    ),
    "private",
    BUSY,
    {"desk": "Анна Петрова", "whatsapp": "Игорь"},
)
NEW = replace(QUIET, newest={}, quick=None, slow=None, hook=None, disk=Disk(100_000, 0, 12 * 1024**3, None), lines=())


def statuses() -> Iterator[tuple[str, Status]]:
    yield "all is well", WELL
    yield "much is wrong", WRONG
    yield "first minute", Status(timedelta(minutes=1), "1.4.2", ALL_ON[:1], None, NEW)
    yield "no new copy", replace(WELL, backup_failed="room")
    yield "no copy after a week", Status(UPTIME, "1.4.2", (), "forum", NEW)
    some = replace(QUIET, lines=BUSY.lines[:1])
    yield "a burst", replace(WELL, figures=some, longest={"desk": "Анна Петрова"})
    blocked = replace(QUIET, lines=(Line(Queue("desk", 1, NOW, 0, 0, 1, "desk:0"), blocked=12.0),))
    yield "429", replace(WELL, figures=blocked)
    for name, receiver in (
        ("stopped", Receiver("webhook", 0.0, 3, stopped=True)),
        ("behind", Receiver("file", 90.0, 5)),
    ):
        yield f"export {name}", replace(WELL, figures=replace(QUIET, receivers=(receiver,)))


def screens(language: str) -> Iterator[tuple[str, Text]]:
    line = words(language)
    for name, status in statuses():
        yield f"status, {name}", status_text(line, status)
    for name in ("", *say.COMMANDS, *say.UNLISTED):
        text = say.help_text(line, name)
        assert text is not None
        yield f"help {name}", text
    for command in say.CLIENT_COMMANDS:
        yield f"client {command}", voice("ru").menu(command, language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_screens_of_deliveries(language: str) -> None:
    compare(f"deliveries.{language}", [(name, draw_notice(n)) for name, n in delivery_notices(language)])


@pytest.mark.parametrize("language", LANGUAGES)
def test_screens_of_everything_else(language: str) -> None:
    compare(f"notices.{language}", [(name, draw_notice(n)) for name, n in other_notices(language)])


@pytest.mark.parametrize("language", LANGUAGES)
def test_screens_of_commands(language: str) -> None:
    compare(f"commands.{language}", [(name, draw_text(text)) for name, text in screens(language)])


def test_it_is_the_voice_that_the_inbox_asks_for() -> None:
    said: Voice = voice("ru")
    assert said.backlog(1, []).key == "backlog"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_button_fits_and_names_its_row(language: str) -> None:
    for name, notice in (*delivery_notices(language), *other_notices(language)):
        for button in (b for row in notice.buttons for b in row):
            assert button.data is not None and len(button.data.encode()) <= 64, name
            assert button.data.split(":")[0] in ("d", "g"), name
            assert button.label and len(button.label) <= 40, name


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_failed_says_why_with_the_code_and_offers_a_way(language: str) -> None:
    unknown = say.why(words(language), WHATSAPP, "unknown")
    for reason in REASONS:
        notice = voice(language).failed(delivery(f"refused:{reason}:131026"), identity(), 900)
        assert notice.text.plain.endswith("(WA\N{NO-BREAK SPACE}131026)")
        assert notice.buttons[0][0].data == "d:again:71"
        assert (unknown in notice.text.plain) == (reason == "unknown"), reason


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("reason", ["connection", "answer", "upload", "network", "never_heard"])
def test_a_reason_without_words_is_told_by_what_is_known_of_the_call(language: str, reason: str) -> None:
    line = words(language)
    told = {name: say.cause(line, WHATSAPP, f"{name}:{reason}:") for name in ("unreachable", "uncertain", "throttled")}
    assert told == {
        "unreachable": line.plain("why-connect"),
        "uncertain": line.plain("why-silent"),
        "throttled": line.plain("why-temporary", gate="WhatsApp"),
    }
    failed = voice(language).failed(delivery(f"uncertain:{reason}:"), identity(), 900)
    assert line.plain("why-uncertain") in failed.text.plain


def test_a_question_and_its_answer_are_one_message() -> None:
    said = voice("ru")
    row = delivery("uncertain::", state=DeliveryState.READ)
    assert said.uncertain(row, identity(), 900).key == said.settled(row, identity(), 900).key == "delivery:71"
    assert said.settled(row, identity(), 900).buttons == ()
    assert said.trouble(WHATSAPP, "locked:token:", 0).key == said.recovered(WHATSAPP, 3).key


def test_callback_data_that_does_not_fit_is_refused() -> None:
    assert say.data("d", "again", 12) == "d:again:12"
    with pytest.raises(ValueError, match="64"):
        say.data("d", "публикация" * 4)


def test_every_command_is_in_the_menu_and_has_its_help() -> None:
    for language in LANGUAGES:
        listed = say.command_list(TEXTS, language)
        assert [name for name, _ in listed] == list(say.COMMANDS)
        assert all(0 < len(description) <= 256 for _, description in listed)
        whole = say.help_text(words(language))
        assert whole is not None and all(f"/{name}" in whole.plain for name in (*say.COMMANDS, *say.UNLISTED))
        assert [name for name, _ in say.client_command_list(TEXTS, language)] == ["start", "help", "privacy"]
    assert say.help_text(words("ru"), "zomm") is None


def test_clients_are_answered_in_their_own_language_else_in_the_desk_s() -> None:
    said = voice("ru")
    assert said.menu("start", "en") == said.menu("start", "de") != said.menu("start", "ru")
    assert said.menu("start", None) == said.menu("start", "ru")

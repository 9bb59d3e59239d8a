"""What the product says by itself: notices for the desk, and the screens of its commands. Pure but for the clock.

Buttons carry `area:verb:row[:row]` and nothing else, so that they work for ever: `d` a delivery or a question about a
message, `g` networks and the desk itself, `l` a list that is turned.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, tzinfo

from bot.texts.words import Words, sentence
from inbox.clock import Clock
from inbox.model import (
    Act,
    Button,
    Contact,
    ContactId,
    Delivery,
    DeliveryState,
    Identity,
    Notice,
    Provider,
    Span,
    Text,
)
from inbox.text import join
from inbox.texts import Texts

COMMANDS = ("find", "history", "status", "start", "del", "react", "help")
UNLISTED = ("backup", "team")  # commands that the menu has no room for
CLIENT_COMMANDS = ("start", "help", "privacy")
DATA_LIMIT = 64  # bytes, telegram.md C.2

_REASONS = frozenset(
    "window blocked unreachable too_big too_big_here bad_media kind not_found too_old unchanged not_allowed payment "
    "parameter ecosystem unsupported invalid unknown opted_out test_number country self template restricted "
    "permission token gone empty voice_forbidden edit_closed no_route display_name registration spam_limit "
    "needs_number identity expired uncertain silent gate_off temporary connect conflict".split()
)
_UNNAMED = {"uncertain": "uncertain", "unreachable": "connect", "throttled": "temporary"}
"""What is said of an error whose reason has no words of its own: its name tells at least what is known of the call."""
_FAILED = {Act.SEND: "failed-send", Act.EDIT: "failed-edit", Act.DELETE: "failed-delete", Act.REACT: "failed-react"}
_CANNOT = {"edit": "cannot-edit", "delete": "cannot-delete", "react": "cannot-react"}
_SETTLED = {
    DeliveryState.SENT: "settled-sent",
    DeliveryState.DELIVERED: "settled-delivered",
    DeliveryState.READ: "settled-read",
    DeliveryState.WAITING: "settled-waiting",
    DeliveryState.SENDING: "settled-waiting",
    DeliveryState.PARKED: "parked",
    DeliveryState.DROPPED: "settled-dropped",
    DeliveryState.FAILED: "settled-failed",
    DeliveryState.UNCERTAIN: "settled-unknown",
}
_NO_ROUTE = "no_route"
BEFORE_THE_ROAD = frozenset({"business_owner_unknown", "business_connection_unknown"})
"""Shapes of what came before its connection: it is understood as soon as that is known."""
_LIMIT = re.compile(r"max([0-9]{1,18})")
"""Code of our own with too_big: the most bytes that the network takes."""
_NO_BACKUP = {
    "room": "backup-why-room",
    "full": "backup-why-room",
    "broken": "backup-why-broken",
    "corrupt": "backup-why-broken",
    "slow": "backup-why-slow",
}
_BACKLOG_NAMES = 5
_CHOICES = 6

Rows = tuple[tuple[Button, ...], ...]


def data(area: str, verb: str, *ids: object) -> str:
    """Callback data. Raises ValueError over 64 bytes."""
    packed = ":".join((area, verb, *map(str, ids)))
    if len(packed.encode()) > DATA_LIMIT:
        raise ValueError(f"callback data over {DATA_LIMIT} bytes: {packed}")
    return packed


class OwnerVoice:
    """Implements inbox.voice.Voice. windows: how long each road stays open after the client's last message."""

    def __init__(
        self,
        texts: Texts,
        clock: Clock,
        *,
        language: str,
        zone: tzinfo,
        windows: Mapping[Provider, timedelta | None],
    ) -> None:
        self._texts = texts
        self._clock = clock
        self._language = language
        self._zone = zone
        self._windows = windows

    @property
    def words(self) -> Words:
        return Words(self._texts, self._language, self._zone, self._clock.now())

    def failed(self, delivery: Delivery, identity: Identity, reply_to: int | None) -> Notice:
        words = self.words
        provider = identity.address.provider
        reason, code = _read(delivery.error)
        cause = why(words, provider, reason, code)
        text = _with_code(words.plain(_FAILED[delivery.act], why=cause), words, provider, code)
        retry = Button(words.plain("button-retry"), data("d", "again", delivery.id), style="primary")
        drop = Button(words.plain("button-drop"), data("d", "drop", delivery.id))
        return _about(delivery, text, ((retry, drop),), reply_to)

    def held(self, delivery: Delivery, identity: Identity, reply_to: int | None) -> Notice:
        words = self.words
        provider = identity.address.provider
        reason, code = _read(delivery.error)
        shown = _code(words, provider, code)
        window = self._windows.get(provider)
        if window is None or _NO_ROUTE in (reason, code):
            shown = "" if code == _NO_ROUTE else shown
            text = words.text("held-road", gate=words.gate(provider), code=shown)
        elif window >= timedelta(hours=1):
            text = words.text("held-hours", hours=int(window.total_seconds() // 3600), code=shown)
        else:
            text = words.text("held-window", where=words.in_gate(provider), code=shown)
        park = Button(words.plain("button-when-writes"), data("d", "park", delivery.id), style="primary")
        drop = Button(words.plain("button-drop"), data("d", "drop", delivery.id))
        return _about(delivery, join([text, words.text("held-kept")]), ((park,), (drop,)), reply_to)

    def parked(self, delivery: Delivery, identity: Identity, reply_to: int | None) -> Notice:
        cancel = Button(self.words.plain("button-cancel"), data("d", "drop", delivery.id))
        return _about(delivery, self.words.text("parked"), ((cancel,),), reply_to)

    def uncertain(self, delivery: Delivery, identity: Identity, reply_to: int | None) -> Notice:
        words = self.words
        again = Button(words.plain("button-again"), data("d", "again", delivery.id))
        arrived = Button(words.plain("button-arrived"), data("d", "ok", delivery.id))
        text = words.text("uncertain", gate=words.actor(identity.address.provider))
        return _about(delivery, text, ((again, arrived),), reply_to)

    def settled(self, delivery: Delivery, identity: Identity, reply_to: int | None) -> Notice:
        words = self.words
        key = _SETTLED[delivery.state] if delivery.act is Act.SEND else "settled-kept"
        values = {"where": words.in_gate(identity.address.provider)} if key in _WITH_PLACE else {}
        return _about(delivery, words.text(key, **values), (), reply_to)

    def cannot(self, what: str, delivery: Delivery, identity: Identity, reply_to: int | None) -> Notice:
        words = self.words
        provider = identity.address.provider
        reason, code = _read(delivery.error)
        cause = why(words, provider, reason)
        text = sentence(words.plain(_CANNOT[what], where=words.in_gate(provider), why=cause))
        rows: Rows = ()
        if what == "edit":
            fix = Button(words.plain("button-fix"), data("d", "fix", delivery.id), style="primary")
            rows = ((fix, Button(words.plain("button-keep"), data("d", "keep", delivery.id))),)
        return Notice(_change_key(delivery), _with_code(text, words, provider, code), rows, reply_to)

    def unshown(self, delivery: Delivery) -> Notice:
        """A message of a client that the desk refused in every form."""
        words = self.words
        _, code = _read(delivery.error)
        shown = _code(words, Provider("telegram"), code)
        return Notice(key=f"unshown:{delivery.id}", text=words.text("unshown", code=shown), silent=False)

    def quarantined(self, provider: Provider, shape: str, count: int, *, again: str | None = None) -> Notice:
        words = self.words
        gate = sentence(words.gate(provider))
        key = f"quarantine:{provider}:{shape}"
        if shape in BEFORE_THE_ROAD:
            return Notice(key=key, text=words.text("quarantined-road", gate=gate))
        text = words.text("quarantined", gate=gate, shape=shape, count=count)
        if again is None:
            return Notice(key=key, text=text)
        button = Button(words.plain("button-try-again"), data("g", "reopen", provider, again))
        return Notice(key=key, text=text, buttons=((button,),))

    def tried_again(self, provider: Provider, count: int) -> Notice:
        text = self.words.text("quarantined-again", gate=sentence(self.words.gate(provider)), count=count)
        return Notice(key=f"quarantine:{provider}", text=text)

    def trouble(self, provider: Provider, error: str, waiting: int) -> Notice:
        words = self.words
        lines = [
            words.text("trouble", gate=sentence(words.gate(provider)), since=words.clock(words.now)),
            words.text("trouble-why", why=cause(words, provider, error)),
            words.text("trouble-waiting", count=waiting),
        ]
        check = Button(words.plain("button-check"), data("g", "check", provider))
        return Notice(key=f"gate:{provider}", text=join(lines), buttons=((check,),), silent=False)

    def recovered(self, provider: Provider, minutes: int) -> Notice:
        words = self.words
        down = words.duration(timedelta(minutes=max(1, minutes)))
        return Notice(
            key=f"gate:{provider}", text=words.text("recovered", gate=sentence(words.gate(provider)), down=down)
        )

    def road(self, provider: Provider, *, open: bool, may_reply: bool) -> Notice:
        key = "road-closed" if not open else "road-open" if may_reply else "road-no-reply"
        return Notice(key=f"road:{provider}", text=self.words.text(key), silent=open and may_reply)

    def backlog(self, messages: int, contacts: Sequence[Contact]) -> Notice:
        words = self.words
        if messages == 0:
            return Notice(key="backlog", text=words.text("backlog-done"))
        lines = [words.text("backlog", messages=messages, clients=len(contacts))]
        names = [c.name or words.plain("nameless") for c in contacts[:_BACKLOG_NAMES]]
        if names:
            lines.append(words.text("backlog-names", names=", ".join(names)))
        return Notice(key="backlog", text=join(lines), pin=True, silent=False)

    def topics(self, *, work: bool) -> Notice:
        return Notice("topics", self.words.text("topics-back" if work else "topics-lost"), silent=work)

    def export_stopped(self, sink: str) -> Notice:
        return Notice(key=f"export:{sink}", text=self.words.text("export-stopped", sink=sink), silent=False)

    def export_given_up(self, sink: str, event_id: int) -> Notice:
        text = self.words.text("export-given-up", sink=sink, event=str(event_id))
        return Notice(key=f"export:{sink}:{event_id}", text=text, silent=False)

    def blocked(self, contact: Contact, *, blocked: bool) -> Notice:
        return client_blocked(self.words, contact, blocked=blocked)

    def menu(self, command: str, language: str | None) -> Text:
        return self._texts.text(f"client-{command}", language or self._language)


def change_settled(words: Words, delivery: Delivery, *, fixed: bool, reply_to: int | None) -> Notice:
    """The question after an edit that cannot be made there has its answer. fixed: new words go as a message."""
    return Notice(_change_key(delivery), words.text("settled-fixed" if fixed else "settled-kept"), (), reply_to)


def _change_key(delivery: Delivery) -> str:
    """A question about a change of a message stands beside the one about its sending."""
    return f"change:{delivery.id}" if delivery.act is Act.SEND else f"delivery:{delivery.id}"


_WITH_PLACE = frozenset({"settled-sent", "settled-delivered", "settled-read", "settled-waiting", "settled-failed"})


def why(words: Words, provider: Provider, reason: str, code: str = "") -> str:
    """The reason of an error of inbox.errors in plain words. code: names the limit where it is one of ours."""
    known = reason if reason in _REASONS else "unknown"
    if known == "too_big" and (limit := _LIMIT.fullmatch(code)):
        most = words.size(int(limit[1]))
        return words.plain("why-too-big-limit", gate=words.actor(provider), limit=most)
    values = {"gate": words.actor(provider), "where": words.in_gate(provider)}
    return words.plain(f"why-{known.replace('_', '-')}", **values)


def cause(words: Words, provider: Provider, error: str) -> str:
    """Why a network is in trouble, with its own code, of an error as it is stored."""
    reason, code = _read(error)
    return why(words, provider, "silent" if reason == "uncertain" else reason) + _code(words, provider, code)


def _read(error: str | None) -> tuple[str, str]:
    """Reason and code of a stored error, "name:reason:code"; a reason without words is told by the error's name."""
    name, _, rest = (error or "").partition(":")
    reason, _, code = rest.partition(":")
    return reason if reason in _REASONS else _UNNAMED.get(name, name), code


def _code(words: Words, provider: Provider, code: str) -> str:
    if not code or _LIMIT.fullmatch(code):
        return ""
    return words.plain("error-code", gate=words.gate_code(provider), code=code)


def _with_code(text: str, words: Words, provider: Provider, code: str) -> Text:
    return Text(text + _code(words, provider, code))


def _about(delivery: Delivery, text: Text, buttons: Rows, reply_to: int | None) -> Notice:
    return Notice(key=f"delivery:{delivery.id}", text=text, buttons=buttons, reply_to=reply_to)


# -- questions and answers on the desk --------------------------------------------------------------------------------


def ask_whom(
    words: Words, question: str, contacts: Sequence[Contact], *, reply_to: int | None, more: int | None = None
) -> Notice:
    """For whom is it? question: the row that waits. more: where the next page of clients begins, if there is one."""
    choices = [Button(c.name or words.plain("nameless"), data("d", "to", question, c.id)) for c in contacts[:_CHOICES]]
    last = [Button(words.plain("button-nobody"), data("d", "to", question, 0))]
    if more is not None:
        last.insert(0, Button(words.plain("button-other-client"), data("d", "more", question, more)))
    rows = [tuple(choices[n : n + 2]) for n in range(0, len(choices), 2)]
    return Notice(f"ask:{question}", words.text("ask-whom"), (*rows, tuple(last)), reply_to)


def answered_whom(words: Words, question: str, contact: Contact | None) -> Notice:
    """The same message once it is decided. contact None: nobody."""
    text = words.text("sent-to", name=contact.name) if contact else words.text("sent-to-nobody")
    return Notice(f"ask:{question}", text)


def ask_text(words: Words, contact: Contact) -> Notice:
    """After "Reply" where there are no topics: the owner's next text goes to this client."""
    cancel = Button(words.plain("button-cancel"), data("d", "cancel", contact.id))
    return Notice(f"reply:{contact.id}", words.text("ask-text", name=contact.name), ((cancel,),))


def ask_dropped(words: Words, contact: Contact) -> Notice:
    """The same message once she wants to answer no more."""
    return Notice(f"reply:{contact.id}", words.text("sent-to-nobody"))


def unknown_command(words: Words, name: str, near: str | None, desk_message_id: int) -> Notice:
    if near:
        text = words.text("command-unknown-near", command=f"/{name}", near=f"/{near}")
    else:
        text = words.text("command-unknown", command=f"/{name}")
    return answer(text, desk_message_id)


def answer(text: Text, desk_message_id: int) -> Notice:
    """A line that answers what the owner wrote."""
    return Notice(f"answer:{desk_message_id}", text, reply_to=desk_message_id)


def line(words: Words, key: str, desk_message_id: int, **values: object) -> Notice:
    """One of the texts as an answer."""
    return answer(words.text(key, **values), desk_message_id)


def client_blocked(words: Words, contact: Contact, *, blocked: bool) -> Notice:
    key = "client-blocked" if blocked else "client-back"
    return Notice(f"blocked:{contact.id}", words.text(key, name=contact.name), silent=not blocked)


_DISK = {"full": "disk-full", "stuck": "disk-stuck", "back": "disk-back"}


def disk(words: Words, news: str, free: int = 0) -> Notice:
    """news: full, stuck (it takes nothing, but not for want of room), back, low (with the bytes that are free)."""
    if news == "low":
        return Notice("disk", words.text("disk-low", size=words.size(free)), silent=False)
    return Notice("disk", words.text(_DISK[news]), silent=news == "back")


def backup_begun(words: Words, ref: str, reply_to: int | None) -> Notice:
    """ref: what names the message in which all is told of one copy."""
    return Notice(f"backup:{ref}", words.text("backup-begun"), reply_to=reply_to)


def backup_made(
    words: Words, ref: str, at: datetime, size: int, path: str, count: int, *, reply_to: int | None
) -> Notice:
    """size: bytes. count: copies that are kept."""
    text = words.text("backup-made", at=words.moment(at), size=words.size(size), path=path, count=count)
    return Notice(f"backup:{ref}", text, reply_to=reply_to)


def backup_failed(
    words: Words,
    ref: str,
    reason: str,
    newest: datetime | None,
    *,
    need: int = 0,
    free: int = 0,
    reply_to: int | None = None,
) -> Notice:
    """reason: "room" (with need and free, bytes), or one of storage.gently's. newest: the last copy that was made."""
    why = why_no_backup(words, reason)
    if reason == "room":
        why = words.plain("backup-why-room-sizes", need=words.size(need), free=words.size(free))
    last = words.text("backup-last", at=words.moment(newest)) if newest else words.text("backup-last-none")
    retry = Button(words.plain("button-retry"), data("g", "backup", ref), style="primary")
    text = join([words.text("backup-failed"), words.text("backup-why", why=why), last])
    return Notice(f"backup:{ref}", text, ((retry,),), reply_to, silent=False)


def why_no_backup(words: Words, reason: str) -> str:
    return words.plain(_NO_BACKUP.get(reason, "backup-why-other"), code=reason)


def stranger(words: Words, kind: str, ref: object, *, chat: str = "", reply_to: int | None = None) -> Notice:
    """kind: member (of the desk's group, not listed), connection (somebody's Business account), chat (a group)."""
    values = {"chat": chat} if kind == "chat" else {}
    return Notice(f"stranger:{kind}:{ref}", words.text(f"stranger-{kind}", **values), reply_to=reply_to)


# -- screens ----------------------------------------------------------------------------------------------------------


def claimed(
    words: Words,
    ready: Sequence[Provider],
    missing: Sequence[Provider],
    findings: Sequence[Text],
    *,
    ref: str = "",
    reply_to: int | None = None,
) -> Notice:
    """The first screen. findings: what the probe of the desk found; none: topics are on. ref: which /start of hers
    it answers; empty: the desk was claimed.
    """
    lines = [words.text("claimed")]
    if ready:
        lines.append(words.text("claim-ready", gates=", ".join(map(words.gate, ready))))
    if missing:
        lines.append(words.text("claim-missing", gates=", ".join(map(words.gate, missing))))
    lines += findings or [words.text("claim-topics-on")]
    check = Button(words.plain("button-check-topics"), data("g", "topics", *filter(None, [ref])), style="primary")
    key = f"start:{ref}" if ref else "claimed"
    return Notice(key, join(lines), ((check,),) if findings else (), reply_to, silent=False)


def help_text(words: Words, name: str = "") -> Text | None:
    """Six lines and the list of commands, or one command; None: there is no such command."""
    if name:
        return words.text(f"about-{name}") if name in (*COMMANDS, *UNLISTED) else None
    lines = [
        words.text("help-line", command=command, description=words.plain(f"command-{command}"))
        for command in (*COMMANDS, *UNLISTED)
    ]
    commands = join([words.text("help-all"), *lines])
    quoted = Text(commands.plain, (*commands.spans, Span("quote", 0, len(commands.plain))))
    return join([words.text("help-owner"), quoted])


def command_list(texts: Texts, language: str) -> list[tuple[str, str]]:
    """(name, description) of the owner's menu."""
    return [(name, texts.plain(f"command-{name}", language)) for name in COMMANDS]


def client_command_list(texts: Texts, language: str) -> list[tuple[str, str]]:
    return [(name, texts.plain(f"menu-{name}", language)) for name in CLIENT_COMMANDS]


def reply_button(words: Words, contact_id: ContactId) -> Button:
    """Under a client's message where there are no topics."""
    return Button(words.plain("button-answer"), data("d", "re", contact_id))

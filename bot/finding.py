"""Screens of /find and /history. Pure but for the clock in `Words`.

Buttons of lists are `l:verb:row:…`; the row is the setting that keeps what was asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from bot.say import data
from bot.texts.words import Words
from inbox.model import Author, Button, Card, Contact, Message, MessageId, Notice, Place, Span, Text
from inbox.store import Found, Hit, Line
from inbox.text import boundaries, join, size

PAGE = 6
CLIENTS = 4
TEXT_LIMIT = 4096  # UTF-16 units, telegram.md C.2
MOST_LINES = 90  # a message may have a hundred runs of formatting, and each line may begin a day

_BEFORE, _EXCERPT = 40, 160  # code points in front of the first place, and in all
_ROOM = TEXT_LIMIT - 300
_SHORTEST_LINE = 30
_LINE_ENDS = "\n\r\t\v\f\u2028\u2029"
_LABEL = 30

_WHO = {
    Author.OWNER: "who-owner",
    Author.OWNER_ELSEWHERE: "who-elsewhere",
    Author.AUTO: "who-auto",
    Author.NOTE: "who-note",
}

Rows = tuple[tuple[Button, ...], ...]


@dataclass(frozen=True, slots=True)
class Look:
    """What was asked, and how far it was turned.

    home: the client in whose topic it was asked. own: only of this client. wide: words that only begin so. pages:
    before which message each page begins; 0: the newest.
    """

    query: str
    home: int | None = None
    own: bool = False
    wide: bool = False
    pages: tuple[int, ...] = (0,)


@dataclass(frozen=True, slots=True)
class Past:
    """A client's conversation, turned page by page, `count` messages each at most. pages: as in Look."""

    contact: int
    count: int
    pages: tuple[int, ...] = (0,)


def results(
    words: Words,
    row: int,
    look: Look,
    page: int,
    found: Found,
    *,
    client: Contact | None,
    clients: Sequence[Contact] = (),
    reply_to: int | None = None,
) -> Notice:
    """client: whose messages were looked through; None: everybody's."""
    where = _name(client, words) if client else words.plain("find-everywhere")
    lines = [words.text("find-head", query=look.query, where=where)]
    if clients:
        lines.append(words.text("find-clients", names=", ".join(_name(c, words) for c in clients)))
    if look.wide and found.hits:
        lines.append(words.text("find-wider"))
    lines += [_hit(words, page * PAGE + n, hit) for n, hit in enumerate(found.hits, 1)]
    if found.is_cut:
        lines.append(words.text("find-too-many"))
    elif not found.hits and page:
        lines.append(words.text("find-no-more"))
    elif not found.hits:
        lines.append(words.text("find-nothing" if not clients else "find-no-messages"))
    buttons = _result_buttons(words, row, look, page, found, clients)
    return Notice(f"find:{row}", join(lines), buttons, reply_to)


def _result_buttons(words: Words, row: int, look: Look, page: int, found: Found, clients: Sequence[Contact]) -> Rows:
    rows = [tuple(Button(_name(c, words)[:_LABEL], data("l", "who", row, c.id)) for c in clients[n : n + 2])
            for n in range(0, len(clients), 2)]  # fmt: skip
    rows.append(
        tuple(
            Button(str(page * PAGE + n), data("l", "open", row, hit.message_id)) for n, hit in enumerate(found.hits, 1)
        )
    )
    rows.append(_turns(words, "find", row, page, more=found.next is not None))
    if look.home is not None:
        key, verb = ("button-everywhere", "all") if look.own else ("button-this-client", "own")
        rows.append((Button(words.plain(key), data("l", verb, row)),))
    return tuple(filter(None, rows))


def _turns(words: Words, verb: str, row: int, page: int, *, more: bool) -> tuple[Button, ...]:
    older = Button(words.plain("button-older"), data("l", verb, row, page + 1))
    newer = Button(words.plain("button-newer"), data("l", verb, row, page - 1))
    return (*([older] if more else []), *([newer] if page else []))


def _hit(words: Words, number: int, hit: Hit) -> Text:
    return words.text(
        "find-hit",
        number=str(number),
        name=_name(hit.contact, words),
        network=words.gate_code(hit.provider),
        at=words.when(hit.at),
        marks=_marks(words, hit.author, is_deleted=hit.is_deleted),
        text=excerpt(hit.text, hit.places),
    )


def excerpt(text: str, places: Sequence[tuple[int, int]]) -> Text:
    """A line around the first place, what was found bold, cut between words where there are spaces."""
    first = places[0][0] if places else 0
    start, end = 0, len(text)
    if end > _EXCERPT:
        start = _cut(text, max(0, min(first - _BEFORE, end - _EXCERPT)), forwards=True)
        end = _cut(text, min(end, start + _EXCERPT), forwards=False)
    shift = start - (1 if start else 0)
    bold = (Span("bold", a - shift, min(b, end) - shift) for a, b in places if start <= a < end)
    plain = _in_one_line(text[start:end])
    return Text(("…" if start else "") + plain + ("…" if end < len(text) else ""), tuple(bold))


def beginning(text: str, most: int, *, is_cut: bool) -> str:
    end = len(text) if len(text) <= most else _cut(text, most, forwards=False)
    line = _in_one_line(text[:end])
    return line + "…" if is_cut or end < len(text) else line


def _in_one_line(text: str) -> str:
    """As long as it was, so that places stay."""
    return "".join(" " if char in _LINE_ENDS else char for char in text)


def _cut(text: str, at: int, *, forwards: bool) -> int:
    """The end of a word near `at`, else the end of a character as a reader sees it."""
    if at in (0, len(text)):
        return at
    around = text[at : at + 20] if forwards else text[at - 20 : at]
    space = around.find(" ") if forwards else around.rfind(" ")
    if space >= 0:
        return at + space + 1 if forwards else at - len(around) + space
    begin = max(0, at - 20)
    return max(p for p in boundaries(text[begin : at + 20]) if p <= at - begin) + begin


def opened(words: Words, row: int, message: Message, reply_to: int | None) -> Notice:
    """In the client's topic. reply_to: where the message stands there; None: it stands there no more, so its words."""
    key = f"open:{row}:{message.id}"
    if reply_to is not None:
        return Notice(key, words.text("find-here"), reply_to=reply_to)
    return Notice(key, words.text("find-here-words", at=words.when(message.at), text=excerpt(message.text.plain, ())))


def opened_client(words: Words, row: int, contact: Contact, reply_to: int | None) -> Notice:
    return Notice(f"open:{row}:client:{contact.id}", words.text("find-client-here"), reply_to=reply_to)


# -- history ----------------------------------------------------------------------------------------------------------


def history(
    words: Words,
    row: int,
    page: int,
    lines: Sequence[Line],
    *,
    client: Contact,
    count: int,
    several: bool,
    reply_to: int | None = None,
) -> tuple[Notice, MessageId | None]:
    """lines: newest first, one more than `count` where there are more. several: networks, so each line names its own.

    Also returns before which message the next page begins; None: this is the last one.
    """
    head = words.text("history-head", name=_name(client, words))
    if not lines:
        return Notice(f"history:{row}", join([head, words.text("history-empty")]), (), reply_to), None
    most = max(_SHORTEST_LINE, _ROOM // min(count, len(lines)) - 30)
    taken: list[Line] = []
    body = Text()
    for line in lines[:count]:
        longer = _fold(words, [*taken, line], client, most, several=several)
        if taken and size(longer.plain, "utf16") > _ROOM:
            break
        taken.append(line)
        body = longer
    older = taken[-1].message_id if len(taken) < len(lines) else None
    quoted = Text(body.plain, (*body.spans, Span("quote", 0, len(body.plain))))
    turns = _turns(words, "hist", row, page, more=older is not None)
    return Notice(f"history:{row}", join([head, quoted]), (turns,) if turns else (), reply_to), older


def _fold(words: Words, lines: Sequence[Line], client: Contact, most: int, *, several: bool) -> Text:
    return join(list(_lines(words, list(reversed(lines)), client, most, several=several)))


def _lines(words: Words, lines: Sequence[Line], client: Contact, most: int, *, several: bool) -> Iterator[Text]:
    day: date | None = None
    for line in lines:
        today = line.at.astimezone(words.zone).date()
        if today != day:
            yield words.text("history-day", day=words.day(line.at))
        day = today
        who = words.plain(_WHO[line.author]) if line.author in _WHO else _name(client, words)
        network = f"{words.gate_code(line.provider)}\N{NO-BREAK SPACE}" if several else ""
        yield words.text(
            "history-line", at=words.clock(line.at), network=network, who=who, text=_said(words, line, most)
        )


def _said(words: Words, line: Line, most: int) -> str:
    parts = [beginning(line.head, most, is_cut=line.is_cut)] if line.head.strip() else []
    parts += [f"[{words.plain('file-' + kind.replace('_', '-'))}]" for kind in line.files]
    match line.extra:
        case None:
            pass
        case Place():
            parts.append(f"[{words.plain('stub-place')}]")
        case Card():
            parts.append(f"[{words.plain('stub-contact')}]")
        case _:
            parts.append(f"[{words.plain('stub-unknown')}]")
    if line.is_edited:
        parts.append(words.plain("mark-edited"))
    if line.is_deleted:
        parts.append(words.plain("mark-deleted"))
    return " ".join(parts) or words.plain("empty-message")


def _marks(words: Words, author: Author, *, is_deleted: bool) -> str:
    marks = [words.plain(_WHO[author])] if author in _WHO else []
    marks += [words.plain("mark-deleted")] if is_deleted else []
    return "".join(f" · {mark}" for mark in marks)


def _name(contact: Contact, words: Words) -> str:
    return contact.name or words.plain("nameless")

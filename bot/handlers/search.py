"""/find and /history: answered with one message that is turned page by page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from bot import finding, say
from bot.console import Console, tell
from bot.finding import Look, Past
from bot.handlers import writing
from bot.owner import OwnerMessage
from inbox.codec import dump, load
from inbox.model import ContactId, Message, MessageId, Notice
from inbox.routing import Command
from inbox.search import digits, parse
from inbox.store import Reading, Unit

LINES = 30
LONGEST_QUERY = 200

DONE = ""
STALE = "button-old"


async def find(command: Command, wrote: OwnerMessage, console: Console) -> None:
    query = command.args.strip()[:LONGEST_QUERY]
    where = await console.read(lambda r: writing.place_of(r, wrote))
    if not parse(query) and not digits(query):
        notice = console.speech.help(wrote.message_id, "find")
        await console.write(lambda u: writing.say_once(u, wrote, console, notice, where))
        return
    look = Look(query, home=where, own=where is not None)
    look, notice = await console.read(lambda r: results(r, look, wrote.raw_id, 0, console, _here(wrote, console)))
    await console.write(lambda u: _show_once(u, wrote, _look_row(wrote.raw_id), dump(look), notice, where))


async def history(command: Command, wrote: OwnerMessage, console: Console) -> None:
    where = await console.read(lambda r: writing.place_of(r, wrote))
    if where is None:
        notice = say.line(console.speech.words, "needs-topic", wrote.message_id, command=f"/{command.name}")
        await console.write(lambda u: writing.say_once(u, wrote, console, notice, None))
        return
    past = Past(where, _count(command.args))
    past, notice = await console.read(lambda r: pages(r, past, wrote.raw_id, 0, console, _here(wrote, console)))
    await console.write(lambda u: _show_once(u, wrote, _past_row(wrote.raw_id), dump(past), notice, where))


def results(
    reading: Reading, look: Look, row: int, page: int, console: Console, reply_to: int | None = None
) -> tuple[Look, Notice]:
    """One page; the first one also names clients, and looks for words that only begin so where there are no others."""
    query = parse(look.query)
    home = ContactId(look.home) if look.home is not None else None
    whose = home if look.own else None
    before = MessageId(look.pages[page]) if look.pages[page] else None
    wider = query.wider()
    found = reading.find_messages(wider if look.wide and wider else query, whose, finding.PAGE, before)
    if wider is not None and not (page or look.wide or found.hits or found.is_cut):
        found = reading.find_messages(wider, whose, finding.PAGE)
        look = replace(look, wide=bool(found.hits))
    clients = reading.find_contacts(look.query, finding.CLIENTS) if whose is None and page == 0 else []
    look = replace(look, pages=_pages(look.pages, page, found.next))
    client = reading.contact(whose) if whose is not None else None
    words = console.speech.words
    return look, finding.results(words, row, look, page, found, client=client, clients=clients, reply_to=reply_to)


def pages(
    reading: Reading, past: Past, row: int, page: int, console: Console, reply_to: int | None = None
) -> tuple[Past, Notice]:
    contact = reading.contact(ContactId(past.contact))
    before = MessageId(past.pages[page]) if past.pages[page] else None
    lines = reading.last_messages(contact.id, past.count + 1, before)
    several = len({i.address.provider for i in reading.identities_of(contact.id)}) > 1
    notice, older = finding.history(
        console.speech.words,
        row,
        page,
        lines,
        client=contact,
        count=past.count,
        several=several,
        reply_to=reply_to,
    )
    return replace(past, pages=_pages(past.pages, page, older)), notice


async def tap(verb: str, argument: str, console: Console) -> str:
    """A button of a list; returns the key of the toast."""
    row, _, rest = argument.partition(":")
    if verb not in TAPS or not row.isdecimal() or not (rest.isdecimal() or not rest):
        return STALE
    return await TAPS[verb](int(row), int(rest or 0), console)


async def _turn_find(row: int, page: int, console: Console) -> str:
    look = await console.read(lambda r: _look(r, row))
    return await _redraw(row, look, page, console) if look is not None else STALE


async def _everywhere(row: int, _: int, console: Console) -> str:
    return await _again(row, console, own=False)


async def _only_own(row: int, _: int, console: Console) -> str:
    return await _again(row, console, own=True)


async def _again(row: int, console: Console, *, own: bool) -> str:
    look = await console.read(lambda r: _look(r, row))
    if look is None or look.home is None:
        return STALE
    return await _redraw(row, Look(look.query, home=look.home, own=own), 0, console)


async def _redraw(row: int, look: Look, page: int, console: Console) -> str:
    if page >= len(look.pages):
        return STALE
    look, notice = await console.read(lambda r: results(r, look, row, page, console))
    where = ContactId(look.home) if look.home is not None else None
    await console.write(lambda u: _show(u, _look_row(row), dump(look), notice, where))
    return DONE


async def _turn_history(row: int, page: int, console: Console) -> str:
    kept = await console.read(lambda r: _past(r, row))
    if kept is None or page >= len(kept.pages):
        return STALE
    past, notice = await console.read(lambda r: pages(r, kept, row, page, console))
    await console.write(lambda u: _show(u, _past_row(row), dump(past), notice, ContactId(past.contact)))
    return DONE


async def _open(row: int, message: int, console: Console) -> str:
    return await console.write(lambda u: open_message(u, row, MessageId(message), console))


def open_message(unit: Unit, row: int, message_id: MessageId, console: Console) -> str:
    """No link leads into a private topic: a line in it answers the message, and so is the way there."""
    try:
        message = unit.message(message_id)
    except KeyError:
        return STALE
    if not unit.once(f"open:{row}:{message_id}"):
        return "find-opened-before"
    contact = unit.identity(message.identity_id).contact_id
    standing = _standing(unit, message, console.desk.chat_id)
    tell(unit, finding.opened(console.speech.words, row, message, standing), contact)
    return "find-opened"


async def _open_client(row: int, contact: int, console: Console) -> str:
    return await console.write(lambda u: open_client(u, row, ContactId(contact), console))


def open_client(unit: Unit, row: int, contact_id: ContactId, console: Console) -> str:
    try:
        contact = unit.contact(contact_id)
    except KeyError:
        return STALE
    if not unit.once(f"open:{row}:client:{contact.id}"):
        return "find-opened-before"
    chat = console.desk.chat_id
    topic = unit.topic_of(contact.id, console.desk.backend, chat) if chat is not None else None
    notice = finding.opened_client(console.speech.words, row, contact, topic.card_message_id if topic else None)
    tell(unit, notice, contact.id)
    return "find-opened"


TAPS: Mapping[str, Callable[[int, int, Console], Awaitable[str]]] = {
    "find": _turn_find,
    "all": _everywhere,
    "own": _only_own,
    "open": _open,
    "who": _open_client,
    "hist": _turn_history,
}


def _standing(reading: Reading, message: Message, chat: int | None) -> int | None:
    """The desk message that shows it, or that the owner wrote; None: it is not on this desk."""
    source = reading.source_of(message.id)
    if source is not None and source[0] == chat:
        return source[1]
    return next((s.desk_message_id for s in reading.shown_as(message.id) if s.chat_id == chat), None)


def _show_once(unit: Unit, wrote: OwnerMessage, key: str, row: str, notice: Notice, where: ContactId | None) -> None:
    if unit.once(f"said:{wrote.source}"):
        _show(unit, key, row, notice, where)


def _show(unit: Unit, key: str, row: str, notice: Notice, where: ContactId | None) -> None:
    unit.set_setting(key, row)
    tell(unit, notice, where)


def _look(reading: Reading, row: int) -> Look | None:
    kept = reading.setting(_look_row(row))
    return load(Look, kept) if kept else None


def _past(reading: Reading, row: int) -> Past | None:
    kept = reading.setting(_past_row(row))
    return load(Past, kept) if kept else None


def _look_row(row: int) -> str:
    return f"find:{row}"


def _past_row(row: int) -> str:
    return f"history:{row}"


def _pages(known: tuple[int, ...], page: int, following: MessageId | None) -> tuple[int, ...]:
    return (*known[: page + 1], *([following] if following is not None else []))


def _count(args: str) -> int:
    asked = int(args) if args.isascii() and args.isdecimal() and len(args) < 6 else LINES
    return max(1, min(asked, finding.MOST_LINES))


def _here(wrote: OwnerMessage, console: Console) -> int | None:
    """Beside the desk her message's number means another message."""
    return wrote.message_id if wrote.chat_id == console.desk.chat_id else None

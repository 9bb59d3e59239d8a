"""What the owner writes: to a client, as a note, as a command, or to nobody yet."""

from __future__ import annotations

from dataclasses import replace

from aiogram import Router
from aiogram.types import Message as TelegramMessage

from bot import say
from bot.console import Console, answer, tell
from bot.handlers import commands
from bot.owner import OwnerMessage
from inbox import answers
from inbox.errors import Refused
from inbox.fate import refresh_mark
from inbox.lanes import client_lane
from inbox.model import (
    Act,
    Author,
    ContactId,
    Delivery,
    Identity,
    Message,
    MessageId,
    Notice,
    Part,
    Span,
    Text,
)
from inbox.routing import (
    Ask,
    Command,
    Note,
    Nothing,
    Party,
    ReplyTo,
    Route,
    Said,
    Target,
    UnknownCommand,
    Written,
    classify,
    route,
)
from inbox.store import DuplicateSource, Reading, Unit

RECENT = 6


def router() -> Router:
    router = Router(name="writing")
    router.message.register(on_message)
    router.edited_message.register(on_edit)
    return router


async def on_message(_: TelegramMessage, wrote: OwnerMessage, console: Console) -> None:
    decided = await console.read(lambda r: decide(r, wrote, console))
    match decided:
        case Target():
            await console.write(lambda u: send(u, wrote, console, decided))
            console.touch(decided.contact_id)
        case Note():
            await console.write(lambda u: keep_note(u, wrote, decided))
        case Command() if wrote.forwarded:
            notice = say.line(console.speech.words, "command-forwarded", wrote.message_id)
            where = await console.read(lambda r: place_of(r, wrote))
            await console.write(lambda u: say_once(u, wrote, console, notice, where))
        case Command():
            await commands.run(decided, wrote, console)
        case UnknownCommand():
            notice = console.speech.unknown_command(wrote.message_id, decided.name, decided.suggestion)
            where = await console.read(lambda r: place_of(r, wrote))
            await console.write(lambda u: say_once(u, wrote, console, notice, where))
        case Ask():
            await console.write(lambda u: ask(u, wrote, console))
        case Nothing():
            return


def decide(reading: Reading, wrote: OwnerMessage, console: Console) -> Route:
    """Where it goes. Reads what the decision needs; the decision itself is inbox.routing's."""
    prompt = reading.prompt(wrote.place)
    prompted = ContactId(int(prompt.ref)) if prompt is not None and prompt.kind == "reply" else None
    written = Written(
        text=wrote.text.plain,
        has_media=bool(wrote.attachments) or wrote.extra is not None,
        topic=_topic(reading, wrote),
        general=wrote.thread_id is None,
        reply=reply_to(reading, wrote),
        prompted=party(reading, prompted) if prompted else None,
        recent=tuple(c.id for c in reading.recent_contacts(RECENT)),
    )
    return route(written, console.commands)


def _topic(reading: Reading, wrote: OwnerMessage) -> Party | None:
    if wrote.thread_id is None:
        return None
    topic = reading.topic_at(wrote.chat_id, wrote.thread_id)
    return party(reading, topic.contact_id) if topic else None


def place_of(reading: Reading, wrote: OwnerMessage) -> ContactId | None:
    """Whose topic she wrote in."""
    found = _topic(reading, wrote)
    return found.contact.id if found else None


def party(reading: Reading, contact: ContactId) -> Party:
    return Party(reading.contact(contact), tuple(reading.identities_of(contact)))


def reply_to(reading: Reading, wrote: OwnerMessage) -> ReplyTo | None:
    """The message of the conversation that she replied to, hers or the client's; joined texts: the one quoted."""
    if wrote.reply_to is None:
        return None
    message = replied(reading, wrote)
    if message is None:
        return None
    identity = reading.identity(message.identity_id)
    return ReplyTo(party(reading, identity.contact_id), identity.id, message.id)


def replied(reading: Reading, wrote: OwnerMessage) -> Message | None:
    if wrote.reply_to is None:
        return None
    own = reading.message_by_source(f"desk:{wrote.chat_id}:{wrote.reply_to}")
    if own is not None:
        return own
    shown = [reading.message(s.message_id) for s in reading.shown_at(wrote.chat_id, wrote.reply_to)]
    quoted = [m for m in shown if wrote.quote and wrote.quote in m.text.plain]
    found = quoted or shown
    return found[-1] if found else None


def send(unit: Unit, wrote: OwnerMessage, console: Console, target: Target) -> None:
    """Queue it for the client. A repeat of the update finds it queued."""
    if unit.prompt(wrote.place) is not None:
        unit.set_prompt(wrote.place, None)
    queue(unit, wrote, console, unit.identity(target.identity_id), target.reply_to)
    if target.crossed:
        tell(unit, console.speech.crossed(wrote.message_id), target.contact_id)


def queue(
    unit: Unit, wrote: OwnerMessage, console: Console, identity: Identity, reply: MessageId | None = None
) -> None:
    content = Part(text=wrote.text, extra=wrote.extra, reply_to=reply, quote=wrote.quote)
    try:
        answers.queue(
            unit,
            identity,
            Author.OWNER,
            content,
            console.rules.roads.get(identity.address.provider),
            console.rules.voice,
            attachments=wrote.attachments,
            album=wrote.album,
            source=wrote.source,
        )
    except DuplicateSource:
        return


def keep_note(unit: Unit, wrote: OwnerMessage, note: Note) -> None:
    """Stays here: marked, exported nowhere, sent to nobody."""
    if note.contact_id is None:
        return
    identity = latest_identity(unit, note.contact_id)
    try:
        message = unit.add_message(
            identity.id,
            Author.NOTE,
            at=unit.now,
            content=Part(text=_tail(wrote.text, note.start), extra=wrote.extra),
            attachments=wrote.attachments,
            source=wrote.source,
        )
    except DuplicateSource:
        return
    refresh_mark(unit, message.id)


def _tail(text: Text, start: int) -> Text:
    spans = tuple(Span(s.kind, max(s.start - start, 0), s.end - start, s.url) for s in text.spans if s.end > start)
    return Text(text.plain[start:], spans)


def latest_identity(reading: Reading, contact: ContactId) -> Identity:
    identities = reading.identities_of(contact)
    return max(identities, key=lambda i: (i.last_inbound_at.timestamp() if i.last_inbound_at else 0.0, i.id))


def ask(unit: Unit, wrote: OwnerMessage, console: Console) -> None:
    """For whom is it? An album is asked about once; the tap then sends all of it."""
    first = wrote.raw_id
    if wrote.album is not None:
        known = unit.setting(f"ask:album:{wrote.album}")
        first = int(known) if known else first
        if known is None:
            unit.set_setting(f"ask:album:{wrote.album}", str(first))
    asked = unit.setting(f"ask:{first}")
    raws = [int(n) for n in asked.split(",")] if asked else []
    if wrote.raw_id in raws:
        return
    unit.set_setting(f"ask:{first}", ",".join(str(n) for n in (*raws, wrote.raw_id)))
    if not raws:
        tell(unit, whom(unit, console, wrote, first, 0))


def whom(reading: Reading, console: Console, wrote: OwnerMessage, question: int, page: int) -> Notice:
    """The clients to choose from, those of the last conversations first; she herself is none."""
    here = wrote.message_id if wrote.chat_id == console.desk.chat_id else None
    own = {i.contact_id for _, i in reading.identities_by_key(console.place.owner_key or "")}
    known = reading.recent_contacts((page + 1) * RECENT + 1 + len(own))
    contacts = [c for c in known if c.id not in own][page * RECENT :]
    more = page + 1 if len(contacts) > RECENT else None
    return console.speech.for_whom(here, question, contacts[:RECENT], more)


def say_once(unit: Unit, wrote: OwnerMessage, console: Console, notice: Notice, contact: ContactId | None) -> None:
    """Answer the first time this message is handled; a repeat of the update says nothing."""
    if unit.once(f"said:{wrote.source}"):
        answer(unit, console, wrote.chat_id, notice, contact)


async def on_edit(_: TelegramMessage, wrote: OwnerMessage, console: Console) -> None:
    await console.write(lambda u: edit(u, wrote, console))


def edit(unit: Unit, wrote: OwnerMessage, console: Console) -> None:
    """New words of a message of hers: of one that waits, they are what will be sent; else they follow it."""
    message = unit.message_by_source(wrote.source)
    if message is None or message.author is not Author.OWNER or message.deleted_at is not None:
        return
    identity = unit.identity(message.identity_id)
    if message.text == wrote.text:
        return
    if classify(wrote.text.plain).said is not Said.PLAIN:
        _say_cannot_edit(unit, console, message, identity, wrote, "invalid")
        return
    content = replace(_content(message), text=wrote.text)
    abilities = console.rules.roads.get(identity.address.provider)
    if abilities is None or answers.change_waiting(unit, identity, message, content, abilities, console.rules.voice):
        return
    sent = answers.live_sends(unit, identity, message)
    too_old = abilities.edit is None or unit.now - message.stored_at > abilities.edit
    if too_old or len(sent) != 1:
        reason = "unsupported" if abilities.edit is None else "edit_closed" if too_old else "not_allowed"
        _say_cannot_edit(unit, console, message, identity, wrote, reason)
        return
    attachments = sent[0].content.attachments if isinstance(sent[0].content, Part) else ()
    follow(unit, message, identity, Act.EDIT, Part(text=wrote.text, attachments=attachments))


def follow(unit: Unit, message: Message, identity: Identity, act: Act, part: Part, number: int = 0) -> None:
    """Queue a change of what was sent, behind it in its lane: it is applied after the outcome."""
    provider = identity.address.provider
    lane = client_lane(provider, identity.contact_id)
    unit.add_delivery(act, provider, lane, message_id=message.id, part=number, content=part)


def _content(message: Message) -> Part:
    return Part(text=message.text, extra=message.extra, reply_to=message.reply_to, quote=message.quote)


def _say_cannot_edit(
    unit: Unit, console: Console, message: Message, identity: Identity, wrote: OwnerMessage, reason: str
) -> None:
    """Her new words are kept for the button that sends them as a message; what begins with a slash never is sent."""
    rows = unit.deliveries_of(message.id, identity.address.provider)
    source = unit.source_of(message.id)
    if not rows or not unit.once(f"edit:{wrote.raw_id}"):
        return
    row = replace(rows[-1], error=Refused(reason).stored())
    notice = console.rules.voice.cannot("edit", row, identity, source[1] if source else None)
    if classify(wrote.text.plain).said is Said.PLAIN:
        unit.set_setting(fix_of(rows[-1]), str(wrote.raw_id))
    else:
        notice = replace(notice, buttons=())
    tell(unit, notice, identity.contact_id)


def fix_of(row: Delivery) -> str:
    """The setting that names the raw update with the words of an edit which could not be made."""
    return f"fix:{row.id}"


def sent_by_owner(unit: Unit, wrote: OwnerMessage) -> Message | None:
    """The message of hers that she replied to."""
    if wrote.reply_to is None:
        return None
    message = unit.message_by_source(f"desk:{wrote.chat_id}:{wrote.reply_to}")
    return message if message is not None and message.author is Author.OWNER else None

"""The owner's commands. Each answers where it was given; none reaches a client."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from bot.console import Console, answer, tell
from bot.handlers import search, team, writing
from bot.owner import OwnerMessage
from inbox import answers
from inbox.backups import Asked, ask
from inbox.errors import Refused
from inbox.model import Act, Author, Part
from inbox.routing import Command
from inbox.store import Unit

Run = Callable[[Command, OwnerMessage, Console], Awaitable[None]]


async def run(command: Command, wrote: OwnerMessage, console: Console) -> None:
    await COMMANDS[command.name](command, wrote, console)


async def start(_: Command, wrote: OwnerMessage, console: Console) -> None:
    standing = await console.standing()
    here = wrote.chat_id == console.desk.chat_id
    ref = f"{wrote.chat_id}.{wrote.message_id}"
    notice = console.speech.welcome(standing, ref, wrote.message_id if here else None)
    where = await console.read(lambda r: writing.place_of(r, wrote))
    await _answer(wrote, console, lambda u: tell(u, notice, where))


async def help_(command: Command, wrote: OwnerMessage, console: Console) -> None:
    topic = command.args.split()[0].lstrip("/").lower() if command.args.split() else ""
    known = topic in COMMANDS
    notice = console.speech.help(wrote.message_id, topic if known else "")
    where = await console.read(lambda r: writing.place_of(r, wrote))
    await _answer(wrote, console, lambda u: answer(u, console, wrote.chat_id, notice, where))


async def status(_: Command, wrote: OwnerMessage, console: Console) -> None:
    notice = console.speech.status(wrote.message_id, await console.standing())
    where = await console.read(lambda r: writing.place_of(r, wrote))
    await _answer(wrote, console, lambda u: answer(u, console, wrote.chat_id, notice, where))


async def delete(_: Command, wrote: OwnerMessage, console: Console) -> None:
    await _answer(wrote, console, lambda u: take_back(u, wrote, console))


def take_back(unit: Unit, wrote: OwnerMessage, console: Console) -> None:
    """As a reply to a message of hers: of one that waits nothing leaves; else it is deleted where the network can."""
    where = writing.place_of(unit, wrote)
    message = writing.sent_by_owner(unit, wrote)
    if message is None:
        answer(unit, console, wrote.chat_id, console.speech.needs_reply(wrote.message_id, "del", own=True), where)
        return
    identity = unit.identity(message.identity_id)
    if answers.take_back(unit, identity, message):
        answer(unit, console, wrote.chat_id, console.speech.taken_back(wrote.message_id), identity.contact_id)
        return
    abilities = console.rules.roads.get(identity.address.provider)
    if abilities is None or abilities.delete is None or unit.now - message.stored_at > abilities.delete:
        rows = unit.deliveries_of(message.id, identity.address.provider)
        reason = "unsupported" if abilities is not None and abilities.delete is None else "too_old"
        row = replace(rows[-1], error=Refused(reason if abilities is not None else "gate_off").stored())
        notice = console.rules.voice.cannot("delete", row, identity, wrote.message_id)
        answer(unit, console, wrote.chat_id, notice, identity.contact_id)
        return
    for row in answers.drop_unsent(unit, identity, message):
        writing.follow(unit, message, identity, Act.DELETE, Part(), row.part)


async def react(command: Command, wrote: OwnerMessage, console: Console) -> None:
    await _answer(wrote, console, lambda u: put_reaction(u, command.args.strip(), wrote, console))


def put_reaction(unit: Unit, emoji: str, wrote: OwnerMessage, console: Console) -> None:
    """As a reply to a client's message; without an emoji the reaction is taken back."""
    message = writing.replied(unit, wrote)
    if message is None or message.author is not Author.CLIENT:
        notice = console.speech.needs_reply(wrote.message_id, "react", own=False)
        answer(unit, console, wrote.chat_id, notice, writing.place_of(unit, wrote))
        return
    identity = unit.identity(message.identity_id)
    abilities = console.rules.roads.get(identity.address.provider)
    allowed = abilities.reactions if abilities is not None else None
    if allowed is None or (allowed and emoji and emoji not in allowed):
        notice = console.speech.no_reaction(wrote.message_id, identity.address.provider)
        answer(unit, console, wrote.chat_id, notice, identity.contact_id)
        return
    writing.follow(unit, message, identity, Act.REACT, Part(emoji=emoji or None))


async def find(command: Command, wrote: OwnerMessage, console: Console) -> None:
    await search.find(command, wrote, console)


async def history(command: Command, wrote: OwnerMessage, console: Console) -> None:
    await search.history(command, wrote, console)


async def backup(_: Command, wrote: OwnerMessage, console: Console) -> None:
    """The copy is made beside; what became of it is told in the message that says that it is being made."""
    here = wrote.chat_id == console.desk.chat_id
    where = await console.read(lambda r: writing.place_of(r, wrote))
    who = Asked(f"{wrote.chat_id}.{wrote.message_id}", wrote.message_id if here else None, where)

    def begin(unit: Unit) -> None:
        begin_backup(unit, who, console)

    await _answer(wrote, console, begin)


def begin_backup(unit: Unit, who: Asked, console: Console) -> bool:
    """False: it is being made."""
    if not ask(unit, who):
        return False
    tell(unit, console.speech.backup_begun(who), who.contact)
    return True


async def _answer(wrote: OwnerMessage, console: Console, effect: Callable[[Unit], None]) -> None:
    """The effect of a command happens once, however often its update comes."""

    def work(unit: Unit) -> None:
        if unit.once(f"said:{wrote.source}"):
            effect(unit)

    await console.write(work)


COMMANDS: Mapping[str, Run] = {
    "help": help_,
    "status": status,
    "start": start,
    "del": delete,
    "react": react,
    "find": find,
    "history": history,
    "backup": backup,
    "team": team.run,
}

"""Where what the owner wrote goes. Pure: it is given all that it decides by.

First of all: nothing that begins with "/" is ever a Target.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from difflib import get_close_matches
from enum import StrEnum

from inbox.model import Contact, ContactId, Identity, IdentityId, MessageId

_COMMAND = re.compile(r"/(?P<name>[^\s@]+)(?:@(?P<bot>\w*))?\s*")
# What a keyboard or a paste may leave in front of the slash, unseen.
_UNSEEN = re.compile(r"[\s\u200b-\u200f\u2060\ufeff]*")
_NEVER = datetime.min.replace(tzinfo=UTC)


class Said(StrEnum):
    PLAIN = "plain"
    NOTE = "note"
    COMMAND = "command"


@dataclass(frozen=True, slots=True)
class Words:
    """What kind of words these are. The words meant (of a note, a command's arguments) begin at `start`."""

    said: Said
    start: int = 0  # code points
    name: str = ""  # command: in lower case, without "/" and bot
    bot: str | None = None  # command: whose, if it says so


@dataclass(frozen=True, slots=True)
class Party:
    contact: Contact
    identities: tuple[Identity, ...]


@dataclass(frozen=True, slots=True)
class ReplyTo:
    """A shown message that the owner replied to."""

    party: Party
    identity_id: IdentityId
    message_id: MessageId


@dataclass(frozen=True, slots=True)
class Written:
    """What the owner wrote, and where.

    topic: whose topic it stands in. general: in no thread (else, without topic, in a thread that is nobody's).
    prompted: whom a question in this place, which her words answer, was about. recent: whom she may mean.
    """

    text: str
    has_media: bool = False
    topic: Party | None = None
    general: bool = False
    reply: ReplyTo | None = None
    prompted: Party | None = None
    recent: tuple[ContactId, ...] = ()


@dataclass(frozen=True, slots=True)
class Console:
    """aliases: words in lower case that open a command's screen when they stand alone in General."""

    bot: str = ""  # own user name
    commands: frozenset[str] = frozenset()
    aliases: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Target:
    """crossed: she replied to a message of another client than the topic's; the topic wins, the quote is gone."""

    contact_id: ContactId
    identity_id: IdentityId
    reply_to: MessageId | None = None
    crossed: bool = False


@dataclass(frozen=True, slots=True)
class Note:
    """contact_id None: a note about nobody. Its words begin at `start`."""

    contact_id: ContactId | None
    start: int


@dataclass(frozen=True, slots=True)
class Command:
    """The arguments, as they stand in the text from `start` on."""

    name: str
    args: str = ""
    start: int = 0


@dataclass(frozen=True, slots=True)
class UnknownCommand:
    name: str
    suggestion: str | None = None


@dataclass(frozen=True, slots=True)
class Ask:
    """For whom is it?"""

    candidates: tuple[ContactId, ...] = ()


@dataclass(frozen=True, slots=True)
class Nothing:
    """Not for us: a command for another bot, or no words at all."""


Route = Target | Note | Command | UnknownCommand | Ask | Nothing


def route(written: Written, console: Console) -> Route:
    words = classify(written.text)
    if words.said is Said.NOTE:
        party = _party(written)
        return Note(party.contact.id if party else None, words.start)
    if words.said is Said.COMMAND:
        return _command(written.text, words, console)
    if not written.text.strip() and not written.has_media:
        return Nothing()
    party = _party(written)
    if party is None:
        alias = console.aliases.get(written.text.strip().lower()) if written.general else None
        return Command(alias, start=len(written.text)) if alias else Ask(written.recent)
    return _target(written, party)


def classify(text: str) -> Words:
    """ "/ words" and "//words" are a note; anything else that begins with "/" is a command."""
    unseen = _UNSEEN.match(text)
    slash = unseen.end() if unseen else 0
    if text[slash : slash + 1] != "/":
        return Words(Said.PLAIN)
    rest = text[slash + 1 :]
    if rest[:1] == "/" or rest[:1].isspace():
        return Words(Said.NOTE, start=len(text) - len(rest[1:].lstrip()))
    found = _COMMAND.match(text, slash)
    if found is None:
        return Words(Said.COMMAND, start=len(text))
    return Words(Said.COMMAND, found.end(), found["name"].lower(), found["bot"])


def suggest(name: str, known: Collection[str]) -> str | None:
    """The known command that an unknown one most looks like."""
    return next(iter(get_close_matches(name.lower(), sorted(known), n=1)), None)


def choose_identity(
    contact: Contact, identities: Sequence[Identity], reply_identity: IdentityId | None = None
) -> IdentityId | None:
    """The one that the replied-to message came from, else the chosen road, else where the client last wrote.

    None: the contact has no identity.
    """
    own = {i.id for i in identities}
    for wanted in (reply_identity, contact.via):
        if wanted in own:
            return wanted
    last = max(identities, key=lambda i: (i.last_inbound_at or _NEVER, i.id), default=None)
    return last.id if last else None


def _party(written: Written) -> Party | None:
    if written.topic:
        return written.topic
    return written.reply.party if written.reply else written.prompted


def _command(text: str, words: Words, console: Console) -> Route:
    if words.bot and console.bot and words.bot.lower() != console.bot.lower():
        return Nothing()
    if words.name in console.commands:
        return Command(words.name, text[words.start :].strip(), words.start)
    return UnknownCommand(words.name, suggest(words.name, console.commands))


def _target(written: Written, party: Party) -> Route:
    reply = written.reply
    crossed = reply is not None and reply.party.contact.id != party.contact.id
    quoted = None if crossed else reply
    identity = choose_identity(party.contact, party.identities, quoted.identity_id if quoted else None)
    if identity is None:
        return Ask(written.recent)
    return Target(party.contact.id, identity, quoted.message_id if quoted else None, crossed)

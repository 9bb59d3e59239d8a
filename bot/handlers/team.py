"""/team: the owner alone decides who else may work at a desk that is a supergroup."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bot import say
from bot import team as screens
from bot.console import Console, answer, tell
from bot.handlers import writing
from bot.owner import OwnerMessage
from bot.place import set_team, team_of
from bot.team import Colleague
from inbox.errors import InboxError
from inbox.model import Notice
from inbox.routing import Command
from inbox.store import Unit

DONE = ""
STALE = "button-old"
OWNERS = "button-owner-only"

_TAP = re.compile(r"(?P<ref>-?[0-9]{1,20}\.[0-9]{1,20}):(?P<who>[0-9]{1,19})")
_USER_ID = re.compile(r"[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class Answer:
    """gone: to be taken off the list with it, as the group has them no more."""

    notice: Notice
    gone: Mapping[int, str] = field(default_factory=dict)


async def run(command: Command, wrote: OwnerMessage, console: Console) -> None:
    told = await _answer(command, wrote, console)
    where = await console.read(lambda r: writing.place_of(r, wrote))

    def work(unit: Unit) -> None:
        if not unit.once(f"said:{wrote.source}"):
            return
        if told.gone:
            listed = team_of(unit, console.place)
            set_team(unit, console.place, {i: name for i, name in listed.items() if i not in told.gone})
        if told.notice.buttons:
            tell(unit, told.notice, where)  # found again by its key when it is answered
        else:
            answer(unit, console, wrote.chat_id, told.notice, where)

    await console.write(work)
    if told.gone:
        await console.obey()


async def _answer(command: Command, wrote: OwnerMessage, console: Console) -> Answer:
    words, here = console.speech.words, wrote.message_id
    if wrote.by != console.place.owner_id:
        return Answer(say.line(words, "team-owner-only", here))
    if console.place.forum_id is None or console.desk.chat_id != console.place.forum_id:
        return Answer(say.line(words, "team-needs-group", here))
    try:
        return await _screen(command, wrote, console)
    except InboxError:
        return Answer(say.line(words, "team-no-answer", here))


async def _screen(command: Command, wrote: OwnerMessage, console: Console) -> Answer:
    words, here = console.speech.words, wrote.message_id
    listed = await console.read(lambda r: team_of(r, console.place))
    if wrote.reply_to is None and not command.args:
        present = {i: found.name for i in listed if (found := await console.member(i)) is not None}
        gone = {i: name for i, name in listed.items() if i not in present}
        return Answer(screens.listing(words, here, present, gone), gone)
    wanted = int(command.args) if _USER_ID.fullmatch(command.args) else None
    if command.args and wanted is None:
        return Answer(console.speech.help(here, "team"))
    wanted = wanted or wrote.replied_user
    if wanted is None:
        return Answer(say.line(words, "team-not-a-person", here))
    if wanted == console.place.owner_id:
        return Answer(say.line(words, "team-owner", here))
    who = await console.member(wanted)
    if who is None and wanted in listed:
        who = Colleague(wanted, listed[wanted])
    if who is None:
        return Answer(say.line(words, "team-nobody", here))
    reply_to = here if wrote.chat_id == console.desk.chat_id else None
    ref = f"{wrote.chat_id}.{wrote.message_id}"
    return Answer(screens.question(words, ref, who, listed=wanted in listed, reply_to=reply_to))


async def tap(verb: str, argument: str, user_id: int, console: Console) -> str:
    """seat, unseat, unmoved; returns the key of the toast."""
    found = _TAP.fullmatch(argument)
    if found is None or console.place.forum_id is None:
        return STALE
    if user_id != console.place.owner_id:
        return OWNERS
    who, ref = int(found["who"]), found["ref"]
    try:
        member = await console.member(who) if verb == "seat" else None
    except InboxError:
        return "team-no-answer"
    await console.write(lambda u: _settle(u, verb, ref, member or Colleague(who, ""), member is not None, console))
    await console.obey()
    return DONE


def _settle(unit: Unit, verb: str, ref: str, who: Colleague, present: bool, console: Console) -> None:
    listed = team_of(unit, console.place)
    key, name = "team-kept", who.name
    if verb == "unseat":
        key, name = "team-removed", listed.pop(who.id, who.name or str(who.id))
    elif verb == "seat" and not present:
        key = "team-nobody"
    elif verb == "seat" and who.id not in listed and len(listed) >= screens.LIMIT:
        key = "team-full"
    elif verb == "seat":
        key = "team-added"
        listed[who.id] = who.name
    set_team(unit, console.place, listed)
    tell(unit, screens.settled(console.speech.words, ref, key, name))


def departed(update: Mapping[str, Any], desk_chat: int | None) -> int | None:
    """The user id of whoever has just left the desk's group, or was removed from it."""
    message = update.get("message")
    if not isinstance(message, Mapping) or desk_chat is None or message["chat"].get("id") != desk_chat:
        return None
    gone = message.get("left_chat_member")
    user_id = gone.get("id") if isinstance(gone, Mapping) else None
    return user_id if isinstance(user_id, int) else None


async def dismiss(user_id: int, console: Console) -> None:
    """Whoever comes back has to be listed anew."""

    def work(unit: Unit) -> None:
        listed = team_of(unit, console.place)
        name = listed.pop(user_id, None)
        if name is not None:
            set_team(unit, console.place, listed)
            tell(unit, screens.left(console.speech.words, Colleague(user_id, name)))

    await console.write(work)
    await console.obey()

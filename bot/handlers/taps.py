"""Buttons. Each carries the id of a row and works for ever; a finished row answers with its result."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from aiogram import Router
from aiogram.types import CallbackQuery

from bot.console import Console, tell
from bot.handlers import commands, search, team, writing
from bot.owner import owner_message, prompt_place
from inbox import answers, fate, quarantine
from inbox.backups import Asked
from inbox.gate import Receipt
from inbox.model import Act, Author, ContactId, Delivery, DeliveryId, DeliveryState, Identity, Part, Provider, Text
from inbox.store import Prompt, Unit

Tap = Callable[[Unit, Delivery, Console], str]
"""Returns the key of the toast."""

DONE = ""
STALE = "button-old"

_PLACE = re.compile(r"(-?[0-9]+\.[0-9]+)?")
"""Which /start of hers a first screen answers, chat and message; empty: the claim."""

_BACKUP = re.compile(r"-?[0-9]+\.[0-9]+|t[0-9]+")
"""The message that is told of a copy: her command's chat and message, or when the trouble began."""


def router() -> Router:
    router = Router(name="taps")
    router.callback_query.register(on_tap)
    return router


async def on_tap(query: CallbackQuery, console: Console) -> None:
    area, _, rest = (query.data or "").partition(":")
    verb, _, argument = rest.partition(":")
    toast = STALE
    if area == "d" and verb == "more":
        toast = await console.write(lambda u: more(u, argument, console))
    elif area == "d" and verb == "to":
        toast = await console.write(lambda u: give(u, argument, console))
    elif area == "d" and verb == "re" and query.message is not None and argument.isdecimal():
        place = prompt_place(query.message.chat.id, None, query.from_user.id)
        toast = await console.write(lambda u: prompt(u, place, ContactId(int(argument)), console))
    elif area == "d" and verb in TAPS and argument.isdecimal():
        toast = await console.write(lambda u: about_delivery(u, verb, DeliveryId(int(argument)), console))
    elif area == "d" and verb == "cancel" and query.message is not None and argument.isdecimal():
        place = prompt_place(query.message.chat.id, None, query.from_user.id)
        toast = await console.write(lambda u: cancel(u, place, ContactId(int(argument)), console))
    elif area == "g" and verb == "topics" and _PLACE.fullmatch(argument):
        await recheck(argument, console)
        toast = DONE
    elif area == "g" and verb == "check":
        toast = await check(Provider(argument), console)
    elif area == "g" and verb == "backup" and _BACKUP.fullmatch(argument):
        begun = await console.write(lambda u: commands.begin_backup(u, Asked(argument), console))
        toast = DONE if begun else "under-way"
    elif area == "g" and verb in ("seat", "unseat", "unmoved"):
        toast = await team.tap(verb, argument, query.from_user.id, console)
    elif area == "g" and verb == "reopen":
        toast = await console.write(lambda u: reopen(u, argument, console))
    elif area == "l":
        toast = await search.tap(verb, argument, console)
    console.toast(query.id, console.speech.toast(toast))


def about_delivery(unit: Unit, verb: str, delivery_id: DeliveryId, console: Console) -> str:
    try:
        delivery = unit.delivery(delivery_id)
    except KeyError:
        return STALE
    return TAPS[verb](unit, delivery, console)


def again(unit: Unit, row: Delivery, console: Console) -> str:
    """Send it again: only while the question is open, so that a second tap finds it answered."""
    if row.state not in (DeliveryState.UNCERTAIN, DeliveryState.FAILED, DeliveryState.PARKED):
        return STALE
    new = answers.again(unit, row)
    if (standing := unit.notice_at(f"delivery:{row.id}")) is not None:
        unit.set_notice(f"delivery:{new.id}", *standing)  # the question's message follows the new try
    _settle(unit, new, row, console)
    return DONE


def arrived(unit: Unit, row: Delivery, console: Console) -> str:
    """She knows that it came: the question is closed, what the provider may still report counts."""
    if row.state is not DeliveryState.UNCERTAIN:
        return STALE
    fate.taken(unit, row, Receipt((), unit.now), console.rules.voice)
    return DONE


def drop(unit: Unit, row: Delivery, console: Console) -> str:
    if row.state not in (DeliveryState.FAILED, DeliveryState.PARKED, DeliveryState.UNCERTAIN):
        return STALE
    unit.set_delivery(row.id, state=DeliveryState.DROPPED)
    _settle(unit, unit.delivery(row.id), row, console)
    return DONE


def keep(unit: Unit, row: Delivery, console: Console) -> str:
    """The words stay as the client has them."""
    if _new_words(unit, row) is None:
        return STALE
    identity, source = _about(unit, row)
    tell(unit, console.speech.change_settled(row, source, fixed=False), identity.contact_id)
    return DONE


def park(unit: Unit, row: Delivery, console: Console) -> str:
    if row.state is not DeliveryState.PARKED:
        return STALE
    unit.set_delivery(row.id, error="parked")
    identity, source = _about(unit, row)
    tell(unit, console.rules.voice.parked(unit.delivery(row.id), identity, source), identity.contact_id)
    return DONE


def correct(unit: Unit, row: Delivery, console: Console) -> str:
    """Her edit cannot be made there: send her new words as a message of their own."""
    words = _new_words(unit, row)
    if words is None:
        return STALE
    identity, source = _about(unit, row)
    answers.queue(
        unit,
        identity,
        Author.OWNER,
        Part(text=words, reply_to=row.message_id),
        console.rules.roads.get(identity.address.provider),
        console.rules.voice,
    )
    tell(unit, console.speech.change_settled(row, source, fixed=True), identity.contact_id)
    return DONE


def _new_words(unit: Unit, row: Delivery) -> Text | None:
    """The words of an edit that could not be made: of one that was refused here, or by the network. Given out once."""
    if row.act is Act.EDIT:
        return row.content.text if isinstance(row.content, Part) and unit.once(f"fix:{row.id}") else None
    raw_id = unit.setting(writing.fix_of(row))
    wrote = owner_message(unit.raw(int(raw_id)).raw) if raw_id else None
    if wrote is None:
        return None
    unit.set_setting(writing.fix_of(row), None)
    return wrote.text


TAPS: Mapping[str, Tap] = {"again": again, "ok": arrived, "drop": drop, "park": park, "fix": correct, "keep": keep}


def give(unit: Unit, argument: str, console: Console) -> str:
    """Her words from General go to the client she named; "0": to nobody."""
    first, _, contact = argument.partition(":")
    raws = unit.setting(f"ask:{first}")
    if not raws or not contact.isdecimal():
        return STALE
    unit.set_setting(f"ask:{first}", None)
    who = None if contact == "0" else unit.contact(ContactId(int(contact)))
    for raw_id in raws.split(","):
        wrote = owner_message(unit.raw(int(raw_id)).raw)
        if wrote is not None and who is not None:
            writing.queue(unit, wrote, console, writing.latest_identity(unit, who.id))
    tell(unit, console.speech.given(int(first), who))
    return DONE


def more(unit: Unit, argument: str, console: Console) -> str:
    """The next page of clients, in the same message."""
    first, _, page = argument.partition(":")
    raws = unit.setting(f"ask:{first}")
    if not raws or not page.isdecimal():
        return STALE
    wrote = owner_message(unit.raw(int(raws.split(",")[0])).raw)
    if wrote is not None:
        tell(unit, writing.whom(unit, console, wrote, int(first), int(page)))
    return DONE


def prompt(unit: Unit, place: str, contact: ContactId, console: Console) -> str:
    """The next words outside topics of whoever tapped answer this client."""
    who = unit.contact(contact)
    unit.set_prompt(place, Prompt("reply", str(contact)))
    tell(unit, console.speech.answer_whom(who))
    return DONE


def cancel(unit: Unit, place: str, contact: ContactId, console: Console) -> str:
    """Her next words outside topics answer nobody again."""
    if unit.prompt(place) != Prompt("reply", str(contact)):
        return STALE
    unit.set_prompt(place, None)
    tell(unit, console.speech.not_asked(unit.contact(contact)))
    return DONE


def reopen(unit: Unit, argument: str, console: Console) -> str:
    """What was not understood is read once more, now; the notice with the button says so, and what came of it."""
    provider, _, shape_id = argument.partition(":")
    done = quarantine.try_again(unit, Provider(provider), shape_id, console.rules.voice)
    return DONE if done else STALE


async def recheck(ref: str, console: Console) -> None:
    """Look at the desk anew; the screen with the button tells what was found."""
    await console.recheck()
    standing = await console.standing()
    await console.write(lambda u: tell(u, console.speech.welcome(standing, ref)))


async def check(provider: Provider, console: Console) -> str:
    """She mended the gate: what waits there is tried now, not when its turn comes."""
    if not console.retry(provider):
        return STALE

    def hurry(unit: Unit) -> None:
        for head in unit.lane_heads(provider):
            unit.set_delivery(head.id, not_before=None)

    await console.write(hurry)
    return DONE


def _about(unit: Unit, row: Delivery) -> tuple[Identity, int | None]:
    """Whom a delivery is for, and the desk message that it came from."""
    assert row.message_id is not None
    source = unit.source_of(row.message_id)
    return unit.identity(unit.message(row.message_id).identity_id), source[1] if source else None


def _settle(unit: Unit, row: Delivery, old: Delivery, console: Console) -> None:
    """The question's message says what was decided, and has no buttons any more."""
    identity, source = _about(unit, row)
    notice = console.rules.voice.settled(row, identity, source)
    tell(unit, notice, identity.contact_id)
    if old.message_id is not None:
        fate.refresh_mark(unit, old.message_id)

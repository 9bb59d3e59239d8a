"""The owner's own reaction on a client's message goes over to the client's messenger, where it can."""

from __future__ import annotations

from aiogram import Router
from aiogram.types import MessageReactionUpdated, ReactionTypeEmoji

from bot.console import Console, tell
from bot.handlers import writing
from inbox.model import Act, Author, Part
from inbox.store import Unit


def router() -> Router:
    router = Router(name="reactions")
    router.message_reaction.register(on_reaction)
    return router


async def on_reaction(event: MessageReactionUpdated, console: Console, update_key: str) -> None:
    emojis = [r.emoji for r in event.new_reaction if isinstance(r, ReactionTypeEmoji)]
    emoji = emojis[-1] if emojis else None
    await console.write(lambda u: pass_on(u, event.chat.id, event.message_id, emoji, update_key, console))


def pass_on(unit: Unit, chat: int, message_id: int, emoji: str | None, key: str, console: Console) -> None:
    shown = unit.shown_at(chat, message_id)
    if not shown or not unit.once(f"reaction:{key}"):
        return
    message = unit.message(shown[-1].message_id)
    if message.author is not Author.CLIENT:
        return
    identity = unit.identity(message.identity_id)
    abilities = console.rules.roads.get(identity.address.provider)
    allowed = abilities.reactions if abilities is not None else None
    if allowed is None or (allowed and emoji is not None and emoji not in allowed):
        tell(unit, console.speech.no_reaction(message_id, identity.address.provider), identity.contact_id)
        return
    writing.follow(unit, message, identity, Act.REACT, Part(emoji=emoji))

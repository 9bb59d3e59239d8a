"""Who is in the desk's group, as Telegram says, and the gate's knowledge of who may work there."""

from __future__ import annotations

from aiogram import Bot
from aiogram.methods import GetChatMember
from aiogram.types import ChatMemberBanned, ChatMemberLeft, ChatMemberRestricted

from bot.place import Place, tell_gate
from bot.team import Colleague
from gates.telegram.api import call
from gates.telegram.gate import TelegramGate
from inbox.errors import Refused
from inbox.store import Store


class Membership:
    def __init__(self, bot: Bot, gate: TelegramGate, place: Place, store: Store) -> None:
        self._bot = bot
        self._gate = gate
        self._place = place
        self._store = store

    async def find(self, user_id: int) -> Colleague | None:
        """A person in the desk's group; None: nobody, a bot, or not there any more. Raises InboxError."""
        if self._place.forum_id is None:
            return None
        try:
            member = await call(self._bot, GetChatMember(chat_id=self._place.forum_id, user_id=user_id))
        except Refused:
            return None
        absent = isinstance(member, ChatMemberLeft | ChatMemberBanned)
        absent = absent or (isinstance(member, ChatMemberRestricted) and not member.is_member)
        return None if absent or member.user.is_bot else Colleague(user_id, member.user.full_name)

    async def obey(self) -> None:
        """The list has changed: what is written from now on is looked at by the new one."""
        await tell_gate(self._gate, self._place, self._store)

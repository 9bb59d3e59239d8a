"""What a handler works with: the store, the rules, the words. A handler writes rows and ends; it calls no provider."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from bot.place import Place
from bot.speech import Speech, Standing
from bot.team import Colleague
from inbox.apply import Rules
from inbox.clock import Wake
from inbox.desk import Desk
from inbox.lanes import DESK, GENERAL, desk_lane
from inbox.model import Act, ContactId, Notice, Provider
from inbox.routing import Console as Commands
from inbox.store import Reading, Store, Unit

T = TypeVar("T")


@dataclass(slots=True)
class Console:
    """toast(query id, text): answers a tap, best effort. standing(): what /status tells. recheck(): looks anew which
    back-end the desk can have. serves(chat id, user id): whether this user may use the desk there.
    retry(provider): ends the rest that a gate takes after trouble; False: it takes none. member(user id): who that is
    in the desk's group. obey(): the list of those who may use it has changed.
    """

    store: Store
    rules: Rules
    speech: Speech
    desk: Desk
    commands: Commands
    wakes: Sequence[Wake]
    toast: Callable[[str, str], None]
    standing: Callable[[], Awaitable[Standing]]
    touch: Callable[[ContactId], None]
    recheck: Callable[[], Awaitable[None]]
    serves: Callable[[int, int], bool]
    place: Place
    retry: Callable[[Provider], bool]
    member: Callable[[int], Awaitable[Colleague | None]]
    obey: Callable[[], Awaitable[None]]

    async def write(self, work: Callable[[Unit], T]) -> T:
        """Commit, then let the workers look."""
        result = await self.store.write(work)
        for wake in self.wakes:
            wake.ring()
        return result

    async def read(self, work: Callable[[Reading], T]) -> T:
        return await self.store.read(work)


def answer(unit: Unit, console: Console, chat_id: int, notice: Notice, contact: ContactId | None) -> None:
    """Answer what she wrote. Beside the desk (her private chat, while the desk is a group) it is answered on the desk,
    where her message's number means another message.
    """
    if chat_id != console.desk.chat_id:
        notice = replace(notice, key=f"{notice.key}@{chat_id}", reply_to=None)
    tell(unit, notice, contact)


def tell(unit: Unit, notice: Notice, contact: ContactId | None = None) -> None:
    """Say something in a client's topic, or in General; before anything that clients wrote."""
    lane = desk_lane(contact) if contact else GENERAL
    unit.add_delivery(Act.NOTICE, DESK, lane, content=notice, rank=0)

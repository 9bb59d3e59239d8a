"""Who the owner is and where her desk stands; told to the gate that must know whose updates are whose."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass

from bot.config import Config
from gates.telegram.access import Connection, DeskPlace
from gates.telegram.gate import TelegramGate
from gates.telegram.names import user_key
from inbox.store import Reading, Store


@dataclass(slots=True)
class Place:
    """owner_id None: nobody has claimed the desk. claim_code: printed at the start, dead with the claim."""

    owner_id: int | None
    forum_id: int | None
    claim_code: str | None

    @property
    def chat_id(self) -> int | None:
        """Where the desk should be, if its back-end allows."""
        return self.forum_id or self.owner_id

    @property
    def owner_key(self) -> str | None:
        """The key under which she is known as a client, if she wrote to the bot before the claim."""
        return user_key(self.owner_id) if self.owner_id is not None else None


async def find_place(store: Store, config: Config) -> Place:
    """The owner of the settings wins over a claim."""
    claimed = await store.read(lambda r: r.setting("owner_id"))
    owner = config.owner_id or (int(claimed) if claimed else None)
    return Place(owner, config.desk_chat_id, None if owner else secrets.token_urlsafe(24))


async def tell_gate(gate: TelegramGate, place: Place, store: Store) -> None:
    gate.set_desk(DeskPlace(owner_id=place.owner_id, chat_id=place.forum_id, claim_code=place.claim_code))
    gate.set_connections(await store.read(connections))


def connections(reading: Reading) -> dict[str, Connection]:
    """The Business connections known so far, by their ids."""
    roads = json.loads(reading.setting("roads") or "{}")
    return {
        route: Connection(int(road["account"]), bool(road["may_reply"]), bool(road["open"]))
        for route, road in roads.items()
    }

"""Who the owner is and where her desk stands; told to the gate that must know whose updates are whose."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from bot.config import Config
from gates.telegram.access import Connection, DeskPlace
from gates.telegram.gate import TelegramGate
from gates.telegram.names import user_key
from inbox.store import Reading, Store, Unit


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
    def note(self) -> str:
        """What /readyz says of a desk that is well."""
        return "nobody has claimed it yet" if self.owner_id is None else ""

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
    members = frozenset(await store.read(lambda r: team_of(r, place)))
    gate.set_desk(
        DeskPlace(owner_id=place.owner_id, chat_id=place.forum_id, members=members, claim_code=place.claim_code)
    )
    gate.set_connections(await store.read(connections))


def team_of(reading: Reading, place: Place) -> dict[int, str]:
    """Whom the owner lets work at a desk that is a group: names by user id. Every group has a list of its own."""
    stored = reading.setting(f"team:{place.forum_id}") if place.forum_id is not None else None
    return {int(user_id): str(name) for user_id, name in json.loads(stored or "{}").items()}


def set_team(unit: Unit, place: Place, members: Mapping[int, str]) -> None:
    unit.set_setting(f"team:{place.forum_id}", json.dumps(dict(members), ensure_ascii=False) if members else None)


def connections(reading: Reading) -> dict[str, Connection]:
    """The Business connections known so far, by their ids."""
    roads = json.loads(reading.setting("roads") or "{}")
    return {
        route: Connection(int(road["account"]), bool(road["may_reply"]), bool(road["open"]))
        for route, road in roads.items()
    }

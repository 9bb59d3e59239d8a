"""The invented people and the fakes they live in. Knows nothing of the product."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from sandbox.meta import FakeGraph
from sandbox.telegram import FakeTelegram
from sandbox.world import World

OWNER = 1001
BOT_ID = 7000000001
BOT_TOKEN = f"{BOT_ID}:AAsandbox-0000000000000000000000000"
CONNECTION = "business-1"
CONNECTION_RIGHTS = {"can_reply": True, "can_read_messages": True, "can_delete_sent_messages": True}

APP_SECRET = "sandbox-app-secret"  # noqa: S105
VERIFY_TOKEN = "sandbox-verify-token"  # noqa: S105
ACCESS_TOKEN = "sandbox-access-token"  # noqa: S105
PHONE_NUMBER_ID = "100200300400"
WABA_ID = "500600700800900"

Network = Literal["telegram", "business", "whatsapp"]


@dataclass(frozen=True, slots=True)
class Person:
    """A client. `user`: Telegram's user id, or the digits of the number."""

    key: str
    name: str
    network: Network
    user: str
    username: str = ""
    reads: bool = False  # WhatsApp: opens each message at once

    @property
    def user_id(self) -> int:
        return int(self.user)


PEOPLE: Mapping[str, Person] = {
    person.key: person
    for person in (
        Person("maria", "Мария Лебедева", "whatsapp", "12025550111"),
        Person("anna", "Анна Смирнова", "telegram", "2001", "anna_home"),
        Person("igor", "Игорь Волков", "business", "2002", "igor_v"),
        Person("pavel", "Павел Котов", "whatsapp", "12025550122", reads=True),
    )
}


class Shifting(Protocol):
    """A clock that the "+25 h" button moves."""

    shift: float


@dataclass
class Scene:
    """Two fake providers and their people, on loopback while they run."""

    world: World = field(default_factory=World)
    clocks: list[Shifting] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.telegram = FakeTelegram(self.world, BOT_TOKEN, BOT_ID, "olga_desk_bot")
        self.graph = FakeGraph(
            self.world,
            app_secret=APP_SECRET,
            verify_token=VERIFY_TOKEN,
            access_token=ACCESS_TOKEN,
            phone_number_id=PHONE_NUMBER_ID,
            waba_id=WABA_ID,
        )
        self.telegram.add_user(OWNER, "Ольга", username="olga_consult")
        for person in PEOPLE.values():
            first, _, last = person.name.partition(" ")
            if person.network == "whatsapp":
                self.graph.add_phone(person.user, person.name, reads=person.reads)
            else:
                self.telegram.add_user(person.user_id, first, last, person.username)

    async def start(self) -> None:
        await self.telegram.start()
        await self.graph.start()

    async def stop(self) -> None:
        await self.telegram.stop()
        await self.graph.stop()

    def environment(self, port: int) -> dict[str, str]:
        """Settings for a product on this port: every outside address is one of the fakes."""
        here = f"http://127.0.0.1:{port}"
        self.graph.webhook_url = f"{here}/webhooks/whatsapp"
        return {
            "TELEGRAM_BOT_TOKEN": BOT_TOKEN,
            "TELEGRAM_API_BASE": self.telegram.base,
            "OWNER_ID": str(OWNER),
            "PUBLIC_URL": here,
            "META_APP_SECRET": APP_SECRET,
            "META_VERIFY_TOKEN": VERIFY_TOKEN,
            "GRAPH_API_BASE": self.graph.base,
            "GRAPH_API_VERSION": self.graph.version,
            "WHATSAPP_PHONE_NUMBER_ID": PHONE_NUMBER_ID,
            "WHATSAPP_ACCESS_TOKEN": ACCESS_TOKEN,
            "WHATSAPP_BUSINESS_ACCOUNT_ID": WABA_ID,
            "HOST": "127.0.0.1",
            "PORT": str(port),
            "LANGUAGE": "ru",
            "TIMEZONE": "Europe/Moscow",
        }

    def open(self, *, known: bool = False) -> None:
        """The owner opens her bot and lets it answer in her own chats.

        known: the product remembers an earlier scene, so ids go on from higher ones; else it would take new messages
        for repeated ones.
        """
        if known:
            self._skip_ids()
        self.telegram.starts(OWNER)
        self.telegram.connects_business(OWNER, CONNECTION, CONNECTION_RIGHTS)

    def _skip_ids(self) -> None:
        now = int(time.time())
        people = [OWNER, *(person.user_id for person in PEOPLE.values() if person.network != "whatsapp")]
        for user_id in people:
            self.telegram.chats.private(user_id).last_id = now - 1_700_000_000
        self.telegram.connects_business(OWNER, CONNECTION, CONNECTION_RIGHTS)
        self.telegram.chats.connections[CONNECTION].last_id = now - 1_700_000_000
        connection = self.telegram.profile.connection_body(CONNECTION)
        self.telegram.raw_update({"update_id": now, "business_connection": connection})

    def shift(self, seconds: float) -> None:
        """Move the time of the providers and of the product."""
        self.world.shift += seconds
        for clock in self.clocks:
            clock.shift += seconds
        self.world.touch()

    def quiet(self) -> bool:
        """Nothing that the providers have to say is still on its way."""
        return self.telegram.pending == 0 and self.graph.pending == 0

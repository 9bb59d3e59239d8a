"""What the fixtures of this gate take for given: who the bot, the owner and the connection are."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from gates.telegram.access import Connection, DeskPlace
from gates.telegram.names import TELEGRAM
from gates.telegram.parse import TelegramParser, update_key
from inbox.gate import Inbound, Raw

BOT = 1000000001
OWNER = 2000000001
ANNA = 3000000001
GROUP = -1001000000001
ROUTE = "Bc-0f1e2d3c4b5a"
TOKEN = f"{BOT}:AA-sample_token"
RECEIVED = datetime(2026, 12, 23, 12, 0, tzinfo=UTC)

DESK = DeskPlace(owner_id=OWNER)
CONNECTIONS = {ROUTE: Connection(OWNER, can_reply=True, enabled=True)}

_FOLDER = Path(__file__).parents[3] / "gates" / "telegram" / "fixtures"
FIXTURES = sorted(path for path in _FOLDER.glob("*.json") if not path.name.endswith(".expected.json"))


def raw(body: bytes) -> Raw:
    return Raw(TELEGRAM, update_key(body), body, RECEIVED)


def parsed(body: bytes, desk: DeskPlace = DESK) -> list[Inbound]:
    return TelegramParser(BOT, desk, CONNECTIONS).parse(raw(body))

"""Webhook bodies of WhatsApp as they come: about 1.4 kB, escaped and signed, each of them new."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import time
import uuid
from dataclasses import dataclass

from bench.phrases import QUESTION, client_name

APP_SECRET = "app-secret"  # noqa: S105 the fakes'
VERIFY_TOKEN = "verify-token"  # noqa: S105
ACCESS_TOKEN = "EAAexampletoken"  # noqa: S105
PHONE_ID = "200300400500600"
WABA_ID = "100200300400500"
BUSINESS_PHONE = "12025550100"
SIZE = 1400
TROUBLED = (47, 56)  # numbers ending so have trouble of their own at the fake
MOST_PEOPLE = 88
TAG = re.compile(r"#n(\d+)#")
"""What is found again in a call to a provider: the number of the message."""


@dataclass(frozen=True, slots=True)
class Client:
    """number: "" where the network does not tell it."""

    number: str
    name: str
    user_id: str


def people(count: int) -> list[Client]:
    """At most MOST_PEOPLE: the numbers that are kept for invented people end there."""
    if not 0 < count <= MOST_PEOPLE:
        raise ValueError(f"from 1 to {MOST_PEOPLE} clients")
    endings = [n for n in range(10, 100) if n not in TROUBLED]
    return [Client(f"120255501{n:02d}", client_name(n), f"US.77120255501{n:02d}") for n in endings[:count]]


def tagged(number: int, words: str = QUESTION) -> str:
    return f"#n{number}# {words}"


class Bodies:
    """Numbers its messages through, so that no two bodies of a run are the same."""

    def __init__(self) -> None:
        self._run = uuid.uuid4().hex[:12].upper()
        self._template = json.dumps(_body("@USER@", "@NUMBER@", "@NAME@", "@ID@", "@TEXT@"), separators=(",", ":"))
        self._template = self._template.replace("/", "\\/")

    def text(self, client: Client, number: int, text: str) -> bytes:
        """One text message; `number` makes its id."""
        made = self._template.replace("@USER@", client.user_id).replace("@NUMBER@", client.number)
        made = made.replace('"from":"",', "").replace('"wa_id":"",', "")
        made = made.replace("@NAME@", json.dumps(client.name)[1:-1])
        made = made.replace("@ID@", f"wamid.HBgLMTIwMjU1NTAxNDMVAgASGBQz{self._run}{number:08d}AA==")
        made = made.replace("@AT@", str(int(time.time())))
        return made.replace("@TEXT@", json.dumps(text)[1:-1]).encode()

    def requests(self, clients: list[Client], start: int, count: int, size: int = SIZE) -> list[bytes]:
        """Whole HTTP requests with bodies of one size (0: as the words are), the clients by turns."""
        pad = len(self.text(clients[0], start, tagged(start)))
        words = QUESTION + "x" * max(0, size - pad)
        return [
            posted(self.text(clients[number % len(clients)], number, tagged(number, words)))
            for number in range(start, start + count)
        ]


def posted(body: bytes, path: str = "/webhooks/whatsapp") -> bytes:
    signature = hmac.new(APP_SECRET.encode(), body, hashlib.sha256).hexdigest()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"X-Hub-Signature-256: sha256={signature}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _body(user: str, number: str, name: str, wamid: str, text: str) -> dict[str, object]:
    message = {
        "from": number,
        "id": wamid,
        "timestamp": "@AT@",
        "from_user_id": user,
        "type": "text",
        "text": {"body": text},
    }
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": BUSINESS_PHONE, "phone_number_id": PHONE_ID},
        "contacts": [{"profile": {"name": name}, "wa_id": number, "user_id": user}],
        "messages": [message],
    }
    entry = {"id": WABA_ID, "changes": [{"value": value, "field": "messages"}]}
    return {"object": "whatsapp_business_account", "entry": [entry]}

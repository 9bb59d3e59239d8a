"""Meta's webhook sender: signed bytes, at least once, with the troubles that a receiver must live with.

One body after another is tried in order; a body that is not answered 200 is tried again after growing delays
while later ones go on, so order is kept only as long as the receiver answers.
"""

from __future__ import annotations

import asyncio
import copy
import hashlib
import hmac
import json
import uuid
from collections import deque
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from sandbox.world import World

RETRY_SECONDS = 7 * 86400
MESSAGES_PER_VALUE = 3  # keeps a merged body from collapsing into a single change


def emulate(body: Any) -> bytes:
    """The bytes that Meta sends and signs: non-ASCII as \\uXXXX escapes, slashes escaped."""
    return json.dumps(body, ensure_ascii=True, separators=(",", ":")).replace("/", "\\/").encode()


def sign(secret: str, raw: bytes) -> str:
    return "sha256=" + hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class Delivery:
    """One POST to the receiver. status 0: no answer."""

    at: float
    raw: bytes
    attempt: int
    status: int
    forged: bool


@dataclass(slots=True)
class _Parcel:
    raw: bytes
    born: float
    forged: bool
    attempt: int = 0


@dataclass(eq=False)
class WebhookSender:
    world: World
    app_secret: str
    verify_token: str
    webhook_url: str | None = None
    subscribed: bool = True  # False: the account is not subscribed to the app, and nothing is sent
    duplicate: int = 0  # extra copies of each body
    batch: float = 0.0  # seconds during which bodies are collected into one
    bad_signature_next: bool = False  # the next body is forged: wrong signature, one attempt
    retry_first: float = 0.05
    retry_most: float = 2.0
    webhook_timeout: float = 5.0
    deliveries: deque[Delivery] = field(default_factory=lambda: deque(maxlen=10_000))
    _queue: asyncio.Queue[_Parcel] = field(default_factory=lambda: asyncio.Queue(maxsize=100_000))
    _collected: list[dict[str, Any]] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _session: aiohttp.ClientSession | None = None
    _pending: int = 0

    @property
    def pending(self) -> int:
        """Bodies that are not answered with 200 yet."""
        return self._pending + len(self._collected)

    def post(self, body: dict[str, Any]) -> None:
        """Queue any webhook body."""
        if not self.subscribed:
            return
        if self.batch <= 0:
            self._enqueue(body)
            return
        self._collected.append(body)
        if len(self._collected) == 1:
            self._spawn(self._collect(self.batch))

    async def handshake(self) -> bool:
        """Meta's check of a callback address: the challenge must come back exactly, as plain text."""
        challenge = str(uuid.uuid4().int % 10**10)
        asked = {
            "hub.mode": "subscribe",
            "hub.challenge": challenge,
            "hub.verify_token": self.verify_token,
        }
        async with self._open().get(self._target(), params=asked, allow_redirects=False) as answer:
            text = await answer.text()
            return answer.status == 200 and answer.content_type == "text/plain" and text == challenge

    def open_webhooks(self) -> None:
        timeout = aiohttp.ClientTimeout(total=self.webhook_timeout)
        self._session = aiohttp.ClientSession(timeout=timeout, headers={"User-Agent": "facebookexternalua"})
        self._spawn(self._work())

    async def close_webhooks(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _enqueue(self, body: dict[str, Any]) -> None:
        forged, self.bad_signature_next = self.bad_signature_next, False
        raw = emulate(body)
        for _ in range(1 + self.duplicate):
            self._queue.put_nowait(_Parcel(raw, self.world.now(), forged))
            self._pending += 1
        self.world.touch()

    async def _collect(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        bodies, self._collected = self._collected, []
        self._enqueue(merge(bodies))

    async def _work(self) -> None:
        while True:
            parcel = await self._queue.get()
            if not await self._deliver(parcel):
                self._spawn(self._insist(parcel))

    async def _insist(self, parcel: _Parcel) -> None:
        delay = self.retry_first
        while True:
            await asyncio.sleep(delay)
            if await self._deliver(parcel):
                return
            delay = min(delay * 2, self.retry_most)

    async def _deliver(self, parcel: _Parcel) -> bool:
        """One attempt. True: the body is done with (taken, forged, or given up after seven days)."""
        parcel.attempt += 1
        secret = f"not-{self.app_secret}" if parcel.forged else self.app_secret
        headers = {
            "Content-Type": "application/json",
            "X-Hub-Signature-256": sign(secret, parcel.raw),
        }
        try:
            async with self._open().post(
                self._target(), data=parcel.raw, headers=headers, allow_redirects=False
            ) as answer:
                await answer.read()
                status = answer.status
        except (aiohttp.ClientError, TimeoutError, LookupError):
            status = 0
        self.deliveries.append(Delivery(self.world.now(), parcel.raw, parcel.attempt, status, parcel.forged))
        done = status == 200 or parcel.forged or self.world.now() - parcel.born > RETRY_SECONDS
        if done:
            self._pending -= 1
        self.world.touch()
        return done

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("not started")
        return self._session

    def _target(self) -> str:
        if self.webhook_url is None:
            raise LookupError("webhook_url is not set")
        return self.webhook_url

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def merge(bodies: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Several bodies of one object as one: messages share values, changes share entries, as Meta batches them."""
    changes: dict[str, list[dict[str, Any]]] = {}
    apart: list[dict[str, Any]] = []
    for entry in (entry for body in bodies for entry in body["entry"]):
        if set(entry) != {"id", "changes"}:
            apart.append(entry)
            continue
        taken = changes.setdefault(entry["id"], [])
        for change in entry["changes"]:
            if not (taken and _joined(taken[-1], change)):
                taken.append(copy.deepcopy(change))
    entries = []
    for account, of_account in changes.items():
        half = (len(of_account) + 1) // 2
        parts = [of_account[:half], of_account[half:]]
        entries += [{"id": account, "changes": part} for part in parts if part]
    return {"object": bodies[0]["object"], "entry": entries + apart}


def _joined(into: dict[str, Any], change: dict[str, Any]) -> bool:
    """Add the change's messages or statuses to an alike change, if they can stand in one value."""
    ours, theirs = into["value"], change["value"]
    key = "messages" if "messages" in theirs else "statuses"
    alike = (
        into["field"] == change["field"] == "messages"
        and ours.get("metadata") == theirs.get("metadata")
        and key in ours
        and key in theirs
        and not ({"errors"} & (set(ours) | set(theirs)))
        and len(ours[key]) < MESSAGES_PER_VALUE
    )
    if alike:
        ours[key] = [*ours[key], *theirs[key]]
        contacts = ours.get("contacts", [])
        contacts += [c for c in theirs.get("contacts", []) if c not in contacts]
        if contacts:
            ours["contacts"] = contacts
    return alike

"""Secrets planted in the settings, words and numbers of clients in the traffic: where they must not be they are not.

The real program in a process of its own, between providers that repeat in their errors whatever was sent to them.
"""

from __future__ import annotations

import base64
import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Self
from urllib.parse import quote

import aiohttp
import pytest
from aiohttp import web

from tests.contract.process import (
    ACCESS,
    ANNA,
    APP_SECRET,
    HOOK_SECRET,
    IGOR,
    METRICS,
    OWNER,
    ROOT,
    SECRET_KEY,
    SUBSTANCE,
    TOKEN,
    VERIFY,
    Place,
    text_message,
)

QUERY = "canary-in-the-receivers-address"
SECRETS = (TOKEN.partition(":")[2], ACCESS, APP_SECRET, VERIFY, HOOK_SECRET, METRICS, SECRET_KEY, QUERY, SUBSTANCE[6:])
WORDS, NAME = "канарейка в словах клиента", "Канарейкина"
ANSWER = "канарейка в ответе"
PRIVATE = (WORDS, NAME, ANSWER, IGOR, IGOR[-7:])
Modes = Sequence[int | str]
ALL: Modes = (400, 403, "page", "cut", 500, 429, 401)
MODES: dict[str, tuple[Modes, Modes]] = {"text": ((400, 500, "page"), ("page",)), "json": (("cut", 401), (403,))}
"""How Graph and how Telegram fail, by the form of the log. Those after which the whole network rests come last."""


class Parrot:
    """Stands before a fake provider: hands everything on, or answers with an error that repeats what it was told."""

    def __init__(self, behind: str) -> None:
        self.behind = behind
        self.mode: int | str | None = None  # a status, "cut", "page"; None: hand on
        self.errors = 0
        self.address = ""

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession()
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._take)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.address = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()
        await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        if self.mode is None:
            kept = {k: v for k, v in request.headers.items() if k.lower() in ("content-type", "authorization")}
            url = f"{self.behind}{request.rel_url}"
            async with self._http.request(request.method, url, data=body, headers=kept) as answer:
                return web.Response(status=answer.status, body=await answer.read(), content_type=answer.content_type)
        self.errors += 1
        told = f"{request.url} {dict(request.headers)} {body.decode('utf-8', 'replace')}"
        if self.mode == "cut" and request.transport is not None:
            request.transport.abort()
            return web.Response()
        if isinstance(self.mode, int):
            error = {"message": told, "code": 100, "error_data": {"details": told}, "fbtrace_id": told}
            return web.json_response(
                {"ok": False, "error_code": self.mode, "description": told, "error": error}, status=self.mode
            )
        return web.Response(text=f"<html>{told}</html>", content_type="text/html")


def forms(canary: str) -> set[bytes]:
    """As it is, and as addresses, JSON and base64 write it."""
    plain = canary.encode()
    encoded = base64.b64encode(plain).rstrip(b"=")[:-1]
    return {plain, quote(canary, safe="").encode(), json.dumps(canary)[1:-1].encode(), encoded}


def found(places: dict[str, bytes], canaries: tuple[str, ...]) -> list[tuple[str, str]]:
    """(place, canary) wherever one stands."""
    return [(p, c) for p, content in places.items() for c in canaries if any(form in content for form in forms(c))]


def files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file that the program has written, byte by byte; databases also as the text of their rows."""
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.name == "secret.key":
            continue
        yield str(path.relative_to(folder)), path.read_bytes()
        if path.suffix == ".db":
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
                yield f"rows of {path.name}", b"\n".join(cells(connection))


def cells(connection: sqlite3.Connection) -> Iterator[bytes]:
    """Every value of every table; the index of what is looked for has none of its own."""
    tables = "select name from sqlite_schema where type = 'table' and sql not like 'create virtual%'"
    for (table,) in connection.execute(tables).fetchall():
        for row in connection.execute(f'select * from "{table}"'):  # noqa: S608
            yield from (value if isinstance(value, bytes) else str(value).encode() for value in row)


@asynccontextmanager
async def stage(folder: Path) -> AsyncIterator[tuple[Place, Parrot, Parrot]]:
    async with Place(folder) as place, Parrot(place.telegram.base) as telegram, Parrot(place.graph.base) as graph:
        place.settings = {
            "TELEGRAM_API_BASE": telegram.address,
            "GRAPH_API_BASE": graph.address,
            "SUBSTANCE_WEBHOOK_URL": f"{place.receiver.address}?key={QUERY}",
            "METRICS_TOKEN": METRICS,
            "LOG_LEVEL": "DEBUG",
        }
        place.graph.add_phone(IGOR, NAME)
        yield place, telegram, graph


async def troubles(place: Place, telegram: Parrot, graph: Parrot, modes: tuple[Modes, Modes]) -> None:
    """A client writes and is answered while each provider refuses in every way it has."""
    place.graph.writes(IGOR, WORDS)
    await place.until(lambda: bool(place.said_to(OWNER, WORDS)), "shown")
    topic = place.telegram.topics_of(OWNER)[-1]["message_thread_id"]
    for number, mode in enumerate(modes[0]):
        graph.mode, seen = mode, graph.errors
        place.telegram.writes(OWNER, f"{ANSWER} {number}", thread_id=topic)
        await place.until(lambda seen=seen: graph.errors > seen, f"Graph answers {mode}", 30)  # type: ignore[misc]
    graph.mode = None
    for mode in modes[1]:
        telegram.mode, seen = mode, telegram.errors
        await place.whatsapp(text_message(WORDS, wamid=f"wamid.t{mode}"))
        await place.until(lambda seen=seen: telegram.errors > seen, f"Telegram answers {mode}", 45)  # type: ignore[misc]
    telegram.mode = None
    place.receiver.status = 500
    await place.whatsapp(text_message(WORDS, wamid="wamid.last"))
    await place.until(lambda: place.receiver.posts[-1].status == 500, "the receiver refuses")
    place.receiver.status = 0
    await place.until(lambda: place.receiver.posts[-1].status == 0, "the receiver hangs up", 30)
    place.receiver.status = 200


async def questions(place: Place) -> None:
    """Everything that answers: forged calls, the pages of health, the desk."""
    for secret in ("", "wrong", HOOK_SECRET[:-1]):
        assert (await place.update({"update_id": 1}, secret)).status == 401
    assert (await place.whatsapp(b"{}", **{"X-Hub-Signature-256": "sha256=" + "0" * 64})).status == 401
    handshake = {"hub.mode": "subscribe", "hub.challenge": "1", "hub.verify_token": VERIFY + "x"}
    assert (await place.get("/webhooks/whatsapp", params=handshake)).status == 403
    for path in ("/readyz", "/healthz", "/metrics", "/", "/nowhere"):
        await place.get(path)
    away = {"X-Forwarded-For": "203.0.113.7"}
    assert (await place.get("/metrics", headers=away)).status == 401
    assert (await place.get("/metrics", headers={**away, "Authorization": f"Bearer {METRICS}"})).status == 200
    for text in ("/status", "/start", "/help", "/find канарейка"):
        place.telegram.writes(OWNER, text)
    await place.until(lambda: bool(place.said_to(OWNER, "Работает")), "/status", 45)


async def commands(place: Place) -> list[tuple[str, bytes]]:
    """What else can be run on the folder, and what is said of wrong settings."""
    out: list[tuple[str, bytes]] = []
    for arguments in (["doctor"], ["doctor", "--json"], ["backup"], ["export", "--since", "0"]):
        ended = await place.command(*arguments)
        assert ended.code in (0, 1), ended.err
        out.append((" ".join(arguments), f"{ended.out}{ended.err}".encode()))
    wrong = (
        "PORT",
        "OWNER_ID",
        "TELEGRAM_API_BASE",
        "PUBLIC_URL",
        "LOG_FORMAT",
        "TIMEZONE",
        "SUBSTANCE_WEBHOOK_SECRET",
    )
    settings = {name: f"\x01 {secret}" for name, secret in zip(wrong, SECRETS, strict=False)}
    ended = await place.command("run", **settings, META_APP_SECRET="")
    assert ended.code == 2 and ended.err.count("\n") >= 5, ended
    out.append(("wrong settings", f"{ended.out}{ended.err}".encode()))
    return out


@pytest.mark.parametrize("log_format", ["text", "json"])
async def test_no_secret_and_no_clients_word_stands_where_it_must_not(
    tmp_path: Path, log_format: str, counts: Callable[..., None], soak: bool
) -> None:
    async with stage(tmp_path) as (place, telegram, graph):
        async with place.running(LOG_FORMAT=log_format) as child:
            await place.ready()
            await troubles(place, telegram, graph, (ALL, ALL) if soak else MODES[log_format])
            await questions(place)
        logs = {"stderr": child.err.encode(), "stdout": child.out.encode()}
        assert child.err.count("\n") > 5 and telegram.errors > 0
        places = dict(await commands(place)) if log_format == "text" else {}
        places |= dict(files(place.data)) | logs
        places["answers"] = "\n".join(place.seen).encode()
        said = [m for user in (OWNER, ANNA) for m in place.telegram.messages(user)]
        places["desk"] = json.dumps(said, ensure_ascii=False).encode()
        places["receiver"] = b"\n".join(post.body for post in place.receiver.posts)
    assert WORDS.encode() in places["desk"] and len(places["receiver"]) > 1000, "what belongs there is there"
    leaks = [*found(places, SECRETS), *found(logs, PRIVATE)]
    assert leaks == []
    canaries = len(SECRETS) + len(PRIVATE)
    size = sum(map(len, places.values()))
    counts("secrets", log=log_format, canaries=canaries, places=len(places), bytes=size, leaks=len(leaks))


SPY = """
import os, sys
sys.stderr.write(f"2026-01-01 [debug] calling token={os.environ['WHATSAPP_ACCESS_TOKEN']}\\n")
"""


async def test_one_line_with_the_token_is_found(tmp_path: Path, counts: Callable[..., None]) -> None:
    spy = tmp_path / "spy"
    spy.mkdir()
    (spy / "sitecustomize.py").write_text(SPY)
    async with stage(tmp_path) as (place, _, _):
        ended = await place.command("doctor", PYTHONPATH=f"{spy}:{ROOT}")
    leaks = found({"doctor": ended.err.encode()}, SECRETS)
    assert leaks == [("doctor", ACCESS)]
    counts("secrets", mutant="one line with the token", leaks=len(leaks))

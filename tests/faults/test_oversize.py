"""Bodies that are too large, or too deep: cut without being kept, in memory as on disk."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from gates import web as gate_web
from tests.contract.process import APP_SECRET, Child, Place, text_message
from tests.faults.doors import ask, head, signature
from tests.rig import rig

MIB = 1024 * 1024
FLOOD = 20 * MIB
GROWTH = 16 * MIB


@dataclass(frozen=True, slots=True)
class Served:
    place: Place
    child: Child


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    """The program in a process of its own, everything imported: what its memory grows by is the floods' doing."""
    async with Place(tmp_path_factory.mktemp("oversize")) as place, place.running() as child:
        await place.ready()
        yield Served(place, child)


def memory(pid: int, figure: str) -> int:
    """VmRSS (now) or VmHWM (the most since it was asked for anew), in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith(f"{figure}:"))


def hooks(place: Place) -> int:
    return int(place.rows("select count(*) from inbox where provider = 'whatsapp'")[0][0])


def forget_the_most(pid: int) -> None:
    Path(f"/proc/{pid}/clear_refs").write_text("5")


async def flood(port: int, *, chunked: bool, size: int = FLOOD) -> tuple[int, int]:
    """Send as much as it takes: the status of the answer, and the bytes that went out until the cut."""
    piece = b"x" * 65536
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    length = (b"Transfer-Encoding", b"chunked") if chunked else (b"Content-Length", str(size).encode())
    writer.write(head("/webhooks/whatsapp", [length]))
    status = asyncio.create_task(reader.readline())
    sent = 0
    try:
        while sent < size:
            writer.write(b"10000\r\n" + piece + b"\r\n" if chunked else piece)
            await writer.drain()
            sent += len(piece)
    except ConnectionError:
        pass
    try:
        async with asyncio.timeout(20):
            return int((await status).split()[1]), sent
    finally:
        writer.transport.abort()


@pytest.mark.asyncio(loop_scope="module")
async def test_a_flood_is_cut_and_leaves_no_mark(served: Served, counts: Callable[..., None], soak: bool) -> None:
    place, pid = served.place, served.child.pid
    large = json.dumps(text_message("Почти слишком много", wamid="wamid.large")).encode() + b" " * (3 * MIB)
    assert (await place.whatsapp(large)).status == 200
    await place.until(lambda: bool(place.exported("message.in")), "taken")
    before, stored = memory(pid, "VmRSS"), hooks(place)
    forget_the_most(pid)
    answers = [await flood(place.port, chunked=bool(which % 2)) for which in range(40 if soak else 2)]
    growth = memory(pid, "VmHWM") - before
    assert (await place.get("/healthz")).status == 200
    status = {answer[0] for answer in answers}
    counts("R10", floods=len(answers), status=status, stored=hooks(place) - stored, growth_mib=round(growth / MIB, 1))
    assert (status, hooks(place)) == ({413}, stored)
    assert growth < GROWTH


@pytest.mark.asyncio(loop_scope="module")
async def test_deep_json_is_kept_aside(served: Served, counts: Callable[..., None]) -> None:
    place = served.place
    deep = b'{"a":' * 10_000 + b"1" + b"}" * 10_000
    lists = b"[" * 50_000 + b"]" * 50_000
    usual = json.dumps(text_message("x", wamid="wamid.deep")).encode()
    in_place = usual.replace(b'"text": {', b'"more": ' + deep + b', "text": {')
    assert in_place != usual
    for body in (deep, lists, in_place):
        assert (await place.whatsapp(body)).status == 200
    headers = {"X-Telegram-Bot-Api-Secret-Token": place.environment["TELEGRAM_WEBHOOK_SECRET"]}
    update = b'{"update_id": 5, "message": ' + deep + b"}"
    assert (await place.call("POST", "/webhooks/telegram", data=update, headers=headers)).status == 200

    def aside() -> int:
        return int(place.rows("select count(*) from inbox where state = 'quarantined'")[0][0])

    await place.until(lambda: aside() == 4, "kept aside")
    assert (await place.whatsapp(text_message("И дальше работает", wamid="wamid.after"))).status == 200
    await place.until(lambda: "И дальше работает" in str(place.exported("message.in")), "what comes after is taken")
    counts("R10", deep=4, aside=aside())


async def test_a_limit_that_is_not_looked_at_is_found_out(
    tmp_path: Path, counts: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate_web, "BODY_LIMIT", 1 << 40)
    async with rig(tmp_path / "data") as desk:
        await desk.start()
        body = b"{}" + b" " * (5 * MIB)
        length = [(b"Content-Length", str(len(body)).encode()), (b"X-Hub-Signature-256", signature(body, APP_SECRET))]
        status = await ask(desk.port, head("/webhooks/whatsapp", length) + body)
    counts("R10", mutant="no limit", status=status)
    assert status != 413

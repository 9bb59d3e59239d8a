"""What an operator sees when something is wrong: /readyz, /metrics and /status name it, and name nobody."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from bot import watch
from inbox.clock import SystemClock
from inbox.model import Act, DeliveryState, Part, Text
from inbox.store import Unit
from sandbox.world import Fault
from storage.store import open_store
from tests.rig import IGOR, MARIA, OWNER, Rig, words

SECRETS = ("EAAexampletoken", "AAHexample", "app-secret", "verify-token", "12025550143", "Игорь", "Здравствуйте")


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long it takes with the real figures, the tests of the watch count, on a clock of their own."""
    for name, seconds in (
        ("EVERY", 0.5),
        ("PROBE_EVERY", 1.0),
        ("PROBE_AGAIN", 0.5),
        ("LOOK", 0.1),
        ("HOOK_EVERY", 0.5),
    ):
        monkeypatch.setattr(watch, name, seconds)


async def get(desk: Rig, path: str) -> str:
    async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{desk.port}{path}") as answer:
        return await answer.text()


async def parts(desk: Rig) -> dict[str, dict[str, str]]:
    async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{desk.port}/readyz") as answer:
        assert answer.status == 200
        body: dict[str, Any] = await answer.json()
        return dict(body["parts"])


async def figures(desk: Rig) -> dict[str, float]:
    """By name and labels."""
    lines = [line for line in (await get(desk, "/metrics")).splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


async def shows(desk: Rig, wanted: Callable[[dict[str, float]], bool], what: str, timeout: float = 20.0) -> None:
    await until(lambda: _fits(desk, wanted), what, timeout)


async def until(condition: Callable[[], Awaitable[bool]], what: str, timeout: float = 20.0) -> None:
    try:
        async with asyncio.timeout(timeout):
            while not await condition():  # noqa: ASYNC110 - asked over HTTP, which rings no bell
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise TimeoutError(f"waited {timeout} s for: {what}") from None


async def _fits(desk: Rig, wanted: Callable[[dict[str, float]], bool]) -> bool:
    found = await figures(desk)
    return "desk_intake_waiting" in found and wanted(found)


async def status(desk: Rig) -> str:
    before = len(desk.said("Работает") + desk.said("Всё работает"))
    desk.telegram.writes(OWNER, "/status")
    await desk.until(lambda: len(desk.said("Работает") + desk.said("Всё работает")) > before, "the answer")
    return words(desk.said("Работает")[-1])


async def test_when_all_is_well(desk: Rig) -> None:
    await desk.known()
    await shows(desk, lambda f: f.get('desk_last_body_timestamp_seconds{gate="whatsapp"}', 0) > 0, "the picture")
    text = await status(desk)
    assert text.startswith("Всё работает\nОчередь пуста"), text
    for part in ("Telegram ✓ · WhatsApp ✓", "последнее событие", "Приём за 5", "Выгрузка ✓", "свободно"):
        assert part in text, part
    folded = [e for e in desk.said("Работает")[-1]["entities"] if e["type"] == "expandable_blockquote"]
    assert len(folded) == 1
    whole = await get(desk, "/metrics")
    assert not [secret for secret in SECRETS if secret in whole]
    assert not re.search(r"[^\x00-\x7f]", whole)
    found = await figures(desk)
    assert found["desk_ready"] == found['desk_part_ok{part="whatsapp"}'] == 1
    assert all(found[f'desk_worker_running{{worker="{name}"}}'] > 0 for name in ("intake", "jobs", "export", "watch"))
    assert found['desk_calls_total{outcome="accepted",target="desk"}'] > 0


async def _leave_faults(desk: Rig) -> None:
    """What a version with defects, and a kill, leave behind."""

    def work(unit: Unit) -> None:
        unit.add_job("echo", {"fact": {"kind": "of another version"}}, unit.now)
        unit.add_delivery(Act.SEND, "whatsapp", "whatsapp:99")  # of no message: it cannot be made into a call
        lost = unit.add_delivery(Act.SEND, "telegram", "telegram:98", content=Part(Text("два")))
        unit.set_delivery(lost, state=DeliveryState.UNCERTAIN)

    async with open_store(desk.data_dir, SystemClock()) as store:
        await store.write(work)


async def _signed(desk: Rig, body: bytes) -> int:
    signature = "sha256=" + hmac.new(b"app-secret", body, hashlib.sha256).hexdigest()
    url = f"http://127.0.0.1:{desk.port}/webhooks/whatsapp"
    async with aiohttp.ClientSession() as http:
        async with http.post(url, data=body, headers={"X-Hub-Signature-256": signature}) as answer:
            return answer.status


async def test_each_fault_is_named(idle: Rig) -> None:
    desk = idle
    await _leave_faults(desk)
    await desk.start()
    await desk.known(MARIA, "Мария", "Добрый вечер")
    assert await _signed(desk, b'{"object": "moon"}') == 200
    desk.telegram.updates.last_error = (int(time.time()), "Wrong response from the webhook: 502 Bad Gateway")
    await shows(
        desk,
        lambda f: (
            f['desk_quarantined{gate="whatsapp"}'] == 1
            and f['desk_jobs_waiting{kind="broken"}'] == 1
            and f['desk_queue_stuck{target="whatsapp"}'] == 1
            and f['desk_breaks_total{target="whatsapp"}'] >= 1
            and f['desk_queue_uncertain{target="telegram"}'] == 1
            and f.get("desk_telegram_error_timestamp_seconds", 0) > 0
        ),
        "the faults in the figures",
    )
    text = await status(desk)
    assert text.startswith("Требует внимания\n"), text
    wrong = text.partition("\nTelegram ✓")[0]
    for part in (
        "Неизвестно, дошло ли: 1",
        "Не уходят из-за ошибки в программе: 1",
        "Ошибка в программе, повтор при запуске: 1",
        "Непонятые данные от сетей: 1 (WhatsApp 1)",
        "Telegram не смог доставить сюда",
        "502 Bad Gateway",
    ):
        assert part in wrong, (part, text)


async def test_a_token_that_dies_unused_and_a_429_are_named(desk: Rig) -> None:
    await desk.known()
    await until(lambda: _is(desk, "whatsapp", "ok"), "well at first")
    desk.graph.token_valid = False
    await until(lambda: _is(desk, "whatsapp", "degraded"), "a dead token")
    assert (await parts(desk))["whatsapp"]["detail"] == "token refused (190)"
    assert "WhatsApp ✗ ключ доступа больше не действует (WA" in await status(desk)
    desk.graph.token_valid = True
    desk.world.plan(Fault("429", "telegram", "sendMessage", seconds=20))
    desk.graph.writes(IGOR, "ещё одно;")
    await until(lambda: _is(desk, "desk", "degraded"), "a 429")
    assert re.fullmatch(r"429 for 1\d s|429 for 2\d s", (await parts(desk))["desk"]["detail"])
    await shows(desk, lambda f: f['desk_blocked_seconds{target="desk"}'] > 0, "the block")
    assert (await figures(desk))['desk_throttled_total{target="desk"}'] == 1
    await until(lambda: _is(desk, "whatsapp", "ok"), "mended")
    desk.telegram.updates.url = "https://other.example.com/hook"
    await until(lambda: _is(desk, "telegram", "degraded"), "updates go elsewhere")
    assert (await parts(desk))["telegram"]["detail"] == "another program takes the updates"


async def _is(desk: Rig, part: str, state: str) -> bool:
    return (await parts(desk))[part]["state"] == state

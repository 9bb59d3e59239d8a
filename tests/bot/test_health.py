"""Liveness, readiness and figures, over HTTP."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, make_mocked_request

from bot.health import Health, Metrics, PartsCollector, Start, routes
from gates.web import Counters

Client = TestClient[web.Request, web.Application]
MakeClient = Callable[[web.Application], Awaitable[Client]]
GATES = ("telegram", "whatsapp", "zoom")
TOKEN = "figures-token"


def application(health: Health, token: str | None = None) -> web.Application:
    app = web.Application()
    app.add_routes(routes(health, Metrics("1.2.3"), token))
    return app


def started() -> Health:
    health = Health(GATES)
    for start in Start:
        health.mark_started(start)
    return health


async def test_alive_from_the_first_moment(aiohttp_client: MakeClient) -> None:
    client = await aiohttp_client(application(Health(GATES)))
    response = await client.get("/healthz")
    assert (response.status, await response.text()) == (200, "ok")


async def test_not_ready_until_everything_has_started(aiohttp_client: MakeClient) -> None:
    health = Health(GATES)
    client = await aiohttp_client(application(health))
    for start in Start:
        response = await client.get("/readyz")
        body = await response.json()
        assert (response.status, body["ready"]) == (503, False)
        assert start.value in " ".join(part["detail"] for part in body["parts"].values() if part["state"] == "down")
        health.mark_started(start)
        health.mark_started(start)
    response = await client.get("/readyz")
    assert response.status == 200
    assert await response.json() == {
        "ready": True,
        "parts": {
            "storage": {"state": "ok", "detail": ""},
            "desk": {"state": "ok", "detail": ""},
            "workers": {"state": "ok", "detail": ""},
            "telegram": {"state": "ok", "detail": "off"},
            "whatsapp": {"state": "ok", "detail": "off"},
            "zoom": {"state": "ok", "detail": "off"},
        },
    }


@pytest.mark.parametrize(
    ("part", "state", "ready"),
    [
        ("storage", "down", False),
        ("storage", "degraded", True),
        ("workers", "down", False),
        ("workers", "degraded", True),
        ("desk", "degraded", True),
        ("desk", "down", True),
        ("whatsapp", "degraded", True),
        ("whatsapp", "down", True),
    ],
)
def test_what_makes_it_unready_again(part: str, state: str, ready: bool) -> None:
    health = started()
    health.set(part, "down" if state == "down" else "degraded", "why")
    is_ready, body = health.report()
    assert is_ready is ready
    assert body["parts"][part] == {"state": state, "detail": "why"}
    health.set(part, "ok")
    assert health.report()[0]


async def test_stopping_is_not_ready(aiohttp_client: MakeClient) -> None:
    health = started()
    client = await aiohttp_client(application(health))
    health.stop()
    response = await client.get("/readyz")
    assert response.status == 503
    assert (await response.json())["parts"]["workers"] == {"state": "down", "detail": "stopping"}


def test_what_is_said_while_starting_keeps_the_reason() -> None:
    health = Health(GATES)
    health.set("desk", "degraded", "Telegram cannot be reached")
    part = health.report()[1]["parts"]["desk"]
    assert part["state"] == "down"
    assert part["detail"].startswith("Telegram cannot be reached; waiting for getMe answered")


FORWARDED = [{"Forwarded": "for=203.0.113.1"}, {"X-Forwarded-For": "203.0.113.1"}, {"X-Real-IP": "203.0.113.1"}]


@pytest.mark.parametrize("token", [None, TOKEN])
async def test_figures_are_open_on_this_machine(aiohttp_client: MakeClient, token: str | None) -> None:
    client = await aiohttp_client(application(Health(GATES), token))
    response = await client.get("/metrics")
    assert response.status == 200
    assert response.headers["Content-Type"].startswith("text/plain; version=")
    assert 'desk_build_info{version="1.2.3"} 1.0' in await response.text()


@pytest.mark.parametrize("proxied", FORWARDED)
async def test_figures_through_a_proxy(aiohttp_client: MakeClient, proxied: dict[str, str]) -> None:
    closed = await aiohttp_client(application(Health(GATES)))
    response = await closed.get("/metrics", headers={**proxied, "Authorization": "Bearer "})
    assert response.status == 404
    guarded = await aiohttp_client(application(Health(GATES), TOKEN))
    for wrong in ("", "Bearer", "Bearer wrong", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", "Bearer \udcff"):
        response = await guarded.get("/metrics", headers={**proxied, "Authorization": wrong})
        assert (response.status, response.headers["WWW-Authenticate"]) == (401, "Bearer")
    response = await guarded.get("/metrics", headers={**proxied, "Authorization": f"Bearer {TOKEN}"})
    assert response.status == 200


@pytest.mark.parametrize(
    ("peer", "status"),
    [
        ("127.0.0.1", 200),
        ("127.8.8.8", 200),
        ("::1", 200),
        ("::ffff:127.0.0.1", 200),
        ("203.0.113.1", 401),
        ("::ffff:203.0.113.1", 401),
        ("10.0.0.1", 401),
        ("", 401),
    ],
)
async def test_who_is_on_this_machine(peer: str, status: int) -> None:
    figures = next(route for route in routes(Health(GATES), Metrics("1"), TOKEN) if route.path == "/metrics")
    request = make_mocked_request("GET", "/metrics").clone(remote=peer)
    assert await answered(figures.handler, request) == status


async def answered(handler: object, request: web.BaseRequest) -> int:
    assert callable(handler)
    try:
        response: web.Response = await handler(request)
    except web.HTTPException as refusal:
        return refusal.status
    return response.status


def test_the_figures() -> None:
    metrics = Metrics("1.2.3")
    counters: Counters = metrics
    counters.webhook("whatsapp", "stored", 0.004)
    counters.webhook("whatsapp", "unverified", 5.0)
    lines = metrics.exposition().decode().splitlines()
    for line in (
        'desk_webhooks_total{gate="whatsapp",outcome="stored"} 1.0',
        'desk_webhooks_total{gate="whatsapp",outcome="unverified"} 1.0',
        "desk_webhook_seconds_count 1.0",
        'desk_webhook_seconds_bucket{le="0.005"} 1.0',
    ):
        assert line in lines
    assert not [line for line in lines if line.startswith(("python_", "process_"))]
    assert any(line.startswith("desk_start_time_seconds 1") for line in lines)
    assert (metrics.acknowledged()[0.0025], metrics.acknowledged()[0.005], metrics.acknowledged()[math.inf]) == (
        0,
        1,
        1,
    )


def test_the_parts_among_the_figures() -> None:
    metrics, health = Metrics("1"), started()
    metrics.add(PartsCollector(health))
    health.set("whatsapp", "degraded", "token refused (190)")
    lines = metrics.exposition().decode().splitlines()
    assert 'desk_part_ok{part="whatsapp"} 0.0' in lines
    assert 'desk_part_ok{part="desk"} 1.0' in lines
    assert "desk_ready 1.0" in lines
    health.stop()
    assert "desk_ready 0.0" in metrics.exposition().decode().splitlines()

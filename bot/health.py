"""What the program says of itself over HTTP: alive, ready, and the figures."""

from __future__ import annotations

import hmac
import ipaddress
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate
from typing import Any, Literal

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

State = Literal["ok", "degraded", "down"]

ACK = "desk_webhook_seconds_bucket"
STORAGE = "storage"
DESK = "desk"
WORKERS = "workers"


class Start(StrEnum):
    """What a start waits for, each once; the value is what the report says meanwhile."""

    SCHEMA = "the schema at its newest version"
    COMMIT = "a first commit"
    WORKERS = "every worker running"
    BOT = "getMe answered"
    BACKEND = "the desk's back-end chosen, or the desk not claimed yet"
    UPDATES = "updates asked for"


_PART_OF: dict[Start, str] = {
    Start.SCHEMA: STORAGE,
    Start.COMMIT: STORAGE,
    Start.WORKERS: WORKERS,
    Start.BOT: DESK,
    Start.BACKEND: DESK,
    Start.UPDATES: DESK,
}


@dataclass(frozen=True, slots=True)
class Part:
    state: State
    detail: str = ""


class Health:
    """Parts and their states. Ready: the start is complete, storage and workers are not down, nobody stops us.

    Whatever else is down (the desk's Telegram, a gate) is told and keeps the program ready: a restart mends none of it.
    """

    def __init__(self, gates: Iterable[str]) -> None:
        self._parts = {name: Part("ok") for name in (STORAGE, DESK, WORKERS)}
        self._parts |= {gate: Part("ok", "off") for gate in gates}
        self._awaited = dict.fromkeys(Start)
        self._stopping = False

    def set(self, part: str, state: State, detail: str = "") -> None:
        self._parts[part] = Part(state, detail)

    def mark_started(self, start: Start) -> None:
        self._awaited.pop(start, None)

    def stop(self) -> None:
        self._stopping = True

    @property
    def stopping(self) -> bool:
        return self._stopping

    @property
    def ready(self) -> bool:
        broken = any(self._parts[name].state == "down" for name in (STORAGE, WORKERS))
        return not (self._awaited or broken or self._stopping)

    def report(self) -> tuple[bool, dict[str, Any]]:
        """Ready, and the body of /readyz."""
        parts = {}
        for name, part in self._parts.items():
            shown = self._shown(name, part)
            parts[name] = {"state": shown.state, "detail": shown.detail}
        return self.ready, {"ready": self.ready, "parts": parts}

    def _shown(self, name: str, part: Part) -> Part:
        details = [part.detail] if part.detail else []
        waits = [start.value for start in self._awaited if _PART_OF[start] == name]
        if waits:
            details.append("waiting for " + "; ".join(waits))
        if self._stopping and name == WORKERS:
            details.append("stopping")
        down = bool(waits) or (self._stopping and name == WORKERS)
        return Part("down" if down else part.state, "; ".join(details))


class PartsCollector(Collector):
    """What /readyz says, for who collects figures."""

    def __init__(self, health: Health) -> None:
        self._health = health

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        ready, body = self._health.report()
        yield GaugeMetricFamily("desk_ready", "1: /readyz answers 200.", value=float(ready))
        family = GaugeMetricFamily("desk_part_ok", "1: /readyz calls it ok, 0: degraded or down.", labels=["part"])
        for name, part in body["parts"].items():
            family.add_metric([name], float(part["state"] == "ok"))
        yield family


class _Webhooks(Collector):
    """Plain integers until somebody asks: prometheus_client's own, with a lock for each number, cost a webhook twice
    its signature. Only for one thread."""

    BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)

    def __init__(self) -> None:
        self._calls: dict[tuple[str, str], int] = {}
        self._acks = [0] * (len(self.BUCKETS) + 1)
        self._seconds = 0.0

    def count(self, gate: str, outcome: str, seconds: float) -> None:
        what = (gate, outcome)
        self._calls[what] = self._calls.get(what, 0) + 1
        if outcome == "stored":
            self._acks[bisect_left(self.BUCKETS, seconds)] += 1
            self._seconds += seconds

    def collect(self) -> Iterator[Metric]:
        calls = CounterMetricFamily(
            "desk_webhooks", "Webhook calls by what became of them.", labels=["gate", "outcome"]
        )
        for what, number in self._calls.items():
            calls.add_metric(what, number)
        yield calls
        bounds = [*map(floatToGoString, self.BUCKETS), "+Inf"]
        yield HistogramMetricFamily(
            "desk_webhook_seconds",
            "From the headers of a webhook to its 200.",
            buckets=list(zip(bounds, accumulate(self._acks), strict=True)),
            sum_value=self._seconds,
        )


class Metrics:
    """The figures, in a registry of their own. Labels are gates and outcomes, never a person."""

    def __init__(self, version: str) -> None:
        self._registry = registry = CollectorRegistry()
        self._webhooks = _Webhooks()
        registry.register(self._webhooks)
        Gauge("desk_start_time_seconds", "When the program started.", registry=registry).set_to_current_time()
        Gauge("desk_build_info", "Always 1.", ["version"], registry=registry).labels(version).set(1)

    def webhook(self, gate: str, outcome: str, seconds: float) -> None:
        self._webhooks.count(gate, outcome, seconds)

    def add(self, collector: Collector) -> None:
        """Figures that are asked for when somebody looks."""
        self._registry.register(collector)

    def acknowledged(self) -> dict[float, float]:
        """By upper edge in seconds, how many webhooks were acknowledged in no more, since the start."""
        samples = (s for family in self._registry.collect() for s in family.samples)
        return {float(s.labels["le"]): s.value for s in samples if s.name == ACK}

    def exposition(self) -> bytes:
        return generate_latest(self._registry)


def routes(health: Health, metrics: Metrics, metrics_token: str | None) -> list[web.RouteDef]:
    """`metrics_token`: opens /metrics to those who are not on this machine."""

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def readyz(_: web.Request) -> web.Response:
        ready, body = health.report()
        return web.json_response(body, status=200 if ready else 503)

    async def figures(request: web.Request) -> web.Response:
        if not _is_local(request):
            if metrics_token is None:
                raise web.HTTPNotFound
            if not _bears(request, metrics_token):
                raise web.HTTPUnauthorized(headers={"WWW-Authenticate": "Bearer"})
        return web.Response(body=metrics.exposition(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return [web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", figures)]


def _is_local(request: web.Request) -> bool:
    """On this machine, and not through a proxy on it."""
    if any(name in request.headers for name in ("Forwarded", "X-Forwarded-For", "X-Real-IP")):
        return False
    try:
        peer = ipaddress.ip_address(request.remote or "")
    except ValueError:
        return False
    mapped = peer.ipv4_mapped if isinstance(peer, ipaddress.IPv6Address) else None
    return (mapped or peer).is_loopback


def _bears(request: web.Request, token: str) -> bool:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    same = hmac.compare_digest(given.strip().encode("utf-8", "surrogateescape"), token.encode())
    return same and scheme.lower() == "bearer"

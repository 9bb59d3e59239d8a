"""The way to the fakes: names instead of addresses, and what goes wrong before a call has left."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from socket import AF_INET
from typing import Any

import aiohttp
import pytest
from aiohttp.abc import ResolveResult

from tests.rig import Rig, free_port

TELEGRAM, GRAPH = "telegram.test", "graph.test"


@dataclass
class Net:
    """`dns`, `refused`: chances that a name is not found, and that nobody listens where it leads. Each call connects
    anew, so that each one may meet them.
    """

    random: random.Random
    dns: float = 0.0
    refused: float = 0.0
    struck: Counter[str] = field(default_factory=Counter)
    closed: int = field(default_factory=free_port)

    def calm(self) -> None:
        self.dns = self.refused = 0.0

    def lead(self, desk: Rig) -> None:
        """The app finds the fakes by name."""
        desk.extra["TELEGRAM_API_BASE"] = f"http://{TELEGRAM}:{desk.telegram.base.rpartition(':')[2]}"
        desk.extra["GRAPH_API_BASE"] = f"http://{GRAPH}:{desk.graph.base.rpartition(':')[2]}"

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        real = aiohttp.TCPConnector._resolve_host

        async def resolved(
            connector: aiohttp.TCPConnector, host: str, port: int, traces: Sequence[Any] | None = None
        ) -> list[ResolveResult]:
            if host not in (TELEGRAM, GRAPH):
                return await real(connector, host, port, traces)
            connector._force_close = True
            dice = self.random.random()
            if dice < self.dns:
                self.struck["dns"] += 1
                raise OSError("name not found")
            if dice < self.dns + self.refused:
                self.struck["refused"] += 1
                port = self.closed
            return [ResolveResult(hostname=host, host="127.0.0.1", port=port, family=AF_INET, proto=0, flags=0)]

        monkeypatch.setattr(aiohttp.TCPConnector, "_resolve_host", resolved)

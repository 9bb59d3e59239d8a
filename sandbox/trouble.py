"""The troubles that a person can cause, by name: planned faults of the fakes, and their switches."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sandbox.scene import Scene
from sandbox.world import Fault

FAULTS: Mapping[str, Callable[[], Fault]] = {
    "telegram_429": lambda: Fault("429", "telegram", "sendMessage", times=None, seconds=3),
    "telegram_429_once": lambda: Fault("429", "telegram", "sendMessage", times=1, seconds=2),
    "telegram_down": lambda: Fault("refuse", "telegram", times=None),
    "telegram_lost": lambda: Fault("lost", "telegram", "sendMessage", times=1),
    "whatsapp_lost": lambda: Fault("lost", "graph", "POST /messages", times=1),
    "whatsapp_down": lambda: Fault("refuse", "graph", times=None),
    "whatsapp_500": lambda: Fault("500", "graph", "POST /messages", times=None),
}
SWITCHES = ("bad_signature", "duplicates", "reversed", "token_expired")
NAMES = (*FAULTS, *SWITCHES)


class Troubles:
    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._planned: dict[str, Fault] = {}

    def set(self, name: str, on: bool) -> None:
        """Begin or end one. KeyError for a name that is not in NAMES."""
        if name in SWITCHES:
            self._switch(name, on)
        elif on:
            self.set(name, False)
            self._planned[name] = self._scene.world.plan(FAULTS[name]())
        elif name in FAULTS:
            fault = self._planned.pop(name, None)
            if fault is not None:
                self._scene.world.lift(fault)
        else:
            raise KeyError(name)
        self._scene.world.touch()

    def clear(self) -> None:
        for name in NAMES:
            self.set(name, False)

    def active(self) -> dict[str, bool]:
        """A fault that has struck as often as planned is over by itself."""
        graph, telegram, faults = self._scene.graph, self._scene.telegram, self._scene.world.faults
        planned = {name: any(fault is self._planned.get(name) for fault in faults) for name in FAULTS}
        return planned | {
            "bad_signature": graph.bad_signature_next,
            "duplicates": telegram.duplicate_updates,
            "reversed": graph.reverse_statuses,
            "token_expired": not graph.token_valid,
        }

    def _switch(self, name: str, on: bool) -> None:
        graph, telegram = self._scene.graph, self._scene.telegram
        match name:
            case "bad_signature":
                graph.bad_signature_next = on
            case "duplicates":
                telegram.duplicate_updates = on
                graph.duplicate = int(on)
            case "reversed":
                graph.reverse_statuses = on
            case "token_expired":
                graph.token_valid = not on

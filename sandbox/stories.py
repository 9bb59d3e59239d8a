"""Stories: scenes that play by themselves, for people to watch and for tests to check. Same file, two uses.

`stories/NAME.jsonl`: the first line is {"title": {"ru", "en"}, "about": {"ru", "en"}}; each other line is a step:
{"do": ACT} (see `acts`) or {"expect": CONDITION, "within": seconds} (see `expect`), with an optional {"note": {"ru",
"en"}} for the watcher. {"expect": ..., "once": true} is looked at again when all has become quiet.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.acts import Acts, Impossible
from sandbox.expect import Before, Witness
from sandbox.scene import Scene
from sandbox.stream import Stream
from sandbox.trouble import Troubles

FOLDER = Path(__file__).parent / "stories"
PATIENCE = 5.0  # seconds that a step without `within` may take
SILENCE = 0.4  # seconds without a call after which all is quiet


class StoryFailed(Exception):
    """A step did not come true: its number, and what was there instead."""


@dataclass(frozen=True, slots=True)
class Story:
    name: str
    title: Mapping[str, str]
    about: Mapping[str, str]
    steps: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Moment:
    """Where a playing story stands. `failed`: what did not come true."""

    story: Story
    step: int
    note: Mapping[str, str] | None = None
    failed: str | None = None
    done: bool = False

    def view(self) -> dict[str, Any]:
        return {
            "name": self.story.name,
            "title": self.story.title,
            "step": self.step,
            "steps": len(self.story.steps),
            "note": self.note,
            "failed": self.failed,
            "done": self.done,
        }


def load(name: str) -> Story:
    """KeyError for an unknown name."""
    path = FOLDER / f"{name}.jsonl"
    if path.parent != FOLDER or not path.is_file():
        raise KeyError(name)
    head, *steps = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
    return Story(name, head["title"], head["about"], tuple(steps))


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.jsonl"))


class Player:
    """Plays one story at a time."""

    def __init__(self, scene: Scene, acts: Acts, troubles: Troubles, stream: Stream) -> None:
        self._scene = scene
        self._acts = acts
        self._troubles = troubles
        self._stream = stream

    async def play(
        self, story: Story, *, pause: float = 0.0, patience: float = 1.0, tell: Callable[[Moment], None] | None = None
    ) -> None:
        """`pause`: seconds before each act; `patience`: factor on all waits. Raises StoryFailed."""
        witness = Witness(self._scene, self._stream, Before.of(self._scene, self._stream))
        note = None
        try:
            for number, step in enumerate(story.steps, 1):
                note = step.get("note", note)
                if tell is not None:
                    tell(Moment(story, number, note))
                await self._step(story, number, step, witness, pause, patience)
            await self._finish(story, witness, patience)
        finally:
            self._troubles.clear()
            self._scene.graph.auto_statuses = True

    async def _step(
        self, story: Story, number: int, step: Mapping[str, Any], witness: Witness, pause: float, patience: float
    ) -> None:
        if "do" in step:
            if pause:
                await asyncio.sleep(pause)
            try:
                self._acts.do(step["do"])
            except Impossible as error:
                raise StoryFailed(f"{story.name}, step {number}: {error}\n{witness.seen({})}") from error
        if "expect" in step:
            seconds = patience * step.get("within", PATIENCE)
            await self._until(story, number, step["expect"], witness, seconds)

    async def _until(
        self, story: Story, number: int, wanted: Mapping[str, Any], witness: Witness, limit: float
    ) -> None:
        try:
            await self._scene.world.until(lambda: witness.holds(wanted), limit)
        except TimeoutError:
            what = json.dumps(wanted, ensure_ascii=False)
            raise StoryFailed(
                f"{story.name}, step {number}: not so in {limit} s: {what}\n{witness.seen(wanted)}"
            ) from None

    async def _finish(self, story: Story, witness: Witness, patience: float) -> None:
        once = [(n, s) for n, s in enumerate(story.steps, 1) if s.get("once")]
        if once:
            await self._silence(patience)
        for number, step in once:
            await self._until(story, number, step["expect"], witness, 0.0)

    async def _silence(self, patience: float) -> None:
        """Until no call has come for a while: what would be done twice has been done by then."""
        loop, world = asyncio.get_running_loop(), self._scene.world
        seen, since = -1, loop.time()

        def quiet() -> bool:
            nonlocal seen, since
            number = world.calls[-1].number if world.calls else 0
            if number != seen or not self._scene.quiet():
                seen, since = number, loop.time()
            return loop.time() - since >= SILENCE

        await world.until(quiet, 20.0 * patience, "silence")

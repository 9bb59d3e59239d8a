"""SIGTERM while everybody writes: it ends in time with 0, and unlike after a kill nothing is in doubt or said twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from tests.kill.child import ENDS_WITHIN, Nursery, end
from tests.kill.scenario import Play, play

STOPS = 3  # at each moment, in the long variant


def moments(made: Play) -> dict[str, Callable[[], bool]]:
    """Conditions that were not true before the life: the first sign of each kind of work."""
    rig = made.rig
    taken, desk, sends = len(rig.graph.deliveries), len(rig.said("")), len(rig.sends())
    return {
        "a body is taken": lambda: any(d.status == 200 for d in list(rig.graph.deliveries)[taken:]),
        "the desk shows": lambda: len(rig.said("")) > desk,
        "an answer leaves": lambda: len(rig.sends()) > sends,
    }


async def test_stopped_under_load(nursery: Nursery, tmp_path: Path, counts: Callable[..., None], soak: bool) -> None:
    async with play(nursery, tmp_path) as made:
        await made.first()
        longest = 0.0
        stops = 0
        for _ in range(STOPS if soak else 1):
            for moment in list(moments(made)):
                child = made.start()
                happens = moments(made)[moment]
                made.clients_write()
                made.owner_answers()
                await made.until(child, happens, moment)
                longest = max(longest, await end(child))
                stops += 1
        await made.settled()
        found = made.counts()
        counts("R2", stops=stops, longest=f"{longest:.1f} s", **asdict(found))
        assert found.losses == {}
        assert (found.desk_repeats, found.marked, found.uncertain) == (0, 0, 0)
        assert longest < ENDS_WITHIN

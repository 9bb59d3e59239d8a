"""kill -9 at every named point and spread over all steps of a life: what both sides saw is compared afterwards."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.kill.child import Nursery
from tests.kill.defects import DEFECTS
from tests.kill.scenario import Kill, Play, play
from tests.kill.verdict import Counts

SEED = 20261124
OF_ONE_PLAY = 50  # kills of one data folder in the long variant
PLAYS = 4
OUTSIDE = 2.0  # seconds of a life within which it is killed from outside

NAMED = (
    "put.committing",
    "put.committed",  # before its 200
    "work.committing",
    "work.committed",
    "whatsapp.claimed",  # before the call
    "messages.answered",  # before the answer is understood
    "whatsapp.answered",  # before `sent` is stored
    "telegram.answered",
    "desk.show.claimed",
    "desk.show.answered",
    "createForumTopic.answered",  # the topic is there, its id is not stored
    "setMessageReaction.answered",
    "file.half",  # in the middle of a line
    "file.appended",
    "events.answered",  # the receiver has it, the cursor does not know
    "checkpoint.inside",
)


def short_plan(known: Mapping[str, Any], chance: random.Random) -> list[Kill]:
    return [*(Kill(f"{name}:1") for name in NAMED), *spread(known["steps"], 3, chance), Kill(after=chance.random())]


def long_plan(known: Mapping[str, Any], chance: random.Random) -> list[Kill]:
    """Half of it at names, each at one of its passings; the rest over all steps, and from outside."""
    names = sorted(name for name in known["passed"] if not name.startswith("migration."))
    named = [(name, chance.randint(1, max(1, known["passed"][name] // 3))) for name in chance.sample(names, 25)]
    kills = [Kill(f"{name}:{number}") for name, number in named]
    kills += spread(known["steps"], 20, chance)
    kills += [Kill(after=chance.uniform(0.05, OUTSIDE)) for _ in range(OF_ONE_PLAY - len(kills))]
    chance.shuffle(kills)
    return kills


def spread(steps: int, number: int, chance: random.Random) -> list[Kill]:
    """One in each of so many equal stretches of a life."""
    return [Kill(f"step:{1 + int((n + chance.random()) * steps / number)}") for n in range(number)]


async def lives(made: Play, plan: Sequence[Kill]) -> Counts:
    for how in plan:
        await made.killed(how)
    await made.settled()
    return made.counts()


async def test_killed_everywhere(nursery: Nursery, tmp_path: Path, counts: Callable[..., None], soak: bool) -> None:
    chance = random.Random(SEED)
    for number in range(PLAYS if soak else 1):
        async with play(nursery, folder_in(tmp_path, number)) as made:
            await made.first()
            known = await made.counted()
            assert set(NAMED) <= known["passed"].keys()
            plan = long_plan(known, chance) if soak else short_plan(known, chance)
            found = await lives(made, plan)
            report(counts, made, found, play=number)
            check(made, found)
            assert soak or [how for how in made.missed if not how.point.startswith("step:")] == []


def folder_in(folder: Path, number: int) -> Path:
    made = folder / f"play{number}"
    made.mkdir()
    return made


def report(counts: Callable[..., None], made: Play, found: Counts, **more: object) -> None:
    counts(
        "R1", **more, kills=made.kills, at_points=made.hits, slowest_settling=f"{made.slowest:.1f} s", **asdict(found)
    )


def check(made: Play, found: Counts) -> None:
    assert found.losses == {}
    assert found.acked > made.kills
    assert found.desk_repeats <= made.kills


# The defect, where it is killed with it, and the count that shows it.
SHOWN_BY: Mapping[str, tuple[str, str]] = {
    "acknowledged before the commit": ("put.committing:3", "lost"),
    "no unique key on the inbox": ("put.committed:3", "duplicate_rows"),
    # To a client of Telegram: WhatsApp's reports settle by themselves what is in doubt.
    "an answer in doubt is sent again by itself": ("telegram.answered:1", "sent_twice"),
    "an answer leaves before it is claimed": ("telegram.answered:1", "sent_twice"),
    "an answer in doubt is dropped": ("messages.leaving:1", "lost"),
    "a repeat on the desk is not marked": ("desk.show.answered:1", "unmarked"),
    "the export's cursor moves before the call": ("events.leaving:1", "export_lost"),
    "the newest of a lane goes first": ("work.committing:5", "reordered"),
}


async def test_each_defect_is_found(nursery: Nursery, tmp_path: Path, counts: Callable[..., None]) -> None:
    """The same scenario and the same checker, with one promise broken at a time: what it adds to the counts."""
    assert SHOWN_BY.keys() == DEFECTS.keys()
    async with play(nursery, tmp_path) as made:
        await made.first()
        before = await lives(made, [Kill("whatsapp.answered:1"), Kill("desk.show.answered:1")])
        assert before.losses == {}
        for defect, (point, shown_by) in SHOWN_BY.items():
            made.defect = defect
            after = await lives(made, [Kill(point)])
            added = getattr(after, shown_by) - getattr(before, shown_by)
            counts("R1", mutant=defect, **{shown_by: added})
            assert added > 0, (defect, after)
            before = after

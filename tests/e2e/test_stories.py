"""Every story of the sandbox comes true, and every line of its export is there within a second."""

from __future__ import annotations

import pytest

from sandbox import stories
from sandbox.stage import Stage
from sandbox.stories import StoryFailed


@pytest.mark.parametrize("name", stories.names())
async def test_story_comes_true(stage: Stage, name: str) -> None:
    before = stage.stream.count
    await stage.player.play(stories.load(name))
    lines = [line for line in stage.stream.lines if line.number > before]
    assert lines, "a story that exports nothing proves nothing"
    late = [(round(line.age, 3), line.body) for line in lines if not -0.1 < line.age < 1.0]
    assert not late


async def test_a_story_that_does_not_come_true_fails(stage: Stage) -> None:
    lie = {"expect": {"phone": {"person": "maria", "text": "never sent"}}, "within": 0.2}
    story = stories.Story("lie", {}, {}, ({"do": {"action": "client_writes", "person": "maria", "text": "Hello"}}, lie))
    with pytest.raises(StoryFailed, match=r"lie, step 2.*never sent"):
        await stage.player.play(story)


async def test_export_is_in_order_and_without_gaps(stage: Stage) -> None:
    await stage.player.play(stories.load("throttled"))
    ids = [line.body["data"]["id"] for line in stage.stream.lines]
    assert ids == list(range(ids[0], ids[0] + len(ids)))

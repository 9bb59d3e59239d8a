"""Names that clients give themselves."""

from __future__ import annotations

import pytest

from tests.rig import MARIA, Rig


@pytest.mark.parametrize(
    ("name", "shown"),
    [("Н" * 10_000, "Н"), ("\u202eАнна\u202c", "Анна"), ("\u200b\u3164 ", "Без имени"), ("\u0301" * 900, "Без имени")],
)
async def test_no_name_holds_anybody_up(desk: Rig, name: str, shown: str) -> None:
    await desk.known()
    desk.graph.phones[MARIA].name = name
    desk.graph.writes(MARIA, "от Марии")
    await desk.known(text="ещё от Игоря")
    await desk.until(lambda: bool(desk.said("от Марии")), "shown")
    assert any(t["name"].endswith(shown) for t in desk.telegram.topics_of(1001))

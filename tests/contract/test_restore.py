"""A copy put in place of the database."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

from tests.contract.process import Place, in_order, text_message


async def test_a_restored_copy_goes_on_and_no_id_comes_twice(place: Place) -> None:
    async with place.running():
        await _write(place, 0, 3)
        made = await place.command("backup")
        await _write(place, 3, 6)
    last = place.lines()[-1]["data"]["id"]
    await asyncio.to_thread(_put_back, Path(made.out.strip()), place.data)
    async with place.running():
        assert place.stored() == 3
        # The provider repeats what it has no answer for; what the copy has is known.
        await _write(place, 0, 7, new=4)
        await place.until(lambda: place.receiver.taken[-1].id == place.lines()[-1]["data"]["id"], "taken")
    ids = [line["data"]["id"] for line in place.lines()]
    assert ids == sorted(set(ids))
    new = [line for line in place.exported("message.in") if line["data"]["id"] > last]
    assert [line["data"]["text"] for line in new] == [f"Письмо {number}" for number in range(3, 7)]
    assert in_order(place.receiver.taken) == ids


async def _write(place: Place, first: int, end: int, new: int | None = None) -> None:
    known = len(place.exported("message.in"))
    for number in range(first, end):
        body = text_message(f"Письмо {number}", wamid=f"wamid.{number}")
        assert (await place.whatsapp(body)).status == 200
    wanted = known + (end - first if new is None else new)
    await place.until(lambda: len(place.exported("message.in")) == wanted, "exported")


def _put_back(copy: Path, data: Path) -> None:
    for name in ("inbox.db-wal", "inbox.db-shm"):
        (data / name).unlink(missing_ok=True)
    shutil.copyfile(copy, data / "inbox.db")

"""Clients' files: where they lie, and what a kill leaves of them."""

from __future__ import annotations

from pathlib import Path

from tests.rig import IGOR, rig


async def test_files_lie_in_the_folder_that_is_backed_up_with_the_database(tmp_path: Path) -> None:
    unfinished = tmp_path / "data" / "blobs" / ".unfinished"
    unfinished.mkdir(parents=True)
    (unfinished / "half").touch()
    async with rig(tmp_path / "data") as desk:
        await desk.start()
        desk.graph.writes(IGOR, kind="image", file=b"\xff\xd8 a picture", mime="image/jpeg", caption="вид")
        await desk.until(lambda: bool(desk.exported("media.stored")), "fetched")
        [stored] = desk.exported("media.stored")
        assert (tmp_path / "data" / "blobs" / stored["sha256"][:2] / stored["sha256"]).exists()
        assert list(unfinished.iterdir()) == []

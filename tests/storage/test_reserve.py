"""The room that is set aside is really there, and really given back."""

from __future__ import annotations

from pathlib import Path

from storage.reserve import FILE, Reserve
from tests.faults.limits import with_file_limit

SIZE = 1024 * 1024


def test_it_takes_room_and_gives_it_back(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path, SIZE)
    assert reserve.make()
    assert reserve.make(), "a second time it is there already"
    status = (tmp_path / FILE).stat()
    assert (status.st_size, status.st_mode & 0o777) == (SIZE, 0o600)
    assert status.st_blocks * 512 >= SIZE, "not a hole"
    assert Reserve(tmp_path, SIZE).is_there
    assert reserve.free()
    assert not reserve.is_there
    assert not reserve.free()


def test_where_there_is_no_room_nothing_is_left_behind(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path, SIZE)
    with with_file_limit(SIZE // 2):
        assert not reserve.make()
    assert not (tmp_path / FILE).exists()
    assert not Reserve(tmp_path / "gone", SIZE).make()

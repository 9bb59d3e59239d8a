"""Files by their content: whole or not at all, and never too big."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from inbox.blobs import HELD
from inbox.errors import Refused, StorageDown, Unreachable
from storage.blobs import CHUNK, UNFINISHED, FileBlobs
from tests.faults.limits import with_file_limit


async def pieces(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


def files(root: Path) -> list[str]:
    return sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file())


@pytest.fixture
def blobs(tmp_path: Path) -> FileBlobs:
    return FileBlobs(tmp_path)


async def test_what_is_put_is_found_by_its_hash(blobs: FileBlobs, tmp_path: Path) -> None:
    content = os.urandom(CHUNK * 2 + 17)
    sha256 = hashlib.sha256(content).hexdigest()
    blob = await blobs.put(pieces(content[:1000], b"", content[1000:]), len(content))
    assert (blob.sha256, blob.size) == (sha256, len(content))
    assert blobs.path(sha256) == tmp_path / sha256[:2] / sha256
    assert files(tmp_path) == [f"{sha256[:2]}/{sha256}"]
    assert blobs.path(sha256).stat().st_mode & 0o777 == 0o600
    chunks = [chunk async for chunk in blobs.open(sha256)]
    assert b"".join(chunks) == content and max(map(len, chunks)) <= CHUNK
    assert await blobs.put(pieces(content), len(content)) == blob
    assert files(tmp_path) == [f"{sha256[:2]}/{sha256}"]


async def test_an_empty_file(blobs: FileBlobs) -> None:
    blob = await blobs.put(pieces(), 0)
    assert blob.size == 0 and [c async for c in blobs.open(blob.sha256)] == []


async def test_one_byte_too_many(blobs: FileBlobs, tmp_path: Path) -> None:
    with pytest.raises(Refused) as raised:
        await blobs.put(pieces(b"12345", b"6"), 5)
    assert raised.value.reason == "too_big" and files(tmp_path) == []


async def test_a_disk_that_takes_half_of_it_leaves_nothing(blobs: FileBlobs, tmp_path: Path) -> None:
    """The kernel's own limit on a file's size, as a full disk: at the first piece, at a later one, at the end."""
    content = os.urandom(CHUNK)
    for room in (1, 5_000, CHUNK - 1, CHUNK + 1):
        with with_file_limit(room), pytest.raises(StorageDown) as raised:
            await blobs.put(pieces(content, content[:3000]), 10 * CHUNK)
        assert raised.value.reason == "io"
        assert files(tmp_path) == []
    blob = await blobs.put(pieces(content), 10 * CHUNK)
    assert blobs.path(blob.sha256).read_bytes() == content


async def test_nothing_is_fetched_for_a_disk_that_takes_nothing(tmp_path: Path) -> None:
    refuses = True
    blobs = FileBlobs(tmp_path, lambda: refuses)
    asked: list[int] = []

    async def source() -> AsyncIterator[bytes]:
        asked.append(1)
        yield b"123"

    with pytest.raises(StorageDown) as raised:
        await blobs.put(source(), 99)
    assert (raised.value.reason, asked) == (HELD, [])
    refuses = False
    assert (await blobs.put(source(), 99)).size == 3


async def test_a_source_that_breaks_leaves_nothing(blobs: FileBlobs, tmp_path: Path) -> None:
    async def breaks() -> AsyncIterator[bytes]:
        yield b"123"
        raise Unreachable("connection")

    with pytest.raises(Unreachable):
        await blobs.put(breaks(), 99)
    assert files(tmp_path) == []


async def test_a_cancelled_put_leaves_nothing(blobs: FileBlobs, tmp_path: Path) -> None:
    reached = asyncio.Event()

    async def stalls() -> AsyncIterator[bytes]:
        yield b"123"
        reached.set()
        await asyncio.Event().wait()

    task = asyncio.ensure_future(blobs.put(stalls(), 99))
    await reached.wait()
    assert len(files(tmp_path)) == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert files(tmp_path) == []


async def test_a_disk_that_does_not_take_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageDown):
        await FileBlobs(tmp_path / "file").put(pieces(b"1"), 9)


async def test_what_is_not_there(blobs: FileBlobs) -> None:
    with pytest.raises(FileNotFoundError):
        assert [c async for c in blobs.open("ab" * 32)] == []


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "AB" * 32, "ab" * 32 + "\n", "ab" * 31])
def test_only_a_hash_is_a_name(blobs: FileBlobs, name: str) -> None:
    with pytest.raises(ValueError, match="sha256"):
        blobs.path(name)


async def test_leftovers_of_a_kill_are_removed(blobs: FileBlobs, tmp_path: Path) -> None:
    assert blobs.drop_unfinished() == 0
    blob = await blobs.put(pieces(b"1"), 9)
    (tmp_path / UNFINISHED / "tmpleft").write_bytes(b"half")
    assert blobs.drop_unfinished() == 1
    assert files(tmp_path) == [f"{blob.sha256[:2]}/{blob.sha256}"]

"""Files named by their content: blobs/ab/abcdef…, each there whole or not at all."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import tempfile
import threading
from collections.abc import AsyncIterable, AsyncIterator, Callable
from pathlib import Path
from typing import BinaryIO

from inbox.blobs import HELD, Blob
from inbox.errors import Refused, StorageDown
from storage.db import sync_folder

CHUNK = 256 * 1024
FOLDER = "blobs"
UNFINISHED = ".unfinished"
_SHA256 = re.compile(r"[0-9a-f]{64}")


class FileBlobs:
    """Implements `inbox.blobs.Blobs`. The disk is touched on threads only.

    refuses: whether the disk is known to take nothing; then nothing is fetched for it.
    """

    def __init__(self, root: Path, refuses: Callable[[], bool] = lambda: False) -> None:
        self._root = root
        self._refuses = refuses

    async def put(self, chunks: AsyncIterable[bytes], limit: int) -> Blob:
        if self._refuses():
            raise StorageDown(HELD)
        part = _Part(self._root)
        try:
            await _on_disk(part.begin)
            async for chunk in chunks:
                if part.size + len(chunk) > limit:
                    raise Refused("too_big")
                await _on_disk(part.append, chunk)
            await _on_disk(part.finish)
        finally:
            part.discard()
        return Blob(part.digest.hexdigest(), part.size)

    def path(self, sha256: str) -> Path:
        """Raises ValueError for what is no hash."""
        return _place(self._root, sha256)

    async def open(self, sha256: str) -> AsyncIterator[bytes]:
        file = await asyncio.to_thread(self.path(sha256).open, "rb")
        try:
            while chunk := await asyncio.to_thread(file.read, CHUNK):
                yield chunk
        finally:
            file.close()

    def drop_unfinished(self) -> int:
        """Remove what a killed process left half-written; how many. Only for the holder of the data lock."""
        left = list((self._root / UNFINISHED).glob("*"))
        for file in left:
            file.unlink()
        return len(left)


class _Part:
    """A file that is being written. A call may outlive its cancelled caller, hence the lock: `discard` comes last."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._file: BinaryIO | None = None
        self._path: Path | None = None
        self._discarded = False
        self.digest = hashlib.sha256()
        self.size = 0

    def begin(self) -> None:
        with self._lock:
            if self._discarded:
                return
            folder = self._root / UNFINISHED
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.mkdir(mode=0o700, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=folder)
            self._file, self._path = os.fdopen(handle, "wb"), Path(name)

    def append(self, chunk: bytes) -> None:
        with self._lock:
            if self._file is not None:
                self._file.write(chunk)
                self.digest.update(chunk)
                self.size += len(chunk)

    def finish(self) -> None:
        with self._lock:
            if self._file is None or self._path is None:
                return
            self._file.flush()
            os.fsync(self._file.fileno())
            target = _place(self._root, self.digest.hexdigest())
            target.parent.mkdir(mode=0o700, exist_ok=True)
            self._path.replace(target)
            sync_folder(target.parent)
            sync_folder(self._root)

    def discard(self) -> None:
        with self._lock:
            self._discarded = True
            if self._file is None or self._path is None:
                return
            try:
                self._file.close()
            except OSError:
                pass  # the bytes that did not fit are thrown away anyhow
            self._file = None
            self._path.unlink(missing_ok=True)


def _place(root: Path, sha256: str) -> Path:
    if _SHA256.fullmatch(sha256) is None:
        raise ValueError("not a sha256")
    return root / sha256[:2] / sha256


async def _on_disk(step: Callable[..., None], *args: bytes) -> None:
    """Raises StorageDown for what the disk does not take."""
    try:
        await asyncio.to_thread(step, *args)
    except OSError as error:
        raise StorageDown("io", detail=str(error)) from error

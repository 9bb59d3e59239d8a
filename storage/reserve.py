"""Room set aside on the disk: given back when the disk is full, so that what is under way can still be stored."""

from __future__ import annotations

import os
from pathlib import Path

FILE = "reserve"
SIZE = 16 * 1024 * 1024
"""Bytes: outcomes of some thousand sends."""


class Reserve:
    """The disk is touched; call it on a thread."""

    def __init__(self, data_dir: Path, size: int = SIZE) -> None:
        self._path = data_dir / FILE
        self._size = size

    @property
    def is_there(self) -> bool:
        return self._path.exists()

    def make(self) -> bool:
        """Set the room aside, whole; False: the disk does not give it now."""
        try:
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                os.posix_fallocate(handle, 0, self._size)
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError:
            self.free()
            return False
        return True

    def free(self) -> bool:
        """Give it back; False: there was none, or the disk does not even let go of it."""
        try:
            self._path.unlink()
        except OSError:
            return False
        return True

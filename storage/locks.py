"""Who holds the locks of a data folder, as the kernel tells it (Linux). Nothing is opened: a file that is closed again
would let go of its process's own locks on it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from storage.db import FILE, LOCK

TABLE = Path("/proc/locks")
WRITE_BYTE = 120  # of the -shm file, sqlite.org/walformat.html section 2.3.1


def writer_of(folder: Path, table: Path = TABLE) -> int | None:
    """The process that writes to the database at this moment and is not the bot; None: nobody, or it cannot be seen.

    0 is a process of another container.
    """
    bot = {pid for pid, _ in _holders(folder / LOCK, table, "FLOCK")}
    writers = [pid for pid, byte in _holders(folder / f"{FILE}-shm", table, "POSIX") if WRITE_BYTE in byte]
    return next((pid for pid in writers if pid not in bot), None)


def _holders(path: Path, table: Path, kind: str) -> Iterator[tuple[int, range]]:
    """A line is `1: POSIX  ADVISORY  WRITE 4242 fe:00:131072 120 120`; one that only waits has an arrow."""
    try:
        inode = str(path.stat().st_ino)
        lines = table.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        match line.split():
            case [_, found, _, "WRITE", pid, place, start, end] if found == kind and place.split(":")[-1] == inode:
                last = int(start) if end == "EOF" else int(end)
                yield max(0, int(pid)), range(int(start), last + 1)

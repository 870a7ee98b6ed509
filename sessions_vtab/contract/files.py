"""Files and folders that only their owner can read, whatever the umask; which file is which."""

from __future__ import annotations

import os
from pathlib import Path

_PRIVATE = 0o700


def make_private(folder: Path) -> None:
    """Makes a folder, and those above it, where they are missing: each with mode 0700.

    ``Path.mkdir(parents=True)`` gives its mode to the last one only.

    Raises:
        OSError: the system does not allow it, or a file is in the way.
    """
    missing = []
    for one in (folder, *folder.parents):
        if one.exists():
            break
        missing.append(one)
    for one in reversed(missing):
        one.mkdir(mode=_PRIVATE, exist_ok=True)
    folder.mkdir(mode=_PRIVATE, exist_ok=True)  # A file in its place is an error.


def create_private(path: Path) -> None:
    """Creates an empty file with mode 0600.

    An existing file is not even opened: closing it would give up the locks that SQLite has on it in
    this process (https://sqlite.org/howtocorrupt.html, section 2.2).

    Raises:
        FileExistsError: it is there.
        OSError: the system does not allow it.
    """
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def identity(path: str | Path) -> tuple[int, int] | None:
    """What tells a file from others whatever its path; None if it does not exist."""
    try:
        found = os.stat(path)  # noqa: PTH116  # Six times as fast, and once a statement.
    except OSError:
        return None
    return found.st_dev, found.st_ino

"""Folders that only their owner can read, whatever the umask says."""

from __future__ import annotations

from pathlib import Path

__all__ = ["make_private"]

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

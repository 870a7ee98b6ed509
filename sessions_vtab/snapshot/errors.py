"""SQLite's errors about a snapshot's file, as errors of this package."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import apsw

from sessions_vtab.errors import BusyError, SessionsError, StoreError

__all__ = ["translated"]

_BUSY: Final = (
    "another program is using this file",
    "Close that program and run the snapshot again.",
)
_MEANINGS: Final[tuple[tuple[type[apsw.Error], type[SessionsError], tuple[str, str]], ...]] = (
    (apsw.BusyError, BusyError, _BUSY),
    (apsw.LockedError, BusyError, _BUSY),
    (
        apsw.FullError,
        StoreError,
        (
            "the disk is full",
            "The rows read so far are kept. Free some space and run the snapshot again.",
        ),
    ),
    (
        apsw.NotADBError,
        StoreError,
        ("this is not an SQLite database", "It was left unchanged. Use another file."),
    ),
    (
        apsw.CorruptError,
        StoreError,
        ("the file is damaged", "Remove it and take the snapshot again."),
    ),
    (
        apsw.ReadOnlyError,
        StoreError,
        ("the file or its folder is not writable", "Check the permissions."),
    ),
    (
        apsw.CantOpenError,
        StoreError,
        ("the file cannot be opened", "Check that you have read and write permission."),
    ),
    (
        apsw.IOError,
        StoreError,
        ("reading or writing the disk failed", "Run the snapshot again."),
    ),
)
"""What an error of APSW's becomes: the class of ours, the problem and a hint."""


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Raises APSW's errors inside the block as errors of this package about ``path``.

    An interrupt is raised unchanged.
    """
    try:
        yield
    except apsw.InterruptError:
        raise
    except apsw.Error as error:
        for kind, made, (problem, hint) in _MEANINGS:
            if isinstance(error, kind):
                raise made(f"The snapshot {path}: {problem} ({error}). {hint}") from error
        raise StoreError(f"The snapshot {path}: SQLite failed ({error}).") from error

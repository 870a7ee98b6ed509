"""What SQLite says about a snapshot's file, in the words of our own error tree."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import apsw

from sessions_vtab.errors import BusyError, SessionsError, StoreError

__all__ = ["translated"]

_MEANINGS: Final[tuple[tuple[type[apsw.Error], type[SessionsError], str], ...]] = (
    (
        apsw.BusyError,
        BusyError,
        ("another program is using it. Close that program, and run the snapshot again."),
    ),
    (
        apsw.LockedError,
        BusyError,
        ("another program is using it. Close that program, and run the snapshot again."),
    ),
    (
        apsw.FullError,
        StoreError,
        (
            "the disk is full. The rows read so far are kept. Free some space, and run the"
            " snapshot again."
        ),
    ),
    (apsw.NotADBError, StoreError, "it is not an SQLite database, and was left unchanged."),
    (
        apsw.CorruptError,
        StoreError,
        ("the file is damaged. Remove it, and take the snapshot again."),
    ),
    (apsw.ReadOnlyError, StoreError, "the file or its folder cannot be written."),
    (
        apsw.CantOpenError,
        StoreError,
        ("it cannot be opened. Check that you have read and write permission."),
    ),
    (apsw.IOError, StoreError, "reading or writing the disk failed. Run the snapshot again."),
)


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """APSW's errors inside the block become ours, about that file; an interrupt stays one."""
    try:
        yield
    except apsw.InterruptError:
        raise
    except apsw.Error as error:
        for kind, made, remedy in _MEANINGS:
            if isinstance(error, kind):
                raise made(f"The snapshot {path}: {remedy} ({error})") from error
        raise StoreError(f"The snapshot {path}: SQLite failed. ({error})") from error

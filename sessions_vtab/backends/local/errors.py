"""Translates SQLite's errors about the store's file into the package's own errors."""

from __future__ import annotations

from typing import Final

import apsw

from sessions_vtab.errors import (
    BusyError,
    ConflictError,
    InvalidValueError,
    SessionsError,
    StoreError,
)

__all__ = ["is_taken", "stale", "translate"]

_BUSY: Final = (
    "another process or connection is writing to it and did not finish within 5 seconds."
    " Nothing was written. Try again, or find out what holds a transaction"
    " open."
)
_STALE: Final = (
    "another process or connection has written to it, or is writing, since this transaction read"
    " it. Nothing was written. ROLLBACK, then repeat the transaction; one that begins with BEGIN"
    " IMMEDIATE waits for the others instead."
)
_FULL: Final = "the disk is full. The transaction was rolled back; free some space and repeat it."
_NO_DATABASE: Final = "it is not an SQLite database. Use another file: local:///path/to/sessions.db"
_DAMAGED: Final = (
    "the file is damaged. Restore a backup, or recover what is left with `sqlite3 FILE .recover`."
)
_READ_ONLY: Final = (
    "the file or its folder is not writable. SQLite needs write access even to read, because"
    " of the -wal and -shm files beside it. Nothing was written. Change the"
    " permissions, copy the file, or use another one:"
    " local:///path/to/sessions.db"
)
_CLOSED: Final = (
    "it cannot be opened. Check that you have read and write permission for the file, its"
    " folder, and the files beside it that end in -wal and -shm."
)
_BROKEN: Final = "reading or writing the disk failed. Nothing was written."
_TOO_BIG: Final = "a value is larger than SQLite's limit of 1 GB."
_CONTRADICTS: Final = "the row conflicts with another one. Nothing was written."
_STRANGE: Final = "its tables are not as expected. Another program may have changed the file."

# The first matching entry is used (https://sqlite.org/rescode.html).
_MEANINGS: Final[tuple[tuple[type[apsw.Error], type[SessionsError], str], ...]] = (
    (apsw.BusyError, BusyError, _BUSY),
    (apsw.LockedError, BusyError, _BUSY),
    (apsw.FullError, StoreError, _FULL),
    (apsw.NotADBError, StoreError, _NO_DATABASE),
    (apsw.CorruptError, StoreError, _DAMAGED),
    (apsw.FormatError, StoreError, _DAMAGED),
    (apsw.ReadOnlyError, StoreError, _READ_ONLY),
    (apsw.CantOpenError, StoreError, _CLOSED),
    (apsw.PermissionsError, StoreError, _CLOSED),
    (apsw.AuthError, StoreError, _CLOSED),
    (apsw.IOError, StoreError, _BROKEN),
    (apsw.NoLFSError, StoreError, _BROKEN),
    (apsw.TooBigError, InvalidValueError, _TOO_BIG),
    (apsw.ConstraintError, ConflictError, _CONTRADICTS),
    (apsw.SchemaChangeError, StoreError, _STRANGE),
    (apsw.SQLError, StoreError, _STRANGE),
)
_TAKEN: Final = (apsw.SQLITE_CONSTRAINT_PRIMARYKEY, apsw.SQLITE_CONSTRAINT_UNIQUE)


def is_taken(error: apsw.ConstraintError) -> bool:
    """Whether the error means that a key already exists; false if another constraint failed."""
    return getattr(error, "extendedresult", 0) in _TAKEN


def stale(error: apsw.BusyError, place: str) -> BusyError:
    """Returns the error for a transaction that has read and can no longer write.

    Args:
        error: what APSW raised.
        place: the source and its file.
    """
    return BusyError(f"{place}: {_STALE} ({error})")


def translate(error: apsw.Error, place: str) -> Exception:
    """Returns the error to raise for an error of SQLite.

    Args:
        error: the error that APSW raised.
        place: the source and its file.

    Returns:
        An error of this package with the place and a hint; an interrupt is returned unchanged.
    """
    if isinstance(error, apsw.InterruptError):
        return error
    if isinstance(error, apsw.SQLError) and "JSON path" in str(error):
        return InvalidValueError(f"{place}: a key after ->> is not a valid JSON path. ({error})")
    for kind, made, remedy in _MEANINGS:
        if isinstance(error, kind):
            return made(f"{place}: {remedy} ({error})")
    return StoreError(f"{place}: SQLite failed. ({error})")

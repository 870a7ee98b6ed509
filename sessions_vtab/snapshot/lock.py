"""One writer for a snapshot's file: a lock that ends with its process, however that ends."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import apsw

from sessions_vtab.errors import BusyError, StoreError

__all__ = ["create_private", "one_writer", "require_regular"]

_KINDS: Final = (
    (stat.S_ISDIR, "folder"),
    (stat.S_ISFIFO, "named pipe"),
    (stat.S_ISSOCK, "socket"),
    (stat.S_ISCHR, "device"),
    (stat.S_ISBLK, "device"),
)


@contextmanager
def one_writer(target: Path) -> Iterator[None]:
    """Keeps other snapshots from the same file inside the block.

    The lock is SQLite's own, on an empty file beside it, so it works wherever SQLite does.

    Raises:
        BusyError: another snapshot is being written there.
        StoreError: the folder cannot be written.
    """
    path = target.with_name(target.name + ".lock")
    require_regular(path)
    connection = _locked(path, target)
    try:
        yield
    finally:
        with suppress(OSError):  # Windows keeps open files; the next snapshot takes it over.
            path.unlink()
        connection.close(True)


def _locked(path: Path, target: Path) -> apsw.Connection:
    while True:
        create_private(path)
        before = _identity(path)
        connection = _connection(path)
        if connection is None:
            continue
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except apsw.BusyError:
            connection.close(True)
            raise BusyError(
                f"Another snapshot is being written to {target}. Wait until it has finished,"
                " or use another file."
            ) from None
        # Its last owner removes it: what we locked must still be what others find under the name.
        if _identity(path) == before:
            return connection
        connection.close(True)


def _connection(path: Path) -> apsw.Connection | None:
    """None if its last owner has removed it just now."""
    try:
        return apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    except apsw.CantOpenError as error:
        if path.exists():
            raise StoreError(
                f"{path} cannot be opened. Check that you have read and write permission."
            ) from error
        return None


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def create_private(path: Path) -> None:
    """Creates an empty file that only its owner can read; an existing one is kept, unopened.

    Closing a file that SQLite has open elsewhere in the process would give up SQLite's locks on it
    (https://sqlite.org/howtocorrupt.html, section 2.2).

    Raises:
        StoreError: the system does not allow it.
    """
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        return
    except OSError as error:
        raise StoreError(
            f"{path} cannot be created or written ({error.strerror}). A snapshot needs an"
            " existing, writable folder. Use another file."
        ) from error


def require_regular(path: Path) -> None:
    """Allows a path to be written or replaced only where a regular file is, or nothing.

    A device or a named pipe of that name, such as ``/dev/stdout``, belongs to another program.

    Raises:
        StoreError: it is something else, or cannot be looked at.
    """
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise StoreError(f"{path} cannot be used ({error.strerror}). Use another file.") from error
    if not stat.S_ISREG(mode):
        kind = next((name for test, name in _KINDS if test(mode)), "special file")
        raise StoreError(
            f"{path} is a {kind}, not a regular file. It was left unchanged. Use another file."
        )

"""The file that a snapshot is written into, ``FILE.partial``, until it takes its place.

It has one writer: a lock ends with its process, however that ends. SQLite's errors about the file
become errors of this package.
"""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import apsw

from sessions_vtab.backends.local.file import Meanings, create_private, identity, translate
from sessions_vtab.contract.model import quoted
from sessions_vtab.errors import BusyError, SessionsError, StoreError
from sessions_vtab.snapshot.ddl import TEMPORARY_TABLES, create_indexes, create_views
from sessions_vtab.snapshot.shape import CopyPlan

_BUSY: Final = "another program is using this file. Close that program and run the snapshot again."
_FULL: Final = (
    "the disk is full. The rows read so far are kept. Free some space and run the snapshot again."
)
_NO_DATABASE: Final = "it is not an SQLite database. It was left unchanged. Use another file."
_MEANINGS: Final[Meanings] = (
    (apsw.BusyError, BusyError, _BUSY),
    (apsw.LockedError, BusyError, _BUSY),
    (apsw.FullError, StoreError, _FULL),
    (apsw.NotADBError, StoreError, _NO_DATABASE),
    (apsw.CorruptError, StoreError, "it is damaged. Remove it and take the snapshot again."),
    (apsw.ReadOnlyError, StoreError, "it or its folder is not writable. Check the permissions."),
    (apsw.CantOpenError, StoreError, "it cannot be opened. Check the permissions."),
    (apsw.IOError, StoreError, "reading or writing the disk failed. Run the snapshot again."),
)


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
        raise translate(error, f"The snapshot {path}", _MEANINGS) from error


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
        create_file(path)
        before = identity(path)
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
        if identity(path) == before:
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


def create_file(path: Path) -> None:
    """Creates an empty file that only its owner can read; an existing one is kept, unopened.

    Raises:
        StoreError: the system does not allow it.
    """
    try:
        create_private(path)
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


class Work:
    """An open work file.

    Attributes:
        connection: to the file.
        target: the file that it replaces in the end.
        path: itself.
        run: number of the snapshot that is being taken, the same when it is continued.
        incremental: it began as a copy of the last snapshot.
        resumed: it was there already.
        worth_keeping: something was read into it.
    """

    def __init__(
        self,
        connection: apsw.Connection,
        target: Path,
        path: Path,
        *,
        incremental: bool,
        resumed: bool,
    ) -> None:
        self.connection = connection
        self.target = target
        self.path = path
        self.incremental = incremental
        self.resumed = resumed
        self.worth_keeping = resumed
        with translated(path):
            connection.execute(TEMPORARY_TABLES)
            self.run = int(str(connection.execute("SELECT run FROM _snapshot").get))

    def execute(self, sql: str, bindings: Any = ()) -> list[Any]:
        """Runs one statement: its rows.

        Raises:
            StoreError: the file cannot be written.
        """
        with translated(self.path):
            return self.connection.execute(sql, bindings).fetchall()

    def executemany(self, sql: str, rows: Any) -> int:
        """Runs a statement for each row: how many rows that changed."""
        before = self.connection.total_changes()
        with translated(self.path):
            self.connection.executemany(sql, rows)
        return self.connection.total_changes() - before

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """What is written inside stays if the block ends without an exception."""
        self.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.execute("COMMIT")
        except BaseException:
            if self.connection.in_transaction:
                with suppress(apsw.Error):
                    self.connection.execute("ROLLBACK")
            raise

    def counts(self, plan: CopyPlan) -> dict[str, int]:
        """Rows by table, as of the last snapshot; only those that are known."""
        known = self.execute("SELECT name, rows FROM _snapshot_tables WHERE rows IS NOT NULL")
        tables = {shape.table for shape in plan.shapes}
        return {str(name): int(rows) for name, rows in known if name in tables}

    def finish(self, plan: CopyPlan, finished: str, requests: int) -> dict[str, int]:
        """Makes the file whole, and ready to take its place: rows by table."""
        counts: dict[str, int] = {}
        with self.transaction():
            for shape in plan.shapes:
                self.execute(create_indexes(shape))
                ((count,),) = self.execute(f"SELECT count(*) FROM {quoted(shape.table)}")
                counts[shape.table] = int(count)
                self.execute(
                    "UPDATE _snapshot_tables SET rows = ? WHERE name = ?", (count, shape.table)
                )
            for statement in create_views(plan):
                self.execute(statement)
            self.execute(
                "UPDATE _snapshot SET finished = ?, complete = 1, row_counts = ?,"
                " requests = requests + ?",
                (finished, json.dumps(counts), requests),
            )
        return counts

    def leave(self, requests: int) -> None:
        """Ends a run that did not come to its end: what it read is kept, if it read anything."""
        with suppress(SessionsError):
            self.execute("UPDATE _snapshot SET requests = requests + ?", (requests,))
        if not self.worth_keeping:
            self.close()
            remove(self.path)

    def publish(self) -> None:
        """Puts the file in its place, in one step: readers see the old one or the new one.

        Raises:
            BusyError: another program has the old one open for writing.
            StoreError: the system does not allow it.
        """
        self.close()
        _fold(self.target)
        try:
            if self.target.exists():  # Its owner may have let others read it.
                self.path.chmod(stat.S_IMODE(self.target.stat().st_mode))
            self.path.replace(self.target)
            _sync_folder(self.target.parent)
        except OSError as error:
            raise StoreError(
                f"The snapshot is complete, but {self.target} cannot be replaced"
                f" ({error.strerror}). The snapshot is in {self.path}; run this again to"
                " move it into place."
            ) from error

    def close(self) -> None:
        """Closes the file."""
        self.connection.close(True)


def _fold(target: Path) -> None:
    """Merges a leftover ``-wal`` file into the old file before it is replaced.

    A ``-wal`` file that stayed would be taken for one of the new file.
    """
    if not target.with_name(target.name + "-wal").exists():
        return
    writing = apsw.SQLITE_OPEN_READWRITE
    with translated(target), closing(apsw.Connection(str(target), flags=writing)) as connection:
        mode = connection.pragma("journal_mode", "delete")
    if mode != "delete":
        raise BusyError(
            f"Another program has {target} open for writing, so it cannot be replaced. Close"
            " that program, and run this again; nothing has to be read twice."
        )


def remove(path: Path) -> None:
    """Removes a work file, and what SQLite has beside it."""
    for ending in ("", "-journal", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            path.with_name(path.name + ending).unlink()


def _sync_folder(folder: Path) -> None:
    """Makes the renaming survive a power failure, where folders can be synchronised."""
    if sys.platform == "win32":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

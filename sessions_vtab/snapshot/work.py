"""The file that a snapshot is written into, ``FILE.partial``, until it takes its place."""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import apsw

from sessions_vtab.contract.declare import quoted
from sessions_vtab.errors import BusyError, SessionsError, StoreError
from sessions_vtab.snapshot.ddl import TEMPORARY_TABLES, create_indexes
from sessions_vtab.snapshot.errors import translated
from sessions_vtab.snapshot.shape import Plan
from sessions_vtab.snapshot.views import create_views

__all__ = ["Work", "remove"]


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

    def counts(self, plan: Plan) -> dict[str, int]:
        """Rows by table, as of the last snapshot; only those that are known."""
        known = self.execute("SELECT name, rows FROM _snapshot_tables WHERE rows IS NOT NULL")
        tables = {shape.table for shape in plan.shapes}
        return {str(name): int(rows) for name, rows in known if name in tables}

    def finish(self, plan: Plan, finished: str, requests: int) -> dict[str, int]:
        """Makes the file whole, and ready to take its place: rows by table."""
        counts: dict[str, int] = {}
        with self.transaction():
            for shape in plan.shapes:
                with translated(self.path):
                    self.connection.execute(create_indexes(shape))
                ((count,),) = self.execute(f"SELECT count(*) FROM {quoted(shape.table)}")
                counts[shape.table] = int(count)
                self.execute(
                    "UPDATE _snapshot_tables SET rows = ? WHERE name = ?", (count, shape.table)
                )
            with translated(self.path):
                self.connection.execute(create_views(plan))
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
    with translated(target):
        connection = apsw.Connection(str(target), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            mode = connection.pragma("journal_mode", "delete")
        finally:
            connection.close(True)
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

"""The store's connection, opened on first use; its scans, and its one transaction."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Final

import apsw

from sessions_vtab.backends.local.ddl import APPLICATION_ID, MIGRATIONS
from sessions_vtab.backends.local.file import (
    MEANINGS,
    MEMORY,
    Meanings,
    Opening,
    identity,
    is_taken,
    stale,
    translate,
)
from sessions_vtab.backends.local.pending import OpenScan, TouchedSessions
from sessions_vtab.contract import times
from sessions_vtab.contract.backend import Context
from sessions_vtab.contract.scan import Page
from sessions_vtab.errors import ReadOnlyError, StoreError, UnsupportedError, inherited

_BUSY_SECONDS: Final = 5.0
_SLICE: Final = 0.01
_inherited: list[apsw.Connection] = []
"""Connections of the process that this one was forked from; dropped, they would be closed."""

_STEPS: Final = 50_000
# Expired sessions can still be read and restored for a day.
_KEPT: Final = 86_400 * 1_000_000_000
_OVERDUE: Final = "SELECT 1 FROM sessions WHERE expire_time <= ? LIMIT 1"
_PURGE: Final = "DELETE FROM sessions WHERE expire_time <= ?"
# A statement that needs the write lock and changes nothing: BEGIN IMMEDIATE is not possible inside
# a transaction.
_LOCK: Final = "DELETE FROM batches WHERE 0"
_FIRST_PAGE: Final = 8
_LAST_PAGE: Final = 128


class Store:
    """One SQLite file, or memory, for one source; it is a ``contract.backend.Transaction``.

    Args:
        path: the file; ``:memory:`` for no file.
        source: the source's name, for errors.
        clock: returns the current time in nanoseconds since 1970.
        read_only: whether nothing may be written, not even a missing file.
        migrations: SQL scripts; see ``ddl``.
        application: the file's ``PRAGMA application_id``.

    Attributes:
        source: the source's name.
        place: source and file, for errors.
        began: whether a write transaction was begun, and not yet committed or rolled back here.
        touched: sessions that events were appended to, with their pending changes.
        transaction_lost: whether SQLite itself rolled back the open transaction, as on a full disk.
        erased: whether rows were permanently removed, but may still be in the write-ahead log.
    """

    meanings: ClassVar[Meanings] = MEANINGS
    """What SQLite's errors mean for its file."""

    def __init__(
        self,
        path: str,
        source: str,
        clock: Callable[[], int],
        *,
        read_only: bool = False,
        migrations: Sequence[str] = MIGRATIONS,
        application: int = APPLICATION_ID,
    ) -> None:
        self.path = path
        self.source = source
        self.place = f"{source} (the store {path})"
        self.read_only = read_only
        self.began = False
        self.touched = TouchedSessions()
        self.transaction_lost = False
        self.erased = False
        self._clock = clock
        self._second = ""
        self._second_of = -1
        self._statement, self._statement_began = -1, ""
        self._file = path if path == MEMORY else str(Path(path).absolute())
        self._opening = Opening(self._file, self.place, read_only, migrations, application)
        self._connection: apsw.Connection | None = None
        self._context: Context | None = None
        self._scans: dict[int, OpenScan] = {}
        self._waiting_since = 0.0
        self._identity: tuple[int, int] | None = None
        self._held = False
        self._marks: list[int] = []
        self._overdue = ""
        self._process = os.getpid()

    # Opening.

    @property
    def connection(self) -> apsw.Connection:
        """The connection, which is opened, checked and migrated on first use.

        Raises:
            StoreError: the file is damaged, belongs to another program, has a newer version, or
                cannot be opened.
            UnsupportedError: this process inherited it from another.
        """
        if self._connection is None:
            with self.translated():
                self._connection = self._open()
            self._process = os.getpid()
        elif os.getpid() != self._process:
            # https://sqlite.org/howtocorrupt.html, section 2.6
            raise UnsupportedError(inherited(self.place))
        return self._connection

    def _open(self) -> apsw.Connection:
        opening = self._opening
        connection = opening.connect()
        try:
            self._identity = identity(self._file)
            connection.set_busy_handler(self._wait)
            connection.set_progress_handler(self._interrupted, _STEPS)
            opening.prepare(connection)
            if not self.read_only:
                self._purge(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _purge(self, connection: apsw.Connection) -> None:
        """Removes long expired sessions, or leaves that to the first write if the file is busy."""
        overdue = times.to_text(self._clock() - _KEPT)
        if connection.execute(_OVERDUE, (overdue,)).get is None:
            return
        with self._without_waiting(connection):
            try:
                connection.execute(f"BEGIN IMMEDIATE; {_PURGE}; COMMIT", (overdue,))
            except apsw.BusyError:
                self._overdue = overdue
                return
        self._overwrite(connection)

    def close(self) -> None:
        """Closes the connection; open scans end, and an open transaction is rolled back.

        One that another process opened is only forgotten: closing it could remove the log that the
        other one still needs.
        """
        if self._connection is not None and os.getpid() != self._process:
            _inherited.append(self._connection)
            self._connection = None
        if self._connection is not None:
            self._scans.clear()
            self.touched.clear()
            self._connection.close(True)  # This also closes its cursors.
            self._connection = None
            self.began = self.transaction_lost = self.erased = self._held = False
        self._marks.clear()

    # Using.

    def now(self) -> str:
        """The current time as canonical text."""
        instant = self._clock()
        second, nanos = divmod(instant, 1_000_000_000)
        if nanos % 1000:
            return times.to_text(instant)
        if second != self._second_of:
            self._second = times.to_text(instant)[: -len("123456")]
            self._second_of = second
        return f"{self._second}{nanos // 1000:06d}"

    def now_of(self, context: Context) -> str:
        """Returns the current time of a statement, which is the same for all its reads."""
        statement = context.statement
        if statement != self._statement:
            self._statement, self._statement_began = statement, self.now()
        return self._statement_began

    def instant(self) -> int:
        """The current time in nanoseconds since 1970."""
        return self._clock()

    def run(self, sql: str, bindings: Sequence[Any] = ()) -> list[Any]:
        """Executes one statement to its end, and returns its rows."""
        return self.connection.execute(sql, bindings).fetchall()

    def row(self, sql: str, bindings: Sequence[Any] = ()) -> Any:
        """Returns the only row of a statement; None if it has no row."""
        rows = self.connection.execute(sql, bindings).fetchall()
        return rows[0] if rows else None

    def insert(self, sql: str, bindings: Sequence[Any]) -> bool:
        """Executes an INSERT; false if there is a row with its key."""
        try:
            self.connection.execute(sql, bindings)
        except apsw.ConstraintError as error:
            if not is_taken(error):
                raise
            return False
        return True

    def looked_up(self, sql: str, bindings: Sequence[Any], context: Context) -> Page:
        """Returns the rows of a SELECT that finds at most one."""
        self._context = context
        try:
            if self.began:
                self.flush()
            return self.connection.execute(sql, bindings).fetchall()
        except apsw.Error as error:
            raise self.failure(error, reading=True) from error

    def pages(self, sql: str, bindings: Sequence[Any], context: Context) -> Iterator[Page]:
        """Yields the rows of a SELECT in growing pages, so that the first rows come at once."""
        self._context = context
        size = _FIRST_PAGE
        number = 0
        try:
            if self.began:
                self.flush()
            scan = OpenScan(self.connection.execute(sql, bindings))
            number = id(scan)
            self._scans[number] = scan
            while True:
                page = scan.page(size)
                if page:
                    yield page
                if len(page) < size:
                    return
                size = min(size * 4, _LAST_PAGE)
        except apsw.Error as error:
            raise self.failure(error, reading=True) from error
        finally:
            self._scans.pop(number, None)

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Translates SQLite's errors, and records a transaction that SQLite rolled back as lost."""
        try:
            yield
        except apsw.Error as error:
            raise self.failure(error) from error

    def failure(self, error: apsw.Error, *, reading: bool = False) -> Exception:
        """Translates an error of SQLite; if the store fails a write, rolls back the transaction."""
        failure = translate(error, self.place, self.meanings)
        connection = self._connection
        if connection is not None and self.began:
            # A row may be half written, so no part of the transaction may be committed.
            if isinstance(failure, StoreError) and not reading and connection.in_transaction:
                connection.execute("ROLLBACK")
            self.transaction_lost = not connection.in_transaction
        return failure

    # The transaction.

    def begin(self) -> None:
        """Starts a write transaction unless one is open; one that only reads becomes it.

        Raises:
            ReadOnlyError: the source is read-only.
            BusyError: another process kept the lock for 5 seconds, or has written since the
                transaction began to read.
            StoreError: the file was deleted or replaced.
        """
        if self.began:
            return
        if self.read_only:
            raise ReadOnlyError(f"The source {self.source} is read-only. Nothing was written.")
        with self.translated():
            self.settle()
            connection = self.connection
            if self._held:
                self._upgrade(connection)
            else:
                self.require_file()
                connection.execute("BEGIN IMMEDIATE")
            self.began = True
            if self._overdue:
                connection.execute(_PURGE, (self._overdue,))
                self._overdue, self.erased = "", True

    def _upgrade(self, connection: apsw.Connection) -> None:
        """Takes the write lock inside the read transaction, if what was read is still the case."""
        try:
            connection.execute(_LOCK)
        except apsw.BusyError as error:
            raise stale(error, self.place) from error
        self._held = False

    def savepoint(self, number: int) -> None:
        """Sets a savepoint for the current state; begins a transaction if none is open."""
        self.begin()
        # Savepoints are named by depth, so that the same few statements are prepared only once.
        self._unless_lost(f"SAVEPOINT s{len(self._marks)}")
        self.touched.mark()
        self._marks.append(number)

    def rollback_to(self, number: int) -> None:
        """Rolls back to a savepoint, which stays; unknown numbers are ignored."""
        if number in self._marks:
            depth = self._marks.index(number)
            self.settle()
            self._unless_lost(f"ROLLBACK TO s{depth}")
            self.touched.rollback_to(depth)
            del self._marks[depth + 1 :]

    def release(self, number: int) -> None:
        """Releases a savepoint and later ones; unknown numbers are ignored."""
        if number in self._marks:
            depth = self._marks.index(number)
            self._unless_lost(f"RELEASE s{depth}")
            self.touched.release(depth)
            del self._marks[depth:]

    def _unless_lost(self, sql: str) -> None:
        """Executes a statement; a lost transaction has no savepoints, and only ROLLBACK ends it."""
        if not self.transaction_lost:
            with self.translated():
                self.connection.execute(sql)

    def hold(self) -> None:
        """From here until ``let_go`` or the end of a write transaction, reads see one state.

        Raises:
            StoreError: the file was deleted or replaced.
        """
        if self.began or self._held or self.path == MEMORY:
            return
        try:
            connection = self.connection
            self.require_file()
            connection.execute("BEGIN")
        except apsw.Error as error:
            raise self.failure(error) from error
        self._held = True

    def let_go(self) -> None:
        """Ends what ``hold`` began; open scans keep their rows."""
        if self._held:
            self._held = False
            if self.connection.in_transaction:
                self.connection.execute("COMMIT")

    def require_file(self) -> None:
        """Raises StoreError if the path no longer names the file that is open.

        The same question as SQLITE_FCNTL_HAS_MOVED, which APSW answers only through a pointer.
        """
        if self.path != MEMORY and identity(self._file) != self._identity:
            raise StoreError(
                f"{self.place} was deleted or replaced while it was open. Nothing was written."
                " Restore the file, or connect again to use the one that is there now."
            )

    def settle(self) -> None:
        """Protects open scans from the following write."""
        for scan in self._scans.values():
            scan.settle()

    def flush(self) -> None:
        """Writes the pending changes that appended events made to their sessions' rows."""
        self.touched.flush(self.connection.execute)

    def before_write(self, context: Context) -> None:
        """Must be called before rows are changed; starts a transaction if none is open.

        Raises:
            StoreError: SQLite rolled back the transaction.
        """
        self._context = context
        self.begin()
        self.require_transaction()
        if self._scans:
            self.settle()

    def require_transaction(self) -> None:
        """Raises StoreError if SQLite rolled back the transaction that was begun."""
        if self.transaction_lost:
            raise StoreError(
                f"{self.place}: the transaction was rolled back after an earlier error, such"
                " as a full disk. Run ROLLBACK, then repeat the transaction."
            )

    def commit(self) -> None:
        """Makes the changes durable; does nothing without a transaction.

        Raises:
            StoreError: SQLite rolled back the transaction after an earlier error.
            BusyError: another process holds the lock; the transaction stays open.
        """
        if self.began:
            self.require_transaction()
            self.require_file()
            with self.translated():
                self.flush()
                self.connection.execute("COMMIT")
            self._ended()

    def rollback(self) -> None:
        """Rolls back the changes since ``begin``; does nothing without a transaction."""
        if self.began:
            with self.translated():
                if not self.transaction_lost:
                    self.settle()
                    self.connection.execute("ROLLBACK")
            self._ended()

    def _ended(self) -> None:
        self._marks.clear()
        self.touched.clear()
        self.began = self.transaction_lost = False
        if self.erased:
            self._overwrite(self.connection)

    def _overwrite(self, connection: apsw.Connection) -> None:
        """Empties the write-ahead log, which may have what was erased; later, while it is read.

        ``secure_delete`` overwrites a row in its page; older copies of the page are in the log.
        """
        with self._without_waiting(connection):
            try:
                busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").get
            except apsw.LockedError:
                busy = 1
        self.erased = bool(busy)

    # Waiting.

    @contextmanager
    def _without_waiting(self, connection: apsw.Connection) -> Iterator[None]:
        """A block that fails at once where another process is in the way."""
        connection.set_busy_handler(None)
        try:
            yield
        finally:
            connection.set_busy_handler(self._wait)

    def _interrupted(self) -> bool:
        return self._context is not None and self._context.interrupted()

    def _wait(self, tries: int) -> bool:
        """SQLite's busy handler, which waits in slices so that Ctrl-C takes effect."""
        now = time.monotonic()
        if tries == 0:
            self._waiting_since = now
        if now - self._waiting_since > _BUSY_SECONDS or self._interrupted():
            return False
        time.sleep(_SLICE)
        return True

"""The store's connection, opened, checked and migrated on first use; and its one transaction."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import apsw

from sessions_vtab.backends.local.ddl import APPLICATION_ID, MIGRATIONS
from sessions_vtab.backends.local.errors import translate
from sessions_vtab.backends.local.paths import MEMORY, create_file, network_file_system
from sessions_vtab.backends.local.spool import OpenScan
from sessions_vtab.backends.local.touched import TouchedSessions
from sessions_vtab.errors import ReadOnlyError, StoreError, UnsupportedError, inherited
from sessions_vtab.spec import times
from sessions_vtab.spec.backend import Context
from sessions_vtab.spec.scan import Page

__all__ = ["Store"]

_BUSY_SECONDS: Final = 5.0
_SLICE: Final = 0.01
_inherited: list[apsw.Connection] = []
"""Connections of the process that this one was forked from; dropped, they would be closed."""

_STEPS: Final = 50_000
# Expired sessions are no longer visible; the first write of a connection removes them permanently.
_SWEEP: Final = "DELETE FROM sessions WHERE expire_time <= ?"
_CACHE_KIB: Final = 32_768
_FIRST_PAGE: Final = 8
_LAST_PAGE: Final = 128


class Store:
    """One SQLite file, or memory, for one source.

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
    """

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
        self._clock = clock
        self._second = ""
        self._second_of = -1
        self._migrations = migrations
        self._application = application
        self._connection: apsw.Connection | None = None
        self._context: Context | None = None
        self._scans: dict[int, OpenScan] = {}
        self._waiting_since = 0.0
        self._swept = False
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
        connection = self._connect()
        try:
            connection.set_busy_handler(self._wait)
            connection.set_progress_handler(self._interrupted, _STEPS)
            _configure(connection)
            newest = len(self._migrations)
            version = _identify(connection, self.place, newest, self._application)
            if not self.read_only:
                self._prepare(connection, version)
            else:
                self._require_version(version)
        except BaseException:
            connection.close()
            raise
        return connection

    def _connect(self) -> apsw.Connection:
        if self.path == MEMORY:
            return apsw.Connection(MEMORY)
        path = Path(self.path).absolute()
        kind = network_file_system(path)
        if kind:
            raise StoreError(
                f"{self.place} is on a network file system ({kind}), where SQLite cannot lock"
                " it safely. Use a file on a local disk: local:///path/to/sessions.db"
            )
        if self.read_only:
            if not path.exists():
                raise StoreError(
                    f"{self.place} does not exist, and a read-only source does not create it."
                )
            return apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        create_file(path)
        return apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)

    def _prepare(self, connection: apsw.Connection, version: int) -> None:
        mode = connection.pragma("journal_mode", "wal")
        if self.path != MEMORY and mode != "wal":
            raise StoreError(
                f"{self.place}: its file system has no shared memory, so several processes"
                " could not use the store. Use a file on a local disk:"
                " local:///path/to/sessions.db"
            )
        if version < len(self._migrations):
            _migrate(connection, self.place, self._migrations)

    def _require_version(self, version: int) -> None:
        if version < len(self._migrations):
            raise StoreError(
                f"{self.place} has schema version {version}, but this program reads version"
                f" {len(self._migrations)}. Open it once without read_only to upgrade it."
            )

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
            self.began = self.transaction_lost = False

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
        failure = translate(error, self.place)
        connection = self._connection
        if connection is not None and self.began:
            # A row may be half written, so no part of the transaction may be committed.
            if isinstance(failure, StoreError) and not reading and connection.in_transaction:
                connection.execute("ROLLBACK")
            self.transaction_lost = not connection.in_transaction
        return failure

    # The transaction.

    def begin(self) -> None:
        """Starts a write transaction unless one is open.

        Raises:
            ReadOnlyError: the source is read-only.
            BusyError: another process kept the lock for 5 seconds.
        """
        if self.began:
            return
        if self.read_only:
            raise ReadOnlyError(f"The source {self.source} is read-only. Nothing was written.")
        with self.translated():
            self.settle()
            connection = self.connection
            connection.execute("BEGIN IMMEDIATE")
            self.began = True
            if not self._swept:
                connection.execute(_SWEEP, (self.now(),))
                self._swept = True

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

    def end(self, word: str) -> None:
        """Ends the transaction with COMMIT or ROLLBACK; does nothing without a transaction."""
        if not self.began:
            return
        if word == "COMMIT":
            self.require_transaction()
        with self.translated():
            if not self.transaction_lost:
                if word == "ROLLBACK":
                    self.settle()
                else:
                    self.flush()
                self.connection.execute(word)
        self.touched.clear()
        self.began = self.transaction_lost = False

    # Waiting.

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


def _configure(connection: apsw.Connection) -> None:
    connection.config(apsw.SQLITE_DBCONFIG_DQS_DML, 0)
    connection.config(apsw.SQLITE_DBCONFIG_DQS_DDL, 0)
    connection.pragma("foreign_keys", True)
    connection.pragma("cache_size", -_CACHE_KIB)
    connection.pragma("trusted_schema", False)
    # The store may contain personal data, so deleted content is overwritten.
    connection.pragma("secure_delete", True)


def _identify(
    connection: apsw.Connection, place: str, newest: int, expected: int = APPLICATION_ID
) -> int:
    """Returns the schema version; StoreError if the file is neither empty nor a known store."""
    # One statement sees one state of the file, although another process may be creating the store.
    application, version, tables = connection.execute(
        "SELECT (SELECT application_id FROM pragma_application_id),"
        " (SELECT user_version FROM pragma_user_version), count(*) FROM sqlite_schema"
    ).get
    empty = not (application or version or tables)
    if application != expected and not empty:
        raise StoreError(
            f"{place} belongs to another program and was left unchanged. Use another file:"
            " local:///path/to/sessions.db"
        )
    if version > newest:
        raise StoreError(
            f"{place} has schema version {version}, but this program supports only {newest}."
            " Upgrade sessions_vtab, or use another file."
        )
    return int(version)


def _migrate(connection: apsw.Connection, place: str, migrations: Sequence[str]) -> None:
    """Migrates the file to the newest version in one transaction; a second process waits."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = _identify(connection, place, len(migrations))
        for script in migrations[version:]:
            connection.execute(script)
        connection.pragma("application_id", APPLICATION_ID)
        connection.pragma("user_version", len(migrations))
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise

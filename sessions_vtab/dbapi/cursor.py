"""The cursor of PEP 249."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, NoReturn, Self

import apsw

from sessions_vtab.dbapi.arrow import arrow_table
from sessions_vtab.dbapi.description import Column, described
from sessions_vtab.dbapi.errors import (
    NotSupportedError,
    OperationalError,
    ProgrammingError,
    raise_translated,
    translated,
)
from sessions_vtab.dbapi.types import bound
from sessions_vtab.dbapi.watch import Watch

if TYPE_CHECKING:
    from sessions_vtab.dbapi.connection import Connection

__all__ = ["Cursor"]

_CONTROL: Final = frozenset(("BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE"))


class Cursor:
    """Executes statements and hands out their rows.

    Attributes:
        connection: whose cursor it is.
        arraysize: rows that ``fetchmany`` gives unless told otherwise.
        description: name and type code of each result column, in 7-tuples; None for a statement
            without rows.
        rowcount: rows that an INSERT, UPDATE or DELETE has written, or queued to be written at
            commit; -1 for everything else.
        lastrowid: None: rows are known by their ``name``. Use RETURNING.
    """

    lastrowid: None = None

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.arraysize = 1
        self.description: tuple[Column, ...] | None = None
        self.rowcount = -1
        self._inner: apsw.Cursor | None = connection.driver.cursor()
        self._inner.exec_trace = self._began
        self._given = 0
        self._watch: Watch | None = None

    def execute(self, operation: str, parameters: Any = None) -> Self:
        """Executes one statement.

        Args:
            operation: SQL with ``?``, or with ``:name`` for a mapping.
            parameters: a sequence or a mapping. ``datetime`` values are bound as UTC text.

        Raises:
            Error: see ``dbapi.errors``.
        """
        inner, values = self._start(operation), bound(parameters)
        try:
            before = self.connection.driver.total_changes()
            inner.execute(operation, values)
        except Exception as error:  # noqa: BLE001  # Every kind is told apart in one place.
            self._fail(error)
        self._count(operation, before)
        return self

    def executemany(self, operation: str, seq_of_parameters: Iterable[Any]) -> Self:
        """Executes one statement for each set of parameters, as one unit of work."""
        inner = self._start(operation)
        try:
            before = self.connection.driver.total_changes()
            inner.executemany(operation, map(bound, seq_of_parameters))
        except Exception as error:  # noqa: BLE001
            self._fail(error)
        self._count(operation, before)
        return self

    def fetchone(self) -> tuple[Any, ...] | None:
        """The next row, None behind the last."""
        inner = self._results()
        try:
            row = next(inner, None)
        except Exception as error:  # noqa: BLE001
            self._fail(error)
        if row is None:
            self._done()
            return None
        self._given += 1
        limit = self.connection.max_rows
        if limit is not None and self._given > limit:
            self._abort()
            raise OperationalError(
                f"The statement gives more than {limit} rows (max_rows): narrow it with WHERE or"
                " LIMIT, or raise max_rows."
            )
        found: tuple[Any, ...] = row
        return found

    def fetchmany(self, size: int | None = None) -> list[tuple[Any, ...]]:
        """The next rows, ``arraysize`` of them unless told otherwise; fewer at the end."""
        rows: list[tuple[Any, ...]] = []
        while len(rows) < (self.arraysize if size is None else size):
            row = self.fetchone()
            if row is None:
                break
            rows.append(row)
        return rows

    def fetchall(self) -> list[tuple[Any, ...]]:
        """The remaining rows."""
        self._results()
        return list(self)

    def arrow(self) -> Any:
        """The remaining rows as a ``pyarrow.Table``; see ``dbapi.arrow`` for its types.

        Raises:
            NotSupportedError: pyarrow is not installed.
            DataError: a column that holds values of several types.
        """
        self._results()
        with translated():
            return arrow_table(self.description or (), self.fetchmany)

    def close(self) -> None:
        """Ends the statement; the cursor cannot be used again. May be called twice."""
        self._done()
        inner, self._inner = self._inner, None
        if inner is not None:
            inner.close(force=True)
        self.description = None

    def setinputsizes(self, sizes: Sequence[Any]) -> None:
        """Does nothing, as PEP 249 allows."""

    def setoutputsize(self, size: int, column: int | None = None) -> None:
        """Does nothing, as PEP 249 allows."""

    def callproc(self, procname: str, parameters: Sequence[Any] = ()) -> NoReturn:  # noqa: ARG002
        """There are no stored procedures: functions are tables, ``SELECT .. FROM f(..)``."""
        raise NotSupportedError(f"There are no procedures: SELECT * FROM {procname}(..).")

    def nextset(self) -> NoReturn:
        """There is one result a statement."""
        raise NotSupportedError("A statement has one result.")

    def __iter__(self) -> Self:
        """Itself."""
        return self

    def __next__(self) -> tuple[Any, ...]:
        """The next row."""
        row = self.fetchone()
        if row is None:
            raise StopIteration
        return row

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes it."""
        self.close()

    # One statement

    def _start(self, operation: str) -> apsw.Cursor:
        """Ends what ran before; begins a transaction if the statement needs one."""
        inner = self._usable()
        self._done()
        self.description, self.rowcount, self._given = None, -1, 0
        with translated():
            headings = self.connection.driver.headings(operation)
            if len(headings) > 1:
                raise ProgrammingError("execute() takes one statement; there are several.")
            if any(one.changes and not one.explain for one in headings):
                self.connection.begin()
        seconds = self.connection.timeout
        if seconds is not None and not any(one.verb in _CONTROL for one in headings):
            self._watch = Watch(seconds, self.connection.driver.interrupt)
        return inner

    def _began(self, inner: apsw.Cursor, _text: str, _bindings: object) -> bool:
        """What SQLite is about to execute: the last statement with columns is the answer."""
        columns = inner.description_full if inner.get_description() else ()
        if columns:
            self.description = described(columns, self.connection.driver.sources)
        return True

    def _count(self, operation: str, before: int) -> None:
        headings = self.connection.driver.headings(operation)
        if any(one.changes and not one.explain for one in headings):
            self.rowcount = self.connection.driver.total_changes() - before
        if self.description is None:
            self._done()

    def _fail(self, error: Exception) -> NoReturn:
        """Raises an error as PEP 249 has it; the time limit by its name."""
        watch = self._watch
        self._done()
        if watch is not None and watch.fired:
            raise OperationalError(
                f"The statement took longer than {watch.seconds:g} s (timeout) and was stopped."
            ) from error
        raise_translated(error)

    def _abort(self) -> None:
        inner, self._inner = self._usable(), self.connection.driver.cursor()
        inner.close(force=True)
        self._inner.exec_trace = self._began
        self.description = None
        self._done()

    def _done(self) -> None:
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.end()

    def _usable(self) -> apsw.Cursor:
        self.connection.require_open()
        if self._inner is None:
            raise ProgrammingError("The cursor is closed.")
        return self._inner

    def _results(self) -> apsw.Cursor:
        inner = self._usable()
        if self.description is None:
            raise ProgrammingError("There are no rows to fetch: execute a query first.")
        return inner

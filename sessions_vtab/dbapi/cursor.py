"""The cursor of PEP 249."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NoReturn, Self, TypeVar

import apsw

from sessions_vtab.cursor import ROWS_SHOWN, ColumnTrace, html_table
from sessions_vtab.dbapi.arrow import BATCH, Schema, arrow_table, declared_batches, record_batches
from sessions_vtab.dbapi.errors import (
    NotSupportedError,
    OperationalError,
    ProgrammingError,
    raise_translated,
    translated,
)
from sessions_vtab.dbapi.types import (
    Column,
    bound,
    described,
    is_whole_table,
    with_datetimes,
)
from sessions_vtab.errors import notes_of

if TYPE_CHECKING:
    from sessions_vtab.dbapi import Connection
    from sessions_vtab.dbapi.limits import StatementClock


_T = TypeVar("_T")

CONTROL: Final = frozenset(("BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE"))
"""How statements begin that begin or end a transaction, or a part of one."""
_SAVEPOINT: Final = "sessions_vtab_executemany"


class Cursor:
    """Executes statements and hands out their rows.

    Attributes:
        connection: whose cursor it is.
        arraysize: rows that ``fetchmany`` gives unless told otherwise.
        description: name and type code of each result column, in 7-tuples; None for a statement
            without rows.
        rowcount: rows that an INSERT, UPDATE or DELETE has written, or queued to be written at
            commit; -1 for everything else. Without the rows that OR IGNORE has skipped, as far as
            that is known: for rows that wait for a commit, only the service can tell.
        lastrowid: rowid of the last row that an INSERT added to a table of the user's own; None for
            our tables, whose rows are known by their ``name``: use RETURNING.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.arraysize = 1
        self.description: tuple[Column, ...] | None = None
        self.rowcount = -1
        self.lastrowid: int | None = None
        self._given = 0
        self._clock: StatementClock | None = None
        self._stopped = False
        self._joined = self._changing = self._inserting = False
        self._ahead: list[tuple[Any, ...]] = []
        self._columns = ColumnTrace()
        self._inner: apsw.Cursor | None = None
        self._renew()

    def execute(self, operation: str, parameters: Any = None) -> Self:
        """Executes one statement.

        Args:
            operation: SQL with ``?``, or with ``:name`` for a mapping.
            parameters: a sequence or a mapping. ``datetime`` values are bound as UTC text.

        Raises:
            Error: see ``dbapi.errors``.
        """
        values = bound(parameters)
        with self.connection.turn:
            inner = self._start(operation)
            self._run(operation, lambda: inner.execute(operation, values))
        return self

    def executemany(self, operation: str, seq_of_parameters: Iterable[Any]) -> Self:
        """Executes one statement for each set of parameters, as one unit of work.

        If it fails for one, nothing of it stays in the transaction.
        """
        with self.connection.turn:
            inner = self._start(operation)
            values = map(bound, seq_of_parameters)

            def run() -> None:
                with self._unit():
                    inner.executemany(operation, values)

            self._run(operation, run)
        return self

    def fetchone(self) -> tuple[Any, ...] | None:
        """The next row, None after the last."""
        rows = self._fetch(1)
        return rows[0] if rows else None

    def fetchmany(self, size: int | None = None) -> list[tuple[Any, ...]]:
        """The next rows, ``arraysize`` of them unless told otherwise; fewer at the end."""
        return self._fetch(self.arraysize if size is None else size)

    def fetchall(self) -> list[tuple[Any, ...]]:
        """The remaining rows."""
        return self._fetch(None)

    def arrow(self, schema: Schema | None = None) -> Any:
        """The remaining rows as a ``pyarrow.Table``; see ``dbapi.arrow`` for its types.

        Args:
            schema: ``declared`` for the types that the columns of tables are declared with, with
                times in nanoseconds: the same for every read. ``values`` for the types that the
                values need. By default ``declared`` for a whole table, as ``SELECT *`` returns it,
                and ``values`` for any other result.

        Raises:
            InterfaceError: pyarrow is not installed.
            DataError: a column holds values of several types, or a value that its declared type
                cannot hold; or it is an expression, and ``declared`` was asked for.
        """
        self._results()
        with translated():
            if self._by_declaration(schema):
                return declared_batches(self.description or (), self._take).read_all()
            return arrow_table(self.description or (), self._take)

    fetch_arrow_table = arrow
    """What ADBC calls it."""

    def fetch_record_batches(self, size: int = BATCH, schema: Schema | None = None) -> Any:
        """The remaining rows as a ``pyarrow.RecordBatchReader``, read as they are asked for.

        The cursor must stay open until the last is read.

        Args:
            size: rows of a batch; the last has fewer.
            schema: as for ``arrow``; where the values decide, those of the first batch do.

        Raises:
            InterfaceError: pyarrow is not installed.
            DataError: as for ``arrow``; also later, from the reader.
        """
        self._results()
        with translated():
            if self._by_declaration(schema):
                return declared_batches(self.description or (), self._take, size)
            return record_batches(self.description or (), self._take, size)

    def _by_declaration(self, schema: Schema | None) -> bool:
        if schema is None:
            return is_whole_table(self._columns.last, self.connection.driver.sources)
        if schema not in {"declared", "values"}:
            raise ProgrammingError(f"schema must be 'declared' or 'values', not {schema!r:.40}.")
        return schema == "declared"

    def close(self) -> None:
        """Ends the statement; the cursor cannot be used again. May be called twice."""
        with self.connection.turn:
            inner, self._inner = self._inner, None
            if inner is not None:
                inner.close(force=True)
            self.description, self._ahead = None, []

    def stop(self) -> None:
        """Ends a half-read statement: it was interrupted together with another."""
        if self._inner is not None and self.description is not None:
            self._renew()
            self._stopped = True

    def setinputsizes(self, sizes: Sequence[Any]) -> None:
        """Does nothing, as PEP 249 allows."""

    def setoutputsize(self, size: int, column: int | None = None) -> None:
        """Does nothing, as PEP 249 allows."""

    def callproc(self, procname: str, parameters: Sequence[Any] = ()) -> NoReturn:  # noqa: ARG002
        """There are no stored procedures: functions are tables, ``SELECT .. FROM f(..)``."""
        raise NotSupportedError(
            f"There are no stored procedures; use SELECT * FROM {procname}(..)."
        )

    def nextset(self) -> NoReturn:
        """There is one result a statement."""
        raise NotSupportedError("A statement has only one result set.")

    def __iter__(self) -> Self:
        """Itself."""
        return self

    def __next__(self) -> tuple[Any, ...]:
        """The next row."""
        row = self.fetchone()
        if row is None:
            raise StopIteration
        return row

    def __repr__(self) -> str:
        """Whose cursor it is."""
        return f"<cursor of {self.connection!r}>"

    def _repr_html_(self) -> str | None:
        """The first rows for a notebook, which can still be fetched; None without a result."""
        if self._inner is None or self.description is None:
            return None
        self._ahead = self._take(ROWS_SHOWN + 1) + self._ahead
        return html_table([column[0] for column in self.description], self._ahead)

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
        _require_text(operation)
        self.description, self.rowcount, self._given, self._stopped = None, -1, 0, False
        self.lastrowid, self._columns.last, self._ahead = None, (), []
        with translated():
            kinds = self.connection.driver.statement_kinds(operation)
            if len(kinds) > 1:
                raise ProgrammingError(
                    "execute() accepts only one statement, but several were given."
                )
            self._changing = any(one.changes and not one.explain for one in kinds)
            self._inserting = any(one.verb in {"INSERT", "REPLACE"} for one in kinds)
            if self._changing:
                self.connection.begin()
        self._joined = self.connection.in_transaction
        controls = any(one.verb in CONTROL for one in kinds)
        self._clock = None if controls else self.connection.clock()
        return inner

    def _run(self, operation: str, execute: Callable[[], object]) -> None:
        """Executes it; then description and row count are known."""
        driver = self.connection.driver
        before = driver.tally()
        self._limited(execute)
        if self._columns.last:
            self.description = described(self._columns.last, driver.sources)
        if self._changing:
            self.rowcount = driver.changed_since(before)
            if self.rowcount and self._inserting and driver.target(operation) is None:
                self.lastrowid = driver.last_insert_rowid()

    @contextmanager
    def _unit(self) -> Iterator[None]:
        """Runs a block inside a savepoint if a transaction is open, so that a failure undoes it."""
        driver = self.connection.driver
        if not driver.in_transaction:
            yield
            return
        apsw.Cursor(driver).execute(f"SAVEPOINT {_SAVEPOINT}")
        try:
            yield
        except BaseException:
            if driver.in_transaction:
                self._renew()
                driver.execute(f"ROLLBACK TO {_SAVEPOINT}")
                driver.execute(f"RELEASE {_SAVEPOINT}")
            raise
        apsw.Cursor(driver).execute(f"RELEASE {_SAVEPOINT}")

    def _fetch(self, most: int | None) -> list[tuple[Any, ...]]:
        """The next rows, with times as the connection gives them."""
        rows = self._take(most)
        return with_datetimes(rows, self.description or ()) if self.connection.datetimes else rows

    def _take(self, most: int | None) -> list[tuple[Any, ...]]:
        """The next rows as SQLite gives them; first those that a notebook has shown."""
        rows = self._ahead if most is None else self._ahead[:most]
        self._ahead = self._ahead[len(rows) :]
        wanted = None if most is None else most - len(rows)
        return rows + self._read(wanted) if wanted != 0 or not rows else rows

    def _read(self, most: int | None) -> list[tuple[Any, ...]]:
        """The next rows: as many as there are, or as are wanted."""
        with self.connection.turn:
            inner, limit = self._results(), self.connection.max_rows
            if limit is not None:
                left = limit + 1 - self._given
                most = left if most is None else min(most, left)
            rows = self._limited(
                lambda: inner.fetchall() if most is None else list(islice(inner, most))
            )
            self._given += len(rows)
            if limit is not None and self._given > limit:
                self._renew()
                raise OperationalError(
                    f"The statement returns more than {limit} rows (max_rows). Narrow it with"
                    " WHERE or LIMIT, or raise max_rows."
                )
            return rows

    def _limited(self, call: Callable[[], _T]) -> _T:
        """Calls a function within the statement's time limit; its errors become PEP 249 errors."""
        try:
            if self._clock is None:
                return call()
            with self._clock.running():
                given = call()
        except Exception as error:  # noqa: BLE001  # Every kind is told apart in one place.
            self._fail(error)
        if self._clock.fired:
            # It was done just in time. What is half-read must not hear of it.
            self.connection.stopped(by=self)
        return given

    def _fail(self, error: Exception) -> NoReturn:
        """Raises the PEP 249 error for an error; a timeout is named as such."""
        guard = self.connection.guard
        if isinstance(error, apsw.AuthError) and guard is not None and guard.refusal:
            raise NotSupportedError(guard.refusal) from error
        late = self._late()
        if not isinstance(error, apsw.InterruptError):
            raise_translated(error, late)
        self._renew()
        self.connection.stopped(by=self)
        words = (late or "The statement was interrupted.", *notes_of(error), self._left())
        raise OperationalError(" ".join(filter(None, words))) from error

    def _late(self) -> str:
        clock = self._clock
        if clock is None or not clock.fired:
            return ""
        return f"The statement took longer than {clock.seconds:g} s (timeout) and was stopped."

    def _left(self) -> str:
        """A sentence about what an interrupt did to the statement's writes."""
        if self._joined and not self.connection.in_transaction:
            # https://sqlite.org/c3ref/interrupt.html: so ends an INSERT, UPDATE or DELETE.
            return (
                "Its transaction has been rolled back; the table writes shows what was sent before."
            )
        return "The table writes shows what was sent." if self._changing else ""

    def _renew(self) -> None:
        """Ends the statement and replaces the inner cursor by a new one."""
        if self._inner is not None:
            self._inner.close(force=True)
        self._inner = self.connection.driver.cursor()
        self._inner.exec_trace = self._columns
        self.description, self._ahead = None, []

    def _usable(self) -> apsw.Cursor:
        self.connection.require_open()
        if self._inner is None:
            raise ProgrammingError("The cursor is closed.")
        return self._inner

    def _results(self) -> apsw.Cursor:
        inner = self._usable()
        if self._stopped:
            raise OperationalError(
                "The statement was stopped together with another one; see timeout."
            )
        if self.description is None:
            raise ProgrammingError("There are no rows to fetch: execute a query first.")
        return inner


def _require_text(operation: object) -> None:
    if not isinstance(operation, str):
        raise ProgrammingError(f"A statement must be text, not a {type(operation).__name__}.")
    try:
        operation.encode()
    except UnicodeEncodeError as error:
        raise ProgrammingError(f"The statement is not valid Unicode ({error}).") from None

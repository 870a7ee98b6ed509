"""Which statement is running, what it has spent, whether it succeeded, and whose bug it is if not.

APSW does not deliver ``xRollbackTo`` when a statement fails with a Python exception inside an open
transaction, so nothing tells a virtual table that its rows of this statement are void. SQLite's
trace does: when a statement ends, ``total_changes`` has grown by its rows only if it succeeded.
https://sqlite.org/c3ref/trace_v2.html

What tables ask of the connection they are in is a protocol: ``apsw.Connection`` and the tracker
here are one implementation; ``extension`` has another, for connections of programs that bring
their own SQLite.

What a backend raises without meaning to passes unchanged, and says whose it is. A statement that
the user stopped ends in ``apsw.InterruptError``, whoever noticed it first.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

import apsw

from sessions_vtab.contract.backend import Transaction
from sessions_vtab.contract.predicate import Value
from sessions_vtab.errors import BudgetError, SessionsError, StoppedError, raised_in

if TYPE_CHECKING:
    from sessions_vtab.vtab.host import Host, OpenSource
    from sessions_vtab.vtab.remote_cursor import RemoteCursor


@dataclass(slots=True, eq=False)
class RunningStatement:
    """One run of one statement.

    Attributes:
        number: counted by the connection, from 1.
        text: as SQLite runs it.
        readonly: it changes no table by itself.
        changes: ``total_changes`` when it began.
        nested: changes made by statements that ran inside it.
        written: rows it has written to our tables.
        requests: HTTP requests it has spent.
        effects: calls of functions that acted.
        unlimited: the user allowed it more rows than ``max_writes``.
        triggered: a trigger has run in it, so that it may read what it has written itself.
        marks: each store it writes to, with the savepoint before its first row there.
        memory: what backends keep until it ends.
    """

    number: int
    text: str = ""
    readonly: bool = True
    changes: int = 0
    nested: int = 0
    written: int = 0
    requests: int = 0
    effects: int = 0
    unlimited: bool = False
    triggered: bool = False
    marks: dict[Transaction, int] = field(default_factory=dict)
    memory: dict[object, object] = field(default_factory=dict)

    def stop(self) -> None:
        """Python has raised a Ctrl-C, of which SQLite is not told: ``forget`` waits for nothing."""
        for value in self.memory.values():
            stop = getattr(value, "stop", None)
            if stop is not None:
                stop()

    def forget(self) -> None:
        """Drops what backends keep, giving up what is under way."""
        kept, self.memory = self.memory, {}
        for value in kept.values():
            close = getattr(value, "close", None)
            if close is not None:
                close()


class StatementTracker:
    """``Statements`` of an APSW connection, told by its trace."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = weakref.ref(connection)
        self._active: dict[int, RunningStatement] = {}
        self._outside = RunningStatement(0)
        self._count = 0
        self._quiet = 0
        self._ended_idle: tuple[int, RunningStatement] | None = None
        self._prepared = False
        self.last = self._outside
        self.on_idle: Callable[[], None] | None = None

    def follow(
        self,
        on_begin: Callable[[RunningStatement], None],
        on_end: Callable[[RunningStatement, bool], None],
    ) -> None:
        """See ``Statements``."""
        self._on_begin, self._on_end = on_begin, on_end
        mask = apsw.SQLITE_TRACE_STMT | apsw.SQLITE_TRACE_PROFILE
        self.connection.trace_v2(mask, self._traced, id=self)

    @property
    def connection(self) -> apsw.Connection:
        """The connection; it outlives every callback that asks for it."""
        connection = self._connection()
        if connection is None:
            msg = "the connection is gone"
            raise apsw.ConnectionClosedError(msg)
        return connection

    @property
    def current(self) -> RunningStatement:
        """The statement that began last and has not ended; a nameless one between statements."""
        if self._prepared or not self._active:
            self._resume()
        return next(reversed(self._active.values()), self._outside)

    @property
    def writer(self) -> RunningStatement:
        """The statement that writes a row: as ``current``, but never one that only reads."""
        if self.current.readonly:
            self._resume()
        return self.current

    def preparing(self) -> None:
        """SQLite plans a statement, perhaps one that has begun: see ``_resume``."""
        self._prepared = self._ended_idle is not None

    @property
    def count(self) -> int:
        """How many statements have begun."""
        return self._count

    @contextmanager
    def unnumbered(self) -> Iterator[None]:
        """Statements of our own within the block are neither counted nor followed."""
        # Preparing them says nothing of the statement that ended last.
        self._ended_idle, self._prepared = None, False
        self._quiet += 1
        try:
            yield
        finally:
            self._quiet -= 1

    def run(self, sql: str, values: Sequence[Value] = ()) -> list[tuple[Any, ...]]:
        """See ``Statements``."""
        with self.unnumbered():
            # Not connection.execute(), which may pass the statement rewriter.
            return apsw.Cursor(self.connection).execute(sql, values).fetchall()

    def stop(self) -> None:
        """Follows the statements of the connection no more."""
        self.connection.trace_v2(0, None, id=self)

    def restart(self) -> None:
        """Counts from 1 again: the statements so far were our own."""
        self._count = 0
        self.last = self._outside

    def _traced(self, event: dict[str, Any]) -> None:
        if event["code"] == apsw.SQLITE_TRACE_PROFILE:
            self._ended(event)
        elif event["trigger"]:
            self._in_trigger(event["id"])
        elif not self._quiet:
            self._began(event)

    def _in_trigger(self, identity: int) -> None:
        if self._ended_idle is not None and self._ended_idle[0] == identity:
            self._resume()
        if identity in self._active:
            self._active[identity].triggered = True

    def _resume(self) -> None:
        """Undoes the end of a statement that SQLite restarts after a schema change.

        After a schema change SQLite starts a prepared statement, reports that it ended, prepares it
        anew and starts it again, which it does not report (``sqlite3_step``, tag-20220401a).
        """
        if self._ended_idle is not None:
            identity, statement = self._ended_idle
            statement.marks.clear()
            self._active[identity] = self.last = statement
        self._ended_idle, self._prepared = None, False

    def _began(self, event: dict[str, Any]) -> None:
        self._ended_idle, self._prepared = None, False
        if self._outside.memory:
            self._outside.forget()
        self._count += 1
        self.last = self._active[event["id"]] = RunningStatement(
            self._count, event["sql"], event["readonly"], event["total_changes"]
        )
        if not event["readonly"]:
            self._on_begin(self.last)

    def _ended(self, event: dict[str, Any]) -> None:
        statement = self._active.pop(event["id"], None)
        if statement is None:
            return
        idle = not (statement.written or statement.requests or statement.effects)
        self._ended_idle = (event["id"], statement) if idle else None
        changed = event["total_changes"] - statement.changes
        if changed:
            for other in self._active.values():
                other.nested += changed
        if statement.memory:
            statement.forget()
        if statement.written:
            self._on_end(statement, changed - statement.nested >= statement.written)
        if self.on_idle is not None and not self._active:
            self.on_idle()


class HostConnection(Protocol):
    """A database connection. Names and numbers are those of ``apsw.Connection``."""

    @property
    def in_transaction(self) -> bool:
        """Whether BEGIN or SAVEPOINT has opened a transaction that has not ended."""

    @property
    def is_interrupted(self) -> bool:
        """Whether the running statement is to stop. Asked every 50 ms while it waits."""

    def vtab_config(self, op: int, val: int = 0, /) -> None:
        """Declares a property of the table that is being connected."""

    def vtab_on_conflict(self) -> int:
        """The conflict clause of the row that is being written, as ``SQLITE_IGNORE``."""

    def last_insert_rowid(self) -> int:
        """The row id that the last INSERT set."""


class Statements(Protocol):
    """The statements that run on a connection.

    Attributes:
        on_idle: called when a statement ended and no other is running; None: nobody waits for that.
    """

    on_idle: Callable[[], None] | None

    @property
    def current(self) -> RunningStatement:
        """The statement that began last and has not ended; a nameless one between statements."""

    @property
    def writer(self) -> RunningStatement:
        """The statement that writes a row."""

    @property
    def count(self) -> int:
        """How many statements have begun."""

    def follow(
        self,
        on_begin: Callable[[RunningStatement], None],
        on_end: Callable[[RunningStatement, bool], None],
    ) -> None:
        """Tells what happens from here on.

        Args:
            on_begin: called with each statement that may write.
            on_end: called with each statement that ended and whether it succeeded, if it wrote
                rows and SQLite does not say itself which of them are void.
        """

    def preparing(self) -> None:
        """SQLite plans a statement, perhaps one that has begun."""

    def unnumbered(self) -> AbstractContextManager[None]:
        """Statements of our own within the block are neither counted nor followed."""

    def run(self, sql: str, values: Sequence[Value] = ()) -> list[tuple[Any, ...]]:
        """The rows of a statement of our own, which is unnumbered."""


@dataclass(slots=True)
class StatementContext:
    """The running statement, as a backend sees it (``contract.backend.Context``)."""

    host: Host
    source: OpenSource
    table: str
    run: RunningStatement = field(repr=False)
    cursor: RemoteCursor | None = field(default=None, repr=False)

    @property
    def statement(self) -> int:
        """Number of the statement within its connection."""
        return self.run.number

    @property
    def memory(self) -> MutableMapping[object, object]:
        """What backends keep for the rest of the statement."""
        return self.run.memory

    @property
    def writes(self) -> bool:
        """Whether the statement changes tables, or calls a function with side effects."""
        return not self.run.readonly or self.run.text in self.host.accepted

    def when_more(self, start: Callable[[], None]) -> None:
        """Calls back when the cursor, if one takes rows as they come, is asked for a second one."""
        if self.cursor is None:
            start()
        else:
            self.cursor.when_more = start

    def interrupted(self) -> bool:
        """Whether ``Connection.interrupt`` was called. Asked often by the statement's thread."""
        if self.host.watch is not None:
            self.host.watch()
        if self.host.alarm is not None:
            self.host.alarm()
        return self.host.connection.is_interrupted

    def spend(self, requests: int = 1) -> None:
        """Takes requests from the statement's budget.

        Raises:
            BudgetError: it is used up.
        """
        limit = self.host.budget.max_requests
        limit = self.source.settings.max_requests if limit is None else limit
        if self.run.requests + requests > limit:
            msg = (
                f"The statement needs more than {limit} requests (max_requests); the last was for"
                f" {self.source.name}.{self.table}. Narrow it with WHERE, or raise max_requests."
            )
            raise BudgetError(msg)
        self.run.requests += requests
        self.host.requests += requests

    def record(self, request: Mapping[str, Value]) -> None:
        """Adds a row to ``http_requests``."""
        about: dict[str, Value] = {
            "statement": self.run.number,
            "source": self.source.settings.name,
            "table": self.table,
        }
        self.host.logs.requests.add({**about, **request})


# Errors of a statement

_MARK: Final = "sessions_vtab_backend"


def blame(error: BaseException, backend: str, where: str) -> None:
    """Notes on an unexpected exception which backend it comes from.

    Args:
        error: what came out of the backend. Errors of this package and of SQLite are meant.
        backend: its name.
        where: ``source.table`` and the way it is read, or ``source.function()``.
    """
    expected = isinstance(error, SessionsError | apsw.Error) or not isinstance(error, Exception)
    if not expected and blamed(error) is None:
        what = f"{type(error).__name__} {error}".rstrip()
        words = f"{what} in {where}{raised_in(error)}. This is a bug in the backend {backend}."
        setattr(error, _MARK, words)
        error.add_note(words)


@contextmanager
def blaming(backend: str, where: str) -> Iterator[None]:
    """As ``blame``, for what comes out of the block."""
    try:
        yield
    except Exception as error:
        blame(error, backend, where)
        raise


def blamed(error: BaseException) -> str | None:
    """What an exception is and whose bug, as sentences; None if it came out of no backend."""
    words = getattr(error, _MARK, None)
    return words if isinstance(words, str) else None


@contextmanager
def as_sqlite_says() -> Iterator[None]:
    """Turns the StoppedError of a backend into what SQLite raises for itself."""
    try:
        yield
    except StoppedError as error:
        raise apsw.InterruptError(str(error)) from error

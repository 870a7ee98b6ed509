"""Running one statement: its columns, its rows, what it cost, and how Ctrl-C stops it.

While it takes long, a line on the terminal says how far it is.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import apsw

from sessions_vtab.cli.display import escaped, footer, moves_cursor
from sessions_vtab.connection import Connection
from sessions_vtab.errors import InvalidValueError
from sessions_vtab.progress import EVERY, FIRST, Progress

_STEPS: Final = 100_000
"""SQLite steps between two looks at Ctrl-C: some milliseconds."""

_SERIES: Final = "generate_series"
"""The sqlite3 shell has this table-valued function, SQLite as a library does not."""


@dataclass(slots=True)
class Execution:
    """A statement that was started.

    Attributes:
        columns: names of the columns of its answer; empty for a statement that has none.
        rows: the rows, to be read once.
        started: when, on the clock of ``time.perf_counter``; later by what the user took to read.
        returned: rows read so far.
        changed: rows changed, known at the end.
        requests: HTTP requests, known at the end.
        elapsed: seconds, known at the end.
    """

    columns: tuple[str, ...]
    rows: Iterator[tuple[Any, ...]]
    started: float = field(default_factory=time.perf_counter)
    returned: int = 0
    changed: int = 0
    requests: int = 0
    elapsed: float = 0.0

    @property
    def footer(self) -> str:
        """What it did, in one line."""
        rows = self.returned if self.columns else None
        return footer(rows, self.changed, self.requests, self.elapsed)


@contextmanager
def execute(
    connection: Connection, sql: str, bindings: Mapping[str, Any] | None = None
) -> Iterator[Execution]:
    """Runs one statement inside the block; rows that were not read then are not computed.

    Args:
        connection: a ``sessions_vtab`` connection.
        sql: the statement.
        bindings: values of its parameters by name.

    Raises:
        InvalidValueError: a parameter has no value.
        SessionsError, apsw.Error: whatever the statement raises.
    """
    cursor = connection.cursor()
    described: list[tuple[str, ...]] = []

    def traced(running: apsw.Cursor, _sql: str, _bindings: object) -> bool:
        described.append(_columns(running))
        return True

    cursor.exec_trace = traced
    before = connection.tally()
    started = time.perf_counter()
    try:
        if _SERIES in sql.lower():
            _offer_series(connection)
        _require_values(connection, sql, bindings or {})
        with _readable():
            cursor.execute(sql, bindings or {})
        columns = _columns(cursor) or (described[-1] if described else ())
        execution = Execution(columns, iter(()), started)
        execution.rows = _counting(cursor, execution)
        yield execution
        execution.elapsed = time.perf_counter() - execution.started
        execution.changed = connection.changed_since(before)
        execution.requests = connection.statement_requests
    finally:
        cursor.close(force=True)


def _offer_series(connection: Connection) -> None:
    """Registers the function where a statement names it: few do, and the import is slow."""
    known = connection.execute("SELECT 1 FROM pragma_module_list WHERE name = ?", (_SERIES,)).get
    if not known:
        from apsw.ext import generate_series_sqlite, make_virtual_module  # noqa: PLC0415

        make_virtual_module(connection, _SERIES, generate_series_sqlite)  # type: ignore[arg-type]


def _require_values(connection: Connection, sql: str, bindings: Mapping[str, Any]) -> None:
    for name in connection.parameters(sql):
        if name is None or name[0] == "?":
            raise InvalidValueError(
                "Parameters must be named here: write :name instead of ?, and set it with -p name"
                " VALUE."
            )
        if name[1:] not in bindings:
            raise InvalidValueError(
                f"The parameter {name} has no value. Set it with -p {name[1:]} VALUE on the command"
                f" line, or .parameter set {name[1:]} VALUE in the shell."
            )


def _columns(cursor: apsw.Cursor) -> tuple[str, ...]:
    """Names of the columns; nothing once the statement has ended or if it has no answer."""
    with suppress(apsw.ExecutionCompleteError):
        return tuple(name for name, *_ in cursor.get_description())
    return ()


def _counting(cursor: apsw.Cursor, execution: Execution) -> Iterator[tuple[Any, ...]]:
    with _readable():
        for row in cursor:
            execution.returned += 1
            yield row


@contextmanager
def _readable() -> Iterator[None]:
    """SQLite keeps any bytes as text; Python's texts cannot."""
    try:
        yield
    except UnicodeDecodeError:
        raise InvalidValueError(
            "The result contains text that is not valid UTF-8. Read it with CAST(column AS BLOB)."
        ) from None


def prepare(connection: apsw.Connection) -> None:
    """Makes a connection fit for the command line: Ctrl-C and ``readfile()``.

    Without a progress handler Python would see Ctrl-C only when SQLite comes back to it.
    """
    connection.set_progress_handler(lambda: False, _STEPS)
    connection.create_scalar_function(
        "readfile",
        _readfile,
        1,
        flags=apsw.SQLITE_DIRECTONLY,  # What a view or a file holds must not read files.
    )


def _readfile(*arguments: apsw.SQLiteValue) -> bytes:
    path = str(arguments[0])
    try:
        return Path(path).expanduser().read_bytes()
    except OSError as error:
        raise InvalidValueError(f"readfile: {path}: {error.strerror}.") from None


CLEAR: Final = "\r\x1b[K"
"""What takes a line away on a terminal."""

_TERMINAL: Final = threading.RLock()
"""Held by whoever writes to the terminal while a line may be shown there."""


@contextmanager
def progress(look: Callable[[float], Progress]) -> Iterator[Callable[[], None]]:
    """Shows progress on standard error inside the block, if that is a terminal.

    A thread writes the line. A timer signal would cut the writes of a statement whose rows are
    printed on a slow terminal (``PYTHONUNBUFFERED=1`` loses the rest of a row without an error),
    and exists neither on Windows nor outside the main thread.

    Args:
        look: how far the statement is; it is given the seconds since the block began.

    Yields:
        A function that ends it early: before rows are printed on the same terminal.
    """
    if not moves_cursor(sys.stderr):
        yield lambda: None
        return
    line = _Line(look)
    line.start()
    try:
        yield line.end
    finally:
        line.end()


def progress_of(connection: Connection) -> AbstractContextManager[Callable[[], None]]:
    """``progress`` of what a connection executes inside the block."""
    return progress(connection.progress)


@contextmanager
def paused() -> Iterator[None]:
    """Inside the block no progress is written over a question; afterwards it goes on."""
    with _TERMINAL:
        if moves_cursor(sys.stderr):
            print(CLEAR, end="", file=sys.stderr, flush=True)
        yield


class _Line(threading.Thread):
    """The line on the terminal, written anew until it ends."""

    def __init__(self, look: Callable[[float], Progress]) -> None:
        super().__init__(name="sessions-vtab progress", daemon=True)
        self._look = look
        self._began = time.perf_counter()
        self._shown = False
        self._ended = threading.Event()

    def run(self) -> None:
        """Waits, so that short statements show nothing, then writes some times a second."""
        delay = FIRST
        while not self._ended.wait(delay):
            self._show()
            delay = EVERY

    def _show(self) -> None:
        with _TERMINAL:
            if self._ended.is_set():
                return
            try:
                progress = self._look(time.perf_counter() - self._began)
            except (RuntimeError, LookupError):
                return  # The statement's thread has changed what is counted: the next look tells.
            self._shown = True
            print(f"{CLEAR}{progress} ..", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Removes the line; nothing is written once this returns. Later calls cost nothing."""
        if self._ended.is_set():
            return
        with _TERMINAL:
            self._ended.set()
            if self._shown:
                print(CLEAR, end="", file=sys.stderr, flush=True)


def ask(question: str) -> bool:
    """Asks on the terminal: true for y or yes, and the end of input is a no.

    Ctrl-C ends the statement.
    """
    with paused():
        sys.stderr.write(f"{escaped(question)} [y/N] ")
        sys.stderr.flush()
        return sys.stdin.readline().strip().lower() in {"y", "yes"}

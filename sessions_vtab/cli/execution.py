"""Running statements: one, with what it cost; those of a text, up to the first error; errors."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

import apsw

from sessions_vtab.cli.display import (
    Failed,
    Style,
    counted,
    escaped,
    footer,
    is_terminal,
    render,
    seconds,
    style_for,
)
from sessions_vtab.cli.formats import NOTES, laid_out
from sessions_vtab.cli.habits import shell_command
from sessions_vtab.cli.streams import help_command, unwritable
from sessions_vtab.cli.terminal import PROGRESS, fitted
from sessions_vtab.connection import Connection
from sessions_vtab.cursor import ColumnTrace
from sessions_vtab.errors import BudgetError, InvalidValueError, SessionsError
from sessions_vtab.sql import lexer
from sessions_vtab.vtab.statements import blamed

_MARGIN: Final = "   "
_BLANK_BETWEEN: Final = frozenset(("table", "csv", "tsv", "markdown"))
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

    Raises:
        InvalidValueError: a parameter has no value.
        SessionsError, apsw.Error: whatever the statement raises.
    """
    cursor, answer = connection.cursor(), ColumnTrace()
    cursor.exec_trace = answer
    before = connection.tally()
    started = time.perf_counter()
    try:
        if _SERIES in sql.lower():
            _offer_series(connection)
        _require_values(connection, sql, bindings or {})
        with _readable():
            cursor.execute(sql, bindings or {})
        execution = Execution(tuple(name for name, *_ in answer.last), iter(()), started)
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
    """Gives a connection the function ``readfile()``."""
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


class ScriptSession:
    """Statements from one text, one after another, on one connection.

    Args:
        connection: where they run.
        stream: where rows are printed.
        form: a key of ``formats.FORMATS``, or ``auto``.
        bindings: values of parameters by name.
        name: what errors call the text: the file's name; empty if it came as an argument.
        style: how rows are written.

    Attributes:
        returned: rows that the statements have returned so far.
    """

    def __init__(
        self,
        connection: Connection,
        stream: IO[str],
        form: str,
        bindings: Mapping[str, Any],
        name: str,
        style: Style,
    ) -> None:
        self._connection = connection
        self._stream = stream
        self._form = form
        self._bindings = bindings
        self._name = name
        self._style = style
        self._terminal = is_terminal(stream)
        self.returned = 0
        self._told: list[str] = []

    def run(self, text: str) -> None:
        """Runs the statements and prints rows only.

        Raises:
            Failed: a statement failed; those before it were done.
        """
        printed = False
        for number, statement in enumerate(_statements(text), 1):
            before = "\n" if printed and self._form in _BLANK_BETWEEN else ""
            printed = self._show(statement, number, before=before) or printed
        self._end(text)
        if self._terminal:
            for what in dict.fromkeys(self._told):
                note = NOTES[what].format("--format")
                print(fitted(note) if is_terminal(sys.stderr) else note, file=sys.stderr)

    def tour(self, text: str) -> None:
        """As ``run``, with the comments before each statement and a summary at the end.

        Comments and summary belong to tables; other formats print rows only.

        Raises:
            Failed: a statement failed; those before it were done.
        """
        if self._form != "table":
            self.run(text)
            return
        started, number, end = time.perf_counter(), 0, 0
        for number, statement in enumerate(lexer.split(text, apsw.complete), 1):
            self._comments(text[end : statement.start])
            end = statement.start + len(statement.text)
            self._show(statement, number, _MARGIN)
        self._comments(text[end:])
        self._end(text)
        elapsed = seconds(time.perf_counter() - started)
        self._write(f"{self._name}: {counted(number, 'statement')}, no errors, {elapsed}\n")

    def explain(self, text: str, *, why: bool = False) -> None:
        """Prints how each statement of a text would be answered.

        Args:
            text: statements.
            why: also names the rule by which each condition is sent or not.

        Raises:
            Failed: one cannot be prepared.
        """
        from sessions_vtab.cli.explain import explain  # noqa: PLC0415

        for number, statement in enumerate(_statements(text), 1):
            with self._guarded(statement, number):
                for line in explain(self._connection, statement.text, self._bindings, why=why):
                    self._write(escaped(fitted(line) if self._terminal else line) + "\n")

    def _show(
        self, statement: lexer.Statement, number: int, margin: str = "", before: str = ""
    ) -> bool:
        """Runs a statement and prints its rows, if it has any columns; returns whether it has."""
        with (
            self._guarded(statement, number),
            PROGRESS.of_statement() as end_progress,
            execute(self._connection, statement.text, self._bindings) as execution,
        ):
            if execution.columns:
                self._write(before)
                style = style_for(self._stream, self._style, len(margin))
                answer = execution.columns, execution.rows
                for piece in laid_out(self._form, *answer, style, self._told.append):
                    if self._terminal:
                        end_progress()
                    self._write(margin + piece)
        self.returned += execution.returned
        return bool(execution.columns)

    def _comments(self, between: str) -> None:
        """Prints the comments between two statements that reach to the end of their line."""
        for line in map(str.strip, between.splitlines()):
            if line.startswith("--"):
                self._write(line + "\n")

    @contextmanager
    def _guarded(self, statement: lexer.Statement, number: int) -> Iterator[None]:
        try:
            with describing_errors(self._connection, statement.text, help_command):
                yield
        except UnicodeEncodeError as error:
            raise Failed(f"Error: {unwritable(error)}") from None
        except Failed as error:
            where = f" in {self._name}, line {statement.line}, statement {number}"
            where = where if self._name else ""
            raise Failed(f"Error{where}: {error}") from error.__cause__
        finally:
            # Who reads a pipe has each answer when it is complete, and before an error.
            self._stream.flush()

    def _end(self, text: str) -> None:
        """A transaction that is still open would be rolled back without a word."""
        if self._connection.in_transaction:
            last = text.rstrip().count("\n") + 1
            where = f" in {self._name}, line {last}" if self._name else ""
            raise Failed(
                f"Error{where}: the transaction was not committed, so its changes were rolled"
                " back. End it with COMMIT."
            )

    def _write(self, text: str) -> None:
        self._stream.write(escaped(text) if self._terminal else text)


def _statements(text: str) -> Iterator[lexer.Statement]:
    """The statements of a text.

    Raises:
        Failed: the text is a command of the shell.
    """
    command = shell_command(text)
    if command is not None:
        raise Failed(
            f"Error: {escaped(text.strip().partition(chr(10))[0])} is not SQL. For commands of the"
            f" shell: sessions-vtab '{escaped(command)}', or sessions-vtab < FILE"
        )
    return lexer.split(text, apsw.complete)


@contextmanager
def describing_errors(
    connection: Connection, sql: str, help_command: Callable[[], str]
) -> Iterator[None]:
    """A block that works for a statement: what fails there is ``Failed``, as ``described``.

    That goes for errors that say what is wrong: of this package, of SQLite, and bugs of a known
    backend. An interrupt gets a note of what the statement has cost.

    Args:
        connection: where it runs.
        sql: the statement.
        help_command: says how help is asked for; only errors need it.
    """
    try:
        yield
    except Exception as error:
        if not isinstance(error, apsw.Error | SessionsError) and blamed(error) is None:
            raise
        raise Failed(described(connection, error, sql, help_command())) from error
    except KeyboardInterrupt as error:
        if requests := connection.statement_requests:
            verb = "was" if requests == 1 else "were"
            error.add_note(f"{counted(requests, 'request')} {verb} made.")
        raise


def described(connection: Connection, error: Exception, sql: str, help_command: str) -> str:
    """An error of a statement in words, with "did you mean" and its place where these are known.

    Args:
        connection: where it ran; asked for the names it knows.
        error: the error.
        sql: the statement.
        help_command: how help is asked for.
    """
    from sessions_vtab.hints import Problem, names_of, problem  # noqa: PLC0415  # For errors.

    bug = blamed(error)
    if bug is not None:
        return render(Problem(bug), sql, -1, help_command)
    # Without the hints for interfaces that have no other place for them.
    message = str(getattr(error, "sqlite_message", error)) or type(error).__name__
    if isinstance(error, BudgetError):
        # By an option, or by ``.set`` in the shell.
        name = "max_writes" if "max_writes" in message else "max_requests"
        command = f".set {name}" if help_command == ".help" else f"--{name.replace('_', '-')}"
        message += f"\n  {command} N"
    if isinstance(error, SessionsError):
        return render(Problem(message), sql, -1, help_command)
    found = problem(message, sql, names_of(connection))
    return render(found, sql, getattr(error, "error_offset", -1), help_command)

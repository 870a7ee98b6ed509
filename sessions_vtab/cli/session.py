"""Running the statements of a text, printing what they answer, stopping at the first error."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, Final

import apsw

from sessions_vtab.cli.display import counted, escaped, is_terminal, seconds
from sessions_vtab.cli.execution import execute
from sessions_vtab.cli.formats import FORMATS
from sessions_vtab.cli.progress import progress_of
from sessions_vtab.cli.script import Statement, split
from sessions_vtab.errors import BudgetError, SessionsError
from sessions_vtab.vtab.blame import blamed

if TYPE_CHECKING:
    from sessions_vtab.connection import Connection

__all__ = ["Failed", "Session", "described"]

_HELP: Final = "sessions-vtab help"
_MARGIN: Final = "   "
_BLANK_BETWEEN: Final = frozenset(("table", "csv", "tsv", "markdown"))


class Failed(Exception):  # noqa: N818  # An outcome, already in words for the user.
    """A statement failed; the text says which, where and why."""


class Session:
    """Statements from one text, one after another, on one connection.

    Args:
        connection: where they run.
        stream: where rows are printed.
        form: a key of ``formats.FORMATS``.
        bindings: values of parameters by name.
        name: what errors call the text: the file's name; empty if it came as an argument.
    """

    def __init__(
        self,
        connection: Connection,
        stream: IO[str],
        form: str,
        bindings: Mapping[str, Any],
        name: str,
    ) -> None:
        self._connection = connection
        self._stream = stream
        self._form = form
        self._bindings = bindings
        self._name = name
        self._terminal = is_terminal(stream)
        self._before_rows: Callable[[], None] | None = None

    def run(self, text: str) -> None:
        """Runs the statements and prints rows only.

        Raises:
            Failed: a statement failed; those before it were done.
        """
        printed = False
        for number, statement in enumerate(_statements(text), 1):
            with self._guarded(statement, number), self._executed(statement) as (columns, rows):
                if not columns:
                    continue
                if printed and self._form in _BLANK_BETWEEN:
                    self._write("\n")
                self._print(columns, rows)
                printed = True
        self._end(text)

    def tour(self, text: str) -> None:
        """As ``run``, with the comments before each statement and a summary at the end.

        Comments and summary belong to tables; other formats print rows only.

        Raises:
            Failed: a statement failed; those before it were done.
        """
        if self._form != "table":
            self.run(text)
            return
        started, number = time.perf_counter(), 0
        for statement in split(text):
            for comment in statement.comments:
                self._write(escaped(comment) + "\n")
            if not statement.text:
                continue
            number += 1
            with self._guarded(statement, number), self._executed(statement) as (columns, rows):
                if columns:
                    self._print(columns, rows, _MARGIN)
        self._end(text)
        elapsed = seconds(time.perf_counter() - started)
        self._write(f"{self._name}: {counted(number, 'statement')}, no errors, {elapsed}\n")

    def explain(self, text: str) -> None:
        """Prints how each statement of a text would be answered.

        Raises:
            Failed: one cannot be prepared.
        """
        from sessions_vtab.cli.explain import explain  # noqa: PLC0415

        for number, statement in enumerate(_statements(text), 1):
            with self._guarded(statement, number):
                for line in explain(self._connection, statement.text, self._bindings):
                    self._write(escaped(line) + "\n")

    @contextmanager
    def _executed(
        self, statement: Statement
    ) -> Iterator[tuple[Sequence[str], Iterable[Sequence[Any]]]]:
        with (
            progress_of(self._connection) as end_progress,
            execute(self._connection, statement.text, self._bindings) as execution,
        ):
            self._before_rows = end_progress if self._terminal else None
            yield execution.columns, execution.rows

    @contextmanager
    def _guarded(self, statement: Statement, number: int) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            if not can_describe(error):
                raise
            self._stream.flush()
            where = f" in {self._name}, line {statement.line}, statement {number}"
            text = described(self._connection, error, statement.text, _HELP)
            raise Failed(f"Error{where if self._name else ''}: {text}") from error
        except KeyboardInterrupt:
            self._stream.flush()
            raise

    def _end(self, text: str) -> None:
        """A transaction that is still open would be rolled back without a word."""
        if self._connection.in_transaction:
            last = text.rstrip().count("\n") + 1
            where = f" in {self._name}, line {last}" if self._name else ""
            raise Failed(
                f"Error{where}: the transaction was not committed, so its changes were rolled"
                " back. End it with COMMIT."
            )

    def _print(
        self, columns: Sequence[str], rows: Iterable[Sequence[Any]], margin: str = ""
    ) -> None:
        for piece in FORMATS[self._form](columns, rows):
            if self._before_rows is not None:
                self._before_rows()
            self._write(margin + piece)

    def _write(self, text: str) -> None:
        self._stream.write(escaped(text) if self._terminal else text)


def _statements(text: str) -> Iterator[Statement]:
    return (statement for statement in split(text) if statement.text)


def can_describe(error: Exception) -> bool:
    """Whether an error says what is wrong: ours, SQLite's, and bugs of a known backend."""
    return isinstance(error, apsw.Error | SessionsError) or blamed(error) is not None


def described(connection: Connection, error: Exception, sql: str, help_command: str) -> str:
    """An error of a statement in words, with "did you mean" and its place where these are known.

    Args:
        connection: where it ran; asked for the names it knows.
        error: the error.
        sql: the statement.
        help_command: how help is asked for.
    """
    from sessions_vtab.cli.names import names_of  # noqa: PLC0415  # Only errors need these.
    from sessions_vtab.cli.report import Problem, problem, render  # noqa: PLC0415

    bug = blamed(error)
    if bug is not None:
        return render(Problem(bug), sql, -1, help_command)
    message = str(error) or type(error).__name__
    if isinstance(error, BudgetError):
        message += _raising(message, help_command)
    if isinstance(error, SessionsError):
        return render(Problem(message), sql, -1, help_command)
    found = problem(message, sql, names_of(connection))
    return render(found, sql, getattr(error, "error_offset", -1), help_command)


def _raising(message: str, help_command: str) -> str:
    """A hint on how to raise the limit: by an option, or by ``.set`` in the shell."""
    name = "max_writes" if "max_writes" in message else "max_requests"
    return f"\n  .set {name} N" if help_command == ".help" else f"\n  --{name.replace('_', '-')} N"

"""Running the statements of a text, printing what they answer, stopping at the first error.

Each statement comes with the lines that it is on.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, Final

import apsw

from sessions_vtab.cli.display import Style, counted, escaped, is_terminal, seconds, style_for
from sessions_vtab.cli.execution import execute, progress_of
from sessions_vtab.cli.formats import AUTO, FORMATS, NOTES, automatic
from sessions_vtab.cli.habits import shell_command
from sessions_vtab.cli.streams import fitted, help_command, unwritable
from sessions_vtab.connection import Connection
from sessions_vtab.errors import BudgetError, SessionsError
from sessions_vtab.sql import lexer
from sessions_vtab.vtab.blame import blamed


@dataclass(frozen=True, slots=True)
class ScriptStatement:
    """One statement of a script.

    Attributes:
        text: from its first word to its semicolon, if it has one.
        line: line of its first word, from 1.
        comments: the ``--`` lines before it.
    """

    text: str
    line: int
    comments: tuple[str, ...] = ()


def split(text: str) -> Iterator[ScriptStatement]:
    """The statements of a text; what follows the last one comes as a statement without text.

    The end of a statement is where SQLite's own ``sqlite3_complete`` says so: the semicolons
    inside a trigger's body do not end it.
    """
    end = 0
    for one in lexer.split(text, apsw.complete):
        comments = _comments(text[end : one.start])
        # The last one may lack its semicolon, and end in a comment.
        end = one.start + len(one.text) if one.text.endswith(";") else len(text)
        yield ScriptStatement(text[one.start : end].rstrip(), one.line, comments)
    if comments := _comments(text[end:]):  # Those at the end.
        yield ScriptStatement("", text.count("\n") + 1, comments)


def _comments(between: str) -> tuple[str, ...]:
    lines = map(str.strip, between.splitlines())
    return tuple(line for line in lines if line.startswith("--"))


_MARGIN: Final = "   "
_BLANK_BETWEEN: Final = frozenset(("table", "csv", "tsv", "markdown"))


class Failed(Exception):  # noqa: N818  # An outcome, already in words for the user.
    """A statement failed; the text says which, where and why."""


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

    @contextmanager
    def _executed(
        self, statement: ScriptStatement
    ) -> Iterator[tuple[Sequence[str], Iterable[Sequence[Any]]]]:
        with (
            progress_of(self._connection) as end_progress,
            execute(self._connection, statement.text, self._bindings) as execution,
        ):
            self._before_rows = end_progress if self._terminal else None
            yield execution.columns, execution.rows
            self.returned += execution.returned

    @contextmanager
    def _guarded(self, statement: ScriptStatement, number: int) -> Iterator[None]:
        try:
            yield
        except UnicodeEncodeError as error:
            raise Failed(f"Error: {unwritable(error)}") from None
        except Exception as error:
            if not can_describe(error):
                raise
            self._stream.flush()
            where = f" in {self._name}, line {statement.line}, statement {number}"
            text = described(self._connection, error, statement.text, help_command())
            raise Failed(f"Error{where if self._name else ''}: {text}") from error
        except KeyboardInterrupt as error:
            self._stream.flush()
            note_cost(error, self._connection)
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
        style = style_for(self._stream, self._style, len(margin))
        if self._form == AUTO:
            pieces = automatic(columns, rows, style, self._told.append)
        else:
            pieces = FORMATS[self._form](columns, rows, style)
        for piece in pieces:
            if self._before_rows is not None:
                self._before_rows()
            self._write(margin + piece)

    def _write(self, text: str) -> None:
        self._stream.write(escaped(text) if self._terminal else text)


def _statements(text: str) -> Iterator[ScriptStatement]:
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
    return (statement for statement in split(text) if statement.text)


def can_describe(error: Exception) -> bool:
    """Whether an error says what is wrong: ours, SQLite's, and bugs of a known backend."""
    return isinstance(error, apsw.Error | SessionsError) or blamed(error) is not None


def note_cost(error: KeyboardInterrupt, connection: Connection) -> None:
    """Adds to an interrupt what the statement has cost, for the message about it."""
    requests = connection.statement_requests
    if requests:
        error.add_note(f"{counted(requests, 'request')} {'was' if requests == 1 else 'were'} made.")


def described(connection: Connection, error: Exception, sql: str, help_command: str) -> str:
    """An error of a statement in words, with "did you mean" and its place where these are known.

    Args:
        connection: where it ran; asked for the names it knows.
        error: the error.
        sql: the statement.
        help_command: how help is asked for.
    """
    from sessions_vtab.cli.display import render  # noqa: PLC0415  # Only errors need these.
    from sessions_vtab.hints import Problem, names_of, problem  # noqa: PLC0415

    bug = blamed(error)
    if bug is not None:
        return render(Problem(bug), sql, -1, help_command)
    # Without the hints for interfaces that have no other place for them.
    message = str(getattr(error, "sqlite_message", error)) or type(error).__name__
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

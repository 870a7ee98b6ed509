"""The interactive shell: APSW's, with our commands, completion, footers and errors.

Its hooks are methods by name: ``command_x`` is the command ``.x`` (its docstring is its help),
``output_x`` an output mode; see ``apsw.shell.Shell``. That class has no annotations.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shlex
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import apsw
import apsw.shell

from sessions_vtab.backends.local.file import make_private
from sessions_vtab.cli import help as reference
from sessions_vtab.cli.display import escaped
from sessions_vtab.cli.execution import Execution, execute
from sessions_vtab.cli.formats import SQLITE_MODES
from sessions_vtab.cli.habits import ELSEWHERE, command_name, shell_command
from sessions_vtab.cli.shell_commands import BUDGETS, Commands, mark_seen
from sessions_vtab.cli.sources import banner
from sessions_vtab.cli.streams import unusable, unwritable
from sessions_vtab.cli.tables import candidates, matching
from sessions_vtab.cli.terminal import PROGRESS, fitted
from sessions_vtab.errors import SessionsError, notes_of
from sessions_vtab.hints import names_of
from sessions_vtab.settings import user_folder
from sessions_vtab.sql.lexer import split

if TYPE_CHECKING:
    from sessions_vtab.connection import Connection


_OK, _FAILED = 0, 1
_PRINTED: Final = (apsw.Error, SessionsError, apsw.shell.Shell.Error, OSError, UnicodeError)
"""Errors that a user can do something about."""

_TABLES: Final = """
    SELECT name, type FROM main.sqlite_schema
    WHERE type IN ('table', 'view') AND sql NOT LIKE 'CREATE VIRTUAL TABLE%'"""


def interact(connection: Connection, arguments: argparse.Namespace) -> int:
    """Runs the shell on the process' streams until its input ends; returns the exit status."""
    shell = Shell(connection, read_only=arguments.read_only)
    try:
        shell.begin(arguments)
        if not arguments.statements:
            shell.cmdloop(fitted(banner(connection, read_only=arguments.read_only)) + "\n")
    except SystemExit as end:  # .exit and .quit
        status = end.code if isinstance(end.code, int) else _OK
    except BrokenPipeError:
        raise
    except _PRINTED:
        return _FAILED  # Input that is not a terminal ends at the first error, which was printed.
    else:
        status = _OK
    finally:
        shell.end()
    if connection.in_transaction:
        shell.write_error("Error: the transaction was not committed and has been rolled back.\n")
        return status or _FAILED
    return status


class Shell(Commands):
    """A shell on one connection.

    If the input is not a terminal, it ends at its first error; if the output is not a terminal, it
    is csv with a heading.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        read_only: bool = False,
        stdin: IO[str] | None = None,
        stdout: IO[str] | None = None,
        stderr: IO[str] | None = None,
    ) -> None:
        super().__init__(stdin=stdin, stdout=stdout, stderr=stderr)  # type: ignore[arg-type]
        self.db = connection, "sessions"
        self._connection = connection
        self._read_only = read_only
        self._input_ended = False
        self._commands = sorted(
            name.removeprefix("command_").replace("_", "-")
            for name in dir(self)
            if name.startswith("command_")
        )
        self.prompt, self.moreprompt = "sessions> ", "     ...> "
        self.bail = not self.interactive
        if self.interactive:
            self.history_file = str(_history_file())
        self._settle()

    def begin(self, start: argparse.Namespace) -> None:
        """Does what the shell was started with; ends at the first error of it."""
        if start.batch or start.statements:
            self.interactive = False
        self.bail = True
        self.header = start.heading
        if start.format is not None:
            self.command_mode([start.format])
        texts = [f".read {shlex.quote(start.init)}"] if start.init else []
        for text in (*texts, *(start.commands or ()), *start.statements):
            try:
                self.process_complete_line(shell_command(text) or text)
            except Exception:  # noqa: BLE001  # As the loop of the base class does.
                self.handle_exception()
        self.bail = start.bail or not self.interactive

    def end(self) -> None:
        """Closes what output went to."""
        with contextlib.suppress(BrokenPipeError):
            self._end_output()

    # Statements

    def process_sql(
        self, sql: str, bindings: Any = None, internal: bool = False, summary: Any = None
    ) -> None:
        """Runs statements, each with its footer; SQL of the shell's own goes the usual way."""
        if internal:
            super().process_sql(sql, bindings, internal, summary)
            return
        try:
            for statement in split(sql, apsw.complete):
                self._run(statement.text, self.bindings if bindings is None else bindings)
        except BaseException as error:
            self._end_once(error)
            raise
        self._end_once()

    def _run(self, sql: str, bindings: Mapping[str, Any]) -> None:
        if self.echo:
            self.write(self.stderr, sql + "\n")
        if self.eqp and self._connection.statement_kinds(sql)[0].reads:
            self.command_explain([sql])
        kept, used = self._kept_in_memory(sql), os.times()
        with (
            self._telling(sql),
            PROGRESS.of_statement() as end_progress,
            execute(self._connection, sql, bindings) as execution,
        ):
            if execution.columns:
                printed = self._print(execution.columns, execution.rows)
                execution.started += self._emit(self._ending(printed, end_progress))
        self._explain_rows()
        self._account(execution, used)
        self._say_what_is_not_kept(self._kept_in_memory(sql) - kept)

    def _ending(self, pieces: Iterable[str], end_progress: Callable[[], None]) -> Iterator[str]:
        """The pieces of an answer; the progress line goes before the first is printed."""
        for piece in pieces:
            end_progress()
            yield piece

    def _account(self, execution: Execution, before: os.times_result) -> None:
        """What a statement did and what it took, as far as the user wants to know."""
        if self.interactive:
            self._note(execution.footer)
        if self.changes:
            total = self._connection.total_changes()
            self._note(f"changes: {execution.changed}   total_changes: {total}")
        if self.timer:
            after = os.times()
            user, system = after.user - before.user, after.system - before.system
            self._note(f"Run Time: real {execution.elapsed:.3f} user {user:.6f} sys {system:.6f}")
        if self.stats and execution.requests:
            self.command_requests([])

    def _kept_in_memory(self, sql: str) -> set[tuple[str, str]]:
        """The user's tables and views that end with the shell; looked for only around CREATE."""
        if not (self.interactive and sql[:6].upper() == "CREATE"):
            return set()
        return {(str(name), str(kind)) for name, kind in self._connection.execute(_TABLES)}

    def handle_exception(self) -> None:
        """Prints what escaped a command; the base class does the rest."""
        error = sys.exception()
        if isinstance(error, BrokenPipeError):
            raise error
        if isinstance(error, _PRINTED) and not getattr(error, "_handle_exception_saw_this", False):
            mark_seen(error)
            text = str(error)
            if isinstance(error, UnicodeDecodeError):
                text = f"The input is not {error.encoding} text."
            elif isinstance(error, UnicodeEncodeError):
                text = unwritable(error)
            elif isinstance(error, OSError):
                text = unusable(error)
            self.write_error(f"Error: {escaped(text).rstrip()}\n")
        super().handle_exception()

    def handle_interrupt(self) -> None:
        """Ctrl-C: the statement ends, the shell goes on."""
        self._connection.interrupt()
        if not self.interactive:
            raise sys.exception() or KeyboardInterrupt
        words = " ".join(("Interrupted.", *notes_of(sys.exception())))
        self.write(self.stderr, f"{escaped(words)}\n")

    def get_line(self, prompt: str = "") -> str | None:
        """A line of input; a last statement without its semicolon gets one.

        Prompts go to the terminal wherever output goes. What another shell calls a command is one
        here too, where a statement could begin.
        """
        output, self.stdout = self.stdout, self._original_stdout
        try:
            line: str | None = super().get_line(prompt)
        except KeyboardInterrupt:
            if self.interactive:  # What was typed so far keeps its line.
                self.write(self.stderr, "\n")
            raise
        finally:
            self.stdout = output
        if line is None:
            if self.interactive:
                self._end_output()  # The base class ends the line of the prompt there.
            elif prompt == self.moreprompt and not self._input_ended:
                self._input_ended = True
                return ";"
            return None
        return (shell_command(line) or line) if prompt == self.prompt else line

    def process_command(self, command: str) -> None:
        """Runs a command by its name or the beginning of it.

        The rest of ``.explain`` is SQL and stays as it is.
        """
        typed, _, rest = command.strip().partition(" ")
        try:
            name = command_name(typed.removeprefix("."), self._commands)
        except LookupError as error:
            raise self.Error(str(error)) from None
        if name in ELSEWHERE:
            raise self.Error(ELSEWHERE[name])
        if name == "explain":
            self.command_explain([rest.strip()])
            return
        try:
            super().process_command(f".{name} {rest}")
        except ValueError as error:
            if isinstance(error, UnicodeError):
                raise
            raise self.Error(f".{name}: {error}.") from None  # Quotes that are not closed.

    # Completion

    def complete_sql(self, line: str, token: str, beg: int, end: int) -> list[str]:
        """Words that can stand here: names of our tables first, SQL's own after them."""
        ours = candidates(names_of(self._connection), line, beg)
        if ours.only:
            return matching(ours.words, token)
        usual = super().complete_sql(line, token, beg, end)
        return list(dict.fromkeys((*matching(ours.words, token), *usual)))

    def complete_command(self, line: str, token: str, beg: int, end: int) -> list[str]:
        """Words that can follow a dot command."""
        command = line.split(maxsplit=1)[0].lstrip(".") if line.strip() else ""
        if re.search(r"\s", line[:beg]):
            match command:
                case "help":
                    return matching([*reference.topics(self._reference()), "all"], token)
                case "inspect" | "schema":
                    return matching(names_of(self._connection).reachable(None), token)
                case "set":
                    return matching(BUDGETS, token)
                case "mode":
                    return matching(SQLITE_MODES, token)
                case "sources":
                    return matching([*self._connection.sources, "--check"], token)
                case "explain":
                    return self.complete_sql(line, token, beg, end)
        return list(super().complete_command(line, token, beg, end))


def _history_file() -> Path:
    """Where typed lines are kept, in a folder only the user can read."""
    history = user_folder("state", os.environ, sys.platform) / "history"
    with contextlib.suppress(OSError):
        make_private(history.parent)
        history.touch(mode=0o600)
    return history if history.exists() else Path(tempfile.mkdtemp()) / "history"

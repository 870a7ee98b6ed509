"""The interactive shell: APSW's, with our commands, completion, footers and errors.

Its hooks are methods by name: ``command_x`` is the command ``.x`` (its docstring is its help),
``output_x`` an output mode; see ``apsw.shell.Shell``. That class has no annotations.
"""

# mypy: allow-untyped-calls
# ruff: noqa: D403, D415  # APSW reads a command's help from its docstring: "name ARGUMENTS: what".

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, NoReturn

import apsw
import apsw.shell

from sessions_vtab.cli import help as reference
from sessions_vtab.cli.banner import banner
from sessions_vtab.cli.completion import candidates, matching
from sessions_vtab.cli.display import escaped, is_terminal
from sessions_vtab.cli.execution import Execution, execute
from sessions_vtab.cli.inspection import inspect_table, schema_text, table_lines
from sessions_vtab.cli.names import names_of
from sessions_vtab.cli.pages import text as page_text
from sessions_vtab.cli.progress import progress_of
from sessions_vtab.cli.script import split
from sessions_vtab.cli.session import can_describe, described
from sessions_vtab.cli.sources import checked, listed, require
from sessions_vtab.errors import SessionsError, notes_of
from sessions_vtab.spec.folders import make_private

if TYPE_CHECKING:
    from sessions_vtab.connection import Connection

__all__ = ["Shell", "interact"]

_OK, _FAILED = 0, 1
_VIRTUAL: Final = """SELECT 1 FROM main.sqlite_schema
    WHERE type = 'table' AND rootpage = 0 AND tbl_name LIKE ? LIMIT 1"""
_BUDGETS: Final = ("max_writes", "max_requests")
_REQUESTS: Final = """
    SELECT method, url, status, attempt, round(elapsed_ms, 1) AS ms, rows, error
    FROM main.http_requests ORDER BY number DESC LIMIT ?"""
_LAST_REQUESTS: Final = """
    SELECT method, url, status, attempt, round(elapsed_ms, 1) AS ms, rows, error
    FROM main.http_requests
    WHERE statement = (SELECT max(statement) FROM main.http_requests) ORDER BY number"""


def interact(connection: Connection, *, read_only: bool) -> int:
    """Runs the shell on the process' streams until its input ends; returns the exit status."""
    shell = Shell(connection, read_only=read_only)
    try:
        shell.cmdloop(banner(connection, read_only=read_only))
    except SystemExit as end:  # .exit and .quit
        status = end.code if isinstance(end.code, int) else _OK
    except BrokenPipeError:
        raise
    except (apsw.Error, SessionsError, apsw.shell.Shell.Error, OSError):
        return _FAILED  # Input that is not a terminal ends at the first error, which was printed.
    else:
        status = _OK
    if connection.in_transaction:
        shell.write_error("Error: the transaction was not committed and has been rolled back.\n")
        return status or _FAILED
    return status


class Shell(apsw.shell.Shell):
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
        self.prompt, self.moreprompt = "sessions> ", "     ...> "
        self.bail = not self.interactive
        if self.interactive:
            self.history_file = str(_history_file())
        self._set_output()

    def _set_output(self) -> None:
        if is_terminal(self.stdout):
            self.command_mode(["box"])
            self.box_options["text_width"] = 0
        else:
            self.command_mode(["csv"])
            self.header = True

    # Statements

    def process_sql(
        self, sql: str, bindings: Any = None, internal: bool = False, summary: Any = None
    ) -> None:
        """Runs statements, each with its footer; SQL of the shell's own goes the usual way."""
        if internal:
            super().process_sql(sql, bindings, internal, summary)
            return
        for statement in split(sql):
            if statement.text:
                self._run(statement.text, self.bindings if bindings is None else bindings)

    def _run(self, sql: str, bindings: Mapping[str, Any]) -> None:
        try:
            with (
                progress_of(self._connection) as end_progress,
                execute(self._connection, sql, bindings) as execution,
            ):
                if execution.columns:
                    self._show(execution, end_progress)
        except Exception as error:
            if not can_describe(error):
                raise
            self._fail(described(self._connection, error, sql, ".help"), error)
        if self.interactive:
            self.write(self.stdout, execution.footer + "\n")

    def _show(self, execution: Execution, end_progress: Callable[[], None]) -> None:
        """Prints rows the way the output mode wants them: all at once, or one by one."""
        safe = map(_escaped_row, execution.rows) if is_terminal(self.stdout) else execution.rows
        if getattr(self.output, "all_at_once", False):
            rows = list(safe)
            end_progress()
            if rows:
                self.output(execution.columns, rows)
            return
        end_progress()
        self.output(True, execution.columns)
        wants_position = self.output.__name__ in {"output_json", "output_jsonl"}
        for row in _positioned(safe, execution.columns) if wants_position else safe:
            self.output(False, row)

    def _fail(self, text: str, error: Exception) -> None:
        """Prints an error once; input that is not a terminal ends here."""
        self.stdout.flush()
        where = "" if self.interactive else f" in line {self.input_line_number}"
        self.write_error(f"Error{where}: {text}\n")
        _seen(error)
        raise error

    def handle_exception(self) -> None:
        """Prints what escaped a command; the base class does the rest."""
        error = sys.exception()
        if isinstance(error, BrokenPipeError):
            raise error
        mine = isinstance(error, apsw.Error | SessionsError | apsw.shell.Shell.Error | OSError)
        if mine and not getattr(error, "_handle_exception_saw_this", False):
            _seen(error)
            self.write_error(f"Error: {escaped(str(error)).rstrip()}\n")
        super().handle_exception()

    def handle_interrupt(self) -> None:
        """Ctrl-C: the statement ends, the shell goes on."""
        self._connection.interrupt()
        if not self.interactive:
            raise sys.exception() or KeyboardInterrupt
        words = " ".join(("Interrupted.", *notes_of(sys.exception())))
        self.write(self.stderr, f"{escaped(words)}\n")

    def get_line(self, prompt: str = "") -> str | None:
        """A line of input; a last statement without its semicolon gets one."""
        line: str | None = super().get_line(prompt)
        unfinished = prompt == self.moreprompt and not self.interactive
        if line is None and unfinished and not self._input_ended:
            self._input_ended = True
            return ";"
        return line

    def process_command(self, command: str) -> None:
        """Runs a dot command; the rest of ``.explain`` is SQL and stays as it is."""
        name, _, rest = command.partition(" ")
        if name == ".explain":
            self.command_explain([rest.strip()])
        else:
            super().process_command(command)

    # Commands

    def command_dump(self, cmd: Sequence[str]) -> None:
        """dump ?TABLE? [TABLE...]: Dumps tables of your own as SQL text

        For the tables of sources use sessions-vtab snapshot FILE.
        """
        if any(self.db.execute(_VIRTUAL, (one,)).fetchall() for one in cmd or ["%"]):
            self._connection.require_copyable("main", ".dump")
        super().command_dump(cmd)

    def command_backup(self, cmd: Sequence[str]) -> None:
        """backup ?DB? FILE: Copies an attached database of your own to FILE

        For the tables of sources use sessions-vtab snapshot FILE.
        """
        self._connection.require_copyable(cmd[0] if len(cmd) > 1 else "main", ".backup")
        super().command_backup(cmd)

    def command_tables(self, cmd: Sequence[str]) -> None:
        """tables ?PATTERN?: Lists tables and functions of every source

        PATTERN is as in LIKE.
        """
        for line in table_lines(names_of(self._connection), cmd[0] if cmd else "%"):
            self._line(line)

    def command_schema(self, cmd: Sequence[str]) -> None:
        """schema ?TABLE?: Shows tables as CREATE statements

        TABLE is a name, with or without a source before it.
        """
        for line in schema_text(self._connection, cmd[0] if cmd else None):
            self._line(line)

    def command_inspect(self, cmd: Sequence[str]) -> None:
        """inspect TABLE: Shows each column of a table and what the source can do with it

        "sent" are the operators that become part of a request, "written" says whether
        INSERT and UPDATE take the column.
        """
        if len(cmd) != 1:
            raise self.Error(".inspect requires the name of a table, such as .inspect sessions")
        columns, rows = inspect_table(self._connection, cmd[0])
        self._box(columns, rows)

    def command_sources(self, cmd: Sequence[str]) -> None:
        """sources ?--check? ?NAME? [NAME...]: Lists the sources; --check tests each one"""
        names = require(self._connection, [word for word in cmd if word != "--check"])
        if "--check" not in cmd:
            for line in listed(self._connection, names, read_only=self._read_only):
                self._line(line)
            return
        for line, failed in checked(self._connection, names):
            (self.write_error if failed else self._line)(escaped(line) + "\n" * failed)

    def command_explain(self, cmd: Sequence[str]) -> None:
        """explain SELECT ..: Shows what a statement would send, without sending it"""
        from sessions_vtab.cli.explain import explain  # noqa: PLC0415

        sql = " ".join(cmd).strip()
        if not sql:
            raise self.Error(
                ".explain requires a statement, such as .explain SELECT * FROM sessions"
            )
        try:
            for line in explain(self._connection, sql.rstrip("; "), self.bindings):
                self._line(line)
        except Exception as error:
            if not can_describe(error):
                raise
            self._fail(described(self._connection, error, sql, ".help"), error)

    def command_requests(self, cmd: Sequence[str]) -> None:
        """requests ?N?: Shows the requests of the last statement that made any, or the last N"""
        if cmd and not cmd[0].isdecimal():
            raise self.Error("the argument of .requests must be a number")
        query, values = (_REQUESTS, (int(cmd[0]),)) if cmd else (_LAST_REQUESTS, ())
        rows = self._connection.execute(query, values).fetchall()
        if rows:
            self._box(("method", "url", "status", "attempt", "ms", "rows", "error"), rows)
        else:
            self._line("No requests were made.")

    def command_set(self, cmd: Sequence[str]) -> None:
        """set ?max_writes|max_requests? ?N?: Shows or sets what one statement may do

        Without N the sources' own limits are in force again.
        """
        budget = self._connection.budget
        if not cmd:
            for name in _BUDGETS:
                limit = getattr(budget, name)
                self._line(f"{name}  {'set by each source' if limit is None else limit}")
            return
        name, *value = cmd
        if name not in _BUDGETS or len(value) > 1 or not all(v.isdecimal() for v in value):
            raise self.Error(
                ".set requires max_writes or max_requests, and optionally a whole number"
            )
        setattr(budget, name, int(value[0]) if value else None)

    def command_help(self, cmd: Sequence[str]) -> None:
        """help ?TABLE|FUNCTION|TOPIC|.COMMAND|all?: Shows the reference

        ".help all" lists every command of the shell, ".help .mode" explains one.
        """
        if cmd and (cmd[0] == "all" or cmd[0].startswith(".")):
            super().command_help([] if cmd[0] == "all" else list(cmd))
            return
        about = self._reference()
        page = reference.page(cmd[0], about) if cmd else reference.index(about)
        self.write(self.stdout, page_text(page, self._terminal_width(40)))
        if not cmd:
            self._line("\nShell commands: .help all")

    def command_quit(self, cmd: Sequence[str]) -> None:
        """quit: Exits the shell, like .exit"""
        self.command_exit(cmd)

    def _refuse(self) -> NoReturn:
        """Commands that would put another database in place of the sources."""
        raise self.Error(
            "The sources of a running shell cannot be changed. Start it again"
            " with --source [NAME=]URL."
        )

    def command_open(self, _cmd: Sequence[str]) -> None:
        """open: Not available: give sources with --source when starting the shell"""
        self._refuse()

    def command_close(self, _cmd: Sequence[str]) -> None:
        """close: Not available: the shell keeps its sources"""
        self._refuse()

    def command_connection(self, _cmd: Sequence[str]) -> None:
        """connection: Not available: the shell has one connection, with all sources"""
        self._refuse()

    def command_restore(self, _cmd: Sequence[str]) -> None:
        """restore: Not available: it would overwrite the sources' tables"""
        self._refuse()

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
                    return matching(_BUDGETS, token)
                case "sources":
                    return matching([*self._connection.sources, "--check"], token)
                case "explain":
                    return self.complete_sql(line, token, beg, end)
        return list(super().complete_command(line, token, beg, end))

    # Helpers

    def _terminal_width(self, minimum: int) -> int:
        """Columns of the terminal; 80 where it does not say."""
        columns: int = super()._terminal_width(0)
        return max(columns or 80, minimum)

    def _reference(self) -> reference.Reference:
        sources = [
            reference.SourceHelp(name, opened.backend, self._read_only or opened.settings.read_only)
            for name, opened in self._connection.sources.items()
        ]
        return reference.Reference(sources, ".help")

    def _line(self, text: str) -> None:
        self.write(self.stdout, escaped(text) + "\n")

    def _box(self, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Rows as a box on a terminal, as an aligned table elsewhere."""
        if is_terminal(self.stdout):
            self.output_box(columns, [_escaped_row(row) for row in rows])
            return
        from sessions_vtab.cli.formats import table  # noqa: PLC0415

        for piece in table(columns, rows):
            self.write(self.stdout, piece)


def _seen(error: Any) -> None:
    """Tells the base class that an error was printed."""
    error._handle_exception_saw_this = True  # noqa: SLF001  # APSW's own mark.


def _escaped_row(row: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(escaped(value) if isinstance(value, str) else value for value in row)


def _positioned(
    rows: Iterator[Sequence[Any]], columns: tuple[str, ...]
) -> Iterator[apsw.shell.Shell.Row]:
    """Rows that know whether they are the first or the last, as JSON output needs it."""
    previous, first = next(rows, None), True
    while previous is not None:
        following = next(rows, None)
        yield apsw.shell.Shell.Row(
            is_first=first, is_last=following is None, row=tuple(previous), columns=columns
        )
        previous, first = following, False


def _history_file() -> Path:
    """Where typed lines are kept, in a folder only the user can read."""
    state = os.environ.get("XDG_STATE_HOME", "")
    base = Path(state) if Path(state).is_absolute() else Path.home() / ".local" / "state"
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home())
    history = base / "sessions-vtab" / "history"
    with contextlib.suppress(OSError):
        make_private(history.parent)
        history.touch(mode=0o600)
    return history if history.exists() else Path(tempfile.mkdtemp()) / "history"

"""The shell's commands about tables, sources, requests and parameters.

A command's docstring is its help; see ``shell``.
"""

# mypy: allow-untyped-calls
# ruff: noqa: D403, D415  # APSW reads a command's help from its docstring: "name ARGUMENTS: what".

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, NoReturn

import apsw

from sessions_vtab.cli import help as reference
from sessions_vtab.cli.display import (
    Failed,
    Style,
    counted,
    escaped,
    is_terminal,
    style_for,
    terminal_size,
)
from sessions_vtab.cli.execution import describing_errors
from sessions_vtab.cli.formats import AUTO, laid_out
from sessions_vtab.cli.pages import text as page_text
from sessions_vtab.cli.settings import ShellSettings
from sessions_vtab.cli.sources import checked, listed, require
from sessions_vtab.cli.tables import (
    import_rows,
    inspect_table,
    parse_import,
    schema_text,
    table_lines,
)
from sessions_vtab.cli.terminal import PROGRESS, fitted
from sessions_vtab.errors import SessionsError, UnknownNameError
from sessions_vtab.hints import names_of

if TYPE_CHECKING:
    from sessions_vtab.connection import Connection


BUDGETS: Final = ("max_writes", "max_requests")
_REQUESTS: Final = """
    SELECT method, url, status, attempt, round(elapsed_ms, 1) AS ms, rows, error
    FROM main.http_requests ORDER BY number DESC LIMIT ?"""
_LAST_REQUESTS: Final = """
    SELECT method, url, status, attempt, round(elapsed_ms, 1) AS ms, rows, error
    FROM main.http_requests
    WHERE statement = (SELECT max(statement) FROM main.http_requests) ORDER BY number"""
_SIGNS: Final = ":@$"
_VIRTUAL: Final = """
    SELECT 1 FROM main.sqlite_schema
    WHERE type = 'table' AND rootpage = 0 AND tbl_name LIKE ? LIMIT 1"""
_INDEXES: Final = """
    SELECT name FROM (SELECT * FROM main.sqlite_schema UNION ALL SELECT * FROM sqlite_temp_schema)
    WHERE type = 'index' AND tbl_name LIKE ? ORDER BY name"""

_LEAST: Final = 8
"""Columns of the terminal that a value of our own tables keeps."""
_WIDE: Final = 110
"""Columns of a terminal that a table with texts for people needs."""


class Commands(ShellSettings):
    """The part of the shell that answers questions about its connection."""

    _connection: Connection
    _read_only: bool

    def command_tables(self, cmd: Sequence[str]) -> None:
        """tables ?PATTERN?: Lists tables and functions of every source

        PATTERN is as in LIKE.
        """
        room = terminal_size().columns if is_terminal(self.stdout) else None
        for line in table_lines(names_of(self._connection), cmd[0] if cmd else "%", room):
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
        try:
            columns, rows = inspect_table(self._connection, cmd[0])
        except UnknownNameError as error:
            try:
                own = "\n".join(schema_text(self._connection, cmd[0]))
            except UnknownNameError:
                raise error from None  # Not a table of the user's own either.
            self._line(own)
            return
        if is_terminal(self.stdout) and terminal_size().columns < _WIDE:
            self._box(columns[:-1], [row[:-1] for row in rows], keep=1)
            self._line(f".help {cmd[0]} says what each column means.")
        else:
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
        """explain SELECT ..: Shows what a statement would send, without sending it

        .explain --why SELECT .. also names the rule that decided about each condition.
        """
        from sessions_vtab.cli.explain import explain  # noqa: PLC0415

        sql = " ".join(cmd).strip()
        why = sql.startswith("--why ")
        sql = sql.removeprefix("--why ")
        if not sql:
            raise self.Error(
                ".explain requires a statement, such as .explain SELECT * FROM sessions"
            )
        with self._telling(sql):
            for line in explain(self._connection, sql.rstrip("; "), self.bindings, why=why):
                self._line(fitted(line) if is_terminal(self.stdout) else line)

    def command_requests(self, cmd: Sequence[str]) -> None:
        """requests ?N?: Shows the requests of the last statement that made any, or the last N"""
        if cmd and not cmd[0].isdecimal():
            raise self.Error("the argument of .requests must be a number")
        query, values = (_REQUESTS, (int(cmd[0]),)) if cmd else (_LAST_REQUESTS, ())
        from sessions_vtab.cli.explain import short_url  # noqa: PLC0415

        # On a terminal without the beginning, which all of them share: the rest would be cut.
        shown = short_url if is_terminal(self.stdout) else str
        found = self._connection.execute(query, values)
        rows = [(method, shown(str(url)), *others) for method, url, *others in found]
        if rows:
            self._box(("method", "url", "status", "attempt", "ms", "rows", "error"), rows)
        else:
            self._line("No requests were made.")

    def command_import(self, cmd: Sequence[str]) -> None:
        """import ?OPTIONS? FILE TABLE: Inserts the rows of a CSV file into TABLE

        A TABLE that does not exist is created, with columns named by the first record. OPTIONS:
        --csv, --tabs, --skip N for records to leave out, --null TEXT for a text that stands for
        NULL, --schema NAME.
        """
        wanted = parse_import(cmd)
        with PROGRESS.of_statement():
            count, created = import_rows(self._connection, wanted)
        if self.interactive:
            self._note(f"{counted(count, 'row')} imported into {escaped(wanted.table)}.")
        if created and self.interactive and wanted.schema in (None, "main"):
            self._say_what_is_not_kept({(wanted.table, "table")})

    def command_parameter(self, cmd: Sequence[str]) -> None:
        """parameter CMD ..: Maintains the values of parameters

        list shows them, clear removes all of them, "set NAME VALUE" and "unset NAME" change one.
        NAME is as in the statement, or without its sign. VALUE is an SQL expression; anything
        else is text.
        """
        match list(cmd):
            case ["set", name, value]:
                self.bindings[name.lstrip(_SIGNS)] = self._value(value)
            case ["unset", name]:
                if self.bindings.pop(name.lstrip(_SIGNS), self) is self:
                    raise self.Error(f"The parameter {name} has no value")
            case ["list" | "clear" | "init"]:
                super().command_parameter(cmd)
            case _:
                raise self.Error(
                    ".parameter requires list, clear, set NAME VALUE or unset NAME, such as"
                    " .parameter set :user 'ann'"
                )

    def _value(self, text: str) -> Any:
        """The value of an SQL expression; any other text stands for itself.

        Double quotes are taken off first, as the sqlite3 shell does: ``"'555-01'"`` is a text.
        """
        plain = " ".join(shlex.split(text))
        expression = plain if text.startswith('"') else text
        try:
            return self._connection.execute(f"SELECT ({expression})").get
        except (apsw.Error, SessionsError):
            return plain

    def command_indexes(self, cmd: Sequence[str]) -> None:
        """indexes ?TABLE?: Lists the indexes of your own tables

        The sources' tables have keys, not indexes: see .inspect.
        """
        rows = self._connection.execute(_INDEXES, (cmd[0] if cmd else "%",))
        for (name,) in rows:
            self._line(str(name))

    def command_indices(self, cmd: Sequence[str]) -> None:
        """indices ?TABLE?: Lists the indexes of your own tables, like .indexes"""
        self.command_indexes(cmd)

    def command_fullschema(self, _cmd: Sequence[str]) -> None:
        """fullschema: Shows all tables as CREATE statements, like .schema"""
        self.command_schema([])

    def command_set(self, cmd: Sequence[str]) -> None:
        """set ?max_writes|max_requests? ?N?: Shows or sets what one statement may do

        Without N the sources' own limits are in force again.
        """
        budget = self._connection.budget
        if not cmd:
            for name in BUDGETS:
                limit = getattr(budget, name)
                self._line(f"{name}  {'set by each source' if limit is None else limit}")
            return
        name, *value = cmd
        if name not in BUDGETS or len(value) > 1 or not all(v.isdecimal() for v in value):
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

    @contextlib.contextmanager
    def _telling(self, sql: str) -> Iterator[None]:
        """A block that works for a statement: what fails is told with its place and hints."""
        try:
            with describing_errors(self._connection, sql, lambda: ".help"):
                yield
        except Failed as error:
            self.stdout.flush()
            where = "" if self.interactive else f" in line {self.input_line_number}"
            where = where if self.input_line_number else ""  # A statement of the command line.
            self.write_error(f"Error{where}: {error}\n")
            # Printed once; input that is not a terminal ends here.
            cause = error.__cause__ or error
            mark_seen(cause)
            raise cause from cause.__cause__

    def _terminal_width(self, minimum: int) -> int:
        """Columns of the terminal; 80 where it does not say."""
        columns: int = super()._terminal_width(0)
        return max(columns or 80, minimum)

    def _reference(self) -> reference.Reference:
        sources = tuple(self._connection.sources.values())
        return reference.Reference(sources, ".help", read_only=self._read_only)

    def _line(self, text: str) -> None:
        self.write(self.stdout, escaped(text) + "\n")

    def _box(self, columns: Sequence[str], rows: Sequence[Sequence[Any]], *, keep: int = 0) -> None:
        """Rows of our own as a table, of which the first columns are never cut."""
        style = style_for(self.stdout, Style(least=_LEAST, keep=keep))
        form = AUTO if is_terminal(self.stdout) else "table"
        self._emit(laid_out(form, columns, rows, style, lambda _: None))

    def _say_what_is_not_kept(self, created: set[tuple[str, str]]) -> None:
        for name, kind in created:
            self._note(f"The {kind} {escaped(name)} is kept in memory and ends with this shell.")
            self._note(
                f"To keep tables: ATTACH 'file.db' AS f; CREATE TABLE f.{escaped(name)} .."
                if kind == "table"
                else "To keep views, write them to a file and start with: sessions-vtab -init FILE"
            )


def mark_seen(error: Any) -> None:
    """Tells the base class that an error was printed."""
    error._handle_exception_saw_this = True  # noqa: SLF001  # APSW's own mark.

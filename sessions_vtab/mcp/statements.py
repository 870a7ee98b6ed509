"""One statement on one connection: its cost, what it may be, its result, its errors in words."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from mcp.server.mcpserver.exceptions import ToolError
from typing_extensions import TypedDict

from sessions_vtab import Connection, dbapi
from sessions_vtab.cli.execution import described
from sessions_vtab.cli.explain import Expected, expected, explain
from sessions_vtab.cli.readings import examine
from sessions_vtab.contract.values import dump_json
from sessions_vtab.dbapi.cursor import CONTROL
from sessions_vtab.dbapi.errors import translated
from sessions_vtab.dbapi.types import bound
from sessions_vtab.errors import BudgetError, SessionsError, UnsupportedError
from sessions_vtab.hints import mentions, names_of
from sessions_vtab.sql.lexer import StatementKind

Parameters = Mapping[str, Any] | Sequence[Any] | None
"""Values of a statement's parameters, by name or in order."""

_HELP: Final = "describe"
_CHANGES: Final = frozenset(("INSERT", "REPLACE", "UPDATE", "DELETE"))
# SQLite's other statements, by https://sqlite.org/lang.html: they define something, or would leave
# a transaction open that the next call, of whatever client, would find.
_OTHERS: Final = CONTROL | frozenset(
    ("CREATE", "DROP", "ALTER", "ATTACH", "DETACH", "VACUUM", "ANALYZE", "REINDEX")
)
_NOT_SENT: Final = (
    "SELECT row, outcome, error FROM main.writes WHERE error IS NOT NULL ORDER BY number LIMIT 10"
)
_TRUNCATED: Final = (
    "There are more rows. Narrow the statement with WHERE, aggregate, ask for fewer columns, or"
    " raise max_rows."
)


@dataclass(frozen=True, slots=True)
class CallLimits:
    """What one call may cost.

    Attributes:
        max_requests: HTTP requests.
        max_rows: rows of a result, whatever the call asks for.
        max_bytes: bytes of the rows as JSON.
        timeout: seconds its statement may take.
    """

    max_requests: int = 200
    max_rows: int = 1_000
    max_bytes: int = 100_000
    timeout: float = 60.0


def report(connection: Connection, sql: str, parameters: Parameters) -> str:
    """The text of ``sessions-vtab explain``: what is sent, what is checked here, the requests.

    Raises:
        SessionsError, apsw.Error: the statement cannot be prepared, or lacks something required.
    """
    bindings: Any = parameters or {}
    return "\n".join(explain(connection, sql, bindings))


def require_within(connection: Connection, sql: str, parameters: Parameters) -> None:
    """Refuses a query before it starts if its plan expects more requests than the budget has.

    A statement that cannot be planned passes: its own error says more.

    Raises:
        BudgetError: with the text of explain.
    """
    most, planned = connection.budget.max_requests, Expected(0)
    bindings: Any = parameters or {}
    with suppress(dbapi.Error), translated():
        planned = expected(examine(connection, sql, bindings), sql)
    if most is not None and planned.count > most:
        raise BudgetError(
            f"The statement is expected to make {planned} requests, and a call may make {most}"
            " (max_requests). Nothing was sent. Narrow it with WHERE or LIMIT.\n"
            f"{report(connection, sql, parameters)}"
        )


class ResultColumn(TypedDict):
    """A column of a result: its name, and its type where it is a column of a table."""

    name: str
    type: str | None


class QueryResult(TypedDict):
    """The result of a statement.

    Attributes:
        columns: of each row, in order.
        rows: values as JSON; JSON columns hold text, blobs base64.
        truncated: there are more rows than ``rows`` has.
        changed: rows that a statement wrote.
        requests: HTTP requests it made.
        hints: what to do about a result that is not whole.
    """

    columns: list[ResultColumn]
    rows: list[list[Any]]
    truncated: bool
    changed: int
    requests: int
    hints: list[str]


@dataclass(frozen=True, slots=True)
class SqlCall:
    """SQL with the values of its parameters."""

    sql: str
    parameters: Parameters = None

    def bound(self) -> Parameters:
        """The parameters as SQLite takes them: arrays and objects become JSON text.

        Raises:
            dbapi.DataError: a value that SQLite has no type for.
        """
        given = {} if self.parameters is None else self.parameters
        scalars: Parameters
        if isinstance(given, Mapping):
            scalars = {name.lstrip(":@$"): _scalar(value) for name, value in given.items()}
        else:
            scalars = [_scalar(value) for value in given]
        checked: Parameters = bound(scalars)
        return checked


def _scalar(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value


def executed(
    connection: dbapi.Connection,
    call: SqlCall,
    max_rows: int,
    limits: CallLimits,
    *,
    writing: bool = False,
) -> QueryResult:
    """The result of a query; or of a statement that writes, with the rows of RETURNING.

    Raises:
        ToolError: it may not run here, is expected to make too many requests, or failed; with what
            became of the rows it wrote.
    """
    with _in_words(connection, call):
        (_require_writing if writing else _require_query)(connection, call.sql)
        with _timed(connection):
            require_within(connection.driver, call.sql, call.bound())
        with connection.cursor() as cursor:
            cursor.execute(call.sql, call.bound())
            described_columns = cursor.description or ()
            rows = cursor.fetchmany(max_rows + 1) if described_columns else []
            changed = max(cursor.rowcount, 0)
        columns: list[ResultColumn] = [
            {"name": name, "type": None if code is None else str(code)}
            for name, code, *_ in described_columns
        ]
        shown, full = fit([one["name"] for one in columns], rows[:max_rows], limits.max_bytes)
        truncated = full or len(rows) > max_rows
        return {
            "columns": columns,
            "rows": shown,
            "truncated": truncated,
            "changed": changed,
            "requests": connection.driver.statement_requests,
            "hints": [_TRUNCATED] if truncated else [],
        }


def explained(connection: dbapi.Connection, call: SqlCall) -> str:
    """The text of explain. Sends nothing.

    Raises:
        ToolError: the statement cannot be prepared.
    """
    with _in_words(connection, call), _timed(connection), translated():
        return report(connection.driver, call.sql, call.bound())


def require_write(connection: dbapi.Connection, call: SqlCall) -> str:
    """What a statement that ``executed`` accepts for writing does: ``insert in prod.events``.

    Raises:
        ToolError: it is not accepted.
    """
    with _in_words(connection, call):
        what = _require_writing(connection, call.sql)
        if _only_one(connection, call.sql).changes:
            # What cannot be prepared is refused before anybody is asked about it.
            with _timed(connection), translated():
                report(connection.driver, call.sql, call.bound())
        return what


# What a tool accepts.


def _require_query(connection: dbapi.Connection, sql: str) -> None:
    kind = _only_one(connection, sql)
    if kind.verb in _CHANGES | _OTHERS and not kind.explain:
        raise UnsupportedError(
            f"The tool query accepts only a SELECT, not {kind.verb}. Nothing was"
            " sent. Writing is for the tool write, if the server was started with --writable."
        )


def _require_writing(connection: dbapi.Connection, sql: str) -> str:
    """What a statement does to which table, or the function with side effects that it calls."""
    kind = _only_one(connection, sql)
    if kind.explain or kind.verb in _OTHERS | {"PRAGMA"}:
        raise UnsupportedError(
            "The tool write accepts only INSERT, UPDATE, DELETE, and SELECT from a function with"
            f" side effects, not {kind.explain or kind.verb}. Nothing was sent."
        )
    with translated():
        target = connection.driver.target(sql)
        called = _functions(connection, sql)
    if target is not None:
        return f"{target[1]} in {target[0].source}.{target[0].table.name}"
    if kind.reads and not called:
        raise UnsupportedError("The statement only reads. Nothing was sent. Use the tool query.")
    return ", ".join(called) or kind.verb.lower()


def _functions(connection: dbapi.Connection, sql: str) -> list[str]:
    """The functions with side effects that a statement names."""
    driver = connection.driver
    found = []
    for one in mentions(sql, names_of(driver)):
        schema, _, name = one.name.rpartition(".")
        source = driver.sources.get(schema or driver.default)
        backend = None if source is None else source.backend
        if backend is not None and name.lower() in backend.routines:
            found += [f"{one.name}()"] if backend.functions[name.lower()].effect else []
    return found


def _only_one(connection: dbapi.Connection, sql: str) -> StatementKind:
    with translated():
        kinds = connection.driver.statement_kinds(sql)
    if len(kinds) != 1:
        raise UnsupportedError(f"The tool runs one statement, and {len(kinds)} were given.")
    return kinds[0]


@contextmanager
def _timed(connection: dbapi.Connection) -> Iterator[None]:
    """Limits the time of planning, which computes what a query reads from no source."""
    clock = connection.clock()
    if clock is None:
        yield
        return
    try:
        with clock.running():
            yield
    except dbapi.Error:
        if not clock.fired:
            raise
        raise dbapi.OperationalError(
            f"Planning the statement took longer than {clock.seconds:g} s and was stopped."
        ) from None


# Errors.


@contextmanager
def _in_words(connection: dbapi.Connection, call: SqlCall) -> Iterator[None]:
    """Raises what fails in the block as an error for the model: message, hint and near names."""
    try:
        yield
    except (dbapi.Error, SessionsError) as error:
        _fail(connection, call, error)


def _fail(connection: dbapi.Connection, call: SqlCall, error: Exception) -> NoReturn:
    cause = error.__cause__ if isinstance(error, dbapi.Error) else error
    words = [_words(connection, call.sql, error, cause)]
    if isinstance(cause, BudgetError) and isinstance(error, dbapi.Error):
        # It ran out of requests; what it would have read shows where to narrow it.
        with suppress(dbapi.Error), translated():
            words.append(report(connection.driver, call.sql, call.bound()))
    with suppress(dbapi.Error):
        words += _outcomes(connection)
    raise ToolError("\n".join(words)) from error


def _words(
    connection: dbapi.Connection, sql: str, error: Exception, cause: BaseException | None
) -> str:
    known = isinstance(cause, SessionsError) or isinstance(error, dbapi.ProgrammingError)
    if not (known and isinstance(cause, Exception)) or isinstance(cause, KeyError):
        return str(error)
    return described(connection.driver, cause, sql, _HELP)


def _outcomes(connection: dbapi.Connection) -> Iterator[str]:
    """What became of the rows of a write: the table ``writes`` is emptied after the call."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT outcome, count(*) FROM main.writes GROUP BY outcome ORDER BY outcome"
        )
        counted = ", ".join(f"{count} {outcome}" for outcome, count in cursor.fetchall())
        if not counted:
            return
        yield f"Rows by outcome: {counted}."
        cursor.execute(_NOT_SENT)
        yield from (f"Row {row}: {outcome}: {error}" for row, outcome, error in cursor.fetchall())


# Results.

_VALUES: Final = 10
"""Values of the largest size that fit into a result."""
_LONGEST: Final = 6
"""Bytes of a character in JSON at most: ``\\u0001``."""
_SHORTEST: Final = 100
"""Bytes to which a value is never cut, however many columns there are."""


def fit(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], max_bytes: int
) -> tuple[list[list[Any]], bool]:
    """As many rows as fit into a result, with long values cut.

    A cut value ends in a mark that says how long the whole is, and the expression that selects
    the rest. The first row is always there.

    Args:
        columns: names of the columns.
        rows: values as SQLite returns them.
        max_bytes: bytes of the rows as JSON.

    Returns:
        The rows as JSON values, and whether rows were left out.
    """
    widest = max(_SHORTEST, max_bytes // max(_VALUES, len(columns)))
    kept: list[list[Any]] = []
    spent = 0
    for row in rows:
        shown = [_shown(value, name, widest) for value, name in zip(row, columns, strict=True)]
        spent += _size(shown)
        if kept and spent > max_bytes:
            return kept, True
        kept.append(shown)
    return kept, False


def _shown(value: Any, column: str, widest: int) -> Any:
    """A value as JSON has it, cut if it is too long."""
    if isinstance(value, bytes):
        # Three bytes are four characters of base64.
        kept = len(value) if len(value) * 4 <= widest * 3 else widest // 4 * 3
        return base64.b64encode(value[:kept]).decode("ascii") + _mark(value, kept, "bytes", column)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if not isinstance(value, str) or len(value) * _LONGEST <= widest:
        return value
    size = _size(value)
    kept = len(value) if size <= widest else max(1, len(value) * widest // size)
    return value[:kept] + _mark(value, kept, "characters", column)


def _mark(value: str | bytes, kept: int, unit: str, column: str) -> str:
    """What is written after a value that was cut; SQLite's substr() counts in the same unit."""
    if kept == len(value):
        return ""
    return f".. [cut: {kept} of {len(value)} {unit}; the rest: substr({column}, {kept + 1})]"


def _size(value: Any) -> int:
    return len(dump_json(value).encode())

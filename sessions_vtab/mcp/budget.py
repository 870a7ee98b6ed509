"""What one call may cost, and how large its result may be."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from sessions_vtab import Connection
from sessions_vtab.cli.explain import examine, explain
from sessions_vtab.cli.readings import Expected, expected
from sessions_vtab.contract.values import dump_json
from sessions_vtab.dbapi import Error
from sessions_vtab.dbapi.errors import translated
from sessions_vtab.errors import BudgetError

__all__ = ["CallLimits", "Parameters", "fit", "report", "require_within"]

Parameters = Mapping[str, Any] | Sequence[Any] | None
"""Values of a statement's parameters, by name or in order."""

_VALUES: Final = 10
"""Values of the largest size that fit into a result."""
_LONGEST: Final = 6
"""Bytes of a character in JSON at most: ``\\u0001``."""
_SHORTEST: Final = 100
"""Bytes to which a value is never cut, however many columns there are."""


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
    return "\n".join(explain(connection, sql, _bindings(parameters)))


def require_within(connection: Connection, sql: str, parameters: Parameters) -> None:
    """Refuses a query before it starts if its plan expects more requests than the budget has.

    A statement that cannot be planned passes: its own error says more.

    Raises:
        BudgetError: with the text of explain.
    """
    most, planned = connection.budget.max_requests, Expected(0)
    with suppress(Error), translated():
        planned = expected(examine(connection, sql, _bindings(parameters)), sql)
    if most is not None and planned.count > most:
        raise BudgetError(
            f"The statement is expected to make {planned} requests, and a call may make {most}"
            " (max_requests). Nothing was sent. Narrow it with WHERE or LIMIT.\n"
            f"{report(connection, sql, parameters)}"
        )


def _bindings(parameters: Parameters) -> Any:
    return parameters or {}


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

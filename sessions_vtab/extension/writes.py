"""``xUpdate`` and the steps of a transaction, as the extension passes them on."""

from __future__ import annotations

from typing import Any, Final

import apsw

from sessions_vtab.errors import UnsupportedError
from sessions_vtab.sql.lexer import TokenKind, tokenize
from sessions_vtab.vtab.function import FunctionTable
from sessions_vtab.vtab.table import SourceTable

__all__ = ["step", "write"]

_STEPS: Final = {"b": "Begin", "s": "Sync", "c": "Commit", "r": "Rollback"}
_LEVELS: Final = {"S": "Savepoint", "L": "Release", "R": "RollbackTo"}


def write(table: SourceTable | FunctionTable, values: tuple[Any, ...], text: str) -> None:
    """Writes one row.

    Args:
        table: a table of a source.
        values: as ``xUpdate`` has them (https://sqlite.org/vtab.html#xupdate); Ellipsis for a
            column that an UPDATE does not set.
        text: of the statement, with its first row; else empty.

    Raises:
        SessionsError: the row was refused.
    """
    if not isinstance(table, SourceTable):
        raise UnsupportedError("Functions have no rows to write.")
    if any(one.kind is TokenKind.WORD and one.upper == "RETURNING" for one in tokenize(text)):
        # SQLite answers it with what the statement gives: NULL for all that the server sets.
        raise UnsupportedError(
            f"RETURNING is not supported here. SELECT from {table.title} afterwards, call a"
            " function, or use sessions_vtab.connect(). Nothing was sent."
        )
    if len(values) == 1:
        table.UpdateDeleteRow(values[0])
        return
    old, _, *fields = (apsw.no_change if value is ... else value for value in values)
    if old is None:
        table.UpdateInsertRow(None, tuple(fields))
        return
    new = old if fields[table.key] is apsw.no_change else fields[table.key]
    table.UpdateChangeRow(old, new, tuple(fields))


def step(table: SourceTable | FunctionTable, hook: str, level: int) -> None:
    """Passes on a step of the transaction.

    Args:
        table: the table that takes part in it.
        hook: which, as a letter: see ``bridge.h``.
        level: of a savepoint.
    """
    if hook in _STEPS:
        getattr(table, _STEPS[hook])()
    else:
        getattr(table, _LEVELS[hook])(level)

"""A read whose condition is SQL: a connection runs it, so SQLite judges every row."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from sessions_vtab.contract.model import quoted
from sessions_vtab.contract.predicate import Op
from sessions_vtab.contract.source import Source
from sessions_vtab.contract.values import dump_json
from sessions_vtab.errors import InvalidValueError
from sessions_vtab.scanning.model import PartCondition
from sessions_vtab.scanning.rows import DEFAULT_BUDGET, TableRead

if TYPE_CHECKING:
    from sessions_vtab.connection import Connection

__all__ = ["condition", "selected"]

_CHUNK: Final = 500


def condition(source: Source, table: str, where: str, question: TableRead | None = None) -> str:
    """A condition that SQLite accepts for the table; nothing is sent.

    Args:
        source: the source.
        table: the table.
        where: what would follow WHERE.
        question: what else is asked, which may give a key that the table requires.

    Raises:
        InvalidValueError: it is not an expression, or names what the table does not have.
        MissingParameterError: the table cannot be read with these conditions.
    """
    import apsw  # noqa: PLC0415  # A read without a condition loads no SQLite.

    from sessions_vtab.sql.expression import check_condition  # noqa: PLC0415

    checked = check_condition(where, table)
    with _connected(source) as connection:
        key = connection.sources[source.name].backend.resources[table].table.key
        asked = question or TableRead((key,))
        text = f"EXPLAIN {_text(source, table, asked, checked)}"
        try:
            connection.execute(text, [_value(one) for one in asked.conditions]).fetchall()
        except apsw.SQLError as error:
            raise InvalidValueError(
                f"{source.name}.{table}: the condition cannot be used: {error}."
            ) from error
    return checked


def selected(
    source: Source, table: str, question: TableRead, where: str, limit: int | None = None
) -> Iterator[list[tuple[Any, ...]]]:
    """The rows of a table that satisfy a condition and the question's own conditions.

    Args:
        source: the source; it is opened while rows are read.
        table: the table.
        question: what is read.
        where: as ``condition`` has checked it.
        limit: most requests; None for ``DEFAULT_BUDGET``.

    Raises:
        BudgetError: it takes more requests.
        SessionsError: what the source raises.
    """
    with _connected(source) as connection:
        connection.budget.max_requests = DEFAULT_BUDGET if limit is None else limit
        values = [_value(one) for one in question.conditions]
        cursor = connection.execute(_text(source, table, question, where), values)
        try:
            while rows := list(islice(cursor, _CHUNK)):
                yield rows
        finally:
            cursor.close(True)


def _text(source: Source, table: str, question: TableRead, where: str) -> str:
    listed = ", ".join(map(quoted, question.columns))
    # On lines of its own: the condition may end in a comment.
    conditions = [f"(\n{where}\n)", *map(_written, question.conditions)]
    text = f"SELECT {listed} FROM {quoted(source.name)}.{quoted(table)}"
    text += f" WHERE {' AND '.join(conditions)}"
    if question.order:
        terms = (quoted(one.column) + " DESC" * one.descending for one in question.order)
        text += f" ORDER BY {', '.join(terms)}"
    if question.limit is not None:
        text += f" LIMIT {question.limit}"
    return text


def _written(one: PartCondition) -> str:
    if one.op is Op.IN:
        return f"{quoted(one.column)} IN (SELECT value FROM json_each(?))"
    return f"{quoted(one.column)} {one.op} ?"


def _value(one: PartCondition) -> Any:
    return dump_json(list(one.values)) if one.op is Op.IN else one.values[0]


@contextmanager
def _connected(source: Source) -> Iterator[Connection]:
    """A connection on the source alone: no configuration file adds views or start-up SQL."""
    from sessions_vtab.connection import connect  # noqa: PLC0415

    connection = connect(sources=[source], config=os.devnull, read_only=True)
    try:
        yield connection
    finally:
        connection.close()

"""Tables and parts of them as Arrow batches of the declared schema."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any, Final

from sessions_vtab.columnar import Declared, Unit, require_pyarrow
from sessions_vtab.contract.backend import Source
from sessions_vtab.contract.model import Column
from sessions_vtab.contract.predicate import Value
from sessions_vtab.contract.scan import Order
from sessions_vtab.errors import InvalidValueError
from sessions_vtab.scanning.parts import (
    Part,
    columns_of,
    equal_to,
    opened,
    paced,
    resolved,
    resource_of,
)
from sessions_vtab.scanning.rows import ScanContext, TableRead, condition, pages_of, selected

_ROWS: Final = 4_096
"""Rows of a batch, and of one page more: what a read keeps in memory."""

_HINT: Final = "Leave the column out of columns, or read times with unit='us'."


def schema_of(
    source: str | Source, table: str, columns: Sequence[str] | None = None, *, unit: Unit = "ns"
) -> Any:
    """The ``pyarrow.Schema`` of a table, by declaration. Nothing is sent.

    Args:
        source: a URL, the name of a source in the configuration file, or settings.
        table: name of the table.
        columns: names of columns; those of ``SELECT *`` unless given.
        unit: of times; ``us`` for engines and files without nanoseconds.

    Raises:
        UnknownNameError: there is no such source, table or column.
        MissingExtraError: pyarrow is not installed.
    """
    settings = resolved(source)
    return _declared(_columns(settings, table, columns), unit).schema


def read(  # What every engine calls.
    part: Part,
    columns: Sequence[str] | None = None,
    *,
    where: str | None = None,
    requests_per_minute: int | None = None,
    limit: int | None = None,
    max_requests: int | None = None,
    unit: Unit = "ns",
) -> Any:
    """The rows of a part as a ``pyarrow.RecordBatchReader``.

    Args:
        part: of ``split``.
        columns: names of columns; those of ``SELECT *`` unless given.
        where: further condition on the table, as SQL; rows for which it is true are returned.
        requests_per_minute: limit of the requests that this process makes for the source.
        limit: most rows; lists are then read one after the other, not many at once.
        max_requests: most requests of this read; default 100 000.
        unit: as for ``schema_of``.

    Raises:
        InvalidValueError: ``where`` is not a valid condition; from the reader: a value that the
            declared type cannot hold.
        UnknownNameError: there is no such column.
        SessionsError: from the reader, what the source raises.
    """
    source = paced(part.source, requests_per_minute)
    wanted = _columns(source, part.table, columns)
    question = TableRead(tuple(one.name for one in wanted), part.selected, limit=limit)
    given = [one for one in (part.where, where) if one]
    checked = [f"(\n{condition(source, part.table, one, question)}\n)" for one in given]
    found = pages(source, part.table, question, " AND ".join(checked), max_requests)
    return _reader(_declared(wanted, unit), found)


def scan(
    source: str | Source,
    table: str,
    columns: Sequence[str] | None = None,
    *,
    keys: Mapping[str, Value | Sequence[Value]] | None = None,
    order: str | Sequence[str] | None = None,
    max_requests: int | None = None,
    unit: Unit = "ns",
) -> Any:
    """The rows of a table as a ``pyarrow.RecordBatchReader``, without SQLite.

    Args:
        source: as for ``schema_of``.
        table: name of the table.
        columns: names of columns; those of ``SELECT *`` unless given.
        keys: by column, the value that rows must have, or several of which any will do. Each is
            compared as it is: text with text, a number with a number, a time with any form of it.
        order: columns to order by, each as ``column`` or ``column desc``; only what the source
            orders by itself.
        max_requests: most requests; default 100 000.
        unit: as for ``schema_of``.

    Raises:
        UnsupportedError: the source cannot order so.
        MissingParameterError: the table cannot be read without a key.
        UnknownNameError: there is no such source, table or column.
        SessionsError: from the reader, what the source raises.
    """
    settings = resolved(source)
    wanted = _columns(settings, table, columns)
    conditions = equal_to(keys or {})
    orders = _orders(order)
    names = [one.column for one in conditions] + [one.column for one in orders]
    if names:
        _columns(settings, table, names)
    question = TableRead(tuple(one.name for one in wanted), conditions, orders)
    return _reader(_declared(wanted, unit), pages(settings, table, question, "", max_requests))


def pages(
    source: Source, table: str, question: TableRead, where: str = "", limit: int | None = None
) -> Generator[list[tuple[Any, ...]], None, None]:
    """The rows of a table as they arrive; with ``where``, by SQL.

    Args:
        source: the source; it is open while rows are read.
        table: the table.
        question: what is read.
        where: condition in SQL that was checked; '' for none.
        limit: most requests; None for the default.
    """
    if where:
        with opened(source):  # Its rate limit lasts longer than the connection.
            yield from selected(source, table, question, where, limit)
        return
    with opened(source) as backend, closing(ScanContext(source.name, table, limit)) as context:
        resource = resource_of(source, backend, table)
        found = pages_of(resource, question, context, f"{source.name}.{table}")
        with closing(found):
            yield from found


def _columns(source: Source, table: str, names: Sequence[str] | None) -> tuple[Column, ...]:
    with opened(source) as backend:
        resource = resource_of(source, backend, table)
        return columns_of(f"{source.name}.{table}", resource.table, names)


def _declared(columns: Sequence[Column], unit: Unit) -> Declared:
    if unit not in {"ns", "us"}:
        raise InvalidValueError(f"unit must be 'ns' or 'us', not {unit!r:.20}.")
    return Declared([(one.name, one.type) for one in columns], unit=unit, hint=_HINT)


def _orders(order: str | Sequence[str] | None) -> tuple[Order, ...]:
    return tuple(map(_order, (order,) if isinstance(order, str) else order or ()))


def _order(term: str) -> Order:
    column, _, direction = term.strip().partition(" ")
    if direction.strip().lower() not in {"", "asc", "desc"}:
        raise InvalidValueError(f"order must be a column, or a column and desc, not {term!r:.60}.")
    return Order(column, direction.strip().lower() == "desc")


def _reader(declared: Declared, found: Iterator[list[tuple[Any, ...]]]) -> Any:
    batches = (declared.batch(rows) for rows in _batched(found))
    return require_pyarrow().RecordBatchReader.from_batches(declared.schema, batches)


def _batched(found: Iterator[list[tuple[Any, ...]]]) -> Iterator[list[tuple[Any, ...]]]:
    """Pages put together until they make a batch."""
    rows: list[tuple[Any, ...]] = []
    for page in found:
        rows.extend(page)
        while len(rows) >= _ROWS:
            yield rows[:_ROWS]
            rows = rows[_ROWS:]
    if rows:
        yield rows

"""Rows checked against the columns of their table: by the test kit, and where it is asked for."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

from sessions_vtab.contract import times
from sessions_vtab.contract.backend import Backend, Context, Resource
from sessions_vtab.contract.model import ColumnType, Table
from sessions_vtab.contract.scan import Page, Scan

__all__ = ["CHECKED", "rows_checked", "with_checked_rows", "wrong_row"]

CHECKED: Final = "SESSIONS_VTAB_CHECK_ROWS"
"""Environment variable: ``1`` checks every row that a backend returns, which takes time."""


def with_checked_rows(backend: Backend) -> Backend:
    """The same backend; a row that is not as declared raises TypeError, naming table and column."""
    for resource in backend.resources.values():
        _check(resource)
    return backend


@contextmanager
def rows_checked(resource: Resource) -> Iterator[None]:
    """Inside the block, a row of the table that is not as declared raises TypeError."""
    before = vars(resource).get("scan")
    _check(resource)
    try:
        yield
    finally:
        del vars(resource)["scan"]
        if before is not None:
            vars(resource)["scan"] = before


def _check(resource: Resource) -> None:
    vars(resource)["scan"] = partial(_checked, resource.table, resource.scan)


def _checked(
    table: Table, read: Callable[[Scan, Context], Iterator[Page]], scan: Scan, context: Context
) -> Iterator[Page]:
    wanted = max((table.positions[name] + 1 for name in scan.columns), default=0)
    pages = read(scan, context)
    if not isinstance(pages, Iterator):
        raise TypeError(
            f"{table.name}: scan() must return an iterator of pages, each a list of rows, not"
            f" {pages!r:.80}"
        )
    for page in pages:
        rows = list(page)
        for row in rows:
            wrong = wrong_row(table, row, wanted)
            if wrong is not None:
                raise TypeError(wrong)
        yield rows


def wrong_row(table: Table, row: object, wanted: int | None = None) -> str | None:
    """What is wrong with a row by the table's columns and their types; None if it is right.

    Args:
        table: its columns.
        row: what a backend returned. It may end after the last column that was asked for.
        wanted: how many columns it must have; None for all.
    """
    most = len(table.columns)
    if not isinstance(row, tuple) or not (most if wanted is None else wanted) <= len(row) <= most:
        return f"{table.name}: a row must be a tuple of {most} values, not {row!r:.80}"
    for column, value in zip(table.columns, row, strict=False):
        if value is not None and not _FITS[column.type](value):
            kind = column.type.value
            return f"{table.name}.{column.name} must be {_KINDS.get(kind, kind)}, not {value!r:.80}"
    return None


def _is_json(value: object) -> bool:
    try:
        json.loads(value if isinstance(value, str) else "")
    except ValueError:
        return False
    return True


def _is_time(value: object) -> bool:
    return isinstance(value, str) and times.parse(value) is not None


_FITS: Final[Mapping[ColumnType, Callable[[Any], bool]]] = {
    ColumnType.TEXT: lambda value: isinstance(value, str),
    ColumnType.INTEGER: lambda value: isinstance(value, int) and not isinstance(value, bool),
    ColumnType.REAL: lambda value: isinstance(value, int | float),
    ColumnType.BOOLEAN: lambda value: isinstance(value, int) and value in (0, 1),
    ColumnType.TIME: _is_time,
    ColumnType.JSON: _is_json,
    ColumnType.BLOB: lambda value: isinstance(value, bytes | str),
}
_KINDS: Final = {
    "integer": "an int",
    "real": "a number",
    "boolean": "0 or 1",
    "time": "a time as text in UTC",
    "json": "JSON text",
    "blob": "bytes or text",
}

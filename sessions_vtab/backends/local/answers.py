"""The ``response`` column of functions: rows as JSON objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sessions_vtab.contract.model import Column, ColumnType, Table
from sessions_vtab.contract.predicate import Value
from sessions_vtab.contract.scan import Row
from sessions_vtab.contract.values import dump_json

__all__ = ["response"]


def response(table: Table, row: Row, extra: Mapping[str, Any] | None = None) -> str:
    """Returns a row as a JSON object, in which JSON columns are JSON values.

    Args:
        table: the table of the row.
        row: the values of all columns.
        extra: further members of the object.
    """
    members = [
        _joined(column.name, _as_json(column, value))
        for column, value in zip(table.columns, row, strict=True)
        if value is not None
    ]
    members += [_joined(name, dump_json(value)) for name, value in (extra or {}).items()]
    return "{" + ",".join(members) + "}"


def _as_json(column: Column, value: Value) -> str:
    if column.type is ColumnType.JSON and isinstance(value, str):
        return value
    return dump_json(value)


def _joined(name: str, value: str) -> str:
    return f"{dump_json(name)}:{value}"

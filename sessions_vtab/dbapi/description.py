"""What is known of result columns before their rows: ``Cursor.description``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from sessions_vtab.contract.model import ColumnType, Table
from sessions_vtab.dbapi.types import TypeCode, type_code
from sessions_vtab.vtab.host import OpenSource
from sessions_vtab.vtab.rows import captured_name

__all__ = ["Column", "Described", "described", "is_whole_table"]

Column: TypeAlias = tuple[str, TypeCode | None, None, None, None, None, None]
"""Name and type code; the other five are not known."""

Described: TypeAlias = tuple[str, str | None, str | None, str | None, str | None]
"""A column as SQLite describes it: name, declared type, schema, table and column of its origin."""


def described(
    columns: Sequence[Described], sources: Mapping[str, OpenSource]
) -> tuple[Column, ...]:
    """The description of a result.

    Args:
        columns: as ``apsw.Cursor.description_full``.
        sources: the connection's, whose tables say more than SQLite's declared types.
    """
    return tuple(_column(one, sources) for one in columns)


def is_whole_table(columns: Sequence[Described], sources: Mapping[str, OpenSource]) -> bool:
    """Whether a result has exactly the columns of ``SELECT *`` of one of the sources' tables."""
    origins = {(schema, table) for _, _, schema, table, _ in columns}
    if len(origins) != 1:
        return False
    ((schema, name),) = origins
    ours = None if name is None else _table(schema or "", name, sources)
    visible = [column.name for column in ours.visible] if ours is not None else None
    return visible == [origin for *_, origin in columns]


def _column(column: Described, sources: Mapping[str, OpenSource]) -> Column:
    name, declared, schema, table, origin = column
    held = None
    if table is not None and origin is not None:
        held = _held(schema or "", table, origin, sources)
    return (name, type_code(held, declared), None, None, None, None, None)


def _held(
    schema: str, table: str, origin: str, sources: Mapping[str, OpenSource]
) -> ColumnType | None:
    ours = _table(schema, table, sources)
    if ours is None or origin not in ours.positions:
        return None
    return ours.column(origin).type


def _table(schema: str, name: str, sources: Mapping[str, OpenSource]) -> Table | None:
    """Our table of a name; what RETURNING reads is named after it."""
    named = [sources[schema]] if schema in sources else list(sources.values())
    for source in named:
        for table, resource in source.backend.resources.items():
            if name in {table, captured_name(source.name, table)}:
                return resource.table
    return None

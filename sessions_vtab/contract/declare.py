"""A table or function of the schema as the CREATE TABLE text that SQLite is told."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from sessions_vtab.contract.model import Column, ColumnType, Function, Table

__all__ = ["declare_function", "declare_rows", "declare_table", "quoted", "sql_type"]

# All but the numbers have TEXT affinity: a column declared DATETIME or JSON would be NUMERIC to
# SQLite and compare wrongly (https://sqlite.org/datatype3.html, section 3.1).
_SQL_TYPES = {
    ColumnType.TEXT: "TEXT",
    ColumnType.INTEGER: "INTEGER",
    ColumnType.REAL: "REAL",
    ColumnType.BOOLEAN: "INTEGER",
    ColumnType.TIME: "TEXT",
    ColumnType.JSON: "TEXT",
    ColumnType.BLOB: "BLOB",
}


def quoted(name: str) -> str:
    """An identifier, quoted for SQL."""
    return '"' + name.replace('"', '""') + '"'


def sql_type(column: Column) -> str:
    """The declared type of a column, without its collation."""
    return _SQL_TYPES[column.type]


def declare_table(table: Table) -> str:
    """The CREATE TABLE text for ``sqlite3_declare_vtab``."""
    body = ", ".join(_definition(column, table.never_null) for column in table.columns)
    return f"CREATE TABLE x({body}, PRIMARY KEY({quoted(table.key)})) WITHOUT ROWID"


def declare_rows(table: Table) -> str:
    """As ``declare_table``, for rows that no key tells apart."""
    return f"CREATE TABLE x({', '.join(map(_definition, table.columns))})"


def declare_function(function: Function) -> str:
    """The CREATE TABLE text of a function: visible results, hidden parameters in call order."""
    results = [_definition(column) for column in function.results]
    parameters = [_definition(replace(column, hidden=True)) for column in function.parameters]
    return f"CREATE TABLE x({', '.join(results + parameters)})"


def _definition(column: Column, filled: Collection[str] = ()) -> str:
    """HIDDEN belongs to the type: what follows the constraints would be no part of it."""
    words = [quoted(column.name), sql_type(column)]
    if column.hidden:
        words.append("HIDDEN")
    if column.type is ColumnType.TIME:
        words.append("COLLATE TIMESTAMP")
    if column.name in filled:
        words.append("NOT NULL")
    return " ".join(words)

"""The rows of a table that the oracle knows: by a list, or by keys that the test gives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeAlias

from sessions_vtab.contract.backend import Resource
from sessions_vtab.contract.capability import AccessPath
from sessions_vtab.contract.model import ARGUMENTS, PUSH, Column, Table, quoted
from sessions_vtab.contract.predicate import Value
from sessions_vtab.contract.scan import Row
from sessions_vtab.contract.verify import rows_checked
from sessions_vtab.testing.oracle import Oracle
from sessions_vtab.vtab.blame import blamed

__all__ = ["Keys", "Known", "never_filled", "read_known"]

Keys: TypeAlias = Mapping[str, Mapping[str, Sequence[Value]]]
"""Table to key column to values: the rows are read by each value, column after column."""

_OURS: Final = frozenset((PUSH.name, ARGUMENTS.name))


@dataclass(slots=True)
class Known:
    """The rows of one table.

    Attributes:
        resource: the table and its declarations.
        rows: what a statement sees that asks for nothing special; parameters are NULL.
        hidden: rows that come only when they are asked for (``Capability.hides``).
        by_parameter: rows by the parameter column and value that a path needs to find them.
    """

    resource: Resource
    rows: list[Row] = field(default_factory=list)
    hidden: list[Row] = field(default_factory=list)
    by_parameter: dict[tuple[str, Value], list[Row]] = field(default_factory=dict)

    @property
    def table(self) -> Table:
        """The table."""
        return self.resource.table

    def columns(self) -> Iterator[Column]:
        """The columns that have values of their own, the same in every read."""
        return (one for one in self.table.columns if not (one.parameter or one.transient))

    def every(self) -> tuple[Row, ...]:
        """All rows that are known, hidden ones too."""
        return (*self.rows, *self.hidden)

    def values(self, column: str) -> list[Value]:
        """Values of a column, one a row; of a parameter, those that were given."""
        if self.table.column(column).parameter:
            return [value for name, value in self.by_parameter if name == column]
        place = self.table.positions[column]
        return [row[place] for row in self.every()]

    def needs(self, path: AccessPath) -> str:
        """The parameter column that a path needs; '' if it needs none."""
        return next((key for key in path.keys if self.table.column(key).parameter), "")

    def oracle_name(self, *, parameter: str = "", hidden: bool = False) -> str:
        """Name of the oracle's table that has what a statement should see."""
        if parameter:
            return f"{self.table.name} by {parameter}"
        return f"{self.table.name} with hidden" if hidden else self.table.name

    def fill(self, oracle: Oracle) -> None:
        """Makes the tables of the oracle."""
        oracle.add(self.table, self.rows)
        oracle.add(replace(self.table, name=self.oracle_name(hidden=True)), self.every())
        for parameter in {name for name, _ in self.by_parameter}:
            place = self.table.positions[parameter]
            oracle.add(
                replace(self.table, name=self.oracle_name(parameter=parameter)),
                (
                    (*row[:place], value, *row[place + 1 :])
                    for (name, value), rows in self.by_parameter.items()
                    for row in rows
                    if name == parameter
                ),
            )


def read_known(
    connection: Any, schema: str, resource: Resource, keys: Mapping[str, Sequence[Value]]
) -> Known | None:
    """Reads every row of a table once; None if it cannot be listed and no key is given.

    Raises:
        AssertionError: a row is not as declared, is read differently by two keys, or comes twice in
            a list.
    """
    try:
        with rows_checked(resource):
            return _read(connection, schema, resource, keys)
    except TypeError as error:
        raise AssertionError(blamed(error) or str(error)) from error


def _read(
    connection: Any, schema: str, resource: Resource, keys: Mapping[str, Sequence[Value]]
) -> Known | None:
    known = Known(resource)
    select = _select(resource.table, schema)
    if any(not path.keys for path in resource.capability.paths):
        known.rows, known.hidden = _listed(connection, select, resource)
    elif not keys:
        return None
    found: dict[Value, Row] = {row[0]: row for row in _keyed(known, known.rows)}
    if len(found) < len(known.rows):
        more = len(known.rows) - len(found)
        raise AssertionError(f"{resource.table.name}: its list has {more} rows twice")
    for column, values in keys.items():
        for value in values:
            rows = connection.execute(f"{select} WHERE {quoted(column)} = ?", (value,)).fetchall()
            if resource.table.column(column).parameter:
                known.by_parameter[column, value] = rows
            _merge(found, _keyed(known, rows), f"{resource.table.name} by {column} = {value!r}")
    known.rows = [row[1:] for row in found.values()] if keys else known.rows
    return known


def never_filled(known: Known) -> list[str]:
    """The columns that are NULL in every row, although the service should have something for them.

    A derived column is made of others, so that no field of its own can be misspelt.
    """
    absent = known.resource.capability.absent
    return [
        column.name
        for column in known.columns()
        if not (column.write_only or column.derived or column.name in absent)
        and all(value is None for value in known.values(column.name))
    ]


def _keyed(known: Known, rows: Iterable[Row]) -> Iterator[Row]:
    place = known.table.positions[known.table.key]
    return ((row[place], *row) for row in rows)


def _merge(found: dict[Value, Row], rows: Iterable[Row], what: str) -> None:
    for row in rows:
        if found.setdefault(row[0], row) != row:
            raise AssertionError(f"{what} reads {row[1:]!r:.300}, otherwise {found[row[0]]!r:.300}")


def _listed(connection: Any, select: str, resource: Resource) -> tuple[list[Row], list[Row]]:
    """The rows that show, and those that have to be asked for."""
    rows = connection.execute(select).fetchall()
    hides = resource.capability.hides
    if hides is None:
        return rows, []
    more = connection.execute(f"{select} WHERE {quoted(hides.parameter)} = 1").fetchall()
    place = resource.table.positions[hides.column]
    return rows, [row for row in more if row[place] == 1]


def _select(table: Table, schema: str) -> str:
    """Every column, with NULL for parameters, which have no values of their own."""
    names = ", ".join(
        "NULL" if column.parameter else quoted(column.name) for column in table.columns
    )
    return f"SELECT {names} FROM {quoted(schema)}.{quoted(table.name)}"

"""The oracle: the rows of every table in plain SQLite tables, and the comparison of two answers.

The oracle's tables have the declarations of the virtual ones (types, collations, the key of a
WITHOUT ROWID table), so SQLite compares, sorts and groups their values by the same rules. What
differs is only who finds the rows. They are read once: by a list, or by keys that the test gives.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final, TypeAlias

import apsw

from sessions_vtab.contract import times
from sessions_vtab.contract.backend import Resource
from sessions_vtab.contract.capability import AccessPath
from sessions_vtab.contract.model import ARGUMENTS, PUSH, Column, Table, quoted
from sessions_vtab.contract.predicate import Value
from sessions_vtab.contract.scan import Row
from sessions_vtab.contract.verify import rows_checked
from sessions_vtab.vtab.statements import blamed

Answer: TypeAlias = Sequence[tuple[Any, ...]]
"""Rows of a statement."""

_SHOWN: Final = 5


class Comparison(StrEnum):
    """How two answers are compared."""

    SEQUENCE = "sequence"
    """Row by row: the statement's order is total."""
    MULTISET = "multiset"
    """The same rows, as often, in any order."""
    SUBSET = "subset"
    """As many rows as expected, each of them allowed: LIMIT without a total order."""


class Oracle:
    """A plain SQLite connection in memory with ordinary tables.

    Attributes:
        connection: a plain APSW connection with the TIMESTAMP collation.
    """

    def __init__(self) -> None:
        self.connection = apsw.Connection(":memory:")
        self.connection.create_collation("TIMESTAMP", times.compare)

    def add(self, table: Table, rows: Iterable[Sequence[Any]]) -> None:
        """Creates a table and fills it.

        Args:
            table: whose columns it gets, hidden ones as ordinary ones.
            rows: values in the order of ``table.columns``.
        """
        self.connection.execute(native_declaration(table))
        places = ", ".join("?" * len(table.columns))
        self.connection.executemany(f"INSERT INTO {quoted(table.name)} VALUES ({places})", rows)

    def ask(self, text: str, bindings: Any = None) -> Answer:
        """The rows of a statement."""
        return self.connection.execute(text, bindings).fetchall()

    def close(self) -> None:
        """Forgets the rows."""
        self.connection.close()


def native_declaration(table: Table) -> str:
    """The CREATE TABLE text of an ordinary table like a virtual one."""
    text = table.declared.replace(" HIDDEN", "")
    return text.replace("CREATE TABLE x(", f"CREATE TABLE {quoted(table.name)}(", 1)


def difference(
    got: Answer,
    expected: Answer,
    how: Comparison,
    *,
    keys: Sequence[int] = (),
    allowed: Answer = (),
) -> str | None:
    """What is wrong with an answer, in words; None if nothing is.

    Args:
        got: the answer to judge.
        expected: the oracle's.
        how: see ``Comparison``.
        keys: places in a row of what the statement orders by, where that order is not total:
            these values must come in the oracle's order.
        allowed: for SUBSET, the oracle's rows without the LIMIT.
    """
    ours, theirs = _typed(got), _typed(expected)
    if keys and [_pick(row, keys) for row in ours] != [_pick(row, keys) for row in theirs]:
        return f"different order: {_shown(got)}, expected {_shown(expected)}"
    if how is Comparison.SEQUENCE:
        return None if ours == theirs else _rows(got, expected)
    if how is Comparison.SUBSET:
        extra = Counter(ours) - Counter(_typed(allowed))
        if len(ours) != len(theirs):
            return f"{len(ours)} rows, expected {len(theirs)}"
        return f"rows that do not match: {_shown(list(extra))}" if extra else None
    return None if Counter(ours) == Counter(theirs) else _rows(got, expected)


def _typed(rows: Answer) -> list[tuple[Any, ...]]:
    """Rows in which 1, 1.0 and '1' differ."""
    return [tuple((type(value).__name__, value) for value in row) for row in rows]


def _pick(row: Sequence[Any], keys: Sequence[int]) -> tuple[Any, ...]:
    return tuple(row[key] for key in keys)


def _rows(got: Answer, expected: Answer) -> str:
    missing = Counter(map(tuple, expected)) - Counter(map(tuple, got))
    extra = Counter(map(tuple, got)) - Counter(map(tuple, expected))
    return (
        f"{len(got)} rows, expected {len(expected)};"
        f" missing {_shown(list(missing))}; too many {_shown(list(extra))}"
        f"{'' if missing or extra else '; the order or a type differs'}"
    )


def _shown(rows: Answer) -> str:
    texts = [f"{row!r:.200}" for row in rows[:_SHOWN]]
    return ", ".join(texts) + (" .." if len(rows) > _SHOWN else "") if rows else "none"


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

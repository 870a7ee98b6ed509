"""The oracle: the same rows in plain SQLite tables, and the comparison of two answers.

The oracle's tables have the declarations of the virtual ones (types, collations, the key of a
WITHOUT ROWID table), so SQLite compares, sorts and groups their values by the same rules. What
differs is only who finds the rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any, Final, TypeAlias

import apsw

from sessions_vtab.contract import times
from sessions_vtab.contract.model import Table, declare_table, quoted

__all__ = ["Answer", "Comparison", "Oracle", "difference"]

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
    text = declare_table(table).replace(" HIDDEN", "")
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

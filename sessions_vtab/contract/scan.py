"""One read of one table: what is asked of a backend, and the pages it answers with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

from sessions_vtab.contract.capability import AccessPath
from sessions_vtab.contract.model import PLAN_COLUMNS
from sessions_vtab.contract.predicate import (
    EVERYTHING,
    AllOf,
    Compare,
    Member,
    Op,
    Slot,
    Value,
    known,
)

Row: TypeAlias = tuple[Value, ...]
"""SQLite values in the order of ``Table.columns``; None for columns that were not asked for.

A row may end after the last column that was asked for.
"""

Page: TypeAlias = Iterable[Row]
"""Rows that arrived together. A list where they came over the network."""


class Counted(list[Row]):
    """A page that says how many rows follow it, for an API whose lists say their total.

    If nothing but ``known`` columns was looked at in this page, the statement probably counts: the
    engine then takes ``following`` for the rest and reads no further page. It goes on to read them
    where another column is looked at after all, so the pages after must have those rows, in that
    order. A scan that orders, has parameters or a limit should come without.

    Args:
        rows: of this page.
        following: rows that follow, in order: one with the ``known`` columns, and how often.
        known: places in a row of the columns that ``following`` has values for.
    """

    def __init__(
        self, rows: Iterable[Row], following: Sequence[tuple[Row, int]], known: frozenset[int]
    ) -> None:
        super().__init__(rows)
        self.following = tuple(following)
        self.known = known


@dataclass(frozen=True, slots=True)
class Order:
    """One term of ORDER BY."""

    column: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Scan:
    """A read with its values filled in.

    Attributes:
        path: the declared way to read.
        where: conditions the path declared it takes. Rows that match must come; others may.
        order: rows must come in this order; empty for the table's own order.
        columns: names of the columns that will be looked at.
        parameters: values of parameter columns, by name. They are echoed by the engine.
        limit: how many rows will probably be read: a hint for page sizes, never a reason to stop.
        offset: rows to skip. Only given to a path that declares ``offset``.
        shape: what a backend may keep its translation of a scan under: two scans of the same shape
            differ in the operands of their comparisons and in ``limit`` only, and no operand is
            NULL. None where nothing is known of that.
    """

    path: AccessPath
    where: AllOf = EVERYTHING
    order: tuple[Order, ...] = ()
    columns: frozenset[str] = frozenset()
    parameters: Mapping[str, Value] = field(default_factory=lambda: MappingProxyType({}))
    limit: int | None = None
    offset: int = 0
    shape: object | None = field(default=None, compare=False, repr=False)

    @property
    def is_whole(self) -> bool:
        """Whether it is for all of a list."""
        return not (
            self.path.unique
            or self.limit is not None
            or self.offset
            or not self.parameters.keys() <= PLAN_COLUMNS
        )

    def given(self, column: str) -> tuple[Value, ...] | None:
        """The distinct values that ``=`` and IN demand of a column; None if neither does."""
        found: tuple[Value, ...] | None = None
        for term in self.where.terms:
            if isinstance(term, (Compare, Member)) and term.field.column == column:
                values = _demanded(term)
                if values is not None:
                    found = values if found is None else _in_both(found, values)
        return found

    def all_given(self) -> dict[str, tuple[Value, ...]]:
        """What ``given`` says of each column of which it says anything."""
        found: dict[str, tuple[Value, ...]] = {}
        for term in self.where.terms:
            if isinstance(term, (Compare, Member)):
                values, column = _demanded(term), term.field.column
                if values is not None:
                    found[column] = (
                        values if column not in found else _in_both(found[column], values)
                    )
        return found


def _in_both(first: tuple[Value, ...], second: tuple[Value, ...]) -> tuple[Value, ...]:
    """The values that two conditions demand; a column of text takes a number for its text."""
    known = {*second, *map(str, second)}
    return tuple(value for value in first if value in known or str(value) in known)


def _demanded(term: Compare | Member) -> tuple[Value, ...] | None:
    # Without patterns: every key of a join is asked for so.
    if term.field.key is not None:
        return None
    if isinstance(term, Member):
        return None if term.negated else tuple(dict.fromkeys(known(*term.operands)))
    if term.op is not Op.EQ:
        return None
    return () if isinstance(term.operand, Slot) else (term.operand,)

"""One read of one table: what is asked of a backend, and the pages it answers with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

from sessions_vtab.spec.capability import AccessPath
from sessions_vtab.spec.predicate import EVERYTHING, AllOf, Compare, Field, Member, Op, Value, known

__all__ = ["Order", "Page", "Row", "Scan"]

Row: TypeAlias = tuple[Value, ...]
"""SQLite values in the order of ``Table.columns``; None for columns that were not asked for."""

Page: TypeAlias = Iterable[Row]
"""Rows that arrived together. A list where they came over the network."""


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
        order: rows must come in this order; empty where any order will do.
        columns: names of the columns that will be looked at.
        parameters: values of parameter columns, by name. They are echoed by the engine.
        limit: how many rows will probably be read: a hint for page sizes, never a reason to stop.
        offset: rows to skip. Only given to a path that declares ``offset``.
    """

    path: AccessPath
    where: AllOf = EVERYTHING
    order: tuple[Order, ...] = ()
    columns: frozenset[str] = frozenset()
    parameters: Mapping[str, Value] = field(default_factory=lambda: MappingProxyType({}))
    limit: int | None = None
    offset: int = 0

    def given(self, column: str) -> tuple[Value, ...] | None:
        """The distinct values that ``=`` or IN demand of a column; None if neither does."""
        for term in self.where.terms:
            match term:
                case Compare(Field(name, None), Op.EQ, operand) if name == column:
                    return known(operand)
                case Member(Field(name, None), operands, False) if name == column:
                    return tuple(dict.fromkeys(known(*operands)))
        return None

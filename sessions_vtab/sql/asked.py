"""What conditions ask of a table beside rows: parameter columns, and rows that are hidden.

A parameter column takes its value from ``column = value`` and returns it; without a value it is
NULL, so any other condition on it would compare with NULL and lose every row. Hidden rows come if
SQLite offers the table a condition on their column. It does not offer every form (``deleted IS
TRUE``, a WHERE over the right side of a LEFT JOIN); for these the plan asks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlglot import exp

from sessions_vtab.contract.model import Column
from sessions_vtab.errors import UnsupportedError
from sessions_vtab.sql.conditions import ConditionReader, resolve
from sessions_vtab.sql.names import Item, Scope
from sessions_vtab.sql.source import terms

if TYPE_CHECKING:
    from sessions_vtab.sql.occurrences import Occurrence
    from sessions_vtab.sql.pushing import On

__all__ = ["SelectConditions"]


@dataclass(frozen=True, slots=True)
class SelectConditions:
    """The conditions of one SELECT, UPDATE or DELETE.

    Attributes:
        scope: its names.
        where: the conjuncts of WHERE.
        ons: the conditions of ON.
        having: the condition of HAVING, if there is one.
    """

    scope: Scope
    where: tuple[exp.Expression, ...]
    ons: tuple[On, ...]
    having: tuple[exp.Expression, ...] = ()

    def require_parameters(self, occurrence: Occurrence) -> None:
        """Raises UnsupportedError for a condition on a parameter column that has no value.

        Args:
            occurrence: one item of the scope.
        """
        scope, item = self.scope, occurrence.item
        joined = (term for _, on in self.ons for term in terms(on))
        used = [
            column
            for term in (*self.where, *joined, *self.having)
            for column in _columns(scope, item, term)
            if column.parameter
        ]
        if not used:
            return
        given = {name for term in self._offered(item) for name in _equated(scope, item, term)}
        for column in used:
            if column.name not in given:
                raise UnsupportedError(
                    f"{occurrence.ours.title}.{column.name} is a parameter and can only be used as"
                    f" {column.name} = value, in WHERE or, in an outer join, in the ON of its own"
                    " table."
                )

    def for_hidden(self, occurrence: Occurrence) -> bool:
        """Whether a condition is about hidden rows in a form that SQLite does not offer the table.

        Args:
            occurrence: one item of the scope.
        """
        hides, item = occurrence.ours.capability.hides, occurrence.item
        if hides is None:
            return False
        reader = ConditionReader(self.scope, item, lambda column: column.sql())
        offered = {id(term) for term in self._offered(item) if reader.is_plain(term)}
        inner = (term for right, on in self.ons if right in {None, item} for term in terms(on))
        return any(
            id(term) not in offered
            for term in (*self.where, *inner, *self.having)
            if any(column.name == hides.column for column in _columns(self.scope, item, term))
        )

    def _offered(self, item: Item) -> Iterator[exp.Expression]:
        """The conjuncts that SQLite may offer to the table of an item."""
        if self.scope.fixed:
            return
        if not item.nullable:
            yield from self.where
        for right, on in self.ons:
            if right is item or (right is None and not item.nullable):
                yield from terms(on)


def _columns(scope: Scope, item: Item, term: exp.Expression) -> Iterator[Column]:
    """Columns of the item in a conjunct, without those in its subqueries."""
    around = term.find_ancestor(exp.Query)
    for node in term.find_all(exp.Column):
        if node.find_ancestor(exp.Query) is around:
            found = resolve(scope, node)
            if found is not None and found.item is item:
                yield found.column


def _equated(scope: Scope, item: Item, term: exp.Expression) -> Iterator[str]:
    """The column of ``column = value``, where the value is not of the same row."""
    left, right = _sides(term.unnest())
    for side, other in ((left, right), (right, left)):
        found = resolve(scope, side) if isinstance(side, exp.Column) else None
        if found is None or found.item is not item or other is None:
            continue
        if not any(_columns(scope, item, other)):
            yield found.column.name


def _sides(term: exp.Expr) -> tuple[exp.Expression | None, exp.Expression | None]:
    """The sides of an equality; SQLite makes one of IN with a single value."""
    if isinstance(term, exp.EQ):
        return term.this.unnest(), term.args["expression"].unnest()
    values = term.expressions if isinstance(term, exp.In) else ()
    return (term.this.unnest(), values[0]) if len(values) == 1 else (None, None)

"""One generated statement of the conformance suite, as a value: see ``cases``, which makes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from sessions_vtab.contract.capability import EQUALITY, AccessPath
from sessions_vtab.contract.model import quoted
from sessions_vtab.contract.predicate import Field, Op, Value, literal
from sessions_vtab.contract.scan import Order

__all__ = ["Case", "CaseCondition", "CaseForm"]

_NO_VALUE: Final = frozenset((Op.IS_NULL, Op.IS_NOT_NULL))
_SETS: Final = frozenset((Op.IN, Op.NOT_IN))

Text: TypeAlias = tuple[str, tuple[Value, ...]]
"""SQL and the values of its parameters."""


class CaseForm(StrEnum):
    """How the terms of a case are joined."""

    AND = "AND"
    OR = "OR"
    NOT = "NOT"
    """NOT of their AND."""


@dataclass(frozen=True, slots=True)
class CaseCondition:
    """``field op values``.

    Attributes:
        field: a column, or a key of a JSON column.
        op: the operator.
        values: one, several for IN and NOT IN, none for IS NULL and IS NOT NULL.
        bound: they are parameters, not literals.
    """

    field: Field
    op: Op
    values: tuple[Value, ...] = ()
    bound: bool = False

    def text(self) -> Text:
        """The condition in SQL, and the values of its parameters."""
        name = quoted(self.field.column)
        if self.field.key is not None:
            name += f"->>{literal(self.field.key)}"
        if self.op in _NO_VALUE:
            return f"{name} {self.op}", ()
        places = ["?" if self._binds(value) else literal(value) for value in self.values]
        listed = ", ".join(places)
        text = f"{name} {self.op} ({listed})" if self.op in _SETS else f"{name} {self.op} {listed}"
        return text, tuple(filter(self._binds, self.values))

    def declared(self, path: AccessPath) -> bool:
        """Whether a path says that it takes the condition."""
        found = path.filter_for(self.field.column, keyed=self.field.key is not None)
        if found is not None:
            return self.op in found.ops
        return self.field.key is None and self.field.column in path.keys and self.op in EQUALITY

    def _binds(self, value: Value) -> bool:
        return self.bound or isinstance(value, bytes) or "\x00" in str(value)


@dataclass(frozen=True, slots=True)
class Case:
    """One statement over one table.

    Attributes:
        columns: what it selects; empty for all visible ones.
        key: conditions that give the path its keys.
        terms: what else is asked for.
        form: how those are joined.
        parameters: parameter columns that change no row, as conditions.
        order: the term of ORDER BY.
        limit: LIMIT and OFFSET; LIMIT alone where OFFSET is 0.
        count: it counts the rows instead.
    """

    columns: tuple[str, ...] = ()
    key: tuple[CaseCondition, ...] = ()
    terms: tuple[CaseCondition, ...] = ()
    form: CaseForm = CaseForm.AND
    parameters: tuple[CaseCondition, ...] = ()
    order: Order | None = None
    limit: tuple[int, int] | None = None
    count: bool = False

    def text(self, table: str, columns: Sequence[str], *, parameters: bool = True) -> Text:
        """As a statement.

        Args:
            table: name of the table, as SQL.
            columns: the visible columns of the table.
            parameters: with the conditions on parameters, which only our table knows.
        """
        parts = [*self.key, *(self.parameters if parameters else ())]
        texts = [one.text() for one in parts]
        if self.terms:
            texts.append(self._terms())
        where = " AND ".join(f"{text}" for text, _ in texts)
        listed = ", ".join(map(quoted, self.columns or columns))
        text = f"SELECT {'count(*)' if self.count else listed} FROM {table}"
        text += f" WHERE {where}" if where else ""
        return text + self._tail(), tuple(value for _, values in texts for value in values)

    def _terms(self) -> Text:
        texts = [one.text() for one in self.terms]
        joined = f" {CaseForm.OR if self.form is CaseForm.OR else CaseForm.AND} ".join(
            one for one, _ in texts
        )
        values = tuple(value for _, own in texts for value in own)
        if self.form is CaseForm.NOT:
            return f"NOT ({joined})", values
        return (f"({joined})" if self.form is CaseForm.OR else joined), values

    def _tail(self) -> str:
        text = ""
        if self.order is not None:
            text += f" ORDER BY {quoted(self.order.column)}"
            text += " DESC" if self.order.descending else ""
        if self.limit is not None:
            rows, skipped = self.limit
            text += f" LIMIT {rows}" + (f" OFFSET {skipped}" if skipped else "")
        return text

    def unlimited(self) -> Case:
        """The case without LIMIT."""
        return Case(self.columns, self.key, self.terms, self.form, self.parameters, self.order)

    def conditions(self) -> Iterable[CaseCondition]:
        """All of its conditions but those on parameters."""
        return (*self.key, *self.terms)

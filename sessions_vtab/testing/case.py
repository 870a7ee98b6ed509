"""One generated statement of the conformance suite, as a value, and the values it asks for.

``cases`` makes them. The values are of a column's rows, of none of them, or hostile.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain, count, islice
from typing import Final, TypeAlias

from sessions_vtab.contract import times
from sessions_vtab.contract.capability import EQUALITY, AccessPath
from sessions_vtab.contract.model import Column, ColumnType, quoted
from sessions_vtab.contract.predicate import Field, Op, Value, literal
from sessions_vtab.contract.scan import Order

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

    def is_in(self, words: str) -> bool:
        """Whether words of a plan have the field with the operator."""
        start = re.escape(f"{self.field} {self.op}")
        return re.search(rf"(?:^|[( ]){start}(?=$|[ ),])", words) is not None

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


_TEXTS: Final[tuple[Value, ...]] = (
    "x' OR '1'='1",
    "a/b?c=d&e#f",
    "",
    "..",
    " padded ",
    "%2Fnul\x00",
    "\U0001f600 \u05e9\u05dc\u05d5\u05dd",
    'q"u[o]t{e}\\s',
    "line\nbreak",
    "*%_?",
    "z" * 500,
)
_NUMBERS: Final[tuple[Value, ...]] = ("1", 1.5, -1, 2**63 - 1, "abc", "01", -0.0, 10**18 + 1)
_KEYS: Final = 2
"""Keys of a JSON column that are asked for."""


def typical(values: Iterable[Value]) -> Value:
    """The value that most rows have, of equally frequent ones the middle one; None if none has."""
    counted = Counter(value for value in values if value is not None)
    if not counted:
        return None
    most = max(counted.values())
    known = sorted((value for value in counted if counted[value] == most), key=_sortable)
    return known[len(known) // 2]


def awkward(values: Iterable[Value]) -> Value:
    """The text with the most characters that a query may misread, or the largest number."""
    known = [value for value in values if value is not None]
    return max(known, key=lambda value: (_odd(value), _sortable(value)), default=None)


def unknown_values(column: Column, known: Sequence[Value]) -> tuple[Value, Value]:
    """Two values of the column's own form that no row has."""
    if column.type is ColumnType.TIME:
        return "2031-03-04 05:06:07.089123", "1987-06-05T04:03:02.010203Z"
    if column.type in {ColumnType.INTEGER, ColumnType.REAL, ColumnType.BOOLEAN}:
        found = (number for number in count(987_654_321) if number not in known)
        return next(found), next(found)
    if column.type is ColumnType.JSON:
        return '{"no":"such row"}', '["no such row"]'
    model = str(typical(known) or "no such row")
    return _neighbour(model, known, 0), _neighbour(model, known, 1)


def hostile_values(column: Column, known: Sequence[Value]) -> tuple[Value, ...]:
    """Values that break careless code; of a time column a known instant in other spellings."""
    if column.type in {ColumnType.INTEGER, ColumnType.REAL, ColumnType.BOOLEAN}:
        return _NUMBERS
    if column.type is not ColumnType.TIME:
        return _TEXTS
    instant = times.parse(typical(known) or "2026-01-01")
    canonical = "2026-01-01" if instant is None else times.to_text(instant)
    return canonical.replace(" ", "T") + "Z", canonical[:10], "9999-12-31T23:59:59+00:00"


def pattern(op: Op, value: Value) -> str:
    """A pattern that a value meets, with a wildcard and the other case where case is nothing."""
    text = str(value)[:12]
    return f"{text}*" if op is Op.GLOB else f"%{text[1:].swapcase()}%"


def json_keys(values: Iterable[Value]) -> list[str]:
    """The keys that most objects of a column have, and one that none has."""
    counted: Counter[str] = Counter()
    for value in values:
        loaded = json.loads(value) if isinstance(value, str) and value[:1] == "{" else {}
        # A plan in words is taken apart at these.
        counted.update(key for key in loaded if "; " not in key and " AND " not in key)
    return [key for key, _ in counted.most_common(_KEYS)] + (["no such key"] if counted else [])


def _neighbour(text: str, known: Sequence[Value], skip: int) -> str:
    """A text of the same form: the last letters or digits are others."""
    places = [place for place, letter in enumerate(text) if letter.isascii() and letter.isalnum()]
    found = (
        changed
        for place in reversed(places)
        for letter in _alike(text[place])
        if (changed := text[:place] + letter + text[place + 1 :]) not in known
    )
    others = (f"{text} no such row {number}" for number in count())
    return next(islice(chain(found, others), skip, None))


def _alike(letter: str) -> str:
    """Letters that fit where this one stands, also in a hexadecimal number."""
    for form in ("0123456789", "abcdef", "ghijklmnopqrstuvwxyz", "ABCDEF", "GHIJKLMNOPQRSTUVWXYZ"):
        if letter in form:
            at = form.index(letter)
            return form[at + 1 :] + form[:at]
    return ""


def _odd(value: Value) -> int:
    return sum(not letter.isalnum() for letter in set(str(value)))


def _sortable(value: Value) -> tuple[bool, float, str]:
    if isinstance(value, int | float):
        return False, float(value), ""
    return True, 0.0, str(value)

"""One statement of the conformance suite: as a value, and what it does.

What it does are the words of its plan, and the scans that reach the backend: a scan asks only for
what its path declares, and a plan says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any, Final, Protocol, TypeAlias

from sessions_vtab.contract.backend import Context, Resource
from sessions_vtab.contract.capability import EQUALITY, AccessPath
from sessions_vtab.contract.model import ColumnType, Table, quoted
from sessions_vtab.contract.predicate import (
    Compare,
    Field,
    Member,
    Op,
    Predicate,
    Value,
    conjuncts,
    literal,
    to_sql,
)
from sessions_vtab.contract.scan import Order, Page, Scan
from sessions_vtab.errors import RefusedError
from sessions_vtab.plan.plan import clauses_of
from sessions_vtab.plan.pushdown import project
from sessions_vtab.testing.oracle import Oracle

NULLITY: Final = (Op.IS_NULL, Op.IS_NOT_NULL)
"""The operators that need no value."""
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
        if self.op in NULLITY:
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


def sorts(path: AccessPath, order: Order) -> bool:
    """Whether a path declares an order."""
    return order.column in path.orders or (order.column in path.ascending and not order.descending)


@contextmanager
def recorded(resources: Iterable[Resource]) -> Iterator[list[tuple[Resource, Scan]]]:
    """Records every scan that reaches some tables while the block runs."""
    scans: list[tuple[Resource, Scan]] = []

    def scan(resource: Resource, plain: Any, asked: Scan, context: Context) -> Iterator[Page]:
        scans.append((resource, asked))
        pages: Iterator[Page] = plain(asked, context)
        return pages

    # A test may have put a scan of its own into an instance, which comes back afterwards.
    own = [(one, vars(one).get("scan")) for one in resources]
    for resource, _ in own:
        vars(resource)["scan"] = partial(scan, resource, resource.scan)
    try:
        yield scans
    finally:
        for resource, before in own:
            del vars(resource)["scan"]
            if before is not None:
                vars(resource)["scan"] = before


_VALUES: Final[Mapping[ColumnType, Value]] = {
    ColumnType.TEXT: "a",
    ColumnType.JSON: "{}",
    ColumnType.BLOB: "a",
    ColumnType.TIME: "2026-01-01",
    ColumnType.INTEGER: 1,
    ColumnType.REAL: 1.5,
    ColumnType.BOOLEAN: 1,
}


def undeclared(scan: Scan) -> str | None:
    """The first condition or order of a scan that its path does not declare, in words."""
    for term in conjuncts(scan.where):
        if not _is_key(term, scan) and project(term, scan.path) != term:
            return to_sql(term)
    for order in scan.order:
        if not (sorts(scan.path, order) or scan.path.unique):
            return f"order by {order.column}"
    if scan.offset and not scan.path.offset:
        return "offset"
    return None


def _is_key(term: Predicate, scan: Scan) -> bool:
    """Keys need no filter: they are what the path is for."""
    match term:
        case Compare(field, Op() as op):
            return field.key is None and field.column in scan.path.keys and op in EQUALITY
        case Member(field, _, negated):
            return field.key is None and field.column in scan.path.keys and not negated
        case _:
            return False


_OPERATORS: Final = (Op.EQ, Op.NE, Op.LT, Op.LE, Op.GT, Op.GE, Op.LIKE, Op.GLOB, Op.IN)
_HANDED_OVER: Final = ("sent", "stops")
"""Clauses of a plan with conditions that the backend gets: as a filter, or as where to stop."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One operator on one column, as a statement of its own.

    Attributes:
        table: name of the table.
        condition: the condition.
        sql: the statement.
    """

    table: str
    condition: CaseCondition
    sql: str

    @property
    def column(self) -> str:
        """Name of the column."""
        return self.condition.field.column

    @property
    def op(self) -> Op:
        """The operator."""
        return self.condition.op


class Witness(Protocol):
    """What the checks need of the suite."""

    connection: Any
    source: str
    resources: Mapping[str, Resource]
    oracle: Oracle

    def plans(self, text: str, bindings: Any = None) -> list[str]:
        """The words of every scan of ours in a statement's plan."""

    def recorded(self) -> Any:
        """Records every scan that reaches the backend while a block runs."""


def probes_of(table: Table, name: str) -> Iterator[Probe]:
    """A probe for each operator on each column of a table; ``name`` is what SQL calls it."""
    for column in table.columns:
        ops = _OPERATORS if column.name in table.never_null else (*_OPERATORS, *NULLITY)
        for op in () if column.parameter else ops:
            value = _VALUES[column.type]
            values = () if op in NULLITY else (value, value) if op is Op.IN else (value,)
            condition = CaseCondition(Field(column.name), op, values)
            sql = f"SELECT * FROM {name} WHERE {condition.text()[0]}"
            yield Probe(table.name, condition, sql)


def is_sent(suite: Witness, probe: Probe) -> bool:
    """Whether a probe's condition is sent.

    Raises:
        AssertionError: that is not what the path in use declares, or something else is sent.
    """
    (words,) = suite.plans(probe.sql) or [""]
    name, clauses = clauses_of(words)
    paths = suite.resources[probe.table].capability.paths
    (path,) = (path for path in paths if path.name == name)
    # A scope of that name need not exist; what was asked of the backend counts all the same.
    with suite.recorded() as scans, suppress(RefusedError):
        suite.connection.execute(probe.sql).fetchall()
    was_sent = any(probe.condition.is_in(clauses.get(word, "")) for word in _HANDED_OVER)
    if was_sent != probe.condition.declared(path):
        verb = "is" if was_sent else "is not"
        raise AssertionError(f"{probe.sql}: {probe.op} {verb} sent, contrary to the declaration")
    for one, scan in scans:
        wrong = undeclared(scan)
        if wrong is not None:
            raise AssertionError(
                f"{probe.sql}: {one.table.name} was sent {wrong}, which is not declared"
            )
    return was_sent

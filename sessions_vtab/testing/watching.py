"""What a statement does: the words of its plan, the scans that reach the backend, one operator.

A scan asks only for what its path declares, and a plan says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol

from sessions_vtab.contract.backend import Context, Resource
from sessions_vtab.contract.capability import EQUALITY
from sessions_vtab.contract.model import ColumnType, Table
from sessions_vtab.contract.predicate import (
    AllOf,
    Compare,
    Field,
    Member,
    Op,
    Predicate,
    Value,
    to_sql,
)
from sessions_vtab.contract.scan import Page, Scan
from sessions_vtab.errors import RefusedError
from sessions_vtab.plan.pushdown import project
from sessions_vtab.testing.case import CaseCondition
from sessions_vtab.testing.oracle import Oracle

_WORDS: Final = re.compile(r"VIRTUAL TABLE INDEX \d+:(.*)", re.DOTALL)


def plan_words(rows: Iterable[Sequence[Any]]) -> list[str]:
    """The words of every scan of ours in the rows of EXPLAIN QUERY PLAN."""
    found = (_WORDS.search(detail) for *_, detail in rows)
    return [match[1] for match in found if match]


def clauses_of(words: str) -> tuple[str, dict[str, str]]:
    """The path that a plan names, and its clauses by their first word."""
    name, _, rest = words.partition("; ")
    return name, dict(part.partition(": ")[::2] for part in rest.split("; "))


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
    for term in _terms(scan.where):
        if not _is_key(term, scan) and project(term, scan.path) != term:
            return to_sql(term)
    for order in scan.order:
        path = scan.path
        upwards = order.column in path.ascending and not order.descending
        if order.column not in path.orders and not (upwards or path.unique):
            return f"order by {order.column}"
    if scan.offset and not scan.path.offset:
        return "offset"
    return None


def _terms(predicate: Predicate) -> Iterator[Predicate]:
    """Its conjuncts: an AND may stand within an AND, or have a single term."""
    if isinstance(predicate, AllOf):
        for term in predicate.terms:
            yield from _terms(term)
    else:
        yield predicate


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
_NULLITY: Final = (Op.IS_NULL, Op.IS_NOT_NULL)
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
        ops = _OPERATORS if column.name in table.never_null else (*_OPERATORS, *_NULLITY)
        for op in () if column.parameter else ops:
            value = _VALUES[column.type]
            values = () if op in _NULLITY else (value, value) if op is Op.IN else (value,)
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

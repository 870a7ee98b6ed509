"""Operators, one at a time: those that are declared are sent, and others never."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Protocol

from sessions_vtab.contract.backend import Resource
from sessions_vtab.contract.model import Table
from sessions_vtab.contract.predicate import Op
from sessions_vtab.errors import RefusedError
from sessions_vtab.testing.declared import condition, declares, mentions, undeclared

__all__ = ["Probe", "Probed", "is_sent", "probes_of"]

_OPERATORS: Final = (Op.EQ, Op.NE, Op.LT, Op.LE, Op.GT, Op.GE, Op.LIKE, Op.GLOB, Op.IN)
_NULLITY: Final = (Op.IS_NULL, Op.IS_NOT_NULL)
_HANDED_OVER: Final = frozenset(("sent", "stops"))
"""Clauses of a plan with conditions that the backend gets: as a filter, or as where to stop."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One operator on one column, as a statement of its own.

    Attributes:
        table: name of the table.
        column: name of the column.
        op: the operator.
        sql: the statement.
    """

    table: str
    column: str
    op: Op
    sql: str


class Probed(Protocol):
    """What a probe needs of the suite."""

    connection: Any
    resources: Mapping[str, Resource]

    def plans(self, text: str, bindings: Any = None) -> list[str]:
        """The words of every scan of ours in a statement's plan."""

    def recorded(self) -> Any:
        """Records every scan that reaches the backend while a block runs."""


def probes_of(table: Table, name: str) -> Iterator[Probe]:
    """A probe for each operator on each column of a table; ``name`` is what SQL calls it."""
    for column in table.columns:
        ops = _OPERATORS if column.name in table.never_null else (*_OPERATORS, *_NULLITY)
        for op in () if column.parameter else ops:
            sql = f"SELECT * FROM {name} WHERE {condition(column, op)}"
            yield Probe(table.name, column.name, op, sql)


def is_sent(suite: Probed, probe: Probe) -> bool:
    """Whether a probe's condition is sent.

    Raises:
        AssertionError: that is not what the path in use declares, or something else is sent.
    """
    (words,) = suite.plans(probe.sql) or [""]
    name, _, rest = words.partition("; ")
    paths = suite.resources[probe.table].capability.paths
    (path,) = (path for path in paths if path.name == name)
    # A scope of that name need not exist; what was asked of the backend counts all the same.
    with suite.recorded() as scans, suppress(RefusedError):
        suite.connection.execute(probe.sql).fetchall()
    was_sent = any(
        word in _HANDED_OVER and mentions(terms, probe.column, probe.op)
        for word, _, terms in (part.partition(": ") for part in rest.split("; "))
    )
    if was_sent != declares(path, probe.column, probe.op):
        verb = "is" if was_sent else "is not"
        raise AssertionError(f"{probe.sql}: {probe.op} {verb} sent, contrary to the declaration")
    for one, scan in scans:
        wrong = undeclared(scan)
        if wrong is not None:
            raise AssertionError(
                f"{probe.sql}: {one.table.name} was sent {wrong}, which is not declared"
            )
    return was_sent

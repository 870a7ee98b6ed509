"""Whether a scan asks only for what its path declares, and a plan says so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sessions_vtab.contract.capability import EQUALITY, AccessPath
from sessions_vtab.contract.model import Column, ColumnType, quoted
from sessions_vtab.contract.predicate import AllOf, Compare, Member, Op, Predicate, to_sql
from sessions_vtab.contract.scan import Scan
from sessions_vtab.plan.pushdown import project

__all__ = ["condition", "declares", "mentions", "undeclared"]

_LITERALS: Final = {
    ColumnType.TEXT: "'a'",
    ColumnType.JSON: "'{}'",
    ColumnType.BLOB: "'a'",
    ColumnType.TIME: "'2026-01-01'",
    ColumnType.INTEGER: "1",
    ColumnType.REAL: "1.5",
    ColumnType.BOOLEAN: "1",
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


def condition(column: Column, op: Op) -> str:
    """An operator on a column, as SQL."""
    literal = _LITERALS[column.type]
    value = {Op.IN: f"({literal}, {literal})", Op.IS_NULL: "", Op.IS_NOT_NULL: ""}
    return f"{quoted(column.name)} {op} {value.get(op, literal)}".rstrip()


def declares(path: AccessPath, column: str, op: Op) -> bool:
    """Whether a path takes an operator on a column."""
    declared = path.filter_for(column)
    if declared is not None:
        return op in declared.ops
    return column in path.keys and op in {Op.EQ, Op.IN}


def mentions(sent: str, column: str, op: Op) -> bool:
    """Whether the words of a plan have an operator on a column."""
    return any(term.startswith(f"{column} {op}") for term in sent.split(" AND "))

"""Whether a scan asks only for what its path declares."""

from __future__ import annotations

from collections.abc import Iterator

from sessions_vtab.contract.capability import EQUALITY
from sessions_vtab.contract.predicate import AllOf, Compare, Member, Op, Predicate, words_of
from sessions_vtab.contract.scan import Scan
from sessions_vtab.plan.pushdown import project

__all__ = ["undeclared"]


def undeclared(scan: Scan) -> str | None:
    """The first condition or order of a scan that its path does not declare, in words."""
    for term in _terms(scan.where):
        if not _is_key(term, scan) and project(term, scan.path) != term:
            return words_of(term)
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

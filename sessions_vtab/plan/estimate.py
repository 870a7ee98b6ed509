"""How many rows conditions leave, and what reading them costs: guesses for SQLite's planner.

Only ratios matter: they decide join orders and whether SQLite reads twice for an OR.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil, prod

from sessions_vtab.contract.capability import AccessPath
from sessions_vtab.contract.predicate import (
    AllOf,
    AnyOf,
    Compare,
    Member,
    Not,
    Nothing,
    Null,
    Op,
    Predicate,
)
from sessions_vtab.plan.index_info import Hint, Relation

__all__ = ["VALUES_OF_A_SET", "cost_of", "share_of_operators", "share_of_predicate"]

VALUES_OF_A_SET = 10
"""How many values an IN is expected to have."""

_EQUAL = 0.02
_SHARES = {Op.EQ: _EQUAL, Relation.IS: _EQUAL, Op.IN: 0.1, Op.LIKE: 0.25, Op.GLOB: 0.25}
_HARDLY = (Op.NE, Op.NOT_IN, Op.NOT_LIKE, Op.IS_NOT_NULL)
_MOST = 0.9
_OTHERS = 0.4


def share_of_operators(operators: Iterable[Op | Relation | Hint]) -> float:
    """The share of rows that conditions with these operators leave together."""
    return prod(_share(op) for op in operators)


def share_of_predicate(predicate: Predicate) -> float:
    """The share of rows that match. A little is taken off an OR, so that it is worth sending."""
    match predicate:
        case Compare(_, op):
            return _share(op)
        case Member(_, operands, negated):
            return _MOST if negated else min(len(operands) * _EQUAL, _MOST)
        case Null(_, negated):
            return _MOST if negated else _OTHERS
        case AllOf(terms):
            return prod(map(share_of_predicate, terms))
        case AnyOf(terms):
            return min(sum(map(share_of_predicate, terms)) * _MOST, 1.0)
        case Not(term):
            return max(1.0 - share_of_predicate(term), _OTHERS)
        case Nothing():
            return 0.0


def cost_of(path: AccessPath, starts: int, rows: float) -> float:
    """What it costs to read: the path's cost for each page, and the rows.

    Args:
        path: the way of reading.
        starts: how many separate reads it takes.
        rows: how many rows come in all.
    """
    pages = ceil(rows / path.page_cap) if path.page_cap else 1
    return path.cost * max(starts, pages) + rows


def _share(op: Op | Relation | Hint) -> float:
    for known, share in _SHARES.items():
        if op is known:
            return share
    return _MOST if op in _HARDLY else _OTHERS

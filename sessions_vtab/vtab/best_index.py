"""Translates between ``apsw.IndexInfo`` and the planner's values.

https://sqlite.org/c3ref/index_info.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import apsw

from sessions_vtab.contract.model import Table
from sessions_vtab.contract.predicate import BINARY, Op, Value
from sessions_vtab.contract.scan import Order
from sessions_vtab.plan.offer import UNKNOWN, Answer, Constraint, Hint, Offer, Relation, Unknown

__all__ = ["give_answer", "read_offer"]

_OPERATORS: Final[dict[int, Op | Relation | Hint]] = {
    apsw.SQLITE_INDEX_CONSTRAINT_EQ: Op.EQ,
    apsw.SQLITE_INDEX_CONSTRAINT_GT: Op.GT,
    apsw.SQLITE_INDEX_CONSTRAINT_LE: Op.LE,
    apsw.SQLITE_INDEX_CONSTRAINT_LT: Op.LT,
    apsw.SQLITE_INDEX_CONSTRAINT_GE: Op.GE,
    apsw.SQLITE_INDEX_CONSTRAINT_NE: Op.NE,
    apsw.SQLITE_INDEX_CONSTRAINT_LIKE: Op.LIKE,
    apsw.SQLITE_INDEX_CONSTRAINT_GLOB: Op.GLOB,
    apsw.SQLITE_INDEX_CONSTRAINT_ISNULL: Op.IS_NULL,
    apsw.SQLITE_INDEX_CONSTRAINT_ISNOTNULL: Op.IS_NOT_NULL,
    apsw.SQLITE_INDEX_CONSTRAINT_IS: Relation.IS,
    apsw.SQLITE_INDEX_CONSTRAINT_ISNOT: Relation.IS_NOT,
    apsw.SQLITE_INDEX_CONSTRAINT_LIMIT: Hint.LIMIT,
    apsw.SQLITE_INDEX_CONSTRAINT_OFFSET: Hint.OFFSET,
}

# ``colUsed`` has one bit for each of the first 63 columns; the last bit covers all others.
_LAST_BIT: Final = 63


def read_offer(info: apsw.IndexInfo, table: Table, *, sets: bool) -> Offer:
    """What SQLite offers for one scan.

    Args:
        info: of ``xBestIndex``.
        table: the table; columns are told by their place in it.
        sets: whether IN may be taken as a set.
    """
    names = table.names
    constraints = tuple(
        _constraint(info, index, names, sets=sets) for index in range(info.nConstraint)
    )
    return Offer(constraints, tuple(_order(info, names)), frozenset(_used(info, table)))


def give_answer(info: apsw.IndexInfo, answer: Answer, words: str) -> None:
    """Tells SQLite the planner's answer; ``words`` is the idxStr."""
    for index, use in enumerate(answer.uses):
        if use.argument is not None:
            info.set_aConstraintUsage_argvIndex(index, use.argument + 1)
            info.set_aConstraintUsage_omit(index, use.omit)
            if use.as_set:
                info.set_aConstraintUsage_in(index, True)
    info.idxStr = words
    info.orderByConsumed = answer.ordered
    info.estimatedCost = answer.cost
    info.estimatedRows = answer.rows
    if answer.unique:
        info.idxFlags = apsw.SQLITE_INDEX_SCAN_UNIQUE


def _order(info: apsw.IndexInfo, names: tuple[str, ...]) -> Iterator[Order]:
    """The terms that sort; a later mention of a column, in either direction, adds nothing."""
    seen: set[int] = set()
    for index in range(info.nOrderBy):
        column = info.get_aOrderBy_iColumn(index)
        if column not in seen:
            seen.add(column)
            yield Order(names[column], bool(info.get_aOrderBy_desc(index)))


def _constraint(
    info: apsw.IndexInfo, index: int, names: tuple[str, ...], *, sets: bool
) -> Constraint:
    op = _OPERATORS.get(info.get_aConstraint_op(index), Relation.OTHER)
    usable = info.get_aConstraint_usable(index)
    if isinstance(op, Hint):
        return Constraint("", op, usable)
    listed = op is Op.EQ and info.get_aConstraintUsage_in(index)
    return Constraint(
        column=names[info.get_aConstraint_iColumn(index)],
        op=op,
        usable=usable,
        collation=_collation(info, index, op),
        literal=_literal(info, index),
        set=sets and usable and listed,
        listed=listed,
    )


def _collation(info: apsw.IndexInfo, index: int, op: Op | Relation) -> str:
    compares = op not in {Op.LIKE, Op.GLOB, Relation.OTHER}
    return info.get_aConstraint_collation(index).upper() if compares else BINARY


def _literal(info: apsw.IndexInfo, index: int) -> Value | Unknown:
    """The right-hand side where it is known; APSW answers None both for NULL and for unknown."""
    value: Value = info.get_aConstraint_rhs(index)
    return UNKNOWN if value is None else value


def _used(info: apsw.IndexInfo, table: Table) -> Iterator[str]:
    bits: set[int] = info.colUsed
    for place, column in enumerate(table.columns):
        if min(place, _LAST_BIT) in bits and not column.parameter:
            yield column.name

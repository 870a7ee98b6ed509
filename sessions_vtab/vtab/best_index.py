"""``xBestIndex``: SQLite's question as the planner's values, its answer, and the plan that is kept.

https://sqlite.org/c3ref/index_info.html. Imported when the first statement about a table of ours is
prepared: the planner and all it needs take a tenth of the time in which a process starts.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import TYPE_CHECKING, Any, Final, Protocol

import apsw

from sessions_vtab.contract.model import Table
from sessions_vtab.contract.predicate import BINARY, Op, Value
from sessions_vtab.contract.scan import Order
from sessions_vtab.plan.binding import Binder
from sessions_vtab.plan.index_info import (
    UNKNOWN,
    Constraint,
    Hint,
    IndexInfo,
    IndexUsage,
    Relation,
    Unknown,
)
from sessions_vtab.plan.narrowing import narrow
from sessions_vtab.plan.plan import Plan, describe
from sessions_vtab.plan.planner import plan_scan
from sessions_vtab.vtab.host import Host

if TYPE_CHECKING:
    from sessions_vtab.vtab.table import SourceTable


class ApswIndexInfo(Protocol):
    """What is used of ``apsw.IndexInfo``, whose names these are."""

    @property
    def nConstraint(self) -> int: ...
    @property
    def nOrderBy(self) -> int: ...
    @property
    def colUsed(self) -> set[int]: ...
    @property
    def distinct(self) -> int: ...

    idxStr: str | None
    idxFlags: int
    orderByConsumed: bool
    estimatedCost: float
    estimatedRows: int

    def get_aConstraint_iColumn(self, which: int, /) -> int: ...
    def get_aConstraint_op(self, which: int, /) -> int: ...
    def get_aConstraint_usable(self, which: int, /) -> bool: ...
    def get_aConstraint_collation(self, which: int, /) -> str: ...
    def get_aConstraint_rhs(self, which: int, /) -> Any: ...
    def get_aConstraintUsage_in(self, which: int, /) -> bool: ...
    def get_aOrderBy_iColumn(self, which: int, /) -> int: ...
    def get_aOrderBy_desc(self, which: int, /) -> bool: ...
    def set_aConstraintUsage_argvIndex(self, which: int, argument: int, /) -> None: ...
    def set_aConstraintUsage_omit(self, which: int, omit: bool, /) -> None: ...
    def set_aConstraintUsage_in(self, which: int, together: bool, /) -> None: ...


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

_GROUP_BY: Final = 1
"""``sqlite3_vtab_distinct()``: ORDER BY that wants the same order is 0 beside GROUP BY, too."""

# ``colUsed`` has one bit for each of the first 63 columns; the last bit covers all others.
_LAST_BIT: Final = 63


def read_index_info(
    info: ApswIndexInfo, table: Table, *, sets: bool, lenient: bool = False
) -> IndexInfo:
    """What SQLite offers for one scan.

    Args:
        info: of ``xBestIndex``.
        table: the table; columns are told by their place in it.
        sets: whether IN may be taken as a set.
        lenient: conditions on parameters other than ``=`` are SQLite's to check: tools ask of
            every column whether it is NULL, which parameters are.
    """
    names = table.names
    constraints = tuple(
        _UNSEEN
        if lenient and _misuses(info, index, table)
        else _constraint(info, index, names, sets=sets)
        for index in range(info.nConstraint)
    )
    return IndexInfo(
        constraints,
        tuple(_order(info, names)),
        frozenset(_used(info, table)),
        grouping=info.distinct == _GROUP_BY,
    )


def give_index_usage(info: ApswIndexInfo, usage: IndexUsage, plan_text: str) -> None:
    """Tells SQLite what the planner decided; ``plan_text`` is the idxStr."""
    for index, use in enumerate(usage.uses):
        if use.argument is not None:
            # argvIndex counts from 1, and 0 means that the value is not wanted.
            info.set_aConstraintUsage_argvIndex(index, use.argument + 1)
            info.set_aConstraintUsage_omit(index, use.omit)
            if use.as_set:
                info.set_aConstraintUsage_in(index, True)
    info.idxStr = plan_text
    info.orderByConsumed = usage.ordered
    info.estimatedCost = usage.cost
    info.estimatedRows = usage.rows
    if usage.unique:
        info.idxFlags = apsw.SQLITE_INDEX_SCAN_UNIQUE


_UNSEEN: Final = Constraint("", Relation.OTHER, usable=False)


def _misuses(info: ApswIndexInfo, index: int, table: Table) -> bool:
    """Whether a constraint on a parameter is not the one that gives it a value."""
    op = _OPERATORS.get(info.get_aConstraint_op(index), Relation.OTHER)
    if op is Op.EQ or isinstance(op, Hint):
        return False
    return table.columns[info.get_aConstraint_iColumn(index)].parameter


def _order(info: ApswIndexInfo, names: tuple[str, ...]) -> Iterator[Order]:
    """The terms that sort; a later mention of a column, in either direction, adds nothing."""
    seen: set[int] = set()
    for index in range(info.nOrderBy):
        column = info.get_aOrderBy_iColumn(index)
        if column not in seen:
            seen.add(column)
            yield Order(names[column], bool(info.get_aOrderBy_desc(index)))


def _constraint(
    info: ApswIndexInfo, index: int, names: tuple[str, ...], *, sets: bool
) -> Constraint:
    op = _OPERATORS.get(info.get_aConstraint_op(index), Relation.OTHER)
    usable = info.get_aConstraint_usable(index)
    if isinstance(op, Hint):
        return Constraint("", op, usable)
    # SQLite offers IN as an equality; only sqlite3_vtab_in tells that many values are coming.
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


def _collation(info: ApswIndexInfo, index: int, op: Op | Relation) -> str:
    compares = op not in {Op.LIKE, Op.GLOB, Relation.OTHER}
    return info.get_aConstraint_collation(index).upper() if compares else BINARY


def _literal(info: ApswIndexInfo, index: int) -> Value | Unknown:
    """The right-hand side where it is known; APSW answers None both for NULL and for unknown."""
    value: Value = info.get_aConstraint_rhs(index)
    return UNKNOWN if value is None else value


def _used(info: ApswIndexInfo, table: Table) -> Iterator[str]:
    """The columns that are looked at.

    The key always is: SQLite 3.40 tells the rows of a MULTI-INDEX OR apart by it without saying so,
    and loses those whose keys are missing; newer versions say so.
    """
    bits = info.colUsed
    for place, column in enumerate(table.columns):
        used = min(place, _LAST_BIT) in bits or column.name == table.key
        if used and not column.parameter:
            yield column.name


def planned(
    info: ApswIndexInfo, table: SourceTable, host: Host
) -> tuple[str, IndexInfo, IndexUsage] | None:
    """Plans a scan; None refuses a combination in which something needed is not usable.

    Args:
        info: of ``xBestIndex``; the answer is written into it.
        table: keeps the plan.
        host: the connection's state.

    Returns:
        The plan's text, what was offered and what was answered.
    """
    host.statements.preparing()
    resource = table.resource
    index_info = read_index_info(
        info, resource.table, sets=host.sets, lenient=host.lenient_parameters
    )
    found = plan_scan(
        index_info,
        resource.table,
        resource.capability,
        pushed=host.pushed,
        unhiding=host.unhiding,
        where=table.title,
    )
    if found is None:
        return None
    plan, usage = found
    plan_text = _remembered(table, plan)
    give_index_usage(info, usage, plan_text)
    if host.explaining is not None:
        host.explaining.planned(table.title, plan_text, plan, index_info, usage)
    return plan_text, index_info, usage


def narrowed(
    table: SourceTable, host: Host, index_info: IndexInfo, usage: IndexUsage, argument: str
) -> tuple[str, tuple[int, ...]] | None:
    """A plan with one more condition that keeps an answer's promise; see ``plan.narrowing``.

    Args:
        table: keeps the plan.
        host: the connection's state.
        index_info: what SQLite offered.
        usage: what it was told.
        argument: the text of a plan argument that is registered with the host.

    Returns:
        Its text, and the places of its arguments.
    """
    found = narrow(
        index_info,
        usage,
        table.resource.table,
        table.resource.capability,
        argument=argument,
        pushed=host.pushed,
        unhiding=host.unhiding,
        where=table.title,
    )
    return None if found is None else (_remembered(table, found.plan), found.arguments)


def _remembered(table: SourceTable, plan: Plan) -> str:
    """The words under which the table knows a plan from now on."""
    plan_text = describe(plan)
    for number in count(2):
        known = table.plans.get(plan_text)
        if known is None:
            table.plans[plan_text] = Binder(plan, table.title)
        if known is None or known.plan == plan:
            break
        # The words tell two plans apart for people; this keeps them apart for certain.
        plan_text = f"{describe(plan)}; variant {number}"
    return plan_text

"""Planning a scan again with what the statement's text says, after SQLite has its plan.

SQLite offers no ``labels->>'env' = 'prod'`` and no OR over two columns; the text of the statement
has them. Where it is known only when the scan begins, the plan that SQLite holds is a promise: rows
in an order, conditions that need no check, arguments that it will hand over. A narrower plan is
used only if it keeps that promise.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, replace

from sessions_vtab.contract.capability import Capability
from sessions_vtab.contract.model import ARGUMENTS, PUSH, Table
from sessions_vtab.contract.predicate import Op, Predicate
from sessions_vtab.plan.index_info import Constraint, ConstraintUsage, Hint, IndexInfo, IndexUsage
from sessions_vtab.plan.plan import Plan
from sessions_vtab.plan.planner import plan_scan


@dataclass(frozen=True, slots=True)
class Narrowed:
    """A plan that reads less and keeps the promise of another one.

    Attributes:
        plan: how the table is read.
        arguments: for each argument of the plan, its place among the arguments that SQLite hands
            over, followed by the text of ``_push`` and the JSON array of its values.
    """

    plan: Plan
    arguments: tuple[int, ...]


def narrow(
    index_info: IndexInfo,
    promised: IndexUsage,
    table: Table,
    capability: Capability,
    *,
    argument: str,
    pushed: Mapping[str, Predicate],
    where: str,
    unhiding: Container[str] = (),
) -> Narrowed | None:
    """The plan with one more condition; None where it would break the promise.

    Args:
        index_info: what SQLite offered.
        promised: what it was answered.
        table: the table that is read.
        capability: what can be done with it.
        argument: the text that stands for the condition, as if it were the value of ``_push``.
        pushed: conditions by their texts.
        where: ``source.table``, for errors.
        unhiding: texts whose occurrence wants rows that the table hides.

    Raises:
        SessionsError: as ``plan_scan``.
    """
    more = (Constraint(PUSH.name, Op.EQ, literal=argument), Constraint(ARGUMENTS.name, Op.EQ))
    wider = replace(index_info, constraints=index_info.constraints + more)
    planned = plan_scan(wider, table, capability, pushed=pushed, where=where, unhiding=unhiding)
    if planned is None:
        return None
    plan, usage = planned
    if promised.ordered > usage.ordered or promised.unique > usage.unique:
        return None
    first = sum(use.argument is not None for use in promised.uses)
    added = (ConstraintUsage(first, omit=True), ConstraintUsage(first + 1, omit=True))
    arguments: dict[int, int] = {}
    for one, old, new in zip(wider.constraints, promised.uses + added, usage.uses, strict=True):
        if not _keeps(one, old, new):
            return None
        if new.argument is not None and old.argument is not None:
            arguments[new.argument] = old.argument
    return Narrowed(plan, tuple(arguments[place] for place in sorted(arguments)))


def _keeps(one: Constraint, old: ConstraintUsage, new: ConstraintUsage) -> bool:
    """Whether a constraint can be used in the new way after SQLite was told the old one."""
    if old.omit and not new.omit:
        return False
    if one.op is Hint.OFFSET and old.omit != new.omit:
        return False  # SQLite skips the rows itself, or does not: they must not be skipped twice.
    if new.argument is None:
        return True
    return old.argument is not None and old.as_set == new.as_set

"""A scan is planned: SQLite's question, the planner's answer, and the plan kept under its words.

Imported when the first statement about a table of ours is prepared: the planner and all it needs
take a tenth of the time in which a process starts.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from sessions_vtab.plan.binding import Binder
from sessions_vtab.plan.index_info import IndexInfo, IndexUsage
from sessions_vtab.plan.narrowing import narrow
from sessions_vtab.plan.plan import Plan, describe
from sessions_vtab.plan.planner import plan_scan
from sessions_vtab.vtab.best_index import ApswIndexInfo, give_index_usage, read_index_info
from sessions_vtab.vtab.host import Host

if TYPE_CHECKING:
    from sessions_vtab.vtab.table import SourceTable

__all__ = ["narrowed", "planned"]


def planned(
    info: ApswIndexInfo, table: SourceTable, host: Host
) -> tuple[str, IndexInfo, IndexUsage] | None:
    """Plans a scan; None refuses a combination in which something needed is not usable.

    Args:
        info: of ``xBestIndex``; the answer is written into it.
        table: keeps the plan.
        host: the connection's state.

    Returns:
        The plan's words, what was offered and what was answered.
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
    words = _remembered(table, plan)
    give_index_usage(info, usage, words)
    if host.explaining is not None:
        host.explaining.planned(words, plan, index_info, usage)
    return words, index_info, usage


def narrowed(
    table: SourceTable, host: Host, index_info: IndexInfo, usage: IndexUsage, told: str
) -> tuple[str, tuple[int, ...]] | None:
    """A plan with one more condition that keeps an answer's promise; see ``plan.narrowing``.

    Args:
        table: keeps the plan.
        host: the connection's state.
        index_info: what SQLite offered.
        usage: what it was told.
        told: the text of a plan of the statement rewriter, which the host has been told.

    Returns:
        Its words, and the places of its arguments.
    """
    found = narrow(
        index_info,
        usage,
        table.resource.table,
        table.resource.capability,
        told=told,
        pushed=host.pushed,
        unhiding=host.unhiding,
        where=table.title,
    )
    return None if found is None else (_remembered(table, found.plan), found.arguments)


def _remembered(table: SourceTable, plan: Plan) -> str:
    """The words under which the table knows a plan from now on."""
    words = describe(plan)
    for number in count(2):
        known = table.plans.get(words)
        if known is None:
            table.plans[words] = Binder(plan, table.title)
        if known is None or known.plan == plan:
            break
        # The words tell two plans apart for people; this keeps them apart for certain.
        words = f"{describe(plan)}; variant {number}"
    return words

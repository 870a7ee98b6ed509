"""Why each condition of a statement is sent, or is left to SQLite: the rules, by name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from sessions_vtab.contract.capability import AccessPath
from sessions_vtab.contract.predicate import Compare, Nothing, fields
from sessions_vtab.contract.rules import Rule
from sessions_vtab.plan.plan import Decided
from sessions_vtab.plan.pushdown import project, refusal
from sessions_vtab.vtab.looking import Reached

if TYPE_CHECKING:  # It imports sqlglot.
    from sessions_vtab.sql.occurrences import Condition

__all__ = ["reasons"]


def reasons(
    path: AccessPath,
    conditions: Sequence[Condition],
    decided: Sequence[Decided],
    reached: Sequence[Reached],
) -> Iterator[tuple[str, Rule]]:
    """Each condition on a table with the rule that decided about it.

    Args:
        path: how the table is read.
        conditions: of the statement's text, about this table.
        decided: what the planner said to what SQLite offered.
        reached: the reads that the statement begins with.
    """
    left = [one._replace(rule=_with_values(one, reached)) for one in decided]
    rules: dict[Condition, list[Rule]] = {}
    # Those that SQLite is known to offer first: the others take what is left of their columns.
    for condition in sorted(conditions, key=lambda one: one.role != "offered"):
        mine = [one for one in left if _is_of(one, condition)]
        left = [one for one in left if one not in mine]
        offered = [one.rule for one in mine] or [condition.rule or Rule.SQLITE]
        handed = _by_text(condition, path)
        rules[condition] = offered if handed is None else [handed]
    for condition in conditions:
        for rule in dict.fromkeys(rules[condition]):
            yield condition.text, rule
    for one in left:
        yield f"{one.column} {one.op} ?", one.rule


def _by_text(condition: Condition, path: AccessPath) -> Rule | None:
    """What the path makes of a condition that the statement rewriter hands over, if it does."""
    predicate = condition.predicate
    if predicate is None or condition.role not in {"pushed", "narrowed"}:
        return None
    refused = refusal(predicate, path)
    if refused is not None:
        return refused
    whole = condition.role == "pushed" and project(predicate, path) == predicate
    return Rule.TEXT if whole else Rule.PART


def _is_of(one: Decided, condition: Condition) -> bool:
    """Whether an offer of SQLite comes from a condition of the text."""
    predicate = condition.predicate
    if predicate is None:  # On a parameter, or in a form that is not read.
        return re.search(rf"\b{re.escape(one.column)}\b", condition.text, re.IGNORECASE) is not None
    if isinstance(predicate, Compare):
        same = predicate.op == one.op and predicate.collation == one.collation
        return same and one.column == predicate.field.column
    return one.column in {field.column for field in fields(predicate)}


def _with_values(one: Decided, reached: Sequence[Reached]) -> Rule:
    """The rule, seen with the values: one that may not be compared is not sent after all."""
    if one.rule not in {Rule.KEY, Rule.FILTER, Rule.EXACT_FILTER} or not reached:
        return one.rule
    asked = [read.scan.where for read in reached]
    if any(isinstance(where, Nothing) for where in asked):
        return one.rule
    sent = {field.column for where in asked for field in fields(where)}
    return one.rule if one.column in sent else Rule.VALUE

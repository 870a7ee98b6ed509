"""The rules by which a condition is sent or is left to SQLite, by the names that people read.

What reads a statement and what plans a scan say one of these for each condition; ``sessions-vtab
explain --why`` prints it, and ``docs/pushdown.md`` lists them all.
"""

from __future__ import annotations

from enum import Enum


class Rule(Enum):
    """Why a condition is sent, or why it is not.

    Attributes:
        sent: true if it narrows what is read.
        says: the rule in one sentence, without its end.
        decided_in: the module that decides it.
    """

    KEY = "key", True, "the rows are found by this column", "plan/planner.py"
    PARAMETER = "parameter", True, "the column is a parameter of the request", "plan/planner.py"
    EXACT_FILTER = (
        "exact-filter",
        True,
        "the filter is declared exact, so SQLite does not check the rows again",
        "plan/planner.py",
    )
    FILTER = "filter", True, "the API filters, and SQLite checks the rows again", "plan/planner.py"
    TEXT = (
        "text",
        True,
        "it was read from the statement's text; SQLite checks the rows again",
        "sql/conditions.py",
    )
    PART = (
        "part",
        True,
        "a part of it, or a wider condition, is sent; SQLite checks the whole",
        "plan/pushdown.py",
    )
    ORDER = (
        "order",
        True,
        "the rows come in this order, so reading stops after the last one",
        "plan/plan.py",
    )
    OTHER_ORDER = "other-order", False, "the rows come in another order", "plan/plan.py"
    NO_FILTER = "no-filter", False, "the API has no such filter", "plan/planner.py"
    OPERATOR = "operator", False, "the API's filter lacks the operator", "plan/planner.py"
    COLLATION = (
        "collation",
        False,
        "the API's filter compares with another collation",
        "plan/planner.py",
    )
    CONNECTIVE = (
        "connective",
        False,
        "the API cannot combine its filters like this (OR, NOT)",
        "plan/pushdown.py",
    )
    NEGATION = (
        "negation",
        False,
        "the filter under NOT is not exact, so its negation would lose rows",
        "plan/pushdown.py",
    )
    VALUE = (
        "value",
        False,
        "the value's type does not settle how SQLite compares it",
        "plan/pushdown.py",
    )
    LATER = (
        "later",
        False,
        "the value is known only after this table is read, in this order of joins",
        "plan/planner.py",
    )
    OUTER_JOIN = (
        "outer-join",
        False,
        "the outer join also needs rows that do not meet it",
        "sql/pushing.py",
    )
    SQLITE = "sqlite", False, "only SQLite can decide it", "sql/conditions.py"

    def __init__(self, label: str, sent: bool, says: str, decided_in: str) -> None:
        self.label = label
        self.sent = sent
        self.says = says
        self.decided_in = decided_in

    def __str__(self) -> str:
        return self.label

"""A plan made again with one more condition keeps what SQLite was promised, or is not used."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sessions_vtab.contract.capability import (
    EQUALITY,
    RANGE,
    AccessPath,
    Capability,
    Connective,
    Filter,
)
from sessions_vtab.contract.predicate import AnyOf, Compare, Field, Op, Predicate, Slot
from sessions_vtab.contract.scan import Order
from sessions_vtab.contract.tables import SESSIONS, session_columns
from sessions_vtab.plan.index_info import Constraint, ConstraintUsage, Hint, IndexInfo, IndexUsage
from sessions_vtab.plan.narrowing import Narrowed, narrow
from sessions_vtab.plan.plan import describe
from sessions_vtab.plan.planner import plan_scan

TABLE = SESSIONS.extended(hidden=session_columns("page_size"))
LIST = AccessPath(
    "list",
    filters=(
        Filter("user_id", EQUALITY, exact=True),
        Filter("create_time", RANGE, exact=True),
        Filter("labels", frozenset((Op.EQ,)), keyed=True, exact=True),
    ),
    orders=("create_time", "name"),
    connectives=frozenset((Connective.OR,)),
    offset=True,
    cost=100.0,
)
BY_LABEL = AccessPath(
    "search", filters=(Filter("labels", frozenset((Op.EQ,)), keyed=True),), cost=1.0
)
CAPABILITY = Capability((LIST,), rows=1_000)
PROD: Predicate = Compare(Field("labels", "env"), Op.EQ, Slot(0))
ANN = Constraint("user_id", Op.EQ, literal="ann")
BY_TIME = (Order("create_time"),)


def _narrowed(
    *constraints: Constraint,
    order: tuple[Order, ...] = (),
    capability: Capability = CAPABILITY,
    predicate: Predicate = PROD,
    wider: Capability | None = None,
    **promised: Any,
) -> Narrowed | None:
    index_info = IndexInfo(constraints, order, frozenset(("name",)))
    planned = plan_scan(index_info, TABLE, wider or capability, pushed={}, where="s.sessions")
    assert planned is not None
    usage: IndexUsage = replace(planned[1], **promised)
    return narrow(
        index_info,
        usage,
        TABLE,
        capability,
        argument="T",
        pushed={"T": predicate},
        where="s.sessions",
    )


@pytest.mark.parametrize(
    ("constraints", "order", "words", "arguments"),
    [
        ((), (), "list; sent: (labels->>'env' = ?1); read: name", (0, 1)),
        (
            (ANN,),
            (),
            "list; sent: user_id = literal AND (labels->>'env' = ?1); read: name",
            (0, 1, 2),
        ),
        (
            (ANN, Constraint("", Hint.LIMIT)),
            BY_TIME,
            (
                "list; sent: user_id = literal AND (labels->>'env' = ?1); order: create_time;"
                " limit; read: name"
            ),
            (0, 2, 3, 1),
        ),
        (
            (Constraint("page_size", Op.EQ), ANN),
            (),
            "list; sent: user_id = literal AND page_size = ? AND (labels->>'env' = ?1); read: name",
            (0, 1, 2, 3),
        ),
    ],
    ids=["alone", "beside a condition", "before LIMIT", "behind a parameter"],
)
def test_the_arguments_are_those_that_sqlite_hands_over_and_two_more(
    constraints: Any, order: Any, words: str, arguments: tuple[int, ...]
) -> None:
    found = _narrowed(*constraints, order=order)

    assert found is not None
    assert (describe(found.plan), found.arguments) == (words, arguments)


def test_a_condition_over_two_columns_is_taken_as_a_whole() -> None:
    either = AnyOf((Compare(Field("user_id"), Op.EQ, Slot(0)), PROD))

    found = _narrowed(predicate=either)

    assert found is not None
    assert "user_id = ?1 OR labels->>'env' = ?1" in describe(found.plan)


@pytest.mark.parametrize(
    ("constraints", "order", "capability", "wider", "promised"),
    [
        # The path that the condition leads to does not sort.
        ((), BY_TIME, Capability((LIST, BY_LABEL)), CAPABILITY, {}),
        # It does not check the user, of which SQLite was told that it need not.
        ((ANN,), (), Capability((LIST, BY_LABEL)), CAPABILITY, {}),
        # At most one row was promised.
        ((), (), CAPABILITY, None, {"unique": True}),
        # SQLite was told that the rows are skipped for it.
        ((Constraint("", Hint.LIMIT), Constraint("", Hint.OFFSET)), (), CAPABILITY, None, {}),
        # SQLite hands over the values of IN one by one.
        (
            (replace(ANN, set=True, listed=True),),
            (),
            CAPABILITY,
            None,
            {"uses": (ConstraintUsage(0, as_set=False),)},
        ),
        # SQLite does not hand the value over.
        ((ANN,), (), CAPABILITY, None, {"uses": (ConstraintUsage(),)}),
    ],
    ids=["order", "omitted check", "one row", "offset", "set", "no argument"],
)
def test_what_breaks_the_promise_is_not_used(
    constraints: Any, order: Any, capability: Capability, wider: Any, promised: dict[str, Any]
) -> None:
    found = _narrowed(*constraints, order=order, capability=capability, wider=wider, **promised)

    assert found is None

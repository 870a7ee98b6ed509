from __future__ import annotations

from typing import Any

import pytest

from sessions_vtab.contract.capability import AccessPath
from sessions_vtab.contract.predicate import (
    TIMESTAMP,
    AllOf,
    AnyOf,
    Compare,
    Field,
    Member,
    Not,
    Null,
    Op,
    Predicate,
    Slot,
    to_sql,
)
from sessions_vtab.contract.tables import SESSIONS
from sessions_vtab.plan.binding import Binder
from sessions_vtab.plan.index_info import Relation
from sessions_vtab.plan.plan import Plan, Pushed, Term

PATH = AccessPath("list", offset=True)
USER, LABEL = Field("user_id"), Field("labels", "env")
OPTIONAL = Compare(USER, Op.EQ, Slot(0), optional=True)
NINE = "2026-01-01 09:00:00.000000"


def _words(*terms: Term, arguments: tuple[Any, ...]) -> str | None:
    scan = Binder(Plan(SESSIONS, PATH, terms=terms), "prod.sessions").bind(arguments)
    return None if scan is None else to_sql(scan.where)


@pytest.mark.parametrize(
    ("term", "argument", "words"),
    [
        (Term("user_id", Op.EQ), "ann", "user_id = 'ann'"),
        (Term("user_id", Op.EQ), None, None),
        (Term("user_id", Op.EQ), 7, "TRUE"),
        (Term("user_id", Op.EQ, literal=True), 7, "user_id = '7'"),
        (Term("user_id", Op.NE), None, None),
        (Term("user_id", Op.IN), {"ann"}, "user_id IN ('ann')"),
        (Term("user_id", Op.IN), {"ann", None}, "user_id IN ('ann')"),
        (Term("user_id", Op.IN), {None}, None),
        (Term("user_id", Op.IN), set(), None),
        (Term("user_id", Op.IN), None, None),
        (Term("user_id", Op.IN), {"ann", 7}, "TRUE"),
        (Term("user_id", Relation.IS), "ann", "user_id = 'ann'"),
        (Term("user_id", Relation.IS), None, "user_id IS NULL"),
        (Term("user_id", Op.IS_NULL), None, "user_id IS NULL"),
        (Term("user_id", Op.IS_NOT_NULL), None, "user_id IS NOT NULL"),
        (Term("create_time", Op.GT, TIMESTAMP), "2026-01-01T10:00:00+01:00",
         f"create_time > '{NINE}' COLLATE TIMESTAMP"),
        (Term("create_time", Op.EQ), "2026-01-01T10:00:00+01:00", f"create_time = '{NINE}' COLLATE TIMESTAMP"),
        (Term("create_time", Op.GT), "2026-01-01", "TRUE"),
        (Term("create_time", Op.GT, TIMESTAMP), "later", "TRUE"),
        (Term("create_time", Op.LIKE), "2026%", "create_time LIKE '2026%'"),
    ],
)  # fmt: skip
def test_a_condition_gets_its_value_or_narrows_nothing_or_matches_nothing(
    term: Term, argument: Any, words: str | None
) -> None:
    assert _words(term, arguments=(argument,)) == words


@pytest.mark.parametrize(
    ("predicate", "values", "words"),
    [
        (Compare(LABEL, Op.EQ, Slot(0)), '["prod"]', "(labels->>'env' = 'prod')"),
        (Compare(LABEL, Op.EQ, Slot(0)), "[1]", "TRUE"),
        (Compare(LABEL, Op.EQ, Slot(0)), "[null]", None),
        (Compare(USER, Op.NE, Slot(0)), '["ann"]', "(user_id <> 'ann')"),
        (Member(USER, (Slot(0), Slot(1)), negated=True), '["a", "b"]', "(user_id NOT IN ('a', 'b'))"),
        (Member(USER, (Slot(0), Slot(1)), negated=True), '["a", null]', None),
        (Member(USER, (Slot(0), Slot(1)), negated=True), '["a", 1]', "TRUE"),
        (Member(USER, (Slot(0),)), "[null]", None),
        (AnyOf((Compare(USER, Op.EQ, Slot(0)), Compare(LABEL, Op.EQ, Slot(1)))), '["a", "b"]',
         "(user_id = 'a' OR labels->>'env' = 'b')"),
        (AnyOf((Compare(USER, Op.EQ, Slot(0)), Compare(LABEL, Op.EQ, Slot(1)))), '["a", 2]',
         "TRUE"),
        (AllOf((Compare(USER, Op.EQ, Slot(0)), Compare(LABEL, Op.EQ, Slot(1)))), '["a", 2]',
         "(user_id = 'a')"),
        (Not(AllOf((Compare(USER, Op.EQ, Slot(0)), Compare(LABEL, Op.EQ, Slot(1))))), '["a", 2]',
         "TRUE"),
        (Null(USER), "[]", "(user_id IS NULL)"),
        (OPTIONAL, '["ann"]', "(user_id = 'ann')"),
        (OPTIONAL, "[null]", "TRUE"),
        (OPTIONAL, "[7]", "TRUE"),
        (AllOf((OPTIONAL, Compare(LABEL, Op.EQ, Slot(1)))), '[null, "a"]', "(labels->>'env' = 'a')"),
        (AnyOf((OPTIONAL, Compare(LABEL, Op.EQ, Slot(1)))), '[null, "a"]', "TRUE"),
        (AnyOf((OPTIONAL, Compare(LABEL, Op.EQ, Slot(1)))), '["ann", "a"]',
         "(user_id = 'ann' OR labels->>'env' = 'a')"),
    ],
)  # fmt: skip
def test_what_the_statement_rewriter_found_gets_its_values_from_one_json_array(
    predicate: Predicate, values: str, words: str | None
) -> None:
    plan = Plan(SESSIONS, PATH, pushed=Pushed(predicate, 0))

    scan = Binder(plan, "prod.sessions").bind((values,))

    got = None if scan is None else to_sql(scan.where)
    assert (got or "").strip("()") == (words or "").strip("()")


@pytest.mark.parametrize(
    ("limit", "offset", "skips", "wanted", "skipped"),
    [
        (5, None, False, 5, 0),
        (5, 3, False, 8, 0),
        (5, 3, True, 5, 3),
        (-1, 3, False, None, 0),
        (-1, 3, True, None, 3),
        (5, -3, False, 5, 0),
        (5, -3, True, 5, 0),
        (0, 0, False, 0, 0),
        ("5", None, False, None, 0),
        (None, None, False, None, 0),
    ],
)
def test_limit_and_offset_become_a_hint_and_a_number_to_skip(
    limit: Any, offset: Any, skips: bool, wanted: int | None, skipped: int
) -> None:
    plan = Plan(SESSIONS, PATH, limit=0, offset=None if offset is None else 1, skips=skips)

    scan = Binder(plan, "prod.sessions").bind((limit, offset))

    assert scan is not None
    assert (scan.limit, scan.offset) == (wanted, skipped)


def test_parameters_are_handed_over_by_name() -> None:
    plan = Plan(SESSIONS, PATH, terms=(Term("user_id", Op.EQ),), parameters=(("page_size", 1),))

    scan = Binder(plan, "prod.sessions").bind(("ann", 50))

    assert scan is not None
    assert scan.parameters == {"page_size": 50}

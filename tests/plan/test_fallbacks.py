"""Values that cannot be a key, times that cannot be, and how many rows a key gives."""

from __future__ import annotations

import pytest

from sessions_vtab.contract.capability import EQUALITY, RANGE, AccessPath, Capability, Filter
from sessions_vtab.contract.predicate import TIMESTAMP, Op, to_sql
from sessions_vtab.contract.scan import Order
from sessions_vtab.contract.tables import SESSIONS
from sessions_vtab.errors import InvalidValueError
from sessions_vtab.plan.binding import Binder
from sessions_vtab.plan.index_info import Constraint, IndexInfo
from sessions_vtab.plan.plan import Plan, Term
from sessions_vtab.plan.planner import plan_scan

GET = AccessPath("get", ("session_id",), unique=True, cost=50)
LIST = AccessPath(
    "list",
    filters=(Filter("user_id", EQUALITY), Filter("create_time", RANGE)),
    orders=("create_time",),
    page_cap=100,
    cost=100,
)
TERMS = (Term("session_id", Op.EQ), Term("user_id", Op.EQ), Term("display_name", Op.EQ))


def test_a_text_is_looked_up_by_its_key():
    scan = Binder(Plan(SESSIONS, GET, TERMS[:1], fallbacks=(LIST,)), "prod.sessions").bind(("7",))

    assert (scan.path, to_sql(scan.where)) == (GET, "session_id = '7'")


def test_a_number_equals_many_texts_so_another_path_is_read_with_what_it_takes():
    scan = Binder(Plan(SESSIONS, GET, TERMS, fallbacks=(LIST,)), "prod.sessions").bind(
        (7, "ann", "x")
    )

    assert (scan.path, to_sql(scan.where)) == (LIST, "user_id = 'ann'")


def test_a_key_compared_without_case_is_not_a_key_lookup():
    scan = Binder(Plan(SESSIONS, GET, TERMS[1:2], fallbacks=(LIST,)), "prod.sessions").bind(
        ("ann",)
    )

    assert (scan.path, to_sql(scan.where)) == (LIST, "user_id = 'ann'")


def test_the_fallback_path_must_keep_the_order():
    plan = Plan(SESSIONS, GET, TERMS[:1], order=(Order("user_id"),), fallbacks=(LIST,))

    with pytest.raises(InvalidValueError, match=r"session_id is text, .*CAST"):
        Binder(plan, "prod.sessions").bind((7,))


def test_without_another_path_an_invalid_key_is_an_error():
    with pytest.raises(InvalidValueError, match=r"^prod\.sessions\.session_id is text"):
        Binder(Plan(SESSIONS, GET, TERMS[:1]), "prod.sessions").bind((7,))


def test_the_planner_keeps_the_other_paths():
    index_info = IndexInfo((Constraint("session_id", Op.EQ, True),), (), frozenset())

    planned = plan_scan(index_info, SESSIONS, Capability((GET, LIST)), pushed={}, where="t")

    assert planned is not None
    assert (planned[0].path, planned[0].fallbacks) == (GET, (LIST,))


@pytest.mark.parametrize(
    ("low", "high", "asked"),
    [
        ("2026-02-01", "2026-01-01", False),
        ("2026-01-01", "2026-02-01", True),
        ("2026-01-01", "2026-01-01", True),
        ("2026-01-01T00:00:00.000000001Z", "2026-01-01", False),
        ("2026-01-01T01:00:00+02:00", "2026-01-01", True),
    ],
)
def test_an_empty_time_range_sends_nothing(low, high, asked):
    terms = (Term("create_time", Op.GE, TIMESTAMP), Term("create_time", Op.LE, TIMESTAMP))

    assert (
        Binder(Plan(SESSIONS, LIST, terms), "prod.sessions").bind((low, high)) is not None
    ) is asked


def test_the_values_of_a_set_are_requested_in_the_same_order_in_every_process():
    scan = Binder(Plan(SESSIONS, LIST, (Term("user_id", Op.IN),)), "prod.sessions").bind(
        ({"b", "c", "a"},)
    )

    assert to_sql(scan.where) == "user_id IN ('a', 'b', 'c')"


@pytest.mark.parametrize(("declared", "rows"), [(20, 20), (None, 200)])
def test_the_rows_of_a_key_are_those_declared(declared, rows):
    path = AccessPath("by session", ("session_id",), page_cap=100, rows_per_key=declared)
    index_info = IndexInfo((Constraint("session_id", Op.EQ, True),), (), frozenset())

    planned = plan_scan(
        index_info, SESSIONS, Capability((path,), rows=10_000), pushed={}, where="t"
    )

    assert planned is not None
    assert planned[1].rows == rows

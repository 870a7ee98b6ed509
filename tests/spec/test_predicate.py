from __future__ import annotations

import pytest

from sessions_vtab.spec.capability import AccessPath
from sessions_vtab.spec.predicate import (
    EVERYTHING,
    NOTHING,
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
    Value,
    bind,
    fields,
    known,
)
from sessions_vtab.spec.scan import Scan

A, B = Field("a"), Field("b")


def _bound(predicate: Predicate, *values: Value) -> Predicate:
    return bind(predicate, lambda slot, field: (values[slot.index],))


@pytest.mark.parametrize(
    ("plan", "values", "request_"),
    [
        (Compare(A, Op.EQ, Slot(0)), ("x",), Compare(A, Op.EQ, "x")),
        (Compare(A, Op.EQ, Slot(0)), (None,), NOTHING),
        (Compare(A, Op.EQ, "y"), (), Compare(A, Op.EQ, "y")),
        (Member(A, (Slot(0), Slot(1))), ("x", None), Member(A, ("x",))),
        (Member(A, (Slot(0),)), (None,), NOTHING),
        (Member(A, (Slot(0),), negated=True), (None,), NOTHING),
        (Member(A, (Slot(0),), negated=True), ("x",), Member(A, ("x",), negated=True)),
        (
            AllOf((Null(A), Compare(B, Op.LT, Slot(0)))),
            (1,),
            AllOf((Null(A), Compare(B, Op.LT, 1))),
        ),
        (AnyOf((Compare(A, Op.EQ, Slot(0)),)), (None,), AnyOf((NOTHING,))),
        (Not(Compare(A, Op.EQ, Slot(0))), ("x",), Not(Compare(A, Op.EQ, "x"))),
        (NOTHING, (), NOTHING),
    ],
)
def test_binding_fills_in_values_and_knows_that_null_equals_nothing(
    plan: Predicate, values: tuple[Value, ...], request_: Predicate
) -> None:
    assert _bound(plan, *values) == request_


def test_one_slot_may_stand_for_a_set_of_values() -> None:
    got = bind(Member(A, (Slot(0),)), lambda slot, field: ("x", None, "y"))

    assert got == Member(A, ("x", "y"))


def test_every_field_is_found_from_left_to_right() -> None:
    key = Field("labels", "env")
    predicate = AllOf((Null(A), Not(AnyOf((Compare(key, Op.EQ, 1), Member(B, (1,)))))))

    assert list(fields(predicate)) == [A, key, B]
    assert list(fields(NOTHING)) == list(fields(EVERYTHING)) == []


def test_a_key_of_a_json_column_is_written_as_sql_would() -> None:
    assert str(Field("labels", "it's")) == "labels->>'it''s'"


def test_operands_that_are_known_leave_out_slots() -> None:
    assert known(1, Slot(0), None) == (1, None)


@pytest.mark.parametrize(
    ("where", "values"),
    [
        (AllOf(()), None),
        (AllOf((Compare(A, Op.EQ, "x"),)), ("x",)),
        (AllOf((Compare(A, Op.GT, "x"),)), None),
        (AllOf((Member(A, ("x", "y", "x")),)), ("x", "y")),
        (AllOf((Member(A, ("x",), negated=True),)), None),
        (AllOf((Compare(Field("a", "key"), Op.EQ, "x"),)), None),
        (AllOf((Compare(B, Op.EQ, "x"),)), None),
    ],
)
def test_a_scan_tells_the_values_a_column_is_demanded_to_have(
    where: AllOf, values: tuple[Value, ...] | None
) -> None:
    assert Scan(AccessPath("list"), where).given("a") == values

from __future__ import annotations

import pytest

from sessions_vtab.contract.capability import AccessPath
from sessions_vtab.contract.predicate import (
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
    Slot,
    Value,
    fields,
    known,
)
from sessions_vtab.contract.scan import Scan

A, B = Field("a"), Field("b")


def test_every_field_is_found_from_left_to_right() -> None:
    key = Field("labels", "env")
    predicate = AllOf((Null(A), Not(AnyOf((Compare(key, Op.EQ, 1), Member(B, (1,)))))))

    assert list(fields(predicate)) == [A, key, B]
    assert list(fields(NOTHING)) == list(fields(EVERYTHING)) == []


def test_a_key_of_a_json_column_is_written_as_in_sql() -> None:
    assert str(Field("labels", "it's")) == "labels->>'it''s'"


def test_known_operands_exclude_slots() -> None:
    assert known(1, Slot(0), None) == (1, None)


@pytest.mark.parametrize(
    ("where", "values"),
    [
        (AllOf(()), None),
        (AllOf((Compare(A, Op.EQ, "x"),)), ("x",)),
        (AllOf((Compare(A, Op.GT, "x"),)), None),
        (AllOf((Member(A, ("x", "y", "x")),)), ("x", "y")),
        (AllOf((Member(A, ("x",), negated=True),)), None),
        (AllOf((Member(A, ("x", "y", "z")), Member(A, ("z", "y")))), ("y", "z")),
        (AllOf((Member(A, ("x", "y")), Compare(A, Op.EQ, "y"), Compare(B, Op.EQ, "x"))), ("y",)),
        (AllOf((Compare(A, Op.EQ, "x"), Compare(A, Op.EQ, "y"))), ()),
        (AllOf((Compare(A, Op.EQ, 1), Member(A, ("1", "2")))), (1,)),
        (AllOf((Compare(Field("a", "key"), Op.EQ, "x"),)), None),
        (AllOf((Compare(B, Op.EQ, "x"),)), None),
    ],
)
def test_a_scan_returns_the_values_that_a_column_must_have(
    where: AllOf, values: tuple[Value, ...] | None
) -> None:
    scan = Scan(AccessPath("list"), where)
    assert scan.given("a") == scan.all_given().get("a") == values

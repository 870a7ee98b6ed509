"""What a value may narrow is measured against SQLite itself."""

from __future__ import annotations

from collections.abc import Iterator

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions_vtab.contract import times
from sessions_vtab.contract.model import Column, ColumnType, sql_type
from sessions_vtab.contract.predicate import BINARY, TIMESTAMP, Compare, Field, Op, Value
from sessions_vtab.plan.pushdown import NOT_PUSHABLE, certain, pushable
from tests.memory import evaluate

T = ColumnType
STORED: dict[ColumnType, tuple[Value, ...]] = {
    T.TEXT: ("1", "01", "1.0", "1e0", " 1", "10", "9", "a", "A", "", "2026-01-01", "1767258000",
             "9223372036854775807", None),
    T.JSON: ("{}", "[]", "1", '"a"', None),
    T.TIME: ("2026-01-01 00:00:00.000000", "2026-01-01 09:00:00.000000",
             "2026-01-01 09:00:00.000000001", "1970-01-01 00:00:00.000000", None),
    T.INTEGER: (0, 1, 9, 10, -1, 2**63 - 1, None),
    T.BOOLEAN: (0, 1, None),
    T.REAL: (0.0, 1.0, 1.5, -1.0, 1e300, None),
}  # fmt: skip
VALUES: tuple[Value, ...] = (
    0, 1, 10, -1, 1.0, 1.5, 2**63 - 1, 1767258000, 1767258000.0, 1e300,
    "1", "01", "1.0", " 1", "1 ", "1e0", "10", "a", "A", "", "{}", "-1", "0x1", "+1",
    "2026-01-01", "2026-01-01T10:00:00+01:00", "1767258000", "later", b"1", b"a",
)  # fmt: skip
ORIGINS = ("literal", "bound", "TEXT", "INTEGER", "REAL", "BLOB")
OPS = (Op.EQ, Op.NE, Op.LT, Op.LE, Op.GT, Op.GE)


@pytest.fixture(scope="module")
def native() -> Iterator[apsw.Connection]:
    """A table for each type, and one for each affinity a value may come with."""
    connection = apsw.Connection(":memory:")
    connection.create_collation(TIMESTAMP, times.compare)
    for type_, values in STORED.items():
        collate = " COLLATE TIMESTAMP" if type_ is T.TIME else ""
        declared = sql_type(Column("v", type_, "d"))
        connection.execute(f"CREATE TABLE {type_.value}_rows(v {declared}{collate})")
        for value in values:
            connection.execute(f"INSERT INTO {type_.value}_rows VALUES (?)", (value,))
    for affinity in ORIGINS[2:]:
        connection.execute(f"CREATE TABLE {affinity}_origin(o {affinity})")
    yield connection
    connection.close()


def _asked(
    native: apsw.Connection, type_: ColumnType, op: Op, value: Value, origin: str
) -> tuple[Value, list[tuple[Value, bool]]]:
    """The value as a virtual table would be handed it, and what SQLite answers for each row."""
    table = f"{type_.value}_rows"
    if origin == "literal":
        sql = f"SELECT v, v {op} {apsw.format_sql_value(value)} FROM {table}"
        return value, native.execute(sql).fetchall()
    if origin == "bound":
        return value, native.execute(f"SELECT v, v {op} ? FROM {table}", (value,)).fetchall()
    native.execute(f"DELETE FROM {origin}_origin")
    native.execute(f"INSERT INTO {origin}_origin VALUES (?)", (value,))
    handed = native.execute(f"SELECT o FROM {origin}_origin").get
    return handed, native.execute(f"SELECT v, v {op} o FROM {table}, {origin}_origin").fetchall()


@given(
    type_=st.sampled_from(tuple(STORED)),
    op=st.sampled_from(OPS),
    value=st.sampled_from(VALUES),
    origin=st.sampled_from(ORIGINS),
)
def test_a_value_that_is_admitted_loses_no_row(
    native: apsw.Connection, type_: ColumnType, op: Op, value: Value, origin: str
) -> None:
    handed, answers = _asked(native, type_, op, value, origin)
    collation = TIMESTAMP if type_ is T.TIME else BINARY

    fit = pushable(type_, op, handed, collation=collation, literal=origin == "literal")

    if fit is not NOT_PUSHABLE:
        asked = Compare(Field("v"), op, fit, collation)
        kept = [(row, bool(evaluate(asked, {"v": row}))) for row, _ in answers]
        assert all(ours for (_, ours), (_, theirs) in zip(kept, answers, strict=True) if theirs)


@given(type_=st.sampled_from(tuple(STORED)), op=st.sampled_from(OPS), value=st.sampled_from(VALUES))
def test_a_literal_that_is_certain_keeps_just_the_rows_sqlite_keeps(
    native: apsw.Connection, type_: ColumnType, op: Op, value: Value
) -> None:
    _, answers = _asked(native, type_, op, value, "literal")
    collation = TIMESTAMP if type_ is T.TIME else BINARY

    if certain(type_, op, value, collation):
        fit = pushable(type_, op, value, collation=collation, literal=True)
        assert not isinstance(fit, type(NOT_PUSHABLE))
        asked = Compare(Field("v"), op, fit, collation)
        assert [bool(evaluate(asked, {"v": row})) for row, _ in answers] == [
            bool(theirs) for _, theirs in answers
        ]


@pytest.mark.parametrize(
    ("type_", "op", "value", "literal", "admitted"),
    [
        (T.TEXT, Op.EQ, "a", False, "a"),
        (T.TEXT, Op.EQ, 7, True, "7"),
        (T.TEXT, Op.EQ, 7, False, NOT_PUSHABLE),
        (T.TEXT, Op.EQ, 7.0, True, NOT_PUSHABLE),
        (T.TEXT, Op.EQ, b"a", True, NOT_PUSHABLE),
        (T.TEXT, Op.LT, "a", False, "a"),
        (T.TEXT, Op.LT, "5", False, NOT_PUSHABLE),
        (T.TEXT, Op.LT, "", False, NOT_PUSHABLE),
        (T.TEXT, Op.LT, "5", True, "5"),
        (T.TEXT, Op.LIKE, "a%", False, "a%"),
        (T.TEXT, Op.LIKE, 1, True, NOT_PUSHABLE),
        (T.TIME, Op.GT, "2026-01-01", False, "2026-01-01 00:00:00.000000"),
        (T.TIME, Op.GT, 1767258000, True, "2026-01-01 09:00:00.000000"),
        (T.TIME, Op.GT, 1767258000, False, NOT_PUSHABLE),
        (T.TIME, Op.GT, "later", False, NOT_PUSHABLE),
        (T.INTEGER, Op.EQ, 7, False, 7),
        (T.INTEGER, Op.EQ, "7", True, 7),
        (T.INTEGER, Op.EQ, "seven", True, NOT_PUSHABLE),
        (T.REAL, Op.EQ, 7, False, 7),
    ],
)
def test_a_value_is_admitted_as_its_column_stores_it(
    type_: ColumnType, op: Op, value: Value, literal: bool, admitted: object
) -> None:
    collation = TIMESTAMP if type_ is T.TIME else BINARY

    assert pushable(type_, op, value, collation=collation, literal=literal) == admitted


@pytest.mark.parametrize("op", [Op.LT, Op.LE, Op.GT, Op.GE, Op.NE])
def test_without_the_collation_times_are_compared_as_text_and_no_range_is_pushed(op: Op) -> None:
    assert pushable(T.TIME, op, "2026-01-01", collation=BINARY, literal=True) is NOT_PUSHABLE


def test_without_the_collation_equal_texts_are_still_equal_instants() -> None:
    admitted = pushable(T.TIME, Op.EQ, "2026-01-01", collation=BINARY, literal=True)

    assert admitted == "2026-01-01 00:00:00.000000"
    assert not certain(T.TIME, Op.EQ, "2026-01-01", BINARY)

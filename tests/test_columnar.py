"""Arrow by declaration: the type of a column never depends on its values."""

from __future__ import annotations

import pyarrow as pa
import pytest

from sessions_vtab.columnar import Declared, declared_type
from sessions_vtab.contract.model import ColumnType
from sessions_vtab.errors import InvalidValueError

_MIDNIGHT = 1_767_225_600_000_000_000


def array(kind: ColumnType, values: list[object], unit: str = "ns") -> pa.Array:
    return Declared([("c", kind)], unit=unit).batch([(value,) for value in values]).column(0)


def test_every_type_has_one_arrow_type():
    assert {kind: str(declared_type(kind)) for kind in ColumnType} == {
        ColumnType.TEXT: "string",
        ColumnType.INTEGER: "int64",
        ColumnType.REAL: "double",
        ColumnType.BOOLEAN: "bool",
        ColumnType.TIME: "timestamp[ns, tz=UTC]",
        ColumnType.JSON: "string",
        ColumnType.BLOB: "binary",
    }
    assert str(declared_type(ColumnType.TIME, "us")) == "timestamp[us, tz=UTC]"


@pytest.mark.parametrize("kind", ColumnType)
@pytest.mark.parametrize("values", [[], [None], [None, None]])
def test_nulls_and_nothing_have_it_too(kind, values):
    made = array(kind, values)

    assert made.type == declared_type(kind)
    assert made.to_pylist() == values


@pytest.mark.parametrize(
    ("kind", "values", "held"),
    [
        (ColumnType.TEXT, ["a", "", "😀", None], ["a", "", "😀", None]),
        (ColumnType.INTEGER, [2**63 - 1, -(2**63), None], [2**63 - 1, -(2**63), None]),
        (ColumnType.REAL, [1, 0.5, None], [1.0, 0.5, None]),
        (ColumnType.BOOLEAN, [0, 1, None], [False, True, None]),
        (ColumnType.BLOB, ["a", b"\x00", None], [b"a", b"\x00", None]),
        (ColumnType.JSON, ['{"a":1}'], ['{"a":1}']),
    ],
)
def test_values_of_the_declared_type(kind, values, held):
    assert array(kind, values).to_pylist() == held


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("2026-01-01 00:00:00.000000", _MIDNIGHT),
        ("2026-01-01 00:00:00.123456789", _MIDNIGHT + 123_456_789),
        ("2026-01-01T01:00:00+01:00", _MIDNIGHT),
        ("1969-12-31 23:59:59.999999999", -1),
    ],
)
def test_times_are_cut_to_the_unit_and_never_rounded_up(text, nanoseconds):
    values = [text, None]

    assert array(ColumnType.TIME, values).cast(pa.int64()).to_pylist() == [nanoseconds, None]
    cut = array(ColumnType.TIME, values, "us").cast(pa.int64()).to_pylist()
    assert cut == [nanoseconds // 1_000, None]


def test_microseconds_hold_every_year():
    texts = ["0001-01-01 00:00:00.000000", "9999-12-31 23:59:59.999999"]

    assert array(ColumnType.TIME, texts, "us").null_count == 0
    for text in texts:
        with pytest.raises(InvalidValueError, match=rf"column c .*ns, tz=UTC.*{text}"):
            array(ColumnType.TIME, ["2026-01-01 00:00:00.000000", text])


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        (ColumnType.TEXT, 1),
        (ColumnType.JSON, 0.5),
        (ColumnType.INTEGER, "x"),
        (ColumnType.INTEGER, 1.5),
        (ColumnType.INTEGER, 2**63),
        (ColumnType.REAL, "x"),
        (ColumnType.REAL, 2**53 + 1),
        (ColumnType.TEXT, b"x"),
        (ColumnType.BOOLEAN, 2),
        (ColumnType.BOOLEAN, "x"),
        (ColumnType.TIME, "yesterday"),
        (ColumnType.TIME, b"x"),
        (ColumnType.BLOB, 1),
    ],
)
def test_a_value_that_does_not_fit_is_named(kind, wrong):
    with pytest.raises(InvalidValueError) as caught:
        array(kind, [None, wrong])

    assert "The column c is declared as" in str(caught.value)
    assert repr(wrong) in str(caught.value)

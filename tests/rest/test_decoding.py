"""From JSON objects to rows: a page's columns are what each value alone would be."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions_vtab.contract import times
from sessions_vtab.contract.model import Column, ColumnType, Table
from sessions_vtab.errors import ProtocolError
from sessions_vtab.rest.decoding import (
    DecodeContext,
    OfPage,
    RowDecoder,
    encode_all,
    epoch_of,
    flag_of,
    json_of,
    make_encoder,
    number_of,
    text_of,
    time_of,
)

FRAME = DecodeContext("The response to GET http://h/x (200)")
TABLE = Table(
    "things", (Column("name", ColumnType.TEXT, "N."), Column("size", ColumnType.TEXT, "S.")), "T."
)


def time_text(value, required=False):
    return time_of("at", required=required)({"at": value}, FRAME)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2026-01-02T03:04:05.123456Z", "2026-01-02 03:04:05.123456"),
        ("2026-01-02T03:04:05Z", "2026-01-02 03:04:05.000000"),
        ("2026-01-02T03:04:05.120Z", "2026-01-02 03:04:05.120000"),
        ("2026-01-02T03:04:05.123456789Z", "2026-01-02 03:04:05.123456789"),
        ("2026-01-02T03:04:05.123456000Z", "2026-01-02 03:04:05.123456"),
        ("2026-01-02T03:04:05.5+02:00", "2026-01-02 01:04:05.500000"),
        ("0001-01-01T00:00:00Z", "0001-01-01 00:00:00.000000"),
        (None, None),
    ],
)
def test_times_are_canonical_text(text, shown):
    assert time_text(text) == shown
    usual = "2026-01-02T03:04:05.123456Z"
    assert time_of("at").column([{"at": usual}, {"at": text}], FRAME) == [
        "2026-01-02 03:04:05.123456",
        shown,
    ]


@given(st.integers(times.parse("0001-01-01"), times.parse("9999-12-31")))
def test_every_instant_survives_a_round_trip(instant):
    assert time_text(times.to_rfc3339(instant)) == times.to_text(instant)


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.text()
        | st.floats(allow_nan=False, allow_infinity=False),
        lambda i: st.lists(i) | st.dictionaries(st.text(), i),
    )
)
def test_json_is_minified_as_the_standard_encoder_would(value):
    expected = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    assert make_encoder()(value) == expected


def test_without_the_c_encoder_json_is_the_same(monkeypatch):
    monkeypatch.setattr("json.encoder.c_make_encoder", None)
    assert make_encoder()({"ä": [1, 2.5, None]}) == '{"ä":[1,2.5,null]}'


def one_by_one(values):
    encode = make_encoder()
    return [None if value is None else encode(value) for value in values]


def nested(depth):
    value = {}
    for _ in range(depth):
        value = {"a": value}
    return value


NUMBERS = [
    *(0, -0.0, 1.0, 0.1, 1e-4, 1e-5, 1.5e-7, 0.00001234, 1e15, 1e16, 1e17, 1.5e300, 5e-324),
    *(123456789012345680.0, 1e21, 1e22, 2**63, 10**40, -(10**20), 3.141592653589793),
]


@pytest.mark.parametrize(
    "values",
    [
        [],
        [None],
        [None, None],
        [{"a": number} for number in NUMBERS],
        [
            {"a": text}
            for text in ("\0", '","', ',"\0",', "null", "e-1", "NaN", "é\u2028\x7f\x1f\n\b/")
        ],
        [{"\0": "\0"}, None],
        [{"a": "\0"}, {"a": ["\0", "\0"]}],
        [nested(300), {"a": 1}],
    ],
    ids=lambda values: repr(values)[:30],
)
def test_a_column_of_json_is_as_each_value_alone(values):
    assert encode_all(values) == one_by_one(values)


@given(
    st.lists(
        st.none()
        | st.dictionaries(
            st.text(),
            st.recursive(
                st.none()
                | st.booleans()
                | st.integers()
                | st.floats(allow_nan=False, allow_infinity=False)
                | st.text(),
                lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
                max_leaves=5,
            ),
            max_size=3,
        ),
        max_size=6,
    )
)
def test_any_column_of_json_is_as_each_value_alone(values):
    assert encode_all(values) == one_by_one(values)


@pytest.mark.parametrize("number", [float("inf"), float("-inf"), float("nan")])
def test_a_column_with_an_infinite_number_is_refused(number):
    with pytest.raises(ValueError, match="JSON"):
        encode_all([{"a": 1}, {"a": [number]}])


WRONG = [
    (text_of("a"), 5, "text"),
    (text_of("a", required=True), None, "text"),
    (flag_of("a"), 1, "true or false"),
    (number_of("a", int), True, "a whole number"),
    (number_of("a", int), 1.5, "a whole number"),
    (number_of("a", int, float), "1", "a number"),
    (json_of("a"), [], "an object"),
    (json_of("a", list), {}, "a list"),
    (json_of("a", object), 1e999, "a JSON value without infinite numbers"),
    (time_of("a"), "soon", "a time"),
    (time_of("a"), 5, "a time"),
    (time_of("a", required=True), None, "a time"),
    (epoch_of("a"), 1.5, "whole seconds since 1970"),
    (epoch_of("a", whole=False), True, "seconds since 1970"),
    (epoch_of("a"), 10**15, "a time between the years 1 and 9999"),
]


@pytest.mark.parametrize(("getter", "value", "expected"), WRONG)
def test_one_wrong_value_of_a_page_is_an_error(getter, value, expected):
    with pytest.raises(
        ProtocolError, match=rf"GET http://h/x \(200\): the field a should be {expected}\."
    ):
        getter.column([{}, {"a": value}] if value is not None else [{"a": None}], FRAME)


RIGHT = [
    (text_of("a"), [None, "", "x"], [None, "", "x"]),
    (flag_of("a"), [None, True, False], [None, 1, 0]),
    (number_of("a", int, float), [None, 2, 0.5], [None, 2, 0.5]),
    (json_of("a"), [None, {}, {"k": [1e-7]}], [None, "{}", '{"k":[1e-07]}']),
    (json_of("a", object), [None, "null", 0], [None, '"null"', "0"]),
    (epoch_of("a"), [None, 0], [None, "1970-01-01 00:00:00.000000"]),
]


@pytest.mark.parametrize(("getter", "values", "column"), RIGHT)
def test_a_column_of_a_page_is_each_value_alone(getter, values, column):
    items = [{} if value is None else {"a": value} for value in values]
    assert getter.column(items, FRAME) == column
    assert [getter(item, FRAME) for item in items] == column


def test_getters_of_an_item_and_of_a_page_go_together():
    fields = {"name": OfPage(lambda items, _: [str(len(items))] * len(items)), "size": text_of("s")}
    make = RowDecoder(TABLE, {**fields, "size": lambda item, _: item["s"] * 2})
    assert [row[:2] for row in make.page([{"s": "a"}, {"s": "b"}], FRAME)] == [
        ("2", "aa"),
        ("2", "bb"),
    ]
    assert make({"s": "a"}, FRAME)[:2] == ("1", "aa")
    assert make.page([], FRAME) == []


def test_only_columns_that_are_used_are_built_and_checked():
    make = RowDecoder(TABLE, {"name": text_of("n"), "size": text_of("s")}, {"name"})
    assert make.page([{"n": "x", "s": 5}], FRAME) == [("x",)]


@pytest.mark.parametrize(
    ("columns", "rows"),
    [
        ({"name"}, [("x",), ("y",)]),
        ({"size"}, [(None, "1"), (None, "2")]),
        (set(), [(None,), (None,)]),
    ],
    ids=["the first", "a later one", "none"],
)
def test_a_row_ends_after_the_last_column_that_is_used(columns, rows):
    make = RowDecoder(TABLE, {"name": text_of("n"), "size": text_of("s")}, columns)
    assert make.page([{"n": "x", "s": "1"}, {"n": "y", "s": "2"}], FRAME) == rows

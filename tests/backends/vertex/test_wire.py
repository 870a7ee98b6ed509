"""Responses as rows: types, times, NULLs, and only the requested columns."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions_vtab.backends.vertex.encoder import encode_all, make_encoder
from sessions_vtab.backends.vertex.names import Engine
from sessions_vtab.backends.vertex.tables import EVENTS_TABLE, PARTS_TABLE, SESSIONS_TABLE
from sessions_vtab.backends.vertex.wire import (
    Frame,
    RowMaker,
    event_fields,
    part_rows,
    session_fields,
    time_text,
)
from sessions_vtab.contract import times
from sessions_vtab.contract.content import text_of
from sessions_vtab.errors import ProtocolError

FRAME = Frame(
    Engine("demo", "us-central1", "42"), "The answer of GET http://h/x (200)", "s1", "tok"
)
NUMBER = "projects/123/locations/us-central1/reasoningEngines/42/sessions"


MIDNIGHT = "2026-01-01T00:00:00Z"


def session(columns=None, **item):
    filled = {"createTime": MIDNIGHT, "updateTime": MIDNIGHT, "name": f"{NUMBER}/s1"}
    row = RowMaker(SESSIONS_TABLE, session_fields, columns)(filled | item, FRAME)
    return dict(zip(SESSIONS_TABLE.names, row, strict=True))


def event(**item):
    filled = {"timestamp": MIDNIGHT, "name": f"{NUMBER}/s1/events/9"}
    row = RowMaker(EVENTS_TABLE, event_fields)(filled | item, FRAME)
    return dict(zip(EVENTS_TABLE.names, row, strict=True))


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
        ("yesterday", None),
        (5, None),
    ],
)
def test_times_are_canonical_text(text, shown):
    assert time_text(text) == shown


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


def test_a_session_s_row():
    row = session(
        userId="ann",
        labels={"env": "prod"},
        sessionState={"b": 1, "a": [None, 1.5]},
        createTime="2026-01-02T03:04:05Z",
        somethingNew={"x": 1},
    )
    assert row["name"] == "projects/demo/locations/us-central1/reasoningEngines/42/sessions/s1"
    assert (row["session_id"], row["user_id"], row["project"]) == ("s1", "ann", "demo")
    assert row["state"] == '{"b":1,"a":[null,1.5]}'
    assert row["create_time"] == "2026-01-02 03:04:05.000000"
    assert row["next_page_token"] == "tok"
    for absent in ("display_name", "expire_time", "ttl", "filter", "_push", "_args"):
        assert row[absent] is None


def test_only_used_columns_are_built_and_checked():
    row = session(columns={"user_id"}, userId="ann", labels=5, createTime="never")
    assert {name for name, value in row.items() if value is not None} == {"user_id"}


@pytest.mark.parametrize(
    ("make", "field"),
    [(session, "createTime"), (session, "updateTime"), (event, "timestamp")],
)
def test_a_time_that_every_row_has_is_never_missing(make, field):
    """SQLite is told that these columns are never NULL, and answers min() by that."""
    with pytest.raises(ProtocolError, match=f"the field {field} should be"):
        make(**{field: None})


@pytest.mark.parametrize("empty", [None, {}, ""])
def test_empty_values_are_null(empty):
    row = event(content=empty or {}, actions=empty or {}, eventMetadata=empty or {}, errorCode="")
    for column in ("content", "actions", "event_metadata", "error_code", "text"):
        assert row[column] is None


@pytest.mark.parametrize(
    ("item", "field"),
    [
        ({"userId": 5}, "userId"),
        ({"labels": []}, "labels"),
        ({"sessionState": "x"}, "sessionState"),
        ({"createTime": 5}, "createTime"),
        ({"createTime": "soon"}, "createTime"),
        ({"name": None}, "name"),
        ({"name": "a/b c"}, "name"),
    ],
)
def test_a_wrong_type_names_field_and_url(item, field):
    with pytest.raises(
        ProtocolError, match=rf"GET http://h/x \(200\): the field {field} should be"
    ):
        session(**item)


def test_an_infinite_number_is_an_error():
    with pytest.raises(ProtocolError, match="infinite"):
        session(sessionState=json.loads('{"a": 1e999}'))


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, None),
        ({}, None),
        ({"parts": []}, None),
        ({"parts": "x"}, None),
        ({"parts": [{"text": "a"}, {"text": "b"}]}, "ab"),
        ({"parts": [{"text": "a", "thought": True}, {"text": "b"}]}, "b"),
        ({"parts": [{"text": "a", "thought": True}]}, None),
        ({"parts": [{"functionCall": {}}, 5, {"text": 5}]}, None),
        ({"parts": [{"text": ""}]}, ""),
    ],
)
def test_the_text_of_a_content(content, text):
    assert text_of(content) == text


def test_an_event_s_row():
    row = event(
        timestamp="2026-01-02T03:04:05.000000001Z", author="user", rawEvent={"a_b": {"cD": 1}}
    )
    assert row["name"].endswith("/42/sessions/s1/events/9")
    assert (row["session_id"], row["event_id"]) == ("s1", "9")
    assert row["timestamp"] == "2026-01-02 03:04:05.000000001"
    assert row["raw_event"] == '{"a_b":{"cD":1}}'


def test_parts_are_rows_by_kind():
    content = {
        "parts": [
            {"text": "hi"},
            {"functionCall": {"id": "c1", "name": "f", "args": {"city": "Rome"}}},
            {"functionResponse": {"id": "c1", "name": "f", "response": {"ok": True}}},
            {"inlineData": {"mimeType": "image/png", "data": "AA=="}, "thoughtSignature": "x"},
            {"somethingNew": 1},
        ]
    }
    item = {
        "name": f"{NUMBER}/s1/events/9",
        "timestamp": MIDNIGHT,
        "author": "desk",
        "invocationId": "e-1",
        "content": content,
    }
    rows = [
        dict(zip(PARTS_TABLE.names, row, strict=True))
        for row in part_rows(item, FRAME, PARTS_TABLE)
    ]
    kinds = ["text", "functionCall", "functionResponse", "inlineData", None]
    assert [row["kind"] for row in rows] == kinds
    assert [row["part"] for row in rows] == [0, 1, 2, 3, 4]
    assert rows[1]["args"] == '{"city":"Rome"}'
    assert rows[2]["response"] == '{"ok":true}'
    assert {row["call_id"] for row in rows[1:3]} == {"c1"}
    assert rows[0]["name"] == rows[0]["event_name"] + "#0"
    of_event = ("timestamp", "author", "invocation_id")
    assert {tuple(row[name] for name in of_event) for row in rows} == {
        ("2026-01-01 00:00:00.000000", "desk", "e-1")
    }


@pytest.mark.parametrize("content", [{"parts": 5}, {"parts": [5]}])
def test_parts_of_the_wrong_type_are_an_error(content):
    item = {"name": f"{NUMBER}/s1/events/9", "timestamp": MIDNIGHT, "content": content}
    with pytest.raises(ProtocolError, match=r"content\.parts"):
        list(part_rows(item, FRAME, PARTS_TABLE))


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


def test_a_page_without_items_has_no_rows():
    assert RowMaker(SESSIONS_TABLE, session_fields).page([], FRAME) == []

"""Responses as rows: types, times, NULLs, and only the requested columns."""

from __future__ import annotations

import json
from itertools import zip_longest

import pytest

from sessions_vtab.backends.vertex import VertexBackend
from sessions_vtab.backends.vertex.tables import PageFrame
from sessions_vtab.contract.agent_events import text_of
from sessions_vtab.contract.backend import Source
from sessions_vtab.errors import ProtocolError
from sessions_vtab.rest.decoding import RowDecoder

BACKEND = VertexBackend.open(Source("prod", "vertex", "demo/us-central1/42"))
PLACES = {**BACKEND.scope, "session_id": "s1"}
FRAME = PageFrame("The answer of GET http://h/x (200)", PLACES, "tok")
NUMBER = "projects/123/locations/us-central1/reasoningEngines/42/sessions"


def row_of(table, item, columns=None):
    """The row that a table's declaration makes of an item, by column."""
    resource = BACKEND.resources[table]
    row = RowDecoder(resource.table, resource.decoder.columns, columns)(item, FRAME)
    return dict(zip_longest(resource.table.names, row))


def parts_of(item):
    resource = BACKEND.resources["event_parts"]
    rows = [resource.row(one.item, one.frame) for one in resource.rows_in([item], FRAME)]
    return [dict(zip(resource.table.names, row, strict=True)) for row in rows]


MIDNIGHT = "2026-01-01T00:00:00Z"


def session(columns=None, **item):
    filled = {"createTime": MIDNIGHT, "updateTime": MIDNIGHT, "name": f"{NUMBER}/s1"}
    return row_of("sessions", filled | item, columns)


def event(**item):
    filled = {"timestamp": MIDNIGHT, "name": f"{NUMBER}/s1/events/9"}
    return row_of("events", filled | item)


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
    rows = parts_of(item)
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
        parts_of(item)


def test_a_page_without_items_has_no_rows():
    assert BACKEND.resources["sessions"].row.page([], FRAME) == []

from __future__ import annotations

import json
import re

import pytest

from sessions_vtab.contract import times
from sessions_vtab.contract.backend import OutcomeState
from sessions_vtab.contract.predicate import Compare, Field, Op
from sessions_vtab.errors import (
    ConflictError,
    InvalidValueError,
    MissingParameterError,
    NotFoundError,
    UnsupportedError,
)


def equals(column, value):
    return Compare(Field(column), Op.EQ, value)


def content(*parts, role="model"):
    return json.dumps({"role": role, "parts": list(parts)})


def test_append_returns_the_whole_row(local):
    local.create()
    row = local.append(content="Where is my order?")
    assert row == local.one("events")
    assert row == dict.fromkeys(row) | {
        "name": "sessions/s/events/1",
        "session_name": "sessions/s",
        "session_id": "s",
        "event_id": "1",
        "timestamp": row["timestamp"],
        "author": "user",
        "content": '{"role":"user","parts":[{"text":"Where is my order?"}]}',
        "text": "Where is my order?",
        "invocation_id": row["invocation_id"],
        "sequence": 1,
    }
    assert row["timestamp"].startswith("2026-01-01 09:00:00.")
    assert re.fullmatch(r"e-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", row["invocation_id"])


def test_every_column_is_kept(local):
    local.create()
    given = {
        "event_id": "e 1",
        "timestamp": "2024-01-01 00:00:00.123456789",
        "content": '{"parts":[{"text":"x"}]}',
        "invocation_id": "e-1",
        "actions": '{"artifactDelta":{"f":1}}',
        "error_code": "BLOCKED",
        "error_message": "no",
        "event_metadata": '{"partial":false}',
        "raw_event": '{"id":"x"}',
        "sequence": 7,
    }
    row = local.append(author="agent", **given)
    assert {name: row[name] for name in given} == given
    assert row["name"] == "sessions/s/events/e%201"
    assert local.one("events") == row


def test_ids_count_up_within_a_session(local):
    local.create("a")
    local.create("b")
    names = [local.append(one)["name"] for one in ("a", "b", "a", "b", "a")]
    assert names == [
        "sessions/a/events/1",
        "sessions/b/events/1",
        "sessions/a/events/2",
        "sessions/b/events/2",
        "sessions/a/events/3",
    ]


def test_sequences_count_up_from_the_largest_that_was_given(local):
    local.create("a")
    local.create("b")
    given = [None, 5, 3, None, 2**53 - 1, None]
    rows = [local.append("a", event_id=f"e{at}", sequence=one) for at, one in enumerate(given)]
    assert [row["sequence"] for row in rows] == [1, 5, 3, 6, 2**53 - 1, 2**53]
    assert sorted(local.values("events", "sequence")) == [1, 3, 5, 6, 2**53 - 1, 2**53]
    assert local.append("b")["sequence"] == 1


@pytest.mark.parametrize("given", [0, -1, 2**53, 2**63 - 1])
def test_a_sequence_that_cannot_be_is_refused(local, given):
    local.create()
    with pytest.raises(InvalidValueError, match=f"sequence must be a whole number .*not {given}"):
        local.append(sequence=given)
    assert local.rows("events") == []


def test_numbers_that_were_given_as_ids_are_skipped(local):
    local.create()
    for taken in ("1", "2", "4"):
        local.append(event_id=taken)
    assert [local.append()["event_id"] for _ in range(3)] == ["3", "5", "6"]


@pytest.mark.parametrize(
    ("timestamps", "updated"),
    [
        ((None,), "now"),
        (("2019-06-01",), "2019-06-01 00:00:00.000000"),
        (("2020-01-01", "2019-06-01"), "2020-01-01 00:00:00.000000"),
        (("2018-01-01",), "2019-01-01 00:00:00.000000"),
        (("2020-01-01", None), "now"),
        (("2100-01-01",), "now"),
    ],
)
def test_an_append_raises_the_update_time_of_its_session_to_its_own_time(
    local, timestamps, updated
):
    created = local.create("old", create_time="2019-01-01", update_time="2019-01-01")
    before = times.to_text(local.clock())
    for timestamp in timestamps:
        local.append("old", **({} if timestamp is None else {"timestamp": timestamp}))
    after = local.one("sessions")["update_time"]
    assert created["update_time"] <= after
    assert before < after < "2030" if updated == "now" else after == updated


def test_the_updated_session_shows_within_the_transaction(local):
    before = local.create()["update_time"]
    local.begin()
    local.append()
    first = local.one("sessions")["update_time"]
    local.append()
    second = local.one("sessions")["update_time"]
    local.commit()
    assert before < first < second == local.one("sessions")["update_time"]


@pytest.mark.parametrize(
    "address",
    [
        {"session_id": "a b"},
        {"session_name": "sessions/a%20b"},
        {"session_name": "projects/p/locations/l/reasoningEngines/1/sessions/a%20b"},
        {"name": "sessions/a%20b/events/e1"},
        {"session_id": "a b", "name": "projects/p/sessions/a%20b/events/e1", "event_id": "e1"},
        {"session_id": "a b", "session_name": "sessions/a%20b", "name": "e1"},
    ],
)
def test_the_session_may_be_given_in_several_ways(local, address):
    local.create("a b")
    row = local.as_dict("events", local.insert("events", author="user", **address))
    assert row["session_name"] == "sessions/a%20b"
    assert row["event_id"] == ("e1" if "name" in address else "1")


@pytest.mark.parametrize(
    "address",
    [
        {"session_id": "a", "session_name": "sessions/b"},
        {"session_id": "a", "name": "sessions/b/events/1"},
        {"session_id": "a", "name": "sessions/a/events/1", "event_id": "2"},
    ],
)
def test_addresses_that_contradict_each_other_are_refused(local, address):
    local.create("a")
    local.create("b")
    with pytest.raises(InvalidValueError, match="Give only one of them"):
        local.insert("events", author="user", **address)


def test_an_event_needs_a_session_and_an_author(local):
    local.create()
    with pytest.raises(MissingParameterError, match="needs session_id or session_name"):
        local.insert("events", author="user")
    with pytest.raises(MissingParameterError, match=r"local\.events\.author is required"):
        local.insert("events", session_id="s", author="")


def test_an_event_of_an_unknown_session_is_refused(local):
    with pytest.raises(NotFoundError, match=r"local\.events: session 'x' does not exist"):
        local.append("x")


def test_an_event_id_is_unique_within_its_session(local):
    local.create("a")
    local.create("b")
    local.append("a", event_id="e")
    local.append("b", event_id="e")
    with pytest.raises(ConflictError, match="session 'a' already has an event 'e'"):
        local.append("a", event_id="e")
    outcome = local.insert("events", session_id="a", author="user", event_id="e", ignore=True)
    assert outcome.state is OutcomeState.SKIPPED
    assert len(local.rows("events")) == 2


@pytest.mark.parametrize("ignore", [True, False])
def test_ignore_does_not_hide_an_unknown_session(local, ignore):
    with pytest.raises(NotFoundError):
        local.insert("events", session_id="x", author="user", event_id="e", ignore=ignore)


@pytest.mark.parametrize("action", ["update", "delete"])
def test_events_are_append_only(local, action):
    local.create()
    key = local.append()["name"]
    with pytest.raises(UnsupportedError, match=r"local\.events does not support"):
        getattr(local, action)("events", key)
    writes = local.backend.resources["events"].capability.writes
    assert (writes.update, writes.delete) == (frozenset(), False)
    assert "append-only" in writes.hints[action]


# Content and text.


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (content({"text": "a"}, {"text": "b"}), "ab"),
        (content({"text": "thinking", "thought": True}, {"text": "b"}), "b"),
        (content({"text": "thinking", "thought": True}), None),
        (content({"text": "a", "thought": False}), "a"),
        (content({"text": ""}), ""),
        (content({"functionCall": {"name": "f"}}), None),
        (content(), None),
        ('{"parts":null}', None),
        ('{"parts":{"text":"x"}}', None),
        ('{"parts":["x",1,null,{"text":1}]}', None),
        (' \n\t{"parts":[{"text":"a"}]}', "a"),
        ('{"role":"user"}', None),
    ],
)
def test_text_is_what_the_sdk_calls_text(local, given, text):
    local.create()
    assert local.append(content=given)["text"] == text
    assert local.values("events", "text") == [text]


@pytest.mark.parametrize("text", ["hello", "", "[1]", "ümläut 日本 😀", 'say "hi"', " x{}", "null"])
@pytest.mark.parametrize(("author", "role"), [("user", "user"), ("agent", "model")])
def test_plain_text_becomes_one_part(local, text, author, role):
    local.create()
    row = local.append(author=author, content=text)
    assert json.loads(row["content"]) == {"role": role, "parts": [{"text": text}]}
    assert row["text"] == text


def test_text_that_starts_like_json_has_to_be_json(local):
    local.create()
    with pytest.raises(InvalidValueError, match="must be JSON"):
        local.append(content="{oops")


def test_text_can_be_given_only_as_derived_from_content(local):
    local.create()
    assert local.append(content="hello", text="hello")["text"] == "hello"
    with pytest.raises(InvalidValueError, match=r"local\.events\.text is derived from content"):
        local.append(content="hello", text="bye")
    with pytest.raises(InvalidValueError, match=r"local\.events\.text is derived from content"):
        local.append(text="bye")


@pytest.mark.parametrize("column", ["actions", "event_metadata", "raw_event"])
def test_json_columns_take_objects(local, column):
    local.create()
    with pytest.raises(InvalidValueError, match=rf"events\.{column} must be a JSON object"):
        local.append(**{column: "[]"})


# append_event.


def test_append_event_returns_the_event(local):
    local.create()
    (row,) = local.call("append_event", "sessions/s", "agent", "On Monday.", "e-7")
    body = json.loads(row.pop("response"))
    assert row == {
        "event_name": "sessions/s/events/1",
        "event_id": "1",
        "session_name": "sessions/s",
    }
    assert body["content"] == {"role": "model", "parts": [{"text": "On Monday."}]}
    assert body["invocation_id"] == "e-7"
    assert local.values("events", "text") == ["On Monday."]


@pytest.mark.parametrize("name", ["sessions/s/events/e1", "e1"])
def test_append_event_takes_a_name(local, name):
    local.create()
    assert local.call("append_event", "s", "user", name=name)[0]["event_id"] == "e1"


def test_append_event_takes_every_parameter(local):
    local.create()
    local.call(
        "append_event",
        "s",
        "agent",
        timestamp="2024-01-01",
        actions='{"stateDelta":{"k":1}}',
        error_code="C",
        error_message="M",
        event_metadata="{}",
        raw_event="{}",
    )
    row = local.one("events")
    assert row["timestamp"] == "2024-01-01 00:00:00.000000"
    assert (row["error_code"], row["error_message"]) == ("C", "M")
    assert (row["event_metadata"], row["raw_event"]) == ("{}", "{}")
    assert local.state() == {"k": 1}


# Order.


def test_events_are_ordered_by_time_then_insertion(local):
    local.create()
    for number, second in enumerate((2, 1, 2, 1, 3)):
        local.append(event_id=f"e{number}", timestamp=f"2026-01-01 00:00:0{second}")
    ids = ["e1", "e3", "e0", "e2", "e4"]
    assert local.values("events", "event_id", order="timestamp") == ids
    assert local.values("events", "event_id", order="-timestamp") == ids[::-1]
    of_session = equals("session_id", "s")
    assert local.values("events", "event_id", of_session, order="timestamp") == ids


# event_parts.


def test_parts_of_a_tool_call_in_both_spellings(local):
    local.create()
    call = {"id": "c1", "name": "weather", "args": {"city": "Köln"}}
    answer = {"id": "c1", "name": "weather", "response": {"temp": [1, 2]}}
    local.append(content=content({"text": "hm"}, {"functionCall": call}))
    local.append(content=content({"functionResponse": answer}))
    local.append(content=content({"function_call": call, "thought_signature": "x"}))
    local.append(content=content({"function_response": answer}))
    columns = ("event_name", "part", "kind", "text", "function_name", "call_id", "args", "response")
    event = "sessions/s/events/"
    city, temp = '{"city":"Köln"}', '{"temp":[1,2]}'
    assert local.rows("event_parts", columns=columns, order=("event_name", "part")) == [
        (f"{event}1", 0, "text", "hm", None, None, None, None),
        (f"{event}1", 1, "functionCall", None, "weather", "c1", city, None),
        (f"{event}2", 0, "functionResponse", None, "weather", "c1", None, temp),
        (f"{event}3", 0, "functionCall", None, "weather", "c1", city, None),
        (f"{event}4", 0, "functionResponse", None, "weather", "c1", None, temp),
    ]


@pytest.mark.parametrize(
    ("part", "kind"),
    [
        ({"text": ""}, "text"),
        ({"thought": True, "text": "x"}, "text"),
        ({"inline_data": {"data": ""}}, "inlineData"),
        ({"fileData": {}}, "fileData"),
        ({"executable_code": {}}, "executableCode"),
        ({"codeExecutionResult": {}}, "codeExecutionResult"),
        ({"functionCall": None, "text": "x"}, "text"),
        ({"somethingNew": 1}, "somethingNew"),
        ({}, None),
        ({"thought": True}, None),
        ("just text", None),
        (7, None),
        (None, None),
    ],
)
def test_the_kind_of_a_part(local, part, kind):
    local.create()
    local.append(content=content(part))
    assert local.values("event_parts", "kind") == [kind]


@pytest.mark.parametrize(
    "given", ['{"role":"user"}', '{"parts":null}', '{"parts":{"text":"x"}}', None]
)
def test_content_without_parts_has_no_rows(local, given):
    local.create()
    local.append(**({} if given is None else {"content": given}))
    assert local.rows("event_parts") == []


@pytest.mark.parametrize(
    ("column", "value", "parts"),
    [
        ("kind", "functionCall", 1),
        ("function_name", "weather", 1),
        ("session_name", "sessions/a", 2),
        ("session_id", "b", 1),
        ("event_name", "sessions/a/events/1", 2),
        ("name", "sessions/a/events/1#1", 1),
        ("part", 0, 2),
        ("session_name", "sessions/x", 0),
    ],
)
def test_parts_are_filtered_by_the_store(local, column, value, parts):
    local.create("a")
    local.create("b")
    local.append("a", content=content({"text": "x"}, {"functionCall": {"name": "weather"}}))
    local.append("b", content=content({"text": "x"}))
    assert len(local.rows("event_parts", equals(column, value))) == parts

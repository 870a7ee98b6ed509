"""Events: what an append sends, its order, and the outcome if a response is lost."""

from __future__ import annotations

import json

import pytest

from sessions_vtab.contract.predicate import Compare, Field, Op
from sessions_vtab.errors import (
    InvalidValueError,
    MissingParameterError,
    NotFoundError,
    UnsupportedError,
)
from tests.backends.vertex.conftest import FAILED, NOT_SENT, SENT, UNKNOWN, methods, row_of, session

pytestmark = pytest.mark.usefixtures("no_seed")


def events(vertex, session_id):
    return vertex.rows(
        "events",
        "list",
        Compare(Field("session_id"), Op.EQ, session_id),
        parameters={"page_size": 100},
    )


# Appending

FULL = {
    "author": "model",
    "content": '{"role":"model","parts":[{"function_call":{"name":"f","args":{"x":1.5}}},{"text":"hi"}]}',
    "invocation_id": "e-1",
    "timestamp": "2026-01-02 03:04:05.123456789",
    "actions": '{"stateDelta":{"k":"v"}}',
    "error_code": "E1",
    "error_message": "broke",
    "event_metadata": '{"branch":"main"}',
    "raw_event": '{"snake_key":1,"camelKey":{"inner_key":2}}',
}


def test_an_event_is_read_back_as_it_was_sent(vertex, made):
    outcome = vertex.insert("events", session_id="made", **FULL)
    row = row_of(vertex, outcome, "events")
    assert outcome.state is SENT
    assert (row.author, row.invocation_id, row.error_code, row.error_message) == (
        "model",
        "e-1",
        "E1",
        "broke",
    )
    assert row.timestamp == "2026-01-02 03:04:05.123456789"
    assert row.text == "hi"
    assert json.loads(row.content)["parts"][0] == {
        "functionCall": {"name": "f", "args": {"x": 1.5}}
    }
    assert json.loads(row.raw_event) == json.loads(FULL["raw_event"])
    assert json.loads(row.event_metadata)["branch"] == "main"
    assert row.name == outcome.key == f"{made}/events/{row.event_id}"
    assert json.loads(session(vertex, "made").state)["k"] == "v"


def test_an_append_without_returning_is_one_request(vertex, made):
    outcome = vertex.insert(
        "events", session_id="made", author="user", content="hi", returning=False
    )
    assert outcome.state is SENT
    assert methods(vertex) == ["POST"]


def test_time_and_invocation_have_defaults_and_no_raw_event_is_added(vertex, made):
    vertex.insert("events", session_id="made", author="user", content="hi", returning=False)
    body = vertex.requests("POST")[0]["body"]
    assert body["invocationId"].startswith("e-")
    assert body["timestamp"].endswith("Z")
    assert body["content"] == {"role": "user", "parts": [{"text": "hi"}]}
    assert body.keys() == {"author", "invocationId", "timestamp", "content"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"role"', "must be JSON"),
        ('{"parts":[{"functionCall":{"args":{"n":9007199254740993}}}]}', "beyond"),
    ],
)
def test_bad_content_is_refused(vertex, made, content, message):
    outcome = vertex.insert("events", session_id="made", author="user", content=content)
    assert outcome.state is NOT_SENT
    assert message in str(outcome.error)


def test_empty_objects_that_the_service_adds_are_null(vertex, made):
    row = row_of(vertex, vertex.insert("events", session_id="made", author="user"), "events")
    assert (row.content, row.actions, row.event_metadata, row.text, row.raw_event) == (None,) * 5


@pytest.mark.parametrize("values", [{}, {"author": ""}])
def test_an_author_is_required(vertex, made, values):
    outcome = vertex.insert("events", session_id="made", **values)
    assert isinstance(outcome.error, MissingParameterError)
    assert outcome.state is NOT_SENT


def test_an_append_whose_response_was_lost_is_found(vertex, made):
    vertex.control.fault("drop", method="POST", act=True)
    outcome = vertex.insert(
        "events", session_id="made", author="user", content="hi", returning=False
    )
    assert outcome.state is SENT
    assert outcome.key == events(vertex, "made")[0].name
    assert len(events(vertex, "made")) == 1
    assert methods(vertex).count("POST") == 1


@pytest.mark.parametrize("kind", [{"kind": "drop"}, {"kind": "status", "status": 500}])
def test_an_append_that_cannot_be_found_is_unknown_and_not_repeated(vertex, made, kind):
    vertex.control.fault(method="POST", **kind)
    outcome = vertex.insert("events", session_id="made", author="user", content="hi")
    assert outcome.state is UNKNOWN
    assert methods(vertex).count("POST") == 1


TWINS = [
    # Events that already exist, and events sent at the same time that are missing.
    (
        {"content": '{"parts":[{"functionCall":{"name":"a"}}]}'},
        {"content": '{"parts":[{"functionCall":{"name":"b"}}]}'},
    ),
    ({"content": "hi"}, {"content": "hi", "actions": '{"stateDelta":{"k":1}}'}),
    ({"content": "hi"}, {"content": "hi", "error_code": "E"}),
    ({"content": "hi"}, {"content": "hi"}),
]


@pytest.mark.parametrize(("there", "lost"), TWINS)
def test_a_lost_append_is_not_confused_with_another_event_of_the_same_time(
    vertex, made, there, lost
):
    common = {"session_id": "made", "author": "user", "invocation_id": "e-1", "returning": False}
    common["timestamp"] = "2026-01-01"
    vertex.control.fault("drop", method="POST", skip=1)
    writes = [vertex.write("events", "insert", **common, **values) for values in (there, lost)]

    first, second = vertex.send(*writes)

    assert (first.state, second.state) == (SENT, UNKNOWN)
    assert len(events(vertex, "made")) == 1


@pytest.fixture(params=["", "bogus/", "events/..", 5])
def misnamed(vertex, made, request):
    """Values of an event that the list has with a name that cannot be used."""
    event = {
        "name": request.param,
        "author": "user",
        "invocationId": "e-1",
        "timestamp": "2026-01-01T00:00:00Z",
        "content": {"role": "user", "parts": [{"text": "hi"}]},
    }
    body = {"sessionEvents": [event]}
    vertex.control.fault("status", method="GET", path="/events$", status=200, body=body, count=None)
    values = {"session_id": "made", "author": "user", "content": "hi", "invocation_id": "e-1"}
    return {**values, "timestamp": "2026-01-01"}


def test_a_lost_append_is_not_found_in_an_event_without_a_usable_name(vertex, misnamed):
    vertex.control.fault("drop", method="POST", act=True)
    assert vertex.insert("events", **misnamed, returning=False).state is UNKNOWN


def test_an_appended_event_without_a_usable_name_is_returned_as_sent(vertex, misnamed):
    outcome = vertex.insert("events", **misnamed)
    row = row_of(vertex, outcome, "events")
    assert (outcome.state, row.author, row.text, row.event_id) == (SENT, "user", "hi", None)


def test_a_lost_append_is_found_among_more_than_a_page_of_its_time(vertex, made):
    common = {"session_id": "made", "author": "user", "timestamp": "2026-01-01", "returning": False}
    vertex.control.fault("drop", method="POST", act=True)
    writes = [vertex.write("events", "insert", **common, content=str(n)) for n in range(102)]

    assert {outcome.state for outcome in vertex.send(*writes)} == {SENT}
    assert len(vertex.requests("POST")) == 102


def test_an_event_that_cannot_be_read_back_is_returned_as_sent(vertex, made):
    vertex.control.fault("status", status=403, method="GET", path="/events$", count=None)
    outcome = vertex.insert("events", session_id="made", author="user", content="hi")
    row = row_of(vertex, outcome, "events")
    assert (outcome.state, row.session_id, row.author, row.text) == (SENT, "made", "user", "hi")
    assert (row.name, row.event_id) == (None, None)


def test_a_throttled_append_is_repeated(vertex, made):
    vertex.control.fault("status", method="POST", status=429, retry_after=1)
    outcome = vertex.insert("events", session_id="made", author="user", returning=False)
    assert outcome.state is SENT
    assert methods(vertex) == ["POST", "POST"]
    assert 1.0 in vertex.clock.waits
    vertex.insert("events", session_id="made", author="user", returning=False)
    assert 4 < max(vertex.clock.waits) <= 60  # It goes on slowly: others share the quota.


def test_events_are_sent_in_order_and_after_their_session(vertex):
    writes = [
        vertex.write("sessions", "insert", user_id="zoe", session_id=f"s{n}") for n in range(4)
    ]
    writes += [
        vertex.write(
            "events",
            "insert",
            session_id=f"s{n % 4}",
            author="user",
            content=str(n),
            returning=False,
        )
        for n in range(40)
    ]
    assert {outcome.state for outcome in vertex.send(*writes)} == {SENT}
    bodies = [e for e in vertex.requests("POST") if e["path"].endswith(":appendEvent")]
    for place in range(4):
        sent = [
            e["body"]["content"]["parts"][0]["text"] for e in bodies if f"/s{place}:" in e["path"]
        ]
        assert sent == [str(n) for n in range(place, 40, 4)]


def test_events_of_a_session_that_failed_are_not_sent(vertex, made):
    outcomes = vertex.send(
        vertex.write("sessions", "insert", user_id="zoe", session_id="made"),
        vertex.write("events", "insert", session_id="made", author="user"),
        vertex.write("events", "insert", session_name=made, author="user"),
    )
    assert [outcome.state for outcome in outcomes] == [FAILED, NOT_SENT, NOT_SENT]
    assert events(vertex, "made") == []


def test_events_cannot_be_changed(vertex, made):
    (outcome,) = vertex.send(vertex.write("events", "delete", f"{made}/events/1"))
    assert isinstance(outcome.error, UnsupportedError)


# Functions


def test_append_event_returns_the_event(vertex, made):
    ((name, event_id, session_name, response),) = vertex.call(
        "append_event", session="made", author="user", content="hello"
    )
    assert session_name == made
    assert response == "{}"
    row = events(vertex, "made")[0]
    assert (name, event_id, row.text) == (row.name, row.event_id, "hello")


def test_append_event_takes_a_full_name(vertex, made):
    vertex.call("append_event", session=made, author="user")
    assert len(events(vertex, "made")) == 1


@pytest.mark.parametrize("session_", ["nobody", "UPPER", "a/b", ""])
def test_append_event_to_a_missing_session_is_an_error(vertex, session_):
    with pytest.raises((NotFoundError, InvalidValueError)):
        vertex.call("append_event", session=session_, author="user")

"""Each fault either recovers with right rows or raises an error that names source and call."""

from __future__ import annotations

import pytest

from sessions_vtab.contract.predicate import Compare, Field, Op
from sessions_vtab.errors import (
    BudgetError,
    CredentialError,
    ForbiddenError,
    NotFoundError,
    ProtocolError,
    RefusedError,
    SessionsError,
    ThrottledError,
    TransientError,
    UnavailableError,
)
from sessions_vtab.fetch.scope import scope_of
from tests.clocks import delays_use_up_timeouts

TABLES = [("sessions", "list", 320), ("events", "fan-out", 3000)]


def names(vertex, table, path):
    found = [row.name for row in vertex.rows(table, path, columns=("name",))]
    assert len(set(found)) == len(found)
    return found


@pytest.mark.parametrize(("table", "path", "count"), TABLES)
@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 429, "retry_after": 1},
        {"kind": "status", "status": 503},
        {"kind": "status", "status": 500},
        {"kind": "status", "status": 408},
        {"kind": "drop"},
        {"kind": "drop", "reset": True},
        {"kind": "drop_body", "fraction": 0.5},
        {"kind": "drop_body", "fraction": 0.0},
    ],
    ids=lambda fault: "-".join(map(str, fault.values())),
)
def test_a_temporary_failure_neither_loses_nor_duplicates_rows(vertex, table, path, count, fault):
    vertex.control.fault(**fault, skip=1, count=3)
    assert len(names(vertex, table, path)) == count
    assert sum(entry["fault"] is not None for entry in vertex.requests()) == 3


@pytest.mark.parametrize(("table", "path", "count"), TABLES)
def test_a_slow_request_times_out_and_is_sent_again(vertex, monkeypatch, table, path, count):
    delays_use_up_timeouts(monkeypatch)
    vertex.control.fault("delay", seconds=60.0, skip=1, count=1)
    assert len(names(vertex, table, path)) == count


@pytest.mark.parametrize(("table", "path", "count"), TABLES)
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"kind": "status", "status": 429}, ThrottledError),
        ({"kind": "status", "status": 503}, UnavailableError),
        ({"kind": "status", "status": 401}, CredentialError),
        ({"kind": "status", "status": 403}, ForbiddenError),
        ({"kind": "status", "status": 404, "body": "<html>404</html>"}, NotFoundError),
        ({"kind": "status", "status": 302}, RefusedError),
        ({"kind": "drop"}, UnavailableError),
        ({"kind": "truncate"}, ProtocolError),
        ({"kind": "body", "body": "<html>log in</html>"}, ProtocolError),
        ({"kind": "body", "body": [1, 2]}, ProtocolError),
        ({"kind": "body", "body": {"sessions": 5, "sessionEvents": "x"}}, ProtocolError),
        ({"kind": "wrong_types"}, ProtocolError),
        ({"kind": "wrong_types", "fields": ["createTime", "timestamp"]}, ProtocolError),
        ({"kind": "wrong_types", "fields": ["name"]}, ProtocolError),
        ({"kind": "wrong_types", "fields": ["nextPageToken"], "path": "sessions$"}, ProtocolError),
        ({"kind": "repeat_token", "path": "sessions$"}, ProtocolError),
    ],
    ids=lambda value: "-".join(map(str, value.values())) if isinstance(value, dict) else "",
)
def test_a_lasting_failure_is_an_error_that_names_source_and_call(
    vertex, table, path, count, fault, error
):
    vertex.control.fault(**fault, count=None)
    with pytest.raises(error) as caught:
        vertex.rows(table, path)
    assert type(caught.value) is error
    assert "prod" in str(caught.value) or "127.0.0.1" in str(caught.value)
    assert "/v1beta1/" in str(caught.value)


@pytest.mark.parametrize("field", ["userId", "labels", "sessionState", "updateTime"])
def test_a_field_of_the_wrong_type_is_named(vertex, field):
    vertex.control.fault("wrong_types", fields=[field], count=None)
    with pytest.raises(ProtocolError, match=rf"GET http.*sessions.*the field {field} should be"):
        vertex.rows("sessions", "list")


def test_an_invalid_field_that_is_not_read_is_ignored(vertex):
    vertex.control.fault("wrong_types", fields=["userId"], count=None)
    assert len(vertex.rows("sessions", "list", columns=("session_id",))) == 320


def test_a_token_to_an_empty_page_loses_no_rows(vertex):
    vertex.control.fault("empty_page", path="sessions$", count=None)
    assert len(names(vertex, "sessions", "list")) == 320


def test_an_expired_credential_is_named_with_a_hint(sources, monkeypatch):
    monkeypatch.setenv("MY_TOKEN", "canary-77")
    vertex = sources(options={"token_env": "MY_TOKEN"})
    vertex.control.fault("status", status=401, count=None)
    with pytest.raises(CredentialError, match=r"\$MY_TOKEN") as caught:
        vertex.rows("sessions", "list")
    assert "canary-77" not in str(caught.value)
    assert vertex.requests()[0]["headers"]["authorization"] == "Bearer canary-77"
    assert "canary-77" not in repr(vertex.context.requests)


def test_an_operation_that_never_ends_has_an_unknown_outcome_that_names_it(vertex):
    vertex.control.fault("operation", method="POST", plan={"never": True})
    outcome = vertex.insert("sessions", user_id="zoe")
    assert outcome.state.value == "unknown"
    assert "/operations/" in str(outcome.error)
    assert 120 <= sum(vertex.clock.waits) < 126


def test_server_text_is_escaped_and_cut(vertex):
    body = {"error": {"code": 400, "message": "\x1b[31mred\n" + "x" * 900, "status": "X"}}
    vertex.control.fault("status", status=400, body=body, count=None)
    with pytest.raises(RefusedError) as caught:
        vertex.rows("sessions", "list")
    assert "\\x1b[31mred\\n" in str(caught.value)
    assert len(str(caught.value)) < 800


def test_the_budget_ends_a_runaway(vertex):
    vertex.context.left = 5
    scan = vertex.scan_of("events", "fan-out")
    with pytest.raises(BudgetError):
        list(vertex.backend.resources["events"].scan(scan, vertex.context))
    # The sixth request fails while others are still on their way: the end of a statement waits.
    scope_of(vertex.client, vertex.context).close()
    assert len(vertex.requests()) == 5


def test_an_interrupt_ends_a_scan(vertex):
    vertex.control.delay(0.2)
    scan = vertex.scan_of("sessions", "list")
    vertex.context.stop = True
    try:
        with pytest.raises(TransientError, match="interrupted"):
            list(vertex.backend.resources["sessions"].scan(scan, vertex.context))
    finally:
        vertex.control.delay(0)


@pytest.mark.parametrize(
    "name", ["operations/../../x", "https://evil/operations/1", "a?b/operations/1", 5, None]
)
def test_an_operation_name_is_checked_before_it_is_requested(vertex, name):
    body = {"name": name}
    vertex.control.fault("body", method="POST", body=body)
    outcome = vertex.insert("sessions", user_id="zoe")
    assert isinstance(outcome.error, SessionsError)
    assert "not a valid operation name" in str(outcome.error)
    assert vertex.requests("GET") == []


@pytest.mark.parametrize(
    "name", ["projects/1/sessions/..", "projects/1/sessions/a?b", "projects/1/sessions/", "", 5]
)
def test_a_session_name_in_a_response_is_checked(vertex, name):
    vertex.control.fault("body", path="sessions$", body={"sessions": [{"name": name}]}, count=None)
    with pytest.raises(ProtocolError, match="the field name"):
        vertex.rows("events", "fan-out")
    assert vertex.requests(contains="/events") == []


def test_a_missing_session_is_an_error_only_if_its_engine_is_missing(vertex):
    gone = {
        "error": {
            "code": 404,
            "status": "NOT_FOUND",
            "message": "The ReasoningEngine does not exist.",
        }
    }
    vertex.control.fault("status", path="/events", status=404, body=gone, count=None)
    with pytest.raises(NotFoundError):
        vertex.rows("events", "list", Compare(Field("session_id"), Op.EQ, "chat-0000"))

"""The functions: each sends one call and answers with the session."""

from __future__ import annotations

import json

import pytest

from sessions_vtab.errors import (
    ConflictError,
    ForbiddenError,
    InvalidValueError,
    MissingParameterError,
    NotFoundError,
    RefusedError,
    UnknownOutcomeError,
)


@pytest.fixture
def bound(sql):
    """Session s with ann, a soft-deleted session gone."""
    sql.add("s", description="d", participants=["ann", "agent-iris"])
    sql.add("gone")
    sql.remove("gone")
    return sql


@pytest.mark.parametrize(
    ("call", "request_"),
    [
        ("undelete_session('gone')", ("POST", "demo/gone/undelete", None)),
        ("truncate_session('s')", ("POST", "demo/s/truncate", None)),
        ("bind_participant('s', 'bob')", ("PUT", "demo/s/participants/bob", None)),
        ("unbind_participant('s', 'ann')", ("DELETE", "demo/s/participants/ann", None)),
    ],
)
def test_a_function_sends_one_call_and_answers_with_the_session(bound, call, request_):
    ((name, session_id, created, response),) = bound(
        f"SELECT name, session_id, create_time IS NOT NULL, response FROM {call}"
    )
    assert bound.sent() == [request_]
    assert (name, created) == (f"namespaces/demo/sessions/{session_id}", 1)
    assert json.loads(response)["session"]["name"] == session_id
    assert json.loads(response)["status"]["message"] == "SUCCESS"


@pytest.mark.parametrize("how", ["name", "pkid", "full name"])
def test_a_session_is_given_by_name_pkid_or_full_name(bound, how):
    pkid = bound("SELECT pkid FROM sessions WHERE session_id = 's'")[0][0]
    given = {"name": "s", "pkid": pkid, "full name": "namespaces/demo/sessions/s"}[how]
    assert bound("SELECT session_id FROM truncate_session(?)", given) == [("s",)]


def test_integration_answers_with_its_task(bound):
    ((session_id, task, response),) = bound(
        "SELECT session_id, task_id, response FROM integrate_session('s')"
    )
    assert bound.sent() == [("GET", "demo/s", None), ("POST", "demo/s/integrate", None)]
    assert session_id == "s"
    assert json.loads(response)["task_id"] == task


def test_truncation_clears_turns_and_keeps_the_session(bound):
    turns = {"participants": {"ann": {"chat_turns": [1, 2]}}, "data": "x"}
    bound.admin("PATCH", "sessions/s", turns)
    bound("SELECT * FROM truncate_session('s')")
    row = bound.admin("GET", "sessions/s")
    assert (row["data"], row["bindings"]["ann"]["chat_turns"], row["description"]) == (
        None,
        [],
        "d",
    )


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        ("undelete_session('s')", RefusedError, "400 Bad Request: 's' is not deleted"),
        ("undelete_session('nope')", NotFoundError, "404 Not Found: There is no session 'nope'"),
        ("truncate_session('gone')", NotFoundError, "410 Gone: .* undelete_session"),
        ("bind_participant('gone', 'ann')", NotFoundError, "410 Gone"),
        ("bind_participant('s', 'ann')", ConflictError, "'ann' is already bound to"),
        ("bind_participant('s', 'unknown-x')", NotFoundError, "no participant 'unknown-x'"),
        ("unbind_participant('s', 'bob')", RefusedError, "400 Bad Request: 'bob' is not bound"),
        (
            "integrate_session('gone')",
            NotFoundError,
            "session .* does not exist or is deleted. Nothing was",
        ),
        ("integrate_session('nope')", NotFoundError, "session .*nope does not exist"),
        ("truncate_session('')", InvalidValueError, "cannot be part of a resource name"),
        ("truncate_session(NULL)", MissingParameterError, "requires session"),
        ("bind_participant('s')", MissingParameterError, "requires participant"),
    ],
)
def test_invalid_calls_are_errors_that_say_why(bound, call, error, words):
    with pytest.raises(error, match=words):
        bound(f"SELECT * FROM {call}")


def test_a_disabled_session_is_not_integrated(bound):
    bound("UPDATE sessions SET enabled = 0 WHERE session_id = 's'")
    with pytest.raises(ForbiddenError, match="403 Forbidden: The session 's' is disabled"):
        bound("SELECT * FROM integrate_session('s')")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE sessions SET description = 'x' WHERE session_id = 's'",
        "DELETE FROM sessions WHERE session_id = 's'",
    ],
)
def test_a_managed_session_is_left_alone(bound, statement):
    bound.admin("PATCH", "sessions/s", {"managed": True})
    with pytest.raises(ForbiddenError, match=r"403 Forbidden: .* is managed by the system"):
        bound(statement)


def test_a_truncation_whose_answer_was_lost_is_of_unknown_outcome(bound):
    bound.control.fault("drop", method="POST", path="truncate", act=True)
    with pytest.raises(UnknownOutcomeError, match="may or may not have acted"):
        bound("SELECT * FROM truncate_session('s')")
    assert len(bound.sent()) == 1


def test_an_undeletion_whose_answer_was_lost_is_not_an_error(bound):
    bound.control.fault("drop", method="POST", path="undelete", act=True)
    assert bound("SELECT session_id FROM undelete_session('gone')") == [("gone",)]


def test_an_answer_that_cannot_be_completed_says_that_the_call_was_accepted(bound):
    bound.control.fault("body", method="POST", path="truncate", body={})
    bound.control.fault("status", method="GET", status=410, body={"status": {"message": "gone"}})
    with pytest.raises(UnknownOutcomeError, match=r"was accepted, but .* cannot be read"):
        bound("SELECT * FROM truncate_session('s')")


@pytest.mark.parametrize(
    ("function", "body"),
    [
        ("integrate_session", {"task_id": 5}),
        ("integrate_session", ["task"]),
        ("truncate_session", {"session": {"name": 5}}),
    ],
)
def test_an_answer_that_cannot_be_read_says_that_the_call_was_accepted(bound, function, body):
    bound.control.fault("body", method="POST", path=function.partition("_")[0], body=body)
    with pytest.raises(UnknownOutcomeError, match=rf"^\w+.{function}: .*accepted the POST"):
        bound(f"SELECT * FROM {function}('s')")

"""The functions: clicks, marks, and batches for improvement."""

from __future__ import annotations

import json

import pytest

from sessions_vtab.errors import (
    ConflictError,
    InvalidValueError,
    MissingParameterError,
    NotFoundError,
    UnknownOutcomeError,
)


@pytest.mark.parametrize("session", ["a/b", "sessions/a%2Fb"])
def test_push_event_records_a_click(sql, session):
    sql.add("a/b")
    rows = sql("SELECT * FROM push_event(?, 'e1', 'doc', 'view', NULL, '{\"a\":1}')", session)
    assert rows == [("sessions/a%2Fb/events/e1", "e1", "sessions/a%2Fb", "null")]
    event = {"event_id": "e1", "object_id": "doc", "event_type": "view", "meta": {"a": 1}}
    assert sql.sent()[-1][3] == {"session_id": "a/b", "events": [event]}


def test_push_event_generates_an_id(sql):
    sql.add("s")
    ((event,),) = sql("SELECT event_id FROM push_event('s', NULL, 'doc')")
    assert sql("SELECT event_id FROM events WHERE session_id = 's'") == [(event,)]


def test_use_for_improvement_does_not_report_whether_anything_was_scheduled(sql):
    sql.add("s", events=1)
    rows = sql("SELECT * FROM use_session_for_improvement('s')")
    assert rows == [("s", None, None, "null")]
    assert len(sql.state()["improvements"]) == 1


def test_use_for_improvement_is_never_sent_twice(sql):
    sql.add("s", events=1)
    sql.control.fault("drop", method="POST", act=True)
    with pytest.raises(UnknownOutcomeError, match="may or may not have acted"):
        sql("SELECT * FROM use_session_for_improvement('s')")
    assert len(sql.state()["improvements"]) == 1


def test_mark_session_irrelevant_may_be_repeated(sql):
    sql.add("s")
    for _ in range(2):
        assert sql("SELECT * FROM mark_session_irrelevant('s')") == [("s", 1, "null")]
    assert sql("SELECT is_irrelevant FROM sessions WHERE session_id = 's'") == [(1,)]


def test_release_batch_returns_the_batch_and_its_time(sql):
    sql.add("s")
    ((batch, released, response),) = sql("SELECT * FROM release_batch('r')")
    assert json.loads(response)["batch_id"] == batch
    assert released.endswith(".000000")
    assert sql.sent()[-1][3] == {"release_id": "r"}


def test_the_same_release_returns_the_same_result(sql):
    sql.add("s")
    first = sql("SELECT * FROM release_batch('r')")
    sql.add("t")
    assert sql("SELECT * FROM release_batch('r')") == first


def test_a_release_whose_response_was_lost_is_repeated(sql):
    sql.add("s")
    sql.control.fault("drop", method="POST", act=True)
    assert len(sql("SELECT batch_id FROM release_batch('r')")) == 1


@pytest.mark.parametrize(
    ("arguments", "query", "found"),
    [
        ("", {"after_number": "0"}, [(1, 100), (2, 2), (3, 0)]),
        (", 1", {"after_number": "1"}, [(2, 2), (3, 0)]),
        (", 0, 1", {"after_number": "0", "events_limit": "1"}, [(1, 1), (2, 1), (3, 0)]),
        (", NULL, 0", {"after_number": "0", "events_limit": "0"}, [(1, 130), (2, 2), (3, 0)]),
    ],
)
def test_batch_sessions_takes_a_number_to_begin_after_and_a_limit_of_events(
    sql, arguments, query, found
):
    for number, events in enumerate((130, 2, 0)):
        sql.add(f"s{number}", events=events)
    batch = sql.release()
    rows = sql(
        "SELECT session_number, json_array_length(events) FROM"
        f" batch_sessions('{batch}'{arguments})"
    )
    assert rows == found
    (sent,) = sql.sent()
    assert sent[2] == {"batch_id": batch, "limit": "100", **query}


def test_batch_sessions_has_the_core_columns(sql):
    sql.add("s", user_id="ann")
    batch = sql.release()
    rows = sql("SELECT name, user_id, batch_id, search_query FROM batch_sessions(?)", batch)
    assert rows == [("sessions/s", "ann", batch, "q")]


@pytest.mark.parametrize(
    ("where", "count"),
    [("session_id = 's'", 1), ("session_id IN ('t', 'nope')", 1), ("user_id IS NULL", 2)],
)
def test_what_batch_sessions_returns_can_be_compared(sql, where, count):
    sql.add("s")
    sql.add("t")
    batch = sql.release()
    assert sql(f"SELECT count(*) FROM batch_sessions(?) WHERE {where}", batch) == [(count,)]


def test_batch_sessions_reads_every_page(sql):
    sql.fill(105)
    batch = sql.release()
    assert sql("SELECT count(*) FROM batch_sessions(?)", batch) == [(105,)]
    assert [query["after_number"] for _, _, query, _ in sql.sent()] == ["0", "100"]


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        ("use_session_for_improvement('nope')", NotFoundError, "Session with id=nope not found"),
        ("mark_session_irrelevant('nope')", NotFoundError, "Session with id=nope not found"),
        (
            "push_event('nope', 'e', 'o')",
            NotFoundError,
            "session 'nope' does not exist. Register it first",
        ),
        ("push_event('s', 'e1', 'o')", ConflictError, "already has an event 'e1'"),
        ("push_event('s', 'e')", MissingParameterError, "requires object_id"),
        (
            "push_event('s', 'e', 'o', NULL, '2026-01-01 00:00:00.5')",
            InvalidValueError,
            "whole sec",
        ),
        (
            "batch_sessions('b', -1)",
            InvalidValueError,
            "after_number must be an integer, at least 0, not -1",
        ),
        (
            "batch_sessions('b', 0, -1)",
            InvalidValueError,
            "events_limit must be an integer, at least 0, not -1",
        ),
        ("batch_sessions()", MissingParameterError, "requires batch"),
        ("release_batch(NULL)", MissingParameterError, "requires release_id"),
    ],
)
def test_invalid_calls_are_errors_that_say_why(sql, call, error, words):
    sql.add("s", events=1)
    with pytest.raises(error, match=words):
        sql(f"SELECT * FROM {call}")


def test_without_a_collecting_batch_there_is_nothing_to_release(sql):
    with pytest.raises(
        NotFoundError, match=r"no batch is collecting sessions. Nothing was released"
    ):
        sql("SELECT * FROM release_batch('r')")


def test_a_release_response_without_a_batch_is_an_error(sql):
    sql.add("s")
    sql.control.fault("body", method="POST", body={"released_at": 1})
    with pytest.raises(UnknownOutcomeError, match="field batch_id should be text"):
        sql("SELECT * FROM release_batch('r')")

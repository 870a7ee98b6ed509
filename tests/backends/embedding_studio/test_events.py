"""The table ``events``: complete or an error, sent in one call, never silently discarded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sessions_vtab.errors import (
    ConflictError,
    InvalidValueError,
    MissingParameterError,
    NotFoundError,
    RefusedError,
    UnsupportedError,
    WriteError,
)

GET, PUSH = "GET session", "POST session/events"
BATCH = "GET internal/batch/sessions"
INSERT = "INSERT INTO events(session_id, event_id, object_id)"
COUNT = "SELECT count(*) FROM events WHERE session_id = 's'"


# Reading


def test_a_row_is_one_event(sql):
    sql.add("s", events=1)
    (row,) = sql("SELECT * FROM events WHERE session_id = 's'")
    assert row[:4] == ("sessions/s/events/e1", "sessions/s", "s", "e1")
    assert row[4].endswith(".000000")
    assert row[5:] == (None, None, None, "o", "click", None)


@pytest.mark.parametrize(
    ("where", "rows"),
    [
        ("session_id = 's'", 3),
        ("session_name = 'sessions/s'", 3),
        ("name = 'sessions/s/events/e2'", 1),
        ("session_id IN ('s', 't', 'nope')", 4),
        ("session_id = 's' AND object_id = 'other'", 0),
        ("name = 'sessions/s'", 0),
        ("session_id = 'nope'", 0),
    ],
)
def test_events_are_read_with_their_session(sql, where, rows):
    sql.add("s", events=3)
    sql.add("t", events=1)
    assert sql(f"SELECT count(*) FROM events WHERE {where}") == [(rows,)]
    assert set(sql.paths()) <= {GET}


def test_without_a_key_the_error_names_the_keys(sql):
    with pytest.raises(
        MissingParameterError, match="name or session_name or session_id or batch_id"
    ):
        sql("SELECT * FROM events")


def test_a_batch_has_the_events_of_all_its_sessions(sql):
    sql.add("s", events=130)
    sql.add("t", events=2)
    batch = sql.release()
    grouped = "SELECT session_id, count(*), min(batch_id) FROM events WHERE batch_id = ? GROUP BY 1"
    assert sql(grouped, batch) == [("s", 130, batch), ("t", 2, batch)]
    assert sql.paths() == [BATCH]


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("JOIN events e USING (session_id) WHERE s.batch_id = ?1 AND e.batch_id = ?1", 12),
        ("JOIN events e USING (session_id, batch_id) WHERE batch_id = ?1", 12),
        (
            (
                "JOIN events e ON e.session_name = s.name AND e.batch_id = s.batch_id"
                " WHERE s.batch_id = ?1"
            ),
            12,
        ),
        (
            (
                "LEFT JOIN events e ON e.session_id = s.session_id AND e.batch_id = s.batch_id"
                " WHERE s.batch_id = ?1"
            ),
            22,
        ),
        (
            (
                "WHERE batch_id = ?1 AND EXISTS (SELECT 1 FROM events e"
                " WHERE e.batch_id = ?1 AND e.session_id = s.session_id)"
            ),
            11,
        ),
    ],
)
def test_the_sessions_of_a_batch_have_their_events_from_its_list(sql, query, rows):
    """One list of the sessions, with one event each, and one of all their events."""
    for number in range(20):
        sql.add(f"s{number}", events=(0, 1)[number % 2])
    sql.add("long", events=2)
    batch = sql.release()
    assert sql(f"SELECT count(*) FROM sessions s {query}", batch) == [(rows,)]
    assert sql.paths() == [BATCH, BATCH]


@pytest.mark.parametrize(
    ("query", "rows", "most"),
    [
        ("JOIN events e USING (session_id) WHERE s.batch_id = ?1", 140, 2),
        ("JOIN events e ON e.session_name = s.name WHERE s.batch_id = ?1", 140, 2),
        ("LEFT JOIN events e ON e.session_name = s.name WHERE s.batch_id = ?1", 150, 2),
        (
            (
                "WHERE batch_id = ?1 AND EXISTS"
                " (SELECT 1 FROM events e WHERE e.session_id = s.session_id)"
            ),
            11,
            2,
        ),
        (
            (
                "JOIN events e USING (session_id) WHERE s.session_id IN"
                " (SELECT session_id FROM sessions WHERE batch_id = ?1)"
            ),
            140,
            2,
        ),
        # Which batch a session is in is not known before the events have been read.
        ("JOIN events e USING (session_id) WHERE e.batch_id = ?1", 140, 7),
        ("JOIN events e ON e.session_name = s.name AND e.batch_id = ?1", 140, 7),
    ],
)
def test_the_batch_of_one_table_is_known_for_the_other(sql, query, rows, most):
    """The connection has seen which sessions a batch has: these are read from its list."""
    for number in range(20):
        sql.add(f"s{number}", events=(0, 1)[number % 2])
    sql.add("long", events=130)
    batch = sql.release()
    assert sql(f"SELECT count(*) FROM sessions s {query}", batch) == [(rows,)]
    assert len(sql.paths()) <= most


def test_sessions_of_an_unknown_batch_beside_those_of_a_known_one_are_read_by_their_ids(sql):
    for name in ("known", "other"):
        for number in range(12):
            sql.add(f"{name}-{number}", events=1)
        sql.release(name)
    sql("SELECT count(*) FROM sessions WHERE batch_id = ?", sql.state()["batches"][0]["batch_id"])
    ids = [f"{name}-{number}" for name in ("known", "other") for number in range(12)]
    chosen = ", ".join(f"('{one}')" for one in ids)

    for query in (
        f"SELECT session_id FROM events WHERE session_id IN (VALUES {chosen})",
        f"SELECT session_id FROM sessions WHERE session_id IN (VALUES {chosen})",
        f"SELECT session_id FROM (VALUES {chosen}) k JOIN events e ON e.session_id = k.column1",
    ):
        assert sorted(one for (one,) in sql(query)) == sorted(ids)


# A hundred events and more


@pytest.mark.parametrize(("events", "complete"), [(99, True), (100, False), (101, False)])
def test_a_hundred_events_without_a_known_batch_are_an_error_that_names_it(sql, events, complete):
    sql.add("s", events=events)
    if complete:
        assert sql(COUNT) == [(events,)]
    else:
        with pytest.raises(MissingParameterError, match=r"session 's' has 100 .* Add batch_id = "):
            sql(COUNT)


def test_the_events_column_of_sessions_is_an_error_for_a_long_session(sql):
    sql.add("s", events=100)
    with pytest.raises(MissingParameterError, match="Add batch_id"):
        sql("SELECT events FROM sessions WHERE session_id = 's'")
    assert sql("SELECT user_id FROM sessions WHERE session_id = 's'") == [(None,)]


def test_a_named_batch_shows_them_all(sql):
    sql.add("r")
    sql.add("s", events=130)
    batch = sql.release()
    assert sql(f"{COUNT} AND batch_id = ?", batch) == [(130,)]
    assert sql.paths() == [GET, BATCH, BATCH]
    assert sql(COUNT) == [(130,)]
    assert sql.paths() == [GET, BATCH]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT batch_id FROM release_batch('r')",
        "SELECT * FROM batch_sessions(?1)",
        "SELECT session_id FROM sessions WHERE batch_id = ?1",
        "SELECT count(*) FROM events WHERE batch_id = ?1",
    ],
)
def test_batches_that_the_connection_has_seen_are_remembered(sql, statement):
    sql.add("s", events=130)
    batch = sql.release("r")
    sql(statement, *([batch] if "?1" in statement else []))
    assert sql(COUNT) == [(130,)]


def test_other_connections_do_not_know_the_batch(sql, source):
    sql.add("s", events=130)
    sql("SELECT batch_id FROM release_batch('r')")
    with pytest.raises(MissingParameterError, match="Add batch_id"):
        source()(COUNT)


@pytest.mark.parametrize("events", [2, 130])
@pytest.mark.parametrize("seen", [False, True])
def test_a_batch_without_the_session_is_an_error(sql, events, seen):
    sql.add("s", events=events)
    batch = sql.release()
    if seen:
        sql("SELECT session_id FROM sessions WHERE batch_id = ?", batch)

    with pytest.raises(NotFoundError, match="session 's' is not in batch 'none'"):
        sql(f"{COUNT} AND batch_id = 'none'")


def test_a_long_batch_is_searched_page_by_page(sql):
    sql.fill(101)
    sql.add("s", events=130)
    batch = sql.release()
    assert sql(f"{COUNT} AND batch_id = ?", batch) == [(130,)]
    limits = [(query.get("limit"), query.get("events_limit")) for _, _, query, _ in sql.sent()]
    assert limits == [(None, None), ("100", "1"), ("100", "1"), ("1", "0")]


# INSERT


def test_events_of_a_session_are_sent_in_order_in_one_call(sql):
    sql.add("s")
    sql.add("t")
    with sql.connection:
        sql(f"{INSERT} VALUES ('s', 'b', 'o1'), ('t', 'c', 'o2')")
        sql(f"{INSERT} VALUES ('s', 'a', 'o3')")
    pushed = {body["session_id"]: body["events"] for _, path, _, body in sql.sent() if body}
    assert pushed == {
        "s": [{"event_id": "b", "object_id": "o1"}, {"event_id": "a", "object_id": "o3"}],
        "t": [{"event_id": "c", "object_id": "o2"}],
    }


def test_all_columns_are_sent_and_read_back(sql):
    sql.add("s")
    at = (datetime.now(UTC) - timedelta(hours=1)).replace(microsecond=0)
    rows = sql(
        "INSERT INTO events(session_name, event_id, object_id, event_type, timestamp, meta)"
        " VALUES ('sessions/s', 'e', 'o', 'view', ?, '{\"a\": 1}') RETURNING name, timestamp, meta",
        at.isoformat(),
    )
    assert rows == [("sessions/s/events/e", f"{at:%Y-%m-%d %H:%M:%S}.000000", '{"a":1}')]
    (body,) = [body for _, _, _, body in sql.sent() if body]
    assert body["events"] == [
        {
            "event_id": "e",
            "object_id": "o",
            "event_type": "view",
            "created_at": int(at.timestamp()),
            "meta": {"a": 1},
        }
    ]


def test_an_event_gets_an_id_and_the_services_time_unless_given(sql):
    sql.add("s")
    ((event, kind, timed),) = sql(
        "INSERT INTO events(session_id, object_id) VALUES ('s', 'o')"
        " RETURNING event_id, event_type, timestamp IS NOT NULL"
    )
    assert (len(event), kind, timed) == (36, "click", 1)


def test_a_session_is_registered_before_its_events(sql):
    with sql.connection:
        sql(f"{INSERT} VALUES ('s', 'e', 'o')")
        sql("INSERT INTO sessions(session_id, search_query, search_results) VALUES ('s','q','[]')")
    assert [path for path in sql.paths() if "POST" in path] == ["POST session", PUSH]


@pytest.mark.parametrize(
    ("columns", "values", "error", "words"),
    [
        ("session_id", "'s'", MissingParameterError, "requires object_id"),
        ("object_id", "'o'", MissingParameterError, "session_id .or session_name. is required"),
        ("object_id, session_name", "'o', 's'", InvalidValueError, "not a valid session name"),
        ("object_id, name", "'o', 'sessions/s'", InvalidValueError, "not a valid event name"),
        (
            "object_id, name, event_id",
            "'o', 'sessions/s/events/e', 'f'",
            InvalidValueError,
            "event_id = 'f' contradicts the name",
        ),
        (
            "object_id, session_name, session_id",
            "'o', 'sessions/s', 't'",
            InvalidValueError,
            "session_id = 't' contradicts the name",
        ),
        (
            "object_id, name, session_name",
            "'o', 'sessions/s/events/e', 'sessions/t'",
            InvalidValueError,
            "session_name = 'sessions/t' contradicts the name",
        ),
        (
            "session_id, object_id, meta",
            "'s', 'o', '[]'",
            InvalidValueError,
            "meta must be a JSON obj",
        ),
        (
            "session_id, object_id, timestamp",
            "'s', 'o', '2026-01-01 00:00:00.25'",
            InvalidValueError,
            "whole seconds.* has a fraction",
        ),
        ("session_id, object_id, author", "'s', 'o', 'ann'", UnsupportedError, "Events are clicks"),
    ],
)
def test_invalid_events_are_not_sent(sql, columns, values, error, words):
    with pytest.raises(error, match=words):
        sql(f"INSERT INTO events({columns}) VALUES ({values})")
    assert sql.sent() == []


def test_events_of_an_unregistered_session_are_not_sent(sql):
    with pytest.raises(NotFoundError, match=r"session 'nope' does not exist. Register it first"):
        sql(f"{INSERT} VALUES ('nope', 'e', 'o')")
    assert sql.paths() == [GET]


@pytest.mark.parametrize("hours", [-13, 1])
def test_one_time_outside_the_window_stores_nothing_of_the_call(sql, hours):
    sql.add("s")
    at = (datetime.now(UTC) + timedelta(hours=hours)).replace(microsecond=0).isoformat()
    with pytest.raises(
        WriteError, match=r"2 of 2 .*Invalid utc timestamp.*12 hours before and 5 min"
    ):
        sql(
            "INSERT INTO events(session_id, object_id, timestamp) VALUES ('s', 'o', NULL), ('s','o',?)",
            at,
        )
    assert sql("SELECT outcome, http_status FROM writes") == [("failed", 400)] * 2
    assert sql(COUNT) == [(0,)]


# Duplicates


def test_an_existing_event_is_a_conflict_and_nothing_is_sent(sql):
    sql.add("s", events=2)
    with pytest.raises(ConflictError, match="session 's' already has an event 'e2'"):
        sql(f"{INSERT} VALUES ('s', 'e2', 'other')")
    assert sql.paths() == [GET]


def test_one_duplicate_event_prevents_its_whole_call(sql):
    sql.add("s", events=2)
    with pytest.raises(WriteError, match=r"2 of 2 writes .* already has an event 'e2'"):
        sql(f"{INSERT} VALUES ('s', 'new', 'o'), ('s', 'e2', 'o')")
    outcomes = sql("SELECT outcome FROM writes ORDER BY number")
    assert sorted(outcomes) == [("failed",), ("not sent",)]
    assert sql(COUNT) == [(2,)]


def test_a_duplicate_id_in_one_call_is_a_conflict(sql):
    sql.add("s")
    with pytest.raises(WriteError, match="already has an event 'e'"):
        sql(f"{INSERT} VALUES ('s', 'e', 'o'), ('s', 'e', 'p')")


def test_or_ignore_skips_existing_events(sql):
    sql.add("s", events=1)
    ignore = INSERT.replace("INSERT", "INSERT OR IGNORE")
    rows = sql(f"{ignore} VALUES ('s', 'e1', 'o'), ('s', 'e2', 'p') RETURNING event_id")
    assert rows == [("e2",)]
    assert sql("SELECT outcome FROM writes ORDER BY number") == [("skipped",), ("sent",)]


def test_or_ignore_with_nothing_new_sends_nothing(sql):
    sql.add("s", events=1)
    sql(f"{INSERT.replace('INSERT', 'INSERT OR IGNORE')} VALUES ('s', 'e1', 'o')")
    assert sql.paths() == [GET]


def test_an_event_that_another_client_stored_meanwhile_is_a_conflict(sql):
    sql.add("s", events=1)
    empty = {"session_id": "s", "events": []}
    sql.control.fault("status", method="GET", status=200, body=empty)
    with pytest.raises(ConflictError, match="already has an event 'e1'"):
        sql(f"{INSERT} VALUES ('s', 'e1', 'another object') RETURNING name")


def test_a_given_event_id_requires_the_batch_of_a_long_session(sql):
    sql.add("s", events=100)
    with pytest.raises(MissingParameterError, match=r"Add batch_id .* leave event_id out. Nothing"):
        sql(f"{INSERT} VALUES ('s', 'mine', 'o')")
    batch = sql.release()
    with_batch = "INSERT INTO events(session_id, event_id, object_id, batch_id) VALUES (?,?,?,?)"
    with pytest.raises(ConflictError):
        sql(with_batch, "s", "e100", "o", batch)
    sql(with_batch, "s", "mine", "o", batch)
    assert sql(COUNT) == [(101,)]


def test_without_an_id_a_long_session_takes_events_and_their_time_is_null(sql):
    sql.add("s", events=100)
    ((event, at),) = sql(
        "INSERT INTO events(session_id, object_id) VALUES ('s', 'o') RETURNING event_id, timestamp"
    )
    assert (len(event), at) == (36, None)


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE events SET object_id = 'x' WHERE session_id = 's'", "insert another one"),
        ("DELETE FROM events WHERE session_id = 's'", "never deletes events"),
    ],
)
def test_events_cannot_be_updated_or_deleted(sql, statement, words):
    sql.add("s", events=1)
    with pytest.raises(UnsupportedError, match=words):
        sql(statement)


# Lost responses and failures


@pytest.mark.parametrize("act", [True, False])
def test_a_call_whose_response_was_lost_is_repeated(sql, act):
    sql.add("s")
    sql.control.fault("drop", method="POST", act=act)
    assert sql(f"{INSERT} VALUES ('s', 'e', 'o') RETURNING event_id") == [("e",)]
    assert sql(COUNT) == [(1,)]


def test_the_services_validation_error_is_reported(sql):
    sql.add("s")
    detail = {"detail": [{"type": "missing", "loc": ["body", "x"], "msg": "Field required"}]}
    sql.control.fault("status", method="POST", status=422, body=detail)
    with pytest.raises(RefusedError, match=r"422 .*Field required"):
        sql(f"{INSERT} VALUES ('s', 'e', 'o')")

"""Settings, failures of the service, hostile values, and that no secret is sent."""

from __future__ import annotations

import pytest

from sessions_vtab import connect
from sessions_vtab.errors import (
    ConfigurationError,
    NotFoundError,
    RefusedError,
    ThrottledError,
    UnavailableError,
    UnknownOutcomeError,
)
from sessions_vtab.testing.hostile import KINDS

BY_ID = "SELECT session_id FROM sessions WHERE session_id = 's'"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("embedding_studio://", "base_url: this setting is required"),
        (
            "embedding_studio://x?base_url=http://127.0.0.1:1",
            "has no location. Write the URL as embedding_studio://[?]base_url=",
        ),
        ("embedding_studio://?base_url=http://127.0.0.1:1&api_key_env=X", "no such setting"),
        ("embedding_studio://?base_url=nowhere", "base_url"),
    ],
)
def test_a_wrong_setting_is_an_error_that_names_it(url, words):
    with pytest.raises(ConfigurationError, match=words):
        connect(url)


def test_a_source_describes_itself(sql):
    backend = sql.connection.sources["embedding_studio"].backend
    assert backend.describe() == f"Embedding Studio at {sql.server.url}/api/v1 with no credential"


# Failures


def plain_500(sql, count, **which):
    """The service's own unhandled exception: text, not JSON."""
    headers = {"content-type": "text/plain"}
    body = "Internal Server Error"
    sql.control.fault("status", status=500, body=body, headers=headers, count=count, **which)


def test_after_a_500_a_read_is_tried_once_more(sql):
    sql.add("s")
    plain_500(sql, 1)
    assert sql(BY_ID) == [("s",)]


def test_a_500_that_stays_is_an_error_after_two_attempts(sql):
    sql.add("s")
    plain_500(sql, None)
    with pytest.raises(UnavailableError, match=r"500 .* after 2 attempts: Internal Server Error"):
        sql(BY_ID)
    assert len(sql.sent()) == 2


def test_after_a_500_the_next_request_has_a_connection_of_its_own(sql):
    """The service closes the connection without announcing it (contract, errors)."""
    sql.add("s", events=1)
    for _ in range(5):
        plain_500(sql, 1, method="POST")
        with pytest.raises(UnknownOutcomeError):
            sql("SELECT * FROM use_session_for_improvement('s')")
        assert sql("SELECT session_id FROM use_session_for_improvement('s')") == [("s",)]


@pytest.mark.parametrize(
    ("status", "body", "error", "words"),
    [
        (
            400,
            {"detail": "Invalid utc timestamp: 5"},
            RefusedError,
            "12 hours before and 5 minutes",
        ),
        (
            404,
            {"detail": "Not Found"},
            NotFoundError,
            "Register the session first with INSERT INTO sessions, or check base_url",
        ),
        (404, "<html>nothing</html>", NotFoundError, "nothing"),
        (405, {"detail": "Method Not Allowed"}, RefusedError, "405 Method Not Allowed"),
        (
            422,
            {"detail": [{"loc": ["query"], "msg": "Field required"}]},
            RefusedError,
            "Field required",
        ),
        (307, "", RefusedError, "Redirects are not followed"),
        (429, {"detail": "slow down"}, ThrottledError, "slow down"),
    ],
)
def test_each_status_is_an_error_with_its_message_and_what_to_do(sql, status, body, error, words):
    sql.control.fault("status", status=status, body=body, count=None, headers={"retry-after": "0"})
    with pytest.raises(error) as caught:
        sql(BY_ID)
    assert words in str(caught.value)
    assert str(caught.value).startswith("embedding_studio.sessions: GET http://127.0.0.1:")


def test_a_missing_route_is_not_reported_as_a_missing_session(sql):
    sql.control.fault("status", status=404, body={"detail": "Not Found"})
    with pytest.raises(NotFoundError):
        sql(BY_ID)


# Hostile values


@pytest.mark.parametrize("text", ["", *KINDS, "z" * 3000, "sessions/x", "../..", "a&limit=0"])
def test_any_text_survives_a_round_trip(sql, text):
    insert = (
        "INSERT INTO sessions(session_id, search_query, search_results, search_meta, user_id) VALUES"
        " (?1, ?1, json_array(json_object('object_id', ?1)), json_object('k', ?1), ?1)"
        " RETURNING session_id, search_query, search_results->>'$[0].object_id', user_id"
    )
    assert sql(insert, text) == [(text,) * 4]
    event = (
        "INSERT INTO events(session_id, event_id, object_id, event_type, meta) VALUES"
        " (?1, ?1, ?1, ?1, json_object('k', ?1)) RETURNING event_id, object_id, event_type, meta->>'k'"
    )
    assert sql(event, text) == [(text,) * 4]
    ((name, of),) = sql("SELECT name, session_name FROM events WHERE session_id = ?", text)
    assert sql("SELECT event_id FROM events WHERE name = ?", name) == [(text,)]
    assert sql("SELECT session_id FROM sessions WHERE name = ?", of) == [(text,)]
    assert sql("SELECT session_id FROM mark_session_irrelevant(?)", of) == [(text,)]


@pytest.mark.parametrize("text", ["", *KINDS, "b&limit=0"])
def test_any_text_can_be_a_batch_or_release_id(sql, text):
    assert sql("SELECT * FROM sessions WHERE batch_id = ?", text) == []
    assert sql("SELECT * FROM batch_sessions(?)", text) == []
    asked = [(query["batch_id"], query["limit"]) for _, _, query, _ in sql.sent()]
    assert asked == [(text, "100")] * 2
    sql.add("s")
    sql("SELECT * FROM release_batch(?)", text)
    assert sql.sent()[0][3] == {"release_id": text}


def test_no_credential_is_sent(sql, monkeypatch):
    monkeypatch.setenv("API_KEY", "canary-77b1")
    sql(BY_ID)
    (request,) = sql.control.requests()
    assert "canary-77b1" not in str(request)
    assert {"authorization", "x-api-key"}.isdisjoint(request["headers"])

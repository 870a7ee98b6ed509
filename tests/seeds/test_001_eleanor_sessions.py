"""Seed 001, EleanorAI sessions: each operation and parameter in SQL, its request and result."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sessions_vtab import Connection, connect
from sessions_vtab.emulator.serve import Running

PREFIX = "/api/v1/sessions/"


@pytest.fixture
def sql(emulator: Running) -> Iterator[Connection]:
    """A source on the namespace ``support`` with the session ``tour``."""
    emulator.control.reset(empty=True)
    connection = connect(f"eleanor://support?base_url={emulator.url}")
    connection.execute("INSERT INTO sessions(session_id) VALUES ('tour')")
    emulator.control.reset_log()
    yield connection
    connection.close()


@pytest.fixture
def sent(emulator: Running) -> Callable[[], list[tuple[str, str, dict[str, Any], Any]]]:
    """Method, path below the sessions, query and body of every request since the start."""

    def requests() -> list[tuple[str, str, dict[str, Any], Any]]:
        return [
            (one["method"], one["raw_path"].removeprefix(PREFIX), one["query"], one["body"])
            for one in emulator.control.requests()
        ]

    return requests


# namespace: the source's, WHERE's, INSERT's, the full name's


def test_the_namespace_is_that_of_the_source(sql, sent):
    assert sql.execute("SELECT session_id, namespace FROM sessions").fetchall() == [
        ("tour", "support")
    ]
    assert sent() == [("GET", "support", {}, None)]


def test_where_names_another_namespace_or_several(sql, sent):
    sql.execute("INSERT INTO sessions(namespace, session_id) VALUES ('sales', 'deal')")
    found = "SELECT session_id FROM sessions WHERE namespace {} ORDER BY 1"
    assert sql.execute(found.format("= 'sales'")).fetchall() == [("deal",)]
    both = sql.execute(found.format("IN ('sales', 'support')")).fetchall()
    assert both == [("deal",), ("tour",)]
    first, *lists = sent()
    assert first == ("POST", "sales", {}, {"name": "deal"})
    assert sorted(path for _, path, _, _ in lists) == ["sales", "sales", "support"]


def test_a_function_has_the_namespace_in_the_full_name(sql, sent):
    sql.execute("INSERT INTO sessions(name) VALUES ('namespaces/sales/sessions/deal')")
    rows = sql.execute("SELECT name FROM truncate_session('namespaces/sales/sessions/deal')")
    assert rows.fetchall() == [("namespaces/sales/sessions/deal",)]
    assert sent()[-1] == ("POST", "sales/deal/truncate", {}, None)


# create_session


def test_insert_creates_a_session(sql, sent):
    rows = sql.execute(
        "INSERT INTO sessions(session_id, description, enabled, settings)"
        " VALUES ('new', 'a tour', 0, '{\"sync_chat\": true}')"
        " RETURNING name, description, enabled, settings, auto_created, deleted"
    ).fetchall()
    body = {"name": "new", "description": "a tour", "enabled": False}
    assert sent() == [("POST", "support", {}, {**body, "settings": {"sync_chat": True}})]
    name = "namespaces/support/sessions/new"
    assert rows == [(name, "a tour", 0, '{"sync_chat":true}', 0, 0)]


def test_participants_of_a_new_session_are_inserted_with_it(sql, sent):
    with sql:
        sql.execute("INSERT INTO sessions(session_id) VALUES ('new')")
        sql.execute("INSERT INTO participants(session_id, participant) VALUES ('new', 'ann')")
    assert [one[:2] for one in sent()] == [
        ("POST", "support"),
        ("PUT", "support/new/participants/ann"),
    ]


# get_session and list_sessions


def test_session_id_gets_one_session(sql, sent):
    rows = sql.execute("SELECT name, enabled FROM sessions WHERE session_id = 'tour'").fetchall()
    assert sent() == [("GET", "support/tour", {}, None)]
    assert rows == [("namespaces/support/sessions/tour", 1)]


@pytest.mark.parametrize("where", ["include_deleted = 1", "deleted = 1"])
def test_include_deleted_is_sent_if_deleted_sessions_are_wanted(sql, sent, where):
    sql.execute("DELETE FROM sessions WHERE session_id = 'tour'")
    assert sql.execute("SELECT * FROM sessions").fetchall() == []
    rows = sql.execute(f"SELECT session_id, deleted FROM sessions WHERE {where}").fetchall()
    assert rows == [("tour", 1)]
    lists = [query for method, path, query, _ in sent() if (method, path) == ("GET", "support")]
    assert lists == [{}, {"include_deleted": "true"}]


# update_session


@pytest.mark.parametrize(
    ("change", "body"),
    [
        ("description = 'longer'", {"description": "longer"}),
        ("enabled = 0", {"enabled": False}),
        ("settings = '{\"override_importance\":3}'", {"settings": {"override_importance": 3}}),
        ("session_id = 'new'", {"name": "new"}),
    ],
)
def test_update_sends_an_update_session_request(sql, sent, change, body):
    column = change.partition(" ")[0]
    rows = sql.execute(
        f"UPDATE sessions SET {change} WHERE session_id = 'tour' RETURNING session_id, {column}"
    ).fetchall()
    assert sent()[-1] == ("PUT", "support/tour", {}, body)
    assert rows[0][0] == body.get("name", "tour")


# soft_delete_session and undelete_session


def test_delete_deletes_softly(sql, sent):
    sql.execute("DELETE FROM sessions WHERE session_id = 'tour'")
    assert sent()[-1] == ("DELETE", "support/tour", {}, None)
    rows = sql.execute("SELECT session_id FROM sessions WHERE include_deleted = 1").fetchall()
    assert rows == [("tour",)]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT session_id FROM undelete_session('tour')",
        (
            "UPDATE sessions SET deleted = 0 WHERE session_id = 'tour' AND deleted = 1"
            " RETURNING session_id"
        ),
    ],
)
def test_a_deleted_session_comes_back(sql, sent, statement):
    sql.execute("DELETE FROM sessions WHERE session_id = 'tour'")
    assert sql.execute(statement).fetchall() == [("tour",)]
    assert sent()[-1] == ("POST", "support/tour/undelete", {}, None)
    assert sql.execute("SELECT session_id FROM sessions").fetchall() == [("tour",)]


# truncate_session and integrate_session


def test_truncate_session_returns_the_session(sql, sent):
    rows = sql.execute("SELECT name, session_id FROM truncate_session('tour')").fetchall()
    assert sent() == [("POST", "support/tour/truncate", {}, None)]
    assert rows == [("namespaces/support/sessions/tour", "tour")]


def test_integrate_session_returns_the_task(sql, sent):
    rows = sql.execute(
        "SELECT session_id, task_id = response->>'task_id' FROM integrate_session('tour')"
    ).fetchall()
    assert sent()[-1] == ("POST", "support/tour/integrate", {}, None)
    assert rows == [("tour", 1)]


# bind_participant and unbind_participant


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO participants(session_id, participant) VALUES ('tour', 'ann')",
        "SELECT session_id FROM bind_participant('tour', 'ann')",
    ],
)
def test_a_participant_is_bound(sql, sent, statement):
    sql.execute(statement).fetchall()
    assert sent() == [("PUT", "support/tour/participants/ann", {}, None)]
    rows = sql.execute("SELECT participant, participant_type FROM participants").fetchall()
    assert rows == [("ann", "user")]


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM participants WHERE session_id = 'tour' AND participant = 'ann'",
        "SELECT session_id FROM unbind_participant('tour', 'ann')",
    ],
)
def test_a_participant_is_unbound(sql, sent, statement):
    sql.execute("INSERT INTO participants(session_id, participant) VALUES ('tour', 'ann')")
    sql.execute(statement).fetchall()
    assert sent()[-1] == ("DELETE", "support/tour/participants/ann", {}, None)
    assert sql.execute("SELECT participant FROM participants").fetchall() == []

"""Seed 004, Embedding Studio's improvement batches: each parameter in SQL, request and result."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sessions_vtab import Connection, connect
from sessions_vtab.emulator.serve import Running
from sessions_vtab.errors import InvalidValueError, NotFoundError

PREFIX = "/api/v1/clickstream/"
PAGE = "internal/batch/sessions"


@pytest.fixture
def sql(emulator: Running) -> Iterator[Connection]:
    """Searches s1 to s3 in the collecting batch; s1 has 120 clicks, s2 one."""
    emulator.control.reset(empty=True)
    connection = connect(f"embedding_studio://?base_url={emulator.url}")
    for name in ("s1", "s2", "s3"):
        connection.execute(
            "INSERT INTO sessions(session_id, search_query, search_results)"
            " VALUES (?, 'red coat', '[]')",
            (name,),
        )
    connection.executemany(
        "INSERT INTO events(session_id, object_id) VALUES (?, 'coat-7')",
        [("s1",)] * 120 + [("s2",)],
    )
    emulator.control.reset_log()
    yield connection
    connection.close()


@pytest.fixture
def sent(emulator: Running) -> Callable[[], list[tuple[str, str, dict[str, Any], Any]]]:
    """Method, path, query and body of every request since the last call."""

    def requests() -> list[tuple[str, str, dict[str, Any], Any]]:
        found = [
            (one["method"], one["path"].removeprefix(PREFIX), one["query"], one["body"])
            for one in emulator.control.requests()
        ]
        emulator.control.reset_log()
        return found

    return requests


@pytest.fixture
def batch(sql, sent) -> str:
    """The batch of s1 to s3, released."""
    ((batch_id,),) = sql.execute("SELECT batch_id FROM release_batch('r1')").fetchall()
    sent()
    return str(batch_id)


# use_session_for_improvement


def test_a_session_is_submitted_and_the_service_reports_no_result(sql, sent, emulator):
    rows = sql.execute(
        "SELECT session_id, scheduled, reason FROM use_session_for_improvement('s2')"
    ).fetchall()
    body = {"session_id": "s2"}
    assert sent() == [("POST", "internal/session/use-for-improvement", {}, body)]
    assert rows == [("s2", None, None)]
    queued = emulator.control.dump()["embedding_studio"]["improvements"]
    assert [one["session_id"] for one in queued] == ["s2"]


def test_a_session_that_does_not_exist_is_not_submitted(sql):
    with pytest.raises(NotFoundError, match="Session with id=nope not found"):
        sql.execute("SELECT * FROM use_session_for_improvement('nope')").fetchall()


def test_every_session_of_a_batch_is_submitted_once(sql, sent, batch):
    rows = sql.execute(
        "SELECT u.session_id FROM (SELECT session_id FROM sessions WHERE batch_id = ?) AS s,"
        " use_session_for_improvement(s.session_id) AS u",
        (batch,),
    ).fetchall()
    assert rows == [("s1",), ("s2",), ("s3",)]
    posted = [body["session_id"] for method, _, _, body in sent() if method == "POST"]
    assert posted == ["s1", "s2", "s3"]


# get_batch_sessions, by the id of a batch


@pytest.mark.parametrize("source", ["batch_sessions(?)", "sessions WHERE batch_id = ?"])
def test_a_batch_is_read_by_its_id(sql, sent, batch, source):
    rows = sql.execute(
        f"SELECT batch_id, session_number, session_id FROM {source}", (batch,)
    ).fetchall()
    assert rows == [(batch, 1, "s1"), (batch, 2, "s2"), (batch, 3, "s3")]
    ((method, path, query, _),) = sent()
    assert (method, path, query["batch_id"]) == ("GET", PAGE, batch)


def test_the_last_number_is_the_largest(sql, batch):
    assert sql.execute(
        "SELECT max(session_number) FROM sessions WHERE batch_id = ?", (batch,)
    ).fetchall() == [(3,)]


# after_number


@pytest.mark.parametrize(
    "source", ["batch_sessions(?, 1)", "sessions WHERE batch_id = ? AND session_number > 1"]
)
def test_after_number_is_sent(sql, sent, batch, source):
    assert sql.execute(f"SELECT session_id FROM {source}", (batch,)).fetchall() == [
        ("s2",),
        ("s3",),
    ]
    assert [query["after_number"] for _, _, query, _ in sent()] == ["1"]


def test_after_number_defaults_to_0(sql, sent, batch):
    sql.execute("SELECT session_id FROM batch_sessions(?)", (batch,)).fetchall()
    assert [query["after_number"] for _, _, query, _ in sent()] == ["0"]


# limit


@pytest.mark.parametrize(
    ("rest", "limits"),
    [
        ("", ["100"]),
        ("ORDER BY session_number LIMIT 2", ["2"]),
        ("AND page_size = 2", ["2", "2"]),
        ("AND page_size = 50", ["50"]),
    ],
)
def test_the_limit_sent_is_that_of_sql_or_the_page_size(sql, sent, batch, rest, limits):
    sql.execute(f"SELECT session_id FROM sessions WHERE batch_id = ? {rest}", (batch,)).fetchall()
    assert [query["limit"] for _, _, query, _ in sent()] == limits


def test_a_limit_of_0_which_means_all_is_never_sent(sql, sent, batch):
    with pytest.raises(InvalidValueError, match="page_size must be a number of at least 1"):
        sql.execute(
            "SELECT * FROM sessions WHERE batch_id = ? AND page_size = 0", (batch,)
        ).fetchall()
    assert sent() == []


# events_limit


@pytest.mark.parametrize(
    ("arguments", "limit", "events"),
    [("?", None, 100), ("?, 0, NULL", None, 100), ("?, 0, 10", "10", 10), ("?, 0, 0", "0", 120)],
)
def test_events_limit_defaults_to_100_and_0_means_all(sql, sent, batch, arguments, limit, events):
    rows = sql.execute(
        f"SELECT json_array_length(events) FROM batch_sessions({arguments})", (batch,)
    ).fetchall()
    assert rows == [(events,), (1,), (0,)]
    assert [query.get("events_limit") for _, _, query, _ in sent()] == [limit]


def test_the_table_has_all_events_or_does_not_fetch_them(sql, sent, batch):
    counted = "SELECT json_array_length(events) FROM sessions WHERE batch_id = ?"
    assert sql.execute(counted, (batch,)).fetchall() == [(120,), (1,), (0,)]
    sql.execute("SELECT session_id FROM sessions WHERE batch_id = ?", (batch,)).fetchall()
    assert [query["events_limit"] for _, _, query, _ in sent()] == ["0", "1"]


# release_batch


def test_release_returns_the_batch_and_its_time(sql, sent):
    ((batch_id, released),) = sql.execute(
        "SELECT batch_id, release_time FROM release_batch('r1')"
    ).fetchall()
    assert sent() == [("POST", "internal/batch/release", {}, {"release_id": "r1"})]
    assert (len(batch_id), released[-7:]) == (24, ".000000")


def test_the_same_release_id_returns_the_same_batch(sql):
    release = "SELECT batch_id, release_time FROM release_batch('r1')"
    assert sql.execute(release).fetchall() == sql.execute(release).fetchall()


def test_without_a_collecting_batch_release_is_an_error(sql, batch):
    with pytest.raises(NotFoundError, match="no batch is collecting"):
        sql.execute("SELECT * FROM release_batch('r2')").fetchall()


# mark irrelevant (contract)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT is_irrelevant FROM mark_session_irrelevant('s3')",
        "UPDATE sessions SET is_irrelevant = 1 WHERE session_id = 's3' RETURNING is_irrelevant",
    ],
)
def test_a_session_is_marked_as_irrelevant(sql, sent, statement):
    assert sql.execute(statement).fetchall() == [(1,)]
    posted = [one for one in sent() if one[0] == "POST"]
    assert posted == [("POST", "session/irrelevant", {}, {"session_id": "s3"})]


def test_the_mark_cannot_be_taken_back(sql):
    sql.execute("UPDATE sessions SET is_irrelevant = 1 WHERE session_id = 's3'")
    with pytest.raises(InvalidValueError, match="this cannot be undone"):
        sql.execute("UPDATE sessions SET is_irrelevant = 0 WHERE session_id = 's3'")

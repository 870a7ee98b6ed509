"""Daft end to end: its rows, and what it leaves to the source."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sessions_vtab.scanning import schema_of
from tests.scanning.conftest import EVENTS, SESSIONS, sql_rows

daft = pytest.importorskip("daft")
from sessions_vtab.daft import read_sessions  # noqa: E402  # It needs daft.


@pytest.fixture(scope="module", autouse=True)
def _quiet() -> None:
    daft.set_runner_native()


@pytest.fixture
def session_id(select: Callable[..., list[tuple[Any, ...]]]) -> str:
    """A session with some events of its user."""
    rows = select(
        "SELECT session_id FROM events WHERE author = 'user' GROUP BY 1 HAVING count(*) < 50"
    )
    return str(rows[0][0])


@pytest.mark.parametrize(
    ("backend", "table"),
    [
        ("vertex", "sessions"),
        ("vertex", "events"),
        ("vertex", "event_parts"),
        ("deepset", "upload_sessions"),
    ],
)
def test_its_rows_are_those_of_select(urls, select, backend, table):
    found = read_sessions(urls[backend], table, size=40).to_arrow()

    assert sql_rows(found) == select(f"SELECT * FROM {table}", backend)
    assert found.schema.names == schema_of(urls[backend], table).names
    assert found.cast(schema_of(urls[backend], table)).num_rows == found.num_rows


def test_a_count_takes_the_fewest_requests(url, counted, fewest):
    frame = read_sessions(url, "events")

    assert counted(frame.count_rows) == (EVENTS, fewest + 2)


@pytest.mark.parametrize("table", ["events", "sessions"])
def test_equality_with_a_session_is_left_to_the_source(url, select, counted, session_id, table):
    frame = read_sessions(url, table).where(daft.col("session_id") == session_id)

    found, sent = counted(frame.to_arrow)

    assert sql_rows(found) == select(f"SELECT * FROM {table} WHERE session_id = '{session_id}'")
    assert sent == 1


def test_equality_with_a_user_is_a_filter_of_the_list(url, select, emulator):
    (user,) = select("SELECT user_id FROM sessions LIMIT 1")[0]
    emulator.control.reset_log()

    found = read_sessions(url, "sessions").where(daft.col("user_id") == user).to_arrow()

    (entry,) = emulator.control.requests()
    assert user in str(entry["query"])
    assert sql_rows(found) == select(f"SELECT * FROM sessions WHERE user_id = '{user}'")


@pytest.mark.parametrize(
    "make",
    [
        lambda c, i: (c("session_id") == i) | (c("author") == "user"),
        lambda c, i: (c("session_id") == i) & (c("author") == "user"),
        lambda c, i: (c("session_id") == i) & (c("session_id") == "other"),
        lambda c, _: c("session_id") == c("event_id"),
        lambda c, i: ~(c("session_id") == i),
        lambda c, _: (c("author") == "user") & c("text").is_null(),
    ],
)
def test_any_filter_is_right(url, select, session_id, make):
    """Daft judges again; what is left to the source only narrows."""
    every = read_sessions(url, "events").collect()

    found = read_sessions(url, "events").where(make(daft.col, session_id))

    assert sql_rows(found.to_arrow()) == sql_rows(
        every.where(make(daft.col, session_id)).to_arrow()
    )


def test_a_limit_reads_little(url, counted):
    table, requests = counted(read_sessions(url, "events").limit(3).to_arrow)

    assert table.num_rows == 3
    assert requests < SESSIONS / 4


def test_conditions_in_sql(url, select):
    frame = read_sessions(
        url,
        "events",
        where="length(text) > 5",
        sessions_where="labels->>'env' = 'prod'",
        columns=["name"],
    )

    assert sql_rows(frame.to_arrow()) == select(
        "SELECT e.name FROM events e JOIN sessions s ON s.name = e.session_name"
        " WHERE length(e.text) > 5 AND s.labels->>'env' = 'prod'"
    )


def test_two_queries_on_one_frame_are_right(url):
    frame = read_sessions(url, "events")

    assert frame.where(daft.col("author") == "user").count_rows() < EVENTS
    assert frame.count_rows() == EVENTS

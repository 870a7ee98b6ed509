"""The number of requests that explain expects, compared with the emulator's log."""

from __future__ import annotations

import pytest

from sessions_vtab.cli.explain import expected
from sessions_vtab.cli.readings import examine
from sessions_vtab.emulator.serve import running

from .conftest import Database

LONGEST = "carol-0"

STATEMENTS = [
    "SELECT 1",
    "SELECT * FROM sessions",
    "SELECT count(*) FROM sessions",
    "SELECT * FROM sessions WHERE lower(user_id) = 'ann'",
    "SELECT * FROM sessions WHERE user_id = 'ann'",
    "SELECT * FROM sessions WHERE user_id IN ('ann', 'bob')",
    "SELECT * FROM sessions WHERE user_id = 'ann' OR display_name = 'x'",
    "SELECT * FROM sessions WHERE user_id <> 'ann'",
    "SELECT * FROM sessions WHERE labels->>'env' = 'prod'",
    "SELECT * FROM sessions WHERE create_time > '2026-11-01'",
    "SELECT * FROM sessions ORDER BY create_time DESC LIMIT 10",
    "SELECT * FROM sessions ORDER BY create_time DESC",
    "SELECT * FROM sessions LIMIT 250",
    "SELECT min(create_time) FROM sessions",
    "SELECT max(update_time) FROM sessions",
    "SELECT user_id, count(*) FROM sessions GROUP BY 1",
    f"SELECT * FROM sessions WHERE session_id = '{LONGEST}'",
    f"SELECT * FROM sessions WHERE session_id IN ('{LONGEST}', 'nobody', 'nobody-2')",
    f"SELECT * FROM events WHERE session_id = '{LONGEST}'",
    f"SELECT * FROM events WHERE session_id = '{LONGEST}' ORDER BY timestamp DESC LIMIT 5",
    f"SELECT * FROM event_parts WHERE session_id = '{LONGEST}'",
    f"SELECT * FROM events WHERE session_id IN ('{LONGEST}', 'nobody')",
    "SELECT * FROM events LIMIT 3",
    "SELECT count(*) FROM events",
    "SELECT count(*) FROM sessions s JOIN events e USING (session_id)",
    "SELECT count(*) FROM sessions s LEFT JOIN events e USING (session_id)",
    "SELECT count(*) FROM sessions s JOIN events e USING (session_id) WHERE s.user_id = 'ann'",
    (
        "SELECT (SELECT count(*) FROM events e WHERE e.session_id = s.session_id) FROM sessions s"
        " WHERE s.user_id = 'bob'"
    ),
    (
        "SELECT 1 FROM sessions s WHERE user_id = 'ann' AND EXISTS"
        " (SELECT 1 FROM events e WHERE e.session_id = s.session_id AND author = 'nobody')"
    ),
    (
        "SELECT count(*) FROM events WHERE session_id IN"
        " (SELECT session_id FROM sessions WHERE user_id = 'ann')"
    ),
    "SELECT count(*) FROM sessions a JOIN sessions b ON b.display_name = a.display_name",
    (
        "SELECT 1 FROM sessions WHERE user_id = 'ann' UNION ALL SELECT 1 FROM sessions"
        " WHERE user_id = 'bob'"
    ),
    "SELECT session_id, count(*) FROM events GROUP BY session_id LIMIT 2",
    "SELECT * FROM tool_calls LIMIT 2",
    "SELECT * FROM turns WHERE session_id IN (SELECT session_id FROM sessions WHERE user_id = 'bob')",
    (
        "SELECT s.user_id, t.* FROM sessions s JOIN turns t USING (session_id)"
        " WHERE s.user_id = 'bob'"
    ),
    (
        "SELECT s.user_id, u.* FROM sessions s LEFT JOIN usage_by_session u USING (session_id)"
        " WHERE s.user_id = 'bob'"
    ),
    (
        "SELECT 1 FROM sessions s WHERE user_id = 'bob' AND EXISTS"
        " (SELECT 1 FROM turns t WHERE t.session_id = s.session_id)"
    ),
    "SELECT * FROM sessions LIMIT 0",
    "SELECT * FROM sessions WHERE user_id = NULL",
    (
        f"SELECT a.event_id, (SELECT min(b.timestamp) FROM events b WHERE b.session_id = a.session_id"
        f" AND b.timestamp > a.timestamp) FROM events a WHERE a.session_id = '{LONGEST}'"
    ),
]


@pytest.fixture(scope="module")
def emulator():
    """131 sessions with a few events, and one with 260."""
    with running() as started:
        database = Database(started)
        database.fill(110, 2)
        database.fill(20, 3, user="bob")
        database.fill(1, 260, user="carol")
        database.connection.close()
        yield started


@pytest.fixture(scope="module")
def experienced(emulator):
    """A connection that has read every statement once."""
    database = Database(emulator)
    for sql in STATEMENTS:
        database.ask(sql)
    yield database
    database.connection.close()


@pytest.fixture
def new(emulator):
    database = Database(emulator)
    yield database
    database.connection.close()


@pytest.mark.parametrize("sql", STATEMENTS)
def test_after_a_read_the_estimate_is_within_a_factor_of_two_or_a_lower_bound(experienced, sql):
    guess = expected(examine(experienced.connection, sql), sql)

    experienced.ask(sql)

    requests = len(experienced.log)
    assert guess.count <= 2 * requests
    if guess.exact:
        assert requests <= 2 * guess.count
    else:
        assert guess.count <= requests


def test_most_statements_have_an_estimate_that_is_no_lower_bound(experienced):
    guesses = [expected(examine(experienced.connection, sql), sql) for sql in STATEMENTS]

    assert sum(guess.exact for guess in guesses) >= 20


@pytest.mark.parametrize("sql", STATEMENTS)
def test_before_any_read_it_is_a_number_only_where_the_statement_says_it(new, sql):
    guess = expected(examine(new.connection, sql), sql)

    new.ask(sql)

    assert guess.count <= len(new.log)
    assert not guess.exact or guess.count == len(new.log)


RUNNING = {
    "SELECT session_id FROM sessions": (2, 2),
    "SELECT e.text FROM sessions s JOIN events e USING (session_id)": (2 + 131, 2 + 131 + 2),
}


@pytest.mark.parametrize("sql", RUNNING)
def test_while_a_statement_runs_it_says_of_how_many(experienced, sql):
    rows = experienced.connection.execute(sql)
    next(rows)
    expected_now = experienced.connection.expected_requests
    rows.close()

    assert RUNNING[sql][0] <= expected_now <= RUNNING[sql][1]


def test_while_a_statement_runs_that_nothing_is_known_of_it_says_nothing(new):
    rows = new.connection.execute("SELECT session_id FROM sessions")
    next(rows)

    assert new.connection.expected_requests is None
    rows.close()

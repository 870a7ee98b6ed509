"""The number of requests that explain expects, compared with the emulator's log."""

from __future__ import annotations

import apsw
import pytest

from sessions_vtab.cli.explain import expected
from sessions_vtab.cli.readings import examine
from sessions_vtab.emulator.serve import running

from .conftest import Database

LONGEST = "carol-0"
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n)"


def names(many: int) -> str:
    return ", ".join(f"'ann-{number}'" for number in range(many))


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
    # Many keys: at some price the list is read in their place.
    *(f"SELECT * FROM sessions WHERE session_id IN ({names(many)})" for many in (4, 12, 40, 100)),
    # Rows of a table of the user's own: 300, of which 110 are different, with 102 users.
    "SELECT * FROM k JOIN sessions s ON s.session_id = k.name",
    *(
        f"SELECT * FROM k JOIN sessions s ON s.session_id = k.name WHERE k.rowid <= {many}"
        for many in (3, 4, 12, 40)
    ),
    "SELECT * FROM k LEFT JOIN sessions s ON s.user_id = k.user",
    "SELECT * FROM k LEFT JOIN sessions s ON s.user_id = k.user WHERE k.rowid <= 3",
    "SELECT * FROM k CROSS JOIN sessions s WHERE k.rowid <= 3",
    "SELECT * FROM k WHERE name IN (SELECT session_id FROM sessions)",
    "SELECT * FROM k WHERE NOT EXISTS (SELECT 1 FROM sessions s WHERE s.session_id = k.name)",
    "SELECT * FROM k WHERE NOT EXISTS (SELECT 1 FROM sessions s WHERE s.user_id = k.user)",
    "SELECT * FROM sessions WHERE session_id IN (SELECT name FROM k)",
    "SELECT * FROM sessions WHERE session_id IN (SELECT name FROM k WHERE rowid <= 3)",
    "SELECT * FROM k JOIN events e ON e.session_id = k.name",
    "SELECT * FROM k JOIN events e ON e.session_id = k.name WHERE k.rowid <= 3",
    "SELECT * FROM k a, k b, sessions s WHERE s.session_id = a.name AND a.rowid < 3 AND b.rowid < 3",
    f"{ENDLESS} SELECT * FROM n JOIN sessions s ON s.session_id = 'ann-' || n.i LIMIT 3",
    # The same table, list or key twice.
    "SELECT * FROM sessions a JOIN sessions b USING (session_id)",
    "SELECT * FROM sessions a JOIN sessions b USING (session_id) WHERE a.user_id = 'bob'",
    "SELECT * FROM sessions a LEFT JOIN sessions b ON b.user_id = a.user_id AND b.name < a.name",
    *(
        f"SELECT 1 FROM sessions WHERE user_id = 'ann'{' UNION ALL SELECT 1 FROM sessions' * more}"
        for more in (1, 2, 4)
    ),
    " UNION ALL ".join(["SELECT 1 FROM sessions WHERE user_id = 'ann'"] * 4),
    "WITH a AS (SELECT * FROM sessions) SELECT * FROM a x JOIN a y USING (session_id)",
    "WITH a AS MATERIALIZED (SELECT * FROM sessions) SELECT * FROM a x JOIN a y USING (session_id)",
    "SELECT * FROM (SELECT * FROM sessions LIMIT 3) s JOIN events e USING (session_id)",
    "SELECT max(create_time), min(create_time) FROM sessions",
    "SELECT DISTINCT user_id FROM sessions EXCEPT SELECT user FROM k",
    # Conditions in ON, outer joins.
    (
        "SELECT * FROM sessions s JOIN events e ON e.session_id = s.session_id"
        " AND lower(s.user_id) = 'bob'"
    ),
    (
        "SELECT * FROM sessions s LEFT JOIN events e ON e.session_id = s.session_id"
        " AND s.user_id = 'bob'"
    ),
    "SELECT * FROM sessions s RIGHT JOIN events e USING (session_id)",
    "SELECT * FROM sessions s FULL JOIN events e USING (session_id)",
    f"SELECT * FROM events e JOIN event_parts p ON p.event_name = e.name WHERE e.session_id = '{LONGEST}'",
    "SELECT * FROM events e JOIN sessions s USING (session_id)",
    (
        "SELECT * FROM sessions s JOIN events e USING (session_id) JOIN event_parts p"
        " ON p.event_name = e.name WHERE s.user_id = 'bob'"
    ),
    "SELECT * FROM sessions s WHERE NOT EXISTS (SELECT 1 FROM events e WHERE e.session_id = s.session_id)",
    "SELECT * FROM sessions WHERE session_id IN (SELECT session_id FROM events WHERE author = 'user')",
    "SELECT * FROM turns",
    "SELECT * FROM live_events LIMIT 1",
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


def opened(emulator) -> Database:
    """A connection with a table of the user's own."""
    database = Database(emulator)
    database.connection.execute(
        f"CREATE TABLE k AS {ENDLESS} SELECT 'ann-' || (i % 110) AS name,"
        " CASE WHEN i % 3 THEN 'ann' ELSE 'u' || i END AS user FROM n LIMIT 300"
    )
    return database


@pytest.fixture(scope="module")
def experienced(emulator):
    """A connection that has read every statement once."""
    database = opened(emulator)
    for sql in STATEMENTS:
        database.ask(sql)
    yield database
    database.connection.close()


@pytest.fixture
def new(emulator):
    database = opened(emulator)
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

    assert sum(guess.exact for guess in guesses) >= 35


@pytest.mark.parametrize("sql", STATEMENTS)
def test_before_any_read_it_is_a_number_only_where_the_statement_says_it(new, sql):
    guess = expected(examine(new.connection, sql), sql)

    new.ask(sql)

    assert guess.count <= len(new.log)
    assert not guess.exact or guess.count == len(new.log)


WITHOUT_END = {
    f"{ENDLESS} SELECT * FROM n JOIN sessions": "at least 1",
    f"{ENDLESS} SELECT * FROM n CROSS JOIN sessions": "at least 1",
    f"{ENDLESS} SELECT * FROM n LEFT JOIN sessions s ON s.session_id = 's' || n.i": "at least 1",
    f"{ENDLESS} SELECT * FROM n JOIN events e ON e.session_id = 's' || n.i": "at least 20",
    f"{ENDLESS} SELECT * FROM n JOIN sessions s ON s.session_id = nullif(n.i, n.i)": "at least 0",
    f"{ENDLESS} SELECT * FROM n WHERE i IN (SELECT session_id FROM sessions)": "at least 1",
    f"{ENDLESS} SELECT count(*) FROM sessions WHERE user_id IN (SELECT i FROM n)": "at least 0",
    f"{ENDLESS} SELECT * FROM n WHERE EXISTS (SELECT 1 FROM turns t WHERE t.session_id = n.i)": (
        "at least 1"
    ),
}


@pytest.mark.parametrize("sql", WITHOUT_END)
def test_rows_without_end_end_in_explain(new, sql):
    """Planning takes so many steps, whatever the clock says: a test that hangs has failed."""
    new.control.reset_log()

    guess = expected(examine(new.connection, sql), sql)

    assert str(guess).startswith(WITHOUT_END[sql])
    assert new.log == []


def test_an_interrupt_of_somebody_else_is_not_taken_for_the_end_of_planning(new):
    new.connection.set_progress_handler(lambda: True, 1_000, id="somebody else")

    with pytest.raises(apsw.InterruptError):
        examine(new.connection, f"{ENDLESS} SELECT * FROM n JOIN sessions")


def test_planning_leaves_the_transaction_and_later_statements_alone(new):
    new.connection.execute("BEGIN; INSERT INTO k VALUES ('kept', 'kept')")

    examine(new.connection, f"{ENDLESS} SELECT * FROM n JOIN sessions")

    assert new.connection.in_transaction
    new.connection.execute("COMMIT")
    counted = f"WITH n AS ({ENDLESS} SELECT i FROM n LIMIT 1000000) SELECT count(*) FROM n"
    assert new.connection.execute(counted).get == 1_000_000
    assert new.connection.execute("SELECT count(*) FROM k WHERE name = 'kept'").get == 1


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

"""The views over tables of events, and the same views over plain tables."""

from __future__ import annotations

from contextlib import closing

import pytest

from sessions_vtab.contract.agent_views import views_of
from sessions_vtab.emulator.serve import running
from sessions_vtab.emulator.service import EmulatorSettings
from tests.backends.vertex.sql.conftest import Database

USER = "ann"
OTHER = "bob"
KEYS = 4
"""Sessions in the table ``temp.keys``."""
TABLES = ("sessions", "events", "event_parts")
INDEXES = (("sessions", "session_id"), ("events", "session_name"), ("event_parts", "session_id"))
VIEWS = ("turns", "tool_calls", "usage_by_session", "live_events")
NAMES = (*TABLES, *VIEWS)
OF_A_USER = "SELECT session_id FROM {{sessions}} WHERE user_id = 'ann'"


@pytest.fixture(scope="session")
def emulator():
    """240 sessions with 2 400 events: 3 pages of sessions."""
    with running(EmulatorSettings(seed=7, sessions=240, events=2_400)) as started:
        yield started


@pytest.fixture(scope="session")
def own(emulator, small):
    """Copies of the tables as SQLite's own, ``own_``, with the same views over them."""
    database = Database(emulator)
    run = database.connection.execute
    run(small)
    for table in TABLES:
        more = ", sequence, rewind_before" if table == "events" else ""
        run(f"CREATE TEMP TABLE own_{table} AS SELECT *{more} FROM {table}").fetchall()
    for table, column in INDEXES:
        run(f"CREATE INDEX temp.own_{table}_{column} ON own_{table}({column})")
    for view in views_of(database.connection.sources["prod"].backend):
        run(view.create("temp", "", "own_"))
    yield database
    database.connection.close()


@pytest.fixture(scope="session")
def small(emulator):
    """Makes a few keys and users in tables of SQLite's own."""
    with closing(Database(emulator).connection) as connection:
        ids = connection.execute(
            "SELECT session_id FROM sessions WHERE user_id = ? ORDER BY create_time LIMIT ?",
            (USER, KEYS),
        ).fetchall()
    keys = ", ".join(
        f"('{key}', '{'new' if number < 2 else 'old'}')" for number, (key,) in enumerate(ids)
    )
    return (
        "CREATE TEMP TABLE keys(id TEXT, kind TEXT); CREATE TEMP TABLE users(id TEXT);"
        f"INSERT INTO temp.users VALUES ('{USER}'), ('{OTHER}');"
        f"INSERT INTO temp.keys VALUES {keys};"
        "CREATE TEMP VIEW newest AS SELECT id FROM temp.keys WHERE kind = 'new'"
    )


@pytest.fixture(scope="session")
def sessions(own):
    """How many sessions the user has."""
    sql = "SELECT count(*) FROM own_sessions WHERE user_id = ?"
    return own.connection.execute(sql, (USER,)).fetchone()[0]


@pytest.fixture
def fresh(emulator, small):
    """A connection that has read nothing."""
    database = Database(emulator)
    database.connection.execute(small)
    yield database
    database.connection.close()


def texts(sql):
    """The statement over our tables, and over SQLite's."""
    ours = {name: name for name in NAMES}
    return sql.format(**ours), sql.format(**{name: f"own_{name}" for name in NAMES})


def same(ours, expected):
    return sorted(map(repr, ours)) == sorted(map(repr, expected))

"""Statements that read every session's events, or the list of sessions, in more than one way.

By the emulator's own log, with the rows of plain tables of the same content.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from sessions_vtab.emulator.serve import running
from sessions_vtab.emulator.service import EmulatorSettings
from sessions_vtab.testing import hostile
from tests.random_statements import Query, queries

from .conftest import Database

SESSIONS, EVENTS = 30, 3
# The list of sessions, and the events of each.
EVERY_EVENT = 1 + SESSIONS


def _urls(log: list[dict[str, Any]]) -> Counter[tuple[str, str]]:
    return Counter((one["raw_path"], json.dumps(one["query"], sort_keys=True)) for one in log)


@pytest.fixture(scope="module")
def small() -> Iterator[Database]:
    """Thirty sessions of three events each, with plain copies: ``s_`` and ``e_``."""
    with running(EmulatorSettings()) as emulator:
        database = Database(emulator)
        database.fill(SESSIONS, EVENTS)
        run = database.connection.execute
        run("CREATE TEMP TABLE s_ AS SELECT * FROM sessions").fetchall()
        run("CREATE TEMP TABLE e_ AS SELECT * FROM events").fetchall()
        run(hostile.NATIVE_TABLES).fetchall()
        yield database
        database.connection.close()


# Each asks for the events of all sessions, with another value for each row of the other side.
OF_EVERY_EVENT = {
    "a join on a time": (
        "SELECT a.event_id, b.event_id FROM {e} a JOIN {e} b ON b.timestamp = a.timestamp"
    ),
    "an outer join on a time": (
        "SELECT a.event_id, b.event_id FROM {e} a FULL JOIN {e} b ON b.timestamp = a.timestamp"
    ),
    "a join on a session's time": (
        "SELECT a.session_id, b.event_id FROM {s} a JOIN {e} b ON b.timestamp = a.create_time"
    ),
    "EXISTS of a time": (
        "SELECT session_id FROM {s} a WHERE EXISTS"
        " (SELECT 1 FROM {e} b WHERE b.timestamp = a.create_time)"
    ),
    "NOT EXISTS of a later event": (
        "SELECT a.session_id FROM {s} a WHERE NOT EXISTS"
        " (SELECT 1 FROM {e} b WHERE b.timestamp > a.update_time)"
    ),
    "the first event after each": (
        "SELECT event_id, (SELECT min(b.timestamp) FROM {e} b WHERE b.timestamp > a.timestamp)"
        " FROM {e} a"
    ),
    "a join on an author and a time": (
        "SELECT a.event_id, b.event_id FROM {e} a JOIN {e} b"
        " ON b.author = a.author AND b.timestamp = a.timestamp"
    ),
    "times of a plain table": (
        "SELECT x.at, b.event_id FROM (SELECT timestamp AS at FROM e_) x"
        " LEFT JOIN {e} b ON b.timestamp = x.at"
    ),
    "first one condition lasts, then none does": (
        "SELECT x.who, x.at, b.event_id FROM (SELECT author AS who, timestamp AS at FROM e_"
        " ORDER BY author, timestamp) x JOIN {e} b ON b.author = x.who AND b.timestamp = x.at"
    ),
}


@pytest.mark.parametrize("sql", OF_EVERY_EVENT.values(), ids=list(OF_EVERY_EVENT))
def test_what_was_spent_before_a_list_was_thought_of_counts(small: Database, sql: str) -> None:
    rows = small.ask(sql.format(s="sessions", e="events"))

    assert len(small.log) <= 2 * EVERY_EVENT + 3
    assert max(_urls(small.log).values()) == 1
    expected = small.connection.execute(sql.format(s="s_", e="e_")).fetchall()
    assert sorted(map(repr, rows)) == sorted(map(repr, expected))


# Each reads the list of sessions, and wants single sessions of it.
OF_THE_LIST = {
    "a self-join on the key": (
        "SELECT a.user_id, b.display_name FROM {s} a JOIN {s} b ON b.session_id = a.session_id"
    ),
    "the other way round": (
        "SELECT a.user_id, b.display_name FROM {s} a RIGHT JOIN {s} b ON b.session_id = a.session_id"
    ),
    "a self-join on the name": (
        "SELECT a.user_id, b.session_id FROM {s} a LEFT JOIN {s} b ON b.name = a.name"
    ),
    "EXISTS of the same": (
        "SELECT session_id FROM {s} a WHERE EXISTS (SELECT 1 FROM {s} b"
        " WHERE b.session_id = a.session_id AND b.display_name IS NULL)"
    ),
    "the list for a limit, then single ones": (
        "SELECT s.session_id FROM s_ x JOIN {s} s ON s.session_id = x.session_id"
        " WHERE x.create_time <= (SELECT max(i.update_time) FROM {s} i WHERE i.state IS NOT NULL)"
    ),
    "three times the same": (
        "SELECT a.session_id FROM {s} a JOIN {s} b ON b.session_id = a.session_id"
        " JOIN {s} c ON c.session_id = b.session_id"
    ),
}


@pytest.mark.parametrize("sql", OF_THE_LIST.values(), ids=list(OF_THE_LIST))
def test_a_single_row_of_a_list_that_the_statement_reads_is_not_asked_for(
    small: Database, sql: str
) -> None:
    rows = small.ask(sql.format(s="sessions"))

    assert len(small.log) == 1
    expected = small.connection.execute(sql.format(s="s_")).fetchall()
    assert sorted(map(repr, rows)) == sorted(map(repr, expected))


# Each reads the events of one session after the other, twice; and how often it may ask beyond that.
OF_EACH_SESSION = {
    "the last event of each": (
        (
            "SELECT e.text FROM {s} s JOIN {e} e ON e.session_id = s.session_id WHERE e.timestamp ="
            " (SELECT max(f.timestamp) FROM {e} f WHERE f.session_id = s.session_id)"
        ),
        # The two reads have not the same list; two are started before it is known that they vary.
        1 + 2 * SESSIONS + 2,
    ),
    "pairs within each": (
        (
            "SELECT a.event_id, b.event_id FROM {s} s JOIN {e} a ON a.session_id = s.session_id"
            " JOIN {e} b ON b.session_id = a.session_id AND b.timestamp > a.timestamp"
        ),
        1 + SESSIONS + 1,
    ),
    "events that another follows": (
        (
            "SELECT a.event_id FROM {s} s JOIN {e} a ON a.session_id = s.session_id WHERE EXISTS"
            " (SELECT 1 FROM {e} b WHERE b.session_id = a.session_id AND b.timestamp > a.timestamp)"
        ),
        1 + SESSIONS + 1,
    ),
    "two conditions on each": (
        (
            "SELECT s.session_id,"
            " (SELECT count(*) FROM {e} e WHERE e.session_id = s.session_id AND e.author = 'user'),"
            " (SELECT count(*) FROM {e} e WHERE e.session_id = s.session_id AND e.author <> 'user')"
            " FROM {s} s"
        ),
        1 + SESSIONS,
    ),
}


@pytest.mark.parametrize("shape", OF_EACH_SESSION)
def test_a_list_of_one_session_is_read_once(small: Database, shape: str) -> None:
    sql, most = OF_EACH_SESSION[shape]

    rows = small.ask(sql.format(s="sessions", e="events"))

    assert len(small.log) <= most
    expected = small.connection.execute(sql.format(s="s_", e="e_")).fetchall()
    assert sorted(map(repr, rows)) == sorted(map(repr, expected))


# Of the kit's generator, which the kit itself asks for rows only.
@settings(
    max_examples=settings().max_examples // 2,
    phases=(Phase.generate,),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(query=queries())
def test_no_statement_reads_more_than_twice_what_there_is(small: Database, query: Query) -> None:
    """Single sessions side by side weigh a quarter of a page; nothing is asked for twice."""
    sql = query.sql.format(sessions="sessions", events="events")

    small.ask(sql, query.bindings)

    urls = _urls(small.log)
    weight = sum(0.25 if "/sessions/" in path and "events" not in path else 1 for path, _ in urls)
    assert weight <= 2 * (EVERY_EVENT if "{events}" in query.sql else 1) + 3
    assert not small.log or max(urls.values()) == 1

"""No statement makes more than twice the fewest requests, by the emulator's own log.

Each shape is asked of a connection that has read nothing, so that no length is known, and of one
that has read the list before. Its rows are those of plain tables with the same content.
"""

from __future__ import annotations

import json
from collections import Counter

import pytest

from .conftest import Database

# Of the emulator's seed 7: the list of sessions, and the events of the session with the most.
PAGES, PAGES_OF_EVENTS = 12, 5
SESSION = "3347007484198323797"

OF_ONE_LIST, OF_TWO = PAGES, 2 * PAGES
OF_EVENTS = 2 * PAGES_OF_EVENTS


@pytest.fixture(scope="module")
def known(seeded):
    """A connection that has read the list, with plain copies: ``s_``, ``e_`` and ``p_``."""
    database = _prepared(seeded)
    run = database.connection.execute
    run("CREATE TEMP TABLE s_ AS SELECT * FROM sessions").fetchall()
    run("CREATE TEMP TABLE e_ AS SELECT * FROM events WHERE session_id = ?", (SESSION,)).fetchall()
    run(
        "CREATE TEMP TABLE p_ AS SELECT * FROM event_parts WHERE session_id = ?", (SESSION,)
    ).fetchall()
    run("INSERT INTO temp.keys SELECT session_id FROM s_ WHERE rowid % 4 = 0").fetchall()
    for place in (5, 30, 80):
        run("INSERT INTO temp.keys VALUES (?)", (f"missing-{place}",)).fetchall()
    run("CREATE INDEX temp.s_user ON s_(user_id)")
    run("CREATE INDEX temp.s_name ON s_(display_name)")
    yield database
    database.connection.close()


@pytest.fixture
def fresh(seeded, known):
    """A connection that has read nothing."""
    database = _prepared(seeded)
    keys = known.connection.execute("SELECT id FROM temp.keys").fetchall()
    database.connection.executemany("INSERT INTO temp.keys VALUES (?)", keys)
    yield database
    database.connection.close()


def _prepared(emulator):
    database = Database(emulator)
    database.connection.execute("CREATE TEMP TABLE keys(id TEXT); CREATE TEMP TABLE users(id TEXT)")
    users = [(f"nobody-{number}",) for number in range(290)]
    users[40:40] = [("ann",), ("bob",)] + [(f"noone-{number}",) for number in range(8)]
    database.connection.executemany("INSERT INTO temp.users VALUES (?)", users)
    return database


# A statement over {s}essions, {e}vents of one session and their {p}arts; the fewest requests.
SHAPES = {
    # The table.
    "the time until the next event": (
        (
            "SELECT q.event_id, (SELECT min(a.timestamp) FROM {e} a WHERE a.session_id = q.session_id"
            " AND a.timestamp > q.timestamp) FROM {e} q WHERE q.session_id = ?1"
        ),
        OF_EVENTS,
    ),
    "the user's message before each reply": (
        (
            "SELECT r.event_id, (SELECT u.text FROM {e} u WHERE u.session_id = r.session_id"
            " AND u.author = 'user' AND u.timestamp < r.timestamp ORDER BY u.timestamp DESC LIMIT 1)"
            " FROM {e} r WHERE r.session_id = ?1 AND r.author <> 'user'"
        ),
        OF_EVENTS,
    ),
    "the parts of each event": (
        (
            "SELECT count(*), count(DISTINCT p.event_name) FROM {e} e JOIN {p} p"
            " ON p.event_name = e.name WHERE e.session_id = ?1"
        ),
        OF_EVENTS,
    ),
    "a self-join on a name": (
        (
            "SELECT count(*) FROM {s} a JOIN {s} b"
            " ON a.display_name = b.display_name AND a.session_id < b.session_id"
        ),
        OF_TWO,
    ),
    "LEFT JOIN on a user": (
        "SELECT u.id, s.session_id FROM temp.users u LEFT JOIN {s} s ON s.user_id = u.id",
        OF_ONE_LIST,
    ),
    "NOT EXISTS of a user": (
        "SELECT id FROM temp.users u WHERE NOT EXISTS (SELECT 1 FROM {s} s WHERE s.user_id = u.id)",
        OF_ONE_LIST,
    ),
    "JOIN on an id": (
        "SELECT k.id, s.user_id FROM temp.keys k JOIN {s} s ON s.session_id = k.id",
        OF_ONE_LIST,
    ),
    "LEFT JOIN on an id": (
        "SELECT k.id, s.user_id FROM temp.keys k LEFT JOIN {s} s ON s.session_id = k.id",
        OF_ONE_LIST,
    ),
    "NOT EXISTS of an id": (
        (
            "SELECT id FROM temp.keys k WHERE NOT EXISTS"
            " (SELECT 1 FROM {s} s WHERE s.session_id = k.id)"
        ),
        OF_ONE_LIST,
    ),
    "IN (SELECT an id)": (
        "SELECT session_id FROM {s} WHERE session_id IN (SELECT id FROM temp.keys)",
        OF_ONE_LIST,
    ),
    "IN of row values": (
        (
            "SELECT session_id FROM {s} WHERE (user_id, session_id) IN"
            " (SELECT user_id, session_id FROM {s} WHERE lower(user_id) < 'm')"
        ),
        OF_TWO,
    ),
    "a condition that cannot be sent, forty times": (
        "SELECT "
        + ", ".join(
            f"(SELECT count(*) FROM {{s}} WHERE lower(user_id) = 'ann' AND {n} = {n})"
            for n in range(40)
        ),
        OF_ONE_LIST,
    ),
    "the first create_time": ("SELECT min(create_time) FROM {s}", 1),
    "the last create_time": ("SELECT max(create_time) FROM {s}", 1),
    # Their neighbours.
    "EXISTS of one session's events": (
        (
            "SELECT session_id FROM {s} s WHERE EXISTS (SELECT 1 FROM {e} e"
            f" WHERE e.session_id = '{SESSION}' AND e.session_name = s.name)"
        ),
        PAGES + PAGES_OF_EVENTS,
    ),
    "EXISTS of one event": (
        (
            "SELECT session_id FROM {s} s WHERE EXISTS (SELECT 1 FROM {e} e"
            " WHERE e.name = 'projects/demo/locations/us-central1/reasoningEngines/42/sessions/"
            f"{SESSION}/events/none' AND e.session_name = s.name)"
        ),
        PAGES + PAGES_OF_EVENTS,
    ),
    "EXISTS of a user": (
        "SELECT id FROM temp.users u WHERE EXISTS (SELECT 1 FROM {s} s WHERE s.user_id = u.id)",
        OF_ONE_LIST,
    ),
    "EXISTS of an id": (
        "SELECT id FROM temp.keys k WHERE EXISTS (SELECT 1 FROM {s} s WHERE s.session_id = k.id)",
        OF_ONE_LIST,
    ),
    "a count for each user": (
        "SELECT id, (SELECT count(*) FROM {s} s WHERE s.user_id = u.id) FROM temp.users u",
        OF_ONE_LIST,
    ),
    "the newest session of each user": (
        (
            "SELECT id, (SELECT session_id FROM {s} s WHERE s.user_id = u.id"
            " ORDER BY create_time DESC LIMIT 1) FROM temp.users u"
        ),
        OF_ONE_LIST,
    ),
    "the first time of each user": (
        "SELECT id, (SELECT min(create_time) FROM {s} s WHERE s.user_id = u.id) FROM temp.users u",
        OF_ONE_LIST,
    ),
    "the next session of the same user": (
        (
            "SELECT a.session_id, (SELECT min(b.create_time) FROM {s} b WHERE b.user_id = a.user_id"
            " AND b.create_time > a.create_time) FROM {s} a"
        ),
        OF_TWO,
    ),
    "a self-join on an id": (
        "SELECT count(*) FROM {s} a LEFT JOIN {s} b ON b.session_id = a.session_id",
        OF_TWO,
    ),
    "names that are those of sessions": (
        "SELECT a.name, b.user_id FROM {s} a LEFT JOIN {s} b ON b.name = a.name",
        OF_TWO,
    ),
    "a label that is a user": (
        (
            "SELECT u.id, count(b.name) FROM temp.users u LEFT JOIN {s} b"
            " ON b.labels->>'team' = u.id GROUP BY 1"
        ),
        OF_ONE_LIST,
    ),
    "users in a compound": (
        (
            "SELECT u.id, s.session_id FROM temp.users u JOIN {s} s ON s.user_id = u.id"
            " UNION ALL SELECT k.id, s.session_id FROM temp.keys k JOIN {s} s ON s.session_id = k.id"
        ),
        OF_TWO,
    ),
    "the parts of events that have none": (
        (
            "SELECT e.event_id FROM {e} e WHERE e.session_id = ?1"
            " AND NOT EXISTS (SELECT 1 FROM {p} p WHERE p.event_name = e.name)"
        ),
        OF_EVENTS,
    ),
    "the first part of each event": (
        (
            "SELECT e.event_id, (SELECT p.kind FROM {p} p WHERE p.event_name = e.name"
            " ORDER BY part LIMIT 1) FROM {e} e WHERE e.session_id = ?1"
        ),
        OF_EVENTS,
    ),
    "an event by its name": (
        (
            "SELECT a.event_id, b.author FROM {e} a LEFT JOIN {e} b ON b.name = a.name"
            " WHERE a.session_id = ?1"
        ),
        OF_EVENTS,
    ),
    "NOT EXISTS of a later event": (
        (
            "SELECT a.event_id FROM {e} a WHERE a.session_id = ?1 AND NOT EXISTS (SELECT 1 FROM {e} b"
            " WHERE b.session_id = a.session_id AND b.timestamp > a.timestamp)"
        ),
        OF_EVENTS,
    ),
}


def _asked_of(database, shape):
    """The rows of a shape, requests it made, and how many of them it made before."""
    sql, _ = SHAPES[shape]
    text = sql.format(s="sessions", e="events", p="event_parts")
    rows = database.ask(text, (SESSION,) if "?1" in text else ())
    log = database.log
    urls = Counter((one["raw_path"], json.dumps(one["query"], sort_keys=True)) for one in log)
    return rows, len(log), len(log) - len(urls)


@pytest.mark.parametrize("connection", ["fresh", "known"])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_statement_makes_at_most_twice_the_fewest_requests(request, known, shape, connection):
    sql, fewest = SHAPES[shape]
    database = request.getfixturevalue(connection)

    rows, requests, repeated = _asked_of(database, shape)

    assert requests <= 2 * fewest + 3
    assert repeated == 0
    plain = sql.format(s="s_", e="e_", p="p_")
    expected = known.connection.execute(plain, (SESSION,) if "?1" in plain else ()).fetchall()
    assert sorted(map(repr, rows)) == sorted(map(repr, expected))


# What a statement made at least before it could buy anything, it still makes: by how many requests.
AT_THE_MINIMUM = {
    "three users": ("SELECT count(*) FROM few f LEFT JOIN sessions s ON s.user_id = f.id", 3),
    "three ids": ("SELECT count(*) FROM few f LEFT JOIN sessions s ON s.session_id = f.id", 3),
    "three ids, one after the other": (
        "SELECT count(*) FROM few f WHERE EXISTS (SELECT 1 FROM sessions s WHERE s.session_id = f.id)",
        3,
    ),
    "forty ids": (
        "SELECT count(*) FROM sessions WHERE session_id IN (SELECT id FROM keys LIMIT 40)",
        40,
    ),
    "the first row of many users": (
        (
            "SELECT s.session_id FROM users u JOIN sessions s ON s.user_id = u.id"
            " WHERE u.id IN ('ann', 'bob') LIMIT 1"
        ),
        2,
    ),
    "one of many ids": (
        "SELECT s.user_id FROM keys k LEFT JOIN sessions s ON s.session_id = k.id LIMIT 1",
        2,
    ),
    # Of the keys that come from a SELECT, not all may be wanted.
    "a value for the first row": (
        (
            "SELECT (SELECT display_name FROM sessions i WHERE i.session_id = o.session_id)"
            " FROM sessions o LIMIT 1"
        ),
        2,
    ),
    "a count for the first row of a subquery": (
        (
            "SELECT * FROM (SELECT o.name, (SELECT count(*) FROM events e"
            " WHERE e.session_id = o.session_id) FROM sessions o) LIMIT 1"
        ),
        3,
    ),
    "the first row of a compound": (
        (
            "SELECT o.session_id FROM sessions o JOIN events e USING (session_id)"
            " UNION ALL SELECT user_id FROM sessions LIMIT 1"
        ),
        3,
    ),
    "EXISTS of a join": (
        "SELECT EXISTS (SELECT 1 FROM sessions o JOIN events e USING (session_id))",
        3,
    ),
    "a join as a value": (
        "SELECT (SELECT e.text FROM sessions JOIN events e USING (session_id))",
        3,
    ),
    "the first event of a session by its name": (
        (
            "SELECT author FROM events WHERE name = 'projects/demo/locations/us-central1"
            f"/reasoningEngines/42/sessions/{SESSION}/events/none' LIMIT 1"
        ),
        PAGES_OF_EVENTS + 2,
    ),
}


@pytest.mark.parametrize("shape", AT_THE_MINIMUM)
def test_nothing_is_bought_before_it_pays(fresh, shape):
    sql, most = AT_THE_MINIMUM[shape]
    few = "CREATE TEMP TABLE few(id TEXT); INSERT INTO few VALUES ('ann'), ('bob'), ('nobody')"
    fresh.connection.execute(few)

    fresh.ask(sql)

    assert len(fresh.log) <= most


# Each is met by the first row of a long list.
OF_ONE_ROW = {
    "min": "SELECT min(create_time) FROM sessions",
    "max": "SELECT max(update_time) FROM sessions",
    "max of one session's": f"SELECT max(timestamp) FROM events WHERE session_id = '{SESSION}'",
    "EXISTS": "SELECT EXISTS (SELECT 1 FROM sessions)",
    "EXISTS with a condition that is checked here": (
        "SELECT EXISTS (SELECT 1 FROM sessions WHERE length(session_id) > 1)"
    ),
    "a scalar subquery": "SELECT (SELECT session_id FROM sessions)",
    "an outer join": (
        "SELECT s.session_id FROM (SELECT 1) LEFT JOIN sessions s ON length(s.session_id) > 1 LIMIT 1"
    ),
}


@pytest.mark.parametrize("shape", OF_ONE_ROW)
def test_no_page_is_requested_ahead_for_one_row(seeded, shape):
    for _ in range(5):
        database = Database(seeded)
        database.ask(OF_ONE_ROW[shape])
        assert len(database.log) == 1
        database.connection.close()


def test_a_session_after_the_other_is_not_bought_for_those_before(seeded):
    """Each session is asked twice: no list of events pays, however many sessions there were."""
    database = Database(seeded)
    sql = (
        "SELECT s.session_id, (SELECT count(*) FROM events e WHERE e.session_id = s.session_id"
        " AND e.timestamp > x.at) FROM (SELECT '2026-10-27' AS at UNION ALL SELECT '2026-10-28') x"
        " CROSS JOIN sessions s WHERE s.user_id IN ('ann', 'bob')"
    )

    rows = database.ask(sql)

    paths = Counter(one["raw_path"] for one in database.log)
    assert len(rows) == 2 * (len(paths) - 1)
    assert max(count for path, count in paths.items() if path.endswith("/events")) <= 2 * 3
    database.connection.close()

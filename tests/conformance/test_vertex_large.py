"""Hundreds of sessions with thousands of events: pages, caps and fan-outs against the oracle.

``SESSIONS_VTAB_CONFORMANCE=full`` has 1 200 sessions and 20 000 events, asks all shapes of the
suite, and an emulator that takes only the documented filters, too: some minutes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from sessions_vtab import connect
from sessions_vtab.emulator.serve import running
from sessions_vtab.emulator.service import EmulatorSettings
from sessions_vtab.testing.conformance import SHAPES, Suite
from sessions_vtab.testing.oracle import Comparison

FULL = os.environ.get("SESSIONS_VTAB_CONFORMANCE") == "full"
MODES = ["lenient", "strict"] if FULL else ["lenient"]
SESSIONS, EVENTS = (1_200, 20_000) if FULL else (350, 4_000)

QUERIES = [
    "SELECT {s.*} FROM {sessions} s",
    "SELECT count(*), count(DISTINCT user_id), min(create_time), max(update_time) FROM {sessions}",
    "SELECT name FROM {sessions} WHERE user_id IN ('ann', 'bob', 'émile')",
    "SELECT name FROM {sessions} WHERE user_id NOT IN ('ann', 'bob')",
    "SELECT name FROM {sessions} WHERE labels->>'env' = 'prod' OR labels->>'team' = 'größe'",
    "SELECT name FROM {sessions} WHERE NOT (labels->>'env' = 'prod' AND user_id = 'ann')",
    "SELECT name FROM {sessions} WHERE labels->>'team' IS NULL AND user_id <> 'ann'",
    "SELECT user_id, count(*) FROM {sessions} GROUP BY user_id HAVING count(*) > 40",
    "SELECT name FROM {sessions} WHERE create_time > (SELECT max(create_time) FROM {sessions} WHERE user_id = 'ann')",
    "SELECT name FROM {sessions} WHERE create_time BETWEEN (SELECT min(create_time) FROM {sessions} WHERE user_id = 'bob') AND (SELECT max(create_time) FROM {sessions} WHERE user_id = 'bob')",
    "SELECT s.user_id, count(e.name) FROM {sessions} s LEFT JOIN {events} e ON e.session_id = s.session_id WHERE s.user_id LIKE 'ann%' GROUP BY 1",
    "SELECT author, count(*), count(text) FROM {events} GROUP BY author",
    "SELECT name FROM {events} WHERE session_id = 'LONGEST' AND author = 'user'",
    "SELECT name, text FROM {events} WHERE session_id IN (SELECT session_id FROM {sessions} WHERE labels->>'env' = 'test' AND user_id = 'chen')",
    "SELECT s.name FROM {sessions} s WHERE s.user_id = 'dana' AND NOT EXISTS (SELECT 1 FROM {events} e WHERE e.session_name = s.name AND e.error_code IS NOT NULL)",
]

ORDERED = [
    "SELECT name, create_time FROM {sessions} ORDER BY create_time DESC, name LIMIT 250",
    "SELECT name FROM {sessions} WHERE labels->>'env' = 'dev' ORDER BY create_time, name LIMIT 20 OFFSET 120",
    "SELECT name, timestamp FROM {events} WHERE session_id = 'LONGEST' ORDER BY timestamp DESC, name LIMIT 150",
    "SELECT e.name FROM {sessions} s JOIN {events} e USING (session_id) WHERE s.user_id = 'hana' ORDER BY e.timestamp, e.name LIMIT 30",
]


@pytest.fixture(scope="module", params=MODES)
def suite(request: pytest.FixtureRequest) -> Iterator[Suite]:
    strict = request.param == "strict"
    settings = EmulatorSettings(seed=7, sessions=SESSIONS, events=EVENTS, strict_filters=strict)
    with running(settings) as emulator:
        url = f"prod=vertex://demo/us-central1/42?base_url={emulator.url}"
        with connect(url) as connection:
            suite = Suite(connection, "prod")
            yield suite
            suite.close()
        connection.close()


def test_the_rows_are_the_oracle_s(suite: Suite) -> None:
    """A single test, because the rows are read once per process."""
    counts: Any = "SELECT (SELECT count(*) FROM sessions), (SELECT count(DISTINCT user_id) FROM sessions), (SELECT count(*) FROM events), (SELECT count(DISTINCT name) FROM events)"
    assert suite.oracle.ask(counts) == [(SESSIONS, 30, EVENTS, EVENTS)]
    longest = "SELECT session_id, count(*) FROM events GROUP BY 1 ORDER BY 2 DESC LIMIT 1"
    ((session, events),) = suite.oracle.ask(longest)
    assert events > 100
    for sql in QUERIES:
        suite.compare(sql.replace("LONGEST", session), (), Comparison.MULTISET)
    for sql in ORDERED:
        suite.compare(sql.replace("LONGEST", session), (), Comparison.SEQUENCE)


@pytest.mark.skipif(not FULL, reason="minutes: SESSIONS_VTAB_CONFORMANCE=full")
def test_every_shape_returns_the_oracle_s_rows(suite: Suite) -> None:
    asked = [shape for shape in SHAPES if suite.applies(shape) is None]

    for shape in asked:
        suite.check(shape)

    assert len(asked) > 600

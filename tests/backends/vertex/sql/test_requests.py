"""How many requests each shape of a query makes, by the emulator's own log."""

from __future__ import annotations

import json
from math import ceil

import pytest

from tests.backends.vertex.sql.conftest import MEETING, PAGES


@pytest.fixture(scope="module")
def longest():
    """The session with the most events, and how many."""
    return ("3347007484198323797", 434)


class TestOneResource:
    @pytest.mark.parametrize("column", ["session_id", "name"])
    def test_is_one_get(self, big, ids, column):
        key = ids[0] if column == "session_id" else big_name(ids[0])

        rows = big.ask(f"SELECT user_id FROM sessions WHERE {column} = ?", (key,))

        assert (len(rows), big.calls()) == (1, [f"GET {ids[0]}"])

    def test_a_missing_resource_gives_no_row(self, big):
        assert big.ask("SELECT * FROM sessions WHERE session_id = 'nobody'") == []
        assert big.total == 1

    def test_a_session_id_bound_as_a_number_is_found(self, big):
        """Reads the list, because a number equals many texts: for a number, 7 equals '07'."""
        number = 3347007484198323797

        rows = big.ask("SELECT session_id FROM sessions WHERE session_id = ?", (number,))

        assert rows == [(str(number),)]

    def test_is_requested_once_per_statement(self, big, ids):
        sql = "SELECT a.user_id, b.user_id FROM sessions a, sessions b WHERE a.session_id = ?1 AND b.session_id = ?1"

        assert len(big.ask(sql, (ids[0],))) == 1
        assert big.total == 1


class TestManyKeys:
    @pytest.mark.parametrize(
        "where",
        [
            "session_id IN (SELECT value FROM json_each(?))",
            "name IN (SELECT ?2 || value FROM json_each(?1))",
        ],
    )
    def test_are_concurrent_gets(self, big, ids, where):
        wanted = ids[:40]
        bindings = [json.dumps(wanted), big_name("")][: where.count("?")]

        rows = big.ask(f"SELECT session_id FROM sessions WHERE {where}", bindings)

        assert {row[0] for row in rows} == set(wanted)
        assert big.total == 40

    @pytest.mark.parametrize(
        ("keys", "requests"), [(4 * PAGES - 1, 4 * PAGES - 1), (4 * PAGES, PAGES)]
    )
    def test_many_keys_are_read_from_the_list_if_that_is_cheaper(self, big, ids, keys, requests):
        big.ask("SELECT session_id FROM sessions")
        wanted = ids[:keys]

        rows = big.ask(
            f"SELECT session_id FROM sessions WHERE session_id IN ({','.join('?' * keys)})", wanted
        )

        assert (sorted(row[0] for row in rows), big.total) == (sorted(wanted), requests)

    def test_keys_that_no_session_can_have_are_not_requested(self, big, ids):
        rows = big.ask(
            "SELECT session_id FROM sessions WHERE session_id IN (?, 'A/B', '', NULL)", ids[:1]
        )

        assert (rows, big.calls()) == ([(ids[0],)], [f"GET {ids[0]}"])


FILTERED = [
    ("user_id = 'ann'", 'user_id="ann"'),
    ("user_id = ?1", 'user_id="ann"'),
    ("(?1 IS NULL OR user_id = ?1)", 'user_id="ann"'),
    (
        "user_id = coalesce(?1, user_id) AND NOT user_id = 'bob'",
        'user_id="ann" AND user_id!="bob"',
    ),
    ("labels->>'env' = 'prod' AND user_id = 'ann'", 'user_id="ann" AND labels.env="prod"'),
    ("labels->>'$.env' = 'prod' AND user_id = 'ann'", 'user_id="ann" AND labels.env="prod"'),
    (
        "json_extract(labels, '$.env') = ?1 AND user_id = 'ann'",
        'user_id="ann" AND labels.env="ann"',
    ),
    ("display_name = 'x' AND user_id = 'ann'", 'display_name="x" AND user_id="ann"'),
    ("user_id IN ('ann')", 'user_id="ann"'),
    ("user_id = 'ann' OR user_id = 'bob'", '(user_id="ann" OR user_id="bob")'),
    ("user_id = 'ann' OR display_name = 'x'", '(user_id="ann" OR display_name="x")'),
    ("labels->>'team' = 'sales' OR user_id = 'ann'", '(labels.team="sales" OR user_id="ann")'),
    ("user_id NOT IN ('ann', 'bob')", '(user_id!="ann" AND user_id!="bob")'),
    ("NOT (user_id = 'ann' OR labels->>'env' = 'test')", 'user_id!="ann" AND labels.env!="test"'),
    ("user_id <> 'ann'", 'user_id!="ann"'),
    ("labels->>'team' IS NULL", "NOT labels.team:*"),
    ("labels->>'team' IS NOT NULL AND user_id = 'ann'", 'user_id="ann" AND labels.team:*'),
]


@pytest.mark.parametrize(("where", "sent"), FILTERED, ids=[where for where, _ in FILTERED])
def test_a_condition_is_one_filtered_list(big, where, sent):
    bindings = ("ann",) if "?1" in where else ()

    (count,) = big.ask(f"SELECT count(*) FROM sessions WHERE {where}", bindings)[0]

    queries = big.queries()
    assert {query["filter"] for query in queries} == {sent}
    assert {query["pageSize"] for query in queries} == {"100"}
    pages = max(1, ceil(count / 100))
    assert pages <= len(queries) <= pages + (MEETING if pages > 3 else 0)


@pytest.mark.parametrize(
    ("value", "count"), [(None, "SELECT count(*) FROM sessions"), (7, "SELECT 0")]
)
def test_an_optional_condition_without_a_text_adds_no_filter(big, value, count):
    found = big.ask("SELECT count(*) FROM sessions WHERE (?1 IS NULL OR user_id = ?1)", (value,))

    assert {"filter" in query for query in big.queries()} == {False}
    assert found == big.ask(count)


def test_an_in_of_users_is_one_filter(big):
    rows = big.ask("SELECT user_id FROM sessions WHERE user_id IN ('ann', 'bob')")

    assert {row[0] for row in rows} == {"ann", "bob"}
    assert [set(query["filter"][1:-1].split(" OR ")) for query in big.queries()] == [
        {'user_id="ann"', 'user_id="bob"'}
    ]


ORDERED = [
    ("ORDER BY create_time DESC LIMIT 10", {"orderBy": "create_time desc", "pageSize": "10"}),
    ("ORDER BY create_time LIMIT 10", {"orderBy": "create_time", "pageSize": "10"}),
    ("ORDER BY create_time, create_time DESC LIMIT 9", {"orderBy": "create_time", "pageSize": "9"}),
    ("ORDER BY update_time DESC LIMIT 3", {"orderBy": "update_time desc", "pageSize": "3"}),
    ("ORDER BY create_time LIMIT 5 OFFSET 20", {"orderBy": "create_time", "pageSize": "25"}),
    ("LIMIT 7", {"orderBy": "create_time desc", "pageSize": "7"}),
    (
        "WHERE user_id = 'ann' ORDER BY create_time DESC LIMIT 2",
        {"orderBy": "create_time desc", "pageSize": "2", "filter": 'user_id="ann"'},
    ),
]


@pytest.mark.parametrize(("tail", "query"), ORDERED, ids=[tail for tail, _ in ORDERED])
def test_a_limit_requests_one_page_of_that_size(big, tail, query):
    big.ask(f"SELECT session_id FROM sessions {tail}")

    assert big.queries() == [query]


@pytest.mark.parametrize(
    ("sql", "order"),
    [
        (
            "SELECT rank() OVER (PARTITION BY create_time ORDER BY create_time DESC) FROM sessions",
            "create_time",
        ),
        ("SELECT count(*) FROM sessions GROUP BY create_time, create_time", "create_time"),
        ("SELECT DISTINCT update_time, update_time FROM sessions", "update_time"),
        (
            "SELECT 1 FROM sessions ORDER BY create_time DESC, create_time, update_time",
            "create_time desc,update_time",
        ),
    ],
)
def test_a_column_that_is_named_twice_sorts_once(big, sql, order):
    assert big.ask(f"SELECT count(*) FROM ({sql} LIMIT 3)") == [(3,)]

    assert big.queries()[0]["orderBy"] == order


@pytest.mark.parametrize(
    ("where", "order"),
    [("create_time > ?", "create_time desc"), ("create_time < ?", "create_time")],
)
def test_a_time_range_stops_at_the_first_row_outside_it(big, ids, where, order):
    """Not a filter of the API: 149 sessions are two pages."""
    descending = order.endswith("desc")
    find = f"SELECT create_time FROM sessions ORDER BY {order} LIMIT 1 OFFSET 149"
    edge = big.ask(find)[0]

    rows = big.ask(f"SELECT session_id FROM sessions WHERE {where}", edge)

    expected = ids[-149:] if descending else ids[:149]
    assert {row[0] for row in rows} == set(expected)
    assert [query["orderBy"] for query in big.queries()] == [order] * 2


def test_an_equal_time_stops_at_the_first_row_beyond_it(big, ids):
    newest = "SELECT session_id FROM sessions WHERE create_time = (SELECT max(create_time) FROM sessions)"

    assert big.ask(newest) == [(ids[-1],)]
    assert big.calls() == ["GET sessions"]


class TestEventsOfASession:
    def test_requests_one_call_per_page(self, big, longest):
        session, count = longest

        rows = big.ask("SELECT event_id FROM events WHERE session_id = ?", (session,))

        pages = ceil(count / 100)
        assert len({row[0] for row in rows}) == count
        assert pages <= big.total <= pages + MEETING

    def test_the_newest_five_are_one_page_of_five(self, big, longest):
        sql = "SELECT timestamp FROM events WHERE session_id = ? ORDER BY timestamp DESC LIMIT 5"

        times = [row[0] for row in big.ask(sql, longest[:1])]

        assert times == sorted(times, reverse=True)
        assert big.queries() == [{"orderBy": "timestamp desc", "pageSize": "5"}]

    def test_a_time_range_is_filtered_by_the_service(self, big, longest):
        session = longest[0]
        order = "SELECT timestamp FROM events WHERE session_id = ? ORDER BY timestamp DESC"
        (since,) = big.ask(f"{order} LIMIT 1 OFFSET 30", (session,))[0]

        rows = big.ask(
            "SELECT 1 FROM events WHERE session_id = ? AND timestamp > ?", (session, since)
        )

        (query,) = big.queries()
        assert len(rows) == 30
        assert query["filter"].startswith('timestamp>="')

    def test_a_missing_session_has_no_events(self, big):
        assert big.ask("SELECT * FROM events WHERE session_id = 'nobody'") == []
        assert big.total == 1

    def test_are_shared_by_events_and_their_parts(self, big, ids):
        sql = "SELECT count(*) FROM events e JOIN event_parts p ON p.event_name = e.name WHERE e.session_id = ?"

        big.ask(sql, (ids[1],))

        assert big.total == 1


NOTHING = [
    "SELECT * FROM sessions LIMIT 0",
    "SELECT * FROM sessions WHERE 1 = 0",
    "SELECT * FROM sessions WHERE user_id = 'a' AND user_id = 'b'",
    "SELECT * FROM sessions WHERE user_id = NULL",
    "SELECT * FROM sessions WHERE labels->>'env' = NULL",
    "SELECT * FROM sessions WHERE user_id IN ()",
    "SELECT * FROM sessions WHERE session_id IN (NULL)",
    "SELECT * FROM sessions WHERE session_id IN (SELECT 1 WHERE 0)",
    "SELECT * FROM sessions WHERE create_time > '2026-02-01' AND create_time < '2026-01-01'",
    "SELECT * FROM events WHERE session_id = NULL",
    "SELECT * FROM events WHERE session_id IN (SELECT 1 WHERE 0)",
    "SELECT * FROM events WHERE timestamp > '2026-02-01' AND timestamp < '2026-01-01'",
    "SELECT * FROM events LIMIT 0",
    "SELECT 1",
    "SELECT 'sessions', \"events\" FROM (SELECT 1 AS events)",
    "PRAGMA table_info(sessions)",
    "SELECT name FROM sqlite_schema",
    "EXPLAIN QUERY PLAN SELECT * FROM sessions",
    "EXPLAIN SELECT * FROM events",
    "SELECT count(*) FROM http_requests",
]


@pytest.mark.parametrize("sql", NOTHING)
def test_nothing_is_sent_where_nothing_can_match(big, sql):
    big.ask(sql)

    assert big.total == 0


def big_name(session: str) -> str:
    return f"projects/demo/locations/us-central1/reasoningEngines/42/sessions/{session}"

"""How many requests each shape of a query makes, by the emulator's own log."""

from __future__ import annotations

import json
from math import ceil

import pytest

# Content of the emulator's seed 7: 1 200 sessions are 12 pages.
PAGES = 12
MEETING = 1
"""Pages that a list read from both ends may take in addition: equal times on either side of the
last page boundary can only be told apart by reading on."""


@pytest.fixture(scope="module")
def ids(big):
    return [row[0] for row in big.ask("SELECT session_id FROM sessions ORDER BY create_time")]


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
        '(user_id="ann" AND user_id!="bob")',
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
    ("NOT (user_id = 'ann' OR labels->>'env' = 'test')", '(user_id!="ann" AND labels.env!="test")'),
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


JOINS = [
    "SELECT count(*) FROM sessions s JOIN events e USING (session_id) WHERE s.user_id = 'ann'",
    "SELECT count(*) FROM events e JOIN sessions s ON s.name = e.session_name WHERE s.user_id = 'ann'",
    "SELECT count(*) FROM sessions s LEFT JOIN events e ON e.session_id = s.session_id WHERE s.user_id = 'ann'",
    "SELECT (SELECT count(*) FROM events e WHERE e.session_id = s.session_id) FROM sessions s WHERE user_id = 'ann'",
    "SELECT 1 FROM sessions s WHERE user_id = 'ann' AND EXISTS (SELECT 1 FROM events e WHERE e.session_id = s.session_id AND author = 'nobody')",
    "SELECT count(*) FROM events WHERE session_id IN (SELECT session_id FROM sessions WHERE user_id = 'ann')",
    "WITH s AS MATERIALIZED (SELECT * FROM sessions WHERE user_id = 'ann') SELECT count(*) FROM s JOIN events USING (session_id)",
]


@pytest.mark.parametrize("sql", JOINS)
def test_a_join_is_one_list_and_the_events_of_each_session(big, sql):
    sessions = len(big.ask("SELECT 1 FROM sessions WHERE user_id = 'ann'"))

    big.ask(sql)

    extra = sum(len(pages) - 1 for pages in _pages_by_path(big.log).values())
    assert len(_pages_by_path(big.log)) == 1 + sessions
    assert big.total == 1 + sessions + extra
    assert extra <= 3


class TestAJoinKeepsThePoolFull:
    @pytest.fixture
    def events(self, db) -> dict[str, dict[str, float]]:
        """The log entries of the events lists, in a join with more than one page of sessions."""
        db.fill(130, 1)
        db.control.delay(0.02)
        db.ask("SELECT count(*) FROM sessions s JOIN events e USING (session_id)")
        asked = [entry for entry in db.log if entry["path"].endswith("/events")]
        return {entry["path"].split("/")[-2]: entry for entry in asked}

    def test_a_requested_key_is_sent_before_look_ahead_keys(self, events, db):
        first = db.ask("SELECT session_id FROM sessions")[0][0]

        before = [one for one in events.values() if one["started"] < events[first]["started"]]
        assert len(before) < 16

    def test_the_next_page_s_keys_are_requested_before_this_page_ends(self, events, db):
        names = [name for (name,) in db.ask("SELECT session_id FROM sessions")]

        last_of_page = max(events[name]["ended"] for name in names[:100])
        assert min(events[name]["started"] for name in names[100:]) < last_of_page


def test_sessions_are_read_before_their_events_without_any_condition(db):
    """In the other order, the session of each event would be looked up."""
    db.fill(30, 2)

    rows = db.ask("SELECT count(*) FROM events e JOIN sessions s USING (session_id)")

    assert (rows, db.total) == ([(60,)], 1 + 30)


class TestEventsAlone:
    def test_events_alone_are_read_from_every_session(self, db):
        db.fill(40, 2)

        rows = db.ask("SELECT session_id, text FROM events")

        assert (len(rows), len(set(rows)), db.total) == (80, 80, 1 + 40)

    def test_reading_stops_when_the_limit_is_reached(self, db):
        db.fill(40, 2)

        rows = db.ask("SELECT text FROM events LIMIT 2")

        assert len(rows) == 2
        assert db.total <= 3

    def test_a_session_deleted_meanwhile_has_no_events(self, db):
        db.fill(3, 1)
        text = "Session projects/1/locations/l/reasoningEngines/42/sessions/ann-1 not found."
        error = {"error": {"code": 404, "message": text, "status": "NOT_FOUND"}}
        db.control.fault("status", status=404, path="ann-1/events", body=error)

        assert sorted(db.ask("SELECT session_id FROM events")) == [("ann-0",), ("ann-2",)]


class TestJoinsThatSqliteCannotKey:
    def test_reads_each_page_of_each_side_once(self, db):
        db.fill(300)

        sql = (
            "SELECT count(*) FROM sessions a LEFT JOIN sessions b ON b.create_time = a.create_time"
        )
        rows = db.ask(sql)

        assert rows[0][0] >= 300
        assert db.total <= 6

    @pytest.mark.parametrize(
        "condition", ["e.timestamp = w.at", "e.timestamp BETWEEN w.at AND w.at"]
    )
    def test_reads_the_events_of_every_session_once_not_for_each_row(self, db, condition):
        db.fill(20, 8)
        stamps = [at for (at,) in db.ask("SELECT timestamp FROM events")]
        before = db.total

        windows = "(SELECT DISTINCT timestamp AS at FROM events) w"
        rows = db.ask(f"SELECT w.at, e.name FROM {windows} LEFT JOIN events e ON {condition}")

        assert sorted(at for at, _ in rows) == sorted(stamps)
        assert len({name for _, name in rows}) == len(stamps)
        filtered_twice = 2 * 20
        assert db.total - before <= 1 + 20 + filtered_twice

    def test_reads_with_different_parameters_are_kept_apart(self, db):
        db.fill(3, 6)
        windows = "(SELECT DISTINCT timestamp AS at FROM events)"
        sizes = "(SELECT 4 AS size UNION ALL SELECT 5)"

        rows = db.ask(
            f"SELECT size, page_size, name FROM {sizes} LEFT JOIN {windows}"
            " LEFT JOIN events ON timestamp = at AND page_size = size"
        )

        assert len(rows) == len(set(rows)) == 2 * 3 * 6
        assert {(size, echoed) for size, echoed, _ in rows} == {(4, 4), (5, 5)}
        asked = {query.get("pageSize") for query in db.queries() if "filter" not in query}
        assert {"4", "5"} <= asked

    def test_no_key_is_requested_twice(self, db):
        db.fill(10, 5)

        sql = "SELECT count(*) FROM events e LEFT JOIN sessions s ON s.session_id = e.session_id"
        rows = db.ask(sql)

        assert (rows, db.total) == ([(50,)], 1 + 10 + 10)


class TestAFullScan:
    @pytest.mark.parametrize(
        "sql",
        [
            "SELECT session_id FROM sessions",
            "SELECT count(*) FROM sessions",
            "SELECT session_id FROM sessions ORDER BY create_time DESC, user_id LIMIT 10",
        ],
    )
    def test_a_long_list_is_read_once_from_both_ends(self, big, sql):
        big.ask(sql)

        assert PAGES <= big.total <= PAGES + MEETING
        assert {query["orderBy"] for query in big.queries()} == {"create_time", "create_time desc"}
        assert len({json.dumps(query) for query in big.queries()}) == big.total

    def test_a_list_of_three_pages_is_read_from_one_end(self, db):
        db.fill(300)

        assert len(db.ask("SELECT session_id FROM sessions")) == 300
        assert db.total == 3

    def test_neither_loses_nor_duplicates_rows_when_some_are_added_meanwhile(self, open_):
        reader, writer = open_(), open_()
        before = set(reader.fill(450))
        rows = reader.connection.execute("SELECT session_id FROM sessions")
        found = [next(rows)[0] for _ in range(150)]
        writer.insert(60, user="bob")

        found += [row[0] for row in rows]

        assert len(found) == len(set(found))
        assert before <= set(found)

    def test_loses_no_row_when_others_are_deleted_meanwhile(self, open_):
        reader, writer = open_(), open_()
        ids = reader.fill(450)
        rows = reader.connection.execute("SELECT session_id FROM sessions")
        found = [next(rows)[0] for _ in range(120)]
        gone = sorted(set(ids) - set(found))[:5]
        writer.connection.execute(
            f"DELETE FROM sessions WHERE session_id IN ({','.join('?' * 5)})", gone
        )

        found += [row[0] for row in rows]

        assert len(found) == len(set(found))
        assert set(ids) - set(gone) <= set(found)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT user_id FROM sessions WHERE display_name > '' LIMIT 3",
        "SELECT 1 WHERE EXISTS (SELECT 1 FROM events)",
        "SELECT s.name, e.name FROM sessions s JOIN events e USING (session_id) LIMIT 2",
    ],
)
def test_nothing_is_under_way_when_a_statement_has_ended(big, sql):
    """Pages that were asked ahead are cancelled before they are sent, or waited for."""
    big.control.delay(0.05)
    try:
        assert big.ask(sql)
        under_way = [entry for entry in big.log if not entry["ended"]]
        known = big.connection.statement_requests
    finally:
        big.control.delay(0)

    assert under_way == []
    assert big.total == known


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


class TestConcurrency:
    @pytest.fixture
    def slow(self, db):
        db.fill(200, 1)
        db.control.delay(0.02)
        return db

    @pytest.mark.parametrize(
        "sql",
        [
            "SELECT count(*) FROM sessions s JOIN events e USING (session_id)",
            "SELECT count(*) FROM events",
            "SELECT count(*) FROM events WHERE session_id IN (SELECT session_id FROM sessions)",
        ],
    )
    def test_sixteen_lists_run_at_once(self, slow, sql):
        assert slow.ask(sql) == [(200,)]
        assert 8 < slow.in_flight <= 16

    def test_sixteen_gets_run_at_once(self, slow):
        keys = [f"ann-{number}" for number in range(50)]
        sql = f"SELECT count(*) FROM sessions WHERE session_id IN ({','.join('?' * 50)})"

        assert slow.ask(sql, keys) == [(50,)]
        assert 8 < slow.in_flight <= 16

    def test_a_source_can_have_a_lower_concurrency(self, open_):
        few = open_("&concurrency=3")
        few.fill(10)
        few.control.delay(0.02)

        few.ask("SELECT count(*) FROM events WHERE session_id IN (SELECT session_id FROM sessions)")

        assert 1 < few.in_flight <= 3

    def test_the_next_page_is_requested_while_one_is_read(self, big):
        rows = big.connection.execute("SELECT session_id FROM sessions ORDER BY create_time")
        big.control.reset_log()
        next(rows)
        first = big.total
        next(rows)
        rows.close()

        assert first <= 2

    def test_outer_rows_that_a_local_condition_rejects_cause_no_requests(self, slow):
        sql = "SELECT count(*) FROM sessions s JOIN events e USING (session_id) WHERE s.user_id = 'ann' AND +s.display_name = 'n0'"

        assert slow.ask(sql) == [(40,)]
        assert slow.total == 42
        assert slow.in_flight > 8

    def test_a_limit_restricts_look_ahead(self, slow):
        sql = "SELECT e.text FROM sessions s JOIN events e USING (session_id) WHERE s.user_id = 'ann' LIMIT 5"

        assert len(slow.ask(sql)) == 5
        assert slow.total <= 20


def big_name(session: str) -> str:
    return f"projects/demo/locations/us-central1/reasoningEngines/42/sessions/{session}"


def _pages_by_path(log):
    found = {}
    for entry in log:
        found.setdefault(entry["path"], []).append(entry)
    return found

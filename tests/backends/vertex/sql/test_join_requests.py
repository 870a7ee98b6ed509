"""How many requests a join makes, and events without their session."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from tests.clocks import sleep_by

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


# Of 30 sessions of ann and 8 of bob, named n0 to n4.
SPARED = {
    "JOIN events e ON e.session_id = s.session_id WHERE lower(s.user_id) = 'bob'": 8,
    "JOIN events e ON e.session_id = s.session_id AND lower(s.user_id) = 'bob'": 8,
    "JOIN events e ON lower(s.user_id) = :user AND e.session_id = s.session_id": 8,
    "JOIN events e ON e.session_id = s.session_id AND s.display_name LIKE 'N1%'": 6 + 2,
    # SQLite asks for the events of a session before it looks at such a condition.
    "LEFT JOIN events e ON e.session_id = s.session_id AND lower(s.user_id) = 'bob'": 30 + 8,
}


@pytest.mark.parametrize("join", SPARED)
def test_the_events_of_a_session_that_a_condition_leaves_out_are_not_read(db, join):
    db.fill(30, 1)
    db.fill(8, 1, user="bob")

    db.ask(f"SELECT e.text FROM sessions s {join}", {"user": "bob"} if ":user" in join else None)

    assert db.total == 1 + SPARED[join]


# Keys in a table of the user's, of which SQLite knows no number: events ``e`` of 2 keys out of 40.
OF_KEYS = [
    "SELECT e.name FROM events e, keys k WHERE e.session_id = k.id AND k.id IN ('ann-1', 'ann-2')",
    "SELECT DISTINCT e.name FROM events e, keys k WHERE e.session_id = k.id AND k.id IN ('ann-1', 'ann-2')",
    "SELECT e.name FROM events e, keys k WHERE e.session_id = k.id AND k.id IN ('ann-1', 'ann-2') ORDER BY 1",
    "SELECT e.name, count(*) FROM events e, keys k WHERE e.session_id = k.id AND k.id IN ('ann-1', 'ann-2') GROUP BY 1",
    "SELECT DISTINCT e.author FROM events e, keys k WHERE e.session_id = k.id AND k.id <> 'ann-0'",
    "SELECT DISTINCT e.author FROM events e, keys k WHERE e.session_id = k.id AND k.kind = 'new' ORDER BY 1",
    "SELECT e.author, count(*) FROM events e JOIN keys k ON e.session_id = k.id AND k.kind = 'new' GROUP BY 1",
    "SELECT e.name FROM events e, keys k WHERE e.session_id = k.id AND e.author = 'user' AND k.kind = 'new' ORDER BY 1",
    "SELECT DISTINCT e.kind FROM event_parts e, keys k WHERE e.session_id = k.id AND k.kind = 'new' ORDER BY 1",
    "SELECT e.kind, count(*) FROM event_parts e, keys k WHERE e.session_id = k.id AND k.kind = 'new' GROUP BY 1",
    "SELECT DISTINCT e.author FROM event_parts p, events e, keys k WHERE e.session_id = k.id AND p.session_id = e.session_id AND k.kind = 'new'",
]


@pytest.mark.parametrize("key", ["", "PRIMARY KEY"])
@pytest.mark.parametrize("sql", OF_KEYS)
def test_only_the_sessions_of_the_keys_are_read_however_the_rows_are_sorted(db, sql, key):
    db.fill(40, 2)
    db.connection.execute(
        f"CREATE TEMP TABLE keys(id TEXT {key}, kind TEXT);"
        " INSERT INTO keys VALUES ('ann-0', 'old'), ('ann-1', 'new'), ('ann-2', 'new')"
    )

    rows = db.ask(sql)

    assert rows
    read = {path.split("/")[-2] for path in _pages_by_path(db.log)}
    assert (read, db.total) == ({"ann-1", "ann-2"}, 2)


class TestAJoinKeepsThePoolFull:
    @pytest.fixture
    def events(self, db, monkeypatch) -> dict[str, dict[str, float]]:
        """The log entries of the events lists, in a join with more than one page of sessions.

        The first sixteen are answered together, and the hundredth when there is one more: so no
        thread that gets no turn is overtaken by many others.
        """
        seen, reached = 0, {16: asyncio.Event(), 101: asyncio.Event()}

        async def sleep(seconds: float) -> None:
            nonlocal seen
            seen += bool(seconds)
            for number, event in reached.items():
                if seen >= number:
                    event.set()
            if seconds and (seen <= 16 or seen == 100):
                with suppress(TimeoutError):
                    await asyncio.wait_for(reached[16 if seen <= 16 else 101].wait(), 20)

        sleep_by(monkeypatch, sleep)
        db.fill(130, 1)
        db.control.fault("delay", path="/events$", seconds=1, count=None)
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


def _pages_by_path(log):
    found = {}
    for entry in log:
        found.setdefault(entry["path"], []).append(entry)
    return found

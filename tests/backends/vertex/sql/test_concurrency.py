"""How many requests are under way at once, and which remain when a statement has ended."""

from __future__ import annotations

import json

import pytest

from tests.backends.vertex.sql.conftest import MEETING, PAGES
from tests.clocks import delays_end_together


class TestAFullScan:
    @pytest.mark.parametrize(
        "sql",
        [
            "SELECT session_id FROM sessions",
            "SELECT count(*) FROM sessions",
            "SELECT session_id FROM sessions ORDER BY user_id, create_time DESC LIMIT 10",
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


class TestConcurrency:
    @pytest.fixture
    def filled(self, db):
        db.fill(200, 1)
        return db

    @pytest.mark.parametrize(
        "sql",
        [
            "SELECT count(*) FROM sessions s JOIN events e USING (session_id)",
            "SELECT count(*) FROM events",
            "SELECT count(*) FROM events WHERE session_id IN (SELECT session_id FROM sessions)",
        ],
    )
    def test_sixteen_lists_run_at_once(self, filled, monkeypatch, sql):
        delays_end_together(monkeypatch, 16)
        filled.control.fault("delay", path="/events$", seconds=1, count=None)

        assert filled.ask(sql) == [(200,)]
        assert filled.in_flight == 16

    def test_sixteen_gets_run_at_once(self, db, monkeypatch):
        db.fill(200)
        delays_end_together(monkeypatch, 16)
        db.control.delay(1)
        keys = [f"ann-{number}" for number in range(20)]
        sql = f"SELECT count(*) FROM sessions WHERE session_id IN ({','.join('?' * 20)})"

        assert db.ask(sql, keys) == [(20,)]
        assert db.in_flight == 16

    def test_a_source_can_have_a_lower_concurrency(self, open_, monkeypatch):
        few = open_("&concurrency=3")
        few.fill(10)
        delays_end_together(monkeypatch, 3)
        few.control.fault("delay", path="/events$", seconds=1, count=None)

        few.ask("SELECT count(*) FROM events WHERE session_id IN (SELECT session_id FROM sessions)")

        assert few.in_flight == 3

    def test_the_next_page_is_requested_while_one_is_read(self, big):
        rows = big.connection.execute("SELECT session_id FROM sessions ORDER BY create_time")
        big.control.reset_log()
        next(rows)
        first = big.total
        next(rows)
        rows.close()

        assert first <= 2

    def test_outer_rows_that_a_local_condition_rejects_cause_no_requests(self, filled, monkeypatch):
        delays_end_together(monkeypatch, 9)
        filled.control.fault("delay", path="/events$", seconds=1, count=None)
        sql = "SELECT count(*) FROM sessions s JOIN events e USING (session_id) WHERE s.user_id = 'ann' AND +s.display_name = 'n0'"

        assert filled.ask(sql) == [(40,)]
        assert filled.total == 42
        assert filled.in_flight > 8

    def test_a_limit_restricts_look_ahead(self, filled):
        sql = "SELECT e.text FROM sessions s JOIN events e USING (session_id) WHERE s.user_id = 'ann' LIMIT 5"

        assert len(filled.ask(sql)) == 5
        assert filled.total <= 20

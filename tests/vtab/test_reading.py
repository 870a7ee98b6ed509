from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import apsw
import pytest

from sessions_vtab import Connection
from sessions_vtab.contract.backend import Context
from sessions_vtab.contract.scan import Page, Scan
from sessions_vtab.vtab.memo import Recording
from sessions_vtab.vtab.remote_cursor import RemoteCursor
from tests.memory import MemoryResource


def _table(connection: Connection, name: str = "sessions") -> MemoryResource:
    table: MemoryResource = connection.sources["mem"].backend.tables[name]
    table.scans.clear()
    table.pages = 0
    return table


@pytest.fixture
def filled(memory: Connection) -> Connection:
    """Twenty-one sessions, three pages, and two events for each of the first ten."""
    memory.executemany(
        "INSERT INTO sessions(name, session_id, user_id, create_time) VALUES (?, ?, ?, ?)",
        [(f"s/{n:02d}", f"{n:02d}", f"u{n % 3}", f"2026-01-{n + 1:02d}") for n in range(21)],
    )
    memory.executemany(
        "INSERT INTO events(name, session_id, author) VALUES (?, ?, ?)",
        [(f"e/{n:02d}", f"{n // 2:02d}", ("user", "agent")[n % 2]) for n in range(20)],
    )
    return memory


class TestWhatIsAskedOfABackend:
    def test_only_the_columns_that_are_looked_at(self, filled: Connection) -> None:
        table = _table(filled)

        filled.execute("SELECT user_id FROM sessions WHERE labels IS NULL").fetchall()

        # The key of a WITHOUT ROWID table always counts as looked at.
        assert table.scans[0].columns - {"name"} == {"user_id", "labels"}

    def test_nothing_is_requested_if_no_row_can_match(self, filled: Connection) -> None:
        table = _table(filled)
        for condition in (
            "user_id = NULL",
            "user_id IN (NULL)",
            "user_id IN ()",
            "user_id IN (SELECT 1 WHERE 0)",
            "user_id = 'a' AND user_id IN (SELECT NULL)",
            "0",
        ):
            assert filled.execute(f"SELECT * FROM sessions WHERE {condition}").fetchall() == []
        assert filled.execute("SELECT * FROM sessions LIMIT 0").fetchall() == []

        assert table.scans == []

    def test_a_limit_is_a_hint_and_the_rest_is_not_read(self, filled: Connection) -> None:
        table = _table(filled)

        rows = filled.execute(
            "SELECT name FROM sessions ORDER BY create_time DESC LIMIT 5"
        ).fetchall()

        assert len(rows) == 5
        assert (table.pages, table.scans[0].limit) == (1, 5)

    def test_limit_and_offset_together_are_the_rows_wanted(self, filled: Connection) -> None:
        table = _table(filled)

        filled.execute(
            "SELECT name FROM sessions ORDER BY name LIMIT ? OFFSET ?", (5, 3)
        ).fetchall()

        assert (table.scans[0].limit, table.scans[0].offset) == (8, 0)

    @pytest.mark.parametrize("limit", [-1, -7])
    def test_a_negative_limit_means_no_limit(self, filled: Connection, limit: int) -> None:
        table = _table(filled)

        rows = filled.execute("SELECT name FROM sessions LIMIT ?", (limit,)).fetchall()

        assert len(rows) == 21
        assert table.scans[0].limit is None

    def test_a_set_of_values_comes_in_one_scan(self, filled: Connection) -> None:
        table = _table(filled)

        filled.execute("SELECT 1 FROM sessions WHERE user_id IN ('u1', 'u2', NULL)").fetchall()

        assert [sorted(scan.given("user_id") or ()) for scan in table.scans] == [["u1", "u2"]]

    def test_a_value_of_unknown_origin_that_is_not_text_is_not_pushed_to_a_text_column(
        self, filled: Connection
    ) -> None:
        table = _table(filled)

        filled.execute("SELECT 1 FROM sessions WHERE user_id = ?", (7,)).fetchall()

        assert table.scans[0].where.terms == ()


class TestNothingIsReadTwiceInAStatement:
    @pytest.mark.parametrize(
        "sql",
        [
            "SELECT 1 FROM sessions a LEFT JOIN sessions b ON +b.create_time = a.create_time",
            ("SELECT 1 FROM sessions a WHERE NOT EXISTS"
            " (SELECT 1 FROM sessions b WHERE b.create_time || '' > a.create_time || 'x')"),
            ("SELECT (SELECT count(*) FROM sessions b WHERE upper(b.user_id) > a.user_id)"
            " FROM sessions a"),
        ],
    )  # fmt: skip
    def test_the_inner_side_of_a_join_that_has_no_key(self, filled: Connection, sql: str) -> None:
        table = _table(filled)

        filled.execute(sql).fetchall()

        assert table.pages <= 6

    def test_a_key_that_many_rows_look_up(self, filled: Connection) -> None:
        table = _table(filled)

        filled.execute(
            "SELECT s.user_id FROM events e LEFT JOIN sessions s ON s.name = 's/' || e.session_id"
        ).fetchall()

        assert len(table.scans) == 10

    def test_a_page_is_not_fetched_before_it_is_wanted(self, filled: Connection) -> None:
        table = _table(filled)

        cursor = filled.execute("SELECT name FROM sessions")
        next(cursor)

        assert table.pages == 1
        cursor.close()
        assert table.pages == 1

    def test_the_next_run_of_the_statement_reads_anew(self, filled: Connection) -> None:
        table = _table(filled)
        for _ in range(2):
            filled.execute("SELECT count(*) FROM sessions WHERE user_id = 'u1'").fetchall()

        assert len(table.scans) == 2


class _Endless(MemoryResource):
    """Pages that never end; the third waits until it is told to stop."""

    closed = 0
    waiting = threading.Event()

    def scan(self, scan: Scan, context: Context) -> Iterator[Page]:
        try:
            for number in range(1_000_000):
                while number > 1:
                    self.waiting.set()
                    if context.interrupted():
                        raise apsw.InterruptError
                    time.sleep(0.01)
                yield [self.row({"name": f"{number}-{n}"}) for n in range(2)]
        finally:
            self.closed += 1


class TestAScanThatIsLeftEarly:
    @pytest.fixture
    def endless(self, memory: Connection) -> _Endless:
        resource = _table(memory)
        resource.__class__ = _Endless
        assert isinstance(resource, _Endless)
        resource.waiting.clear()
        return resource

    def test_is_closed_with_its_cursor(self, memory: Connection, endless: _Endless) -> None:
        cursor = memory.execute("SELECT name FROM sessions")
        assert next(cursor) == ("0-0",)

        cursor.close()

        assert endless.closed == 1

    def test_is_closed_at_a_limit(self, memory: Connection, endless: _Endless) -> None:
        assert len(memory.execute("SELECT name FROM sessions LIMIT 3").fetchall()) == 3

        assert endless.closed == 1

    def test_is_ended_by_interrupt_from_another_thread(
        self, memory: Connection, endless: _Endless
    ) -> None:
        def stop() -> None:
            endless.waiting.wait(5)
            memory.interrupt()

        thread = threading.Thread(target=stop)
        thread.start()
        with pytest.raises(apsw.InterruptError):
            memory.execute("SELECT name FROM sessions").fetchall()
        thread.join()

        assert endless.closed == 1
        assert memory.execute("SELECT count(*) FROM events").get == 0

    @pytest.mark.parametrize("rows", [0, 1])
    def test_passes_on_ctrl_c_and_leaves_the_connection_usable(
        self, memory: Connection, monkeypatch: pytest.MonkeyPatch, rows: int
    ) -> None:
        """What is kept for the statement is told first: its end then waits for no request."""
        table = _table(memory)
        told: list[str] = []
        kept = SimpleNamespace(stop=lambda: told.append("stop"), close=lambda: told.append("close"))

        def interrupted(scan: Scan, context: Context) -> Iterator[Page]:
            context.memory["kept"] = kept
            yield [table.row({"name": "a"})] * rows
            raise KeyboardInterrupt

        monkeypatch.setattr(table, "scan", interrupted)
        with pytest.raises(KeyboardInterrupt):
            memory.execute("SELECT name FROM sessions").fetchall()
        monkeypatch.undo()

        assert told == ["stop", "close"]
        assert memory.execute("SELECT count(*) FROM sessions").get == 0


class TestExplain:
    def _words(self, connection: Connection, sql: str, *bindings: Any) -> str:
        rows = connection.execute(f"EXPLAIN QUERY PLAN {sql}", bindings).fetchall()
        return " / ".join(detail for *_, detail in rows)

    def test_shows_what_is_sent_and_what_is_checked_here(self, memory: Connection) -> None:
        words = self._words(
            memory,
            "SELECT user_id FROM sessions WHERE user_id = ? AND display_name GLOB 'a*'"
            " ORDER BY create_time LIMIT 3",
            "ann",
        )

        assert "list; sent: user_id = ?" in words
        assert "display_name GLOB" in words.partition("here: ")[2]
        assert "order: create_time" in words

    def test_shows_no_value(self, memory: Connection) -> None:
        words = self._words(memory, "SELECT 1 FROM sessions WHERE user_id = 'topsecret'")

        assert "topsecret" not in words

    def test_asks_for_nothing(self, filled: Connection) -> None:
        table = _table(filled)

        self._words(filled, "SELECT * FROM sessions")

        assert table.scans == []


class TestLogs:
    def test_writes_has_a_row_for_each_row_written(self, memory: Connection) -> None:
        memory.execute("INSERT INTO sessions(name) VALUES ('a'), ('b')")
        memory.execute("DELETE FROM sessions WHERE name = 'a'")

        rows = memory.execute(
            'SELECT source, "table", action, key, outcome, answer_key FROM writes ORDER BY number'
        ).fetchall()

        assert rows == [
            ("mem", "sessions", "insert", "a", "sent", "a"),
            ("mem", "sessions", "insert", "b", "sent", "b"),
            ("mem", "sessions", "delete", "a", "sent", None),
        ]

    def test_statements_are_numbered_by_the_connection(self, memory: Connection) -> None:
        memory.execute("INSERT INTO sessions(name) VALUES ('a')")
        memory.execute("SELECT 1")
        memory.execute("INSERT INTO sessions(name) VALUES ('b')")

        assert memory.execute("SELECT statement FROM writes ORDER BY number").fetchall() == [
            (1,),
            (3,),
        ]

    def test_the_last_ten_thousand_are_kept_and_all_of_the_last_transaction(
        self, memory: Connection
    ) -> None:
        memory.budget.max_writes = memory.budget.max_requests = 20_000
        memory.execute(
            "INSERT INTO sessions(name) WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1"
            " FROM n WHERE n < 10050) SELECT n FROM n"
        )

        assert memory.execute("SELECT count(*), min(row) FROM writes").get == (10_050, 1)
        memory.execute("DELETE FROM sessions WHERE name = '1'")
        assert memory.execute("SELECT count(*), min(number) FROM writes").get == (10_001, 51)

    def test_they_cannot_be_written(self, memory: Connection) -> None:
        for sql in ("DELETE FROM writes", "INSERT INTO http_requests(url) VALUES ('x')"):
            memory.execute("INSERT INTO sessions(name) VALUES (NULL)")
            with pytest.raises(Exception, match=r"writes|http_requests"):
                memory.execute(sql)


class TestConnections:
    def test_two_share_nothing(self, opened: Callable[..., Connection]) -> None:
        first, second = opened(mem="memory"), opened(mem="memory")
        first.execute("BEGIN; INSERT INTO sessions(name) VALUES ('a')")

        assert second.execute("SELECT count(*) FROM sessions").get == 0
        assert second.execute("SELECT count(*) FROM writes").get == 0

    def test_forty_can_be_open_at_once(self, opened: Callable[..., Connection]) -> None:
        connections = [opened(mem="memory", loc="local") for _ in range(40)]

        for connection in connections:
            assert connection.execute("SELECT count(*) FROM loc.sessions").get == 0

    def test_each_thread_works_with_its_own(self, opened: Callable[..., Connection]) -> None:
        counts: dict[int, int] = {}

        def work(number: int) -> None:
            connection = opened(mem="memory")
            connection.executemany(
                "INSERT INTO sessions(name) VALUES (?)", [(str(n),) for n in range(number)]
            )
            counts[number] = connection.execute("SELECT count(*) FROM sessions").get

        threads = [threading.Thread(target=work, args=(number,)) for number in range(1, 9)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert counts == {number: number for number in range(1, 9)}

    def test_a_nested_statement_inside_a_user_function_keeps_its_own_number(
        self, memory: Connection
    ) -> None:
        memory.execute("INSERT INTO events(name) VALUES ('e')")
        memory.create_scalar_function(
            "asked", lambda: memory.execute("SELECT count(*) FROM events").get
        )

        memory.execute(
            "BEGIN; INSERT INTO sessions(name, user_id) VALUES ('a', asked()), ('b', 'x')"
        )
        memory.execute("COMMIT")

        assert memory.execute("SELECT name, user_id FROM sessions").fetchall() == [
            ("a", "1"),
            ("b", "x"),
        ]

    def test_rows_can_be_written_while_a_cursor_is_half_read(self, local: Connection) -> None:
        local.execute("INSERT INTO sessions(session_id) VALUES ('a'), ('b'), ('c')")

        for (session_id,) in local.execute("SELECT session_id FROM sessions ORDER BY 1"):
            local.execute(
                "INSERT INTO events(session_id, author, content) VALUES (?, 'user', 'x')",
                (session_id,),
            )

        assert local.execute("SELECT count(*) FROM events").get == 3


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM sessions WHERE name = 's/01'",
        "SELECT * FROM sessions WHERE name IN ('s/01', 's/02')",
        "SELECT * FROM sessions",
        "SELECT * FROM sessions LIMIT 1",
        "SELECT count(*) FROM sessions s JOIN events e ON e.session_id = s.session_id",
    ],
)
def test_a_scan_that_has_ended_is_gone_at_once(filled: Connection, sql: str) -> None:
    """Cycles would leave its last page, and its lists, to the cyclic garbage collection."""
    filled.execute(sql).fetchall()
    gc.disable()
    gc.freeze()  # Only what the next statement makes is looked through.
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        filled.execute(sql).fetchall()
        gc.collect()
        assert not [one for one in gc.garbage if isinstance(one, RemoteCursor | Recording | Scan)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()

"""What ends a statement before its time: ``timeout``, ``max_rows``, ``interrupt()``."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing
from types import SimpleNamespace

import pytest

from sessions_vtab import connect, dbapi
from sessions_vtab.dbapi import limits
from tests.waiting import stopping

COUNTING = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c"
ENDLESS = f"{COUNTING}) SELECT count(*) FROM c"
INSERT = "INSERT INTO sessions(session_id, user_id) VALUES (?, ?)"


class Now:
    """The clock of the time limits, which stands still unless it is set.

    Args:
        step: it goes on by so many seconds with each look at it.
        late: once this holds, all time is up.
    """

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        step: float = 0.0,
        late: Callable[[], bool] = lambda: False,
    ) -> None:
        self.seconds, self._step, self._late = 0.0, step, late
        monkeypatch.setattr(limits, "time", SimpleNamespace(monotonic=self._look))

    def _look(self) -> float:
        self.seconds += self._step
        return self.seconds + 3_600 * self._late()


class TestTimeout:
    @pytest.mark.parametrize(
        "statement", [ENDLESS, f"CREATE TEMP TABLE t AS {COUNTING}) SELECT x FROM c WHERE x < 0"]
    )
    def test_a_statement_that_takes_too_long_is_stopped(
        self, open_, monkeypatch, statement: str
    ) -> None:
        Now(monkeypatch, step=0.01)
        db = open_(timeout=0.05)

        with pytest.raises(dbapi.OperationalError, match=r"longer than 0\.05 s"):
            db.execute(statement).fetchall()

        assert db.execute("SELECT 1").fetchall() == [(1,)]

    def test_after_it_there_is_nothing_to_fetch(self, open_, monkeypatch) -> None:
        Now(monkeypatch, step=0.01)
        cursor = open_(timeout=0.05).cursor()
        with pytest.raises(dbapi.OperationalError, match="timeout"):
            cursor.execute(f"{COUNTING}) SELECT x FROM c WHERE x < 2 OR x < 0").fetchall()

        assert cursor.description is None
        with pytest.raises(dbapi.ProgrammingError, match="no rows to fetch"):
            cursor.fetchone()

    def test_it_also_ends_a_request_that_is_waited_for(self, open_, emulator, monkeypatch) -> None:
        emulator.control.reset_log()
        Now(monkeypatch, late=lambda: emulator.log.total > 0)
        db = open_(f"vertex://demo/us-central1/42?base_url={emulator.url}", timeout=0.2)
        emulator.control.fault("late", seconds=60)

        with pytest.raises(dbapi.OperationalError, match="timeout"):
            db.execute("SELECT * FROM sessions").fetchall()

        (asked,) = emulator.log.entries()
        assert not asked["status"]  # It was not answered.

    def test_the_calls_of_one_statement_share_its_time(self, open_, monkeypatch) -> None:
        Now(monkeypatch, step=0.01)
        db = open_(timeout=0.2)
        cursor = db.execute(f"{COUNTING}) SELECT x FROM c")

        with pytest.raises(dbapi.OperationalError, match="timeout"):
            sum(map(len, iter(lambda: cursor.fetchmany(100), [])))

    def test_the_time_between_the_calls_does_not_count(self, open_, monkeypatch) -> None:
        now = Now(monkeypatch)
        cursor = open_(timeout=10).execute(f"{COUNTING} LIMIT 3) SELECT x FROM c")

        cursor.fetchone()
        now.seconds += 30

        assert cursor.fetchall() == [(2,), (3,)]

    def test_what_the_calls_before_have_taken_is_gone(self, monkeypatch) -> None:
        now = Now(monkeypatch)
        with closing(connect("local://:memory:")) as driver:
            clock = limits.StatementClock(driver, 10)

            for _ in range(2):
                with clock.running():
                    now.seconds += 3
                now.seconds += 30

            with clock.running():
                assert clock.left() == 4

    @pytest.mark.parametrize("kept", [True, False])
    def test_a_half_read_cursor_does_not_end_another_statement(
        self, open_, monkeypatch, kept: bool
    ) -> None:
        now = Now(monkeypatch)
        db = open_(timeout=0.1)
        cursor = db.execute("VALUES (1), (2)")
        cursor.fetchone()
        now.seconds += 30
        if not kept:
            del cursor
        db.timeout = None

        found = db.execute(f"{COUNTING} LIMIT 600000) SELECT count(*) FROM c").fetchall()

        assert found == [(600_000,)]

    def test_the_error_names_a_transaction_that_was_lost_with_the_statement(
        self, open_, monkeypatch
    ) -> None:
        Now(monkeypatch, step=0.01)
        db = open_()
        db.execute(INSERT, ["a", "ann"])
        db.timeout = 0.1

        with pytest.raises(dbapi.OperationalError, match=r"transaction .* rolled back"):
            db.execute(f"INSERT INTO sessions(user_id) {COUNTING}) SELECT x FROM c WHERE x < 0")

        assert not db.in_transaction

    def test_writes_that_it_cuts_short_are_counted(self, open_, emulator, monkeypatch) -> None:
        emulator.control.reset_log()
        Now(monkeypatch, late=lambda: emulator.log.total > 0)
        url = f"vertex://demo/us-central1/42?base_url={emulator.url}"
        db = open_(url, autocommit=True, timeout=0.3)
        rows = [(f"cut-{number}", "ann") for number in range(40)]

        with pytest.raises(
            dbapi.OperationalError, match=r"of 40 writes did not succeed .*\(timeout\)"
        ):
            db.executemany(INSERT, rows)

    def test_a_commit_takes_the_time_it_takes(self, open_, emulator, monkeypatch) -> None:
        emulator.control.reset_log()
        Now(monkeypatch, late=lambda: emulator.log.total > 0)
        url = f"vertex://demo/us-central1/42?base_url={emulator.url}"
        db = open_(url, timeout=0.2)
        db.execute(INSERT, ["late", "ann"])
        emulator.control.delay(0.1)

        db.commit()

        emulator.control.delay(0)
        found = open_(url).execute("SELECT user_id FROM sessions WHERE session_id = 'late'")
        assert found.fetchone() == ("ann",)

    def test_a_time_limit_needs_no_thread(self, open_) -> None:
        before = threading.active_count()
        open_(timeout=60).execute("VALUES (1), (2)").fetchone()

        assert threading.active_count() <= before

    def test_a_statement_within_a_statement_has_a_time_of_its_own(self, open_, monkeypatch) -> None:
        Now(monkeypatch, step=0.01)
        db = open_(timeout=0.2)
        inner = f"{COUNTING} LIMIT 3) SELECT count(*) FROM c"
        db.driver.create_scalar_function("inner_", lambda: db.execute(inner).fetchone()[0], 0)

        with pytest.raises(dbapi.OperationalError, match="timeout"):
            db.execute(f"SELECT inner_(), ({ENDLESS})").fetchall()


class TestInterrupt:
    def test_another_thread_may_interrupt(self, db) -> None:
        with (
            stopping(db.interrupt),
            pytest.raises(dbapi.OperationalError, match="interrupted"),
        ):
            db.execute(ENDLESS).fetchall()

    def test_a_half_read_result_ends_with_the_timeout_and_the_connection_stays_usable(
        self, db
    ) -> None:
        half_read = db.execute("VALUES (1), (2), (3)")
        half_read.fetchone()
        with stopping(db.interrupt), pytest.raises(dbapi.OperationalError):
            db.execute(ENDLESS).fetchall()

        with pytest.raises(dbapi.OperationalError, match="stopped"):
            half_read.fetchone()
        assert db.execute("SELECT 1").fetchall() == [(1,)]
        assert half_read.execute("SELECT 2").fetchall() == [(2,)]

    def test_without_a_statement_it_does_nothing(self, db) -> None:
        db.interrupt()

        assert db.execute("SELECT 1").fetchall() == [(1,)]


class TestMaxRows:
    ROWS = "VALUES (1), (2), (3), (4)"

    @pytest.mark.parametrize(
        "fetch",
        [
            lambda cursor: cursor.fetchall(),
            list,
            lambda cursor: cursor.fetchmany(10),
            lambda cursor: [cursor.fetchone() for _ in range(4)],
            lambda cursor: [cursor.fetchmany(3), cursor.fetchone()],
        ],
    )
    def test_more_rows_are_an_error_and_never_cut_off(self, open_, fetch) -> None:
        db = open_(max_rows=3)

        with pytest.raises(dbapi.OperationalError, match=r"more than 3 rows \(max_rows\)"):
            fetch(db.execute(self.ROWS))

        assert db.execute("SELECT 1").fetchall() == [(1,)]

    def test_after_the_error_there_is_nothing_to_fetch(self, open_) -> None:
        cursor = open_(max_rows=3).execute(self.ROWS)
        with pytest.raises(dbapi.OperationalError):
            cursor.fetchall()

        assert cursor.description is None
        with pytest.raises(dbapi.ProgrammingError, match="no rows to fetch"):
            cursor.fetchone()

    def test_exactly_max_rows_rows_are_not_an_error(self, open_) -> None:
        assert len(open_(max_rows=4).execute(self.ROWS).fetchall()) == 4
        assert len(open_(max_rows=4).execute(self.ROWS).fetchmany(10)) == 4

    def test_rows_as_arrow_count_as_well(self, open_) -> None:
        pytest.importorskip("pyarrow")

        with pytest.raises(dbapi.OperationalError, match="max_rows"):
            open_(max_rows=3).execute(self.ROWS).arrow()

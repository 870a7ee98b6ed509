from __future__ import annotations

import threading
import time
from typing import Any

import apsw
import pytest

from sessions_vtab import dbapi, errors
from sessions_vtab.dbapi.errors import meaning_of

ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"


def _classes(parent: type[Exception]) -> list[type[Exception]]:
    return [parent, *(one for child in parent.__subclasses__() for one in _classes(child))]


@pytest.mark.parametrize("kind", [*_classes(errors.SessionsError), *_classes(apsw.Error)])
def test_every_error_of_ours_and_of_sqlite_has_a_meaning(kind: type[Exception]) -> None:
    meaning = meaning_of(kind("x"))

    assert meaning is not None
    assert issubclass(meaning, dbapi.Error)


@pytest.mark.parametrize(
    ("statement", "kind", "cause"),
    [
        ("SELEC 1", dbapi.ProgrammingError, apsw.SQLError),
        ("SELECT * FROM nosuch", dbapi.ProgrammingError, apsw.SQLError),
        ("SELECT nosuch FROM sessions", dbapi.ProgrammingError, apsw.SQLError),
        ("SELECT 1 FROM sessions WHERE create_time > 'now'", dbapi.DataError, errors.StatementError),
        ("INSERT INTO sessions(session_id, user_id) VALUES ('a', 'x')", dbapi.IntegrityError,
         errors.ConflictError),
        ("UPDATE sessions SET user_id = 'x'", dbapi.NotSupportedError, errors.UnsupportedError),
        ("INSERT INTO sessions(user_id, labels) VALUES ('x', '{')", dbapi.DataError,
         errors.InvalidValueError),
        ("SELECT * FROM append_event('nosuch', 'user', 'x')", dbapi.OperationalError,
         errors.NotFoundError),
        ("SELECT * FROM append_event('a')", dbapi.ProgrammingError, errors.MissingParameterError),
    ],
)  # fmt: skip
def test_an_error_is_of_the_class_people_expect_with_the_original_as_cause(
    db, statement: str, kind: type[Exception], cause: type[Exception]
) -> None:
    db.execute("INSERT INTO sessions(session_id, user_id) VALUES ('a', 'ann')")
    db.commit()

    with pytest.raises(kind) as caught:
        db.execute(statement).fetchall()

    assert caught.type is kind
    assert isinstance(caught.value.__cause__, cause)


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("nosuch://x", dbapi.ProgrammingError),
        ("vertex://p/us-central1/1?nosuch=1", dbapi.InterfaceError),
        ("local:///nosuch/folder/of/mine\x00.db", dbapi.Error),
    ],
)
def test_a_wrong_source_is_an_error_of_this_module(url: str, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        dbapi.connect(url)


def test_a_read_only_connection_refuses_writes_and_functions_that_act(open_) -> None:
    db = open_(read_only=True)

    for statement in (
        "INSERT INTO sessions(user_id) VALUES ('x')",
        "SELECT * FROM append_event('a', 'user', 'x')",
    ):
        with pytest.raises(dbapi.NotSupportedError, match="read-only"):
            db.execute(statement).fetchall()


class TestLimits:
    def test_a_statement_that_takes_too_long_is_stopped(self, open_) -> None:
        db = open_(timeout=0.05)

        with pytest.raises(dbapi.OperationalError, match=r"longer than 0\.05 s"):
            db.execute(ENDLESS).fetchall()

        assert db.execute("SELECT 1").fetchall() == [(1,)]

    def test_the_limit_also_ends_a_request_that_is_waited_for(self, open_, emulator) -> None:
        db = open_(f"vertex://demo/us-central1/42?base_url={emulator.url}", timeout=0.2)
        emulator.control.delay(20)

        started = time.perf_counter()
        with pytest.raises(dbapi.OperationalError, match="timeout"):
            db.execute("SELECT * FROM sessions").fetchall()

        assert time.perf_counter() - started < 10

    def test_no_thread_stays_behind(self, open_) -> None:
        before = threading.active_count()
        db = open_(timeout=60)
        for _ in range(20):
            db.execute("SELECT 1").fetchall()
        db.execute("CREATE TEMP TABLE t(a)")
        cursor = db.execute("SELECT 1")
        cursor.close()

        _until(lambda: threading.active_count() <= before)

    def test_another_thread_may_interrupt(self, db) -> None:
        timer = threading.Timer(0.1, db.interrupt)
        timer.start()

        with pytest.raises(dbapi.OperationalError):
            db.execute(ENDLESS).fetchall()

        timer.join()

    def test_more_rows_than_max_rows_are_an_error_and_never_cut_off(self, open_) -> None:
        db = open_(max_rows=3)

        assert len(db.execute("VALUES (1), (2), (3)").fetchall()) == 3
        with pytest.raises(dbapi.OperationalError, match="max_rows"):
            db.execute("VALUES (1), (2), (3), (4)").fetchall()
        assert db.execute("SELECT 1").fetchall() == [(1,)]


def test_two_threads_at_once_are_an_error_and_no_crash(db) -> None:
    errors_: list[Exception] = []
    started = threading.Event()

    def run() -> None:
        started.set()
        try:
            db.execute(ENDLESS).fetchall()
        except dbapi.Error as error:
            errors_.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    started.wait()
    time.sleep(0.1)
    with pytest.raises(dbapi.ProgrammingError):
        db.execute("SELECT 1")
    db.interrupt()
    thread.join()

    assert [type(one) for one in errors_] == [dbapi.OperationalError]


def test_threads_with_a_connection_each_see_their_own(tmp_path: Any) -> None:
    url = f"local://{tmp_path}/store.db"
    dbapi.connect(url).close()
    failed: list[Exception] = []

    def run(user: str) -> None:
        try:
            with dbapi.connect(url) as db:
                for number in range(20):
                    values = [f"{user}-{number}", user]
                    db.execute("INSERT INTO sessions(session_id, user_id) VALUES (?, ?)", values)
                    db.commit()
                mine = db.execute("SELECT count(*) FROM sessions WHERE user_id = ?", [user])
                assert mine.fetchone() == (20,)
            db.close()
        except (dbapi.Error, AssertionError) as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(user,)) for user in ("ann", "bob")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failed == []


def _until(true: Any) -> None:
    end = time.monotonic() + 5
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)

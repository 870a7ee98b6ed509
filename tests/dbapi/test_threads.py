"""``threadsafety`` is 1: a connection a thread, and another thread's is an error."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sessions_vtab import dbapi

ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"
INSERT = "INSERT INTO sessions(session_id, user_id) VALUES (?, ?)"


@pytest.fixture
def busy(db) -> Iterator[tuple[dbapi.Connection, dbapi.Cursor]]:
    """A connection that another thread is using, and a cursor of it."""
    cursor = db.execute("VALUES (1), (2)")
    begun = threading.Event()
    db.driver.create_scalar_function("begun", begun.set, 0)
    with _running(lambda: _interrupted(db)):
        assert begun.wait(30)
        yield db, cursor
        db.interrupt()


def _interrupted(db: dbapi.Connection) -> None:
    with pytest.raises(dbapi.OperationalError, match="interrupted"):
        db.execute(f"SELECT begun(), ({ENDLESS})")


@contextmanager
def _running(*calls: Callable[[], None]) -> Iterator[None]:
    """Runs each in a thread of its own; what they raise is raised at the end."""
    failed: list[BaseException] = []

    def run(call: Callable[[], None]) -> None:
        try:
            call()
        except BaseException as error:  # noqa: BLE001  # The main thread shows it.
            failed.append(error)

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    yield
    for thread in threads:
        thread.join(60)
    assert not failed, failed


@pytest.mark.parametrize(
    "call",
    [
        lambda db, _: db.execute("SELECT 1"),
        lambda db, _: db.commit(),
        lambda db, _: db.rollback(),
        lambda db, _: db.clear_logs(),
        lambda db, _: db.close(),
        lambda _, cursor: cursor.execute("SELECT 1"),
        lambda _, cursor: cursor.executemany(INSERT, []),
        lambda _, cursor: cursor.fetchone(),
        lambda _, cursor: cursor.fetchall(),
        lambda _, cursor: cursor.close(),
    ],
)
def test_use_by_two_threads_at_once_is_a_clear_error(busy, call: Any) -> None:
    with pytest.raises(dbapi.ProgrammingError, match="one connection per thread"):
        call(*busy)


def test_one_thread_after_the_other_may_use_a_connection(db) -> None:
    with _running(lambda: db.execute(INSERT, ["a", "ann"]).close()):
        pass

    db.commit()

    assert db.execute("SELECT session_id FROM sessions").fetchall() == [("a",)]


def test_parameters_may_come_from_a_query_of_the_same_connection(db) -> None:
    names = db.execute("VALUES ('a', 'ann'), ('b', 'bob')")

    db.executemany(INSERT, names)

    assert db.execute("SELECT count(*) FROM sessions").fetchone() == (2,)


def test_threads_with_a_connection_each_see_their_own(tmp_path: Path) -> None:
    url = f"local://{tmp_path}/store.db"
    first = dbapi.connect(url)
    first.execute("SELECT 1 FROM sessions").fetchall()
    first.close()

    def work(user: str) -> None:
        db = dbapi.connect(url)
        for number in range(20):
            with db:
                db.execute(INSERT, [f"{user}-{number}", user])
        mine = db.execute("SELECT count(*) FROM sessions WHERE user_id = ?", [user])
        assert mine.fetchone() == (20,)
        db.close()

    with _running(lambda: work("ann"), lambda: work("bob")):
        pass

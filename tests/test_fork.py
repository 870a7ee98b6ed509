"""A connection that a forked process inherited: an error at once, instead of waiting for ever.

Threads are not copied by fork(), SQLite's locks belong to the other process, and closing the
sockets would end its requests.
"""

from __future__ import annotations

import os
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sessions_vtab import Connection, connect, dbapi
from sessions_vtab.emulator.serve import Running
from sessions_vtab.errors import UnsupportedError, WriteError

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="has no fork()")

INHERITED = r"opened in another process, before fork\(\)\. Open a new one"


@pytest.fixture
def db(emulator: Running, tmp_path: Path) -> Iterator[Connection]:
    emulator.control.reset(empty=True)
    sources = [
        f"prod=vertex://demo/us-central1/42?base_url={emulator.url}",
        f"l=local://{tmp_path}/s.db",
    ]
    with closing(connect(sources=sources, audit=tmp_path / "audit")) as connection:
        for source in ("prod", "l"):
            connection.execute(f"INSERT INTO {source}.sessions(session_id, user_id) VALUES ('s',1)")
            connection.execute(f"SELECT * FROM {source}.sessions").fetchall()
        yield connection


def in_a_child(job: Callable[[], Any]) -> str:
    """What a job says in a forked process; '' if it fails or does not end within ten seconds."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        # Of Python 3.12: a process with threads is forked. That is what this is about.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        import signal  # noqa: PLC0415

        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(10)
        try:
            os.write(writing, str(job()).encode())
        except BaseException:  # noqa: BLE001
            traceback.print_exc()
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read().decode()
    os.waitpid(child, 0)
    return said


def refused(statement: Callable[[], Any], error: type[Exception]) -> Callable[[], str]:
    def job() -> str:
        with pytest.raises(error, match=INHERITED):
            statement()
        return "refused"

    return job


@pytest.mark.parametrize(
    ("sql", "error"),
    [
        ("SELECT * FROM prod.sessions", UnsupportedError),
        ("SELECT count(*) FROM prod.events WHERE session_id = 's'", UnsupportedError),
        ("INSERT INTO prod.sessions(user_id) VALUES ('ann')", UnsupportedError),
        (
            "INSERT INTO prod.sessions(user_id) VALUES ('ann'), ('bob')",
            (UnsupportedError, WriteError),
        ),
        ("SELECT * FROM prod.append_event('s', 'user', 'x')", UnsupportedError),
        ("SELECT * FROM l.sessions", UnsupportedError),
        ("INSERT INTO l.sessions(user_id) VALUES ('ann')", UnsupportedError),
        ("DELETE FROM l.sessions", UnsupportedError),
        ("SELECT * FROM l.append_event('s', 'user', 'x')", UnsupportedError),
    ],
)
def test_an_inherited_connection_says_so(
    db: Connection, emulator: Running, sql: str, error: Any
) -> None:
    before = emulator.control.log()["total"]
    assert in_a_child(refused(lambda: db.execute(sql).fetchall(), error)) == "refused"
    assert emulator.control.log()["total"] == before
    # The process that opened it goes on, with its sockets, its threads and its store.
    assert db.execute("SELECT count(*) FROM prod.sessions").get == 1
    assert db.execute("SELECT count(*) FROM l.sessions").get == 1


@pytest.mark.parametrize("job", ["fetchall", "close"])
def test_a_page_that_is_under_way_is_for_the_process_that_asked(db: Connection, job: str) -> None:
    names = [(f"t{number}",) for number in range(5)]
    db.executemany("INSERT INTO prod.sessions(session_id, user_id) VALUES (?, 'ann')", names)
    rows = db.execute("SELECT session_id FROM prod.sessions WHERE page_size = 1")
    read = [next(rows), next(rows)]
    if job == "close":
        assert in_a_child(lambda: (rows.close(), "closed")[1]) == "closed"
    else:
        assert in_a_child(refused(rows.fetchall, UnsupportedError)) == "refused"
    assert {*read, *rows.fetchall()} == {("s",), *names}
    assert db.execute("SELECT max(attempt) FROM http_requests").get == 1


def test_closing_it_ends_nothing_of_the_other_process(db: Connection, tmp_path: Path) -> None:
    db.execute("BEGIN")
    db.execute("INSERT INTO l.sessions(session_id, user_id) VALUES ('t', 'ann')")
    assert in_a_child(lambda: (db.close(), "closed")[1]) == "closed"
    db.execute("COMMIT")
    assert (tmp_path / "s.db-wal").exists()
    assert db.execute("SELECT count(*) FROM l.sessions").get == 2
    assert db.execute("SELECT count(*) FROM prod.sessions").get == 1


def test_a_new_connection_works_in_the_forked_process(emulator: Running, db: Connection) -> None:
    def job() -> Any:
        url = f"prod=vertex://demo/us-central1/42?base_url={emulator.url}"
        with closing(connect(url)) as own:
            return own.execute("SELECT session_id FROM sessions").get

    assert in_a_child(job) == "s"


def test_a_time_limit_needs_no_thread_there(emulator: Running) -> None:
    url = f"prod=vertex://demo/us-central1/42?base_url={emulator.url}"
    with closing(dbapi.connect(url, timeout=20)) as connection:
        connection.execute("SELECT 1").fetchall()
        assert in_a_child(lambda: connection.execute("SELECT 7").fetchone()) == "(7,)"

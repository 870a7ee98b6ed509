"""A local store in transactions of several connections: as a file of SQLite's own in WAL mode.

Each program runs on two of our connections to one store and on two plain ones to one file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import apsw
import pytest

import sessions_vtab
from sessions_vtab.errors import BusyError, StoreError

BUSY, DONE = "busy", "done"
READ = "SELECT display_name FROM sessions WHERE session_id = 's'"
SETUP = "INSERT INTO sessions(session_id, display_name) VALUES ('s', '0'), ('t', '0')"

Side = tuple[apsw.Connection, apsw.Connection]


def write(value: object) -> str:
    return f"UPDATE sessions SET display_name = '{value}' WHERE session_id = 's'"


@pytest.fixture
def ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Side]:
    """Two connections to one store that do not wait for each other."""
    monkeypatch.setattr("sessions_vtab.backends.local.store._BUSY_SECONDS", 0.0)
    pair = tuple(sessions_vtab.connect(f"local://{tmp_path / 'store.db'}") for _ in range(2))
    pair[0].execute(SETUP)
    yield pair[0], pair[1]
    for one in pair:
        one.close()


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[Side]:
    """Two connections to a file with a table of the same columns."""
    pair = tuple(apsw.Connection(str(tmp_path / "plain.db")) for _ in range(2))
    pair[0].pragma("journal_mode", "wal")
    pair[0].execute("CREATE TABLE sessions(session_id, display_name)")
    pair[0].execute(SETUP)
    yield pair[0], pair[1]
    for one in pair:
        one.close()


def said(connection: apsw.Connection, text: str) -> Any:
    """What a statement answers: its rows, or that it was busy."""
    try:
        return connection.execute(text).fetchall() or DONE
    except (BusyError, apsw.BusyError):
        return BUSY


def run(side: Side, program: list[tuple[int, str]]) -> list[Any]:
    answers = [said(side[who], text) for who, text in program]
    return [*answers, [one.in_transaction for one in side], said(side[0], READ)]


PROGRAMS = {
    "one state is read": [(0, "BEGIN"), (0, READ), (1, write(1)), (0, READ), (0, "COMMIT")],
    "by a savepoint too": [(0, "SAVEPOINT a"), (0, READ), (1, write(1)), (0, READ),
                           (0, "RELEASE a")],
    "an update is not lost": [(0, "BEGIN"), (0, READ), (1, write(1)), (0, write(2)),
                              (0, "ROLLBACK")],
    "nor once it was refused": [(0, "BEGIN"), (0, READ), (1, write(1)), (0, write(2)),
                                (0, write(3)), (0, READ), (0, "COMMIT")],
    "read, write, commit": [(0, "BEGIN"), (0, READ), (0, write(1)), (1, READ), (0, "COMMIT"),
                            (1, READ)],
    "the first write of two wins": [(0, "BEGIN"), (1, "BEGIN"), (0, READ), (1, READ),
                                    (0, write(1)), (1, write(2)), (0, "COMMIT"), (1, write(3)),
                                    (1, "ROLLBACK")],
    "the state begins with the first read": [(0, "BEGIN"), (1, write(1)), (0, READ), (0, write(2)),
                                             (0, "COMMIT")],
    "rollback ends it": [(0, "BEGIN"), (0, READ), (1, write(1)), (0, "ROLLBACK"), (0, READ)],
    "a later transaction reads anew": [(0, "BEGIN"), (0, READ), (0, "COMMIT"), (1, write(1)),
                                       (0, "BEGIN"), (0, READ), (0, "COMMIT")],
    "immediate locks": [(0, "BEGIN IMMEDIATE"), (1, write(1)), (1, READ), (0, write(2)),
                        (0, "COMMIT"), (1, write(3))],
    "exclusive locks": [(0, "begin exclusive transaction"), (1, write(1)), (0, "END")],
    "two immediate": [(0, "BEGIN IMMEDIATE"), (1, "BEGIN IMMEDIATE"), (1, READ), (0, "ROLLBACK"),
                      (1, "BEGIN IMMEDIATE"), (1, write(1)), (1, "COMMIT")],
    "what waits in vain is tried again": [(0, "BEGIN IMMEDIATE"), (1, write(1)), (1, write(1)),
                                          (0, "COMMIT"), (1, write(2))],
    "deferred does not lock": [(0, "BEGIN DEFERRED"), (1, write(1)), (0, write(2)), (0, "COMMIT")],
    "in one text": [(0, f"BEGIN IMMEDIATE; {READ};"), (1, write(1)), (0, write(2)), (0, "COMMIT")],
}  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_two_connections_answer_as_two_to_a_plain_file(name: str, ours: Side, plain: Side) -> None:
    assert run(ours, PROGRAMS[name]) == run(plain, PROGRAMS[name])


@pytest.mark.parametrize(
    "text",
    [
        "SELECT (SELECT count(*) FROM sessions), wait(), (SELECT count(*) FROM sessions)",
        (
            "SELECT count(*), 0, 0 FROM sessions UNION ALL SELECT wait(), 0, 0"
            " UNION ALL SELECT count(*), 0, 0 FROM sessions"
        ),
    ],
)
def test_a_statement_reads_one_state(ours: Side, text: str) -> None:
    one, two = ours

    def wait() -> int:
        two.execute("INSERT INTO sessions(session_id) VALUES ('between')")
        return 0

    one.create_scalar_function("wait", wait, 0)
    rows = one.execute(text).fetchall()
    counts = rows[0] if len(rows) == 1 else [rows[0][0], 0, rows[2][0]]
    assert counts[0] == counts[2] == 2
    assert one.execute("SELECT count(*) FROM sessions").get == 3


def test_rows_that_are_still_read_do_not_stand_in_the_way_of_a_write(ours: Side) -> None:
    one, two = ours
    rows = one.execute("SELECT session_id FROM sessions")
    assert next(rows) == ("s",)
    two.execute(write(1))
    one.execute(write(2))
    assert list(rows) == [("t",)]
    assert said(two, READ) == [("2",)]


def test_the_error_says_why_and_what_to_do(ours: Side) -> None:
    one, two = ours
    one.execute("BEGIN")
    one.execute(READ).fetchall()
    two.execute(write(1))
    with pytest.raises(BusyError, match=r"since this transaction read it\. Nothing was written"):
        one.execute(write(2))


def test_begin_immediate_is_for_every_store_that_may_be_written(
    tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr("sessions_vtab.backends.local.store._BUSY_SECONDS", 0.0)
    sources = {name: f"local://{tmp_path / name}.db" for name in ("a", "b")}
    sources["seen"] = {"backend": "local", "location": sources["a"][8:], "read_only": True}
    one = sessions_vtab.connect(sources=sources, default="a")
    two = sessions_vtab.connect(sources={name: sources[name] for name in ("a", "b")}, default="a")
    two.execute("INSERT INTO a.sessions(session_id) VALUES ('x')")
    for lock, free in ((one, two), (two, one)):
        lock.execute("BEGIN IMMEDIATE")
        for name in ("a", "b"):
            with pytest.raises(BusyError):
                free.execute(f"INSERT INTO {name}.sessions(session_id) VALUES ('y')")
        with pytest.raises(BusyError):
            free.execute("BEGIN IMMEDIATE")
        assert not free.in_transaction
        lock.execute("COMMIT")
    one.close()
    two.close()


@pytest.mark.parametrize("options", [{"read_only": True}, {"dry_run": True}])
def test_a_connection_that_writes_nothing_can_begin(tmp_path: Path, options) -> None:
    path = tmp_path / "store.db"
    sessions_vtab.connect(f"local://{path}").execute(SETUP)
    con = sessions_vtab.connect(f"local://{path}", **options)
    con.execute("BEGIN IMMEDIATE")
    assert said(con, READ) == [("0",)]
    con.execute("COMMIT")
    con.close()


def test_it_holds_on_a_connection_of_the_user_too(tmp_path: Path) -> None:
    url = f"local://{tmp_path / 'store.db'}"
    theirs, other = apsw.Connection(":memory:"), sessions_vtab.connect(url)
    other.execute(SETUP)
    sources = sessions_vtab.register(theirs, url)
    theirs.execute("BEGIN")
    assert said(theirs, READ) == [("0",)]
    other.execute(write(1))
    assert said(theirs, READ) == [("0",)]
    assert said(theirs, write(2)) == BUSY
    theirs.execute("ROLLBACK")
    assert said(theirs, READ) == [("1",)]
    theirs.close()
    other.close()
    for source in sources.values():
        source.backend.close()


def use_read(con: apsw.Connection) -> None:
    con.execute(READ).fetchall()


def use_write(con: apsw.Connection) -> None:
    con.execute(write(1))


def use_function(con: apsw.Connection) -> None:
    con.execute("SELECT * FROM append_event('s', 'user', 'x')").fetchall()


@pytest.mark.parametrize("use", [use_read, use_write, use_function])
def test_a_store_whose_file_is_gone_answers_with_an_error(
    ours: Side, tmp_path: Path, use: Callable[[apsw.Connection], None]
) -> None:
    use_read(ours[0])
    (tmp_path / "store.db").rename(tmp_path / "away.db")
    with pytest.raises(StoreError, match="deleted or replaced while it was open"):
        use(ours[0])
    with suppress(apsw.Error):
        ours[0].execute("ROLLBACK")
    (tmp_path / "away.db").rename(tmp_path / "store.db")
    use(ours[0])

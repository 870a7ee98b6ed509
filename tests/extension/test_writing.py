"""Transactions of a host: what is sent, when, and what becomes of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sessions_vtab.emulator.serve import Running
from tests.extension.conftest import Host

INSERT = "INSERT INTO prod.sessions(session_id, user_id) VALUES ('{}', 'zed')"
LOCAL = "INSERT INTO local.sessions(session_id, user_id) VALUES ('{}', 'zed')"
APPEND = "INSERT INTO prod.events(session_id, author, content) VALUES ('{}', 'user', 'hi')"


def _sent(emulator: Running) -> int:
    return sum(one["method"] != "GET" for one in emulator.control.requests())


def _ids(db: Any, schema: str) -> set[str]:
    rows = db.execute(f"SELECT session_id FROM {schema}.sessions WHERE user_id = 'zed'").fetchall()
    return {one for (one,) in rows}


@pytest.fixture(scope="module")
def host(outermost_host: Host) -> Host:
    return outermost_host


@pytest.fixture(autouse=True)
def _none_of_before(both: SimpleNamespace, host: Host) -> Iterator[None]:
    yield
    connection = host.connect()
    connection.execute("DELETE FROM local.sessions WHERE user_id = 'zed'")
    connection.execute("DELETE FROM local.sessions WHERE user_id = 'zed' AND deleted = 1")
    connection.close()


@pytest.mark.parametrize(
    ("statements", "sent", "remote", "local"),
    [
        pytest.param([INSERT.format("a")], [1], {"a"}, set(), id="by itself"),
        pytest.param(
            ["BEGIN", INSERT.format("a"), INSERT.format("b"), "COMMIT"],
            [0, 0, 0, 2],
            {"a", "b"},
            set(),
            id="at COMMIT",
        ),
        pytest.param(
            ["BEGIN", INSERT.format("a"), APPEND.format("a"), "COMMIT"],
            [0, 0, 0, 2],
            {"a"},
            set(),
            id="two tables of a source",
        ),
        pytest.param(
            ["BEGIN", INSERT.format("a"), LOCAL.format("b"), "ROLLBACK"],
            [0, 0, 0, 0],
            set(),
            set(),
            id="ROLLBACK",
        ),
        pytest.param(
            ["BEGIN", LOCAL.format("b"), INSERT.format("a"), "COMMIT"],
            [0, 0, 0, 1],
            {"a"},
            {"b"},
            id="two sources",
        ),
        pytest.param(
            [
                "BEGIN",
                "INSERT INTO temp.sessions(session_id, user_id) VALUES ('b', 'zed')",
                "INSERT INTO temp.prod_sessions(session_id, user_id) VALUES ('a', 'zed')",
                "COMMIT",
            ],
            [0, 0, 0, 1],
            {"a"},
            {"b"},
            id="two sources by their names in temp",
        ),
        pytest.param(
            [
                *("BEGIN", INSERT.format("a"), "SAVEPOINT s", INSERT.format("b")),
                *(LOCAL.format("c"), "ROLLBACK TO s", LOCAL.format("d"), "RELEASE s", "COMMIT"),
            ],
            [0] * 8 + [1],
            {"a"},
            {"d"},
            id="a savepoint",
        ),
        pytest.param(
            ["SAVEPOINT s", INSERT.format("a"), LOCAL.format("b"), "RELEASE s"],
            [0, 0, 0, 1],
            {"a"},
            {"b"},
            id="a savepoint alone",
        ),
        pytest.param(
            ["BEGIN", f"INSERT OR IGNORE {INSERT.format('a')[6:]}", "COMMIT"],
            [0, 0, 1],
            {"a"},
            set(),
            id="OR IGNORE",
        ),
    ],
)
def test_rows_are_sent_when_the_transaction_ends(
    db: Any,
    both: SimpleNamespace,
    statements: list[str],
    sent: list[int],
    remote: set[str],
    local: set[str],
) -> None:
    counts = []
    for statement in statements:
        db.execute(statement)
        counts.append(_sent(both.emulator))

    assert counts == sent
    assert (_ids(db, "prod"), _ids(db, "local")) == (remote, local)


BAD = "SELECT 'b', 'zed', '{}' UNION ALL SELECT 'c', 'zed', '{bad'"


@pytest.mark.parametrize("schema", ["local", "prod"])
def test_a_row_that_fails_takes_its_statement_with_it_and_no_other(
    db: Any, both: SimpleNamespace, host: Host, schema: str
) -> None:
    db.execute("BEGIN")
    db.execute(f"INSERT INTO {schema}.sessions(session_id, user_id) VALUES ('a', 'zed')")
    with pytest.raises(host.error, match="labels"):
        db.execute(f"INSERT INTO {schema}.sessions(session_id, user_id, labels) {BAD}")
    db.execute("COMMIT")

    assert _ids(db, schema) == {"a"}
    assert _sent(both.emulator) == (1 if schema == "prod" else 0)


def test_a_commit_that_fails_undoes_the_hosts_own_rows(
    db: Any, both: SimpleNamespace, host: Host
) -> None:
    db.execute("CREATE TABLE own(a)")
    db.execute(INSERT.format("a"))
    db.execute("BEGIN")
    db.execute("INSERT INTO own VALUES (1)")
    db.execute(LOCAL.format("l"))
    db.execute(INSERT.format("b"))
    db.execute(INSERT.format("a"))

    with pytest.raises(host.error, match="already exists"):
        db.execute("COMMIT")

    assert not db.in_transaction
    assert db.execute("SELECT count(*) FROM own").fetchall() == [(0,)]
    assert _ids(db, "local") == set()
    outcomes = db.execute("SELECT outcome FROM writes ORDER BY number").fetchall()[-2:]
    # They are sent side by side.
    assert {one for (one,) in outcomes} == {"sent although rolled back", "failed"}


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        (INSERT.format("a") + " RETURNING session_id", "RETURNING is not supported here"),
        ("INSERT OR REPLACE" + INSERT.format("a")[6:], "REPLACE"),
        ("SELECT * FROM prod.append_event()", "append_event requires"),
        ("SELECT * FROM append_event('nosuch', 'user', 'x')", "nosuch"),
        ("SELECT * FROM nosuch.append_event('b', 'user', 'x')", "append_event"),
        ("SELECT * FROM compact_session('b')", "compact_session"),
        ("DROP TABLE nosuch", "no such table"),
    ],
)
def test_what_cannot_be_done_says_why_and_sends_nothing(
    db: Any, both: SimpleNamespace, host: Host, statement: str, message: str
) -> None:
    db.execute(INSERT.format("b"))
    before = _sent(both.emulator)

    with pytest.raises(host.error, match=message):
        db.execute(statement).fetchall()

    assert _sent(both.emulator) == before


def test_reading_what_waits_for_commit_is_refused_and_local_sees_its_own(
    db: Any, host: Host
) -> None:
    db.execute("BEGIN")
    db.execute(LOCAL.format("a"))
    db.execute(INSERT.format("a"))

    assert _ids(db, "local") == {"a"}
    with pytest.raises(host.error, match="COMMIT first"):
        _ids(db, "prod")

    db.execute("ROLLBACK")


def test_a_table_with_rows_that_wait_cannot_be_dropped(
    db: Any, host: Host, both: SimpleNamespace
) -> None:
    db.execute("BEGIN")
    db.execute("INSERT INTO temp.prod_sessions(session_id, user_id) VALUES ('a', 'zed')")

    with pytest.raises(host.error, match="locked"):
        db.execute("DROP TABLE temp.prod_sessions")

    db.execute("COMMIT")
    assert _sent(both.emulator) == 1
    db.execute("DROP TABLE temp.prod_sessions")


def test_executemany_is_one_transaction(db: Any, both: SimpleNamespace) -> None:
    db.execute(INSERT.format("a"))
    db.execute("BEGIN")
    db.executemany(
        "INSERT INTO prod.events(session_id, author, content) VALUES ('a', 'user', ?)",
        [(str(k),) for k in range(20)],
    )
    before = _sent(both.emulator)
    db.execute("COMMIT")

    assert (before, _sent(both.emulator)) == (1, 21)


def test_update_sends_what_changes_and_nothing_else(db: Any, both: SimpleNamespace) -> None:
    db.execute(INSERT.format("a"))
    update = "UPDATE prod.sessions SET display_name = 'New' WHERE session_id = 'a'"

    counts = []
    for _ in range(2):
        db.execute(update)
        counts.append(_sent(both.emulator))

    assert counts == [2, 2]
    shown = db.execute("SELECT display_name FROM prod.sessions WHERE session_id = 'a'").fetchall()
    assert shown == [("New",)]
    db.execute("DELETE FROM prod.sessions WHERE session_id = 'a'")
    assert _ids(db, "prod") == set()


@pytest.mark.parametrize("call", ["prod.append_event", "local.append_event", "append_event"])
def test_a_function_acts_in_the_source_that_is_written(
    db: Any, both: SimpleNamespace, call: str
) -> None:
    db.execute(INSERT.format("s"))
    db.execute(LOCAL.format("s"))

    db.execute(f"SELECT event_id FROM {call}('s', 'user', 'hi')").fetchall()

    counts = [
        db.execute(f"SELECT count(*) FROM {one}.events WHERE session_id = 's'").fetchall()[0][0]
        for one in ("prod", "local")
    ]
    assert counts == ([1, 0] if call.startswith("prod") else [0, 1])


def test_a_function_that_acts_within_begin_is_undone_with_it(db: Any) -> None:
    db.execute(LOCAL.format("s"))
    db.execute("BEGIN")
    db.execute("SELECT event_id FROM append_event('s', 'user', 'hi')").fetchall()
    db.execute("ROLLBACK")

    assert db.execute("SELECT count(*) FROM events WHERE session_id = 's'").fetchall() == [(0,)]


@pytest.mark.parametrize("how", ["mode=ro", "query_only"])
def test_a_connection_that_may_only_read_sends_nothing(
    both: SimpleNamespace, host: Host, tmp_path: Path, how: str
) -> None:
    file = tmp_path / "own.db"
    db = host.connect(str(file))
    db.execute("CREATE VIRTUAL TABLE main.live USING sessions_vtab(prod, sessions)")
    db.close()
    both.emulator.control.reset_log()
    db = host.connect(f"file:{file}?mode=ro" if how == "mode=ro" else str(file))
    if how == "query_only":
        db.execute("PRAGMA query_only = 1")

    for statement in (
        LOCAL.format("a"),
        INSERT.format("a"),
        "INSERT INTO main.live(session_id, user_id) VALUES ('a', 'zed')",
        "SELECT * FROM local.append_event('s', 'user', 'x')",
        "SELECT * FROM prod.append_event('s', 'user', 'x')",
    ):
        with pytest.raises(host.error, match=r"read-only|readonly|query_only"):
            db.execute(statement).fetchall()

    assert db.execute("SELECT count(*) > 1 FROM main.live").fetchall() == [(1,)]
    assert _sent(both.emulator) == 0
    db.close()


def test_a_query_only_connection_gets_the_tables(library: Path, both: SimpleNamespace) -> None:
    """As those that Datasette makes in memory."""
    import apsw  # noqa: PLC0415

    db = apsw.Connection(":memory:")
    db.execute("PRAGMA query_only = 1")
    db.enable_load_extension(True)

    db.load_extension(str(library))

    assert db.execute("PRAGMA query_only").get == 1
    assert db.execute("SELECT count(*) > 1 FROM prod.sessions").get == 1
    db.close()


def test_the_implicit_transaction_of_pysqlite(both: SimpleNamespace, library: Path) -> None:
    dbapi = pytest.importorskip("pysqlite3.dbapi2", reason="pysqlite3-binary is not installed")
    db = dbapi.connect(":memory:")
    db.enable_load_extension(True)
    db.load_extension(str(library))
    before = _sent(both.emulator)

    db.execute(INSERT.format("implicit"))
    waiting = _sent(both.emulator) - before
    db.commit()
    sent = _sent(both.emulator) - before
    with suppress(ZeroDivisionError), db:
        db.execute(INSERT.format("other"))
        raise ZeroDivisionError

    assert (waiting, sent, _sent(both.emulator) - before) == (0, 1, 1)
    db.close()

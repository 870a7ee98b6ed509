"""What was probably meant is in the exception's text, whatever the interface."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest

import sessions_vtab
from sessions_vtab import dbapi
from sessions_vtab.hints import line_at, names_of, problem

LINES = [
    "no such column: usr_id",
    "  SELECT usr_id FROM events",
    "         ^",
]
WRONG = "SELECT usr_id FROM events"


def _connect(sql: str) -> None:
    with sessions_vtab.connect("local://:memory:") as db:
        db.execute(sql)


def _later_statement(sql: str) -> None:
    with sessions_vtab.connect("local://:memory:") as db:
        db.execute(f"SELECT 1;\n{sql}").fetchall()


def _each_row(sql: str) -> None:
    with sessions_vtab.connect("local://:memory:") as db:
        list(db.execute(f"SELECT 1;\n{sql}"))


def _many(sql: str) -> None:
    with sessions_vtab.connect("local://:memory:") as db:
        db.executemany(sql, [()])


def _dbapi(sql: str) -> None:
    with dbapi.connect("local://:memory:") as db:
        db.execute(sql)


def _guarded(sql: str) -> None:
    with dbapi.connect("local://:memory:", guarded=True, read_only=True) as db:
        db.execute(sql)


def _sqlalchemy(sql: str) -> None:
    sa = pytest.importorskip("sqlalchemy")
    engine = sa.create_engine("sessions+local:///:memory:")
    with engine.connect() as db:
        db.execute(sa.text(sql))


def _registered(sql: str) -> None:
    _on_own(lambda own: own.execute(sql))


def _registered_cursor(sql: str) -> None:
    _on_own(lambda own: own.cursor().executemany(sql, [()]))


def _on_own(run: Callable[[apsw.Connection], object]) -> None:
    """On a connection of the user's own."""
    with closing(apsw.Connection(":memory:")) as own:
        opened = sessions_vtab.register(own, "local://:memory:")
        try:
            run(own)
        finally:
            for one in opened.values():
                one.backend.close()


INTERFACES = [
    *(_connect, _later_statement, _each_row, _many, _registered, _registered_cursor),
    *(_dbapi, _guarded, _sqlalchemy),
]


@pytest.mark.parametrize("run", INTERFACES)
def test_every_interface_says_where_and_what_there_is(run: Callable[[str], None]) -> None:
    with pytest.raises(Exception, match="no such column") as caught:
        run(WRONG)

    text = str(caught.value)
    assert "\n".join(LINES) in text
    assert "All columns of events: name, session_name, session_id" in text
    assert "_push" not in text


@pytest.mark.parametrize("run", INTERFACES)
def test_every_interface_lists_each_table_once(run: Callable[[str], None]) -> None:
    with pytest.raises(Exception, match="no such table") as caught:
        run("SELECT 1 FROM sesions")

    listed = str(caught.value).partition("All tables: ")[2].splitlines()[0].split(", ")
    assert sorted(set(listed)) == sorted(listed)
    assert {"sessions", "turns"} <= set(listed)


@pytest.mark.parametrize(
    ("sql", "place", "shown"),
    [
        (
            "select a from sessions where user_id = ann",
            39,
            "select a from sessions where user_id = ann",
        ),
        ("SELECT 1,\n\tb FROM t\nWHERE x", 11, "b FROM t"),
        ("SELECT " + "a, " * 30 + "here", 97, "…" + ("SELECT " + "a, " * 30)[-39:] + "here"),
        ("here" + ", b" * 40, 0, ("here" + ", b" * 40)[:39] + "…"),
    ],
)
def test_a_line_is_shown_whole_unless_it_is_long_and_then_its_cuts_are_marked(
    sql: str, place: int, shown: str
) -> None:
    before, after = line_at(sql, place)

    assert before + after == shown
    assert after[:1] == sql[place]


@pytest.fixture
def db() -> Iterator[sessions_vtab.Connection]:
    with sessions_vtab.connect("local://:memory:") as connection:
        yield connection
    connection.close()


@pytest.mark.parametrize(
    ("sql", "message", "hint"),
    [
        ("SELECT sesion_id FROM sessions", "no such column: sesion_id", "Did you mean session_id?"),
        (
            "SELECT 1 FROM sessions WHERE user_id = ann",
            "no such column: ann",
            "Text must be in single quotes: 'ann'.",
        ),
        (
            "SELECT 1 FROM sessions WHERE user_id IN ('bob', ann)",
            "no such column: ann",
            "Text must be in single quotes: 'ann'.",
        ),
        # As near to a column as to a value: both.
        (
            "SELECT 1 FROM sessions WHERE display_name = user",
            "no such column: user",
            "Did you mean user_id? Text must be in single quotes: 'user'.",
        ),
        ("SELECT max(usr_id) FROM sessions", "no such column: usr_id", "Did you mean user_id?"),
        ("DELETE FROM sesions", "no such table: sesions", "Did you mean sessions?"),
        ("SELECT * FROM prd.sessions", "no such table: prd.sessions", "Sources: local."),
        (
            "INSERT INTO sessions(usr_id) VALUES (1)",
            "table sessions has no column named usr_id",
            "Did you mean user_id?",
        ),
        ("UPDATE sessions SET usr_id = 1", "no such column: usr_id", "Did you mean user_id?"),
        ("SELCT 1", 'near "SELCT": syntax error', "Did you mean SELECT?"),
        ("SELECT lenght( name) FROM sessions", "no such function: lenght", "Did you mean length?"),
        (
            "SELECT session_id FROM sessions AS s, events AS e",
            "ambiguous column name: session_id",
            "Write s.session_id or e.session_id.",
        ),
        # A statement with splices: the place is that of the text as it was written.
        (
            "SELECT usr_id FROM sessions WHERE labels->>'env' = 'prod' AND NOT user_id = ?",
            "no such column: usr_id",
            "Did you mean user_id?",
        ),
    ],
)
def test_sqlites_own_words_come_first_then_the_place_then_the_hint(
    db: sessions_vtab.Connection, sql: str, message: str, hint: str
) -> None:
    with pytest.raises(apsw.SQLError) as caught:
        db.execute(sql, (1,) * sql.count("?"))

    first, line, mark, *rest = str(caught.value).splitlines()
    assert first == message
    assert hint in rest
    wrong = line[mark.index("^") :]
    assert message.replace('": syntax error', "").endswith(wrong.split()[0].strip(',()"'))


@pytest.mark.parametrize(
    ("sql", "what", "hint"),
    [
        ("SELECT * FROM sessions WHERE", "ends too early after 'WHERE'", "closing bracket"),
        ("SELECT * FROM sessions WHERE;", "ends too early after 'WHERE'", "closing bracket"),
        ("EXPLAIN SELECT * FROM sessions WHERE", "ends too early after 'WHERE'", "closing bracket"),
        ("INSERT INTO sessions(user_id) VALUES (1", "ends too early after '(1'", "missing?"),
        ("SELECT 'abc FROM sessions", "What begins with ' here has no closing '.", "twice: ''."),
        ('SELECT "abc', 'What begins with " here has no closing ".', 'twice: "".'),
        ("SELECT [a", "What begins with [ here has no closing ].", ""),
        ("SELECT 1 \\ 2", "is not part of SQL", ""),
        (f"SELECT 1 IN ({'1,' * 9_000}2", f"after '..{',1' * 19},2'", "closing bracket"),
        (f"SELECT 1{'a' * 9_000}", f"'1{'a' * 58} is not part of SQL", ""),
    ],
)
def test_a_statement_that_is_not_whole_says_what_is_missing(
    db: sessions_vtab.Connection, sql: str, what: str, hint: str
) -> None:
    with pytest.raises(apsw.SQLError) as caught:
        db.execute(sql)
    found = problem(str(caught.value).splitlines()[0], sql, names_of(db, db))

    assert what in found.what
    assert hint in found.hint


def test_other_errors_of_sqlite_are_left_as_they_are(db: sessions_vtab.Connection) -> None:
    with pytest.raises(apsw.SQLError) as caught:
        db.execute("SELECT count(count(*)) FROM sessions")

    assert str(caught.value) == "misuse of aggregate function count()"


def test_own_tables_are_known(db: sessions_vtab.Connection) -> None:
    db.execute("CREATE TEMP TABLE notes(body)")

    with pytest.raises(apsw.SQLError, match="All columns of notes: body"):
        db.execute("SELECT bdy FROM notes")


def test_a_hint_sends_nothing_and_counts_as_no_statement() -> None:
    with sessions_vtab.connect("vertex://p/us-central1/1?base_url=http://127.0.0.1:1") as db:
        db.execute("SELECT 1").fetchall()
        before = db.tally().statements
        with pytest.raises(apsw.SQLError, match="Did you mean"):
            db.execute("SELECT usr_id FROM sessions")

        assert db.tally().statements == before
        assert db.execute("SELECT count(*) FROM http_requests").get == 0


def test_the_message_itself_is_kept(db: sessions_vtab.Connection) -> None:
    with pytest.raises(apsw.SQLError) as caught:
        db.execute(WRONG)

    error: Any = caught.value
    assert error.sqlite_message == LINES[0]


# Connections of the user's own


@pytest.fixture
def own(tmp_path: Path) -> Iterator[apsw.Connection]:
    with closing(apsw.Connection(str(tmp_path / "own.db"))) as connection:
        connection.execute("CREATE TABLE events(mine); CREATE TABLE notes(body)")
        opened = sessions_vtab.register(connection, "local://:memory:")
        yield connection
        for one in opened.values():
            one.backend.close()


@pytest.mark.parametrize(
    ("sql", "listed"),
    [
        ("SELECT mnie FROM events", "All columns of events: mine"),
        ("SELECT bdy FROM notes", "All columns of notes: body"),
        ("SELECT usr_id FROM local.events", "All columns of local.events: name, session_name"),
        ("SELECT usr_id FROM sessions", "All columns of sessions: name, session_id"),
    ],
)
def test_the_users_own_tables_come_first(own: apsw.Connection, sql: str, listed: str) -> None:
    with pytest.raises(apsw.SQLError, match="no such column") as caught:
        own.execute(sql)

    assert listed in str(caught.value)


@pytest.mark.parametrize("table", ["writes", "http_requests", "sessions"])
def test_columns_that_nobody_writes_are_not_listed(own: apsw.Connection, table: str) -> None:
    with pytest.raises(apsw.SQLError, match=f"All columns of {table}: ") as caught:
        own.execute(f"SELECT zzz FROM {table}")

    assert "_push" not in str(caught.value)
    assert "_args" not in str(caught.value)


def test_a_registered_connection_works_as_before(own: apsw.Connection) -> None:
    own.execute("INSERT INTO notes VALUES (?)", ("a",))
    own.executemany("INSERT INTO notes VALUES (?)", [("b",), ("c",)])

    assert own.execute("SELECT body FROM notes").fetchall() == [("a",), ("b",), ("c",)]
    assert own.execute("SELECT :x", {"x": 1}, can_cache=False).get == 1
    assert isinstance(own.cursor(), apsw.Cursor)
    with pytest.raises(apsw.ConstraintError, match=r"^UNIQUE constraint failed: t\.a$"):
        own.execute("CREATE TABLE t(a UNIQUE); INSERT INTO t VALUES (1), (1)")


def test_a_users_own_cursors_stay() -> None:
    class Mine(apsw.Cursor):
        pass

    with closing(apsw.Connection(":memory:")) as connection:
        connection.cursor_factory = Mine
        opened = sessions_vtab.register(connection, "local://:memory:")

        assert type(connection.cursor()) is Mine
        opened["local"].backend.close()

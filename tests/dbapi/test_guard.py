from __future__ import annotations

import pytest

from sessions_vtab import dbapi


@pytest.fixture
def guarded(open_) -> dbapi.Connection:
    return open_(guarded=True)


@pytest.mark.parametrize(
    "statement",
    [
        "ATTACH ':memory:' AS other",
        "ATTACH '/etc/passwd' AS other",
        "DETACH local",
        "CREATE VIRTUAL TABLE t USING fts5(a)",
        "CREATE VIRTUAL TABLE sessions2 USING sessions_vtab(local)",
        "DROP TABLE sessions",
        "ALTER TABLE sessions RENAME TO mine",
        "ALTER TABLE local.sessions RENAME TO mine",
        "VACUUM",
        "VACUUM INTO '/tmp/copy.db'",
        "SELECT load_extension('/tmp/x.so')",
        "PRAGMA writable_schema = 1",
        "PRAGMA main.user_version = 7",
        "PRAGMA journal_mode = OFF",
        "PRAGMA optimize",
        "SELECT * FROM pragma_user_version(7)",
    ],
)
def test_what_reaches_beyond_the_sources_is_refused(guarded, statement: str) -> None:
    with pytest.raises(dbapi.DatabaseError) as caught:
        guarded.execute(statement).fetchall()

    assert isinstance(caught.value, dbapi.NotSupportedError | dbapi.ProgrammingError)
    schemas = {name for _, name, _ in guarded.execute("PRAGMA database_list")}
    assert schemas <= {"main", "temp", "local"}


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM sessions WHERE labels->>'k' = 'v'",
        "SELECT s.name FROM sessions s JOIN events e USING (session_id)",
        "INSERT INTO sessions(user_id) VALUES ('ann') RETURNING session_id",
        "SELECT * FROM http_requests",
        "SELECT session_id FROM (SELECT session_id FROM sessions ORDER BY 1 LIMIT 3) WHERE 1",
        "CREATE TEMP VIEW recent AS SELECT * FROM sessions",
        "CREATE TEMP TABLE mine AS SELECT * FROM sessions",
        "PRAGMA table_info(sessions)",
        "PRAGMA main.table_xinfo('sessions')",
        "PRAGMA database_list",
        "PRAGMA user_version",
        "SELECT * FROM pragma_table_list",
        "EXPLAIN QUERY PLAN SELECT * FROM sessions",
        "SAVEPOINT a",
        "PRAGMA foreign_key_list(sessions)",
        "PRAGMA main.index_list('sessions')",
        "SELECT event_name FROM append_event('a', 'user', 'hello')",
        "UPDATE sessions SET display_name = 'x' RETURNING name",
        "DELETE FROM sessions WHERE labels->>'k' = 'v'",
    ],
)
def test_ordinary_work_is_allowed(guarded, statement: str) -> None:
    guarded.execute("INSERT INTO sessions(session_id, user_id) VALUES ('a', 'ann')")

    cursor = guarded.execute(statement)
    if cursor.description:
        cursor.fetchall()


def test_temp_tables_are_the_users_own(guarded) -> None:
    guarded.execute("CREATE TEMP TABLE mine(a)")
    guarded.execute("ALTER TABLE mine RENAME TO ours")
    guarded.execute("DROP TABLE ours")


@pytest.mark.parametrize("options", [{}, {"guarded": True}, {"pooled": True}])
def test_own_tables_are_refused_on_guarded_connections_of_a_pool_only(open_, options) -> None:
    db = open_(**options)
    db.execute("CREATE TABLE mine(a)")
    db.execute("INSERT INTO mine VALUES (1)")
    assert db.execute("SELECT a FROM mine").fetchall() == [(1,)]
    with pytest.raises(dbapi.NotSupportedError, match="CREATE TABLE mine is not possible here"):
        open_(guarded=True, pooled=True).execute("CREATE TABLE mine(a)")


def test_unguarded_a_person_may_do_as_they_like(open_) -> None:
    open_().execute("ATTACH ':memory:' AS other")


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("ATTACH '/etc/passwd' AS other", "ATTACH"),
        ("VACUUM", "VACUUM"),
        ("ALTER TABLE sessions RENAME TO mine", "ALTER TABLE"),
        ("PRAGMA journal_mode = OFF", "PRAGMA journal_mode with a value"),
    ],
)
def test_the_error_says_what_is_not_allowed(guarded, statement: str, what: str) -> None:
    with pytest.raises(dbapi.NotSupportedError, match=f"{what}.* not allowed .* guarded"):
        guarded.execute(statement)

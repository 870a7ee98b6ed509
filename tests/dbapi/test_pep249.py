"""PEP 249 (https://peps.python.org/pep-0249/), requirement by requirement."""

from __future__ import annotations

import datetime as dt
import gc
import pickle
import weakref
from typing import Any
from uuid import UUID

import pytest

from sessions_vtab import dbapi

INSERT = "INSERT INTO sessions(session_id, user_id) VALUES (?, ?)"


class TestModule:
    @pytest.mark.parametrize(
        ("name", "value"), [("apilevel", "2.0"), ("threadsafety", 1), ("paramstyle", "qmark")]
    )
    def test_globals(self, name: str, value: object) -> None:
        assert getattr(dbapi, name) == value

    @pytest.mark.parametrize(
        ("child", "parent"),
        [
            ("Warning", Exception),
            ("Error", Exception),
            ("InterfaceError", dbapi.Error),
            ("DatabaseError", dbapi.Error),
            ("DataError", dbapi.DatabaseError),
            ("OperationalError", dbapi.DatabaseError),
            ("IntegrityError", dbapi.DatabaseError),
            ("InternalError", dbapi.DatabaseError),
            ("ProgrammingError", dbapi.DatabaseError),
            ("NotSupportedError", dbapi.DatabaseError),
        ],
    )
    def test_the_tree_of_exceptions_is_also_on_the_connection(
        self, child: str, parent: type[Exception]
    ) -> None:
        assert getattr(dbapi, child).__bases__ == (parent,)
        assert getattr(dbapi.Connection, child) is getattr(dbapi, child)

    def test_constructors(self) -> None:
        assert dbapi.Date(2026, 1, 2) == dt.date(2026, 1, 2)
        assert dbapi.Time(9, 30, 1) == dt.time(9, 30, 1)
        assert dbapi.Timestamp(2026, 1, 2, 9, 30, 1) == dt.datetime(2026, 1, 2, 9, 30, 1)  # noqa: DTZ001
        assert dbapi.Binary(b"\x00\xff") == b"\x00\xff"
        assert dbapi.DateFromTicks(86_400 * 10).year == 1970
        assert dbapi.TimeFromTicks(30).second == 30
        assert dbapi.TimestampFromTicks(0) == dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

    @pytest.mark.parametrize(
        ("kind", "codes"),
        [
            (dbapi.STRING, {"text", "json"}),
            (dbapi.BINARY, {"blob"}),
            (dbapi.NUMBER, {"integer", "real", "boolean"}),
            (dbapi.DATETIME, {"time"}),
            (dbapi.ROWID, set()),
        ],
    )
    def test_type_objects_equal_the_codes_they_stand_for(
        self, kind: object, codes: set[str]
    ) -> None:
        every = ("text", "json", "blob", "integer", "real", "boolean", "time", None)
        assert {code for code in every if code == kind} == codes


class TestConnection:
    def test_close_makes_every_other_call_an_error(self, db: dbapi.Connection) -> None:
        cursor = db.cursor()
        db.close()
        db.close()

        for call in (db.cursor, db.commit, db.rollback, db.interrupt, db.__enter__):
            with pytest.raises(dbapi.ProgrammingError, match="closed"):
                call()
        with pytest.raises(dbapi.ProgrammingError, match="closed"):
            cursor.execute("SELECT 1")

    def test_close_without_commit_loses_what_was_not_committed(self, tmp_path, open_) -> None:
        url = f"local://{tmp_path}/store.db"
        first = open_(url)
        first.execute(INSERT, ["a", "ann"])
        first.close()

        assert open_(url).execute("SELECT count(*) FROM sessions").fetchone() == (0,)

    def test_commit_and_rollback_without_a_transaction_do_nothing(self, db) -> None:
        db.commit()
        db.rollback()
        assert not db.in_transaction

    def test_the_apsw_connection_is_an_attribute(self, db) -> None:
        assert db.driver_connection is db.apsw is db.driver

    def test_a_closed_connection_and_its_cursors_leave_nothing_open(self, db) -> None:
        cursor = db.execute("VALUES (1), (2)")
        db.close()

        for call in (cursor.fetchone, cursor.fetchall, cursor.arrow):
            with pytest.raises(dbapi.ProgrammingError, match="closed"):
                call()
        cursor.close()

    def test_an_abandoned_connection_closes_its_store(self, tmp_path) -> None:
        gc.freeze()  # What other tests hold is not looked through.
        db = dbapi.connect(f"local://{tmp_path}/store.db")
        with db:
            db.execute(INSERT, ["a", "ann"])
        assert (tmp_path / "store.db-wal").exists()

        del db
        gc.collect()

        # SQLite removes its log with the last connection.
        assert not (tmp_path / "store.db-wal").exists()

    def test_an_abandoned_cursor_is_closed_at_once(self, db) -> None:
        gc.disable()
        try:
            gone = weakref.ref(db.execute("VALUES (1), (2)"))
            assert gone() is None
        finally:
            gc.enable()

    def test_as_a_context_it_commits_and_after_an_error_rolls_back(self, db) -> None:
        with db:
            db.execute(INSERT, ["kept", "ann"])
        with pytest.raises(dbapi.IntegrityError), db:
            db.executemany(INSERT, [("lost", "ann"), ("kept", "ann")])

        assert db.execute("SELECT session_id FROM sessions").fetchall() == [("kept",)]


class TestCursor:
    def test_description_has_seven_fields_a_column_before_the_first_row(self, db) -> None:
        cursor = db.execute(
            "SELECT session_id, create_time AS made, labels, enabled, 1 + 1 FROM sessions WHERE 0"
        )

        assert [column[:2] for column in cursor.description] == [
            ("session_id", "text"),
            ("made", "time"),
            ("labels", "json"),
            ("enabled", "boolean"),
            ("1 + 1", None),
        ]
        assert {len(column) for column in cursor.description} == {7}

    def test_type_codes_are_also_words_for_tools_that_read_them(self, db) -> None:
        query = "SELECT name, create_time, labels, enabled FROM sessions"
        codes = [column[1] for column in db.execute(query).description]

        assert [str(code) for code in codes] == ["text", "timestamp text", "json text", "boolean"]
        assert [code == dbapi.DATETIME for code in codes] == [False, True, False, False]
        assert pickle.loads(pickle.dumps(codes)) == ["text", "time", "json", "boolean"]

    @pytest.mark.parametrize(
        ("declared", "kind"),
        [
            ("BIGINT", dbapi.NUMBER),
            ("VARCHAR(10)", dbapi.STRING),
            ("DOUBLE PRECISION", dbapi.NUMBER),
            ("BLOB", dbapi.BINARY),
            ("TIMESTAMP", dbapi.DATETIME),
            ("BOOLEAN", dbapi.NUMBER),
        ],
    )
    def test_columns_of_other_tables_go_by_their_declared_type(self, db, declared, kind) -> None:
        db.execute(f"CREATE TEMP TABLE t(a {declared})")

        assert db.execute("SELECT a FROM t").description[0][1] == kind

    def test_description_of_returning_knows_our_types(self, db) -> None:
        cursor = db.execute(INSERT + " RETURNING name, create_time", ["a", "ann"])

        assert [column[:2] for column in cursor.description] == [
            ("name", "text"),
            ("create_time", "time"),
        ]

    @pytest.mark.parametrize("statement", ["CREATE TEMP TABLE t(a)", "", "-- nothing"])
    def test_description_is_none_without_rows(self, db, statement: str) -> None:
        assert db.execute(statement).description is None

    @pytest.mark.parametrize(
        ("statement", "count"),
        [
            ("SELECT * FROM sessions", -1),
            ("UPDATE sessions SET display_name = 'x' WHERE session_id IN ('a', 'b')", 2),
            ("UPDATE sessions SET display_name = 'x' WHERE 0", 0),
            ("DELETE FROM sessions WHERE session_id = 'a'", 1),
            ("INSERT INTO sessions(user_id) VALUES ('x'), ('y'), ('z')", 3),
            ("EXPLAIN QUERY PLAN DELETE FROM sessions", -1),
            (
                "INSERT OR IGNORE INTO sessions(session_id, user_id) VALUES ('a', 'x'), ('n', 'x')",
                1,
            ),
            ("INSERT OR IGNORE INTO sessions(session_id, user_id) VALUES ('a', 'x')", 0),
            (
                "INSERT INTO sessions(session_id, user_id) VALUES ('b', 'x') ON CONFLICT DO NOTHING",
                0,
            ),
        ],
    )
    def test_rowcount(self, db, statement: str, count: int) -> None:
        db.executemany(INSERT, [("a", "ann"), ("b", "ann"), ("c", "bob")])

        assert db.execute(statement).rowcount == count

    def test_rowcount_of_executemany_is_that_of_all(self, db) -> None:
        assert db.executemany(INSERT, [(f"s{n}", "ann") for n in range(7)]).rowcount == 7

    def test_rowcount_of_executemany_is_without_the_rows_that_exist(self, db) -> None:
        db.execute(INSERT, ("s1", "ann"))
        ignoring = INSERT.replace("INSERT", "INSERT OR IGNORE")

        assert db.executemany(ignoring, [(f"s{n}", "ann") for n in range(3)]).rowcount == 2
        assert db.execute("UPDATE sessions SET display_name = 'x'").rowcount == 3

    def test_rows_are_fetched_one_by_one_in_parts_or_together(self, db) -> None:
        db.executemany(INSERT, [(f"s{n}", "ann") for n in range(7)])
        cursor = db.execute("SELECT session_id FROM sessions ORDER BY 1")

        assert cursor.fetchone() == ("s0",)
        assert cursor.fetchmany() == [("s1",)]
        assert cursor.fetchmany(2) == [("s2",), ("s3",)]
        cursor.arraysize = 2
        assert cursor.fetchmany() == [("s4",), ("s5",)]
        assert cursor.fetchall() == [("s6",)]
        assert (cursor.fetchone(), cursor.fetchmany(), cursor.fetchall()) == (None, [], [])

    def test_a_cursor_is_an_iterator(self, db) -> None:
        assert list(db.execute("VALUES (1), (2)")) == [(1,), (2,)]

    @pytest.mark.parametrize("fetch", ["fetchone", "fetchmany", "fetchall", "arrow"])
    @pytest.mark.parametrize("before", [None, "CREATE TEMP TABLE t(a)"])
    def test_fetching_without_a_result_is_an_error(self, db, fetch: str, before) -> None:
        cursor = db.cursor()
        if before:
            cursor.execute(before)

        with pytest.raises(dbapi.ProgrammingError, match="no rows to fetch"):
            getattr(cursor, fetch)()

    def test_a_closed_cursor_is_an_error(self, db) -> None:
        with db.execute("VALUES (1)") as cursor:
            pass

        with pytest.raises(dbapi.ProgrammingError, match="cursor is closed"):
            cursor.fetchone()

    def test_input_and_output_sizes_may_be_set(self, db) -> None:
        cursor = db.cursor()
        cursor.setinputsizes([1])
        cursor.setoutputsize(1, 2)

        assert cursor.execute("VALUES (1)").fetchall() == [(1,)]

    @pytest.mark.parametrize("call", [("callproc", "f"), ("nextset",)])
    def test_unsupported_methods_raise_not_supported_error(self, db, call: tuple[str, ...]) -> None:
        with pytest.raises(dbapi.NotSupportedError):
            getattr(db.cursor(), call[0])(*call[1:])

    def test_lastrowid_is_that_of_the_users_own_tables(self, db) -> None:
        cursor = db.execute(INSERT, ["a", "ann"])

        assert (cursor.lastrowid, cursor.connection) == (None, db)
        db.execute("CREATE TEMP TABLE own(id INTEGER PRIMARY KEY)")
        assert cursor.execute("INSERT INTO own VALUES (7)").lastrowid == 7
        assert cursor.execute("SELECT 1").lastrowid is None

    def test_one_statement_at_a_time(self, db) -> None:
        with pytest.raises(dbapi.ProgrammingError, match="one statement"):
            db.execute("SELECT 1; SELECT 2")


class TestParameters:
    @pytest.mark.parametrize(
        ("value", "stored"),
        [
            (None, None),
            (True, 1),
            (2**63 - 1, 2**63 - 1),
            (1.5, 1.5),
            ("it's \x00 😀", "it's \x00 😀"),
            (b"\x00", b"\x00"),
            (bytearray(b"a"), b"a"),
            (dt.date(2026, 1, 2), "2026-01-02"),
            (dt.time(9, 0), "09:00:00"),
            (dt.datetime(2026, 1, 2, 9), "2026-01-02 09:00:00.000000"),  # noqa: DTZ001
            (
                dt.datetime(2026, 1, 2, 9, tzinfo=dt.timezone(dt.timedelta(hours=2))),
                "2026-01-02 07:00:00.000000",
            ),
            (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ],
    )
    def test_a_value_is_bound_as(self, db, value: Any, stored: object) -> None:
        assert db.execute("SELECT ?", [value]).fetchone() == (stored,)
        assert db.execute("SELECT :v", {"v": value}).fetchone() == (stored,)

    def test_a_time_finds_the_instant_it_is(self, db) -> None:
        noon = dt.datetime(2026, 1, 2, 12, tzinfo=dt.UTC)
        columns = "INSERT INTO sessions(session_id, user_id, create_time) VALUES (?, ?, ?)"
        db.execute(columns, ["a", "ann", noon])

        other = noon.astimezone(dt.timezone(dt.timedelta(hours=-5)))
        found = db.execute("SELECT session_id FROM sessions WHERE create_time = ?", [other])
        assert found.fetchall() == [("a",)]

    @pytest.mark.parametrize(
        ("parameters", "kind"),
        [
            ([object()], dbapi.DataError),
            ([2**63], dbapi.DataError),
            ([__import__("decimal").Decimal("1.1")], dbapi.DataError),
            ([], dbapi.ProgrammingError),
            ([1, 2], dbapi.ProgrammingError),
            ("a", dbapi.ProgrammingError),
        ],
    )
    def test_what_cannot_be_bound_is_an_error(self, db, parameters, kind) -> None:
        with pytest.raises(kind):
            db.execute("SELECT ?", parameters)

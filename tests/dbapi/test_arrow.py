from __future__ import annotations

import datetime as dt
import sys

import pytest

from sessions_vtab import dbapi
from sessions_vtab.columnar import declared_type

INSERT = "INSERT INTO sessions(session_id, user_id, create_time, labels) VALUES (?, ?, ?, ?)"


def test_without_pyarrow_the_error_says_what_to_install(db, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(dbapi.InterfaceError, match=r"pip install .*arrow"):
        db.execute("SELECT 1").arrow()


class TestArrow:
    @pytest.fixture(autouse=True)
    def _arrow(self) -> None:
        self.pa = pytest.importorskip("pyarrow")

    @pytest.mark.parametrize(
        ("sql", "kind", "values"),
        [
            ("SELECT 1 UNION ALL SELECT NULL UNION ALL SELECT 2", "int64", [1, None, 2]),
            ("SELECT 1.5 UNION ALL SELECT 2", "double", [1.5, 2.0]),
            ("SELECT 'a' UNION ALL SELECT '😀'", "string", ["a", "😀"]),
            ("SELECT x'00ff'", "binary", [b"\x00\xff"]),
            ("SELECT NULL", "string", [None]),
            ("SELECT 1 WHERE 0", "string", []),
            ("SELECT 9223372036854775807", "int64", [2**63 - 1]),
        ],
    )
    def test_a_column_takes_the_type_of_its_values(self, db, sql, kind, values) -> None:
        table = db.execute(sql).arrow()

        assert str(table.schema.field(0).type) == kind
        assert table.column(0).to_pylist() == values

    @pytest.mark.parametrize(
        "sql",
        ["SELECT 1 UNION ALL SELECT 'a'", "SELECT 9007199254740993 UNION ALL SELECT 0.5"],
    )
    def test_values_of_several_types_are_an_error_that_names_the_column(self, db, sql) -> None:
        with pytest.raises(dbapi.DataError, match=r"column 1 .*CAST|column 9007.*CAST"):
            db.execute(sql).arrow()

    def test_times_become_timestamps_and_booleans_become_bool(self, db) -> None:
        db.execute(INSERT, ["a", "ann", "2026-01-01T10:00:00.5+02:00", '{"k":"v"}'])

        table = db.execute("SELECT create_time, enabled, labels FROM sessions").arrow()

        assert str(table.schema.field(0).type) == "timestamp[us, tz=UTC]"
        assert table.column(0).to_pylist() == [dt.datetime(2026, 1, 1, 8, 0, 0, 500_000, dt.UTC)]
        assert str(table.schema.field(1).type) == "bool"
        assert table.column(2).to_pylist() == ['{"k":"v"}']

    def test_nanoseconds_stay(self, db) -> None:
        db.execute(INSERT, ["a", "ann", "2026-01-01 10:00:00.123456789", None])

        table = db.execute("SELECT create_time FROM sessions").arrow()

        assert str(table.schema.field(0).type) == "timestamp[ns, tz=UTC]"
        assert table.column(0).cast(self.pa.int64()).to_pylist() == [1767261600123456789]

    @pytest.mark.parametrize(
        ("declared", "kind"),
        [
            ("INTEGER", "int64"),
            ("REAL", "double"),
            ("TEXT", "string"),
            ("BLOB", "binary"),
            ("BOOLEAN", "bool"),
            ("DATETIME", "timestamp[us, tz=UTC]"),
            ("JSON", "string"),
            ("", "string"),
        ],
    )
    def test_a_column_without_values_has_the_type_it_was_declared_with(
        self, db, declared: str, kind: str
    ) -> None:
        db.execute(f"CREATE TEMP TABLE t(a {declared})")

        for rows in ("", "INSERT INTO t VALUES (NULL)"):
            db.execute(rows)
            cursor = db.execute("SELECT a FROM t")
            assert str(cursor.fetch_arrow_table().schema.field(0).type) == kind
            reader = db.execute("SELECT a FROM t").fetch_record_batches()
            assert str(reader.schema.field(0).type) == kind
            assert reader.read_all().num_rows == bool(rows)

    @pytest.mark.parametrize(
        ("declared", "values", "kind"),
        [
            ("DATETIME", ["2026-01-01", "2026-01-01T02:00:00+02:00"], "timestamp[us, tz=UTC]"),
            ("DATETIME", ["2026-01-01", "yesterday"], "string"),
            ("DATETIME", ["9999-01-01 00:00:00", "2026-01-01 00:00:00.000000001"], "string"),
            ("DATETIME", [1, 2], "int64"),
            ("BOOLEAN", [0, 1], "bool"),
            ("BOOLEAN", [0, 2], "int64"),
        ],
    )
    def test_what_is_not_as_declared_keeps_its_values(self, db, declared, values, kind) -> None:
        db.execute(f"CREATE TEMP TABLE t(a {declared})")
        db.executemany("INSERT INTO t VALUES (?)", [(value,) for value in values])

        column = db.execute("SELECT a FROM t").arrow().column(0)

        assert str(column.type) == kind
        if kind in {"string", "int64"}:
            assert column.to_pylist() == values

    @pytest.mark.parametrize(
        ("first", "then", "kind"),
        [
            ("1", "0.5", "double"),
            ("0.5", "1", "double"),
            ("NULL", "1", "int64"),
            ("'a'", "NULL", "string"),
        ],
    )
    def test_a_later_batch_widens_the_type(self, db, first, then, kind: str) -> None:
        table = db.execute(self.late(first, then)).arrow()

        assert str(table.schema.field(0).type) == kind
        assert table.num_rows == 10_002

    @pytest.mark.parametrize(
        ("first", "then"), [("1", "'a'"), ("9007199254740993", "0.5"), ("x'00'", "'a'")]
    )
    def test_a_later_batch_of_another_type_is_an_error(self, db, first, then) -> None:
        with pytest.raises(dbapi.DataError, match=r"column v .*CAST"):
            db.execute(self.late(first, then)).arrow()

    @staticmethod
    def late(first: str, then: str) -> str:
        """One column ``v`` whose last value is of another kind."""
        count = "WITH RECURSIVE c(x) AS (VALUES (0) UNION ALL SELECT x + 1 FROM c LIMIT 10002)"
        return f"{count} SELECT CASE WHEN x > 10000 THEN {then} ELSE {first} END AS v FROM c"

    def test_batches_are_read_as_they_are_asked_for(self, db) -> None:
        endless = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c"
        reader = db.execute(endless).fetch_record_batches(1_000)

        assert [reader.read_next_batch().num_rows for _ in range(3)] == [1_000] * 3

    def test_batches_have_the_types_of_the_first(self, db) -> None:
        db.execute("CREATE TEMP TABLE t(a, b DATETIME, c BOOLEAN)")
        rows = [(1.5, "2026-01-01", 1), (2, None, 0), (None, "2026-01-01T01:00:00+01:00", None)]
        db.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)

        table = db.execute("SELECT * FROM t").fetch_record_batches(1).read_all()

        midnight = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
        assert table.to_pylist() == [
            {"a": 1.5, "b": midnight, "c": True},
            {"a": 2.0, "b": None, "c": False},
            {"a": None, "b": midnight, "c": None},
        ]

    @pytest.mark.parametrize(
        ("declared", "values"),
        [
            ("", [1, 0.5]),
            ("", [1, "a"]),
            ("BOOLEAN", [1, 2]),
            ("DATETIME", ["2026-01-01", "2026-01-01 00:00:00.000000001"]),
            ("DATETIME", ["2026-01-01", "yesterday"]),
        ],
    )
    def test_a_later_batch_that_does_not_fit_is_an_error(self, db, declared, values) -> None:
        db.execute(f"CREATE TEMP TABLE t(a {declared})")
        db.executemany("INSERT INTO t VALUES (?)", [(value,) for value in values])
        reader = db.execute("SELECT a FROM t").fetch_record_batches(1)

        with pytest.raises(dbapi.DataError, match="column a started with"):
            reader.read_all()

    def test_more_rows_than_a_batch_come_whole(self, db) -> None:
        numbers = "WITH RECURSIVE c(x) AS (VALUES (0) UNION ALL SELECT x + 1 FROM c LIMIT 25000)"

        table = db.execute(f"{numbers} SELECT x FROM c").arrow()

        assert table.column(0).to_pylist() == list(range(25_000))


class TestDeclared:
    """The types that columns are declared with: no value decides anything."""

    @pytest.fixture(autouse=True)
    def _arrow(self) -> None:
        pytest.importorskip("pyarrow")

    @pytest.fixture
    def filled(self, db):
        """25 sessions of which two have nanoseconds."""
        for number in range(25):
            fine = "789" if number in {12, 20} else ""
            time = f"2026-01-01 10:00:00.123456{fine}"
            db.execute(INSERT, [f"s{number:02d}", "ann", time, None])
        return db

    @pytest.mark.parametrize("sql", ["SELECT * FROM sessions", "SELECT * FROM events"])
    @pytest.mark.parametrize("schema", [None, "declared"])
    def test_a_whole_table_has_one_schema_whatever_its_values(
        self, db, filled, sql, schema
    ) -> None:
        every = db.execute(sql).arrow(schema)
        none = db.execute(f"{sql} WHERE session_id = 'nosuch'").arrow(schema)
        batches = db.execute(sql).fetch_record_batches(3, schema)

        assert every.schema == none.schema == batches.schema
        assert batches.read_all() == every
        times = [str(one.type) for one in every.schema if one.name in {"create_time", "timestamp"}]
        assert times == ["timestamp[ns, tz=UTC]"]

    def test_every_source_column_has_its_declared_type(self, filled) -> None:
        table = filled.driver.sources["local"].backend.resources["sessions"].table
        found = filled.execute("SELECT * FROM sessions").arrow().schema

        assert [(one.name, one.type) for one in found] == [
            (column.name, declared_type(column.type)) for column in table.visible
        ]

    def test_nanoseconds_after_microseconds_do_not_stop_a_read_in_batches(self, filled) -> None:
        sql = "SELECT session_id, create_time FROM sessions ORDER BY session_id"

        with pytest.raises(dbapi.DataError, match="started with"):
            filled.execute(sql).fetch_record_batches(5).read_all()

        reader = filled.execute(sql).fetch_record_batches(5, schema="declared")
        assert reader.read_all().num_rows == 25

    def test_other_results_take_the_types_of_their_values(self, filled) -> None:
        """Unless they are asked for: the columns of a join, and of the user's own tables."""
        join = "SELECT s.*, t.a FROM sessions AS s, t"
        filled.execute("CREATE TEMP TABLE t(a DATETIME)")
        filled.execute("INSERT INTO t VALUES ('2026-01-01')")

        assert str(filled.execute(join).arrow().schema.field("a").type) == "timestamp[us, tz=UTC]"
        declared = filled.execute(join).arrow(schema="declared").schema
        assert str(declared.field("a").type) == "timestamp[ns, tz=UTC]"
        values = filled.execute("SELECT * FROM sessions").arrow(schema="values").schema
        assert str(values.field("expire_time").type) == "timestamp[us, tz=UTC]"

    @pytest.mark.parametrize(
        ("sql", "error", "message"),
        [
            ("SELECT count(*) AS n FROM sessions", dbapi.DataError, "column n is an expression"),
            ("SELECT a FROM t", dbapi.DataError, "declared as .*cannot hold 'soon'.*values"),
        ],
    )
    def test_what_has_no_declaration_or_contradicts_it_is_an_error(
        self, db, sql, error, message
    ) -> None:
        db.execute("CREATE TEMP TABLE t(a DATETIME)")
        db.execute("INSERT INTO t VALUES ('soon')")

        with pytest.raises(error, match=message):
            db.execute(sql).arrow(schema="declared")

    def test_another_word_is_refused(self, db) -> None:
        with pytest.raises(dbapi.ProgrammingError, match="'declared' or 'values'"):
            db.execute("SELECT * FROM sessions").arrow(schema="first")


def test_pandas_reads_a_query(db) -> None:
    pandas = pytest.importorskip("pandas")
    db.execute(INSERT, ["a", "ann", "2026-01-01 10:00:00", None])

    with pytest.warns(UserWarning, match="SQLAlchemy"):
        frame = pandas.read_sql(
            "SELECT session_id, create_time FROM sessions WHERE user_id = ?", db, params=["ann"]
        )

    assert frame.to_dict("records") == [
        {"session_id": "a", "create_time": "2026-01-01 10:00:00.000000"}
    ]


def test_pandas_values_are_taken_as_parameters(db) -> None:
    pandas = pytest.importorskip("pandas")
    numpy = pytest.importorskip("numpy")
    noon = pandas.Timestamp("2026-01-01 12:00:00.000000001", tz="Europe/Berlin")

    values = [noon, pandas.NaT, numpy.int64(7), numpy.float32(0.5)]

    assert db.execute("SELECT ?, ?, ?, ?", values).fetchone() == (
        "2026-01-01 11:00:00.000000001",
        None,
        7,
        0.5,
    )


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM sessions",
        "SELECT *, enabled FROM sessions",
        "SELECT user_id, count(*) AS n, max(create_time) AS last FROM sessions GROUP BY 1",
    ],
)
def test_polars_reads_a_query(db, query: str) -> None:
    polars = pytest.importorskip("polars")
    rows = [(f"s{number}", "ann", None, None) for number in range(150)]
    rows.append(("last", "bob", "2026-01-01 10:00:00", '{"k":"v"}'))
    db.executemany(INSERT, rows)

    frame = polars.read_database(query, db)

    assert frame.rows() == db.execute(query).fetchall()


def test_polars_and_pandas_take_the_arrow_table(db) -> None:
    polars, _ = pytest.importorskip("polars"), pytest.importorskip("pyarrow")
    pandas = pytest.importorskip("pandas")
    db.execute(INSERT, ["a", "ann", "2026-01-01 10:00:00", None])
    table = db.execute("SELECT create_time FROM sessions").arrow()
    ten = dt.datetime(2026, 1, 1, 10, tzinfo=dt.UTC)

    assert polars.from_arrow(table)["create_time"].to_list() == [ten]
    assert list(table.to_pandas()["create_time"]) == [pandas.Timestamp(ten)]


def test_duckdb_queries_the_arrow_table(db) -> None:
    duckdb = pytest.importorskip("duckdb")
    pytest.importorskip("pyarrow")
    db.execute(INSERT, ["a", "ann", "2026-01-01 10:00:00", None])
    sessions = db.execute("SELECT user_id, create_time FROM sessions").arrow()

    with duckdb.connect() as duck:
        duck.register("sessions", sessions)
        found = duck.execute("SELECT user_id, year(create_time) FROM sessions").fetchall()

    assert found == [("ann", 2026)]

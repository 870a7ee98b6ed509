from __future__ import annotations

import datetime as dt
import sys

import pytest

from sessions_vtab import dbapi

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

    def test_times_are_instants_and_booleans_truths(self, db) -> None:
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

    def test_more_rows_than_a_batch_come_whole(self, db) -> None:
        numbers = "WITH RECURSIVE c(x) AS (VALUES (0) UNION ALL SELECT x + 1 FROM c LIMIT 25000)"

        table = db.execute(f"{numbers} SELECT x FROM c").arrow()

        assert table.column(0).to_pylist() == list(range(25_000))


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


def test_polars_reads_a_query(db) -> None:
    polars = pytest.importorskip("polars")
    db.execute(INSERT, ["a", "ann", "2026-01-01 10:00:00", None])

    frame = polars.read_database("SELECT session_id, user_id FROM sessions", db)

    assert frame.rows() == [("a", "ann")]


def test_duckdb_queries_the_arrow_table(db) -> None:
    duckdb = pytest.importorskip("duckdb")
    pytest.importorskip("pyarrow")
    db.execute(INSERT, ["a", "ann", "2026-01-01 10:00:00", None])
    sessions = db.execute("SELECT user_id, create_time FROM sessions").arrow()

    with duckdb.connect() as duck:
        duck.register("sessions", sessions)
        found = duck.execute("SELECT user_id, year(create_time) FROM sessions").fetchall()

    assert found == [("ann", 2026)]

"""One Spark session: what only the real one can show. A step of its own in ``.ci/run``."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import sessions_vtab
import sessions_vtab.spark
from sessions_vtab.emulator.serve import Running, running
from sessions_vtab.emulator.service import EmulatorSettings
from sessions_vtab.snapshot import snapshot
from sessions_vtab.snapshot.parquet import write_parquet
from tests.scanning.conftest import ordered, sql_rows

pytestmark = [pytest.mark.spark, pytest.mark.timeout(600)]

SESSIONS, EVENTS = 20, 120
_PUSHDOWN = "spark.sql.python.filterPushdown.enabled"
_CONF = {
    "spark.ui.enabled": "false",
    "spark.sql.shuffle.partitions": "1",
    "spark.sql.session.timeZone": "UTC",
    "spark.driver.memory": "1g",
    # A Python worker may take long to start on a loaded machine.
    "spark.python.authenticate.socketTimeout": "120s",
}


@pytest.fixture(scope="module")
def emulator() -> Iterator[Running]:
    with running(EmulatorSettings(seed=7, sessions=SESSIONS, events=EVENTS)) as served:
        yield served


@pytest.fixture(scope="module")
def url(emulator: Running) -> str:
    return f"prod=vertex://demo/us-central1/42?base_url={emulator.url}"


@pytest.fixture(scope="module")
def db(url: str) -> Iterator[sessions_vtab.Connection]:
    connection = sessions_vtab.connect(url)
    yield connection
    connection.close()


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    pyspark_sql = pytest.importorskip("pyspark.sql")
    # Workers inherit them: which Python runs, and a credential in its usual place.
    os.environ |= {"PYSPARK_PYTHON": sys.executable, "DEEPSET_API_KEY": "api_key"}
    builder = pyspark_sql.SparkSession.builder.master("local[2]")
    for name, value in _CONF.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    yield sessions_vtab.spark.register(session)
    session.stop()
    del os.environ["DEEPSET_API_KEY"]


def cut(rows: list[tuple[Any, ...]], table: pa.Schema) -> list[tuple[Any, ...]]:
    """SQL's rows with times in microseconds, as Spark has them."""
    times = {place for place, one in enumerate(table) if pa.types.is_timestamp(one.type)}
    return ordered(
        [
            tuple(v[:26] if place in times and v else v for place, v in enumerate(row))
            for row in rows
        ]
    )


def frame(spark: Any, url: str, table: str, **options: str) -> Any:
    reader = spark.read.format("sessions").option("url", url)
    for name, value in options.items():
        reader = reader.option(name, value)
    return reader.load(table)


@pytest.mark.parametrize(
    ("table", "size", "requests"),
    [("sessions", "100", 1), ("events", "7", 1 + SESSIONS), ("event_parts", "100", 1 + SESSIONS)],
)
def test_its_rows_are_those_of_select(spark, db, url, emulator, table, size, requests):
    emulator.control.reset_log()

    found = frame(spark, url, table, sessionsPerPartition=size).toArrow()

    assert emulator.control.log()["total"] == requests
    assert sql_rows(found) == cut(db.execute(f"SELECT * FROM {table}").fetchall(), found.schema)


def test_upload_sessions(spark, emulator):
    other = f"vault=deepset://demo?base_url={emulator.url}"
    found = frame(spark, other, "upload_sessions").toArrow()

    with sessions_vtab.connect(other) as deepset:
        wanted = deepset.execute("SELECT * FROM upload_sessions").fetchall()
    deepset.close()
    assert sql_rows(found) == cut(wanted, found.schema) != []


@pytest.fixture(params=["false", "true"])
def pushdown(spark, request) -> Iterator[None]:
    """Whether Spark offers the filters of a query to a Python source."""
    spark.conf.set(_PUSHDOWN, request.param)
    yield
    spark.conf.unset(_PUSHDOWN)


def test_queries_on_one_view_are_right(spark, db, url, pushdown):
    """Each after another with other filters, with none, and two of them in one statement."""
    frame(spark, url, "events").createOrReplaceTempView("v")
    every = "SELECT count(*) FROM {0}"
    queries = [
        f"{every} WHERE author = 'user'",
        every,
        f"{every} WHERE author <> 'user'",
        f"SELECT ({every} WHERE author = 'user') + ({every})",
        f"SELECT (SELECT count(*) FROM {{0}} WHERE author <> 'user') - ({every} WHERE author = 'user')",
        f"{every} a JOIN {{0}} b ON a.name = b.name WHERE a.author = 'user'",
        every,
    ]

    for query in queries:
        found = spark.sql(query.format("v")).first()[0]
        assert found == db.execute(query.format("events")).get, query
    assert found == EVENTS


def test_conditions_are_options_and_mistakes_are_errors(spark, db, url):
    found = frame(spark, url, "events", where="length(text) > 9", columns="name")

    assert found.count() == db.execute("SELECT count(*) FROM events WHERE length(text) > 9").get
    with pytest.raises(Exception, match="Did you mean where"):
        frame(spark, url, "events", wher="1")


def test_a_stream_merged_into_a_lake(spark, db, url, tmp_path):
    """The recipe of the document: MERGE by name in foreachBatch, with delta-rs."""
    deltalake = pytest.importorskip("deltalake")
    lake = str(tmp_path / "lake")

    def merge(batch: Any, _: int) -> None:
        rows = batch.toArrow()
        if not deltalake.DeltaTable.is_deltatable(lake):
            deltalake.write_deltalake(lake, rows)
            return
        (
            deltalake.DeltaTable(lake)
            .merge(rows, "new.name = old.name", source_alias="new", target_alias="old")
            .when_matched_update_all()
            .when_not_matched_insert_all()
            .execute()
        )

    stream = spark.readStream.format("sessions").option("url", url).load("events")
    writer = stream.writeStream.foreachBatch(merge).trigger(availableNow=True)
    writer = writer.option("checkpointLocation", str(tmp_path / "checkpoint"))

    for _ in range(2):
        writer.start().awaitTermination()
        names = deltalake.DeltaTable(lake).to_pyarrow_table(columns=["name"]).column(0).to_pylist()
        assert sorted(names) == [
            name for (name,) in db.execute("SELECT name FROM events ORDER BY 1")
        ]
        session = db.execute("SELECT session_id FROM sessions LIMIT 1").get
        db.execute("INSERT INTO events(session_id, author) VALUES (?, 'user')", (session,))


def test_a_snapshots_parquet_files_can_be_read(spark, db, tmp_path):
    """Spark reads no Parquet file with times in nanoseconds."""
    report = snapshot(db, tmp_path / "out.db", tables=["sessions"])
    (path,) = write_parquet(Path(report.path), tmp_path)

    assert spark.read.parquet(str(path)).count() == SESSIONS


def test_filters_that_a_python_source_takes_stay_for_the_next_query(spark):
    """Why ours takes none, and ``where`` is an option.

    Spark keeps what was pushed with the DataFrame, whose other queries then lack rows. The day this
    fails, filters may be pushed down.
    """
    pyspark = pytest.importorskip("pyspark.sql.datasource")

    class Reader(pyspark.DataSourceReader):
        low = -1

        def pushFilters(self, filters):  # noqa: N802  # Spark's name.
            for one in filters:
                if isinstance(one, pyspark.GreaterThan):
                    self.low = one.value
            return filters  # Spark evaluates all of them again.

        def read(self, _):
            yield from ((a,) for a in range(10) if a > self.low)

    class Ten(pyspark.DataSource):
        def schema(self):
            return "a int"

        def reader(self, schema):
            return Reader()

    spark.conf.set(_PUSHDOWN, "true")
    try:
        spark.dataSource.register(Ten)
        ten = spark.read.format("Ten").load()
        assert ten.where("a > 7").count() == 2
        assert ten.count() == 2  # There are ten.
    finally:
        spark.conf.unset(_PUSHDOWN)

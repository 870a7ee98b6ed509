"""The classes that Spark calls, called as Spark does, without Spark.

Its base classes are stand-ins here, so that this needs neither pyspark nor Java.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType, SimpleNamespace

import pyarrow as pa
import pytest

import sessions_vtab.spark
from sessions_vtab.errors import ConfigurationError, MissingExtraError
from tests.scanning.conftest import sql_rows
from tests.spark.conftest import append


class _DataSource:
    def __init__(self, options: dict[str, str]) -> None:
        self.options = options


class _InputPartition:
    def __init__(self, value: object) -> None:
        self.value = value


def _module(name: str, **held: object) -> ModuleType:
    made = ModuleType(name)
    vars(made).update(held)
    return made


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """``sessions_vtab.spark.source`` on stand-ins."""
    stand_ins = [
        _module("pyspark"),
        _module("pyspark.sql"),
        _module(
            "pyspark.sql.datasource",
            DataSource=_DataSource,
            DataSourceReader=type("DataSourceReader", (), {}),
            DataSourceStreamReader=type("DataSourceStreamReader", (), {}),
            InputPartition=_InputPartition,
        ),
        _module("pyspark.sql.pandas"),
        _module("pyspark.sql.pandas.types", from_arrow_schema=lambda schema: schema),
    ]
    ours = "sessions_vtab.spark.source"
    for module in stand_ins:
        monkeypatch.setitem(sys.modules, module.__name__, module)
    # As before pyspark 4.2.
    monkeypatch.setitem(sys.modules, "pyspark.sql.streaming.datasource", None)
    monkeypatch.delitem(sys.modules, ours, raising=False)
    yield import_module(ours)
    sys.modules.pop(ours, None)
    vars(sessions_vtab.spark).pop("source", None)


def test_a_batch_read(source, db, url, emulator):
    options = {"url": url, "path": "events", "sessionsperpartition": "4"}
    made = source.SessionsDataSource(options)
    emulator.control.reset_log()

    reader = made.reader(made.schema())
    assert emulator.control.log()["total"] == 0  # Planning a query costs nothing.
    partitions = [pickle.loads(pickle.dumps(one)) for one in reader.partitions()]
    found = [batch for one in partitions for batch in reader.read(one)]

    assert len(partitions) == 2
    assert emulator.control.log()["total"] == 1 + 6
    assert sql_rows(pa.Table.from_batches(found)) == sorted(
        db.execute("SELECT * FROM events").fetchall(), key=repr
    )
    assert not hasattr(reader, "pushFilters")


def test_a_table_without_sessions_has_an_empty_partition(source, url, emulator):
    """Spark asks for the rows of partition None where there are no partitions."""
    made = source.SessionsDataSource({"url": url, "path": "events"})
    reader = made.reader(made.schema())

    (partition,) = reader.partitions()

    assert list(reader.read(partition)) == list(reader.read(None)) == []


def test_a_stream_is_asked_with_and_without_arguments(source, db, url):
    made = source.SessionsDataSource({"url": url, "path": "events", "overlap": "0"})
    reader = pickle.loads(pickle.dumps(made.streamReader(made.schema())))

    start = reader.initialOffset()
    end = reader.latestOffset()
    assert reader.latestOffset(start, None) == end
    partitions = reader.partitions(start, end)

    assert sum(batch.num_rows for one in partitions for batch in reader.read(one)) == 18


def test_a_stream_that_ends_with_what_there_is_now_has_a_fixed_end(source, db, url):
    made = source.SessionsDataSource({"url": url, "path": "events"})
    reader = made.streamReader(made.schema())
    reader.prepareForTriggerAvailableNow()
    before = reader.latestOffset({}, None)

    append(db, "s-0", "later")

    assert reader.latestOffset({}, None) == before


def test_another_schema_is_refused(source, url):
    made = source.SessionsDataSource({"url": url, "path": "events"})

    for reader in (made.reader, made.streamReader):
        with pytest.raises(ConfigurationError, match=r"Remove \.schema"):
            reader(pa.schema([("name", pa.int64())]))


class _Session:
    """As much of a SparkSession as ``register`` looks at."""

    def __init__(self, **conf: str) -> None:
        self.conf = SimpleNamespace(get=lambda name, default: conf.get(name[6:], default))
        self.registered: list[type] = []
        self.dataSource = SimpleNamespace(register=self.registered.append)


@pytest.mark.parametrize(("conf", "speculation"), [({}, False), ({"speculation": "true"}, True)])
def test_register_tells_the_source_whether_tasks_are_copied(source, conf, speculation):
    register = import_module("sessions_vtab.spark.source").register
    session = _Session(**conf)

    assert register(session) is session
    (made,) = session.registered
    assert (made.name(), made.speculation) == ("sessions", speculation)
    assert source.SessionsDataSource.speculation is None


@pytest.mark.parametrize(
    ("home", "message"),
    [
        ("", r"no java in PATH.*Java runtime, version 17"),
        ("/nowhere", r"/nowhere\) has no bin/java"),
    ],
)
def test_without_java_the_error_says_what_to_install(source, monkeypatch, home, message):
    register = import_module("sessions_vtab.spark.source").register
    nobody = SimpleNamespace(getActiveSession=lambda: None)
    monkeypatch.setattr(sys.modules["pyspark.sql"], "SparkSession", nobody, raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("JAVA_HOME", home)
    monkeypatch.delenv("SPARK_REMOTE", raising=False)

    with pytest.raises(MissingExtraError, match=message):
        register()

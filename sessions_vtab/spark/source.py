"""The classes that Spark calls, and ``register``, which makes them known to a session.

https://spark.apache.org/docs/latest/api/python/tutorial/sql/python_data_source.html
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from sessions_vtab.errors import ConfigurationError, MissingExtraError, missing_extra
from sessions_vtab.scanning.parts import Part
from sessions_vtab.spark import (
    ReaderOptions,
    Stream,
    batches,
    common_schema,
    parsed,
    parts,
)

try:
    from pyspark.sql.datasource import (
        DataSource,
        DataSourceReader,
        DataSourceStreamReader,
        InputPartition,
    )
except ImportError:
    raise missing_extra("The Spark data source", "pyspark 4.0 or later", "spark") from None
try:
    from pyspark.sql.streaming.datasource import SupportsTriggerAvailableNow
except ImportError:  # pyspark before 4.2, which ends such a stream without asking.
    SupportsTriggerAvailableNow = object


class SessionsDataSource(DataSource):
    """``spark.read.format("sessions")`` and ``spark.readStream.format("sessions")``.

    Register it with ``sessions_vtab.spark.register``. Options: ``sessions_vtab.spark.OPTIONS``.

    Attributes:
        speculation: whether Spark starts copies of slow tasks; None where that is not known.
    """

    speculation: ClassVar[bool | None] = None

    def __init__(self, options: MutableMapping[str, str]) -> None:
        super().__init__(options)
        self._options = parsed(dict(options), speculation=self.speculation)

    @classmethod
    def name(cls) -> str:
        """The name of the format."""
        return "sessions"

    def schema(self) -> Any:
        """The declared schema, as Spark has it."""
        from pyspark.sql.pandas.types import from_arrow_schema  # noqa: PLC0415  # Slow to import.

        return from_arrow_schema(common_schema(self._options))

    def reader(self, schema: Any) -> DataSourceReader:
        """What a batch read needs."""
        self._refuse_other(schema)
        return _SparkReader(self._options)

    def streamReader(self, schema: Any) -> DataSourceStreamReader:  # noqa: N802  # Spark's name.
        """What a stream needs."""
        self._refuse_other(schema)
        return _StreamReader(self._options)

    def _refuse_other(self, schema: Any) -> None:
        if schema != self.schema():
            raise ConfigurationError(
                "The schema of the sessions data source is declared by its tables. Remove"
                " .schema(..), and choose columns with the option columns."
            )


class _Partition(InputPartition):
    """What one task reads; None for nothing."""

    def __init__(self, part: Part | None) -> None:
        super().__init__(None)
        self.part = part


class _SparkReader(DataSourceReader):
    def __init__(self, options: ReaderOptions) -> None:
        self._options = options

    def partitions(self) -> Sequence[InputPartition]:
        """One for each part; Spark asks once a DataFrame, whatever the number of actions."""
        # Without any, Spark would ask for the rows of a partition None.
        return [_Partition(part) for part in parts(self._options)] or [_Partition(None)]

    def read(self, partition: InputPartition) -> Iterator[Any]:
        """The rows of a partition; runs on an executor."""
        return _rows(partition, self._options)


class _StreamReader(DataSourceStreamReader, SupportsTriggerAvailableNow):
    def __init__(self, options: ReaderOptions) -> None:
        self._options = options
        self._stream = Stream(options)
        self._target: dict[str, str] | None = None

    def initialOffset(self) -> dict[str, str]:  # noqa: N802  # Spark's names, here and below.
        """The offset before everything."""
        return self._stream.initial()

    def latestOffset(  # noqa: N802
        self,
        start: Mapping[str, str] | None = None,
        limit: Any = None,  # noqa: ARG002
    ) -> dict[str, str]:
        """The offset of now; before pyspark 4.2 it is asked without arguments."""
        return self._target or self._stream.latest(start or {})

    def prepareForTriggerAvailableNow(self) -> None:  # noqa: N802
        """Ends the stream at what there is now."""
        self._target = self._stream.latest({})

    def partitions(
        self, start: Mapping[str, str], end: Mapping[str, str]
    ) -> Sequence[InputPartition]:
        """The parts of what changed between two offsets."""
        return [_Partition(part) for part in self._stream.parts(start, end)]

    def read(self, partition: InputPartition) -> Iterator[Any]:
        """The rows of a partition; runs on an executor."""
        return _rows(partition, self._options)


def _rows(partition: InputPartition, options: ReaderOptions) -> Iterator[Any]:
    part = getattr(partition, "part", None)
    return iter(()) if part is None else batches(part, options)


def register(spark: Any = None) -> Any:
    """Makes ``format("sessions")`` known to a Spark session.

    Args:
        spark: the session; the active one, or a new one, unless given.

    Returns:
        The session.

    Raises:
        MissingExtraError: a session has to be started, and there is no Java runtime.
    """
    if spark is None:
        from pyspark.sql import SparkSession  # noqa: PLC0415

        spark = SparkSession.getActiveSession()
        if spark is None:
            _require_java()
            spark = SparkSession.builder.getOrCreate()
    on = str(spark.conf.get("spark.speculation", "false")).lower() == "true"
    # Spark calls the source in other processes, which cannot ask the session for its settings: the
    # class itself, which is sent to them, holds this one. It is fixed when a session starts.
    spark.dataSource.register(type("Sessions", (SessionsDataSource,), {"speculation": on}))
    return spark


def _require_java() -> None:
    """Raises MissingExtraError if Spark could not start a Java virtual machine."""
    if os.environ.get("SPARK_REMOTE"):
        return
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=str(Path(home) / "bin")) if home else shutil.which("java")
    if found is None:
        where = f"JAVA_HOME ({home}) has no bin/java" if home else "There is no java in PATH"
        raise MissingExtraError(
            f"{where}. Spark needs a Java runtime, version 17 or later. Install one, such as"
            " openjdk-17-jre-headless, or set JAVA_HOME."
        )

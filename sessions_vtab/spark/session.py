"""``register``: the data source in a Spark session."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from sessions_vtab.errors import MissingExtraError
from sessions_vtab.spark.source import SessionsDataSource

__all__ = ["register"]


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

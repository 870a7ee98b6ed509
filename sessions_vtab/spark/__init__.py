"""An Apache Spark data source; needs the extra ``spark`` (pyspark 4.0 or later) and Java 17.

::

    from sessions_vtab.spark import register

    spark = register(spark)
    events = (
        spark.read.format("sessions")
        .option("url", "vertex://my-project/us-central1/42")
        .option("sessionsWhere", "update_time > datetime('now', '-1 day')")
        .load("events")
    )

* `reading`: what can be set, the parts of a batch and of a stream, and their rows
* `source`: the classes that Spark calls, and ``register``

Only the last one imports pyspark. Conditions are options, judged by this package: Spark 4.3 returns
wrong rows for a Python source with ``pushFilters``, so there is none, and Spark filters what it
reads. Options hold no credential; executors find it in the provider's usual place.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sessions_vtab.spark.reading import OPTIONS

if TYPE_CHECKING:
    from sessions_vtab.spark.source import SessionsDataSource, register

__all__ = ["OPTIONS", "SessionsDataSource", "register"]


def __getattr__(name: str) -> Any:
    """Imports pyspark when it is first needed."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.source"), name)

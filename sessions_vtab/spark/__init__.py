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

* `options`: what can be set; `reading`: the parts of a batch read; `stream`: offsets, and the
  parts between two of them
* `source`: the classes that Spark calls; `session`: ``register``

Only the last two import pyspark. Conditions are options, judged by this package: Spark 4.3 returns
wrong rows for a Python source with ``pushFilters``, so there is none, and Spark filters what it
reads. Options hold no credential; executors find it in the provider's usual place.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sessions_vtab.spark.options import OPTIONS

if TYPE_CHECKING:
    from sessions_vtab.spark.session import register
    from sessions_vtab.spark.source import SessionsDataSource

__all__ = ["OPTIONS", "SessionsDataSource", "register"]

_HOMES = {"SessionsDataSource": "source", "register": "session"}


def __getattr__(name: str) -> Any:
    """Imports pyspark when it is first needed."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)

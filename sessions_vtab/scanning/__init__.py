"""Tables as Arrow batches, in parts that other engines read: what Spark, Daft, Ray or Dask need.

::

    from sessions_vtab import scanning

    schema = scanning.schema_of("vertex://my-project/us-central1/42", "events")
    parts = scanning.split("vertex://my-project/us-central1/42", "events")
    for part in parts:  # each can be pickled, and read on another machine
        reader = scanning.read(part, ["session_id", "timestamp", "text"])

Reading is bound by the service's quota, not by the machine: see ``docs/scale.md``.

* `parts`: parts of a table, their conditions, and what they name: sources, tables, columns
* `rows`: a read without SQLite, or by a connection where its condition is SQL
* `reading`, `splitting` (into sessions, by which table belongs to which): the functions

Where there is no condition in SQL, no SQLite is involved, and none is loaded. The schema is the
declared one (``columnar``), also for a read without rows.
"""

from __future__ import annotations

from sessions_vtab.scanning.parts import Part
from sessions_vtab.scanning.reading import read, scan, schema_of
from sessions_vtab.scanning.splitting import split

__all__ = ["Part", "read", "scan", "schema_of", "split"]

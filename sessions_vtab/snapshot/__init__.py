"""Copies of a source as plain tables in one SQLite file, or as Parquet files.

* `model`: what a caller gives and gets
* `shape`: which tables and columns are copied, and how each is read
* `rows`: statements on the source, within the snapshot's budget
* `ddl`, `opening`, `work`: the file that is written, beside the one readers see
* `run`: one snapshot from start to end
* `parquet`: the same as Parquet files

A snapshot is written into ``FILE.partial`` and takes its place when it is whole, so no reader sees
half of one. Every batch of sessions is committed there with a mark, so what was read before a kill
or an error is not read again. The next snapshot starts from a copy of the last: it lists the
sessions, and reads again the rows of those whose ``update_time`` is another one than at the last
reading, or was so young then that the service may not have shown everything.

A snapshot does not show one instant: sessions are listed first, their rows are read afterwards.
"""

from __future__ import annotations

from sessions_vtab.snapshot.model import (
    DEFAULT_BUDGET,
    DEFAULT_OVERLAP,
    Estimate,
    SnapshotProgress,
    SnapshotReport,
)
from sessions_vtab.snapshot.run import snapshot

__all__ = [
    "DEFAULT_BUDGET",
    "DEFAULT_OVERLAP",
    "Estimate",
    "SnapshotProgress",
    "SnapshotReport",
    "snapshot",
]

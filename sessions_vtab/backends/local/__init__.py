"""The embedded default: sessions, events and upload sessions in one SQLite file.

Other tools can open the file as well: its tables have the same names as in SQL, JSON is TEXT, and
times are UTC TEXT with a generated ``<name>_ms`` column for tools that read milliseconds. The store
runs no model: ``integrate_session`` and ``use_session_for_improvement`` only record what was asked.

* `backend`, `resource`: the store as the engine uses it
* `store`, `pending`: its connection, scans and transaction, and what waits in that
* `file`, `ddl`: its file; `snapshots`: a snapshot's file
* `tables`, `dialect`: columns, and scans as SQL of the file
* `sessions`, `events`: writing sessions and events; `checks`: rules for ids, names and values
* `uploads`, `participants`, `improvement`: what upload, chat and search sessions have besides
* `routines`: functions
"""

from __future__ import annotations

from sessions_vtab.backends.local.backend import LocalBackend

__all__ = ["LocalBackend"]

"""The embedded default: sessions, events and upload sessions in one SQLite file.

Other tools can open the file as well: its tables have the same names as in SQL, JSON is TEXT, and
times are UTC TEXT with a generated ``<name>_ms`` column for tools that read milliseconds. The store
runs no model: ``integrate_session`` and ``use_session_for_improvement`` only record what was asked.

* `backend`, `resource`, `transaction`: the store as the engine uses it
* `store`, `spool`: its connection and scans; `opening`, `ddl`: its file; `snapshots`: a
  snapshot's file
* `tables`, `dialect`: columns, and scans as SQL of the file
* `sessions`, `events`, `touched`, `state`, `checks`: writing sessions and events
* `uploads`, `participants`, `improvement`: what upload, chat and search sessions have besides
* `routines`: functions; `names`: the session that is meant; `errors`: SQLite's
  errors as the package's own
"""

from __future__ import annotations

from sessions_vtab.backends.local.backend import LocalBackend

__all__ = ["LocalBackend"]

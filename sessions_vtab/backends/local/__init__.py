"""The embedded default: sessions, events and upload sessions in one SQLite file.

The file is meant to be opened by other tools too: tables are named as in SQL, JSON is TEXT, times
are UTC TEXT with a generated ``<name>_ms`` column for tools that read milliseconds. The store runs
no model: ``integrate_session`` and ``use_session_for_improvement`` only keep the books.
"""

from __future__ import annotations

from sessions_vtab.backends.local.backend import LocalBackend

__all__ = ["LocalBackend"]

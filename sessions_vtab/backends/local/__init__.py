"""The embedded default: sessions, events and upload sessions in one SQLite file.

Other tools can open the file as well: its tables have the same names as in SQL, JSON is TEXT, and
times are UTC TEXT with a generated ``<name>_ms`` column for tools that read milliseconds. The store
runs no model: ``integrate_session`` and ``use_session_for_improvement`` only record what was asked.
"""

from __future__ import annotations

from sessions_vtab.backends.local.backend import LocalBackend

__all__ = ["LocalBackend"]

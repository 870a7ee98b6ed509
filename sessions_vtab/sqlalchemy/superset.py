"""What Apache Superset has to know beside the dialect: how times are cut into hours, days, months.

Superset finds it by the entry point ``superset.db_engine_specs``; nothing else loads it.
"""

from __future__ import annotations

from superset.db_engine_specs.sqlite import SqliteEngineSpec


class SessionsEngineSpec(SqliteEngineSpec):  # type: ignore[misc]  # Superset is not installed here.
    """Dates and functions are SQLite's."""

    engine = "sessions"
    engine_name = "sessions_vtab"
    sqlalchemy_uri_placeholder = "sessions+vertex://PROJECT/LOCATION/ENGINE"

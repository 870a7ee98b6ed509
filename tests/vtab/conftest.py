from __future__ import annotations

from typing import Any

from sessions_vtab import Connection


def writes_sent(connection: Connection, source: str = "mem") -> list[tuple[str, Any]]:
    writes = connection.sources[source].backend.sent
    return [(one.action.value, one.key or one.values["name"]) for one in writes]


def names(connection: Connection, table: str = "sessions") -> list[str]:
    return [name for (name,) in connection.execute(f"SELECT name FROM {table} ORDER BY name")]


def outcomes(connection: Connection) -> list[tuple[Any, ...]]:
    return connection.execute("SELECT key, outcome FROM writes ORDER BY number").fetchall()


class BoomError(Exception):
    pass

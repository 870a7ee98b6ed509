"""What a source puts into a connection: tables, functions, and views over the tables."""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum

from sessions_vtab.contract.backend import Backend
from sessions_vtab.contract.source import Source
from sessions_vtab.contract.views import SourceView, views_of
from sessions_vtab.vtab.host import Host, OpenSource
from sessions_vtab.vtab.logs import LogsBackend

__all__ = ["LOGS", "NameKind", "add_logs", "contents"]

LOGS = "sessions_vtab_logs"
"""Name of the source behind ``http_requests`` and ``writes``."""


class NameKind(IntEnum):
    """What a name stands for."""

    TABLE = 0
    FUNCTION = 1
    VIEW = 2


def contents(backend: Backend) -> Iterator[tuple[NameKind, str, SourceView | None]]:
    """Everything a source has, in the order in which it can be created, by name."""
    for name in backend.resources:
        yield NameKind.TABLE, name, None
    for name in backend.routines:
        yield NameKind.FUNCTION, name, None
    for view in views_of(backend):
        yield NameKind.VIEW, view.name, view


def add_logs(host: Host) -> OpenSource:
    """Adds the source whose tables are the logs of the connection, and returns it."""
    logs = LogsBackend(host.logs)
    made = host.sources[LOGS] = OpenSource(Source(LOGS, logs.name), logs)
    return made

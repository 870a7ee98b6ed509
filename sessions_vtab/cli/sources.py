"""The sources of a connection: what the shell says first, their list, one cheap call to each."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from importlib.metadata import version
from typing import Final

import apsw

from sessions_vtab.cli.display import footer
from sessions_vtab.connection import Connection
from sessions_vtab.contract.backend import Backend
from sessions_vtab.contract.messages import did_you_mean
from sessions_vtab.contract.model import quoted
from sessions_vtab.errors import SessionsError, UnknownNameError

__all__ = ["banner", "checked", "choices", "listed", "require", "version_line"]

_HINTS = (
    "Statements end with ;   .tables  .help sessions  .help append_event  .explain SELECT ..  .quit"
)


def version_line() -> str:
    """Our version and SQLite's."""
    own = version("sessions_vtab")
    return f"sessions_vtab {own} on SQLite {apsw.sqlite_lib_version()}. SQL over session APIs."


def banner(connection: Connection, *, read_only: bool) -> str:
    """The first lines of the shell, ending with a newline. Sends nothing.

    Args:
        connection: its sources are listed.
        read_only: the connection refuses writes.
    """
    lines = (version_line(), *source_lines(connection, read_only=read_only), _HINTS)
    return "\n".join(lines) + "\n"


def source_lines(
    connection: Connection, *, read_only: bool, names: Collection[str] | None = None
) -> Iterator[str]:
    """A line for each source: name, default or not, where it is, whether it may be written.

    Further lines say what makes the source's data look wrong.

    Args:
        connection: its sources are listed.
        read_only: the connection refuses writes.
        names: the sources to list; all of them unless given.
    """
    sources = connection.sources
    room = max(map(len, sources))
    several = len(sources) > 1
    for name, opened in sources.items():
        if names is not None and name not in names:
            continue
        mark = "(default)" if name == connection.default else ""
        mark = mark.ljust(len("(default)")) if several else mark
        locked = read_only or opened.settings.read_only or not _writable(opened.backend)
        how = "read-only" if locked else "read and write"
        yield f"  {name.ljust(room)}  {mark}  {opened.backend.describe()}, {how}"
        for notice in opened.backend.notices():
            yield f"  {' ' * room}  {' ' * len(mark)}  {notice}"


def _writable(backend: Backend) -> bool:
    """Whether any statement could change something in it."""
    tables = (one.capability.writes for one in backend.resources.values())
    return bool(backend.routines) or any(one.insert or one.update or one.delete for one in tables)


_MOST: Final = 100


def require(connection: Connection, names: Sequence[str]) -> list[str]:
    """The sources that were named; all of them if none was.

    Raises:
        UnknownNameError: there is no such source.
    """
    known = [*connection.sources, *connection.failed]
    for name in names:
        if name not in known:
            meant = did_you_mean(name, known)
            raise UnknownNameError(
                f"There is no source {name!r:.60}.{meant} Sources: {', '.join(known)}."
            )
    return list(names) or known


def listed(connection: Connection, names: Sequence[str], *, read_only: bool) -> Iterator[str]:
    """A line for each source, and what makes its data look wrong. Sends nothing."""
    yield from source_lines(connection, read_only=read_only, names=names)
    for name, error in connection.failed.items():
        if name in names:
            yield f"  {name}  cannot be used: {error}"


def checked(connection: Connection, names: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """One cheap call to each source: a line that says how it went, and whether it failed.

    Further lines say what makes the source's data look wrong.
    """
    for name in names:
        if name in connection.failed:
            yield f"{name}: {connection.failed[name]}", True
            continue
        table = _readable(connection.sources[name].backend)
        if table is None:
            yield f"{name}: not checked, because its tables can only be read by key", False
            continue
        started = time.perf_counter()
        try:
            connection.execute(f"SELECT 1 FROM {quoted(name)}.{quoted(table)} LIMIT 1").fetchall()
        except (SessionsError, apsw.Error) as error:
            yield f"{name}: {error}", True
        else:
            spent = footer(None, 0, connection.statement_requests, time.perf_counter() - started)
            yield f"{name}: ok, {table} can be read, {spent}", False
            for notice in connection.sources[name].backend.notices():
                yield f"{name}: {notice}", False
            yield from _listed_choices(connection, name)


def choices(connection: Connection, name: str) -> Iterator[tuple[str, str]]:
    """What a source can still be narrowed to, such as engines: value and display name of each."""
    for table, resource in connection.sources[name].backend.resources.items():
        column = resource.capability.enumerates
        if column:
            shown = "display_name" if "display_name" in resource.table.positions else "NULL"
            rows = connection.execute(
                f"SELECT {column}, {shown} FROM {quoted(name)}.{quoted(table)} LIMIT {_MOST}"
            )
            yield from ((str(value), str(title or "")) for value, title in rows)


def _listed_choices(connection: Connection, name: str) -> Iterator[tuple[str, bool]]:
    """A line for each engine, or the like, of a source that does not name one."""
    backend = connection.sources[name].backend
    columns = {one.capability.enumerates for one in backend.resources.values()} - {""}
    if columns <= backend.scope.keys():
        return
    for value, title in choices(connection, name):
        yield f"  {', '.join(columns)} {value}  {title}".rstrip(), False


def _readable(backend: Backend) -> str | None:
    """A table that can be read without being given a key."""
    for name, resource in backend.resources.items():
        if any(not path.keys for path in resource.capability.paths):
            return name
    return None

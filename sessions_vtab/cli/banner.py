"""What the shell says first: versions, sources, whether a credential goes out."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from importlib.metadata import version
from typing import TYPE_CHECKING

import apsw

from sessions_vtab.contract.backend import Backend

if TYPE_CHECKING:
    from sessions_vtab.connection import Connection

__all__ = ["banner", "source_lines", "version_line"]

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

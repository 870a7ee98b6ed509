"""What the shell says first: versions, sources, whether a credential goes out."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from typing import TYPE_CHECKING

import apsw

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


def source_lines(connection: Connection, *, read_only: bool) -> Iterator[str]:
    """A line for each source: name, default or not, where it is, whether it may be written."""
    sources = connection.sources
    room = max(map(len, sources))
    several = len(sources) > 1
    for name, opened in sources.items():
        mark = "(default)" if name == connection.default else ""
        mark = mark.ljust(len("(default)")) if several else mark
        locked = read_only or opened.settings.read_only
        how = "read-only" if locked else "read and write"
        yield f"  {name.ljust(room)}  {mark}  {opened.backend.describe()}, {how}"

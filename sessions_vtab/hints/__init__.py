"""What SQLite's errors mean: "did you mean", where in the statement, and which names there are.

Made once, for every interface: ``cursor`` puts it into the exception's text, from where DB-API,
SQLAlchemy, notebooks and agents have it; the command line prints it in a form of its own.

* `names`: what a connection knows by name, and which of it a statement speaks of
* `problem`: SQLite's message as a problem, its place in the statement, and the text of both
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import apsw

from sessions_vtab.hints.names import Connected, Mention, Names, mentions, names_of
from sessions_vtab.hints.problem import Problem, explained, line_at, place_of, problem

if TYPE_CHECKING:
    from sessions_vtab.vtab.host import OpenSource

__all__ = [
    "Connected",
    "Mention",
    "Names",
    "Problem",
    "Registered",
    "add_hints",
    "explained",
    "hint",
    "line_at",
    "mentions",
    "names_of",
    "place_of",
    "problem",
]


@dataclass(frozen=True, slots=True)
class Registered:
    """What was put into a connection of the user's own.

    Attributes:
        connection: the user's.
        sources: by name.
        default: the source whose tables need no prefix.
        unnumbered: within it, statements of ours are not counted as the user's.
    """

    connection: apsw.Connection
    sources: Mapping[str, OpenSource]
    default: str
    unnumbered: Callable[[], AbstractContextManager[None]]


def hint(registered: Registered) -> None:
    """Lets the cursors that a connection makes from now on explain SQLite's errors.

    SQLite and APSW have no hook between an error and its exception; a trace begins only after a
    statement was prepared, which is where a wrong name is found. What APSW does let be changed is
    the class of the connection's cursors. One that the user has set stays.
    """
    if registered.connection.cursor_factory is apsw.Cursor:
        registered.connection.cursor_factory = partial(_Cursor, registered=registered)


class _Cursor(apsw.Cursor):
    """APSW's cursor; an error of SQLite in a statement has hints in its text."""

    def __init__(self, connection: apsw.Connection, registered: Registered) -> None:
        super().__init__(connection)
        self._registered = registered

    def execute(self, statements: str, bindings: Any = None, **options: Any) -> Self:
        """See ``apsw.Cursor.execute``."""
        with self._explained(statements):
            super().execute(statements, bindings, **options)
        return self

    def executemany(self, statements: str, sequenceofbindings: Any, **options: Any) -> Self:
        """See ``apsw.Cursor.executemany``."""
        with self._explained(statements):
            super().executemany(statements, sequenceofbindings, **options)
        return self

    @contextmanager
    def _explained(self, statements: str) -> Iterator[None]:
        try:
            yield
        except apsw.SQLError as error:
            with suppress(apsw.Error), self._registered.unnumbered():
                add_hints(error, statements, self._registered.connection, self._registered)
            raise


def add_hints(
    error: apsw.SQLError, sql: str, connection: apsw.Connection, known: Connected
) -> None:
    """Puts what was probably meant into the text of an error; ``sqlite_message`` keeps it.

    Args:
        error: as APSW raised it; one that has hints is left as it is.
        sql: the statements.
        connection: what they ran on.
        known: the sources of the connection.

    Raises:
        apsw.Error: the names of the user's own tables cannot be read.
    """
    if hasattr(error, "sqlite_message"):
        return
    message, offset = str(error), getattr(error, "error_offset", -1)
    error.args = (explained(message, sql, offset, names_of(known, connection)),)
    setattr(error, "sqlite_message", message)  # noqa: B010  # APSW's class is not typed so.

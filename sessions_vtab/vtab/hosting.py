"""What the tables ask of the connection they are in, whoever runs its statements.

``apsw.Connection`` and ``statements.StatementTracker`` are one implementation; ``extension`` has
another, for connections of programs that bring their own SQLite.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from sessions_vtab.contract.predicate import Value
from sessions_vtab.vtab.statements import RunningStatement

__all__ = ["HostConnection", "Statements"]


class HostConnection(Protocol):
    """A database connection. Names and numbers are those of ``apsw.Connection``."""

    @property
    def in_transaction(self) -> bool:
        """Whether BEGIN or SAVEPOINT has opened a transaction that has not ended."""

    @property
    def is_interrupted(self) -> bool:
        """Whether the running statement is to stop. Asked every 50 ms while it waits."""

    def vtab_config(self, op: int, val: int = 0, /) -> None:
        """Declares a property of the table that is being connected."""

    def vtab_on_conflict(self) -> int:
        """The conflict clause of the row that is being written, as ``SQLITE_IGNORE``."""

    def last_insert_rowid(self) -> int:
        """The row id that the last INSERT set."""


class Statements(Protocol):
    """The statements that run on a connection."""

    @property
    def current(self) -> RunningStatement:
        """The statement that began last and has not ended; a nameless one between statements."""

    @property
    def writer(self) -> RunningStatement:
        """The statement that writes a row."""

    @property
    def count(self) -> int:
        """How many statements have begun."""

    def follow(
        self,
        on_begin: Callable[[RunningStatement], None],
        on_end: Callable[[RunningStatement, bool], None],
        on_idle: Callable[[], None],
    ) -> None:
        """Tells what happens from here on.

        Args:
            on_begin: called with each statement that may write.
            on_end: called with each statement that ended and whether it succeeded, if it wrote
                rows and SQLite does not say itself which of them are void.
            on_idle: called when a statement ended and no other is running.
        """

    def preparing(self) -> None:
        """SQLite plans a statement, perhaps one that has begun."""

    def unnumbered(self) -> AbstractContextManager[None]:
        """Statements of our own within the block are neither counted nor followed."""

    def run(self, sql: str, values: Sequence[Value] = ()) -> list[tuple[Any, ...]]:
        """The rows of a statement of our own, which is unnumbered."""

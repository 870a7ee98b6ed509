"""Statements on the source, within a budget of their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, Final

from sessions_vtab.connection import Connection
from sessions_vtab.contract.declare import quoted
from sessions_vtab.errors import BudgetError

__all__ = ["Reading"]

_CHUNK: Final = 500


class Reading:
    """Reads tables of one source of a connection.

    Args:
        connection: the connection.
        source: the source's name.
        limit: most requests in all.
    """

    def __init__(self, connection: Connection, source: str, limit: int) -> None:
        self._connection = connection
        self._source = source
        self._limit = limit
        self._finished = 0
        self._running = False

    @property
    def spent(self) -> int:
        """Requests made so far."""
        return self._finished + (self._connection.statement_requests if self._running else 0)

    @property
    def left(self) -> int:
        """Requests that may still be made."""
        return self._limit - self._finished

    def explain(self, table: str, where: str) -> None:
        """Has SQLite prepare a condition, without sending anything."""
        self._connection.execute(f"EXPLAIN {self._select(table, ('name',), where)}").fetchall()

    def rows(
        self,
        table: str,
        columns: Sequence[str],
        where: str,
        bindings: Sequence[Any] = (),
        order: str = "",
    ) -> Iterator[list[Any]]:
        """The rows of a table in chunks, as they come.

        Raises:
            BudgetError: the requests are used up.
            SessionsError: what the source raises.
        """
        with self._budget():
            text = self._select(table, columns, where)
            if order:
                text += f" ORDER BY {quoted(order)}"
            cursor = self._connection.execute(text, bindings)
            try:
                while chunk := list(islice(cursor, _CHUNK)):
                    yield chunk
            finally:
                cursor.close(True)

    def _select(self, table: str, columns: Sequence[str], where: str) -> str:
        # On lines of its own: the condition may end in a comment.
        condition = f" WHERE (\n{where}\n)" if where else ""
        listed = ", ".join(map(quoted, columns))
        return f"SELECT {listed} FROM {quoted(self._source)}.{quoted(table)}{condition}"

    @contextmanager
    def _budget(self) -> Iterator[None]:
        """The snapshot's budget in place of that of one statement."""
        budget = self._connection.budget
        before, budget.max_requests = budget.max_requests, self.left
        self._running = True
        try:
            yield
        except BudgetError as error:
            raise BudgetError(
                f"The snapshot has used up its {self._limit} requests (max_requests). The"
                " rows read so far are kept; run it again with a higher limit to continue."
            ) from error
        finally:
            budget.max_requests = before
            self._running = False
            self._finished += self._connection.statement_requests

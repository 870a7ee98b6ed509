"""The requests of one read, in place of a statement of a connection."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Final

from sessions_vtab.contract.predicate import Value
from sessions_vtab.errors import BudgetError

__all__ = ["DEFAULT_BUDGET", "ScanContext"]

DEFAULT_BUDGET: Final = 100_000
"""HTTP requests that one read may make unless it is told otherwise."""


class ScanContext:
    """A ``contract.backend.Context`` for one read of one table.

    Args:
        source: the source's name, for errors.
        table: the table.
        limit: most requests; None for ``DEFAULT_BUDGET``.

    Attributes:
        requests: how many were made.
    """

    statement = 1
    writes = False

    def __init__(self, source: str, table: str, limit: int | None = None) -> None:
        self.table = table
        self.requests = 0
        self._source = source
        self._limit = DEFAULT_BUDGET if limit is None else limit
        self._memory: dict[object, object] = {}
        self._closed = False

    @property
    def memory(self) -> MutableMapping[object, object]:
        """What the backend keeps for the rest of the read."""
        return self._memory

    def interrupted(self) -> bool:
        """Whether the reader was closed."""
        return self._closed

    def spend(self, requests: int = 1) -> None:
        """Takes requests from the budget.

        Raises:
            BudgetError: it is used up.
        """
        if self.requests + requests > self._limit:
            raise BudgetError(
                f"{self._source}.{self.table}: this read needs more than {self._limit} requests"
                " (max_requests). Narrow it, or raise max_requests."
            )
        self.requests += requests

    def record(self, request: Mapping[str, Value]) -> None:
        """Drops the row: a read outside a connection has no table ``http_requests``."""

    def close(self) -> None:
        """Gives up what is under way."""
        self._closed = True
        for kept in self._memory.values():
            close = getattr(kept, "close", None)
            if close is not None:
                close()
        self._memory.clear()

"""``max_writes``: how many rows a statement may write, and what is said when it wants more."""

from __future__ import annotations

from math import ceil
from typing import Final, NamedTuple

from sessions_vtab.contract.write import Action
from sessions_vtab.errors import BudgetError
from sessions_vtab.vtab.statements import RunningStatement

DEFAULT: Final = 1_000
"""Rows a statement may write where nobody has set ``max_writes``."""

_VERBS: Final = {Action.INSERT: "insert", Action.UPDATE: "change", Action.DELETE: "remove"}


def limit_of(connection: int | None, source: int | None, *, stored: bool) -> int | None:
    """The limit in force; None for none.

    Args:
        connection: what the connection's user set.
        source: what the source's settings say.
        stored: rows go into a store on this machine, for which bulk imports are usual.
    """
    for given in (connection, source):
        if given is not None:
            return given
    return None if stored else DEFAULT


class Excess(NamedTuple):
    """A statement that wants to write more rows than it may.

    Attributes:
        statement: which.
        source: name of the source.
        table: name of its table.
        action: what would happen to the rows.
        limit: rows it may write.
        per_minute: rows that the service's quota lets it write in a minute; 0 if none is known.
    """

    statement: RunningStatement
    source: str
    table: str
    action: Action
    limit: int
    per_minute: int = 0

    def question(self, *, ended: bool) -> str:
        """The question that asks the user to allow the statement.

        Args:
            ended: the statement has told all of its rows, so their number is known.
        """
        limit = _spaced(self.limit)
        if ended:
            rows = f"{_spaced(self.statement.written)} rows to {self.source} (max_writes {limit})"
        else:
            rows = f"more than {limit} rows to {self.source}.{self.table} (max_writes)"
        return f"This statement would write {rows}.{self._time(ended=ended)} Send them?"

    def _time(self, *, ended: bool) -> str:
        """How long that takes at least, where the service limits it."""
        if not self.per_minute:
            return ""
        least = ceil((self.statement.written if ended else self.limit) / self.per_minute)
        about = "about" if ended else "more than"
        unit = "minute" if least == 1 else "minutes"
        quota = f"At the service's quota of {self.per_minute} per minute"
        return f" {quota}, it takes {about} {least} {unit}."

    def refusal(self) -> BudgetError:
        """The error when nobody allows it."""
        return BudgetError(
            f"The statement would {_VERBS[self.action]} more than {self.limit} rows of"
            f" {self.source}.{self.table} (max_writes). Nothing was written. Narrow the"
            " statement with WHERE, or raise max_writes."
        )


def _spaced(number: int) -> str:
    return f"{number:,}".replace(",", " ")

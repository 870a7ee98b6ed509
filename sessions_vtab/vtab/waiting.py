"""Whether a statement that changes rows can do without those that wait to be sent.

The rows of an open transaction are at the client until COMMIT: what reads their table would miss
them. A row that is looked up by its key is an exception unless it is one of them: so
``executemany`` and an ORM's flush can change one row after another in one unit of work.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from sessions_vtab.contract.capability import Capability
from sessions_vtab.contract.predicate import Value
from sessions_vtab.contract.scan import Row, Scan
from sessions_vtab.errors import QueuedWritesError

if TYPE_CHECKING:
    from sessions_vtab.vtab.write_queue import QueuedWrite

__all__ = ["Identity", "Waiting", "changed", "created", "identity_columns", "missed"]

Identity: TypeAlias = tuple[Value, ...] | None
"""Values of ``identity_columns``; None for a value that the service sets, and None as a whole for
a row that changes its identity."""


def missed(what: str, entry: QueuedWrite, statement: int) -> QueuedWritesError:
    """The error of a read that would miss a row.

    Args:
        what: is read.
        entry: the row.
        statement: number of the statement that reads.
    """
    if entry.statement == statement:
        return QueuedWritesError(
            f"{what} cannot be used in this trigger: the statement has already written to"
            f" {entry.source}.{entry.table}, and its rows have not been sent. Write each row only"
            " once, and read in a statement of its own."
        )
    return QueuedWritesError(
        f"{what} cannot be used: this transaction has writes to {entry.source}.{entry.table}"
        " that have not been sent. COMMIT first, or use RETURNING."
    )


def identity_columns(capability: Capability, key: str) -> tuple[str, ...]:
    """The columns that each name one row: the key, and what leads the paths to a single row."""
    leading = (path.keys[0] for path in capability.paths if path.unique)
    return tuple(dict.fromkeys((key, *leading)))


def created(columns: Sequence[str], values: Mapping[str, Value]) -> Identity:
    """The identity of a row that an INSERT creates.

    Args:
        columns: of ``identity_columns``.
        values: what the INSERT gives.
    """
    return tuple(values.get(name) for name in columns)


def changed(
    columns: Sequence[str], values: Mapping[str, Value], known: Sequence[Value]
) -> Identity:
    """The identity of a row that an UPDATE or DELETE changes.

    Args:
        columns: of ``identity_columns``.
        values: what the UPDATE sets.
        known: what the columns had before, None where that is not known.
    """
    return None if any(name in values for name in columns) else tuple(known)


@dataclass(frozen=True, slots=True)
class Waiting:
    """The rows of a table that wait to be sent.

    Attributes:
        columns: of ``identity_columns``.
        places: of those columns in a row.
        rows: the rows; at least one.
    """

    columns: tuple[str, ...]
    places: tuple[int, ...]
    rows: tuple[QueuedWrite, ...]

    def spares(self, scan: Scan) -> bool:
        """Whether a read looks up rows by key, and none of them is queued."""
        name = scan.path.keys[0] if scan.path.unique else None
        asked = scan.given(name) if name is not None else None
        if name is None or asked is None:
            return False
        place, wanted = self.columns.index(name), {str(value) for value in asked}
        return not any(_may_be(entry.identity, place, wanted) for entry in self.rows)

    def met(self, row: Row) -> bool:
        """Whether a row that was read is one of the queued rows."""
        values = [row[place] for place in self.places]
        return any(
            a is not None and a == b
            for entry in self.rows
            if entry.identity is not None
            for a, b in zip(entry.identity, values, strict=True)
        )


def _may_be(identity: Identity, place: int, wanted: Container[str]) -> bool:
    if identity is None:
        return True
    if identity[place] is not None:
        return str(identity[place]) in wanted
    # Identified by another column. A row whose name the service assigns cannot be looked up yet.
    return any(value is not None for value in identity)

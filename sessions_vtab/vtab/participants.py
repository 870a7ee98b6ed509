"""The virtual tables that take part in transactions, by the names that SQL has for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sessions_vtab.contract.backend import Transaction
from sessions_vtab.errors import UnsupportedError

if TYPE_CHECKING:
    from sessions_vtab.vtab.host import OpenSource

__all__ = ["Participants", "UnitParticipant"]


@dataclass(slots=True, eq=False)
class UnitParticipant:
    """One virtual table in the unit of work.

    It belongs to the table's name, not to the object SQLite connected: a schema change that is
    rolled back makes SQLite connect the table again in the middle of a transaction.

    Attributes:
        source: the source of the table.
        table: its name there.
        joined: number of the moment it joined the transaction; None outside one.
        marks: number of each savepoint it was told of, by SQLite's level.
        store: the transaction of its backend's own store; None if its rows are queued.
    """

    source: OpenSource
    table: str
    joined: int | None = None
    marks: dict[int, int] = field(default_factory=dict)
    store: Transaction | None = field(init=False)

    def __post_init__(self) -> None:
        self.store = self.source.backend.transaction

    def leave(self) -> None:
        """Forgets the transaction."""
        self.joined = None
        self.marks.clear()


class Participants:
    """The participants of one connection."""

    def __init__(self) -> None:
        self._by_name: dict[tuple[str, str], UnitParticipant] = {}

    def __iter__(self) -> Iterator[UnitParticipant]:
        """All of them, whether they have joined a transaction or not."""
        return iter(self._by_name.values())

    def named(self, schema: str | None, name: str) -> Iterator[UnitParticipant]:
        """Those of a name.

        Args:
            schema: in lower case; None for any.
            name: in lower case.
        """
        for (one, table), participant in self._by_name.items():
            if schema in {None, one.lower()} and name == table.lower():
                yield participant

    def connected(self, schema: str, name: str, source: OpenSource, table: str) -> UnitParticipant:
        """The participant of a table; the same one however often SQLite connects it.

        Args:
            schema: the schema that the virtual table is in.
            name: what SQL calls the virtual table there.
            source: the source it shows.
            table: the table of the source.

        Raises:
            UnsupportedError: the name stands for another table in the open transaction, which
                would not be told of its end.
        """
        found = self._by_name.get((schema, name))
        if found is not None and (found.source, found.table) == (source, table):
            return found
        if found is not None and found.joined is not None:
            raise UnsupportedError(
                f"{schema}.{name} is part of the open transaction as"
                f" {found.source.name}.{found.table}, so it cannot become {source.name}.{table}."
                " COMMIT or ROLLBACK first."
            )
        made = self._by_name[schema, name] = UnitParticipant(source, table)
        return made

    def changeable(self, source: OpenSource) -> tuple[str, str] | None:
        """Schema and name of a table of a source from which rows can be deleted."""
        resources = source.backend.resources
        for (schema, name), one in self._by_name.items():
            if one.source is source and resources[one.table].capability.writes.delete:
                return schema, name
        return None

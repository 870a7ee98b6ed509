"""Which tables take part in a transaction, and which state of their stores a transaction reads.

A store is a database of its own, so that SQLite's BEGIN does not reach it: ``xBegin`` comes with
the first write, and a statement that reads a store twice would read it at two moments. So the first
read begins a transaction in the store, which ends with the statement or the transaction that
it belongs to (https://sqlite.org/isolation.html).
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import apsw

from sessions_vtab.contract.backend import Transaction
from sessions_vtab.contract.model import quoted
from sessions_vtab.errors import UnsupportedError

if TYPE_CHECKING:
    from sessions_vtab.vtab.host import Host, OpenSource
    from sessions_vtab.vtab.statements import HostConnection, Statements


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


class Holding:
    """The stores whose state a connection holds on to.

    Args:
        connection: the connection that reads them.
        statements: what runs on it; tells when nothing does, while something is held.
    """

    def __init__(self, connection: HostConnection, statements: Statements) -> None:
        self._connection = weakref.ref(connection)
        self._statements = statements
        self._stores: list[Transaction] = []

    def hold(self, store: Transaction) -> None:
        """A store is about to be read."""
        store.hold()
        if store not in self._stores:
            self._stores.append(store)
            self._statements.on_idle = self.idle

    def idle(self) -> None:
        """No statement runs any more: what is held is let go, unless a transaction is open."""
        connection = self._connection()
        if self._stores and connection is not None and not connection.in_transaction:
            stores, self._stores = self._stores, []
            self._statements.on_idle = None
            for store in stores:
                store.let_go()


@contextmanager
def locked(host: Host) -> Iterator[None]:
    """Runs a BEGIN that takes the write lock: every store that may be written takes part at once.

    SQLite calls ``xBegin`` for a statement that may write, whether it does or not.

    Raises:
        BusyError: another connection writes to a store. No transaction is open then.
    """
    yield
    try:
        for source, table in _writable(host):
            name = f"{quoted(source.name)}.{quoted(table)}"
            host.statements.run(f"DELETE FROM {name} WHERE 0")
    except BaseException:
        with suppress(apsw.Error):
            host.statements.run("ROLLBACK")
        host.holding.idle()
        raise


def _writable(host: Host) -> Iterable[tuple[OpenSource, str]]:
    """Each store that the connection may write to, with one of its tables."""
    for source in host.sources.values():
        if source.backend.transaction is None or source.settings.read_only or host.read_only:
            continue
        for name, resource in source.backend.resources.items():
            if resource.capability.writes.delete:
                yield source, name
                break

"""What a store's reads see: in a transaction, and in a statement, one state of the store.

A store is a database of its own, so that SQLite's BEGIN does not reach it: ``xBegin`` comes with
the first write, and a statement that reads a store twice would read it at two moments. So the
first read begins a transaction in the store, which ends with the statement or the transaction that
it belongs to (https://sqlite.org/isolation.html).
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import apsw

from sessions_vtab.contract.backend import Transaction
from sessions_vtab.contract.model import quoted

if TYPE_CHECKING:
    from sessions_vtab.vtab.host import Host, OpenSource
    from sessions_vtab.vtab.statements import HostConnection

__all__ = ["Holding", "locked"]


class Holding:
    """The stores whose state a connection holds on to.

    Args:
        connection: the connection that reads them.
    """

    def __init__(self, connection: HostConnection) -> None:
        self._connection = weakref.ref(connection)
        self._stores: list[Transaction] = []

    def hold(self, store: Transaction) -> None:
        """A store is about to be read."""
        store.hold()
        if store not in self._stores:
            self._stores.append(store)

    def idle(self) -> None:
        """No statement runs any more: what is held is let go, unless a transaction is open."""
        connection = self._connection()
        if self._stores and connection is not None and not connection.in_transaction:
            stores, self._stores = self._stores, []
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

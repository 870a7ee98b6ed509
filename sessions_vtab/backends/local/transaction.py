"""The store's transaction as the engine uses it, with numbered savepoints."""

from __future__ import annotations

import apsw

from sessions_vtab.backends.local.store import Store

__all__ = ["StoreTransaction"]


class StoreTransaction:
    """``contract.backend.Transaction`` of one store.

    Args:
        store: the store of the transaction.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._marks: list[int] = []

    def begin(self) -> None:
        """Starts a write transaction unless one is open; see ``Store.begin``."""
        self._store.begin()

    def hold(self) -> None:
        """Begins to read one state of the store; see ``Store.hold``."""
        self._store.hold()

    def let_go(self) -> None:
        """Ends what ``hold`` began."""
        self._store.let_go()

    def savepoint(self, number: int) -> None:
        """Sets a savepoint for the current state; begins a transaction if none is open."""
        self._store.begin()
        # Savepoints are named by depth, so that the same few statements are prepared only once.
        self._run(f"SAVEPOINT s{len(self._marks)}")
        self._store.touched.mark()
        self._marks.append(number)

    def rollback_to(self, number: int) -> None:
        """Rolls back to a savepoint, which stays; unknown numbers are ignored."""
        if number in self._marks:
            depth = self._marks.index(number)
            self._store.settle()
            self._run(f"ROLLBACK TO s{depth}")
            self._store.touched.rollback_to(depth)
            del self._marks[depth + 1 :]

    def release(self, number: int) -> None:
        """Releases a savepoint and later ones; unknown numbers are ignored."""
        if number in self._marks:
            depth = self._marks.index(number)
            self._run(f"RELEASE s{depth}")
            self._store.touched.release(depth)
            del self._marks[depth:]

    def commit(self) -> None:
        """Makes the changes durable.

        Raises:
            StoreError: SQLite rolled back the transaction after an earlier error.
            BusyError: another process holds the lock; the transaction stays open.
        """
        self._store.end("COMMIT")
        self._marks.clear()

    def rollback(self) -> None:
        """Rolls back the changes since ``begin``."""
        self._store.end("ROLLBACK")
        self._marks.clear()

    def forget(self) -> None:
        """Discards the savepoints of a store that was closed."""
        self._marks.clear()

    def _run(self, sql: str) -> None:
        """Executes a statement, unless the transaction is lost.

        A lost transaction no longer has savepoints, and only ROLLBACK ends it.
        """
        store = self._store
        if store.transaction_lost:
            return
        try:
            store.connection.execute(sql)
        except apsw.Error as error:
            raise store.failure(error) from error

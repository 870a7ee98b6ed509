"""The tables of sources: planning, and rows on their way to and from a backend."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import apsw

from sessions_vtab.contract.backend import Action, Resource
from sessions_vtab.contract.model import Table, quoted
from sessions_vtab.contract.predicate import Value
from sessions_vtab.contract.scan import Row
from sessions_vtab.contract.values import accept, check_choice
from sessions_vtab.errors import (
    MissingParameterError,
    QueuedWritesError,
    UnsupportedError,
)
from sessions_vtab.plan.lists import Sizes
from sessions_vtab.vtab.host import Host, OpenSource
from sessions_vtab.vtab.rows import OldRows
from sessions_vtab.vtab.transactions import UnitParticipant
from sessions_vtab.vtab.write_queue import (
    Identity,
    changed,
    created,
    identity_columns,
)

if TYPE_CHECKING:  # Most of them load the planner.
    from sessions_vtab.contract.capability import Writes
    from sessions_vtab.plan.binding import Binder
    from sessions_vtab.plan.index_info import IndexInfo, IndexUsage
    from sessions_vtab.vtab.best_index import ApswIndexInfo
    from sessions_vtab.vtab.cursor import ScanCursor


_CONFLICTS: Final = {
    apsw.SQLITE_REPLACE: (
        "REPLACE would overwrite rows of {} without reading them; use UPDATE instead."
    ),
    apsw.SQLITE_FAIL: (
        "INSERT OR FAIL would keep the rows before the failing one, but rows of {} are"
        " written together or not at all. Use INSERT, or INSERT OR IGNORE to skip"
        " existing rows."
    ),
    apsw.SQLITE_ROLLBACK: (
        "INSERT OR ROLLBACK would roll back at the first row that already exists, but for {}"
        " that is known only when the transaction ends. Use INSERT, and ROLLBACK"
        " after an error."
    ),
}
"""What is said of a conflict clause (``sqlite3_vtab_on_conflict()``) that cannot be kept."""


class SourceTable:
    """``VTTable`` of one table of one source.

    Attributes:
        resource: what reads it.
        plans: every plan that SQLite may still hold in a prepared statement, by its text. They
            are as many as there are shapes of scans, so none is ever dropped.
        sizes: pages of the lists that were read to their ends.
        positions: index of each column in a row.
        key: index of the key column.
        title: ``source.table``, for errors.
    """

    def __init__(
        self,
        host: Host,
        source: OpenSource,
        resource: Resource,
        plans: dict[str, Binder],
        participant: UnitParticipant,
        sizes: Sizes,
    ) -> None:
        self.resource = resource
        self.plans = plans
        self.sizes = sizes
        self.positions: Mapping[str, int] = resource.table.positions
        self.key = self.positions[resource.table.key]
        self.host = host
        self.source = source
        self.name = resource.table.name
        self._participant = participant
        self.store = participant.store
        self.title = f"{source.name}.{resource.table.name}"
        self._places = {
            column.name: (column, f"{self.title}.{column.name}")
            for column in resource.table.columns
        }
        self.identity = identity_columns(resource.capability, resource.table.key)
        self.identity_places = tuple(self.positions[name] for name in self.identity)
        self.old = OldRows(resource.table, self.identity_places)

    @property
    def _table(self) -> Table:
        return self.resource.table

    # Reading.

    def BestIndexObject(self, info: ApswIndexInfo) -> bool:
        """Plans a scan; False refuses a combination in which something needed is not usable."""
        return self.planned(info) is not None

    def planned(self, info: ApswIndexInfo) -> tuple[str, IndexInfo, IndexUsage] | None:
        """As ``BestIndexObject``: the plan's text, what was offered and what was answered."""
        from sessions_vtab.vtab.best_index import planned  # noqa: PLC0415  # It loads the planner.

        return planned(info, self, self.host)

    def narrowed(
        self, index_info: IndexInfo, usage: IndexUsage, argument: str
    ) -> tuple[str, tuple[int, ...]] | None:
        """A plan with one more condition that keeps an answer's promise; see ``plan.narrowing``.

        Args:
            index_info: what SQLite offered.
            usage: what it was told.
            argument: the text of a plan argument that is registered with the host.

        Returns:
            Its text, and the places of its arguments.
        """
        from sessions_vtab.vtab.best_index import narrowed  # noqa: PLC0415  # As above.

        return narrowed(self, self.host, index_info, usage, argument)

    def Open(self) -> ScanCursor:
        """A cursor for one occurrence of the table in one run of a statement."""
        if not self.resource.capability.remote:
            from sessions_vtab.vtab.cursor import ScanCursor  # noqa: PLC0415  # As above.

            return ScanCursor(self)
        # A local table is read row by row without memo or look-ahead: each of them costs more than
        # its reads.
        from sessions_vtab.vtab.remote_cursor import RemoteCursor  # noqa: PLC0415

        cursor = RemoteCursor(self)
        self.host.cursors.append(cursor)
        return cursor

    def Disconnect(self) -> None:
        """SQLite forgets the table."""

    def Destroy(self) -> None:
        """DROP TABLE; refused while rows of it wait to be sent, because they would be lost."""
        if self.host.unit.queued(self._participant):
            msg = (
                f"{self.title} has writes that have not been sent. COMMIT or ROLLBACK before DROP."
            )
            raise QueuedWritesError(msg)

    def Rename(self, name: str) -> None:
        """ALTER TABLE .. RENAME TO; refused: other sources, views and the log know the old name."""
        msg = (
            f"{self.title} cannot be renamed. To use another name: CREATE TEMP VIEW"
            f" {quoted(name)} AS SELECT * FROM {self.title}."
        )
        raise UnsupportedError(msg)

    # Writing.

    def UpdateInsertRow(self, _rowid: int | None, fields: tuple[Any, ...]) -> int:
        """INSERT of one row."""
        conflict = self.host.connection.vtab_on_conflict()
        if conflict in _CONFLICTS:
            raise UnsupportedError(_CONFLICTS[conflict].format(self.title))
        given = {
            column.name: value
            for column, value in zip(self._table.columns, fields, strict=True)
            if value is not None
        }
        values = self._insertable(given)
        self._write(Action.INSERT, None, values, ignore=conflict == apsw.SQLITE_IGNORE)
        # SQLite sets last_insert_rowid() to what is returned: leave it alone.
        return self.host.connection.last_insert_rowid()

    def UpdateChangeRow(self, key: Any, new_key: Any, fields: tuple[Any, ...]) -> None:
        """UPDATE of one row: columns that the statement does not set come as ``no_change``."""
        if new_key != key:
            self.resource.capability.refuse(self._table.key, "update", self.title)
        old = self.old.row(key)
        changes: dict[str, Value] = {}
        for place, (column, value) in enumerate(zip(self._table.columns, fields, strict=True)):
            if value is apsw.no_change or place == self.key:
                continue
            if value is not None:
                value = self._accept(column.name, value)  # noqa: PLW2901
            if old is None or old[place] != value:
                changes[column.name] = value
        self._check(changes, self._writes.update, "update")
        if changes:
            self._write(Action.UPDATE, key, changes)
        else:
            self.host.unit.unchanged(old)

    def UpdateDeleteRow(self, key: Any) -> None:
        """DELETE of one row."""
        self._writes.require("delete", self.title)
        self._write(Action.DELETE, key, {}, before=self.old.row(key))

    # Transactions: see unit_of_work.

    def Begin(self) -> None:
        """Joins the transaction: a statement is going to write, and has read nothing yet."""
        self.host.require_writable(self.source, f"The statement on {self.title}")
        self.host.unit.begin(self._participant)

    def Sync(self) -> None:
        """Makes the transaction final."""
        self.host.unit.sync(self._participant)

    def Commit(self) -> None:
        """Ends the transaction."""
        self.host.unit.commit(self._participant)

    def Rollback(self) -> None:
        """Undoes the transaction."""
        self.host.unit.rollback(self._participant)

    def Savepoint(self, level: int) -> None:
        """Marks the present state."""
        self.host.unit.savepoint(self._participant, level)

    def Release(self, level: int) -> None:
        """Forgets a mark."""
        self.host.unit.release(self._participant, level)

    def RollbackTo(self, level: int) -> None:
        """Returns to a mark."""
        self.host.unit.rollback_to(self._participant, level)

    # Inside.

    @property
    def _writes(self) -> Writes:
        return self.resource.capability.writes

    def _insertable(self, given: Mapping[str, Value]) -> dict[str, Value]:
        self._check(given, self._writes.insert, "insert")
        missing = [name for name in self._writes.required if name not in given]
        if missing:
            msg = f"INSERT INTO {self.title} requires {' and '.join(missing)}. Nothing was written."
            raise MissingParameterError(msg)
        return {name: self._accept(name, value) for name, value in given.items()}

    def _accept(self, name: str, value: Value) -> Value:
        column, where = self._places[name]
        return accept(column, value, where)

    def _check(self, values: Mapping[str, Value], allowed: frozenset[str], action: str) -> None:
        for name, value in values.items():
            if name not in allowed:
                self.resource.capability.refuse(name, action, self.title)
            column, where = self._places[name]
            check_choice(column, value, where)

    def _write(
        self,
        action: Action,
        key: Value,
        values: Mapping[str, Value],
        *,
        ignore: bool = False,
        before: Row | None = None,
    ) -> None:
        self.host.unit.write(
            self._participant,
            self._table.name,
            action,
            None if key is None else str(key),
            values,
            ignore=ignore,
            before=before,
            identity=self._identity_of(key, values),
        )

    def _identity_of(self, key: Value, values: Mapping[str, Value]) -> Identity:
        """What tells a row from others while it waits; a store has its rows at once."""
        if self.store is not None:
            return None
        if key is None:
            return created(self.identity, values)
        return changed(self.identity, values, self.old.identity(key))

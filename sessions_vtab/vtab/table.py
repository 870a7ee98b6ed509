"""The tables of sources: planning, and rows on their way to and from a backend."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import apsw

from sessions_vtab.contract.backend import Resource
from sessions_vtab.contract.declare import quoted
from sessions_vtab.contract.model import Table
from sessions_vtab.contract.predicate import Value
from sessions_vtab.contract.scan import Page, Row, Scan
from sessions_vtab.contract.values import accept
from sessions_vtab.contract.write import Action
from sessions_vtab.errors import (
    MissingParameterError,
    QueuedWritesError,
    UnsupportedError,
)
from sessions_vtab.plan.lists import Sizes, is_whole, size_key
from sessions_vtab.vtab.actions import require_action, require_conflict
from sessions_vtab.vtab.blame import blame, blaming
from sessions_vtab.vtab.host import Host, OpenSource, StatementContext
from sessions_vtab.vtab.memo import Recording
from sessions_vtab.vtab.old_rows import OldRows
from sessions_vtab.vtab.participants import UnitParticipant
from sessions_vtab.vtab.rows import page_name
from sessions_vtab.vtab.write_queue import (
    Identity,
    Waiting,
    changed,
    created,
    identity_columns,
    missed,
)

if TYPE_CHECKING:  # Most of them load the planner.
    from sessions_vtab.contract.capability import Writes
    from sessions_vtab.plan.binding import Binder
    from sessions_vtab.plan.index_info import IndexInfo, IndexUsage
    from sessions_vtab.sql.plans import PlanArgument
    from sessions_vtab.vtab.best_index import ApswIndexInfo
    from sessions_vtab.vtab.costly_cursor import CostlyCursor
    from sessions_vtab.vtab.cursor import ScanCursor
    from sessions_vtab.vtab.look_ahead import ExactLink, LookAhead

__all__ = ["SourceTable"]


class SourceTable:
    """``VTTable`` of one table of one source.

    Attributes:
        resource: what reads it.
        plans: every plan that SQLite may still hold in a prepared statement, by its words. They
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
        self._host = host
        self._source = source
        self._participant = participant
        self.title = f"{source.name}.{resource.table.name}"
        self._places = {
            column.name: (column, f"{self.title}.{column.name}")
            for column in resource.table.columns
        }
        self._identity = identity_columns(resource.capability, resource.table.key)
        self._identity_places = tuple(self.positions[name] for name in self._identity)
        self._old = OldRows(resource.table, self._identity_places)

    @property
    def _table(self) -> Table:
        return self.resource.table

    # Reading.

    def BestIndexObject(self, info: ApswIndexInfo) -> bool:
        """Plans a scan; False refuses a combination in which something needed is not usable."""
        return self.planned(info) is not None

    def planned(self, info: ApswIndexInfo) -> tuple[str, IndexInfo, IndexUsage] | None:
        """As ``BestIndexObject``: the plan's words, what was offered and what was answered."""
        from sessions_vtab.vtab.planning import planned  # noqa: PLC0415  # See its own text.

        return planned(info, self, self._host)

    def narrowed(
        self, index_info: IndexInfo, usage: IndexUsage, told: str
    ) -> tuple[str, tuple[int, ...]] | None:
        """A plan with one more condition that keeps an answer's promise; see ``plan.narrowing``.

        Args:
            index_info: what SQLite offered.
            usage: what it was told.
            told: the text of a plan of the statement rewriter, which the host has been told.

        Returns:
            Its words, and the places of its arguments.
        """
        from sessions_vtab.vtab.planning import narrowed  # noqa: PLC0415  # As above.

        return narrowed(self, self._host, index_info, usage, told)

    def Open(self) -> ScanCursor:
        """A cursor for one occurrence of the table in one run of a statement."""
        if not self.resource.capability.costly:
            from sessions_vtab.vtab.cursor import ScanCursor  # noqa: PLC0415  # As above.

            return ScanCursor(self)
        # A local table is read row by row without memo or look-ahead: each of them costs more than
        # its reads.
        from sessions_vtab.vtab.costly_cursor import CostlyCursor  # noqa: PLC0415

        cursor = CostlyCursor(self)
        self._host.cursors.append(cursor)
        return cursor

    def closed(self, cursor: CostlyCursor) -> None:
        """A costly cursor was closed."""
        host = self._host
        if cursor in host.cursors:
            host.cursors.remove(cursor)
        for key in [key for key, known in host.labels.items() if known is cursor]:
            del host.labels[key]

    def front_plan(self, told: str) -> PlanArgument | None:
        """What the statement rewriter said under this text."""
        return self._host.told.get(told)

    def label(self, label: str, cursor: CostlyCursor) -> None:
        """Makes a cursor known under the label that other occurrences use."""
        if label:
            self._host.labels[self._host.statements.current.number, label] = cursor

    def rows_that_pass(
        self, rows: Sequence[Row], plan: PlanArgument | None, values: Sequence[Value]
    ) -> Collection[int]:
        """Places of the rows of a page that SQLite will keep, as far as the text tells."""
        if plan is None:
            return range(len(rows))
        name = page_name(self._source.name, self._table.name)
        return self._host.rows_that_pass(rows, name, plan, values)

    def look_ahead(
        self,
        ahead: LookAhead,
        scan: Scan,
        cursor: CostlyCursor,
        exact: ExactLink | None,
        *,
        known: bool,
        most: float,
    ) -> None:
        """Starts the reads that will be asked for soon.

        Behind the one that is asked for now, unless its rows are known: it is waited for first.
        """
        # The outer side may be of another table and source, so all cursors of the connection are
        # asked.
        others = [one for one in self._host.cursors if one is not cursor]
        scans = ahead.asked(scan, others, exact, most)
        if scans:
            with blaming(self._source.backend.name, self.title):
                self.resource.prefetch(scans if known else [scan, *scans], self._context())

    def labelled(self, label: str) -> CostlyCursor | None:
        """The open cursor of this statement that other occurrences know by a label."""
        return self._host.labels.get((self._host.statements.current.number, label))

    def read(self, scan: Scan) -> Iterator[Page]:
        """The pages of a scan; whole rows where RETURNING will ask for them."""
        context = self._context()
        self._host.holding.hold(self._participant.store)
        if not context.run.readonly and self._host.capturing(context.run.number):
            # RETURNING * is answered from these rows, after SQLite has asked for fewer columns.
            scan = replace(scan, columns=frozenset(self._table.names), shape=None)
        elif not context.run.readonly and self._participant.store is None:
            # What tells a row from those that wait to be sent.
            scan = replace(scan, columns=scan.columns.union(self._identity), shape=None)
        return self.resource.scan(scan, context)

    def recorded(self, scan: Scan) -> Recording:
        """The pages of a scan, which are counted and remembered."""
        lists = self._lists_read() if not scan.path.keys and is_whole(scan) else None

        def came(pages: int, rows: int, ended: bool) -> None:
            if lists is not None:
                lists[size_key(scan), scan.order] = pages
            if ended:
                self.sizes.learn(scan, pages, rows)

        return Recording(self.read(scan), came)

    def responses_read(self, scan: Scan) -> int:
        """How many responses of a list this statement has read: again, they cost no request."""
        lists = self._lists_read()
        return lists.get((size_key(scan), scan.order), 0) if lists else 0

    @property
    def has_read_lists(self) -> bool:
        """Whether this statement has read lists of the table, at least in part."""
        return bool(self._lists_read())

    def _lists_read(self) -> dict[object, int]:
        lists = self._context().memory.setdefault(("lists", self.title), {})
        return cast("dict[object, int]", lists)

    def pages_of(self, scan: Scan) -> int | None:
        """How many pages a list had when it was last read to its end; None: it never was."""
        return self.sizes.of(scan)

    def blame(self, error: BaseException) -> None:
        """Notes on an unexpected exception of a read that it is the backend's."""
        blame(error, self._source.backend.name, self.title)

    def explained(self, words: str, scan: Scan | None) -> bool:
        """In an explanation: shows what a read would send; then nothing is to be read."""
        look = self._host.explaining
        if look is None:
            return False
        if scan is not None:
            with blaming(self._source.backend.name, self.title):
                requests = tuple(self.resource.preview(scan))
            look.shown += [(self.title, request) for request in requests]
            look.reach(words, scan, requests, *self.sizes.counts(scan))
        return True

    def waiting(self, scan: Scan) -> Waiting | None:
        """Rows of earlier statements that are not sent yet, and that the scan may do without.

        Raises:
            QueuedWritesError: it may not: it would miss them.
        """
        if self._participant.store is not None:
            return None
        entries = self._host.unit.waiting(self._source, self._table.name)
        if not entries:
            self._require_sent(self.resource.capability.made_from)
            return None
        waiting = Waiting(self._identity, self._identity_places, tuple(entries))
        if self._host.statements.current.readonly or not waiting.spares(scan):
            raise missed(self.title, entries[0], self._host.statements.current.number)
        return waiting

    def _require_sent(self, table: str) -> None:
        """Raises QueuedWritesError if rows of a table wait to be sent; "" for none."""
        entries = self._host.unit.waiting(self._source, table) if table else ()
        if entries:
            raise missed(self.title, entries[0], self._host.statements.current.number)

    def watched(
        self, rows: Iterator[Row], scan: Scan | None, waiting: Waiting | None = None
    ) -> Iterator[Row]:
        """The rows; in a statement that writes, their old values are remembered by key.

        Args:
            rows: as they were read.
            scan: the read; None if there was none.
            waiting: rows that must not be among them: QueuedWritesError.
        """
        if waiting is not None:
            rows = self._none_of(rows, waiting)
        statement = self._host.statements.current
        capturing = self._host.capturing(statement.number)
        changes = self._writes.update or self._writes.delete
        if statement.readonly or scan is None or not (changes or capturing):
            return rows
        whole = capturing or self._old.are_whole(scan.columns)
        if not whole and self._participant.store is not None:
            return rows
        return self._old.remembered(rows, statement.number, whole=whole)

    def Disconnect(self) -> None:
        """SQLite forgets the table."""

    def Destroy(self) -> None:
        """DROP TABLE; refused while rows of it wait to be sent, because they would be lost."""
        if self._host.unit.queued(self._participant):
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
        conflict = self._host.connection.vtab_on_conflict()
        require_conflict(self.title, conflict)
        given = {
            column.name: value
            for column, value in zip(self._table.columns, fields, strict=True)
            if value is not None
        }
        values = self._insertable(given)
        self._write(Action.INSERT, None, values, ignore=conflict == apsw.SQLITE_IGNORE)
        # SQLite sets last_insert_rowid() to what is returned: leave it alone.
        return self._host.connection.last_insert_rowid()

    def UpdateChangeRow(self, key: Any, new_key: Any, fields: tuple[Any, ...]) -> None:
        """UPDATE of one row: columns that the statement does not set come as ``no_change``."""
        if new_key != key:
            self._refuse(self._table.key, "update")
        old = self._old.row(key)
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
            self._host.unit.unchanged(old)

    def UpdateDeleteRow(self, key: Any) -> None:
        """DELETE of one row."""
        require_action(self.title, self._writes, "delete")
        self._write(Action.DELETE, key, {}, before=self._old.row(key))

    # Transactions: see unit_of_work.

    def Begin(self) -> None:
        """Joins the transaction: a statement is going to write, and has read nothing yet."""
        self._host.require_writable(self._source, f"The statement on {self.title}")
        self._host.unit.begin(self._participant)

    def Sync(self) -> None:
        """Makes the transaction final."""
        self._host.unit.sync(self._participant)

    def Commit(self) -> None:
        """Ends the transaction."""
        self._host.unit.commit(self._participant)

    def Rollback(self) -> None:
        """Undoes the transaction."""
        self._host.unit.rollback(self._participant)

    def Savepoint(self, level: int) -> None:
        """Marks the present state."""
        self._host.unit.savepoint(self._participant, level)

    def Release(self, level: int) -> None:
        """Forgets a mark."""
        self._host.unit.release(self._participant, level)

    def RollbackTo(self, level: int) -> None:
        """Returns to a mark."""
        self._host.unit.rollback_to(self._participant, level)

    # Inside.

    @property
    def _writes(self) -> Writes:
        return self.resource.capability.writes

    def _context(self) -> StatementContext:
        return self._host.context(self._source, self._table.name)

    def _none_of(self, rows: Iterable[Row], waiting: Waiting) -> Iterator[Row]:
        for row in rows:
            if waiting.met(row):
                raise missed(self.title, waiting.rows[0], self._host.statements.current.number)
            yield row

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

    def _check(self, values: Iterable[str], allowed: frozenset[str], action: str) -> None:
        for name in values:
            if name not in allowed:
                self._refuse(name, action)

    def _refuse(self, column: str, action: str) -> None:
        require_action(self.title, self._writes, action, column)
        if column in self.resource.capability.absent:
            what = f"{self.title}.{column} is always NULL, because the service has no field for it"
        elif action == "update":
            what = f"{self.title}.{column} cannot be changed after creation"
        else:
            what = f"{self.title}.{column} cannot be given on INSERT, because the source sets it"
        msg = f"{what}. {self._writes.remedy(action, column)}".rstrip() + " Nothing was written."
        raise UnsupportedError(msg)

    def _write(
        self,
        action: Action,
        key: Value,
        values: Mapping[str, Value],
        *,
        ignore: bool = False,
        before: Row | None = None,
    ) -> None:
        self._host.unit.write(
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
        if self._participant.store is not None:
            return None
        if key is None:
            return created(self._identity, values)
        return changed(self._identity, values, self._old.identity(key))

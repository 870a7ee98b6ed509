"""Rows on their way into the work file: statements on the source, within a budget of their own.

Lists come as they are; the rows of sessions are read in batches.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeAlias

from sessions_vtab.connection import Connection
from sessions_vtab.contract.model import quoted
from sessions_vtab.errors import BudgetError
from sessions_vtab.scanning.rows import chunks, select
from sessions_vtab.scanning.splitting import LINK
from sessions_vtab.snapshot.ddl import delete_missing, renumber, upsert
from sessions_vtab.snapshot.shape import CopiedTable, CopyPlan, ListedTable
from sessions_vtab.snapshot.work import Work


@dataclass(frozen=True, slots=True)
class SnapshotProgress:
    """How far a snapshot is.

    Attributes:
        table: what is being read.
        done: rows of a list, or sessions whose rows were read.
        total: how many there are in all; None if that is not known yet.
        rows: rows of the table read so far.
        requests: requests made so far.
    """

    table: str
    done: int
    total: int | None
    rows: int
    requests: int


ProgressCallback: TypeAlias = Callable[[SnapshotProgress], None]


class SourceReader:
    """Reads tables of one source of a connection, within a number of requests in all."""

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
        text = select(self._source, table, ("name",), where)
        self._connection.execute(f"EXPLAIN {text}").fetchall()

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
            text = select(self._source, table, columns, where)
            if order:
                text += f" ORDER BY {quoted(order)}"
            yield from chunks(self._connection.execute(text, bindings))

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


# Sessions whose rows are read by one statement, and written by one transaction: soon something is
# kept, and later requests seldom wait for the end of a batch.
_FIRST_BATCH: Final = 32
_LAST_BATCH: Final = 256

_PENDING: Final = """
SELECT k.key, k.version, m.session IS NOT NULL
FROM temp.listed k
LEFT JOIN _snapshot_marks m ON m.table_name = :table AND m.session = k.key
WHERE k.table_name = :parent AND (
    m.session IS NULL
    OR m.version IS NOT k.version
    OR (m.run <> :run AND (:follows = 0 OR NOT m.settled)))
AND k.key > :after
"""
_OF_BATCH: Final = "(SELECT value FROM json_each(?))"


@dataclass(slots=True)
class Copying:
    """Fills the tables of one work file.

    Attributes:
        work: the file.
        reading: the source.
        horizon: rows of sessions that were written before it are trusted to be all there.
        progress: told how far it is.
        changed: rows that are new or other, by table.
        deleted: rows that are gone, by table.
    """

    work: Work
    reading: SourceReader
    horizon: str
    progress: ProgressCallback
    changed: dict[str, int] = field(default_factory=dict)
    deleted: dict[str, int] = field(default_factory=dict)

    def copy_list(self, listing: ListedTable) -> None:
        """One list, whole or not at all; rows that it does not have any more are removed."""
        work, shape = self.work, listing.shape
        numbering = _Numbering(shape)
        done = 0
        with work.transaction():
            work.execute("DELETE FROM temp.listed WHERE table_name = ?", (listing.table,))
            columns, where, order = listing.columns, listing.where, listing.order
            for chunk in self.reading.rows(listing.table, columns, where, order=order):
                if shape is not None:
                    width = len(shape.read)
                    self._put(shape, numbering.rows(row[:width] for row in chunk))
                work.executemany(
                    "INSERT OR REPLACE INTO temp.listed(table_name, key, version) VALUES (?, ?, ?)",
                    _keys(listing, chunk),
                )
                done += len(chunk)
                self._tell(listing.table, done, None, done)
            if shape is not None:
                sql = delete_missing(listing.table, listing.key)
                self._count_deleted(listing.table, sql, (listing.table,))
        work.worth_keeping = True

    def remove_orphans(self, plan: CopyPlan) -> None:
        """Removes rows, and marks, of sessions that are gone."""
        listed = {listing.table for listing in plan.listings}
        for shape in plan.shapes:
            if shape.parent not in listed:
                continue
            with self.work.transaction():
                sql = delete_missing(shape.table, LINK)
                self._count_deleted(shape.table, sql, (shape.parent,))
                sql = delete_missing("_snapshot_marks", "session")
                self.work.execute(f"{sql} AND table_name = ?", (shape.parent, shape.table))

    def pending(self, shape: CopiedTable) -> int:
        """How many sessions' rows have to be read."""
        ((count,),) = self.work.execute(f"SELECT count(*) FROM ({_PENDING})", self._which(shape))
        return int(count)

    def copy_rows(self, shape: CopiedTable) -> None:
        """The rows of all sessions that have to be read; each batch stays once it is written."""
        total = self.pending(shape)
        done = rows = 0
        after, size = "", _FIRST_BATCH
        while batch := self._batch(shape, after, size):
            tell = partial(self._tell, shape.table, done, total)
            rows += self._copy_batch(shape, batch, rows, tell)
            done += len(batch)
            after, size = batch[-1][0], min(2 * size, _LAST_BATCH)
            self._tell(shape.table, done, total, rows)

    def _batch(self, shape: CopiedTable, after: str, most: int) -> list[Any]:
        # No more than the budget pays for, so that what it pays for is kept.
        size = max(1, min(most, self.reading.left))
        sql = f"{_PENDING} ORDER BY k.key LIMIT {size}"
        return self.work.execute(sql, self._which(shape, after))

    def _which(self, shape: CopiedTable, after: str = "") -> dict[str, Any]:
        return {
            "table": shape.table,
            "parent": shape.parent,
            "run": self.work.run,
            "follows": int(bool(shape.follows)),
            "after": after,
        }

    def _copy_batch(
        self, shape: CopiedTable, batch: list[Any], before: int, tell: Callable[[int], None]
    ) -> int:
        """The rows of some sessions, compared by key with those that were there.

        Args:
            shape: their table.
            batch: the sessions.
            before: rows of the table read so far.
            tell: told how many rows there are then.
        """
        keys = [key for key, _, _ in batch]
        read_before = [key for key, _, known in batch if known]
        where = f"{quoted(LINK)} IN ({', '.join('?' * len(keys))})"
        place = shape.read.index(shape.key)
        numbering = _Numbering(shape)
        count = 0
        with self.work.transaction():
            self.work.execute("DELETE FROM temp.seen")
            # In no order but the source's own, which is that of the list for each session.
            for chunk in self.reading.rows(shape.table, shape.read, where, keys):
                self._put(shape, numbering.rows(chunk))
                if read_before:
                    names = ((row[place],) for row in chunk)
                    self.work.executemany("INSERT OR IGNORE INTO temp.seen VALUES (?)", names)
                count += len(chunk)
                tell(before + count)
            if read_before:
                self._remove_unseen(shape, read_before)
            self._mark(shape, batch)
        return count

    def _remove_unseen(self, shape: CopiedTable, sessions: list[str]) -> None:
        table, link, key = map(quoted, (shape.table, LINK, shape.key))
        sql = f"DELETE FROM {table} WHERE {link} IN {_OF_BATCH}"
        sql += f" AND {key} NOT IN (SELECT key FROM temp.seen)"
        self._count_deleted(shape.table, sql, (json.dumps(sessions),))

    def _mark(self, shape: CopiedTable, batch: list[Any]) -> None:
        self.work.executemany(
            "INSERT OR REPLACE INTO _snapshot_marks(table_name, session, version, settled, run)"
            " VALUES (?, ?, ?, ?, ?)",
            [
                (shape.table, key, version, int((version or "~") < self.horizon), self.work.run)
                for key, version, _ in batch
            ],
        )

    def _put(self, shape: CopiedTable, rows: Iterable[Any]) -> None:
        rows = list(rows)
        count = self.work.executemany(upsert(shape), rows)
        if shape.numbered and (self.work.incremental or self.work.resumed):
            number, key = shape.names.index(shape.numbered), shape.names.index(shape.key)
            self.work.executemany(renumber(shape), ((row[number], row[key]) for row in rows))
        self.changed[shape.table] = self.changed.get(shape.table, 0) + count

    def _count_deleted(self, table: str, sql: str, bindings: tuple[Any, ...]) -> None:
        before = self.work.connection.total_changes()
        self.work.execute(sql, bindings)
        count = self.work.connection.total_changes() - before
        self.deleted[table] = self.deleted.get(table, 0) + count

    def _tell(self, table: str, done: int, total: int | None, rows: int) -> None:
        self.progress(SnapshotProgress(table, done, total, rows, self.reading.spent))


class _Numbering:
    """Numbers the rows of each session where the source does not.

    Args:
        shape: whose rows these are; None if they are not kept.
    """

    def __init__(self, shape: CopiedTable | None) -> None:
        self._last: dict[str, int] = {}
        self._place = self._link = -1
        self._missing = False
        if shape is not None and shape.numbered:
            self._place = shape.names.index(shape.numbered)
            self._link = shape.read.index(LINK)
            self._missing = shape.unread == shape.numbered

    def rows(self, rows: Iterable[Any]) -> Iterable[Any]:
        """The rows as they are kept."""
        return rows if self._place < 0 else map(self._numbered, rows)

    def _numbered(self, row: Any) -> Any:
        at = self._place
        given = None if self._missing else row[at]
        if given is not None:
            return row
        number = self._last[row[self._link]] = self._last.get(row[self._link], 0) + 1
        return (*row[:at], number, *row[at + (not self._missing) :])


def _keys(listing: ListedTable, chunk: Iterable[Any]) -> Iterator[tuple[Any, ...]]:
    place = listing.columns.index(listing.key)
    for row in chunk:
        version = None if listing.version is None else row[listing.version]
        yield listing.table, row[place], version

"""One table of the store, as the engine uses it: its capability and its scans."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Final

from sessions_vtab.backends.local.dialect import COLLATIONS, Select
from sessions_vtab.backends.local.store import Store
from sessions_vtab.backends.local.tables import StoreTable, real_columns
from sessions_vtab.backends.local.writable import WRITES
from sessions_vtab.contract.backend import Context, Resource
from sessions_vtab.contract.capability import (
    AccessPath,
    Capability,
    Connective,
    Filter,
    HiddenRows,
    Writes,
)
from sessions_vtab.contract.model import ColumnType, Table
from sessions_vtab.contract.predicate import Compare, Op
from sessions_vtab.contract.scan import Page, Row, Scan

__all__ = ["LocalResource"]

# Estimated rows of a full read and of one session, which make the planner start with the smaller
# table, and follow a session to its events rather than each event to its session.
_ROWS: Final = {"sessions": 10_000, "events": 100_000, "event_parts": 200_000}
_PER_SESSION: Final = {"events": 10, "event_parts": 20}


class LocalResource(Resource):
    """One table of one store.

    Args:
        relation: the columns of the table, and how they are read.
        store: the store of the table.
        writes: the supported changes; None for those of the store's table of that name.
    """

    def __init__(self, relation: StoreTable, store: Store, writes: Writes | None = None) -> None:
        self.table = relation.table
        self.capability = _capability(relation, writes or WRITES[relation.table.name])
        self._select = Select(relation)
        self._store = store

    def scan(self, scan: Scan, context: Context) -> Iterator[Page]:
        """Yields matching rows: one by a lookup, or many in growing pages (``Store.pages``)."""
        text, bindings = self._select.statement(scan, partial(self._store.now_of, context))
        if scan.path.unique and _compares(scan):
            return iter((self._store.looked_up(text, bindings, context),))
        return self._store.pages(text, bindings, context)

    def row(self, column: str, value: str) -> Row | None:
        """Returns the complete row with a value in a unique column, even if expired or deleted."""
        found: Row | None = self._store.row(self._select.one(column), (self._store.now(), value))
        return found


def _compares(scan: Scan) -> bool:
    """Whether each condition requires exactly one value."""
    return all(isinstance(term, Compare) for term in scan.where.terms)


def _capability(relation: StoreTable, writes: Writes) -> Capability:
    table = relation.table
    filters = _filters(table)
    orders = tuple(column.name for column in real_columns(table))
    connectives = frozenset(Connective)
    listing = AccessPath(
        "list", (), filters, orders, connectives, offset=True, cost=20.0, call=table.name
    )
    lookups = tuple(
        AccessPath(name, keys, filters, orders, connectives, unique=True, cost=5.0, call=table.name)
        for name, keys in relation.lookups
    )
    return Capability(
        (*lookups, *_of_session(relation, listing), listing),
        writes,
        rows=_ROWS.get(table.name, 1_000),
        costly=False,
        hides=HiddenRows("deleted", "include_deleted") if relation.unless else None,
    )


def _of_session(relation: StoreTable, listing: AccessPath) -> Iterator[AccessPath]:
    """The same list for one session: what it is expected to have is much less than a share."""
    rows = _PER_SESSION.get(relation.table.name)
    unique = [keys for _, keys in relation.lookups]
    keys = (key for key in ("session_id", *relation.same_as) if (key,) not in unique)
    for key in keys if rows else ():
        yield replace(listing, name=f"list by {key}", keys=(key,), rows_per_key=rows)


def _filters(table: Table) -> tuple[Filter, ...]:
    """Every operator on every column; the store is SQLite, so all of them are exact."""
    every = frozenset(Op)
    columns = real_columns(table)
    plain = tuple(
        Filter(column.name, every, exact=True, collations=COLLATIONS) for column in columns
    )
    keyed = tuple(
        Filter(column.name, every, keyed=True, exact=True, collations=COLLATIONS)
        for column in columns
        if column.type is ColumnType.JSON
    )
    return plain + keyed

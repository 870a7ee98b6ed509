"""One table of the store, as the engine uses it: its capability and scans; a row as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final

from sessions_vtab.backends.local.dialect import COLLATIONS, Select
from sessions_vtab.backends.local.store import Store
from sessions_vtab.backends.local.tables import StoreTable, real_columns
from sessions_vtab.contract.backend import Context, Resource
from sessions_vtab.contract.capability import (
    AccessPath,
    Capability,
    Connective,
    Filter,
    HiddenRows,
)
from sessions_vtab.contract.model import ColumnType, Table
from sessions_vtab.contract.predicate import Compare, Op
from sessions_vtab.contract.scan import Page, Row, Scan
from sessions_vtab.contract.values import dump_json

# Estimated rows of a full read and of one session, which make the planner start with the smaller
# table, and follow a session to its events rather than each event to its session.
_ROWS: Final = {"sessions": 10_000, "events": 100_000, "event_parts": 200_000}
_PER_SESSION: Final = {"events": 10, "event_parts": 20}


class LocalResource(Resource):
    """One table of one store.

    Args:
        relation: the columns of the table, and how they are read.
        store: the store of the table.
    """

    def __init__(self, relation: StoreTable, store: Store) -> None:
        self.table = relation.table
        self.capability = _capability(relation)
        self._select = Select(relation)
        self._store = store

    def scan(self, scan: Scan, context: Context) -> Iterator[Page]:
        """Yields matching rows: one by a lookup, or many in growing pages (``Store.pages``)."""
        text, bindings = self._select.statement(scan, partial(self._store.now_of, context))
        # Each condition requires exactly one value.
        if scan.path.unique and all(isinstance(term, Compare) for term in scan.where.terms):
            return iter((self._store.looked_up(text, bindings, context),))
        return self._store.pages(text, bindings, context)

    def row(self, name: str) -> Row | None:
        """Returns the complete row with a name, even if it is expired or deleted."""
        found: Row | None = self._store.row(self._select.one("name"), (self._store.now(), name))
        return found


def _capability(relation: StoreTable) -> Capability:
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
        relation.writes,
        rows=_ROWS.get(table.name, 1_000),
        remote=False,
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


def response(table: Table, row: Row, extra: Mapping[str, Any] | None = None) -> str:
    """Returns a row as a JSON object, in which JSON columns are JSON values.

    Args:
        table: the table of the row.
        row: the values of all columns.
        extra: further members of the object.
    """
    members = {
        column.name: value
        if column.type is ColumnType.JSON and isinstance(value, str)
        else dump_json(value)
        for column, value in zip(table.columns, row, strict=True)
        if value is not None
    }
    members |= {name: dump_json(value) for name, value in (extra or {}).items()}
    return "{" + ",".join(f"{dump_json(name)}:{text}" for name, text in members.items()) + "}"

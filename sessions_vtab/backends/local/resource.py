"""One table of the store, as the engine uses it: its capability, scans, and writes as data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Final

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
    Writes,
)
from sessions_vtab.contract.model import ColumnType, Table
from sessions_vtab.contract.predicate import Compare, Op
from sessions_vtab.contract.scan import Page, Row, Scan
from sessions_vtab.contract.tables import FACT_COLUMNS, FACT_REMEDY

_MUTABLE: Final = frozenset(
    (
        *("display_name", "labels", "state", "expire_time", "ttl", "description", "enabled"),
        *("settings", "deleted", "search_query", "search_results", "search_meta"),
        *("payload_filter", "sort_by", "is_irrelevant", "is_payload_search"),
    )
)

WRITES: Final[Mapping[str, Writes]] = {
    "sessions": Writes(
        insert=_MUTABLE | {"name", "session_id", "user_id", "create_time", "update_time"},
        update=_MUTABLE,
        delete=True,
        hints=MappingProxyType(
            {
                "name": "It is derived from session_id.",
                "batch_id": (
                    "Sessions inserted with a search_query are added to the batch"
                    " that is collecting."
                ),
                "session_number": "The batch assigns it.",
            }
        ),
    ),
    "events": Writes(
        insert=frozenset(
            (
                *("name", "session_name", "session_id", "event_id", "timestamp", "author"),
                *("content", "text", "invocation_id", "actions", "error_code", "error_message"),
                *("event_metadata", "raw_event", "sequence"),
            )
        ),
        required=("author",),
        hints=MappingProxyType(
            {
                "update": "Events are append-only; append another one.",
                "delete": (
                    "Events are append-only; they are removed with their session"
                    " (DELETE FROM sessions, twice)."
                ),
                **dict.fromkeys(FACT_COLUMNS, FACT_REMEDY),
            }
        ),
    ),
    "event_parts": Writes(
        hints=MappingProxyType(
            {
                "insert": "Parts are derived from events.content; use INSERT INTO events.",
                "update": "Parts are derived from events.content, and events are append-only.",
                "delete": "Parts are derived from events.content, and events are append-only.",
            }
        )
    ),
    "upload_sessions": Writes(
        insert=frozenset(
            (
                *("name", "session_id", "write_mode", "parallel_processing_enabled"),
                "expires_in_seconds",
            )
        ),
        update=frozenset(("status",)),
        delete=True,
        hints=MappingProxyType(
            {
                "status": (
                    "A new upload session is always OPEN; close it with SELECT * FROM"
                    " close_upload_session(session)."
                ),
                "expire_time": "Give expires_in_seconds (1 to 86400) on INSERT.",
            }
        ),
    ),
    "upload_session_files": Writes(
        hints=MappingProxyType(
            {
                "insert": "Upload with SELECT * FROM upload_file(session, file_name, content).",
                "update": (
                    "To replace a file, upload it again into a session with write_mode OVERWRITE."
                ),
                "delete": "Files are removed with their session: DELETE FROM upload_sessions.",
            }
        )
    ),
    "participants": Writes(
        insert=frozenset(["name", "session_name", "session_id", "participant", "participant_type"]),
        required=("participant",),
        delete=True,
        hints=MappingProxyType({"update": "DELETE the binding and INSERT another one."}),
    ),
}
"""By table name. An UPDATE may set a column that cannot change only to its current value."""


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
        # Each condition requires exactly one value.
        if scan.path.unique and all(isinstance(term, Compare) for term in scan.where.terms):
            return iter((self._store.looked_up(text, bindings, context),))
        return self._store.pages(text, bindings, context)

    def row(self, column: str, value: str) -> Row | None:
        """Returns the complete row with a value in a unique column, even if expired or deleted."""
        found: Row | None = self._store.row(self._select.one(column), (self._store.now(), value))
        return found


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

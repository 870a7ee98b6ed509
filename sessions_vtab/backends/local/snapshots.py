"""A snapshot's file (``sessions-vtab snapshot``) as a store that is only read.

A snapshot has the tables and columns of the source it was taken from, and says itself what they
are: ``_snapshot`` has one row about the whole, ``_snapshot_tables`` one for each table.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

import apsw

from sessions_vtab.backends.local.tables import Relation, derived_parts
from sessions_vtab.errors import StoreError
from sessions_vtab.schema import tables as schema
from sessions_vtab.schema.declare import quoted
from sessions_vtab.schema.model import Column, ColumnType, Table
from sessions_vtab.spec.capability import Writes

__all__ = ["APPLICATION_ID", "VERSION", "WRITES", "Snapshot", "snapshot_at"]

APPLICATION_ID: Final = 0x5E551046
"""``PRAGMA application_id`` of a snapshot: another one than a store's, which is written to."""

VERSION: Final = 1
"""``PRAGMA user_version`` of a snapshot that this code writes and reads."""

_REMEDY: Final = "A snapshot is read-only; write to the source it was taken from."
WRITES: Final = Writes(
    remedies=MappingProxyType(dict.fromkeys(("insert", "update", "delete"), _REMEDY))
)
"""What can be written to a snapshot: nothing."""

_CORE: Final = (
    schema.SESSIONS,
    schema.EVENTS,
    schema.EVENT_PARTS,
    schema.UPLOAD_SESSIONS,
    schema.UPLOAD_SESSION_FILES,
    schema.FILES,
    schema.PARTICIPANTS,
)
_ADDED: Final = {
    "sessions": schema.SESSION_COLUMNS,
    "events": schema.EVENT_COLUMNS,
    "upload_sessions": schema.UPLOAD_SESSION_COLUMNS,
}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot's file.

    Attributes:
        about: what it is a copy of and when that was finished, in a few words.
        relations: its tables, and how they are read.
    """

    about: str
    relations: Mapping[str, Relation]


def snapshot_at(path: str, *, read_only: bool = False) -> Snapshot | None:
    """The snapshot in a file; None if there is none, or something else.

    Read through SQLite: closing a file that it has open elsewhere in the process would give up
    SQLite's locks on it (https://sqlite.org/howtocorrupt.html, section 2.2).

    Args:
        path: the file.
        read_only: it is not to be written. Otherwise the connection may write, as only then SQLite
            takes away the files that it puts beside a store while it is open.

    Raises:
        StoreError: it is a snapshot that was not finished, or of a newer version.
    """
    try:
        mode = apsw.SQLITE_OPEN_READONLY if read_only else apsw.SQLITE_OPEN_READWRITE
        connection = apsw.Connection(path, flags=mode)
    except apsw.Error:
        return None
    with closing(connection):
        try:
            if connection.pragma("application_id") != APPLICATION_ID:
                return None
            version = connection.pragma("user_version")
        except apsw.Error:
            return None  # Whoever opens it as a store says what is wrong with it.
        if version > VERSION:
            raise StoreError(
                f"{path} is a snapshot of version {version}, but this program supports"
                f" version {VERSION}. Upgrade sessions_vtab."
            )
        return _read(connection, path)


def _read(connection: apsw.Connection, path: str) -> Snapshot:
    columns = "source, backend, finished, complete"
    about = connection.execute(f"SELECT {columns} FROM _snapshot").fetchone()
    if about is None or not about[3]:
        raise StoreError(
            f"{path} is an unfinished snapshot. Run the same sessions-vtab snapshot command"
            " again to complete it."
        )
    source, backend, finished, _ = about
    listed = connection.execute("SELECT name, key, columns FROM _snapshot_tables ORDER BY rowid")
    relations = {
        str(name): _relation(str(name), str(key), json.loads(str(described)))
        for name, key, described in listed
    }
    if "event_parts" not in relations and "content" in _columns_of(relations.get("events")):
        relations["event_parts"] = derived_parts()
    return Snapshot(f"snapshot of {source} ({backend}), {finished} UTC", relations)


def _columns_of(relation: Relation | None) -> Iterable[str]:
    return relation.table.names if relation is not None else ()


def _relation(name: str, key: str, columns: Mapping[str, str]) -> Relation:
    described = [_column(name, column, ColumnType(kind)) for column, kind in columns.items()]
    core = next((table for table in _CORE if table.name == name), None)
    # A key that is hidden in the source is hidden here too.
    hidden = {column.name for column in core.hidden} & {key} if core else set()
    table = Table(
        name,
        tuple(one for one in described if one.name not in hidden),
        core.doc if core else "",
        hidden=tuple(one for one in described if one.name in hidden),
        key=key,
        example=core.example if core else "",
    )
    return Relation(
        table,
        f"{quoted(name)} r",
        {one.name: f"r.{quoted(one.name)}" for one in described},
        "r",
        tie="r.rowid",
        lookups=(("get", (key,)),),
    )


def _column(table: str, name: str, kind: ColumnType) -> Column:
    """A column with the documentation that the schema has for it."""
    known: dict[str, Column] = dict(_ADDED.get(table, {}))
    for core in _CORE:
        if core.name == table:
            known |= {column.name: column for column in (*core.visible, *core.hidden)}
    if name in known:
        return replace(known[name], type=kind, hidden=False, parameter=False)
    return Column(name, kind, "Copied from the source.")

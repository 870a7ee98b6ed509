"""A snapshot's file (``sessions-vtab snapshot``) as a read-only store.

A snapshot has the tables and columns of its source and describes them itself: ``_snapshot`` has one
row about the whole snapshot, ``_snapshot_tables`` one row per table.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from contextlib import closing
from dataclasses import replace
from types import MappingProxyType
from typing import Final, NamedTuple

import apsw

from sessions_vtab.backends.local.tables import StoreTable, derived_parts
from sessions_vtab.contract import tables as schema
from sessions_vtab.contract.capability import Writes
from sessions_vtab.contract.model import Column, ColumnType, Table, quoted
from sessions_vtab.errors import StoreError

APPLICATION_ID: Final = 0x5E551046
"""``PRAGMA application_id`` of a snapshot; it differs from that of a store, which is writable."""

VERSION: Final = 1
"""``PRAGMA user_version`` of a snapshot that this code writes and reads."""

_HINT: Final = "A snapshot is read-only; write to the source it was taken from."
_WRITES: Final = Writes(
    hints=MappingProxyType(dict.fromkeys(("insert", "update", "delete"), _HINT))
)

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


class Snapshot(NamedTuple):
    """A snapshot's file.

    Attributes:
        about: a short text with the source of the copy and the time it was finished.
        relations: the tables, and how they are read.
    """

    about: str
    relations: Mapping[str, StoreTable]


def snapshot_at(path: str, *, read_only: bool = False) -> Snapshot | None:
    """Returns the snapshot in a file; None if the file does not exist or is not a snapshot.

    The file is read through SQLite. If it were opened and closed directly while SQLite has it open
    elsewhere in the process, SQLite's locks would be lost
    (https://sqlite.org/howtocorrupt.html, section 2.2).

    Args:
        path: the file.
        read_only: whether the file must not be written. Otherwise the connection may write, because
            only then does SQLite remove the files that it creates beside an open store.

    Raises:
        StoreError: the snapshot is unfinished, or has a newer version.
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
            return None  # Opening the file as a store reports the error.
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
    known = {row[1] for row in connection.execute("PRAGMA table_info(_snapshot_tables)")}
    hidden = "hidden" if "hidden" in known else "'[]'"  # Older snapshots have no hidden columns.
    listed = connection.execute(
        f"SELECT name, key, columns, {hidden} FROM _snapshot_tables ORDER BY rowid"
    )
    relations = {
        str(name): _relation(
            str(name), str(key), json.loads(str(described)), json.loads(str(hidden))
        )
        for name, key, described, hidden in listed
    }
    stored = relations["events"].table.names if "events" in relations else ()
    if "event_parts" not in relations and "content" in stored:
        relations["event_parts"] = derived_parts(stored)._replace(writes=_WRITES)
    return Snapshot(f"snapshot of {source} ({backend}), {finished} UTC", relations)


def _relation(
    name: str, key: str, columns: Mapping[str, str], hidden_there: Collection[str]
) -> StoreTable:
    described = [_column(name, column, ColumnType(kind)) for column, kind in columns.items()]
    core = next((table for table in _CORE if table.name == name), None)
    # What is hidden in the source is hidden here too.
    hidden = {column.name for column in core.hidden} & {key} if core else set()
    hidden |= set(hidden_there)
    table = Table(
        name,
        tuple(one for one in described if one.name not in hidden),
        core.doc if core else "",
        hidden=tuple(one for one in described if one.name in hidden),
        key=key,
        example=core.example if core else "",
    )
    return StoreTable(
        table,
        f"{quoted(name)} r",
        {one.name: f"r.{quoted(one.name)}" for one in described},
        "r",
        tie="r.sequence" if "sequence" in columns else "r.rowid",
        lookups=(("get", (key,)),),
        writes=_WRITES,
    )


def _column(table: str, name: str, kind: ColumnType) -> Column:
    """Returns a column with the documentation from the schema."""
    known: dict[str, Column] = dict(_ADDED.get(table, {}))
    for core in _CORE:
        if core.name == table:
            known |= {column.name: column for column in (*core.visible, *core.hidden)}
    if name in known:
        return replace(known[name], type=kind, hidden=False, parameter=False)
    return Column(name, kind, "Copied from the source.")

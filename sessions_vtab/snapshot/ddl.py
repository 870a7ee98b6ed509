"""The tables and views of a snapshot's file, by the rules for files.

Times and JSON are TEXT; beside a time ``<name>_ms`` has the three digits that sqlite-jdbc reads.
The views, of events' parts and those that every source of agents has, use only what SQLite 3.31
knows; see ``contract.agent_views``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Final

from sessions_vtab.backends.local.ddl import CALLS, PART_PATHS, kind_of
from sessions_vtab.contract.agent_views import VIEWS, views_for
from sessions_vtab.contract.model import Column, ColumnType, quoted, sql_type
from sessions_vtab.contract.tables import EVENT_PARTS
from sessions_vtab.scanning.splitting import LINK
from sessions_vtab.snapshot.shape import CopiedTable, CopyPlan

OWN_TABLES: Final = """
CREATE TABLE _snapshot (
    source           TEXT NOT NULL,
    backend          TEXT NOT NULL,
    location         TEXT NOT NULL,
    started          TEXT NOT NULL,
    started_ms       DATETIME GENERATED ALWAYS AS (substr(started, 1, 23)) VIRTUAL,
    finished         TEXT,
    finished_ms      DATETIME GENERATED ALWAYS AS (substr(finished, 1, 23)) VIRTUAL,
    complete         INTEGER NOT NULL,
    tables           TEXT NOT NULL,
    row_counts       TEXT,
    condition        TEXT,
    without          TEXT NOT NULL,
    full             INTEGER NOT NULL,
    overlap_minutes  REAL NOT NULL,
    max_requests     INTEGER NOT NULL,
    requests         INTEGER NOT NULL,
    run              INTEGER NOT NULL
);
CREATE TABLE _snapshot_tables (
    name    TEXT NOT NULL PRIMARY KEY,
    key     TEXT NOT NULL,
    columns TEXT NOT NULL,
    rows    INTEGER,
    hidden  TEXT NOT NULL DEFAULT '[]'
);
-- The sessions whose rows were read: their version then, and whether it was old enough to trust.
CREATE TABLE _snapshot_marks (
    table_name TEXT NOT NULL,
    session    TEXT NOT NULL,
    version    TEXT,
    settled    INTEGER NOT NULL,
    run        INTEGER NOT NULL,
    PRIMARY KEY (table_name, session)
) WITHOUT ROWID;
"""
"""What a snapshot says about itself."""

TEMPORARY_TABLES: Final = """
-- What the lists had, with the version of each session.
CREATE TEMP TABLE listed (
    table_name TEXT NOT NULL,
    key        TEXT NOT NULL,
    version    TEXT,
    PRIMARY KEY (table_name, key)
) WITHOUT ROWID;
-- Rows of the sessions that are being read again.
CREATE TEMP TABLE seen (key TEXT PRIMARY KEY) WITHOUT ROWID;
"""
"""What is known while a snapshot is taken: lists are read anew by a run that continues."""


def create_table(shape: CopiedTable) -> str:
    """The CREATE TABLE text of a table, with the index by which rows of a session are replaced."""
    # Each definition has its own line: otherwise SQLAlchemy does not recognise generated columns,
    # and would create the columns of a time twice.
    parts = [part for column in shape.columns for part in _definitions(column, shape.key)]
    if shape.refers:
        parent = f'{quoted(shape.parent)} ("name")'
        parts.append(f"FOREIGN KEY ({quoted(LINK)}) REFERENCES {parent}")
    body = ",\n    ".join(parts)
    text = f"CREATE TABLE {quoted(shape.table)} (\n    {body}\n);\n"
    if shape.parent:
        text += _index(shape, next(one for one in _indexes(shape) if one[0] == LINK))
    return text


def create_indexes(shape: CopiedTable) -> str:
    """The other indexes: made at the end, when that is fastest."""
    return "".join(_index(shape, columns) for columns in _indexes(shape))


def upsert(shape: CopiedTable) -> str:
    """The statement that puts a row in; nothing changes if it is there as it is.

    Its number is not compared: an event of an old time moves all that follow (``renumber``).
    """
    names = [quoted(name) for name in shape.names]
    kept = {quoted(shape.key), quoted(shape.numbered)}
    others = [name for name in names if name not in kept]
    values = ", ".join("?" * len(names))
    text = f"INSERT INTO {quoted(shape.table)} ({', '.join(names)}) VALUES ({values})"
    text += f" ON CONFLICT ({quoted(shape.key)}) DO "
    if not others:
        return text + "NOTHING"
    new = [f"excluded.{name}" for name in others]
    sets = ", ".join(f"{name} = {value}" for name, value in zip(others, new, strict=True))
    differs = " OR ".join(
        f"{quoted(shape.table)}.{name} IS NOT {value}"
        for name, value in zip(others, new, strict=True)
    )
    return f"{text}UPDATE SET {sets} WHERE {differs}"


def renumber(shape: CopiedTable) -> str:
    """The statement that gives a row its number, ``?1``, by its key, ``?2``."""
    number = quoted(shape.numbered)
    return (
        f"UPDATE {quoted(shape.table)} SET {number} = ?1"
        f" WHERE {quoted(shape.key)} = ?2 AND {number} IS NOT ?1"
    )


def delete_missing(table: str, key: str) -> str:
    """The statement that removes rows that the list does not have."""
    listed = "SELECT key FROM temp.listed WHERE table_name = ?"
    return f"DELETE FROM {quoted(table)} WHERE {quoted(key)} NOT IN ({listed})"


def _definitions(column: Column, key: str) -> Iterator[str]:
    name = quoted(column.name)
    yield f"{name} {sql_type(column)}" + (" NOT NULL PRIMARY KEY" if column.name == key else "")
    if column.type is ColumnType.TIME:
        digits = f"GENERATED ALWAYS AS (substr({name}, 1, 23)) VIRTUAL"
        yield f"{quoted(column.name + '_ms')} DATETIME {digits}"


def _indexes(shape: CopiedTable) -> tuple[tuple[str, ...], ...]:
    """Those on filters, and always one on the link to the session."""
    linked = any(columns[0] == LINK for columns in shape.indexed)
    return shape.indexed if linked or not shape.parent else ((LINK,), *shape.indexed)


def _index(shape: CopiedTable, columns: tuple[str, ...]) -> str:
    name = quoted(f"{shape.table}_by_{columns[0]}")
    listed = ", ".join(map(quoted, columns))
    return f"CREATE INDEX IF NOT EXISTS {name} ON {quoted(shape.table)} ({listed});"


_PARTS: Final = EVENT_PARTS.name
_OF_EVENT: Final = ("timestamp", "author", "invocation_id")
_NEEDED: Final = frozenset(("name", "session_name", "session_id", "content"))


def create_views(plan: CopyPlan) -> Iterator[str]:
    """The statements that make the views of a snapshot; those of an earlier run are replaced."""
    tables = {shape.table: shape.columns for shape in plan.shapes}
    events = frozenset(column.name for column in tables.get("events", ()))
    derived = _PARTS not in tables and events >= _NEEDED
    made = views_for({**tables, _PARTS: _PART_COLUMNS} if derived else tables)
    for name in (_PARTS, *(view.name for view in VIEWS)):
        if name not in tables:
            yield f"DROP VIEW IF EXISTS {quoted(name)}"
    if derived:
        yield f"CREATE VIEW {quoted(_PARTS)} AS\n{_parts(events)}"
    for view in made:
        if view.name not in tables:
            yield view.create("main")


def _field(*paths: str) -> str:
    """A field of a part, in either spelling."""
    found = ", ".join(f"json_extract(p.object, '$.{path}')" for path in paths)
    return f"coalesce({found}, NULL)"


def _of_calls(field: str) -> str:
    return _field(*(f"{call}.{field}" for call in CALLS))


_EXPRESSIONS: Final[Mapping[str, str]] = {
    "event_name": "p.event",
    "session_name": "p.session_name",
    "session_id": "p.session_id",
    "timestamp": "p.timestamp",
    "author": "p.author",
    "invocation_id": "p.invocation_id",
    "part": "p.part",
    "kind": kind_of("p.object"),
    "text": _field(*PART_PATHS["text"]),
    "thought": "CASE WHEN json_type(p.object, '$.thought') = 'true' THEN 1 END",
    "function_name": _of_calls("name"),
    "call_id": _of_calls("id"),
    **{name: _field(*PART_PATHS[name]) for name in ("args", "response", "mime_type", "file_uri")},
    "size": f"length(rtrim({_field(*PART_PATHS['size'])}, '=')) * 3 / 4",
    "name": "p.event || '#' || p.part",
}
_PART_COLUMNS: Final = tuple(map(EVENT_PARTS.column, _EXPRESSIONS))


def _parts(events: Collection[str]) -> str:
    of_event = ", ".join(f"e.{name}" if name in events else f"NULL AS {name}" for name in _OF_EVENT)
    columns = ",\n  ".join(f"{sql} AS {name}" for name, sql in _EXPRESSIONS.items())
    return f"""SELECT {columns}
FROM (SELECT e.name AS event, e.session_name, e.session_id, {of_event}, j.key AS part,
    CASE j.type WHEN 'object' THEN j.value ELSE '{{}}' END AS object
  FROM events e, json_each(e.content, '$.parts') j WHERE typeof(j.key) = 'integer') p"""

"""How the work file comes to be: continued, copied from the last snapshot, or new."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import apsw

from sessions_vtab.backends.local.snapshots import APPLICATION_ID, VERSION
from sessions_vtab.errors import ConfigurationError, StoreError
from sessions_vtab.snapshot.ddl import OWN_TABLES, create_table
from sessions_vtab.snapshot.shape import CopyPlan, SnapshotOptions
from sessions_vtab.snapshot.work import Work, create_file, remove, require_regular, translated

_CACHE_KIB: Final = 16_384
_PAGES_A_STEP: Final = 2_000
_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class CopySource:
    """Where rows come from.

    Attributes:
        source: the source's name.
        backend: the backend's name.
        location: what tells it from other sources: no secret in it.
    """

    source: str
    backend: str
    location: str


def open_work(
    target: Path, origin: CopySource, plan: CopyPlan, options: SnapshotOptions, started: str
) -> Work:
    """The work file: the one an earlier run left, a copy of the last snapshot, or a new one.

    Raises:
        StoreError: there is a file that is not a snapshot; nothing of it was changed.
        ConfigurationError: it is a snapshot of another source.
    """
    path = target.with_name(target.name + ".partial")
    require_regular(path)
    last = _last_snapshot(target, origin, full=options.full)
    left = _continued(path, origin, plan, options)
    if left is not None:
        with translated(path):
            incremental = not _about(left)["full"]
            # Too old to reuse rows that have no change time; the sessions whose ``update_time``
            # tells are not read again in any case.
            if time.time() - path.stat().st_mtime > options.overlap * _SECONDS:
                left.execute("UPDATE _snapshot SET run = run + 1, started = ?", (started,))
            left.execute("UPDATE _snapshot SET complete = 0, finished = NULL")
            _describe(left, options)
        return Work(left, target, path, incremental=incremental, resumed=True)
    remove(path)
    create_file(path)
    usable = last is not None and not options.full and last["tables"] == _described(plan)
    connection = _copied(target, path) if usable else _connect(path)
    try:
        with translated(path):
            number = 1 if last is None else int(last["run"]) + 1
            _begin(connection, origin, plan, number, started, new=not usable)
            _describe(connection, options)
        return Work(connection, target, path, incremental=usable, resumed=False)
    except BaseException:
        connection.close(True)
        raise


def _connect(path: Path) -> apsw.Connection:
    with translated(path):
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            connection.config(apsw.SQLITE_DBCONFIG_DQS_DML, 0)
            connection.config(apsw.SQLITE_DBCONFIG_DQS_DDL, 0)
            # This rolls back a hot journal, and detects a file that is not a database.
            connection.pragma("journal_mode", "delete")
            connection.pragma("cache_size", -_CACHE_KIB)
            # People's data: what is deleted at the source is overwritten in the copy.
            connection.pragma("secure_delete", True)
        except BaseException:
            connection.close(True)
            raise
    return connection


def _last_snapshot(target: Path, origin: CopySource, *, full: bool) -> dict[str, Any] | None:
    """What the file that will be replaced says about itself; None if there is none."""
    if not target.exists() or target.stat().st_size == 0:
        return None
    # Not only for reading: what is a store in WAL mode gets files beside it, and only a connection
    # that may write takes them away again.
    writing = apsw.SQLITE_OPEN_READWRITE
    with translated(target), closing(apsw.Connection(str(target), flags=writing)) as connection:
        if connection.pragma("application_id") != APPLICATION_ID:
            raise StoreError(
                f"{target} is not a snapshot and was left unchanged. Use another file."
            )
        if connection.pragma("user_version") != VERSION:
            raise StoreError(
                f"{target} is a snapshot written by another version of this program and"
                " was left unchanged. Use another file, or remove it."
            )
        about = _about(connection)
    if not full and (about["backend"], about["location"]) != (origin.backend, origin.location):
        raise ConfigurationError(
            f"{target} is a snapshot of {about['location']}, not of {origin.location}. Use"
            " another file, or replace it with --full."
        )
    return about


def _continued(
    path: Path, origin: CopySource, plan: CopyPlan, options: SnapshotOptions
) -> apsw.Connection | None:
    """What an earlier run left, if it was to become what is wanted now."""
    if not path.exists():
        return None
    try:
        connection = _connect(path)
    except StoreError:
        return None  # Not ours to repair: it is made again.
    try:
        about = _about(connection)
        fits = (
            (about["backend"], about["location"]) == (origin.backend, origin.location)
            and about["tables"] == _described(plan)
            and connection.pragma("user_version") == VERSION
            and (bool(about["full"]) or not options.full)
        )
    except (apsw.Error, StoreError):
        fits = False
    if not fits:
        connection.close(True)
        return None
    return connection


def _about(connection: apsw.Connection) -> dict[str, Any]:
    names = ("backend", "location", "run", '"full"')
    row = connection.execute(f"SELECT {', '.join(names)} FROM _snapshot").fetchone()
    tables = connection.execute("SELECT name, key, columns FROM _snapshot_tables").fetchall()
    if row is None:
        raise StoreError("A snapshot that was never begun.")
    about = dict(zip(("backend", "location", "run", "full"), row, strict=True))
    about["tables"] = {str(name): (key, json.loads(str(columns))) for name, key, columns in tables}
    return about


def _described(plan: CopyPlan) -> Mapping[str, tuple[str, dict[str, str]]]:
    return {
        shape.table: (shape.key, {column.name: column.type.value for column in shape.columns})
        for shape in plan.shapes
    }


def _copied(target: Path, path: Path) -> apsw.Connection:
    with (
        translated(target),
        closing(apsw.Connection(str(target), flags=apsw.SQLITE_OPEN_READONLY)) as source,
        closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)) as connection,
        connection.backup("main", source, "main") as copying,
    ):
        while not copying.done:
            copying.step(_PAGES_A_STEP)
    return _connect(path)


def _begin(
    connection: apsw.Connection,
    origin: CopySource,
    plan: CopyPlan,
    run: int,
    started: str,
    *,
    new: bool,
) -> None:
    with connection:
        if new:
            connection.execute(OWN_TABLES)
            for shape in plan.shapes:
                connection.execute(create_table(shape))
            hidden = {
                shape.table: [column.name for column in shape.columns if column.hidden]
                for shape in plan.shapes
            }
            connection.executemany(
                "INSERT INTO _snapshot_tables(name, key, columns, hidden) VALUES (?, ?, ?, ?)",
                [
                    (name, key, json.dumps(columns), json.dumps(hidden[name]))
                    for name, (key, columns) in _described(plan).items()
                ],
            )
            connection.pragma("application_id", APPLICATION_ID)
            connection.pragma("user_version", VERSION)
        connection.execute("DELETE FROM _snapshot")
        connection.execute(
            "INSERT INTO _snapshot(source, backend, location, started, complete, tables, without,"
            ' "full", overlap_minutes, max_requests, requests, run)'
            " VALUES (?, ?, ?, ?, 0, '', '', ?, 0, 0, 0, ?)",
            (origin.source, origin.backend, origin.location, started, int(new), run),
        )


def _describe(connection: apsw.Connection, options: SnapshotOptions) -> None:
    connection.execute(
        "UPDATE _snapshot SET condition = ?, without = ?, overlap_minutes = ?, max_requests = ?,"
        " tables = (SELECT json_group_array(name) FROM _snapshot_tables)",
        (options.where, json.dumps(options.without), options.overlap, options.max_requests),
    )

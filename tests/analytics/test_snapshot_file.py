"""A snapshot's file for other programs: views, keys and indexes that an old SQLite understands."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest

from sessions_vtab import Connection, connect
from sessions_vtab.contract.tables import EVENT_PARTS
from sessions_vtab.snapshot import snapshot

VIEWS = ("event_parts", "live_events", "tool_calls", "turns", "usage_by_session")

# SQLite beside the standard library is older than apsw's; a process of its own, because two SQLite
# libraries must not open one file in one process.
OTHER = """
import json, sqlite3, sys
connection = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
print(json.dumps([connection.execute(sql).fetchall() for sql in sys.argv[2:]]))
"""


def other_library(file: Path, *statements: str) -> list[list[list[Any]]]:
    told = subprocess.run(
        [sys.executable, "-c", OTHER, str(file), *statements],
        check=True,
        capture_output=True,
        text=True,
    )
    answers: list[list[list[Any]]] = json.loads(told.stdout)
    return answers


# SQLite 3.36 (2021), as JavaScript: the package sql.js 1.6.2 of npm, in a folder given by the
# environment (.ci/run installs it where npm is).
SQL_JS = os.environ.get("SESSIONS_VTAB_SQL_JS")
IN_NODE = """
const [folder, file, ...statements] = process.argv.slice(1);
require(folder + "/node_modules/sql.js/dist/sql-asm.js")().then(library => {
  const database = new library.Database(require("fs").readFileSync(file));
  const rows = sql => (database.exec(sql)[0] || {values: []}).values;
  console.log(JSON.stringify(statements.map(rows)));
});
"""


def in_sqlite_3_36(file: Path, *statements: str) -> list[list[list[Any]]]:
    node = shutil.which("node")
    assert node is not None
    told = subprocess.run(
        [node, "-e", IN_NODE, str(SQL_JS), str(file), *statements],
        check=True,
        capture_output=True,
        text=True,
    )
    answers: list[list[list[Any]]] = json.loads(told.stdout)
    return answers


def ordered(view: str, columns: str = "*") -> str:
    return f"SELECT {columns} FROM {view} ORDER BY session_id, 1, 2, 3, 4, 5, 6, 7"


def test_the_views_of_the_file_have_the_rows_of_the_source(
    snapshot_file: Path, vertex: Connection
) -> None:
    parts = ", ".join(column.name for column in EVENT_PARTS.columns if column.name[0] != "_")
    statements = [ordered("event_parts", parts)] + [
        ordered(view) for view in ("turns", "tool_calls", "usage_by_session")
    ]

    there = other_library(snapshot_file, *statements)

    for sql, rows in zip(statements, there, strict=True):
        assert [tuple(row) for row in rows] == vertex.execute(sql).fetchall(), sql


@pytest.mark.skipif(not SQL_JS, reason="needs $SESSIONS_VTAB_SQL_JS: a folder with sql.js 1.6.2")
def test_sqlite_3_36_has_the_same_rows(snapshot_file: Path) -> None:
    """One view that it cannot read would make every statement an error."""
    names = [*VIEWS, "sessions", "events"]
    statements = [f"SELECT * FROM {name} ORDER BY 1, 2, 3, 4, 5, 6" for name in names]

    version, *old = in_sqlite_3_36(snapshot_file, "SELECT sqlite_version()", *statements)
    new = other_library(snapshot_file, *statements)

    assert version == [["3.36.0"]]
    assert all(old)
    assert old == new


def test_live_events_of_the_file_are_those_of_the_source(
    snapshot_file: Path, vertex: Connection
) -> None:
    sql = "SELECT name, author, text FROM live_events ORDER BY name"

    (rows,) = other_library(snapshot_file, sql)

    assert [tuple(row) for row in rows] == vertex.execute(sql).fetchall()


def test_events_belong_to_sessions_and_what_people_group_by_has_an_index(
    snapshot_file: Path,
) -> None:
    keys, broken, indexed, views = other_library(
        snapshot_file,
        'SELECT "table", "from", "to" FROM pragma_foreign_key_list(\'events\')',
        "SELECT count(*) FROM pragma_foreign_key_check",
        "SELECT DISTINCT c.name FROM pragma_index_list('events') i,"
        " pragma_index_info(i.name) c ORDER BY 1",
        "SELECT name FROM sqlite_master WHERE type = 'view' ORDER BY 1",
    )

    assert keys == [["sessions", "session_name", "name"]]
    assert broken == [[0]]
    assert {"author", "error_code", "invocation_id", "model_version", "session_name"} <= {
        name for (name,) in indexed
    }
    assert views == [[name] for name in VIEWS]


def test_no_view_has_what_sqlite_3_31_does_not_know(snapshot_file: Path) -> None:
    with closing(apsw.Connection(str(snapshot_file))) as connection:
        rows = connection.execute("SELECT sql FROM sqlite_schema WHERE type = 'view'").fetchall()

    # https://sqlite.org/changes.html: 3.32 iif; 3.35 MATERIALIZED, RETURNING; 3.38 -> and unixepoch,
    # format; 3.39 IS DISTINCT FROM, RIGHT JOIN; 3.44 concat, ORDER BY in aggregates.
    newer = re.compile(
        r"->|\biif\(|\bMATERIALIZED\b|\bunixepoch|\bsubsec|\bformat\(|\bDISTINCT FROM\b|\bconcat",
        re.IGNORECASE,
    )
    assert len(rows) == len(VIEWS)
    assert [newer.findall(str(sql)) for (sql,) in rows] == [[]] * len(VIEWS)


@pytest.mark.parametrize(
    ("options", "views"),
    [
        ({"without": ["content"]}, ["live_events", "turns", "usage_by_session"]),
        ({"without": ["input_tokens"]}, ["event_parts", "live_events", "tool_calls"]),
        (
            {"without": ["timestamp", "invocation_id"]},
            ["event_parts", "tool_calls", "usage_by_session"],
        ),
        ({"tables": ["sessions"]}, []),
        ({"tables": ["events"]}, ["event_parts", "tool_calls", "turns"]),
    ],
    ids=str,
)
def test_a_view_without_its_columns_is_left_out(
    local: Connection, tmp_path: Path, options: dict[str, Any], views: list[str]
) -> None:
    file = tmp_path / "copy.db"
    snapshot(local, file, **options)

    names, *_ = other_library(
        file,
        "SELECT name FROM sqlite_master WHERE type = 'view' ORDER BY 1",
        *(f"SELECT * FROM {view}" for view in views),
    )

    assert [name for (name,) in names] == views
    with closing(connect(f"local://{file}", read_only=True)) as connection:
        if "event_parts" in views:
            connection.execute("SELECT * FROM event_parts").fetchall()


def test_a_second_run_keeps_the_views(local: Connection, tmp_path: Path) -> None:
    file = tmp_path / "copy.db"
    snapshot(local, file)
    report = snapshot(local, file)

    (rows,) = other_library(file, "SELECT count(*) FROM turns")

    assert report.incremental
    assert rows == [[local.execute("SELECT count(*) FROM turns").get]]

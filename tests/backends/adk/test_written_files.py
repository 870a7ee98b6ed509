"""Whether the rows of every file are what the ADK that wrote it says about it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

import sessions_vtab
from tests.backends.adk.files import (
    DATA,
    NAMES,
    Written,
    compared,
    expected,
    session_name,
    utc,
    written,
)

_DOCUMENTS = {"content", "actions", "event_metadata", "raw_event"}
_JSON = {*_DOCUMENTS, "long_running_tool_ids", "compaction"}


WRITER = os.environ.get("SESSIONS_VTAB_ADK_PYTHON")
"""An interpreter that has google-adk: with it, files of that version are written and read too."""


@pytest.fixture(scope="module")
def now(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Writes a file with the installed version, once; returns its folder."""

    @cache
    def write(name: str) -> Path:
        folder = tmp_path_factory.mktemp(name)
        command = [str(WRITER), str(DATA / "write.py"), name.split("_")[1], str(folder / name)]
        subprocess.run(command, check=True, env={**os.environ, "TZ": "America/New_York"})
        return folder

    return write


@pytest.fixture(params=[*NAMES, *(["now_sqlite_ny", "now_db_ny"] if WRITER else [])])
def file(request: pytest.FixtureRequest, tmp_path: Path, now: Callable[[str], Path]) -> Written:
    name = request.param
    return written(name, tmp_path, DATA if name in NAMES else now(name))


def _rows(
    connection: sessions_vtab.Connection, table: str, tail: str = "", *bindings: Any
) -> list[dict[str, Any]]:
    columns = [
        one
        for one in connection.sources["adk"].backend.resources[table].table.names
        if one[0] != "_"
    ]
    cursor = connection.execute(f"SELECT {', '.join(columns)} FROM {table} {tail}", bindings)
    return [dict(zip(columns, row, strict=True)) for row in cursor]


def _value(name: str, value: Any) -> Any:
    loaded = json.loads(value) if name in _JSON and value is not None else value
    return compared(loaded) if name in {"content", "raw_event"} else loaded


def test_there_are_files_of_both_schemas_and_services() -> None:
    assert len(NAMES) >= 9
    assert {name.split("_")[1] for name in NAMES} == {"db", "sqlite"}


def test_sessions_are_those_that_adk_lists(file: Written) -> None:
    with sessions_vtab.connect(file.url) as connection:
        rows = _rows(connection, "sessions")

    found = {
        row["name"]: (
            "|".join((row["app_name"], row["user_id"], row["session_id"])),
            json.loads(row["state"]),
            row["update_time"],
        )
        for row in rows
    }
    assert found == {
        session_name(key): (key, own["state"], utc(own["last_update_time"]))
        for key, own in file.own.items()
    }
    assert all(row["create_time"] > "2026" for row in rows)
    assert {row[one] for row in rows for one in ("display_name", "labels", "expire_time")} == {None}


def test_events_are_those_that_adk_returns(file: Written) -> None:
    fields = 0
    with sessions_vtab.connect(file.url) as connection:
        for key, own in file.own.items():
            name = session_name(key)
            rows = _rows(connection, "events", "WHERE session_name = ? ORDER BY timestamp", name)
            wanted = [expected(event) for event in own["events"]]
            found = [{key: _value(key, row[key]) for key in expected(_ANY)} for row in rows]
            for one in wanted:
                one["content"] = compared(one["content"])
            assert _of_one_time(found) == _of_one_time(wanted)
            fields += sum(map(len, wanted))
            for row in rows:
                assert (row["session_name"], row["session_id"]) == (name, key.split("|")[2])
                assert row["name"] == f"{name}/events/{row['event_id']}"
    assert fields >= 25 * 45


_ANY = {"id": "", "timestamp": 0, "author": "", "invocation_id": ""}


def _of_one_time(rows: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Events in order; those of one time by id, since older versions sort them by random ids."""
    groups = groupby(rows, lambda row: row["timestamp"])
    return [sorted(group, key=lambda row: row["event_id"]) for _, group in groups]


def test_events_of_equal_time_come_as_they_were_appended(file: Written) -> None:
    with sessions_vtab.connect(file.url) as connection:
        rows = connection.execute(
            "SELECT text, sequence FROM events WHERE session_id = 'ties' ORDER BY timestamp"
        ).fetchall()

    assert [text for text, _ in rows] == ["go", "0", "1", "2"]
    numbers = [number for _, number in rows]
    assert numbers == sorted(set(numbers))


def test_parts_are_those_of_the_content(file: Written) -> None:
    wanted = []
    for key, own in file.own.items():
        for event in own["events"]:
            parts = (event.get("content") or {}).get("parts", ())
            where = f"{session_name(key)}/events/{event['id']}"
            wanted += [_part(where, number, part) for number, part in enumerate(parts)]

    with sessions_vtab.connect(file.url) as connection:
        rows = connection.execute(
            "SELECT event_name, part, kind, text, function_name, call_id, args, response"
            " FROM event_parts"
        ).fetchall()

    def loaded(row: tuple[Any, ...]) -> tuple[Any, ...]:
        return (*row[:6], *(one and json.loads(one) for one in row[6:]))

    assert sorted(map(loaded, rows), key=str) == sorted(wanted, key=str)
    assert len(wanted) >= 55


def _part(event: str, number: int, part: dict[str, Any]) -> tuple[Any, ...]:
    (kind,) = (one for one in part if one != "thought")
    call = part[kind] if kind.startswith("function") else {}
    spelled = kind.split("_")[0] + "".join(map(str.title, kind.split("_")[1:]))
    # Code that was run is the arguments of a call, and its outcome the response.
    args = part[kind] if kind == "executable_code" else call.get("args")
    response = part[kind] if kind == "code_execution_result" else call.get("response")
    return (
        *(event, number, spelled, part.get("text")),
        *(call.get("name"), call.get("id"), args, response),
    )


def test_nothing_is_written(file: Written) -> None:
    before = file.path.read_bytes()

    with sessions_vtab.connect(file.url) as connection:
        for table in ("sessions", "events", "event_parts"):
            connection.execute(f"SELECT * FROM {table}").fetchall()

    assert file.path.read_bytes() == before
    assert [path.name for path in file.path.parent.iterdir()] == [file.path.name]

"""A small emulator, snapshots of it, and their files read with the stock ``sqlite3`` module."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import sessions_vtab
from sessions_vtab.emulator.serve import Running, running
from sessions_vtab.emulator.service import EmulatorSettings
from sessions_vtab.snapshot import SnapshotReport, snapshot

SESSIONS, EVENTS = 16, 80

# In a process of its own: apsw has a SQLite of its own, and one file must not be open in both.
_STOCK = """
import json, sqlite3, sys
path, sql = sys.argv[1:]
con = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
json.dump(con.execute(sql).fetchall(), sys.stdout)
"""


@pytest.fixture(scope="package")
def served() -> Iterator[Running]:
    with running(EmulatorSettings(seed=7, sessions=SESSIONS, events=EVENTS)) as emulator:
        yield emulator


@pytest.fixture
def emulator(served: Running) -> Running:
    """The emulator with the data of its start and an empty log."""
    served.control.reset()
    return served


@pytest.fixture
def url(emulator: Running) -> str:
    return f"prod=vertex://demo/us-central1/42?base_url={emulator.url}"


@pytest.fixture
def db(url: str) -> Iterator[sessions_vtab.Connection]:
    connection = sessions_vtab.connect(url)
    yield connection
    connection.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "out.db"


@pytest.fixture
def take(url: str, path: Path, emulator: Running) -> Callable[..., SnapshotReport]:
    """Takes a snapshot into ``path``; the emulator's log then has its requests alone."""

    def run(**options: Any) -> SnapshotReport:
        emulator.control.reset_log()
        return snapshot(options.pop("source", url), options.pop("path", path), **options)

    return run


def stock(path: Path, sql: str) -> list[list[Any]]:
    """Rows as Python's own ``sqlite3`` module reads them."""
    done = subprocess.run(
        [sys.executable, "-c", _STOCK, str(path), sql], capture_output=True, text=True, check=True
    )
    rows: list[list[Any]] = json.loads(done.stdout)
    return rows


def rows(connection: sessions_vtab.Connection, table: str) -> list[tuple[Any, ...]]:
    """The rows without ``sequence``, which only a copy has."""
    cursor = connection.execute(f"SELECT * FROM {table} ORDER BY name")
    kept = [at for at, column in enumerate(cursor.description) if column[0] != "sequence"]
    return [tuple(row[at] for at in kept) for row in cursor]


def copied(path: Path, table: str) -> list[tuple[Any, ...]]:
    """Rows of a snapshot, read as a source."""
    connection = sessions_vtab.connect(f"local://{path}")
    try:
        return rows(connection, table)
    finally:
        connection.close()


def paths_of(emulator: Running) -> list[str]:
    """Paths of the requests since the log was reset, behind the engine's."""
    return [entry["path"].partition("/42/")[2] for entry in emulator.control.requests()]

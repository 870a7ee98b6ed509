"""Sources with the same conversations: a Vertex AI emulator, the local store, snapshots of both."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sessions_vtab import Connection, connect
from sessions_vtab.emulator.serve import Running, running
from sessions_vtab.emulator.service import EmulatorSettings
from sessions_vtab.snapshot import snapshot

sys.path.insert(0, str(Path(__file__).parent))

from conversations import copy, send, written_by_adk  # Found by the line above.


@pytest.fixture(scope="session")
def emulator() -> Iterator[Running]:
    with running(EmulatorSettings()) as started:
        yield started


@pytest.fixture(scope="session")
def vertex(emulator: Running) -> Iterator[Connection]:
    send(emulator.url)
    connection = connect(f"prod=vertex://demo/us-central1/42?base_url={emulator.url}")
    yield connection
    connection.close()


@pytest.fixture(scope="session")
def local(vertex: Connection) -> Iterator[Connection]:
    connection = connect("prod=local://:memory:")
    copy(vertex, connection)
    yield connection
    connection.close()


@pytest.fixture(scope="session")
def snapshot_file(vertex: Connection, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("snapshot") / "copy.db"
    snapshot(vertex, path)
    return path


@pytest.fixture(scope="session")
def copied(snapshot_file: Path) -> Iterator[Connection]:
    connection = connect(f"prod=local://{snapshot_file}", read_only=True)
    yield connection
    connection.close()


@pytest.fixture(scope="session", params=["2.13.0_sqlite_utc", "2.4.0_db_ny", "1.17.0_db_utc"])
def adk(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Connection]:
    """Files of both services and both schemas: the older one has no models."""
    connection = connect(written_by_adk(request.param, tmp_path_factory.mktemp("adk")))
    yield connection
    connection.close()


SOURCES = ("vertex", "local", "copied")
"""The fixtures whose rows must be the same; a source of another backend needs one line more."""


@pytest.fixture(params=SOURCES)
def source(request: pytest.FixtureRequest) -> Connection:
    found: Connection = request.getfixturevalue(request.param)
    return found

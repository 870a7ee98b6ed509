"""A small emulator with the data of seed 7, its sources, and Arrow rows as SQL values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import ceil
from typing import Any

import pyarrow as pa
import pytest

import sessions_vtab
from sessions_vtab.contract import times
from sessions_vtab.emulator.serve import Running, running
from sessions_vtab.emulator.service import EmulatorSettings
from sessions_vtab.scanning import parts

SESSIONS, EVENTS = 110, 700
_LOCATIONS = {"vertex": "demo/us-central1/42", "deepset": "demo", "eleanor": "demo"}
_UNITS = {"ns": 1, "us": 1_000}


@pytest.fixture(scope="package")
def served() -> Iterator[Running]:
    with running(EmulatorSettings(seed=7, sessions=SESSIONS, events=EVENTS)) as emulator:
        yield emulator


@pytest.fixture
def emulator(served: Running, monkeypatch: pytest.MonkeyPatch) -> Running:
    monkeypatch.setenv("DEEPSET_API_KEY", "api_key")
    served.control.clear_faults()
    served.control.reset_log()
    return served


@pytest.fixture
def urls(emulator: Running) -> dict[str, str]:
    return {
        name: f"prod={name}://{location}?base_url={emulator.url}"
        for name, location in _LOCATIONS.items()
    }


@pytest.fixture
def url(urls: dict[str, str]) -> str:
    return urls["vertex"]


@pytest.fixture
def select(urls: dict[str, str]) -> Iterator[Callable[..., list[tuple[Any, ...]]]]:
    """Rows by SQL, sorted."""
    opened: list[sessions_vtab.Connection] = []

    def run(sql: str, backend: str = "vertex") -> list[tuple[Any, ...]]:
        opened.append(sessions_vtab.connect(urls[backend]))
        return ordered(opened[-1].execute(sql).fetchall())

    yield run
    for connection in opened:
        connection.close()


@pytest.fixture
def counted(emulator: Running) -> Callable[..., tuple[Any, int]]:
    """What a function gives, and how many requests it makes."""

    def run(function: Callable[[], Any]) -> tuple[Any, int]:
        emulator.control.reset_log()
        given = function()
        return given, emulator.control.log()["total"]

    return run


@pytest.fixture
def fewest(select: Callable[..., list[tuple[Any, ...]]]) -> int:
    """Requests that the events of all sessions take: a list, or more, for each."""
    counts = select(
        "SELECT count(e.name) FROM sessions s LEFT JOIN events e ON e.session_name = s.name"
        " GROUP BY s.name"
    )
    return sum(max(1, ceil(count / 100)) for (count,) in counts)


@pytest.fixture
def _no_paced_backends() -> Iterator[None]:
    yield
    for backend in parts._paced.values():
        backend.close()
    parts._paced.clear()


def ordered(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return sorted(rows, key=repr)


def sql_rows(table: pa.Table) -> list[tuple[Any, ...]]:
    """Arrow rows as SQLite's values, sorted: the inverse of what a scan does."""
    columns = [_sql_values(column) for column in table.columns]
    return ordered(list(zip(*columns, strict=True)))


def _sql_values(column: pa.ChunkedArray) -> list[Any]:
    if pa.types.is_timestamp(column.type):
        size = _UNITS[column.type.unit]
        instants = column.cast(pa.int64()).to_pylist()
        return [None if one is None else times.to_text(one * size) for one in instants]
    if pa.types.is_boolean(column.type):
        return [None if one is None else int(one) for one in column.to_pylist()]
    return column.to_pylist()

"""The conformance kit on a file of each schema, and on one that only a scope shows.

``SESSIONS_VTAB_CONFORMANCE=full`` asks everything; otherwise a few cases of each kind.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import sessions_vtab
from sessions_vtab.contract.backend import Source
from sessions_vtab.registry import backend_class
from sessions_vtab.testing.conformance import SHAPES, Shape, Suite
from sessions_vtab.testing.generated import paths_of
from tests.backends.adk.files import written

FULL = os.environ.get("SESSIONS_VTAB_CONFORMANCE") == "full"
MOST = None if FULL else 2
FILES = ("2.13.0_sqlite_utc", "1.17.0_db_utc")
PATHS = list(paths_of(backend_class("adk").open(Source("adk", "adk", "none.db")).resources))
CHOSEN = SHAPES if FULL else SHAPES[::12]

pytestmark = pytest.mark.timeout(3_600 if FULL else 300)


@pytest.fixture(scope="module")
def suites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    opened = []

    @cache
    def suite(name: str) -> Suite:
        connection = sessions_vtab.connect(written(name, tmp_path_factory.mktemp("adk")).url)
        opened.append(connection)
        return Suite(connection, "adk")

    yield suite
    for connection in opened:
        connection.close()


@pytest.fixture(params=FILES)
def suite(request: pytest.FixtureRequest, suites: object) -> Suite:
    assert callable(suites)
    made = suites(request.param)
    assert isinstance(made, Suite)
    return made


@pytest.mark.parametrize(("table", "path"), PATHS)
def test_each_path_returns_the_oracle_s_rows(suite: Suite, table: str, path: str) -> None:
    assert suite.check_path(table, path, most=MOST) > 8
    assert suite.check_order(table, path) > 3


def test_every_column_has_a_value_in_some_row(suite: Suite) -> None:
    for table in suite.known:
        suite.check_filled(table)


@pytest.mark.parametrize("shape", CHOSEN, ids=str)
def test_shapes_return_the_oracle_s_rows(suite: Suite, shape: Shape) -> None:
    suite.check(shape)


@pytest.mark.skipif(not FULL, reason="slow; the paths are asked for every operator anyway")
def test_the_operators_are_those_declared(suite: Suite) -> None:
    assert suite.check_operators() > 300


def test_a_source_s_own_tables_need_no_file(tmp_path: Path) -> None:
    """The tables are there before the agent has written its first session."""
    url = f"adk=adk://{tmp_path}/later.db"
    with sessions_vtab.connect(url) as connection:
        with pytest.raises(sessions_vtab.errors.StoreError, match="does not exist"):
            connection.execute("SELECT * FROM sessions").fetchall()
        written(FILES[0], tmp_path).path.rename(tmp_path / "later.db")
        assert connection.execute("SELECT count(*) FROM sessions").get == 6

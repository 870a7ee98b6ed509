"""Random SELECTs of the kit's generator on a store, on Vertex in both filter modes, and on both.

``STATEMENTS=4000`` asks that many of each in place of those that CI asks, other ones with each
``STATEMENTS_SEED``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import closing

import pytest

from sessions_vtab import Connection, connect
from sessions_vtab.contract.agent_views import views_of
from sessions_vtab.contract.backend import Source
from sessions_vtab.emulator.serve import running
from sessions_vtab.emulator.service import EmulatorSettings
from sessions_vtab.testing import hostile
from sessions_vtab.testing.conformance import Suite
from tests import random_statements
from tests.conformance import vertex_rows
from tests.random_statements import Query, ask
from tests.two_sources import TwoSources

_VIEW = re.compile(r"\{(turns|tool_calls|usage_by_session|live_events)\}")
_COUNT = int(os.environ.get("STATEMENTS", "20"))
_SEED = int(os.environ.get("STATEMENTS_SEED", "0"))


@pytest.fixture(scope="module")
def local() -> Iterator[Suite]:
    source = Source("loc", "local", ":memory:")
    with closing(connect(sources=[source])) as connection:
        _fill_local(connection)
        yield Suite(connection, "loc")


@pytest.fixture(scope="module", params=["lenient", "strict"])
def prod(request: pytest.FixtureRequest) -> Iterator[Source]:
    with running(EmulatorSettings(strict_filters=request.param == "strict")) as emulator:
        source = Source("prod", "vertex", "demo/us-central1/42", {"base_url": emulator.url})
        with closing(connect(sources=[source])) as connection:
            connection.execute("SELECT 1 FROM sessions LIMIT 1").fetchall()  # Creates the engine.
        vertex_rows.fill(emulator.control)
        yield source


def _fill_local(connection: Connection) -> None:
    tables = connection.sources["loc"].backend.resources
    sessions = hostile.session_rows(odd_labels=False)
    names = {row["name"] for row in sessions}
    events = [row for row in hostile.event_rows() if row["session_name"] in names]
    with connection:
        for table, rows in (("sessions", sessions), ("events", events)):
            columns = tables[table].capability.writes.insert
            hostile.load(connection.execute, "loc", table, rows, columns)


def test_a_store_returns_the_oracle_s_rows(local: Suite) -> None:
    _ask(local)


def test_vertex_returns_the_oracle_s_rows(prod: Source) -> None:
    with closing(connect(sources=[prod])) as connection:
        _ask(Suite(connection, "prod"))


@pytest.mark.parametrize("prod", ["lenient"], indirect=True)
def test_statements_over_both_return_the_oracle_s_rows(prod: Source) -> None:
    """A table is of one of them by chance; most joins and subqueries are over both."""
    both = [Source("loc", "local", ":memory:"), prod]
    with closing(connect(sources=both)) as connection:
        _fill_local(connection)
        suite = TwoSources(connection, "loc", "prod")
        _ask(suite)
        print(f"{suite.asked[True]} of them over both")
        assert suite.asked[True] > _COUNT / 5


class _WithViews(Suite):
    """A suite whose reference has the views over events, too; each is named as it is called."""

    def __init__(self, connection: Connection, source: str) -> None:
        super().__init__(connection, source)
        for view in views_of(connection.sources[source].backend):
            self.oracle.connection.execute(view.create("main"))

    def text(self, sql: str) -> str:
        """See ``Suite.text``."""
        return super().text(_VIEW.sub(r"\1", sql))

    def native_text(self, sql: str) -> str:
        """See ``Suite.native_text``."""
        return super().native_text(_VIEW.sub(r"\1", sql))


@pytest.mark.parametrize("prod", ["lenient"], indirect=True)
@pytest.mark.parametrize("view", ["turns", "tool_calls", "usage_by_session", "live_events"])
def test_statements_over_views_return_the_oracle_s_rows(
    prod: Source, view: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A view in place of the query that groups, into which the same conditions move."""
    monkeypatch.setitem(random_statements._ITEMS, "grouped", f"{{{view}}}")
    monkeypatch.setattr(
        random_statements, "_TABLES", ("sessions", "events", "grouped", "grouped", "last")
    )
    with closing(connect(sources=[prod])) as connection:
        _ask(_WithViews(connection, "prod"), _COUNT // 2)


def _ask(suite: Suite, count: int = _COUNT) -> None:
    answered = asked = 0

    def check(query: Query) -> None:
        nonlocal answered, asked
        query.check(suite)
        asked += 1
        answered += bool(suite.oracle.ask(suite.native_text(query.sql), query.bindings))

    ask(count, _SEED, check)

    print(f"{asked} statements, {answered} of them with rows")
    assert answered > asked / 5
    suite.close()

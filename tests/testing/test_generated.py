from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings

from sessions_vtab import connect
from sessions_vtab.contract.backend import Source
from sessions_vtab.testing import hostile
from sessions_vtab.testing.conformance import Suite
from tests.random_statements import Query, queries
from tests.testing.conftest import fill
from tests.two_sources import TwoSources


@settings(
    # One filled suite serves all examples: a query changes nothing in it.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(query=queries())
def test_any_query_returns_the_oracle_s_rows(suite: Suite, query: Query) -> None:
    query.check(suite)


@pytest.fixture(scope="module")
def two() -> Iterator[TwoSources]:
    """A store, and a queued source with other rows of the same columns."""
    sources = [Source("loc", "local", ":memory:"), Source("mem", "memory")]
    with closing(connect(sources=sources)) as connection:
        fill(connection, "loc", hostile.session_rows(odd_labels=False))
        fill(connection, "mem", hostile.session_rows()[::2])
        suite = TwoSources(connection, "loc", "mem")
        yield suite
        suite.close()
        assert suite.asked[True] > sum(suite.asked.values()) / 5


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(query=queries())
def test_any_query_over_two_sources_returns_the_oracle_s_rows(
    two: TwoSources, query: Query
) -> None:
    query.check(two)

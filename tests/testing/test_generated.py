from __future__ import annotations

from hypothesis import HealthCheck, given, settings

from sessions_vtab.testing.conformance import Suite
from sessions_vtab.testing.generator import Query, queries


@settings(
    # One filled suite serves all examples: a query changes nothing in it.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(query=queries())
def test_any_query_returns_the_oracle_s_rows(suite: Suite, query: Query) -> None:
    query.check(suite)

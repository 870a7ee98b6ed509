"""The conformance suite's queries through this interface, as BI tools use it: guarded and limited."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sessions_vtab import dbapi
from sessions_vtab.testing import hostile
from sessions_vtab.testing.conformance import SHAPES, Suite


@pytest.fixture(scope="module", params=["local://:memory:", "memory://"])
def suite(request: pytest.FixtureRequest) -> Iterator[Suite]:
    db = dbapi.connect(f"one={request.param}", guarded=True, timeout=60, max_rows=100_000)
    tables = db.driver.sources["one"].backend.resources
    rows = {"sessions": hostile.session_rows(odd_labels=False), "events": hostile.event_rows()}
    for table, some in rows.items():
        hostile.load(db.execute, "one", table, some, tables[table].capability.writes.insert)
    db.commit()
    suite = Suite(db.driver, "one")
    suite.connection = db
    yield suite
    db.close()
    suite.oracle.close()


@pytest.mark.parametrize("part", range(4))
def test_every_query_returns_the_rows_of_the_reference(suite: Suite, part: int) -> None:
    asked = 0
    for shape in SHAPES[part::4]:
        if suite.applies(shape) is None:
            suite.check(shape)
            asked += 1

    assert asked > 100

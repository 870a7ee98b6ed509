"""The shapes of the conformance suite over a namespace of twenty sessions.

What is sent for each path: tests/conformance/test_generated.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from sessions_vtab import connect
from sessions_vtab.emulator.serve import running
from sessions_vtab.emulator.service import EmulatorSettings
from sessions_vtab.testing.conformance import SHAPES, Shape, Suite
from tests.shapes import check_each, grouped

APPLICABLE = [shape for shape in SHAPES if "{events}" not in shape.setup + shape.sql]


@pytest.fixture(scope="module")
def suite() -> Iterator[Suite]:
    with running(EmulatorSettings(seed=7, sessions=1, events=0)) as emulator:
        connection = connect(f"eleanor://demo?base_url={emulator.url}")
        made = Suite(connection, "eleanor")
        yield made
        made.close()
        connection.close()


@pytest.mark.parametrize("shapes", grouped(APPLICABLE))
def test_each_shape_returns_the_oracle_s_rows(suite: Suite, shapes: Sequence[Shape]) -> None:
    check_each(suite, shapes)

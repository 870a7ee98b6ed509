"""Every access path of every backend, over real sockets: rows, plans, scans and requests.

``SESSIONS_VTAB_CONFORMANCE=full`` asks all cases; otherwise a few of each kind.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from sessions_vtab.emulator.serve import Running
from sessions_vtab.testing.conformance import SHAPES, Suite
from sessions_vtab.testing.generated import Traffic
from tests.conformance.stages import STAGES

MOST = None if os.environ.get("SESSIONS_VTAB_CONFORMANCE") == "full" else 4
CASES = [(name, *path) for name, stage in STAGES.items() for path in stage.paths]


@pytest.mark.parametrize(("name", "table", "path"), CASES)
def test_each_path_returns_the_oracle_s_rows_and_is_sent_what_it_declares(
    suite_of: Callable[[str], Suite], emulator: Running, name: str, table: str, path: str
) -> None:
    suite = suite_of(name)

    def requests() -> list[dict[str, object]]:
        found = emulator.log.entries()
        emulator.log.reset()
        return found

    requests()
    look = None if name == "local" else Traffic(requests, STAGES[name].shown)

    assert suite.check_path(table, path, look, most=MOST) > 12


@pytest.mark.parametrize("name", STAGES)
def test_the_examples_of_help_run(suite_of: Callable[[str], Suite], name: str) -> None:
    suite_of(name).check_examples()


@pytest.mark.parametrize("name", STAGES)
def test_every_column_has_a_value_in_some_row(suite_of: Callable[[str], Suite], name: str) -> None:
    suite = suite_of(name)

    for table in suite.known:
        suite.check_filled(table)


@pytest.mark.parametrize("name", ["whylabs", "embedding_studio"])
def test_shapes_with_a_key_return_the_oracle_s_rows(
    suite_of: Callable[[str], Suite], name: str
) -> None:
    suite = suite_of(name)
    asked = [shape for shape in SHAPES if shape.keyed and suite.applies(shape) is None]

    for shape in asked:
        suite.check(shape)

    assert len(asked) >= 16

"""Every access path of every backend has its rows in one order, whichever answers are late."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from itertools import cycle

import pytest

from sessions_vtab.emulator.control import Control
from sessions_vtab.emulator.serve import Running
from sessions_vtab.testing.conformance import Suite
from sessions_vtab.testing.ordering import of_keys, same_order
from tests.conformance.stages import STAGES

CASES = [(name, *path) for name, stage in STAGES.items() for path in stage.paths]

LATE = cycle(("[02468]", "[13579]", "[abcdefABCDEF]$", ""))
"""Which requests are overtaken by two others: those with such a character in their path or token."""


def _disturb(control: Control) -> None:
    control.clear_faults()
    control.fault("late", path=f"{next(LATE)}[^/]*(/[a-z]+)?$", behind=2, seconds=0.004, count=None)


@pytest.mark.parametrize(("name", "table", "path"), CASES)
def test_rows_come_in_one_order(
    suite_of: Callable[[str], Suite], emulator: Running, name: str, table: str, path: str
) -> None:
    rows = suite_of(name).check_order(table, path, lambda: _disturb(emulator.control))

    emulator.control.clear_faults()
    assert rows > 3 or table == "reasoning_engines"  # The emulator has one engine.


@pytest.mark.parametrize("selected", ["{key}", "{key}, *"])
@pytest.mark.parametrize(
    ("name", "table", "path"),
    [one for one in CASES if one[0] != "local"],
)
def test_keys_find_their_rows_in_one_order_whether_the_list_is_known_or_not(
    suite_of: Callable[[str], Suite],
    emulator: Running,
    name: str,
    table: str,
    path: str,
    selected: str,
) -> None:
    """Where a list is known to be short, it is read instead of a row for each key."""
    known = suite_of(name).known[table]
    paths = {one.name: one for one in known.resource.capability.paths}
    where, values = of_keys(known, paths[path])
    sql = f"SELECT {selected.format(key=known.table.key)} FROM {table}"

    with closing(STAGES[name].connect(emulator)) as connection:

        def ask(tail: str) -> list[object]:
            return [row[0] for row in connection.execute(f"{sql} {tail}", values if tail else ())]

        first = ask(where)
        if any(not one.keys for one in paths.values()):
            ask("")
        same_order(f"{sql} {where}, once the list is known", first, ask(where))

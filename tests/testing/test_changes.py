"""Random changes of a table by statements that read it, as plain tables are changed.

CHANGES=1000 runs that many statements on each backend in place of those that CI runs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from sessions_vtab import Connection, connect
from sessions_vtab.contract.backend import Outcome, OutcomeState
from sessions_vtab.emulator.serve import running
from sessions_vtab.emulator.service import EmulatorSettings
from tests.random_changes import ChangeCase, ChangeDuel, change

_COUNT = int(os.environ.get("CHANGES", "80"))
_START = int(os.environ.get("CHANGES_START", "0"))


@pytest.fixture(params=["local", "memory", "vertex"])
def database(
    request: pytest.FixtureRequest, opened: Callable[..., Connection]
) -> Iterator[Connection]:
    if request.param != "vertex":
        yield opened(src=request.param)
        return
    with running(EmulatorSettings(strict_filters=True)) as emulator:
        url = f"vertex://demo/us-central1/42?base_url={emulator.url}"
        with closing(connect(f"{url}&max_requests=100000")) as connection:
            yield connection


def test_any_change_leaves_the_rows_of_a_plain_table(database: Connection) -> None:
    ChangeDuel.fill(database)
    duel = ChangeDuel(database)

    for seed in range(_START, _START + _COUNT):
        duel.run(change(seed))

    assert duel.refused < _COUNT * 0.15
    assert duel.changed > _COUNT * 3
    duel.close()


def test_a_change_that_is_not_made_is_found(memory: Connection) -> None:
    ChangeDuel.fill(memory, 3)
    duel = ChangeDuel(memory)
    memory.sources["mem"].backend.send = lambda writes, context: [
        Outcome(one, OutcomeState.SENT) for one in writes
    ]

    with pytest.raises(AssertionError, match=r"(?s)SET display_name = 'x'.*missing"):
        duel.run(ChangeCase("UPDATE sessions SET display_name = 'x' WHERE user_id = 'nobody' OR 1"))

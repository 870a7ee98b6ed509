"""Random transactions leave the rows that plain tables have, and send what a preview shows.

``STATEMENTS=4000`` runs that many transactions in place of those that CI runs, other ones with each
``STATEMENTS_SEED``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing

import pytest

from sessions_vtab import Connection, connect
from sessions_vtab.contract.backend import Source
from sessions_vtab.emulator.serve import running
from sessions_vtab.emulator.service import EmulatorSettings
from tests.random_transactions import Sent, TransactionDuel, transaction

_COUNT = int(os.environ.get("STATEMENTS", "60"))
_SEED = int(os.environ.get("STATEMENTS_SEED", "0")) * 1_000_000


def test_transactions_on_a_store() -> None:
    with closing(connect(sources=[Source("loc", "local", ":memory:")])) as connection:
        TransactionDuel.fill(connection)
        _run(TransactionDuel(connection), atomic=True)


@pytest.fixture
def service() -> Iterator[tuple[Connection, TransactionDuel]]:
    """A connection to Vertex, and a duel that sees what it sends."""
    with running(EmulatorSettings(strict_filters=True)) as emulator:
        url = f"vertex://demo/us-central1/42?base_url={emulator.url}&max_requests=100000"

        def sent() -> list[Sent]:
            log = emulator.control.requests()
            emulator.control.reset_log()
            found = ((one["method"], one["path"], one["query"], one["body"]) for one in log)
            return [one for one in found if one[0] != "GET"]

        with closing(connect(url)) as connection:
            TransactionDuel.fill(connection)
            yield connection, TransactionDuel(connection, sent)


def test_transactions_on_a_service(service: tuple[Connection, TransactionDuel]) -> None:
    _run(service[1], atomic=False)


def _run(duel: TransactionDuel, *, atomic: bool) -> None:
    for seed in range(_SEED, _SEED + _COUNT):
        duel.run_all(transaction(seed, atomic=atomic))

    print(f"{_COUNT} transactions, {duel.refused} refused, {duel.changed} rows changed")
    assert duel.refused < _COUNT / 2
    assert duel.changed > _COUNT

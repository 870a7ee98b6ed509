"""The recipe of ``help delete`` for sessions that nobody uses any more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import sessions_vtab
from sessions_vtab.emulator.serve import Running, running
from sessions_vtab.emulator.service import EmulatorSettings
from sessions_vtab.errors import BudgetError
from tests.documented import IDLE

COUNT, DELETE = (part.strip() + ";" for part in IDLE.split(";")[:2])


@pytest.fixture
def emulator() -> Iterator[Running]:
    """60 sessions, last changed over 90 days."""
    with running(EmulatorSettings(seed=3, sessions=60, events=60)) as started:
        yield started


@pytest.fixture
def source(emulator: Running) -> str:
    return f"prod=vertex://demo/us-central1/42?base_url={emulator.url}"


def _rows(source: str, sql: str) -> list[Any]:
    with sessions_vtab.connect(sources=[source]) as db:
        rows = db.execute(sql).fetchall()
    db.close()
    return rows


def test_it_is_counted_shown_and_deleted(
    emulator: Running, source: str, cli: Callable[..., Any]
) -> None:
    ((idle, oldest),) = _rows(source, COUNT)
    ((everything,),) = _rows(source, "SELECT count(*) FROM sessions")
    assert 10 < idle < everything

    plan = cli("--source", source, "explain", DELETE)
    assert "1 per row, at most 100 per minute" in plan.out
    emulator.control.reset_log()
    shown = cli("--source", source, "--dry-run", "query", DELETE, "--format", "jsonl")
    assert len(shown.out.splitlines()) == idle
    assert emulator.control.requests("DELETE") == []
    done = cli("--source", source, "query", DELETE)
    assert done.status == 0, done.err
    assert len(emulator.control.requests("DELETE")) == idle
    assert _rows(source, COUNT) == [(0, None)]
    assert _rows(source, "SELECT count(*) FROM sessions") == [(everything - idle,)]
    assert oldest


def test_more_than_max_writes_is_refused_before_the_first(
    emulator: Running, source: str, cli: Callable[..., Any]
) -> None:
    emulator.control.reset_log()

    done = cli("--source", source, "--max-writes", "3", "query", DELETE)

    assert done.status == 1
    assert "more than 3 rows of prod.sessions (max_writes). Nothing was written" in done.err
    assert emulator.control.requests("DELETE") == []


def test_a_person_is_asked_with_the_time_it_takes(source: str) -> None:
    asked: list[str] = []
    db = sessions_vtab.connect(sources=[source])
    db.budget.max_writes = 3
    db.budget.confirm = lambda question: bool(asked.append(question))

    with pytest.raises(BudgetError):
        db.execute(DELETE)

    assert "At the service's quota of 100 per minute, it takes about 1 minute." in asked[0]
    db.close()

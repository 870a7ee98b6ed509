"""max_writes: who sets it, who is asked, and how a bulk write that stopped half-way goes on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sessions_vtab import Connection, connect
from sessions_vtab.emulator.serve import Running, running
from sessions_vtab.errors import BudgetError, WriteError
from sessions_vtab.spec.source import Source

MANY = """
    WITH RECURSIVE c(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM c LIMIT {0})
    INSERT INTO sessions(session_id, user_id) SELECT 's' || x, 'ann' FROM c
"""


@pytest.fixture(scope="module")
def emulator() -> Iterator[Running]:
    with running() as started:
        yield started


@pytest.mark.parametrize(
    ("source", "rows", "allowed"),
    [
        (Source("own", "local", ":memory:"), 1_500, True),
        (Source("own", "local", ":memory:", max_writes=10), 10, True),
        (Source("own", "local", ":memory:", max_writes=10), 11, False),
        (Source("mem", "memory"), 1_000, True),
        (Source("mem", "memory"), 1_001, False),
        (Source("mem", "memory", max_writes=2_000), 1_500, True),
    ],
)
def test_a_statement_may_write(source: Source, rows: int, allowed: bool) -> None:
    db = connect(sources=[source])
    if allowed:
        db.execute(MANY.format(rows))
    else:
        with pytest.raises(BudgetError, match="max_writes"):
            db.execute(MANY.format(rows))

    expected = rows if allowed else 0
    assert db.execute("SELECT count(*) FROM sessions").get == expected
    db.close()


@pytest.mark.parametrize("answer", [True, False])
def test_a_person_is_asked_once_a_statement(answer: bool, memory: Connection) -> None:
    asked: list[str] = []
    memory.budget.max_writes = 3
    memory.budget.confirm = lambda question: asked.append(question) or answer

    if answer:
        memory.execute(MANY.format(9))
    else:
        with pytest.raises(BudgetError):
            memory.execute(MANY.format(9))

    assert len(asked) == 1
    assert "more than 3 rows of mem.sessions" in asked[0]
    assert memory.execute("SELECT count(*) FROM sessions").get == (9 if answer else 0)


def test_a_bulk_write_that_stopped_half_way_goes_on_where_it_stopped(emulator: Running) -> None:
    """The recipe of ``help writes``."""
    emulator.control.reset(empty=True)
    db = connect(f"prod=vertex://demo/us-central1/42?base_url={emulator.url}")
    db.executemany(
        "INSERT INTO sessions(session_id, user_id) VALUES (?, 'ann')",
        [(f"s{n}",) for n in range(9)],
    )
    db.execute("CREATE TEMP TABLE mine(id INTEGER PRIMARY KEY, session, message)")
    lines = [(f"s{n % 9}", f"message {n}") for n in range(90)]
    db.executemany("INSERT INTO mine(session, message) VALUES (?, ?)", lines)
    emulator.control.fault("status", status=403, path="/s4:appendEvent", skip=2)

    with pytest.raises(WriteError, match="of 90 writes did not succeed"):
        db.execute(
            "INSERT INTO events(session_id, author, content)"
            " SELECT session, 'user', message FROM mine ORDER BY id"
        )
    sent = db.execute(
        "SELECT count(*) FROM writes WHERE \"table\" = 'events' AND outcome LIKE 'sent%'"
    )
    assert 0 < sent.get < 90
    emulator.control.clear_faults()

    db.execute(
        """
        INSERT INTO events(session_id, author, content)
        SELECT session, 'user', message
        FROM (SELECT *, row_number() OVER (ORDER BY id) AS place FROM mine)
        WHERE place IN (SELECT row FROM writes WHERE outcome IN ('failed', 'not sent')
                        AND statement = (SELECT max(statement) FROM writes))
        ORDER BY place
        """
    )

    stored = [text for (text,) in db.execute("SELECT text FROM events")]
    assert sorted(stored) == sorted(message for _, message in lines)
    db.close()

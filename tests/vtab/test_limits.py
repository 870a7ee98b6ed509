"""max_writes: who sets it, who is asked, and how a bulk write that stopped half-way goes on."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from sessions_vtab import Connection, connect
from sessions_vtab.contract.backend import Source
from sessions_vtab.emulator.serve import Running, running
from sessions_vtab.errors import BudgetError, WriteError
from sessions_vtab.sql.lexer import split
from tests.documented import RESUME

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


@pytest.mark.parametrize("source", ["mem", "loc"])
@pytest.mark.parametrize("answer", [True, False])
def test_a_person_is_asked_once_with_the_number_of_rows_before_anything_is_written(
    answer: bool, source: str, opened: Callable[..., Connection]
) -> None:
    db = opened(mem="memory", loc="local")
    asked: list[tuple[str, int]] = []

    def confirm(question: str) -> bool:
        asked.append((question, len(db.sources["mem"].backend.sent)))
        return answer

    db.budget.max_writes, db.budget.confirm = 1_000, confirm
    sql = MANY.format(1_500).replace("sessions", f"{source}.sessions")
    with contextlib.nullcontext() if answer else pytest.raises(BudgetError, match="more than 1000"):
        db.execute(sql)

    words = f"This statement would write 1 500 rows to {source} (max_writes 1 000). Send them?"
    assert asked == [(words, 0)]
    db.budget.max_requests = 20_000
    assert db.execute(f"SELECT count(*) FROM {source}.sessions").get == (1_500 if answer else 0)


def test_in_a_transaction_where_nobody_can_be_asked_the_statement_is_undone(
    memory: Connection,
) -> None:
    memory.budget.max_writes = 3
    memory.execute("BEGIN; INSERT INTO sessions(session_id, name) VALUES ('first', 'first')")

    with pytest.raises(BudgetError, match="max_writes"):
        memory.execute(MANY.format(9))
    memory.execute("COMMIT")

    assert [one.values["name"] for one in memory.sources["mem"].backend.sent] == ["first"]


@pytest.mark.parametrize(("answer", "left"), [(True, 10), (False, 1)])
def test_in_a_transaction_the_answer_no_undoes_only_that_statement(
    answer: bool, left: int, memory: Connection
) -> None:
    asked: list[str] = []

    def confirm(question: str) -> bool:
        asked.append(question)
        return answer

    memory.budget.max_writes, memory.budget.confirm = 3, confirm
    memory.execute("BEGIN; INSERT INTO sessions(session_id, name) VALUES ('first', 'first')")
    with contextlib.nullcontext() if answer else pytest.raises(BudgetError, match="max_writes"):
        memory.execute(MANY.format(9))
    memory.execute("COMMIT")

    expected = "This statement would write more than 3 rows to mem.sessions (max_writes)."
    assert asked == [f"{expected} Send them?"]
    assert len(memory.sources["mem"].backend.sent) == left


def test_the_answer_no_is_for_one_statement(memory: Connection) -> None:
    answers = iter((False, True))
    memory.budget.max_writes = 3
    memory.budget.confirm = lambda _: next(answers)
    with pytest.raises(BudgetError):
        memory.execute(MANY.format(9))
    memory.execute(MANY.format(3))
    memory.execute(MANY.format(4))

    assert memory.sources["mem"].backend.batches == [3, 4]


def test_a_dry_run_asks_nobody() -> None:
    with closing(connect(sources=[Source("mem", "memory")], dry_run=True)) as db:
        db.budget.max_writes = 3
        db.budget.confirm = lambda _: pytest.fail("asked")
        db.execute(MANY.format(9))


@pytest.fixture
def prod(emulator: Running) -> Iterator[Connection]:
    """Nine sessions on a service, and ninety messages for them in a table of the user's."""
    emulator.control.reset(empty=True)
    with closing(connect(f"prod=vertex://demo/us-central1/42?base_url={emulator.url}")) as db:
        sessions = [(f"s{n}",) for n in range(9)]
        db.executemany("INSERT INTO sessions(session_id, user_id) VALUES (?, 'ann')", sessions)
        db.execute("CREATE TEMP TABLE mine(id INTEGER PRIMARY KEY, session, message)")
        rows = [(f"s{n % 9}", f"message {n}") for n in range(90)]
        db.executemany("INSERT INTO mine(session, message) VALUES (?, ?)", rows)
        yield db


def test_a_bulk_write_that_stops_twice_resumes_until_each_row_exists_once(
    prod: Connection, emulator: Running
) -> None:
    """The recipe of ``sessions-vtab help transactions``, word for word."""
    prepare, send, note = (one.text for one in split(RESUME))
    prod.execute(prepare)
    stops = (("/s4:appendEvent", 2), ("/s4:appendEvent", 1), ("", 0))
    left = []
    for path, skip in stops:
        emulator.control.clear_faults()
        if path:
            emulator.control.fault("status", status=403, path=path, skip=skip)
        with pytest.raises(WriteError) if path else contextlib.nullcontext():
            prod.execute(send)
        for _ in range(2):  # Noting it twice changes nothing.
            prod.execute(note)
        left.append(prod.execute("SELECT count(*) FROM todo WHERE sent IS NULL").get)

    assert 90 > left[0] > left[1] > left[2] == 0
    stored = [text for (text,) in prod.execute("SELECT text FROM events")]
    assert sorted(stored) == sorted(f"message {n}" for n in range(90))


def test_writes_numbers_the_rows_of_each_statement(memory: Connection) -> None:
    memory.execute("INSERT INTO sessions(name) VALUES ('c'), ('a'), ('b')")
    memory.executemany("INSERT INTO sessions(name) VALUES (?)", [("d",), ("e",)])

    rows = memory.execute("SELECT key, row, statement FROM writes ORDER BY number").fetchall()
    first, *_, last = [statement for *_, statement in rows]
    assert [row for row in rows if row[2] == first] == [
        ("c", 1, first),
        ("a", 2, first),
        ("b", 3, first),
    ]
    assert rows[3:] == [("d", 1, last - 1), ("e", 1, last)]

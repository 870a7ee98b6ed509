"""A COMMIT that an exception interrupts: what ``writes`` says is what the server has.

Ctrl-C, a lack of memory, an error in a callback: the exception may come between any two steps of
the statement's thread. It is raised there by the line of code that is about to run.
"""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from types import FrameType
from typing import Any

import httpx
import pytest

from sessions_vtab import Connection, connect
from sessions_vtab.backends.vertex import VertexBackend
from sessions_vtab.cli import main
from sessions_vtab.emulator.serve import Running, running
from sessions_vtab.errors import notes_of
from sessions_vtab.fetch import sending
from sessions_vtab.vtab import unit_of_work, write_queue
from tests.waiting import once, wait_for

ROWS = 60
IN_FLIGHT = 4
"""As many as are sent at once."""
INSERT = "INSERT INTO sessions(session_id, user_id) VALUES (?, 'ann')"
SETTLING = {
    sending.__file__: None,
    unit_of_work.__file__: {"settle", "_note"},
    write_queue.__file__: {"drain", "_begun", "counts", "failure"},
}
"""Where rows are sent and their outcomes noted: files, and their functions; None for all."""


@pytest.fixture(scope="module")
def emulator() -> Iterator[Running]:
    with running() as started:
        yield started


@pytest.fixture
def db(emulator: Running) -> Iterator[Connection]:
    emulator.control.reset(empty=True)
    url = f"prod=vertex://demo/us-central1/42?base_url={emulator.url}&concurrency={IN_FLIGHT}"
    with closing(connect(url)) as connection:
        yield connection


def on_the_server(emulator: Running) -> set[str]:
    engines = emulator.control.dump()["vertex"]["engines"]
    return {one["id"] for engine in engines for one in engine["sessions"]}


def commit(db: Connection, rows: int = ROWS) -> None:
    db.executemany(INSERT, [(f"s{number}",) for number in range(rows)])


def outcomes(db: Connection) -> dict[str, str]:
    """Outcome by session; every row of the COMMIT has one and no more."""
    rows = db.execute('SELECT "key", outcome FROM writes').fetchall()
    assert sorted(key for key, _ in rows) == sorted(f"s{number}" for number in range(ROWS))
    return dict(rows)


def hold_back(emulator: Running) -> None:
    """No row is answered from now on, until ``let_go``."""
    emulator.control.fault("late", method="POST", seconds=60, count=None)


def let_go(emulator: Running) -> None:
    """Answers the rows that are in flight, and all that follow."""
    emulator.control.clear_faults()
    # Those that are late wait for another answer.
    httpx.get(f"{emulator.url}/v1/", trust_env=False, verify=False)


@contextmanager
def raising(error: BaseException, at: int) -> Iterator[list[str]]:
    """Raises before the ``at``-th line that this thread runs in the sending modules."""
    left, where = at, []

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal left
        code = frame.f_code
        functions = SETTLING.get(code.co_filename, frozenset())
        if functions is not None and code.co_name not in functions:
            return None
        if event == "line":
            left -= 1
            if left == 0:
                where.append(f"{code.co_name}:{frame.f_lineno}")
                raise error
        return trace

    sys.settrace(trace)
    try:
        yield where
    finally:
        sys.settrace(None)


def check(db: Connection, emulator: Running) -> dict[str, str]:
    told, there = outcomes(db), on_the_server(emulator)
    wrong = {
        name: outcome
        for name, outcome in told.items()
        if outcome != "unknown" and (outcome != "not sent") != (name in there)
    }
    assert wrong == {}
    return told


@pytest.mark.parametrize("at", [150, 250, *range(430, 447), 600])
def test_an_exception_between_any_two_steps(db: Connection, emulator: Running, at: int) -> None:
    error = KeyboardInterrupt()
    with raising(error, at) as where, pytest.raises(KeyboardInterrupt):
        commit(db)

    told = check(db, emulator)
    assert list(told.values()).count("unknown") <= 1, where


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("mine"), KeyboardInterrupt()])
def test_whatever_the_exception_is_it_goes_on_with_the_counts(
    db: Connection, emulator: Running, error: BaseException
) -> None:
    with raising(error, 700), pytest.raises(type(error)) as raised:
        commit(db)

    told = check(db, emulator)
    sent = sum(outcome.startswith("sent") for outcome in told.values())
    rest = Counter(outcome for outcome in told.values() if not outcome.startswith("sent"))
    (note,) = notes_of(raised.value)
    assert sent < ROWS
    counted = ", ".join(f"{rest[one]} {one}" for one in ("not sent", "unknown") if rest[one])
    assert f"Of {ROWS} writes {sent} were sent, {counted}" in note
    assert db.execute("SELECT count(*) FROM sessions").get == len(on_the_server(emulator))


@pytest.fixture
def ctrl_c(emulator: Running, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Raises so many KeyboardInterrupts where answers are waited for, once requests are in flight.

    After one the rows in flight are answered.
    """
    left = 0
    answered = False

    class Interrupting(sending.SimpleQueue):
        def get(self, **rest: Any) -> Any:
            nonlocal left
            if left:
                wait_for(lambda: emulator.log.total >= IN_FLIGHT)
                left -= 1
                if answered:
                    let_go(emulator)
                raise KeyboardInterrupt
            return super().get(**rest)

    def come(times: int) -> None:
        nonlocal left, answered
        left, answered = times, times == 1

    monkeypatch.setattr(sending, "SimpleQueue", Interrupting)
    return come


def test_what_is_in_flight_is_waited_for(
    db: Connection, emulator: Running, ctrl_c: Callable[[int], None]
) -> None:
    hold_back(emulator)
    ctrl_c(1)
    with pytest.raises(KeyboardInterrupt):
        commit(db)

    told = check(db, emulator)
    assert set(told.values()) == {"not sent", "sent although rolled back"}


def test_a_second_ctrl_c_ends_the_waiting(
    db: Connection, emulator: Running, ctrl_c: Callable[[int], None]
) -> None:
    hold_back(emulator)
    ctrl_c(2)
    with pytest.raises(KeyboardInterrupt) as raised:
        commit(db)
    let_go(emulator)

    told = list(outcomes(db).values())
    unknown = told.count("unknown")
    assert 1 <= unknown <= IN_FLIGHT
    assert f"not sent, {unknown} unknown" in notes_of(raised.value)[0]


def test_the_sources_that_follow_are_not_sent(emulator: Running) -> None:
    emulator.control.reset(empty=True)
    urls = [
        f"{name}=vertex://demo/us-central1/{engine}?base_url={emulator.url}"
        for name, engine in (("a", 1), ("b", 2))
    ]
    with closing(connect(sources=urls)) as db:
        db.execute("BEGIN")
        for name in ("a", "b"):
            db.execute(f"INSERT INTO {name}.sessions(user_id) VALUES ('ann'), ('bob')")
        with raising(KeyboardInterrupt(), 80), pytest.raises(KeyboardInterrupt):
            db.execute("COMMIT")
        assert db.execute("SELECT DISTINCT outcome FROM writes WHERE source = 'b'").get == (
            "not sent"
        )


def test_the_command_says_how_many_rows_were_sent(
    emulator: Running,
    tmp_path: Any,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    emulator.control.reset(empty=True)
    hold_back(emulator)
    url = f"prod=vertex://demo/us-central1/42?base_url={emulator.url}&concurrency={IN_FLIGHT}"
    rows = ", ".join(f"('s{number}', 'ann')" for number in range(ROWS))

    def interrupt() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        let_go(emulator)

    with once(lambda: emulator.log.total >= IN_FLIGHT, interrupt):
        status = main(
            ["query", "--source", url, f"INSERT INTO sessions(session_id, user_id) VALUES {rows}"]
        )

    there = len(on_the_server(emulator))
    assert status == 130
    assert 0 < there < ROWS
    assert f"Interrupted. Of {ROWS} writes {there} were sent" in capsys.readouterr().err


FOREIGN: dict[str, Callable[[], BaseException]] = {
    "KeyError": lambda: KeyError("x"),
    "MemoryError": MemoryError,
    "RecursionError": RecursionError,
    "OverflowError": lambda: OverflowError("timeout value is too large"),
}


@pytest.mark.parametrize("make", FOREIGN.values(), ids=FOREIGN)
def test_an_exception_of_python_in_a_row_is_the_outcome_of_that_row(
    db: Connection, emulator: Running, monkeypatch: pytest.MonkeyPatch, make: Any
) -> None:
    """It comes after the row was sent: nobody knows, unless it is asked for."""
    plain = VertexBackend.finished

    def finished(self: VertexBackend, reply: Any, *rest: Any) -> Any:
        if b"s7" in reply.content:
            raise make()
        return plain(self, reply, *rest)

    monkeypatch.setattr(VertexBackend, "finished", finished)
    with pytest.raises(Exception, match=r"1 of 60 writes .*prod\.sessions: .*Error"):
        commit(db)

    told = check(db, emulator)
    assert told.pop("s7") == "unknown"
    assert set(told.values()) == {"sent although rolled back"}

"""A statement that the user stopped is ``apsw.InterruptError``, wherever it was at that moment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import apsw
import pytest

from sessions_vtab import Connection, connect
from sessions_vtab.contract.backend import Outcome, OutcomeState
from sessions_vtab.emulator.serve import Running, running
from sessions_vtab.errors import StoppedError, UnknownOutcomeError
from sessions_vtab.fetch import sending
from tests.waiting import stopping


@pytest.fixture(scope="module")
def emulator() -> Iterator[Running]:
    with running() as started:
        started.control.reset(empty=True)
        yield started


@pytest.fixture
def slow(emulator: Running) -> Iterator[Connection]:
    """A source that does not answer in time, which is filled already."""
    with closing(connect(f"prod=vertex://demo/us-central1/42?base_url={emulator.url}")) as db:
        db.execute("INSERT OR IGNORE INTO sessions(session_id, user_id) VALUES ('s', 'ann')")
        # The first join of a process imports sqlglot, which can take longer than ``stop_soon``.
        db.execute("SELECT 1 FROM sessions s JOIN events e USING (session_id) LIMIT 0").fetchall()
        emulator.control.delay(20)
        yield db
        emulator.control.delay(0)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM sessions",
        "SELECT * FROM sessions WHERE session_id = 's'",
        "SELECT count(*) FROM sessions",
        "SELECT s.session_id, e.text FROM sessions s JOIN events e USING (session_id)",
        "UPDATE sessions SET display_name = 'x' WHERE session_id = 's'",
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c",
    ],
)
def test_a_read(slow: Connection, emulator: Running, sql: str) -> None:
    emulator.control.reset_log()

    with stopping(slow.interrupt), pytest.raises(apsw.InterruptError):
        slow.execute(sql).fetchall()

    assert not any(one["status"] for one in emulator.log.entries())  # None was answered.
    assert slow.execute("SELECT 1").get == 1


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO events(session_id, author, content) VALUES ('s', 'user', 'x')",
        "SELECT * FROM append_event('s', 'user', 'x')",
    ],
)
def test_a_write_under_way_has_an_unknown_outcome(
    slow: Connection, emulator: Running, sql: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "_GRACE", 0.05)
    before = emulator.log.total

    def is_sent() -> bool:
        return emulator.log.total > before

    with stopping(slow.interrupt, is_sent), pytest.raises(UnknownOutcomeError, match="interrupted"):
        slow.execute(sql).fetchall()


def test_a_write_that_was_not_begun(memory: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    def send(writes: Any, context: Any) -> Iterator[Outcome]:
        for write in writes:
            yield Outcome(write, OutcomeState.NOT_SENT, error=StoppedError("interrupted"))

    monkeypatch.setattr(memory.sources["mem"].backend, "send", send)

    with pytest.raises(apsw.InterruptError, match="interrupted"):
        memory.execute("INSERT INTO sessions(name) VALUES ('a')")

    assert memory.execute("SELECT key, outcome FROM writes").fetchall() == [("a", "not sent")]

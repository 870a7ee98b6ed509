"""Random transactions leave the rows that the same text leaves in native tables.

A program is a list of steps, drawn from a seeded generator, so a failure names its seed. It runs on
one of our connections and on a plain one, whose triggers keep a log of changed rows: the log is
rolled back with the transaction, so it is what may have been sent.

TRANSACTIONS=60 runs that many programs on each kind of source in place of those that CI runs.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import apsw
import pytest

from sessions_vtab import Connection, register
from sessions_vtab.contract.backend import Source
from sessions_vtab.errors import QueuedWritesError, SessionsError

PROGRAMS = int(os.environ.get("TRANSACTIONS", "10"))
TRANSACTIONS = 50

NATIVE = """
CREATE TABLE sessions(name TEXT PRIMARY KEY NOT NULL, session_id TEXT, user_id TEXT,
    display_name TEXT, labels TEXT CHECK (labels IS NULL OR json_valid(labels))) WITHOUT ROWID;
CREATE TABLE events(name TEXT PRIMARY KEY NOT NULL, session_id TEXT, event_id TEXT,
    author TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE log(place INTEGER PRIMARY KEY, step INTEGER, change TEXT, key TEXT, tab TEXT);
CREATE TRIGGER si AFTER INSERT ON sessions BEGIN
    INSERT INTO log(step, change, key, tab) VALUES (step(), 'insert', new.name, 'sessions'); END;
CREATE TRIGGER su AFTER UPDATE ON sessions
    WHEN old.display_name IS NOT new.display_name OR old.labels IS NOT new.labels BEGIN
    INSERT INTO log(step, change, key, tab) VALUES (step(), 'update', new.name, 'sessions'); END;
CREATE TRIGGER sd AFTER DELETE ON sessions BEGIN
    INSERT INTO log(step, change, key, tab) VALUES (step(), 'delete', old.name, 'sessions'); END;
CREATE TRIGGER ei AFTER INSERT ON events BEGIN
    INSERT INTO log(step, change, key, tab) VALUES (step(), 'insert', new.name, 'events'); END;
"""
# What the embedded store does beyond: no event without its session, and a deleted session is
# hidden with its events while its id stays taken.
NATIVE_LIKE_LOCAL = """
CREATE TABLE graveyard(name TEXT PRIMARY KEY);
CREATE TRIGGER sb BEFORE INSERT ON sessions
    WHEN EXISTS (SELECT 1 FROM graveyard g WHERE g.name = new.name) BEGIN
    SELECT RAISE(ABORT, 'soft-deleted'); END;
CREATE TRIGGER sg AFTER DELETE ON sessions BEGIN
    INSERT INTO graveyard VALUES (old.name);
    DELETE FROM events WHERE session_id = old.session_id; END;
CREATE TRIGGER eb BEFORE INSERT ON events
    WHEN NOT EXISTS (SELECT 1 FROM sessions s WHERE s.session_id = new.session_id) BEGIN
    SELECT RAISE(ABORT, 'no such session'); END;
"""
# Native tables that both connections have.
SHARED = """
CREATE TABLE notes(id TEXT PRIMARY KEY, note TEXT NOT NULL);
CREATE TABLE seeds(n INTEGER);
INSERT INTO seeds VALUES (1), (2), (3), (4), (5);
"""
COMPARED = {
    "sessions": "SELECT name, session_id, user_id, display_name, labels FROM sessions ORDER BY 1",
    "events": "SELECT name, session_id, event_id, author FROM events ORDER BY 1",
    "notes": "SELECT id, note FROM notes ORDER BY 1",
}


class BoomError(Exception):
    """A user function that fails."""


def boom(value: Any, fails: Any) -> Any:
    if fails:
        raise BoomError
    return value


@dataclass(frozen=True)
class Many:
    """A statement for several sets of bindings."""

    sql: str
    bindings: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True)
class Block:
    """``with connection:`` around steps; ``fails`` leaves it with an exception."""

    steps: tuple[Any, ...]
    fails: bool


class Program:
    """Draws steps.

    Args:
        seed: of the generator.
        conflicts: rows may have the key of a row that exists.
    """

    def __init__(self, seed: int, *, conflicts: bool) -> None:
        self.random = random.Random(seed)
        self.conflicts = conflicts
        self.made: list[str] = []

    def transactions(self, count: int) -> Iterator[list[Any]]:
        for _ in range(count):
            yield self.transaction()

    def transaction(self) -> list[Any]:
        pick = self.random.choice
        steps = [self.step() for _ in range(self.random.randint(1, 7))]
        kind = pick(("begin", "begin", "begin", "savepoint", "autocommit", "block"))
        match kind:
            case "begin":
                first = pick(("BEGIN", "BEGIN IMMEDIATE"))
                return [first, *steps, pick(("COMMIT", "COMMIT", "ROLLBACK"))]
            case "savepoint":
                last = pick((["RELEASE t"], ["ROLLBACK TO t", "RELEASE t"], ["COMMIT"]))
                return ["SAVEPOINT t", *steps, *last]
            case "block":
                return [self.block(2)]
            case _:
                return [self.statement() for _ in steps]

    def step(self) -> Any:
        roll = self.random.random()
        name = self.random.choice("ab")
        if roll < 0.14:
            return f"SAVEPOINT {name}"
        if roll < 0.20:
            return f"RELEASE {name}"
        if roll < 0.30:
            return f"ROLLBACK TO {name}"
        if roll < 0.36:
            return self.block(1)
        return self.statement()

    def block(self, depth: int) -> Block:
        steps: list[Any] = [self.statement() for _ in range(self.random.randint(1, 3))]
        if depth > 1 and self.random.random() < 0.6:
            steps.insert(1, self.block(depth - 1))
        return Block(tuple(steps), self.random.random() < 0.3)

    def statement(self) -> Any:
        kinds = (
            *(self.insert,) * 4,
            *(self.insert_events,) * 2,
            *(self.update, self.delete) * 2,
            self.insert_selected,
            self.insert_many,
            self.copy,
            self.note,
            self.schema,
            self.question,
        )
        return self.random.choice(kinds)()

    def insert(self) -> str:
        rows = [self.row() for _ in range(self.random.randint(1, 4))]
        columns = "name, session_id, user_id, display_name, labels"
        return f"INSERT INTO sessions({columns}) VALUES {', '.join(rows)}"

    def row(self) -> str:
        session_id = self.session_id()
        labels = self.random.choice(("NULL", """'{"env":"prod"}'""", "'{}'"))
        display = f"'d{self.random.randint(0, 3)}'"
        roll = self.random.random()
        if roll < 0.06:
            labels = "'not json'"
        elif roll < 0.12:
            display = f"boom({display}, 1)"
        user = self.random.choice(("'ann'", "'bob'", "NULL"))
        return f"('sessions/{session_id}', '{session_id}', {user}, {display}, {labels})"

    def session_id(self) -> str:
        if self.conflicts and self.made and self.random.random() < 0.05:
            return self.random.choice(self.made)
        self.made.append(f"s{len(self.made):04d}")
        return self.made[-1]

    def insert_selected(self) -> str:
        prefix, fails = self.session_id(), self.random.choice(("0", "0", "n = 3", "n = 5"))
        labels = self.random.choice(("NULL", "'{}'", "iif(n = 4, 'bad', NULL)"))
        return (
            "INSERT INTO sessions(name, session_id, user_id, display_name, labels)"
            f" SELECT 'sessions/{prefix}-' || n, '{prefix}-' || n, 'ann', boom('d', {fails}),"
            f" {labels} FROM seeds"
        )

    def insert_many(self) -> Many:
        ids = [self.session_id() for _ in range(self.random.randint(1, 4))]
        bad = self.random.choice((None, None, *ids))
        return Many(
            "INSERT INTO sessions(name, session_id, labels) VALUES (?, ?, ?)",
            tuple((f"sessions/{one}", one, "bad" if one == bad else None) for one in ids),
        )

    def insert_events(self) -> str:
        if self.random.random() < 0.3:
            event, fails = self.session_id(), self.random.choice(("0", "0", "session_id > 's0005'"))
            return (
                "INSERT INTO events(name, session_id, event_id, author)"
                f" SELECT name || '/events/{event}', session_id, '{event}', boom('user', {fails})"
                " FROM sessions WHERE display_name IN ('d1', 'd2')"
            )
        rows = []
        for _ in range(self.random.randint(1, 3)):
            session, event = self.random.choice(self.made or ["none"]), self.session_id()
            author = self.random.choice(("'user'", "'user'", "'agent'", "'agent'", "boom(1, 1)"))
            rows.append(f"('sessions/{session}/events/{event}', '{session}', '{event}', {author})")
        return f"INSERT INTO events(name, session_id, event_id, author) VALUES {', '.join(rows)}"

    def where(self) -> str:
        wanted = self.random.choice(self.made or ["none"])
        return self.random.choice(
            (
                f"session_id = '{wanted}'",
                f"name IN ('sessions/{wanted}', 'sessions/s0001')",
                f"display_name = 'd{self.random.randint(0, 3)}'",
                f"session_id > '{wanted}' AND user_id = 'ann'",
                f"boom(1, session_id > '{wanted}')",
                "labels IS NULL AND user_id IS NULL",
            )
        )

    def update(self) -> str:
        change = self.random.choice(
            (
                f"display_name = 'd{self.random.randint(0, 3)}'",
                "display_name = display_name",
                f"display_name = boom('d1', session_id > '{self.random.choice(self.made or ['x'])}')",
                """labels = '{"env":"dev"}', display_name = NULL""",
                "labels = iif(session_id > 's0010', 'bad', NULL)",
                "user_id = user_id",
            )
        )
        return f"UPDATE sessions SET {change} WHERE {self.where()}"

    def delete(self) -> str:
        return f"DELETE FROM sessions WHERE {self.where()}"

    def copy(self) -> str:
        suffix = self.session_id()
        return (
            "INSERT INTO sessions(name, session_id, user_id, display_name)"
            f" SELECT name || '-{suffix}', session_id || '-{suffix}', user_id, 'copy'"
            f" FROM sessions WHERE display_name = 'd{self.random.randint(0, 3)}'"
        )

    def note(self) -> str:
        number = self.random.randint(0, 40)
        return self.random.choice(
            (
                f"INSERT INTO notes VALUES ('n{number}', 'x'), ('n{number + 1}', boom('y', 0))",
                f"INSERT INTO notes VALUES ('n{number}', 'x'), ('n{number + 1}', NULL)",
                "INSERT OR REPLACE INTO notes SELECT session_id, 'z' FROM sessions",
                f"DELETE FROM notes WHERE id = 'n{number}'",
            )
        )

    def schema(self) -> str:
        return self.random.choice(
            (
                "CREATE TABLE extra(x)",
                "DROP TABLE extra",
                "CREATE TEMP TABLE passing(x)",
                "DROP TABLE IF EXISTS temp.passing",
                "CREATE TABLE IF NOT EXISTS extra(x)",
                "CREATE INDEX notes_by_note ON notes(note)",
                "DROP INDEX IF EXISTS notes_by_note",
            )
        )

    def question(self) -> str:
        return self.random.choice(
            (
                COMPARED["sessions"],
                COMPARED["events"],
                "SELECT count(*) FROM sessions WHERE user_id = 'ann'",
                (
                    "SELECT s.name, count(e.name) FROM sessions s LEFT JOIN events e USING (session_id)"
                    " GROUP BY s.name ORDER BY s.name"
                ),
            )
        )


@dataclass
class Duel:
    """Both connections, and what has happened to them.

    Attributes:
        ours: a connection with our tables.
        native: a plain one.
        host: what our tables share, where it is known.
        step: number of the step that runs.
        steps: number of the step by the number of each of our statements.
    """

    ours: apsw.Connection
    native: apsw.Connection
    host: Any = None
    step: int = 0
    steps: dict[int, int] = field(default_factory=dict)
    failed: Counter[str] = field(default_factory=Counter)
    committed: int = 0

    def run(self, steps: list[Any] | tuple[Any, ...]) -> None:
        for step in steps:
            if isinstance(step, Block):
                self.block(step)
            else:
                self.one(step)
            assert self.ours.in_transaction == self.native.in_transaction, step

    def block(self, block: Block) -> None:
        with pytest.raises(BoomError) if block.fails else _nothing(), self.ours, self.native:
            self.run(block.steps)
            if block.fails:
                raise BoomError

    def one(self, step: str | Many) -> None:
        self.step += 1
        if not self.native.in_transaction:
            self.committed = self.logged()
        before = self.host.statements.count if self.host else 0
        mine, error = _attempt(self.ours, step)
        for number in range(before, self.host.statements.count if self.host else 0):
            self.steps[number + 1] = self.step
        if isinstance(error, QueuedWritesError):
            assert self.logged() > self.committed, f"nothing is queued for {step}"
            self.failed["queued"] += 1
            return
        theirs, expected = _attempt(self.native, step)
        assert (error is None) == (expected is None), (step, error, expected)
        assert mine == theirs, step
        if error is not None:
            self.failed[type(expected).__name__] += 1

    def logged(self) -> int:
        return self.native.execute("SELECT count(*) FROM log").get

    def assert_equal(self) -> None:
        assert not self.ours.in_transaction
        for sql in COMPARED.values():
            assert self.ours.execute(sql).fetchall() == self.native.execute(sql).fetchall()

    def assert_sent(self, sent: list[Any]) -> None:
        """What was sent is what the log kept; rows of one statement in any order."""
        log = self.native.execute("SELECT step, change, key FROM log ORDER BY place").fetchall()
        ours = [
            (self.steps[one.statement], one.action.value, one.key or one.values["name"])
            for one in sent
        ]
        assert _grouped(ours) == _grouped(log)


@contextmanager
def _nothing() -> Iterator[None]:
    yield


def _attempt(connection: apsw.Connection, step: str | Many) -> tuple[Any, Exception | None]:
    try:
        if isinstance(step, Many):
            # One unit, as ours is.
            with _nothing() if connection.in_transaction else connection:
                connection.executemany(step.sql, step.bindings)
            return [], None
        return connection.execute(step).fetchall(), None
    except (apsw.Error, SessionsError, BoomError) as error:
        return None, error


def _grouped(rows: list[tuple[Any, ...]]) -> list[list[tuple[Any, ...]]]:
    return [sorted(group) for _, group in groupby(rows, key=lambda row: row[0])]


def _duel(ours: apsw.Connection, host: Any = None, *, like_local: bool) -> Duel:
    native = apsw.Connection(":memory:")
    duel = Duel(ours, native, host)
    native.create_scalar_function("step", lambda: duel.step)
    native.execute(NATIVE + (NATIVE_LIKE_LOCAL if like_local else ""))
    for connection in (ours, native):
        connection.execute(SHARED)
        connection.create_scalar_function("boom", boom)
    return duel


def _fight(duel: Duel, seed: int, *, like_local: bool, transactions: int = TRANSACTIONS) -> None:
    program = Program(seed, conflicts=like_local)
    for steps in program.transactions(transactions):
        duel.run(steps)
        if duel.ours.in_transaction:
            duel.run(["ROLLBACK"])
        duel.assert_equal()
    assert sum(duel.failed.values()) > transactions / 10


@pytest.mark.parametrize("seed", range(PROGRAMS))
def test_a_transactional_source_ends_with_the_rows_of_native_tables(
    local: Connection, seed: int
) -> None:
    duel = _duel(local, local._host, like_local=True)

    _fight(duel, seed, like_local=True)


@pytest.mark.parametrize("seed", range(PROGRAMS))
def test_a_queued_source_ends_with_the_rows_of_native_tables_and_sends_nothing_else(
    memory: Connection, seed: int
) -> None:
    duel = _duel(memory, memory._host, like_local=False)

    _fight(duel, seed, like_local=False)

    duel.assert_sent(memory.sources["mem"].backend.sent)


@pytest.mark.parametrize("seed", range(1_000, 1_006))
@pytest.mark.parametrize("backend", ["memory", "local"])
def test_a_plain_connection_with_registered_sources_does_the_same(backend: str, seed: int) -> None:
    connection = apsw.Connection(":memory:")
    opened = register(connection, sources=[Source("src", backend, ":memory:")])
    duel = _duel(connection, like_local=backend == "local")

    _fight(duel, seed, like_local=backend == "local")

    if backend == "memory":
        sent = [
            (one.action.value, one.key or one.values["name"]) for one in opened["src"].backend.sent
        ]
        assert sorted(sent) == sorted(duel.native.execute("SELECT change, key FROM log"))
    connection.close()
    opened["src"].backend.close()

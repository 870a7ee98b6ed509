"""Random statements that change ``sessions``, beside a plain table that they change as well.

::

    duel = ChangeDuel(connection)          # its default source is the one that is tested
    for seed in range(100):
        duel.run(change(seed))

They read the table that they change: subqueries in SET and WHERE, FROM, INSERT .. SELECT, and the
bodies of triggers. The answers are compared by ``session_id``, ``user_id`` and ``display_name``,
which every backend with writable sessions has. A trigger that reads what its statement has written
may be refused; then nothing may have changed.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

import apsw

from sessions_vtab.errors import QueuedWritesError

ROWS: Final = "SELECT session_id, user_id, display_name FROM sessions"
_NOTES: Final = "CREATE TEMP TABLE notes(id TEXT, note TEXT)"
_SHOWN: Final = 5

_VALUES: Final = (
    "NULL",
    "'x'",
    "{t}.display_name || '+'",
    "{t}.user_id",
    "(SELECT count(*) FROM sessions)",
    "(SELECT max(i.session_id) FROM sessions i WHERE i.user_id = {t}.user_id)",
    "(SELECT i.user_id FROM sessions i WHERE i.session_id = {t}.session_id)",
    (
        "CASE WHEN EXISTS (SELECT 1 FROM sessions i WHERE i.user_id = {t}.user_id"
        " AND i.session_id < {t}.session_id) THEN NULL ELSE {t}.session_id END"
    ),
)
"""None asks what it sets of other rows: SQLite evaluates SET row after row for its own tables, so
that it sees rows it has changed, and for all rows before the first change for virtual ones."""
_CONDITIONS: Final = (
    "{t}.session_id = (SELECT max(i.session_id) FROM sessions i WHERE i.user_id = {t}.user_id)",
    "{t}.session_id > (SELECT min(i.session_id) FROM sessions i WHERE i.user_id = {t}.user_id)",
    "(SELECT count(*) FROM sessions) > 1",
    "(SELECT count(*) FROM sessions i WHERE i.display_name IS NULL) > 3",
    (
        "EXISTS (SELECT 1 FROM sessions i WHERE i.user_id = {t}.user_id"
        " AND i.session_id > {t}.session_id)"
    ),
    "NOT EXISTS (SELECT 1 FROM sessions i WHERE i.display_name > {t}.display_name)",
    "{t}.user_id IN (SELECT i.user_id FROM sessions i GROUP BY 1 HAVING count(*) > 4)",
    "{t}.session_id IN (SELECT session_id FROM sessions ORDER BY session_id DESC LIMIT 3)",
    "{t}.display_name LIKE 'x%'",
    "{t}.display_name IS NULL",
)
_FEW: Final = "{t}.session_id IN (SELECT session_id FROM sessions ORDER BY session_id LIMIT 2)"
_OTHERS: Final = (
    ("sessions", "o.session_id = {t}.session_id", "o.user_id || o.session_id"),
    ("sessions", "o.session_id = {t}.session_id AND o.display_name IS NOT NULL", "NULL"),
    (
        "(SELECT user_id, max(session_id) AS top FROM sessions GROUP BY user_id)",
        "o.user_id = {t}.user_id",
        "o.top",
    ),
    ("(SELECT count(*) AS n FROM sessions)", "o.n > 2", "o.n"),
)
_BODIES: Final = (
    "INSERT INTO sessions(session_id, user_id) VALUES (new.id, 'ann')",
    "UPDATE sessions SET display_name = 'by trigger' WHERE session_id = new.id",
    "UPDATE sessions SET display_name = display_name || '!' WHERE session_id = 'c003'",
    "UPDATE sessions SET display_name = 'z' WHERE user_id = 'bob'",
    "UPDATE sessions SET display_name = 'k' WHERE session_id = 'c004'",
    "DELETE FROM sessions WHERE session_id = new.id",
    "INSERT INTO notes SELECT 'seen', count(*) FROM sessions WHERE display_name IS NULL",
)


@dataclass(frozen=True, slots=True)
class ChangeCase:
    """A statement that changes rows.

    Attributes:
        sql: the statement.
        setup: the trigger it runs into; empty for none.
        teardown: what removes it.
    """

    sql: str
    setup: str = ""
    teardown: str = ""


def change(seed: int) -> ChangeCase:
    """The statement of a seed. Ids of new rows hold the seed, so that they do not collide."""
    return Writer(random.Random(seed), seed).change()  # For tests.


class Writer:
    """The statements of a seed."""

    def __init__(self, rng: random.Random, seed: int) -> None:
        self._rng = rng
        self._id = f"n{seed:06d}"

    def change(self) -> ChangeCase:
        """A statement that changes rows, or one that does so by a trigger."""
        return self._trigger() if self._rng.random() < 0.25 else ChangeCase(self.statement())

    def statement(self) -> str:
        """A statement that changes rows."""
        kinds = (self._update, self._update, self._update_from, self._delete, self._insert)
        text = self._rng.choice(kinds)()
        if self._rng.random() < 0.3:
            text += " RETURNING session_id, display_name"
        return text

    def _target(self) -> tuple[str, str]:
        """The table as it is named, and what qualifies its columns."""
        return self._rng.choice((("sessions", "sessions"), ("sessions AS a", "a")))

    def _where(self, label: str) -> str:
        count = self._rng.choice((0, 1, 1, 2))
        terms = [self._rng.choice(_CONDITIONS).format(t=label) for _ in range(count)]
        return f" WHERE {self._rng.choice((' AND ', ' OR ')).join(terms)}" if terms else ""

    def _update(self) -> str:
        table, label = self._target()
        value = self._rng.choice(_VALUES).format(t=label)
        return f"UPDATE {table} SET display_name = {value}{self._where(label)}"

    def _update_from(self) -> str:
        table, label = self._target()
        other, link, value = self._rng.choice(_OTHERS)
        text = f"UPDATE {table} SET display_name = {value} FROM {other} AS o WHERE {link}"
        return f"{text} AND {self._rng.choice(_CONDITIONS)}".format(t=label)

    def _delete(self) -> str:
        table, label = self._target()
        enough = "(SELECT count(*) FROM sessions) > 15"
        return f"DELETE FROM {table} WHERE {_FEW} AND {enough}".format(t=label)

    def _insert(self) -> str:
        few = _FEW.format(t="s")
        place = "(SELECT count(*) FROM sessions i WHERE i.session_id < s.session_id)"
        rows = f"SELECT '{self._id}-' || {place}, user_id, display_name"
        return (
            f"INSERT INTO sessions(session_id, user_id, display_name) {rows} FROM sessions s"
            f" WHERE {few} AND (SELECT count(*) FROM sessions) < 30"
        )

    def _trigger(self) -> ChangeCase:
        bodies = self._rng.sample(_BODIES, self._rng.randint(1, 3))
        body = "; ".join(bodies)
        setup = f"CREATE TEMP TRIGGER acts AFTER INSERT ON notes BEGIN {body}; END"
        if "INTO notes" in body:
            setup = setup.replace("ON notes", "ON notes WHEN new.id <> 'seen'")
        return ChangeCase(
            f"INSERT INTO notes VALUES ('{self._id}', 'x')", setup, "DROP TRIGGER temp.acts"
        )


class ChangeDuel:
    """A connection beside a plain one with the same sessions.

    Args:
        connection: of ``connect()``; the sessions of its default source are changed.

    Attributes:
        refused: how many statements could not be run before a COMMIT.
        changed: how many rows were changed in all, on the plain connection.
    """

    def __init__(self, connection: Any) -> None:
        self._ours = connection
        self._native = apsw.Connection(":memory:")
        self._native.execute(
            "CREATE TABLE sessions(session_id TEXT PRIMARY KEY, user_id TEXT, display_name TEXT)"
        )
        self._native.executemany("INSERT INTO sessions VALUES (?, ?, ?)", self.rows(connection))
        for one in (self._ours, self._native):
            one.execute(_NOTES)
        self.refused = 0

    @staticmethod
    def fill(connection: Any, count: int = 20) -> None:
        """Inserts the sessions that the statements are about."""
        users = ("ann", "bob", "cid")
        connection.executemany(
            "INSERT INTO sessions(session_id, user_id, display_name) VALUES (?, ?, ?)",
            [(f"c{n:03d}", users[n % 3], f"d{n % 5}" if n % 4 else None) for n in range(count)],
        )

    @property
    def changed(self) -> int:
        """Rows that the plain connection has changed."""
        return self._native.total_changes()

    def run(self, change: ChangeCase) -> None:
        """Runs a statement on both.

        Raises:
            AssertionError: rows or answers differ.
        """
        for one in (self._ours, self._native):
            one.execute(change.setup)
        try:
            self._compare(change)
        finally:
            for one in (self._ours, self._native):
                one.execute(change.teardown)

    def close(self) -> None:
        """Closes the plain connection and drops the table of notes."""
        self._native.close()
        self._ours.execute("DROP TABLE temp.notes")

    def _compare(self, change: ChangeCase) -> None:
        text = f"{change.setup}\n{change.sql}".strip()
        try:
            got = self._ours.execute(change.sql).fetchall()
        except QueuedWritesError:
            assert change.setup, f"refused outside a trigger: {change.sql}"
            self.refused += 1
        else:
            expected = self._native.execute(change.sql).fetchall()
            self.same(text, got, expected)
        self.same(text, self.rows(self._ours), self.rows(self._native))
        notes = "SELECT id, note FROM notes"
        self.same(text, *(list(one.execute(notes)) for one in (self._ours, self._native)))

    @staticmethod
    def rows(connection: Any) -> list[tuple[Any, ...]]:
        """The sessions that a connection sees."""
        return [tuple(row) for row in connection.execute(ROWS)]

    @staticmethod
    def same(text: str, got: list[Any], expected: list[Any]) -> None:
        """Raises AssertionError where rows differ, whatever their order, after some statements."""
        missing, extra = Counter(expected) - Counter(got), Counter(got) - Counter(expected)
        if missing or extra:
            shown = f"missing {list(missing)[:_SHOWN]}; too many {list(extra)[:_SHOWN]}"
            raise AssertionError(f"{text}\n{shown}")

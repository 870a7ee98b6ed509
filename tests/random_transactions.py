"""Random transactions over ``sessions`` and a table of the user's, beside two plain tables.

::

    duel = TransactionDuel(connection)     # its default source is the one that is tested
    for seed in range(100):
        duel.run(transaction(seed))

What ``random_changes`` does to one statement, this does to several: VALUES, OR IGNORE, RETURNING,
rows from a table of the user and into it, savepoints, ROLLBACK. After each statement the rows of
RETURNING and ``changes()`` are compared, after the last one all rows. Statements that read what
waits to be sent may be refused; then the transaction is rolled back, and nothing may have changed.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qsl, urlsplit

from sessions_vtab.contract.backend import Request
from sessions_vtab.errors import QueuedWritesError
from tests.random_changes import ChangeDuel, Writer

_KEYS: Final = "CREATE TEMP TABLE keys(id TEXT, note TEXT)"
_LASTING: Final = ("z001", "z002")
"""Sessions that no statement deletes: an id may not be free again."""
_ALL_KEYS: Final = "SELECT id, note FROM temp.keys"
_NEW: Final = ("'ann', 'new'", "'bob', NULL", "lower('CID'), 'a' || 'b'", "'dan', upper('é')")
_INSERT: Final = "{} INTO sessions(session_id, user_id, display_name)"
_CHANGES: Final = ("INSERT", "UPDATE", "DELETE")
_FEW: Final = (
    "session_id IN (SELECT id FROM temp.keys)",
    "session_id IN (SELECT id FROM temp.keys WHERE note IS NOT NULL) AND display_name IS NOT NULL",
    "EXISTS (SELECT 1 FROM temp.keys k WHERE k.id = sessions.session_id)",
    "session_id = (SELECT min(id) FROM temp.keys)",
    "(session_id, user_id) IN (SELECT id, 'ann' FROM temp.keys)",
    "session_id BETWEEN 'c003' AND 'c005'",
    "user_id = 'bob' AND display_name LIKE 'd%'",
    "session_id = 'nobody'",
)
_RETURNING: Final = (
    "session_id, display_name",
    "display_name || '!', lower(session_id)",
    "upper(user_id) AS u, session_id",
    "session_id, display_name IS NULL",
)
_OWN: Final = (
    (
        "INSERT INTO temp.keys SELECT session_id, display_name FROM sessions"
        " WHERE user_id = 'ann' ORDER BY session_id"
    ),
    "UPDATE temp.keys SET note = (SELECT user_id FROM sessions WHERE session_id = id)",
    "DELETE FROM temp.keys WHERE id IN (SELECT session_id FROM sessions WHERE user_id = 'bob')",
    "DELETE FROM temp.keys WHERE rowid > 6",
    "INSERT INTO temp.keys VALUES ('c001', 'x'), ('c00' || 2, NULL), ('gone', 'y')",
)


Sent: TypeAlias = tuple[str, str, Mapping[str, str], Any]
"""Method, path, query and body of a request."""


def transaction(seed: int, *, atomic: bool) -> list[str]:
    """The statements of a seed. Ids of new rows hold the seed, so that they do not collide.

    Args:
        seed: a number.
        atomic: ROLLBACK takes back what RETURNING had to send.
    """
    rng = random.Random(seed)  # For tests.
    return list(_Transaction(rng, seed, returns=atomic).statements())


class _Transaction:
    def __init__(self, rng: random.Random, seed: int, *, returns: bool) -> None:
        self._rng = rng
        self._returns = returns
        self._writer = Writer(rng, seed)
        self._seed = seed
        self._count = 0

    def statements(self) -> Iterator[str]:
        if self._rng.random() < 0.4:
            self._returns = True
            yield self._statement()
            return
        yield "BEGIN"
        for _ in range(self._rng.randint(1, 4)):
            if self._rng.random() < 0.3:
                yield from self._savepoint()
            else:
                yield self._statement()
        yield self._rng.choice(("COMMIT", "COMMIT", "ROLLBACK"))

    def _savepoint(self) -> Iterator[str]:
        yield "SAVEPOINT a"
        yield self._statement()
        if self._rng.random() < 0.6:
            yield "ROLLBACK TO a"
            if self._rng.random() < 0.5:
                yield self._statement()
        yield "RELEASE a"

    def _statement(self) -> str:
        kinds = (self._values, self._ignored, self._selected, self._few, self._own, self._read)
        return self._rng.choice(kinds)()

    def _new_id(self) -> str:
        self._count += 1
        return f"t{self._seed:06d}-{self._count}"

    def _returned(self, text: str) -> str:
        if self._returns and self._rng.random() < 0.4:
            return f"{text} RETURNING {self._rng.choice(_RETURNING)}"
        return text

    def _values(self) -> str:
        rows = (
            f"('{self._new_id()}', {self._rng.choice(_NEW)})"
            for _ in range(self._rng.randint(1, 3))
        )
        return self._returned(f"{_INSERT.format('INSERT')} VALUES {', '.join(rows)}")

    def _ignored(self) -> str:
        names = [*_LASTING, self._new_id()]
        rows = (f"('{one}', {self._rng.choice(_NEW)})" for one in self._rng.sample(names, 2))
        return self._returned(f"{_INSERT.format('INSERT OR IGNORE')} VALUES {', '.join(rows)}")

    def _selected(self) -> str:
        new = self._new_id()
        rows = f"SELECT '{new}-' || rowid, 'ann', note FROM temp.keys WHERE rowid < 5"
        return self._returned(f"{_INSERT.format('INSERT')} {rows}")

    def _few(self) -> str:
        where = self._rng.choice(_FEW)
        if self._rng.random() < 0.4:
            enough = "(SELECT count(*) FROM sessions) > 12"
            return self._returned(f"DELETE FROM sessions WHERE {where} AND {enough}")
        value = self._rng.choice(("'z'", "NULL", "display_name || '+'", "user_id"))
        return self._returned(f"UPDATE sessions SET display_name = {value} WHERE {where}")

    def _own(self) -> str:
        return self._rng.choice(_OWN)

    def _read(self) -> str:
        return self._writer.statement().partition(" RETURNING" if not self._returns else "\0")[0]


class TransactionDuel(ChangeDuel):
    """A connection beside a plain one with the same sessions.

    Args:
        connection: of ``connect()``; the sessions of its default source are changed.
        sent: the writes that a service got since the last call.
    """

    def __init__(self, connection: Any, sent: Callable[[], list[Sent]] | None = None) -> None:
        rows = ", ".join(f"('{one}', 'zoe', NULL)" for one in _LASTING)
        connection.execute(f"{_INSERT.format('INSERT')} VALUES {rows}")
        super().__init__(connection)
        self._sent = sent
        for one in (self._ours, self._native):
            one.execute(_KEYS)
            one.execute(_OWN[-1])

    def run_all(self, statements: Sequence[str]) -> None:
        """Runs a transaction on both.

        Raises:
            AssertionError: rows, answers, numbers of changes or requests differ.
        """
        done: list[str] = []
        for sql in statements:
            done.append(sql)
            try:
                got = self._watched(sql)
            except QueuedWritesError:
                assert "BEGIN" in statements, f"refused outside a transaction: {sql}"
                self.refused += 1
                for one in (self._ours, self._native):
                    one.execute("ROLLBACK")
                break
            self.same("\n".join(done), got, self._answer(self._native, sql))
        text = "\n".join(done)
        self.same(text, self.rows(self._ours), self.rows(self._native))
        self.same(text, *(list(one.execute(_ALL_KEYS)) for one in (self._ours, self._native)))

    def _watched(self, sql: str) -> list[tuple[Any, ...]]:
        """The answer; what it sends is what a preview has shown, as far as one can tell."""
        if self._sent is None or self._ours.in_transaction or self._ours.target(sql) is None:
            return self._answer(self._ours, sql)
        shown = [
            (
                one.method,
                urlsplit(one.url).path,
                dict(parse_qsl(urlsplit(one.url).query)),
                _body(one),
            )
            for _, one in self._ours.preview(sql)
            if one.method != "GET"
        ]
        self._sent()
        answer = self._answer(self._ours, sql)
        sent = self._sent()
        found_by_reading = "FROM sessions" in sql or not sql.startswith("INSERT")
        expected = [] if found_by_reading else sorted(sent, key=repr)
        assert sorted(shown, key=repr) == expected, sql
        return answer

    @staticmethod
    def _answer(connection: Any, sql: str) -> list[tuple[Any, ...]]:
        rows = [tuple(row) for row in connection.execute(sql)]
        # What OR IGNORE skips counts, too: it is known only when it is sent.
        if not sql.startswith(_CHANGES) or "OR IGNORE" in sql:
            return rows
        ((changes,),) = connection.execute("SELECT changes()")
        return [*rows, ("changes", changes)]


def _body(request: Request) -> Any:
    return None if request.body is None else json.loads(request.body)

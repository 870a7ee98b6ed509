"""Requests of one statement: as many as ``register()`` makes, or ``connect()`` where the text helps.

Counted by the emulator.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import apsw
import pytest

from sessions_vtab import connect, register
from sessions_vtab.connection import close_sources
from sessions_vtab.emulator.serve import Running, running
from sessions_vtab.emulator.service import EmulatorSettings
from tests.extension.conftest import Host, Setting

CONFIGURATION = """
[sources.prod]
url = "vertex://demo/us-central1/42?base_url={url}"
"""


@dataclass(frozen=True)
class Shape:
    """A statement with the names of a user, of a session and of ten sessions in it."""

    sql: str
    as_connect: bool = False


S, E = "prod.sessions", "prod.events"
SHAPES = {
    "one session": Shape(f"SELECT * FROM {S} WHERE session_id = :one"),
    "ten ids": Shape(f"SELECT * FROM {S} WHERE session_id IN (SELECT value FROM json_each(:ten))"),
    "a user's": Shape(f"SELECT * FROM {S} WHERE user_id = :user"),
    "all": Shape(f"SELECT * FROM {S}"),
    "how many": Shape(f"SELECT count(*) FROM {S}"),
    "the newest 10": Shape(f"SELECT * FROM {S} ORDER BY create_time DESC LIMIT 10"),
    "since a time": Shape(f"SELECT name FROM {S} WHERE create_time > :time"),
    "its events": Shape(f"SELECT * FROM {E} WHERE session_id = :one"),
    "its last 5 events": Shape(
        f"SELECT * FROM {E} WHERE session_id = :one ORDER BY timestamp DESC LIMIT 5"
    ),
    "a user's events": Shape(
        f"SELECT count(*), count(e.text) FROM {S} s JOIN {E} e ON e.session_name = s.name"
        " WHERE s.user_id = :user"
    ),
    "a user's events by id": Shape(
        f"SELECT count(*), count(e.text) FROM {S} s JOIN {E} e ON e.session_id = s.session_id"
        " WHERE s.user_id = :user"
    ),
    "or none": Shape(
        f"SELECT count(*), count(e.text) FROM {S} s LEFT JOIN {E} e ON e.session_name = s.name"
        " WHERE s.user_id = :user"
    ),
    "counted for each": Shape(
        f"SELECT s.name, (SELECT count(*) FROM {E} e WHERE e.session_name = s.name) FROM {S} s"
        " WHERE s.user_id = :user"
    ),
    "of sessions in": Shape(
        f"SELECT count(*) FROM {E} WHERE session_id IN"
        f" (SELECT session_id FROM {S} WHERE user_id = :user)"
    ),
    "one key, twenty times": Shape(
        "WITH RECURSIVE k(v) AS (SELECT 1 UNION ALL SELECT v + 1 FROM k WHERE v < 20)"
        f" SELECT count(s.name) FROM k LEFT JOIN {S} s ON s.session_id = :one AND k.v > 0"
    ),
    "without a key, again and again": Shape(
        f"SELECT count(*) FROM {S} a LEFT JOIN {S} b ON b.update_time = a.create_time"
        " WHERE a.user_id = :user"
    ),
    "the first": Shape(f"SELECT min(create_time) FROM {S}"),
    "itself by key": Shape(
        f"SELECT count(b.name) FROM {S} a JOIN {S} b ON b.session_id = a.session_id"
        " WHERE a.user_id = :user"
    ),
    "the last of each": Shape(
        f"SELECT e.name FROM {S} s JOIN {E} e ON e.session_id = s.session_id WHERE s.user_id = :user"
        f" AND e.timestamp = (SELECT max(f.timestamp) FROM {E} f WHERE f.session_id = s.session_id)"
    ),
    "groups of a key": Shape(
        f"SELECT session_name, session_id, count(*) FROM {E} GROUP BY session_name, session_id"
    ),
    "contradiction": Shape(f"SELECT * FROM {S} WHERE user_id = NULL"),
    "a label": Shape(f"SELECT name FROM {S} WHERE labels->>'env' = 'prod'", as_connect=True),
    "a label as a parameter": Shape(
        f"SELECT name FROM {S} WHERE labels->>'env' = :env", as_connect=True
    ),
    "a label in a subquery": Shape(
        f"SELECT count(*) FROM (SELECT * FROM {S} WHERE labels->>'env' = 'prod') WHERE user_id = :user",
        as_connect=True,
    ),
    "not of two users": Shape(
        f"SELECT name FROM {S} WHERE NOT (user_id = :user OR labels->>'env' = 'prod')",
        as_connect=True,
    ),
    "either user": Shape(f"SELECT name FROM {S} WHERE user_id = :user OR user_id = 'bob'"),
}


@pytest.fixture(scope="module")
def emulator() -> Iterator[Running]:
    """With enough sessions for several pages, and users who have many."""
    with running(EmulatorSettings(seed=7, sessions=400, events=1_600)) as served:
        yield served


@pytest.fixture(scope="module")
def served(emulator: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        one = Setting(tmp_path_factory.mktemp("requests"), patch)
        one.configure(CONFIGURATION.format(url=emulator.url))
        yield one.file
        one.end()


@pytest.fixture(scope="module")
def values(served: Any) -> dict[str, Any]:
    with connect(config=served) as ours:
        ((user, ten),) = ours.execute(
            "SELECT user_id, json_group_array(session_id) FROM sessions GROUP BY user_id"
            " ORDER BY count(*) DESC LIMIT 1"
        ).fetchall()
        one = ours.execute("SELECT session_id FROM sessions WHERE user_id = ?", (user,)).get[0]
        ((time,),) = ours.execute(
            "SELECT create_time FROM sessions ORDER BY create_time DESC LIMIT 1 OFFSET 12"
        ).fetchall()
    ours.close()
    return {"user": user, "ten": ten, "one": one[0], "time": time, "env": "prod"}


def _bound(sql: str, values: dict[str, Any]) -> tuple[str, list[Any]]:
    """With ``?`` in place of names: not every host takes both."""
    names = sorted(values, key=lambda name: sql.find(f":{name}"))
    used = [name for name in names if f":{name}" in sql]
    for name in used:
        sql = sql.replace(f":{name}", "?")
    return sql, [values[name] for name in used]


Asked = tuple[list[str], list[str]]
"""The requests of a statement, and its rows."""


@pytest.fixture(scope="module")
def theirs(served: Any, host: Host) -> Iterator[Any]:
    connection = host.connect()
    yield connection
    connection.close()


@pytest.fixture(scope="module")
def expected(served: Any, emulator: Running, values: dict[str, Any]) -> dict[str, Asked]:
    """What the product itself asks for, by shape."""
    plain = apsw.Connection(":memory:")
    sources = register(plain, config=served)
    ours = connect(config=served)
    found = {
        name: _asked(emulator, ours if shape.as_connect else plain, shape, values)
        for name, shape in SHAPES.items()
    }
    ours.close()
    close_sources(sources.values())
    plain.close()
    return found


def _asked(emulator: Running, connection: Any, shape: Shape, values: dict[str, Any]) -> Asked:
    sql, bindings = _bound(shape.sql, values)
    emulator.log.reset()
    rows = connection.execute(sql, bindings).fetchall()
    sent = sorted(f"{entry['method']} {entry['path']}" for entry in emulator.log.entries())
    return sent, sorted(map(repr, rows))


@pytest.mark.parametrize("shape", SHAPES)
def test_a_statement_makes_the_same_requests(
    theirs: Any,
    expected: dict[str, Asked],
    values: dict[str, Any],
    emulator: Running,
    shape: str,
) -> None:
    assert _asked(emulator, theirs, SHAPES[shape], values) == expected[shape]


def test_the_shapes_tell_ways_of_reading_apart(expected: dict[str, Asked]) -> None:
    counts = {name: len(requests) for name, (requests, _) in expected.items()}

    assert counts["a user's events"] > counts["all"] > counts["a label"] > counts["contradiction"]
    assert counts["one key, twenty times"] == 1

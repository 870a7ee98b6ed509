"""The views of agents' sessions: rows, requests, names, and a user's views of the same name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest

from sessions_vtab import Connection, connect, register
from sessions_vtab.emulator.serve import Running, running
from sessions_vtab.emulator.service import EmulatorSettings
from sessions_vtab.errors import QueuedWritesError
from sessions_vtab.hints import names_of

ENGINE = "projects/demo/locations/us-central1/reasoningEngines/42"
NAME = f"'{ENGINE}/sessions/full'"

ROWS: list[tuple[str, list[tuple[Any, ...]]]] = [
    (
        (
            "SELECT invocation_id, started, duration_ms, first_answer_ms, events, asked, errors,"
            " transfers, input_tokens, output_tokens FROM turns WHERE session_id = 'full' ORDER BY 1"
        ),
        [
            (
                "e-1",
                "2026-01-05 09:00:01.250000",
                1850,
                1468,
                4,
                "Refund my order, please.",
                0,
                0,
                320,
                51,
            ),
            ("e-2", "2026-01-05 09:00:04.000000", 3000, 500, 8, "photo", 1, 1, None, None),
            ("e-3", "2026-01-05 09:00:08.000000", 500, 500, 2, "never mind", 0, 0, None, None),
            ("e-4", "2026-01-05 09:00:09.000000", 0, None, 1, None, 0, 0, None, None),
            ("e-5", "2026-01-05 09:00:10.000000", 0, None, 1, None, 0, 0, None, None),
        ],
    ),
    (
        (
            "SELECT tool, agent, call_id, latency_ms, answers, error, args ->> 'order'"
            " FROM tool_calls WHERE session_id = 'full' ORDER BY call_id"
        ),
        [
            ("lookup", "desk", "c1", 282, 1, None, 17),
            ("approve", "desk", "c2", None, 0, None, None),
            ("transfer_to_agent", "desk", "c3", 100, 1, None, None),
            ("lookup", "refunds", "c4", 400, 1, "timeout", 18),
        ],
    ),
    (
        (
            "SELECT session_id, user_id, model_calls, models, input_tokens, cached_tokens,"
            " output_tokens, reasoning_tokens FROM usage_by_session ORDER BY session_id"
        ),
        [
            ("bobs", "bob@example.com", 2, "gemini-2.5-flash", 320, 100, 51, 30),
            ("empty", "carol", 0, None, None, None, None, None),
            ("full", "alice", 2, "gemini-2.5-flash", 320, 100, 51, 30),
            ("ooo", "alice", 0, None, None, None, None, None),
            ("ties", "carol", 0, None, None, None, None, None),
        ],
    ),
    (
        "SELECT DISTINCT invocation_id FROM live_events WHERE session_id = 'full' ORDER BY 1",
        [("e-1",), ("e-2",), ("e-5",)],
    ),
    ("SELECT count(*) FROM live_events", [(34,)]),
]


@pytest.mark.parametrize(("sql", "rows"), ROWS, ids=[sql[:60] for sql, _ in ROWS])
def test_every_source_has_the_same_rows(
    source: Connection, sql: str, rows: list[tuple[Any, ...]]
) -> None:
    assert source.execute(sql).fetchall() == rows
    for view in ("turns", "tool_calls", "usage_by_session", "live_events"):
        sql = sql.replace(f"FROM {view} ", f"FROM prod.{view} ")
    assert source.execute(sql).fetchall() == rows


MANY = 150
"""Sessions of an emulator with more of them than requests run side by side."""
CONCURRENCY = 16


@pytest.fixture(scope="module")
def many() -> Iterator[str]:
    settings = EmulatorSettings(seed=7, sessions=MANY, events=3 * MANY)
    with running(settings) as emulator:
        yield f"vertex://demo/us-central1/42?base_url={emulator.url}"


EVENTS = "GET sessions/full/events"
ONE = "GET sessions/full"


@pytest.mark.parametrize(
    ("sql", "requests"),
    [
        ("turns WHERE session_id = 'full'", [EVENTS]),
        (f"turns WHERE session_name = {NAME}", [EVENTS]),
        ("tool_calls WHERE session_id = 'full'", [EVENTS]),
        (f"tool_calls WHERE session_name = {NAME}", [EVENTS]),
        ("tool_calls WHERE session_id IN ('full', 'bobs')", [EVENTS, "GET sessions/bobs/events"]),
        ("usage_by_session WHERE session_id = 'full'", [EVENTS, ONE]),
        (f"usage_by_session WHERE session_name = {NAME}", [EVENTS, ONE]),
        (
            "usage_by_session WHERE user_id = 'bob@example.com'",
            ["GET sessions", "GET sessions/bobs/events"],
        ),
        ("live_events WHERE session_id = 'full'", [EVENTS, ONE]),
        (f"live_events WHERE session_name = {NAME}", [EVENTS, ONE]),
        (
            "live_events WHERE session_id IN ('full', 'bobs')",
            [EVENTS, "GET sessions/bobs/events", ONE, "GET sessions/bobs"],
        ),
        # Without a condition: a list of sessions, and one of events for each.
        *(
            (
                view,
                ["GET sessions"]
                + [
                    f"GET sessions/{one}/events" for one in ("bobs", "empty", "full", "ooo", "ties")
                ],
            )
            for view in ("turns", "tool_calls", "usage_by_session", "live_events")
        ),
    ],
)
def test_conditions_pass_through_a_view(
    vertex: Connection, emulator: Running, sql: str, requests: list[str]
) -> None:
    emulator.control.reset_log()

    vertex.execute(f"SELECT * FROM {sql}").fetchall()

    log = emulator.control.requests()
    made = [f"{one['method']} {one['path'].partition('/reasoningEngines/42/')[2]}" for one in log]
    assert sorted(made) == sorted(requests)


@pytest.mark.parametrize(
    ("view", "most"),
    [
        ("turns", 1 + CONCURRENCY * 3),
        ("usage_by_session", 1 + CONCURRENCY * 3),
        ("live_events", 1 + CONCURRENCY * 3),
        ("tool_calls", 1 + CONCURRENCY * 3),
        ("(SELECT session_id, count(*) FROM events GROUP BY session_id)", 1 + CONCURRENCY * 3),
        ("(SELECT author, session_id FROM event_parts GROUP BY 1, 2)", 1 + CONCURRENCY * 3),
        ("(SELECT session_id FROM sessions GROUP BY session_id)", 2),
    ],
)
def test_limit_ends_the_reading_of_groups_early(many: str, view: str, most: int) -> None:
    """A list of sessions, and what is under way; not the events of every session."""
    with closing(connect(many)) as connection:
        rows = connection.execute(f"SELECT * FROM {view} LIMIT 2").fetchall()

        assert len(rows) == 2
        assert connection.statement_requests <= most


GROUPED = [
    "SELECT session_name, count(*) FROM events GROUP BY session_name",
    "SELECT session_id, session_name, author, count(*) FROM events GROUP BY 1, 2, 3",
    "SELECT author, session_name, count(*), max(timestamp) FROM events GROUP BY 1, 2",
    "SELECT session_id, count(*) FROM events GROUP BY session_id",
    "SELECT author, session_id, count(*), max(timestamp) FROM events GROUP BY 1, 2",
    "SELECT session_id, kind, count(*) FROM event_parts GROUP BY session_id, kind",
    (
        "SELECT session_id, author, count(*) FROM events"
        " WHERE session_id IN (SELECT session_id FROM sessions WHERE user_id = 'alice') GROUP BY 1, 2"
    ),
    "SELECT session_id, count(*) FROM sessions GROUP BY session_id",
    "SELECT session_name, partial, count(text) FROM events GROUP BY 1, 2 HAVING count(*) > 1",
    "SELECT name, count(*) FROM sessions GROUP BY name",
    "SELECT user_id, name, count(*) FROM sessions GROUP BY user_id, name",
    (
        "SELECT session_name, invocation_id, count(*) FROM events"
        " WHERE session_id IN ('full', 'bobs') GROUP BY 1, 2"
    ),
    (
        "SELECT session_name, invocation_id, count(*) FROM events"
        " WHERE session_id = 'full' OR session_id = 'bobs' GROUP BY 1, 2"
    ),
    "SELECT session_name, kind, count(*) FROM event_parts GROUP BY session_name, kind",
    (
        "SELECT s.name, count(e.name) FROM sessions s LEFT JOIN events e"
        " ON e.session_name = s.name GROUP BY s.name"
    ),
    "SELECT count(*) FROM (SELECT 1 FROM events GROUP BY session_name, author)",
]


@pytest.fixture
def own(vertex: Connection) -> Iterator[Connection]:
    """With copies of the tables, as SQLite's own."""
    tables = ("events", "sessions", "event_parts")
    for table in tables:
        vertex.execute(f"CREATE TEMP TABLE own_{table} AS SELECT * FROM {table}")
    yield vertex
    for table in tables:
        vertex.execute(f"DROP TABLE own_{table}")


@pytest.mark.parametrize("sql", GROUPED)
def test_groups_are_the_same_whether_the_table_or_sqlite_makes_them(
    own: Connection, sql: str
) -> None:
    copied = re.sub(r"\b(FROM|JOIN) (\w)", r"\1 own_\2", sql)
    expected = own.execute(copied).fetchall()
    by = ", ".join(str(number + 1) for number in range(len(expected[0])))

    assert sorted(own.execute(sql), key=repr) == sorted(expected, key=repr)
    sort = f"SELECT * FROM ({{}}) ORDER BY {by}"
    assert own.execute(sort.format(sql)).fetchall() == own.execute(sort.format(copied)).fetchall()


def test_groups_that_are_to_be_sorted_are_sorted(vertex: Connection) -> None:
    rows = vertex.execute(
        "SELECT session_name, author FROM events GROUP BY 1, 2 ORDER BY 1, 2"
    ).fetchall()

    assert rows == sorted(rows)


def test_the_tool_calls_of_a_long_session_take_its_pages_and_no_more(emulator: Running) -> None:
    url = f"vertex://demo/us-central1/77?base_url={emulator.url}"
    with closing(connect(url)) as connection:
        connection.execute("INSERT INTO sessions(session_id, user_id) VALUES ('long', 'ann')")
        connection.executemany(
            "INSERT INTO events(session_id, author, invocation_id, timestamp, content)"
            " VALUES ('long', 'desk', 'e', ?, ?)",
            [
                (
                    f"2026-01-05 09:{n // 60:02d}:{n % 60:02d}",
                    f'{{"parts":[{{"{kind}":{{"id":"c{n // 2}","name":"look"}}}}]}}',
                )
                for n, kind in enumerate(["functionCall", "functionResponse"] * 250)
            ],
        )
        emulator.control.reset_log()

        every = connection.execute("SELECT count(*), sum(latency_ms) FROM tool_calls").fetchall()
        whole = len(emulator.control.requests())
        emulator.control.reset_log()
        one = connection.execute(
            "SELECT count(*), sum(latency_ms) FROM tool_calls WHERE session_id = 'long'"
        ).fetchall()

        assert every == one == [(250, 250_000)]
        assert whole <= 7
        # 5 pages, read from both ends, which meet in one more.
        assert len(emulator.control.requests()) == 6


def test_a_view_of_the_user_s_own_wins(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(
        '[sources.prod]\nbackend = "local"\nlocation = ":memory:"\n'
        "[views]\nturns = \"SELECT 'mine' AS whose\"\n"
    )
    with closing(connect(config=file)) as connection:
        assert connection.execute("SELECT * FROM turns").fetchall() == [("mine",)]
        assert connection.execute("SELECT * FROM prod.turns").fetchall() == []


def test_each_agent_source_has_its_own_views_and_others_have_none() -> None:
    sources = {"a": "local://:memory:", "b": "local://:memory:", "clicks": CLICKS}
    with closing(connect(sources=sources, default="a")) as connection:
        connection.execute("INSERT INTO b.sessions(session_id, user_id) VALUES ('s', 'u')")
        connection.execute(
            "INSERT INTO b.events(session_id, author, content) VALUES ('s', 'user', 'hi')"
        )

        counts = [
            connection.execute(f"SELECT count(*) FROM {name}").fetchall()[0][0]
            for name in ("turns", "a.turns", "b.turns", "a.live_events", "b.live_events")
        ]
        names = names_of(connection)

        assert counts == [0, 0, 1, 0, 1]
        assert names.columns("b", "turns") == names.columns(None, "turns") is not None
        assert names.columns("clicks", "turns") is None
        with pytest.raises(apsw.SQLError, match=r"no such table: clicks\.turns"):
            connection.execute("SELECT * FROM clicks.turns")


CLICKS = "embedding_studio://?base_url=http://127.0.0.1:9"


def test_on_the_user_s_own_connection_views_are_temporary_and_their_names_stay_theirs(
    tmp_path: Path,
) -> None:
    connection = apsw.Connection(str(tmp_path / "own.db"))
    connection.execute("CREATE TABLE events(mine); CREATE TABLE tool_calls(mine)")

    register(connection, "prod=local://:memory:")

    def columns(name: str) -> list[str]:
        return [
            name for (name,) in connection.execute("SELECT name FROM pragma_table_info(?)", (name,))
        ]

    assert columns("tool_calls") == ["mine"]
    assert "invocation_id" in columns("turns")
    assert connection.execute("SELECT count(*) FROM turns").get == 0
    assert connection.execute("SELECT name FROM main.sqlite_schema WHERE type = 'view'").get is None
    connection.close()


def test_what_could_not_be_registered_leaves_no_view(tmp_path: Path) -> None:
    connection = apsw.Connection(":memory:")
    connection.execute("CREATE TEMP TABLE participants(mine)")

    with pytest.raises(apsw.SQLError):
        register(connection, "prod=local://:memory:")

    left = connection.execute("SELECT name FROM temp.sqlite_schema").fetchall()
    assert left == [("participants",)]
    connection.close()


def test_what_waits_to_be_sent_is_missing_from_no_view(vertex: Connection) -> None:
    vertex.execute("BEGIN")
    vertex.execute(
        "INSERT INTO events(session_id, author, content) VALUES ('ties', 'user', 'wait')"
    )
    for view in ("turns", "tool_calls", "usage_by_session", "live_events"):
        with pytest.raises(QueuedWritesError, match="COMMIT"):
            vertex.execute(f"SELECT * FROM {view}")
    vertex.execute("ROLLBACK")

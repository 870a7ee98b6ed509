"""Shapes of files beyond those in ``data``: other writers, odd values, other layouts."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

import sessions_vtab
from sessions_vtab.backends.adk.values import event_ids, part_ids, session_ids
from sessions_vtab.errors import ConfigurationError, InvalidValueError, StoreError

SESSIONS = "CREATE TABLE sessions(app_name, user_id, id, state, create_time, update_time)"
SCHEMA_1 = """CREATE TABLE events(id, app_name, user_id, session_id, invocation_id, timestamp,
    event_data)"""
SCHEMA_0 = """CREATE TABLE events(id, app_name, user_id, session_id, invocation_id, author,
    timestamp, content, actions, error_code, long_running_tool_ids_json, partial)"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sessions.db"


def _fill(path: Path, events: str, rows: list[tuple[Any, ...]], times: tuple[Any, Any]) -> None:
    with closing(sqlite3.connect(path)) as file, file:
        file.execute(SESSIONS)
        file.execute(events)
        file.execute("INSERT INTO sessions VALUES ('a', 'u', 's', '{}', ?, ?)", times)
        marks = ", ".join("?" * len(rows[0])) if rows else ""
        file.executemany(f"INSERT INTO events VALUES ({marks})", rows)


@contextmanager
def _opened(path: Path, settings: str = "") -> Iterator[sessions_vtab.Connection]:
    with sessions_vtab.connect(f"adk=adk://{path}{settings}") as connection:
        yield connection


def _documents(path: Path, *documents: str, timestamp: Any = 1767603601.25) -> None:
    rows = [
        (f"e{number}", "a", "u", "s", "i", timestamp, document)
        for number, document in enumerate(documents)
    ]
    _fill(path, SCHEMA_1, rows, (1767603600.5, 1767603601.25))


# Values


@pytest.mark.parametrize(
    ("document", "columns"),
    [
        ({"author": "bot", "error_code": ""}, {"author": "bot", "error_code": None}),
        ({"errorCode": "X", "errorMessage": "y"}, {"error_code": "X", "error_message": "y"}),
        (
            {"turnComplete": True, "customMetadata": {"my_key": 1}},
            {"event_metadata": {"turnComplete": True, "customMetadata": {"my_key": 1}}},
        ),
        (
            {"content": {"parts": [{"function_call": {"args": {"a_b": {"c_d": None}}}}]}},
            {"content": {"parts": [{"functionCall": {"args": {"a_b": {"c_d": None}}}}]}},
        ),
        (
            {"content": {"parts": [{"text": "a", "thought": None}, {"text": "b"}]}},
            {"content": {"parts": [{"text": "a"}, {"text": "b"}]}, "text": "ab"},
        ),
        (
            {"actions": {"state_delta": {"a_b": None}, "skip_summarization": False}},
            {"actions": {"stateDelta": {"a_b": None}}},
        ),
        (
            {"actions": {"stateDelta": {"k": 1}, "transferToAgent": "x"}},
            {"actions": {"stateDelta": {"k": 1}, "transferAgent": "x"}},
        ),
        (
            {"actions": {"requested_auth_configs": {"my_call": {"auth_scheme": {"in_": 1}}}}},
            {"actions": {"requestedAuthConfigs": {"my_call": {"authScheme": {"in": 1}}}}},
        ),
        (
            {"actions": {"requested_auth_configs": {}, "escalate": None}},
            {"actions": None},
        ),
        ({"timestamp": 1767603602718}, {"timestamp": "2026-01-05 09:00:02.718000"}),
        ({"timestamp": 1767603602.718281}, {"timestamp": "2026-01-05 09:00:02.718281"}),
        ({}, {"timestamp": "2026-01-05 09:00:01.250000", "author": None, "content": None}),
    ],
    ids=str,
)
def test_fields_of_schema_1(path: Path, document: dict[str, Any], columns: dict[str, Any]) -> None:
    _documents(path, json.dumps(document))
    with _opened(path) as connection:
        row = connection.execute(f"SELECT {', '.join(columns)} FROM events").get

    values = row if len(columns) > 1 else (row,)
    found = dict(zip(columns, values, strict=True))
    assert {key: _loaded(value) for key, value in found.items()} == columns


def _loaded(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) and value.startswith("{") else value


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ('{"content":{"parts":[{"text":"cut \\ud83d"}]}}', "cut \ufffd"),
        ('{"content":{"parts":[{"text":"\\uD83D\\uDE00"}]}}', "\U0001f600"),
        ('{"content":{"parts":[{"text":"x"}]},"n":NaN,"i":-Infinity}', "x"),
        ('{"content":{"parts":[{"text":"x"}]},"n":' + "[" * 1_100 + "]" * 1_100 + "}", None),
        ('{"content":{"parts":"x"}}', None),
        ('{"content":{"parts":[1,null,{"text":5},{"text":"y"}]}}', "y"),
        ('{"content":"x"}', None),
        ('["content"]', None),
        ('{"content":', None),
        ("", None),
    ],
)
def test_an_odd_document_does_not_end_the_read(path: Path, document: str, text: str | None) -> None:
    plain = '{"author":"bot","content":{"parts":[{"text":"plain"}]}}'
    _documents(path, document, plain)
    with _opened(path) as connection:
        rows = connection.execute("SELECT * FROM events ORDER BY sequence").fetchall()
        texts = connection.execute("SELECT text FROM events ORDER BY sequence").fetchall()
        parts = connection.execute("SELECT text, * FROM event_parts").fetchall()
        raw = connection.execute("SELECT raw_event FROM events").fetchall()

    assert len(rows) == 2
    assert texts == [(text,), ("plain",)]
    assert parts[-1][0] == "plain"
    assert all(one is None or json.loads(one) is not None for (one,) in raw)
    assert "NaN" not in str(raw)


def test_numbers_of_a_state_are_kept_exactly(path: Path) -> None:
    state = '{"big":1180591620717411303424,"f":0.30000000000000004,"n":NaN,"b":1}'
    _documents(path, "{}")
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("UPDATE sessions SET state = ?", (state,))
        file.execute("CREATE TABLE app_states(app_name, state)")
        file.execute("""INSERT INTO app_states VALUES ('a', '{"k":1}'), ('b', '{"k":2}')""")
        file.execute("CREATE TABLE user_states(app_name, user_id, state)")
        file.execute("""INSERT INTO user_states VALUES ('a', 'u', '{"k":3}'), ('b', 'u', '{}')""")

    with _opened(path) as connection:
        found = connection.execute("SELECT state FROM sessions").get

    assert found == (
        '{"big":1180591620717411303424,"f":0.30000000000000004,"n":null,"b":1,"app:k":1,"user:k":3}'
    )


# Times


@pytest.mark.parametrize(
    ("stored", "zone", "utc"),
    [
        ("2026-01-05 04:00:01.250000", "America/New_York", "2026-01-05 09:00:01.250000"),
        ("2026-07-05 04:00:01", "America/New_York", "2026-07-05 08:00:01.000000"),
        ("2026-01-05T04:00:01+01:00", "America/New_York", "2026-01-05 03:00:01.000000"),
        ("2026-01-05 04:00:01Z", "America/New_York", "2026-01-05 04:00:01.000000"),
        ("2026-01-05 04:00:01.5 -0500 EST", "UTC", "2026-01-05 09:00:01.500000"),
        ("2026-01-05 09:00:01.123456789 +0000 UTC m=+0.05", "UTC", "2026-01-05 09:00:01.123456789"),
        (1767603601.25, "Asia/Tokyo", "2026-01-05 09:00:01.250000"),
        (1767603601250, "Asia/Tokyo", "2026-01-05 09:00:01.250000"),
        ("soon", "UTC", None),
        ("2026-02-30 00:00:00", "UTC", None),
        (9e300, "UTC", None),
        (None, "UTC", None),
    ],
)
def test_times_of_schema_0_are_of_the_writer_s_zone(
    path: Path, stored: Any, zone: str, utc: str | None
) -> None:
    row = ("e", "a", "u", "s", "i", "bot", stored, None, b"", None, None, None)
    _fill(path, SCHEMA_0, [row], ("2026-01-05 09:00:00", "2026-01-05 09:00:00"))
    with _opened(path, f"?timezone={zone}") as connection:
        assert connection.execute("SELECT timestamp FROM events").get == utc
        assert connection.execute("SELECT create_time FROM sessions").get == (
            "2026-01-05 09:00:00.000000"
        )


@pytest.mark.parametrize(
    ("event", "created", "updated", "zone", "notice"),
    [
        ("05 04:00", "05 09:00", "05 09:00", "UTC", "look like UTC-5 instead of UTC: add"),
        ("05 14:32", "05 09:00", "05 09:01", "UTC", "look like UTC+5:30 instead of UTC: add"),
        ("05 04:00", "05 09:00", "05 09:00", "America/New_York", None),
        ("05 04:00", "05 09:00", "05 09:00", "America/Chicago", "UTC+1 instead of UTC of America"),
        ("05 09:03", "05 09:00", "05 09:00", "UTC", None),
        ("05 12:00", "05 08:00", "05 12:00", "UTC", None),  # It waited four hours.
        ("01 09:00", "05 09:00", "05 09:00", "UTC", None),  # Days apart: not a zone.
    ],
)
def test_times_that_look_shifted_are_pointed_out(
    path: Path, event: str, created: str, updated: str, zone: str, notice: str | None
) -> None:
    stored = f"2026-01-{event}:05.000000"
    row = ("e", "a", "u", "s", "i", "bot", stored, None, b"", None, None, None)
    session = (f"2026-01-{created}:01", f"2026-01-{updated}:01")
    _fill(path, SCHEMA_0, [row], session)
    with _opened(path, f"?timezone={zone}") as connection:
        notices = connection.sources["adk"].backend.notices()

    assert [notice in one for one in notices if notice] == [True] * bool(notice)
    assert len(notices) == bool(notice)


def test_schema_1_records_instants_so_nothing_is_pointed_out(path: Path) -> None:
    _documents(path, "{}", timestamp="2026-01-05 04:00:01")
    with _opened(path) as connection:
        assert not connection.sources["adk"].backend.notices()


# Other writers


def test_a_file_of_adk_go(path: Path) -> None:
    actions = '{"StateDelta":{"k_k":1},"TransferToAgent":"x","Escalate":false,"ArtifactDelta":null}'
    content = '{"role":"model","parts":[{"functionCall":{"id":"c","name":"f","args":{}}}]}'
    row = ("e", "a", "u", "s", "i", "bot", "2026-01-05 09:00:01+00:00", content, actions)
    _fill(path, SCHEMA_0, [(*row, "", '["c"]', 0)], ("2026-01-05", "2026-01-05 09:00:01+00:00"))
    with _opened(path) as connection:
        found = connection.execute(
            "SELECT actions, content, error_code, event_metadata, raw_event FROM events"
        ).get
        part = connection.execute("SELECT kind, function_name, call_id, args FROM event_parts").get

    assert found[:4] == (
        '{"stateDelta":{"k_k":1},"transferAgent":"x"}',
        content,
        None,
        '{"partial":false,"longRunningToolIds":["c"]}',
    )
    assert json.loads(found[4])["actions"]["state_delta"] == {"k_k": 1}
    assert part == ("functionCall", "f", "c", "{}")


def test_a_file_of_adk_js(path: Path) -> None:
    document = {"id": "e", "author": "bot", "timestamp": 1767603601250, "partial": True}
    row = ("e", "a", "u", "s", "i", 1767603601250, json.dumps(document))
    _fill(path, SCHEMA_1, [row], (1767603600000, 1767603601250))
    with _opened(path) as connection:
        assert connection.execute("SELECT create_time, update_time FROM sessions").get == (
            "2026-01-05 09:00:00.000000",
            "2026-01-05 09:00:01.250000",
        )
        assert connection.execute("SELECT timestamp, event_metadata FROM events").get == (
            "2026-01-05 09:00:01.250000",
            '{"partial":true}',
        )


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda path: None, StoreError, "does not exist"),
        (lambda path: path.write_bytes(b"x" * 4096), StoreError, "not an SQLite database"),
        (lambda path: path.touch(), ConfigurationError, "was not written by google-adk"),
        (
            lambda path: _script(path, "CREATE TABLE sessions(id); CREATE TABLE events(id, data)"),
            ConfigurationError,
            "was not written by google-adk",
        ),
    ],
    ids=["missing", "no database", "empty", "of openai-agents"],
)
def test_another_file_is_refused(
    path: Path, make: Callable[[Path], object], error: type[Exception], message: str
) -> None:
    make(path)
    with _opened(path) as connection:
        for _ in range(2):
            with pytest.raises(error, match=message) as raised:
                connection.execute("SELECT * FROM events").fetchall()
            assert "Source adk" in str(raised.value)
        assert message in connection.sources["adk"].backend.describe()
        assert not connection.sources["adk"].backend.notices()


def _script(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path)) as file:
        file.executescript(sql)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("adk=adk://", "name the file that ADK writes"),
        ("adk=adk://x.db?timezone=Mars/Olympus", "timezone must be a name of the IANA"),
        ("adk=adk://x.db?timezone=../etc/passwd", "timezone must be a name of the IANA"),
        ("adk=adk://x.db?zone=UTC", "has no setting zone"),
        ("adk=adk:///tmp", "is a folder"),
        ("adk=adk://x.db?scopes.project=p", "scope columns: user_id, app_name"),
        ("v=vertex://p/us-central1/1?scopes.user_id=ann", "no scope column of that name"),
        ("l=local://:memory:?scopes.app_name=x", "no scope column of that name"),
    ],
)
def test_a_wrong_setting_is_an_error(url: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        sessions_vtab.connect(url)


# Names


@pytest.mark.parametrize(
    ("read", "name", "ids"),
    [
        (session_ids, "apps/a/users/u/sessions/s", ["a", "u", "s"]),
        (session_ids, "apps/a%2Fb/users/%25/sessions/", ["a/b", "%", ""]),
        (session_ids, "apps/a%2fb/users/u/sessions/s", None),
        (session_ids, "apps/a%41/users/u/sessions/s", None),
        (session_ids, "apps/a/users/u/sessions/s/events/e", None),
        (session_ids, "sessions/s", None),
        (session_ids, "", None),
        (event_ids, "apps/a/users/u/sessions/s/events/e#1", ["a", "u", "s", "e#1"]),
        (event_ids, "apps/a/users/u/sessions/s", None),
        (part_ids, "apps/a/users/u/sessions/s/events/e#1#0", ["a", "u", "s", "e#1", 0]),
        (part_ids, "apps/a/users/u/sessions/s/events/e#01", None),
        (part_ids, "apps/a/users/u/sessions/s/events/e#", None),
        (part_ids, "apps/a/users/u/sessions/s/events/e", None),
    ],
)
def test_names_are_taken_apart(
    read: Callable[[str], str | None], name: str, ids: list[Any] | None
) -> None:
    found = read(name)

    assert (None if found is None else json.loads(found)) == ids


# Scopes


@pytest.fixture
def shared(path: Path) -> Path:
    """Two apps with a session of the same id for each of two users."""
    rows = [
        (f"e-{app}-{user}", app, user, "s", "i", 1767603600.0, '{"content":{"parts":[{}]}}')
        for app in ("shop", "bank")
        for user in ("ann", "o'bob")
    ]
    _fill(path, SCHEMA_1, rows, (0, 0))
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("DELETE FROM sessions")
        file.execute(
            "INSERT INTO sessions SELECT app_name, user_id, 's', '{}', 1767603600, 1767603600"
            " FROM events"
        )
    return path


@pytest.mark.parametrize(
    ("settings", "shown"),
    [
        ("", {"shop ann", "shop o'bob", "bank ann", "bank o'bob"}),
        ("?scopes.app_name=shop", {"shop ann", "shop o'bob"}),
        ("?scopes.app_name=shop&scopes.user_id=o'bob", {"shop o'bob"}),
        ("?scopes.user_id=ann,zoe", {"shop ann", "bank ann"}),
    ],
)
def test_scopes_limit_every_table(shared: Path, settings: str, shown: set[str]) -> None:
    with _opened(shared, settings) as connection:
        found = connection.execute("SELECT app_name || ' ' || user_id FROM sessions").fetchall()
        events = connection.execute("SELECT event_id FROM events").fetchall()
        parts = connection.execute("SELECT event_name FROM event_parts").fetchall()
    assert {one for (one,) in found} == shown
    assert {one.removeprefix("e-").replace("-", " ") for (one,) in events} == shown
    assert {one.rpartition("/e-")[2].replace("-", " ") for (one,) in parts} == shown


@pytest.mark.parametrize(
    "condition",
    [
        "sessions WHERE app_name = 'bank'",
        "sessions WHERE name = 'apps/bank/users/ann/sessions/s'",
        "events WHERE session_name = 'apps/bank/users/ann/sessions/s'",
        "events WHERE name = 'apps/bank/users/ann/sessions/s/events/e-bank-ann'",
        "event_parts WHERE event_name = 'apps/bank/users/ann/sessions/s/events/e-bank-ann'",
    ],
)
def test_another_app_than_the_scopes_allow_is_refused(shared: Path, condition: str) -> None:
    with (
        _opened(shared, "?scopes.app_name=shop") as connection,
        pytest.raises(InvalidValueError, match=r"app_name = 'bank' is not allowed.*only shop"),
    ):
        connection.execute(f"SELECT * FROM {condition}").fetchall()


def test_sessions_of_one_id_are_joined_by_their_names(shared: Path) -> None:
    with _opened(shared) as connection:
        rows = connection.execute(
            "SELECT app_name, user_id, event_id FROM sessions AS s"
            " JOIN events AS e ON e.session_name = s.name"
        ).fetchall()

    assert sorted(rows) == sorted(
        (app, user, f"e-{app}-{user}") for app in ("shop", "bank") for user in ("ann", "o'bob")
    )

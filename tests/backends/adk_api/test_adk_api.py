from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from adk_exchanges import Recorder, Replay
from adk_server import installed, running

from sessions_vtab import Connection, connect
from sessions_vtab.errors import (
    ConflictError,
    InvalidValueError,
    NotFoundError,
    ProtocolError,
    UnknownOutcomeError,
)

NAME = "apps/desk/users/ann/sessions/s1"
ALL = "/apps/desk/users/ann/sessions"
ONE = f"{ALL}/s1"
USER = "every.sessions WHERE user_id = 'ann' ORDER BY session_id"

# Statement, rows, and the requests that it makes.
CONVERSATION: list[tuple[str, list[tuple[Any, ...]], list[str]]] = [
    ("SELECT count(*) FROM sessions", [(0,)], [f"GET {ALL}"]),
    (
        (
            "INSERT INTO sessions(session_id, state) VALUES ('s1', '{\"step\":1}')"
            " RETURNING name, session_id, user_id, app_name, state"
        ),
        [(NAME, "s1", "ann", "desk", '{"step":1}')],
        [f"POST {ALL}"],
    ),
    ("INSERT INTO sessions(session_id) VALUES ('s2')", [], [f"POST {ALL}"]),
    ("INSERT OR IGNORE INTO sessions(session_id) VALUES ('s2')", [], [f"POST {ALL}"]),
    (
        "SELECT author, text FROM run_agent('s1', 'Where is my order?')",
        [("desk", None), ("desk", None), ("desk", "Your order 7 is shipped.")],
        ["POST /run"],
    ),
    (
        "SELECT author, text FROM events WHERE session_id = 's1'",
        [
            ("user", "Where is my order?"),
            ("desk", None),
            ("desk", None),
            ("desk", "Your order 7 is shipped."),
        ],
        [f"GET {ONE}"],
    ),
    (
        (
            "SELECT p.part, p.kind, p.function_name, p.args, p.response FROM events e"
            f" JOIN event_parts p ON p.event_name = e.name WHERE e.session_name = '{NAME}'"
        ),
        [
            (0, "text", None, None, None),
            (0, "functionCall", "lookup", '{"order":"7"}', None),
            (0, "functionResponse", "lookup", None, '{"order":"7","status":"shipped"}'),
            (0, "text", None, None, None),
        ],
        [f"GET {ONE}"],
    ),
    (
        "SELECT session_id, count(*) FROM events GROUP BY 1 ORDER BY 1",
        [("s1", 4)],
        [f"GET {ALL}", f"GET {ONE}", f"GET {ALL}/s2"],
    ),
    (
        "UPDATE sessions SET state = '{\"step\":2}' WHERE session_id = 's1' RETURNING state",
        [('{"step":2}',)],
        [f"GET {ONE}", f"GET {ONE}", f"PATCH {ONE}"],
    ),
    (
        f"SELECT app_name, session_id FROM {USER}",
        [("desk", "s1"), ("desk", "s2")],
        ["GET /list-apps", f"GET {ALL}"],
    ),
    (
        "SELECT session_id FROM sessions WHERE session_id = 'nobody'",
        [],
        [f"GET {ALL}/nobody"],
    ),
    (
        "DELETE FROM sessions WHERE session_id = 's2'",
        [],
        [f"GET {ALL}/s2", f"DELETE {ALL}/s2"],
    ),
    ("SELECT session_id FROM sessions", [("s1",)], [f"GET {ALL}"]),
]
REFUSED: list[tuple[str, type[Exception], str]] = [
    ("INSERT INTO sessions(session_id) VALUES ('s1')", ConflictError, "already exists: s1"),
    ("UPDATE sessions SET state = '{}' WHERE session_id = 's1'", InvalidValueError, "remove step"),
    (
        "SELECT * FROM run_agent('nobody', 'x')",
        NotFoundError,
        "not found: nobody.*INSERT INTO sessions",
    ),
    ("INSERT INTO events(session_id, author) VALUES ('s1', 'x')", Exception, r"run_agent\("),
]


def _connected(transport: httpx.BaseTransport, url: str) -> Connection:
    source = {"backend": "adk_api", "base_url": url, "transport": transport}
    return connect(
        sources={"desk": {**source, "location": "desk/ann"}, "every": source},
        config=os.devnull,
    )


def _held(connection: Connection) -> None:
    """The whole conversation, then what is refused."""
    for sql, rows, requests in CONVERSATION:
        connection.clear_logs()
        assert connection.execute(sql).fetchall() == rows, sql
        sent = connection.execute("SELECT method, url FROM http_requests").fetchall()
        made = [f"{method} /{str(url).split('/', 3)[3]}" for method, url in sent]
        assert sorted(made) == sorted(requests), sql
    for sql, error, told in REFUSED:
        with pytest.raises(error, match=told):
            connection.execute(sql).fetchall()


@pytest.fixture
def replayed() -> Iterator[Connection]:
    with closing(_connected(Replay(), "http://127.0.0.1:1")) as connection:
        yield connection


def test_a_conversation_as_the_real_server_answered_it(replayed: Connection) -> None:
    _held(replayed)


@pytest.mark.skipif("SESSIONS_VTAB_ADK" not in os.environ, reason="needs google-adk; on demand")
@pytest.mark.timeout(600)
def test_the_real_server(tmp_path: Path) -> None:
    """``SESSIONS_VTAB_ADK=FOLDER`` names a folder for google-adk's environment, made if missing.

    With ``SESSIONS_VTAB_ADK_RECORD=1`` the answers become the recorded ones.
    """
    recorder = Recorder()
    command = installed(Path(os.environ["SESSIONS_VTAB_ADK"]))
    with running(command, tmp_path) as url, closing(_connected(recorder, url)) as connection:
        _held(connection)
    if os.environ.get("SESSIONS_VTAB_ADK_RECORD") == "1":
        recorder.save()


@pytest.mark.parametrize("answer", [None, {}, {"events": []}, ["x"], [{"author": "desk"}]])
def test_a_run_whose_response_has_no_events_has_an_unknown_outcome(answer: Any) -> None:
    """The agent ran: its events are in the session, and the message must not be sent twice."""
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=answer))
    with (
        closing(_connected(transport, "http://127.0.0.1:1")) as connection,
        pytest.raises(UnknownOutcomeError, match=r"^desk\.run_agent: .*POST .*/run"),
    ):
        connection.execute("SELECT * FROM desk.run_agent('s1', 'x')").fetchall()


@pytest.mark.parametrize("events", [None, {}, ["x"], [{"author": "ann"}]])
@pytest.mark.parametrize("table", ["events", "event_parts"])
def test_a_session_without_a_list_of_events_is_an_error(table: str, events: Any) -> None:
    session = {"id": "s1", "userId": "ann", "appName": "desk", "events": events}
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=session))
    with (
        closing(_connected(transport, "http://127.0.0.1:1")) as connection,
        pytest.raises(ProtocolError, match=rf"^desk\.{table}: .*field (events|id) should be"),
    ):
        connection.execute(f"SELECT * FROM desk.{table} WHERE session_id = 's1'").fetchall()


SPOKEN = {
    "id": "s1",
    "userId": "ann",
    "appName": "desk",
    "events": [
        {
            "id": "a",
            "author": "user",
            "timestamp": 1767603601.25,
            "invocationId": "e-1",
            "content": {"role": "user", "parts": [{"text": "Where is it?"}]},
        },
        {
            "id": "b",
            "author": "desk",
            "timestamp": 1767603602.0,
            "invocationId": "e-1",
            "branch": "root.desk",
            "modelVersion": "m",
            "longRunningToolIds": ["c1"],
            "usageMetadata": {"promptTokenCount": 7, "thoughtsTokenCount": 2},
            "content": {"parts": [{"functionCall": {"id": "c1", "name": "look", "args": {}}}]},
        },
        {
            "id": "c",
            "author": "desk",
            "timestamp": 1767603602.5,
            "invocationId": "e-1",
            "actions": {"transferToAgent": "other", "escalate": True},
            "content": {"parts": [{"functionResponse": {"id": "c1", "name": "look"}}]},
        },
        {
            "id": "d",
            "author": "user",
            "timestamp": 1767603603.0,
            "invocationId": "e-2",
            "actions": {"rewindBeforeInvocationId": "e-1"},
        },
    ],
}


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        (
            (
                "SELECT sequence, branch, model_version, input_tokens, output_tokens, transfer_to,"
                " escalate, long_running_tool_ids FROM events WHERE session_id = 's1'"
            ),
            [
                (1, None, None, None, None, None, None, None),
                (2, "root.desk", "m", 7, 2, None, None, '["c1"]'),
                (3, None, None, None, None, "other", 1, None),
                (4, None, None, None, None, None, None, None),
            ],
        ),
        (
            "SELECT author, invocation_id, kind FROM event_parts WHERE session_id = 's1'",
            [
                ("user", "e-1", "text"),
                ("desk", "e-1", "functionCall"),
                ("desk", "e-1", "functionResponse"),
            ],
        ),
        ("SELECT tool, latency_ms FROM tool_calls WHERE session_id = 's1'", [("look", 500)]),
        ("SELECT first_answer_ms FROM turns WHERE session_id = 's1'", [(750,), (None,)]),
        ("SELECT input_tokens FROM usage_by_session WHERE session_id = 's1'", [(7,)]),
        ("SELECT count(*) FROM live_events WHERE session_id = 's1'", [(0,)]),
    ],
    ids=str,
)
def test_what_agents_did_is_in_columns_and_views(sql: str, rows: list[tuple[Any, ...]]) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=SPOKEN))
    with closing(_connected(transport, "http://127.0.0.1:1")) as connection:
        assert connection.execute(sql).fetchall() == rows


def test_an_update_shows_its_request_without_sending_it(replayed: Connection) -> None:
    shown = replayed.preview("INSERT INTO sessions(session_id, state) VALUES ('x', '{\"a\":1}')")

    assert [(one.method, one.url, one.body) for _, one in shown] == [
        ("POST", f"http://127.0.0.1:1{ALL}", '{"sessionId":"x","state":{"a":1}}')
    ]

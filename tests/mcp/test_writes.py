"""The tool write: whom it asks, what it accepts, and what it says when rows fail."""

from __future__ import annotations

import re

import pytest
from mcp_types import ElicitResult

INSERT = "INSERT INTO sessions(user_id, display_name) VALUES (:user, 'new')"
YES = {"action": "accept", "content": {"send": True}}


class User:
    """A client's user, who answers every question in one way."""

    def __init__(self, **answer):
        self.answer = ElicitResult(**answer)
        self.asked = []

    async def __call__(self, _context, question):
        self.asked.append(question.message)
        return self.answer


@pytest.fixture
def write(serve):
    """Calls write of a writable server, with a user to ask or without one."""

    def run(sql, user=None, *arguments, mode="auto", parameters=None, **options):
        return serve(
            lambda client: client.call_tool("write", {"sql": sql, "parameters": parameters}),
            *("--writable", *arguments),
            mode=mode,
            elicitation_callback=user,
            **options,
        )

    return run


def test_only_a_writable_server_has_the_tool_and_says_that_it_can_destroy(serve):
    (tool,) = serve(lambda client: client.list_tools(), "--writable").tools[4:]

    assert tool.name == "write"
    assert (tool.annotations.read_only_hint, tool.annotations.destructive_hint) == (False, True)
    assert list(tool.input_schema["properties"]) == ["sql", "parameters", "max_rows"]


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_a_write_runs_once_the_user_has_confirmed_it(write, sent, mode):
    user = User(**YES)

    done = write(INSERT + " RETURNING user_id", user, mode=mode, parameters={"user": "dora\x1b"})

    assert not done.is_error, done.content
    assert done.structured_content["rows"] == [["dora\x1b"]]
    assert done.structured_content["changed"] == 1
    (asked,) = user.asked
    assert asked == (
        "Run this statement? It writes: insert in prod.sessions.\n\n"
        f"{INSERT} RETURNING user_id\n\n"
        'Parameters: {"user": "dora\\u001b"}'
    )
    assert sent("POST") == 1


@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.parametrize(
    "answer",
    [{"action": "decline"}, {"action": "cancel"}, {"action": "accept", "content": {"send": False}}],
)
def test_without_the_users_yes_nothing_is_sent(write, sent, mode, answer):
    done = write("DELETE FROM sessions", User(**answer), mode=mode)

    assert done.is_error
    assert "did not confirm the statement. Nothing was sent." in done.content[0].text
    assert sent() == 0


def test_a_client_that_cannot_ask_is_trusted_to_have_asked(write, sent):
    done = write(INSERT, parameters={"user": "eve"})

    assert (done.structured_content["changed"], sent("POST")) == (1, 1)


def test_a_function_with_side_effects_is_a_write(write, sent):
    user = User(**YES)

    done = write("SELECT session_name FROM append_event('s5', 'user', 'Hello')", user)

    assert done.structured_content["rows"][0][0].endswith("/sessions/s5")
    assert "It writes: append_event()." in user.asked[0]
    assert sent("POST") == 1


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("SELECT 1", "Use the tool query."),
        ("CREATE TABLE t(x)", "not CREATE"),
        ("BEGIN", "not BEGIN"),
        ("PRAGMA user_version = 2", "not PRAGMA"),
        ("EXPLAIN DELETE FROM sessions", "not EXPLAIN"),
        ("DELETE FROM sessions; DELETE FROM sessions", "one statement, and 2"),
        ("DELETE FROM sesions", "Did you mean sessions?"),
        ("INSERT INTO sessions(user) VALUES ('x')", "Did you mean user_id?"),
        ("DELETE FROM events", "events"),
    ],
)
def test_what_cannot_run_is_refused_before_the_user_is_asked(write, sent, sql, words):
    user = User(**YES)

    done = write(sql, user)

    assert done.is_error
    assert words in done.content[0].text
    assert (user.asked, sent()) == ([], 0)


def test_a_source_that_is_read_only_stays_so(write, source, sent):
    user = User(**YES)

    done = write(
        "DELETE FROM sessions WHERE session_id = 's1'", user, at=f"{source}&read_only=true"
    )

    assert "the source prod is read-only" in done.content[0].text
    assert (user.asked, sent()) == ([], 0)


def test_query_stays_read_only_on_a_writable_server(call_tool, sent):
    done = call_tool(
        "query", None, "--writable", sql="SELECT * FROM append_event('s5', 'user', 'x')"
    )

    assert done.is_error
    assert sent() == 0


def test_explain_shows_what_a_write_would_send(call_tool, sent):
    done = call_tool("explain", None, "--writable", sql="INSERT INTO sessions(user_id) VALUES (1)")

    assert "prod.sessions insert  POST" in done.content[0].text
    assert sent() == 0


def test_rows_that_fail_are_counted(write, emulator, sent):
    emulator.control.fault("status", method="POST", status=400, skip=1, count=1)

    done = write("INSERT INTO sessions(user_id) VALUES ('f1'), ('f2'), ('f3')")

    assert done.is_error
    # Which row is the second to arrive is left to the threads that send.
    assert re.search(
        r"Rows by outcome: 1 failed, 2 sent although rolled back\.\nRow [123]: failed: .*400",
        done.content[0].text,
    )
    assert sent("POST") == 3


def test_a_dry_run_shows_what_would_be_sent(write, sent):
    done = write(INSERT, None, "--dry-run", parameters={"user": "gil"})

    assert not done.is_error, done.content
    assert sent() == 0

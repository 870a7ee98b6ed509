"""query, explain, describe and sources of a read-only server."""

from __future__ import annotations

import json

import anyio
import pytest

from sessions_vtab.mcp.statements import CallLimits

MANY = ", ".join(f"'{number}'" for number in range(300))
ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT {} FROM c"


@pytest.mark.parametrize("arguments", [(), ("--writable", "--read-only")])
def test_a_read_only_server_has_only_tools_that_read(serve, arguments):
    listed = serve(lambda client: client.list_tools(), *arguments).tools

    assert [tool.name for tool in listed] == ["query", "explain", "describe", "sources"]
    assert all(tool.annotations.read_only_hint for tool in listed)
    assert all(tool.description for tool in listed)


def test_query_returns_rows_with_names_types_and_requests(call_tool, sent):
    done = call_tool(
        "query",
        sql="SELECT session_id, create_time, labels, 1.5 AS half FROM sessions WHERE user_id = :user",
        parameters={"user": "carol"},
    )

    assert not done.is_error
    assert done.structured_content == {
        "columns": [
            {"name": "session_id", "type": "text"},
            {"name": "create_time", "type": "timestamp text"},
            {"name": "labels", "type": "json text"},
            {"name": "half", "type": None},
        ],
        "rows": [["s6", "2026-11-03 10:00:00.000000", None, 1.5]],
        "truncated": False,
        "changed": 0,
        "requests": 1,
        "hints": [],
    }
    assert json.loads(done.content[0].text) == done.structured_content
    assert sent() == 1


@pytest.mark.parametrize(
    ("sql", "parameters", "rows"),
    [
        ("SELECT :a, :b", {"a": 1, ":b": None}, [[1, None]]),
        ("SELECT ?, ?", ["x", 2.5], [["x", 2.5]]),
        ("SELECT value FROM json_each(:ids)", {"ids": ["a", 1]}, [["a"], [1]]),
        ("SELECT :o->>'k'", {"o": {"k": "v"}}, [["v"]]),
        ("SELECT x'00ff', 9e999", None, [["AP8=", "inf"]]),
        ("EXPLAIN QUERY PLAN SELECT 1", None, None),
        ("PRAGMA table_info(sessions)", None, None),
        ("VALUES (1), (2)", None, [[1], [2]]),
        ("WITH one AS (SELECT 1) SELECT * FROM one;", None, [[1]]),
    ],
)
def test_what_query_accepts(call_tool, sql, parameters, rows):
    done = call_tool("query", sql=sql, parameters=parameters)

    assert not done.is_error, done.content
    assert rows is None or done.structured_content["rows"] == rows


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        (
            "DELETE FROM sessions",
            ["accepts only a SELECT, not DELETE", "Nothing was sent", "write"],
        ),
        ("UPDATE sessions SET display_name = 'x'", ["not UPDATE"]),
        ("WITH a AS (SELECT 1) INSERT INTO sessions(user_id) SELECT 1 FROM a", ["not INSERT"]),
        ("SELECT * FROM append_event('s1', 'user', 'x')", ["append_event()", "read-only"]),
        ("SELECT * FROM append_evnt('s1')", ["append_evnt", "Did you mean append_event?"]),
        ("CREATE TEMP TABLE t(x)", ["not CREATE"]),
        ("BEGIN", ["not BEGIN"]),
        ("ATTACH '/etc/passwd' AS p", ["not ATTACH"]),
        ("SELECT 1; SELECT 2", ["one statement, and 2 were given"]),
        ("", ["one statement, and 0 were given"]),
        ("PRAGMA cache_size = 7", ["PRAGMA cache_size with a value is not allowed"]),
        ("SELECT load_extension('x')", ["load_extension"]),
        ("SELECT readfile('/etc/passwd')", ["There is no function readfile"]),
        ("SELECT * FROM sesions", ["Did you mean sessions?", "^--- here"]),
        ("SELECT * FROM prd.sessions", ["Did you mean prod?"]),
        ("SELECT usr_id FROM sessions", ["Did you mean user_id?", "describe sessions"]),
        ("SELEC 1", ["Did you mean SELECT?", "^--- here"]),
        ("SELECT :x", ["No value was given for the parameter :x"]),
        ("SELECT 1 FROM sessions WHERE create_time > 'yesterday'", ["yesterday"]),
    ],
)
def test_what_query_refuses_with_what_to_do_and_without_a_request(call_tool, sent, sql, words):
    done = call_tool("query", sql=sql)

    assert done.is_error
    for word in words:
        assert word in done.content[0].text
    assert sent() == 0


@pytest.mark.parametrize(
    ("sql", "parameters", "words"),
    [
        ("SELECT :x", {"x": 2**70}, "SQLite's integers have 64 bits"),
        ("SELECT :x", {"x": "\ud800"}, "not valid Unicode"),
        ("SELECT '\ud800'", None, "not valid Unicode"),
        ("SELECT ?", [1, 2], "bindings"),
        ("SELECT 1 FROM sessions WHERE create_time > :t", {"t": "soon"}, "not a valid time"),
    ],
)
def test_values_that_sqlite_does_not_take_are_refused_in_words(call_tool, sql, parameters, words):
    done = call_tool("query", sql=sql, parameters=parameters)

    assert done.is_error
    assert words in done.content[0].text


def test_a_plan_beyond_the_budget_is_refused_before_it_starts_with_the_text_of_explain(
    call_tool, sent
):
    done = call_tool("query", sql=f"SELECT author FROM events WHERE session_id IN ({MANY})")

    assert done.is_error
    text = done.content[0].text
    assert "expected to make at least 300 requests, and a call may make 200 (max_requests)" in text
    assert "Nothing was sent." in text
    assert "sent      session_id IN (" in text
    assert "--max-requests N" in text
    assert sent() == 0


def test_many_keys_that_one_list_has_are_not_beyond_the_budget(call_tool, sent):
    done = call_tool("query", sql=f"SELECT user_id FROM sessions WHERE session_id IN ({MANY})")

    assert not done.is_error
    assert sent() == 1


def test_what_only_the_rows_show_is_stopped_at_the_budget_with_the_text_of_explain(call_tool, sent):
    options = {"limits": CallLimits(max_requests=4)}

    done = call_tool("query", options, sql="SELECT count(*) FROM events")

    assert done.is_error
    assert "more than 4 requests (max_requests)" in done.content[0].text
    assert "1 per 100 sessions, then 1 or more per session" in done.content[0].text
    assert sent() <= 4


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((), "a call may make 3 (max_requests)"),
        (("--max-requests", "9"), "a call may make 9 (max_requests)"),
    ],
)
def test_a_source_that_allows_less_than_usual_is_heard_unless_the_command_says_otherwise(
    call_tool, source, given, words
):
    options = {"at": f"{source}&max_requests=3"}

    done = call_tool(
        "query", options, *given, sql=f"SELECT 1 FROM events WHERE session_id IN ({MANY})"
    )

    assert words in done.content[0].text


def test_what_limit_ends_early_is_not_refused(call_tool, sent):
    missing = ", ".join(f"'x{number}'" for number in range(300))
    sql = f"SELECT user_id FROM sessions WHERE session_id IN ('s1', {missing}) LIMIT 1"

    done = call_tool("query", sql=sql)

    assert not done.is_error, done.content
    assert done.structured_content["rows"] == [["ann"]]
    assert sent() <= 32


def test_more_rows_than_asked_for_are_truncated_with_a_hint(serve):
    async def work(client):
        sql = "SELECT session_id FROM sessions ORDER BY session_id"
        asked = await client.call_tool("query", {"sql": sql, "max_rows": 2})
        capped = await client.call_tool("query", {"sql": sql, "max_rows": 100})
        exact = await client.call_tool("query", {"sql": f"{sql} LIMIT 3"})
        return [one.structured_content for one in (asked, capped, exact)]

    asked, capped, exact = serve(work, limits=CallLimits(max_rows=3))

    assert (asked["rows"], asked["truncated"]) == ([["s1"], ["s2"]], True)
    assert (len(capped["rows"]), capped["truncated"]) == (3, True)
    assert "WHERE" in capped["hints"][0]
    assert (len(exact["rows"]), exact["truncated"], exact["hints"]) == (3, False, [])


def test_a_statement_that_takes_too_long_is_stopped(call_tool):
    options = {"limits": CallLimits(timeout=0.2)}

    done = call_tool("query", options, sql=ENDLESS.format("count(*)"))

    assert done.is_error
    assert "took longer than 0.2 s" in done.content[0].text


def test_of_rows_without_end_the_first_are_returned(call_tool):
    options = {"limits": CallLimits(timeout=30)}

    done = call_tool("query", options, sql=ENDLESS.format("x"), max_rows=3)

    assert done.structured_content["rows"] == [[1], [2], [3]]
    assert done.structured_content["truncated"]


def test_what_reads_no_session_is_not_run_to_explain_it(call_tool):
    done = call_tool("explain", {"limits": CallLimits(timeout=3_600)}, sql=ENDLESS.format("x"))

    assert not done.is_error


def test_explain_that_takes_too_long_is_stopped(call_tool):
    sql = ENDLESS.format("count(*)") + " LEFT JOIN sessions ON session_id = x"

    # Planning ends by itself, after millions of steps of SQLite: a tenth of a second and more.
    done = call_tool("explain", {"limits": CallLimits(timeout=0.01)}, sql=sql)

    assert done.is_error
    assert "took longer than 0.01 s" in done.content[0].text


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_cancelling_a_call_stops_its_statement_and_the_server_goes_on(serve, mode):
    async def work(client):
        with anyio.move_on_after(0.5) as cancelled:
            await client.call_tool("query", {"sql": ENDLESS.format("count(*)")})
        after = await client.call_tool("query", {"sql": "SELECT 'still here'"})
        return cancelled.cancelled_caught, after.structured_content["rows"]

    # Without the interrupt, the server could not stop within the time limit of the test.
    assert serve(work, limits=CallLimits(timeout=3_600), mode=mode) == (True, [["still here"]])


def test_nothing_of_a_call_is_left_for_the_next(serve):
    async def work(client):
        await client.call_tool("query", {"sql": "SELECT count(*) FROM sessions"})
        log = await client.call_tool("query", {"sql": "SELECT count(*) FROM http_requests"})
        return log.structured_content["rows"]

    assert serve(work) == [[0]]


def test_explain_says_what_is_sent_here_and_how_many_requests(call_tool, sent):
    done = call_tool(
        "explain", sql="SELECT * FROM sessions WHERE user_id = 'ann' AND display_name LIKE 'a%'"
    )

    text = done.content[0].text
    assert "sent      user_id = 'ann'" in text
    assert "display_name LIKE 'a%' (the API supports only" in text
    assert "at most 200 (max_requests)" in text
    assert sent() == 0


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (
            None,
            ["prod (vertex, default)", "  sessions: One row per session", "append_event(session"],
        ),
        ("sessions", ["labels->>'..'", "## In the source prod", "none: the source is read-only"]),
        ("prod.Events", ["INSERT appends"]),
        ("append_event", ["Parameters", "invocation_id"]),
        ("prod", ["backend", "vertex"]),
        ("tables", ["Hidden columns"]),
    ],
)
def test_describe(call_tool, sent, table, words):
    done = call_tool("describe", table=table)

    assert not done.is_error
    for word in words:
        assert word in done.content[0].text
    assert sent() == 0


def test_describe_of_an_unknown_table_suggests_a_near_one(call_tool):
    done = call_tool("describe", table="evnts")

    assert done.is_error
    assert "Did you mean events?" in done.content[0].text


def test_sources(call_tool, emulator):
    (source,) = call_tool("sources").structured_content["sources"]

    assert source == {
        "name": "prod",
        "backend": "vertex",
        "default": True,
        "read_only": True,
        "where": f"Vertex AI Agent Engine demo/us-central1/42 at {emulator.url} with no credential",
        "tables": ["sessions", "events", "event_parts", "reasoning_engines"],
    }

"""The output of explain, compared with the requests that the emulator receives afterwards."""

from __future__ import annotations

from math import ceil
from urllib.parse import parse_qsl, urlsplit

import pytest

from sessions_vtab.cli.explain import explain
from sessions_vtab.cli.readings import examine
from sessions_vtab.errors import UnsupportedError

SESSIONS, EVENTS = 250, 2


@pytest.fixture(scope="module")
def db(started):
    started.fill(SESSIONS, EVENTS)
    started.fill(30, 3, user="bob")
    return started


# A statement; for each table, in the order of the plan, the rows of each of its reads, and of the
# list before them if there is one.
ESTIMATED = {
    "SELECT * FROM sessions": [([280], 0)],
    "SELECT count(*) FROM sessions": [([280], 0)],
    "SELECT * FROM sessions WHERE user_id = 'ann'": [([250], 0)],
    "SELECT * FROM sessions WHERE user_id = 'nobody'": [([0], 0)],
    "SELECT * FROM sessions WHERE user_id = 'bob' OR display_name = 'none'": [([30], 0)],
    "SELECT * FROM sessions WHERE session_id = 'ann-7'": [([1], 0)],
    "SELECT * FROM sessions WHERE session_id IN ('ann-1', 'ann-2', 'nobody')": [([1, 1, 0], 0)],
    "SELECT * FROM sessions ORDER BY create_time DESC LIMIT 10": [([10], 0)],
    "SELECT * FROM sessions LIMIT 0": [],
    "SELECT * FROM sessions WHERE user_id = NULL": [],
    "SELECT * FROM events WHERE session_id = 'ann-3'": [([2], 0)],
    "SELECT * FROM events WHERE session_id = 'ann-3' ORDER BY timestamp DESC LIMIT 1": [([1], 0)],
    "SELECT * FROM events WHERE session_id IN ('ann-3', 'ann-4')": [([2, 2], 0)],
    "SELECT * FROM events": [([2] * 250 + [3] * 30, 280)],
    "SELECT count(*) FROM sessions s JOIN events e USING (session_id) WHERE s.user_id = 'bob'": [
        ([30], 0),
        ([3] * 30, 0),
    ],
    "SELECT count(*) FROM events WHERE session_id IN (SELECT session_id FROM sessions WHERE user_id = 'bob')": [
        ([3] * 30, 0),
        ([30], 0),
    ],
    "SELECT count(*) FROM sessions a, sessions b WHERE a.user_id = 'bob' AND b.display_name = a.display_name": [
        ([30], 0),
        ([56] * 5, 0),
    ],
    "SELECT 1 FROM sessions WHERE user_id = 'ann' UNION ALL SELECT 1 FROM sessions WHERE user_id = 'bob'": [
        ([250], 0),
        ([30], 0),
    ],
}


@pytest.mark.parametrize("sql", ESTIMATED)
def test_the_estimate_is_the_count(db, sql):
    db.control.reset_log()
    estimates = [one.estimate for one in examine(db.connection, sql) if one.estimate]
    assert db.total == 0

    db.ask(sql)

    expected = ESTIMATED[sql]
    if not expected:
        assert db.total == 0
        return
    pages = 0
    for estimate, (rows, listed) in zip(estimates, expected, strict=True):
        lists = [listed, *rows] if estimate.lists else rows
        size = estimate.page
        pages += sum(1 if size is None else max(1, ceil(many / size)) for many in lists)
    assert db.total == pages


@pytest.mark.parametrize("sql", [sql for sql, reads in ESTIMATED.items() if reads])
def test_the_previewed_request_is_the_first_one_sent(db, sql):
    shown = [request for _, request in db.connection.preview(sql)]

    db.ask(sql)

    first, parts = db.log[0], urlsplit(shown[0].url)
    assert first["method"] == shown[0].method
    assert first["raw_path"] in {urlsplit(one.url).path for one in shown}
    assert first["query"] == dict(parse_qsl(parts.query))


EXPLAINED = {
    "SELECT s.user_id, count(*) FROM sessions s JOIN events e USING (session_id)"
    " WHERE s.labels->>'env' = 'prod' AND e.author = 'user' GROUP BY 1": [
        'prod.sessions s  GET ../reasoningEngines/42/sessions?pageSize=100&filter=labels.env="prod"&orderBy=create_time desc',
        "  sent      labels->>'env' = 'prod'",
        "  here      nothing",
        "  requests  1 per 100 rows",
        "prod.events e  GET ../sessions/{session}/events?pageSize=100, 16 at a time",
        "  sent      session_id = ?",
        "  here      e.author = 'user' (the API has no such filter)",
        "  requests  1 or more per row of prod.sessions s",
        (
            "requests  at least 1 (1 per 100 rows; then 1 or more per row of prod.sessions s);"
            " at most 10000 (max_requests)"
        ),
    ],
    "SELECT text FROM events LIMIT 3": [
        (
            "prod.events  GET ../reasoningEngines/42/sessions?pageSize=100&orderBy=create_time desc,"
            " then GET ../sessions/{session}/events?pageSize=3, 16 at a time"
        ),
        "  requests  1 per 100 sessions, then 1 or more per session, fewer with LIMIT",
    ],
    "SELECT user_id FROM sessions WHERE session_id IN ('a', 'b', 'c')": [
        "prod.sessions  GET ../42/sessions/a and 2 more, 16 at a time",
        "  requests  3",
    ],
    # What SQLite derives from a condition is not another one.
    "SELECT 1 FROM sessions WHERE display_name LIKE 'a%'": [
        "  here      display_name LIKE 'a%' (the API supports only <>, =, IN, NOT IN)",
    ],
    "SELECT 1 FROM sessions WHERE user_id BETWEEN 'a' AND 'b'": [
        "  here      user_id BETWEEN 'a' AND 'b' (the API supports only <>, =, IN, NOT IN)",
    ],
    "SELECT 1 FROM sessions WHERE user_id = 'ann' COLLATE NOCASE": [
        (
            "  here      user_id = 'ann' COLLATE NOCASE"
            " (the API's filter compares with another collation)"
        ),
    ],
    # What was read from the text, and the API does not take.
    "SELECT 1 FROM sessions WHERE user_id = 'ann' AND state->>'n' = '1'": [
        "  sent      user_id = 'ann'",
        "  here      state->>'n' = '1' (the API has no such filter)",
    ],
    "SELECT 1 FROM events WHERE session_id = 's' AND (author = 'user' OR timestamp > 1.5e9)": [
        (
            "  here      (author = 'user' OR timestamp > 1.5e9)"
            " (the API cannot combine its filters like this (OR, NOT))"
        ),
    ],
    # Conditions of ON, as those of WHERE.
    "SELECT e.text FROM sessions s LEFT JOIN events e ON e.session_id = s.session_id"
    " AND e.author = 'it''s' AND e.branch IS NULL": [
        (
            "  here      e.author = 'it''s' (the API has no such filter), e.branch IS NULL (the API"
            " has no such filter)"
        ),
    ],
    "SELECT 1 FROM sessions s JOIN events e ON e.session_id = s.session_id"
    " AND e.author IN ('a', 'b') AND e.branch LIKE 'm%' AND length(e.text) > 3"
    " AND s.user_id IN ('ann', 'bob')": [
        "  sent      user_id IN ('ann', 'bob')",
        (
            "  here      e.author IN ('a', 'b') (the API has no such filter), e.branch LIKE 'm%'"
            " (the API has no such filter), length(e.text) > 3 (only SQLite can decide it)"
        ),
    ],
    "SELECT 1 FROM sessions s JOIN events e USING (session_id) JOIN event_parts p"
    " ON p.event_name = e.name AND p.kind GLOB 't*'": [
        "  here      p.kind GLOB 't*' (the API has no such filter)",
    ],
    "SELECT user_id FROM sessions u WHERE EXISTS (SELECT 1 FROM sessions s JOIN events e"
    " ON e.session_id = s.session_id AND e.author IN ('a', 'b') WHERE s.user_id = u.user_id)": [
        "    here      e.author IN ('a', 'b') (the API has no such filter)",
    ],
    # A common table expression has its own conditions and those of the SELECT around it.
    "WITH c AS (SELECT e.* FROM sessions s JOIN events e ON e.session_id = s.session_id"
    " AND e.author IN ('a', 'b')) SELECT * FROM c WHERE branch LIKE 'm%' AND error_code IN ('1', '2')": [
        (
            "  here      e.author IN ('a', 'b') (the API has no such filter), error_code IN (?) (the"
            " API has no such filter), branch LIKE 'm%' (the API has no such filter)"
        ),
    ],
    # What an outer join keeps is read whatever the condition says.
    "SELECT 1 FROM sessions s LEFT JOIN events e ON e.session_id = s.session_id"
    " AND s.user_id = 'ann' AND s.display_name LIKE 'x%' WHERE e.event_id IS NULL": [
        (
            "  here      s.user_id = 'ann' (the outer join also needs rows that do not meet it),"
            " s.display_name LIKE 'x%' (the outer join also needs rows that do not meet it)"
        ),
        "  here      e.event_id IS NULL (the outer join also needs rows that do not meet it)",
    ],
    "SELECT * FROM sessions s RIGHT JOIN events e ON e.session_id = s.session_id"
    " AND s.user_id = 'ann' AND e.author LIKE 'b%'": [
        "  sent      user_id = 'ann'",
        "  here      e.author LIKE 'b%' (the API has no such filter)",
        "    here      e.author LIKE 'b%' (the outer join also needs rows that do not meet it)",
    ],
    "SELECT 1 FROM sessions s FULL JOIN events e ON e.session_id = s.session_id"
    " WHERE s.user_id = 'ann'": [
        "  sent      user_id = 'ann' AND user_id = 'ann'",
        "  sent      session_id IN (?) AND session_id = ?",
    ],
    "SELECT 1 FROM sessions s FULL JOIN events e ON e.session_id = s.session_id"
    " WHERE s.user_id IS NULL": [
        "  here      s.user_id IS NULL (the outer join also needs rows that do not meet it)",
    ],
    # Two tables that the statement calls the same.
    "SELECT 1 FROM sessions WHERE user_id IN ('ann', 'bob') AND lower(display_name) = 'q'"
    " UNION ALL SELECT 1 FROM sessions WHERE display_name LIKE 'x%'": [
        (
            "      here      lower(display_name) = 'q' (the API's filter compares with another"
            " collation)"
        ),
        "      here      display_name LIKE 'x%' (the API supports only <>, =, IN, NOT IN)",
    ],
    # Two reads of one table, each with its own value.
    "SELECT 1 FROM sessions s JOIN events e ON e.session_id = s.session_id AND e.author = 'a'"
    " LEFT JOIN events f ON f.session_id = s.session_id AND f.author = 'b'": [
        "  here      e.author = 'a' (the API has no such filter)",
        "  here      f.author = 'b' (the API has no such filter)",
    ],
    # What is sent is not also said to be checked here only.
    "SELECT 1 FROM sessions WHERE user_id = (SELECT 'ann')": [
        "  sent      user_id = 'ann'",
        "  here      nothing",
    ],
    "SELECT 1 FROM sessions WHERE user_id IN (SELECT 'ann')": ["  here      nothing"],
    "SELECT 1 FROM sessions WHERE (user_id, display_name) = ('ann', 'x')": [
        "  sent      user_id = 'ann' AND display_name = 'x'",
        "  here      nothing",
    ],
    "SELECT 1 FROM sessions WHERE user_id = 'ann' OR user_id = 'bob'": [
        "  sent      user_id IN ('ann', 'bob') AND (user_id = 'ann' OR user_id = 'bob')",
    ],
    "SELECT * FROM sessions WHERE update_time LIKE '%6'": [
        "  here      update_time LIKE '%6' (the API has no such filter)",
    ],
    "DELETE FROM sessions WHERE user_id = 'ann'": [
        'prod.sessions  GET ../reasoningEngines/42/sessions?pageSize=100&filter=user_id="ann"&orderBy=create_time desc',
        "  sent      user_id = 'ann'",
    ],
}


@pytest.mark.parametrize("sql", EXPLAINED)
def test_explain_shows_sent_here_and_requests_of_a_select(db, sql):
    db.control.reset_log()

    lines = list(explain(db.connection, sql))

    assert [line for line in EXPLAINED[sql] if line not in lines] == []
    assert db.total == 0


def test_the_budget_of_the_connection_is_named(db):
    db.connection.budget.max_requests = 77
    try:
        assert list(explain(db.connection, "SELECT * FROM sessions"))[-1].endswith(
            "at most 77 (max_requests)"
        )
    finally:
        db.connection.budget.max_requests = None


def test_explain_query_plan_contains_the_plan_text(db):
    ((*_, detail),) = db.ask("EXPLAIN QUERY PLAN SELECT user_id FROM sessions WHERE user_id = 'a'")

    assert detail.endswith("list; sent: user_id = literal; read: name, user_id")


# A statement that writes; the requests of its read, the call per row, the number of rows.
WRITTEN = {
    "UPDATE sessions SET display_name = 'x' WHERE user_id = 'bob'": (1, "PATCH", 30),
    "UPDATE sessions SET display_name = 'x' WHERE session_id IN ('bob-1', 'bob-2')": (2, "PATCH", 2),
    "DELETE FROM sessions WHERE user_id = 'bob' AND display_name = 'n1'": (1, "DELETE", 6),
    "INSERT INTO sessions(session_id, user_id) VALUES ('new-1', 'x'), ('new-2', 'y')": (0, "POST", 2),
    "INSERT INTO events(session_id, author, content) VALUES ('bob-1', 'user', 'x')": (0, "POST", 1),
    "INSERT INTO events(session_id, author, content) SELECT session_id, 'user', 'x' FROM sessions"
    " WHERE user_id = 'bob'": (1, "POST", 30),
}  # fmt: skip


@pytest.mark.parametrize("sql", WRITTEN)
def test_explain_shows_what_a_write_reads_and_what_each_row_sends(open_, sql):
    db = open_()
    db.fill(30, 1, user="bob")
    reads, method, rows = WRITTEN[sql]
    before = db.control.dump()

    (*lines, last) = explain(db.connection, sql)

    assert db.total == 0
    assert db.control.dump() == before
    written = next(
        line for line in lines if " insert " in line or " update " in line or " delete " in line
    )
    assert f" {method} " in written
    assert ("GET" in "\n".join(lines)) == bool(reads)
    assert "1 per row" in last or f"requests  {rows};" in last

    db.ask(sql)

    sent = [entry["method"] for entry in db.log]
    assert sent.count(method) == rows
    # After a write there may be GETs of its operation.
    looks = [entry for entry in db.log if "/operations/" in entry["path"]]
    assert len(sent) - len(looks) == reads + rows


def test_explain_shows_the_filtered_url_of_an_update(open_):
    db = open_()
    lines = "\n".join(
        explain(db.connection, "DELETE FROM sessions WHERE user_id = 'bob' AND labels->>'k' = 'v'")
    )

    assert 'filter=user_id="bob" AND labels.k="v"' in lines.replace("labels.k:", "labels.k=")
    assert "prod.sessions delete  DELETE {engine}/sessions/{session}, 16 at a time" in lines


def test_a_preview_inside_a_transaction_does_not_send_queued_writes(open_):
    db = open_()
    db.connection.execute("BEGIN")
    db.connection.execute("INSERT INTO sessions(session_id, user_id) VALUES ('abc', 'x')")
    db.control.reset_log()

    sql = "INSERT INTO sessions(session_id, user_id) VALUES ('def', 'x') RETURNING name"
    shown = db.connection.preview(sql)
    assert ([title for title, _ in shown], db.total) == (["prod.sessions insert"], 0)

    db.connection.execute("COMMIT")
    assert [entry["query"].get("sessionId") for entry in db.log if entry["method"] == "POST"] == [
        "abc"
    ]


@pytest.mark.parametrize("sql", ["CREATE TEMP TABLE t(a)", "INSERT INTO t VALUES (1)"])
def test_writes_to_other_tables_are_not_previewed(open_, sql):
    db = open_()
    db.connection.execute("CREATE TABLE IF NOT EXISTS t(a)")

    with pytest.raises(UnsupportedError):
        db.connection.preview(sql)

    assert db.connection.execute("SELECT count(*) FROM t").get == 0

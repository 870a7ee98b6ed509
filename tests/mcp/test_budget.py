"""Which plans are too expensive, and how results are made to fit."""

from __future__ import annotations

import base64
import json
from contextlib import closing

import pytest

from sessions_vtab import connect
from sessions_vtab.cli.explain import expected
from sessions_vtab.cli.readings import examine
from sessions_vtab.errors import BudgetError
from sessions_vtab.mcp.statements import CallLimits, fit, require_within

IDS = ", ".join(f"'{number}'" for number in range(50))
SESSIONS = f"SELECT user_id FROM sessions WHERE session_id IN ({IDS})"


@pytest.fixture(scope="module")
def prod(source):
    connection = connect(source, read_only=True)
    yield connection
    connection.close()


@pytest.mark.parametrize(
    ("sql", "count"),
    [
        ("SELECT 1", 0),
        ("SELECT * FROM sessions WHERE session_id = 's1'", 1),
        ("SELECT * FROM sessions", 1),
        ("SELECT * FROM sessions LIMIT 5", 1),
        (SESSIONS, 50),
        (f"{SESSIONS} LIMIT 5", 1),
        (f"SELECT * FROM events WHERE session_id IN ({IDS})", 50),
        (f"SELECT * FROM events WHERE session_id IN ({IDS}) LIMIT 5", 1),
        ("SELECT * FROM events", 1),
        ("SELECT * FROM sessions AS s JOIN events AS e ON e.session_name = s.name", 1),
        (f"{SESSIONS} UNION ALL SELECT author FROM events WHERE session_id IN ({IDS})", 100),
    ],
)
def test_a_plan_is_expected_to_make_the_requests_that_are_known_before_the_first(prod, sql, count):
    assert expected(examine(prod, sql), sql).count == count


def test_what_was_read_before_shows_what_a_query_will_cost(source, sent):
    with closing(connect(source, read_only=True)) as connection:
        connection.budget.max_requests = 5
        sql = "SELECT author FROM events"
        require_within(connection, sql, None)  # Nothing is known yet.
        connection.budget.max_requests = 100
        connection.execute(sql).fetchall()
        spent = sent()
        connection.budget.max_requests = 5

        with pytest.raises(BudgetError, match=r"expected to make about \d requests") as caught:
            require_within(connection, sql, None)

    assert "1 per 100 sessions, then 1 or more per session" in str(caught.value)
    assert sent() == spent == 7


def size(rows):
    return len(json.dumps(rows, ensure_ascii=False).encode())


@pytest.mark.parametrize("text", ["x", "é", "注", '"', "\n", '{"a":1}'])
@pytest.mark.parametrize("columns", [1, 4, 30])
def test_a_result_fits_whatever_its_values_are(text, columns):
    names = [f"c{number}" for number in range(columns)]
    rows = [[text * 20_000] * columns] * 50

    shown, left_out = fit(names, rows, 50_000)

    assert shown
    assert left_out
    assert size(shown) <= 50_000 * 1.1


def test_what_fits_is_not_touched():
    rows = [["a" * 900, 1, None, 2.5], ["b", 2, None, 3.5]]

    assert fit(["a", "b", "c", "d"], rows, 10_000) == (rows, False)


def whole(call_tool, expression, where, decode):
    """A value read as a model would: each cut names the expression that selects the rest."""
    options = {"limits": CallLimits(max_bytes=1_000)}
    found = []
    while expression:
        done = call_tool("query", options, sql=f"SELECT {expression} {where}")
        ((value,),) = done.structured_content["rows"]
        part, _, mark = value.partition(".. [cut: ")
        found.append(decode(part))
        expression = mark.partition("the rest: ")[2].removesuffix("]")
    assert len(found) > 2
    return found


def test_following_the_marks_gives_the_whole_text(call_tool):
    text = "".join(f"{number} é;" for number in range(100))
    call_tool(
        "write",
        None,
        "--writable",
        sql="SELECT event_id FROM append_event('s5', 'long', :text)",
        parameters={"text": text},
    )

    parts = whole(call_tool, "text", "FROM events WHERE session_id = 's5'", str)

    assert "".join(parts) == text


def test_following_the_marks_gives_the_whole_blob(call_tool):
    blob = bytes(range(256)) * 2

    parts = whole(call_tool, f"x'{blob.hex()}'", "", base64.b64decode)

    assert b"".join(parts) == blob

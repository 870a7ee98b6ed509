"""The SELECTs of ``help questions``: the same rows on every source, with the fewest requests."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from sessions_vtab import Connection
from sessions_vtab.cli.pages import DASHBOARD, QUESTIONS
from sessions_vtab.emulator.serve import Running
from tests.documented import EVAL_SET

SQL = {question.asks: question.sql for question in QUESTIONS}
NINE = "2026-01-05 09:0"
PARAMETERS = {"session": "full", "key": "step", "words": "human", "since": f"{NINE}0:03"}

# Without those whose rows depend on when the conversations were written, or on labels and titles,
# which they do not have: ``tests/mcp/test_questions.py`` has them.
ROWS: dict[str, list[tuple[Any, ...]]] = {
    "How many turns does each user have per day?": [
        ("alice", "2026-01-05", 2, 6),
        ("bob@example.com", "2026-01-05", 1, 5),
        ("carol", "2026-01-05", 1, 1),
    ],
    "What was said in a session?": [
        (f"{NINE}0:01.250000", "user", "Refund my order, please."),
        (f"{NINE}0:02.718281", "desk", "Let me look."),
        (f"{NINE}0:03.100000", "desk", "Total 18.50."),
        (f"{NINE}0:04.000000", "user", "photo"),
        (f"{NINE}0:07.000000", "refunds", "A human takes over. 😀"),
    ],
    "How many tokens did each session use, and what did they cost?": [
        (session, 320, 51, 100, 0.000224, "gemini-2.5-flash") for session in ("bobs", "full")
    ],
    "Which tools are called, and which calls fail or have no answer?": [
        ("approve", 2, 0, 2),
        ("lookup", 4, 2, 0),
        ("transfer_to_agent", 2, 0, 0),
    ],
    "How long do tools take (median, 95th percentile, longest)?": [
        ("lookup", 4, 282, 400, 400),
        ("transfer_to_agent", 2, 100, 100, 100),
    ],
    "Which calls wait for a human?": [
        (session, "desk", "c2", f"{NINE}0:02.718281") for session in ("bobs", "full")
    ],
    "Which errors do agents meet?": [("RESOURCE_EXHAUSTED", "refunds", 2, 2)],
    "Who hands over to whom, and who hands back?": [
        ("desk", "refunds", 2, None),
        ("refunds", None, 2, 2),
    ],
    "How did a key of the state change?": [
        ("bobs", f"{NINE}0:03.000000", "desk", 1),
        ("bobs", f"{NINE}0:09.000000", "user", 0),
        ("full", f"{NINE}0:03.000000", "desk", 1),
        ("full", f"{NINE}0:09.000000", "user", 0),
        ("ooo", f"{NINE}1:30.000000", "bot", "second"),
        ("ooo", f"{NINE}1:40.000000", "bot", "first"),
    ],
    "Which sessions are idle, and which are empty?": [
        ("bobs", 0, 17),
        ("empty", 0, 0),
        ("full", 0, 17),
        ("ooo", 0, 2),
        ("ties", 0, 4),
    ],
    "Where was something said?": [
        (session, "refunds", "A human takes over. 😀") for session in ("bobs", "full")
    ],
    "How long do users wait for the first answer of a turn?": [
        ("bobs", "e-1", "Refund my order, please.", 1468),
        ("bobs", "e-2", "photo", 500),
        ("bobs", "e-3", "never mind", 500),
        ("full", "e-1", "Refund my order, please.", 1468),
        ("full", "e-2", "photo", 500),
        ("full", "e-3", "never mind", 500),
        ("ties", "e-1", "go", 1000),
    ],
    "How many sessions are there?": [(5,)],
    "How many sessions does each user have?": [("alice", 2), ("carol", 2), ("bob@example.com", 1)],
    "Which sessions have no title?": [(one,) for one in ("bobs", "empty", "full", "ooo", "ties")],
    "How many tokens did a session use?": [(2, 320, 51)],
    "Which tool calls failed, and why?": [(one, "lookup", "timeout") for one in ("bobs", "full")],
    "Which sessions had errors since a time?": [
        (session, user, f"{NINE}0:06.000000", "refunds", "RESOURCE_EXHAUSTED", '429 quota "x"')
        for session, user in (("bobs", "bob@example.com"), ("full", "alice"))
    ],
}


def given(sql: str) -> dict[str, str]:
    return {name: value for name, value in PARAMETERS.items() if f":{name}" in sql}


@pytest.mark.parametrize("question", ROWS)
def test_an_answer_is_the_same_on_every_source(source: Connection, question: str) -> None:
    sql = SQL[question]
    assert source.execute(sql, given(sql)).fetchall() == ROWS[question]


@pytest.mark.parametrize("question", ROWS)
def test_an_answer_takes_one_list_for_each_session(
    vertex: Connection, emulator: Running, question: str
) -> None:
    sql = SQL[question]
    emulator.control.reset_log()

    vertex.execute(sql, given(sql)).fetchall()

    # A session and its events; or the list of sessions, and one of events for each of five.
    of_one, of_sessions = ":session" in sql, not re.search("event|usage|turns|tool_calls", sql)
    assert len(emulator.control.requests()) == (2 if of_one else 1 if of_sessions else 6)


def test_the_eval_set_has_the_turns_that_count(source: Connection) -> None:
    ((text,),) = source.execute(EVAL_SET, given(EVAL_SET)).fetchall()
    (case,) = json.loads(text)["eval_cases"]

    assert case["eval_id"] == "full"
    assert case["session_input"] == {"app_name": "my_app", "user_id": "alice"}
    assert [
        (
            turn["invocation_id"],
            turn["user_content"]["parts"][0]["text"],
            turn["final_response"]["parts"][0]["text"],
            [tool["name"] for tool in turn["intermediate_data"]["tool_uses"]],
        )
        for turn in case["conversation"]
    ] == [
        ("e-1", "Refund my order, please.", "Total 18.50.", ["lookup", "approve"]),
        ("e-2", "photo", "A human takes over. 😀", ["transfer_to_agent", "lookup"]),
    ]


def test_adk_accepts_the_eval_set(local: Connection) -> None:
    """Runs where google-adk[eval] is installed."""
    module = pytest.importorskip("google.adk.evaluation.eval_set", exc_type=ImportError)
    ((text,),) = local.execute(EVAL_SET, {"session": "full"}).fetchall()

    (case,) = module.EvalSet.model_validate_json(text).eval_cases

    assert len(case.conversation) == 2


def test_every_statement_of_the_dashboard_runs_on_a_snapshot(copied: Connection) -> None:
    charts = [line for line in DASHBOARD.splitlines() if "query:" in line]
    for line in charts:
        sql = line.partition('query: "')[2].partition('", library')[0]
        optional = sql.replace("[[", "").replace("]]", "")
        shown = {"date_start": "2026-01-01"} if ":date_start" in optional else {}
        assert copied.execute(optional, shown).fetchall(), sql
    assert len(charts) == 10

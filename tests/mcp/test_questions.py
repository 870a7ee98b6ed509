"""Each question of ``help questions``: its rows by the tool ``query``, and few requests."""

from __future__ import annotations

import pytest

from sessions_vtab.cli.pages import QUESTIONS
from sessions_vtab.mcp.statements import CallLimits
from tests.mcp.conftest import QUOTA, SAFETY

# All have changed within the 30 days before it.
NOW = "'2026-11-15'"
SQL = {question.asks: question.sql.replace("'now'", NOW) for question in QUESTIONS}
PARAMETERS = {
    "session": "s1",
    "user": "bob",
    "day": "2026-11-02",
    "since": "2026-11-03",
    "tool": "quote",
    "key": "step",
    "words": "refund",
}

# Read off the shop's sessions in conftest.py.
ANSWERS = {
    "How many sessions are there?": [[6]],
    "How many sessions does each user have?": [["bob", 3], ["ann", 2], ["carol", 1]],
    "Which sessions changed last?": [
        ["s6", "carol", "2026-11-03 10:01:00.000000"],
        ["s5", "bob", "2026-11-03 09:00:00.000000"],
        ["s4", "bob", "2026-11-03 08:00:00.000000"],
    ],
    "Which sessions were created on a day?": [["s2", "ann"], ["s3", "bob"], ["s4", "bob"]],
    "How many sessions were created on each day?": [
        ["2026-11-01", 1],
        ["2026-11-02", 3],
        ["2026-11-03", 2],
    ],
    "Which sessions of a user have a label?": [["s4", "Shipping"], ["s5", None]],
    "Which values does a label have?": [["billing", 1], ["refunds", 1]],
    "Which sessions have no title?": [["s3"], ["s5"]],
    "What is in the state of a session?": [
        ["items", "integer", 2],
        ["total", "real", 40.5],
        ["step", "text", "paid"],
    ],
    "How did a key of the state change?": [
        ["s1", "2026-11-01 09:00:05.000000", "desk", "answered"],
        ["s1", "2026-11-01 09:02:01.000000", "desk", "paid"],
    ],
    "Which sessions are idle, and which are empty?": [
        *(["s1", 0, 6], ["s2", 0, 5], ["s3", 0, 2]),
        *(["s4", 0, 5], ["s5", 0, 0], ["s6", 0, 2]),
    ],
    "How many turns does each user have per day?": [
        ["ann", "2026-11-01", 1, 2],
        ["ann", "2026-11-02", 1, 1],
        ["bob", "2026-11-02", 2, 2],
        ["bob", "2026-11-03", 1, 1],
        ["carol", "2026-11-03", 1, 1],
    ],
    "How did each session of a user begin?": [
        ["s3", "Does order 1003 qualify for a refund?"],
        ["s4", "What does shipping to Oslo cost?"],
        ["s5", None],
    ],
    "What was said in a session?": [
        ["2026-11-01 09:00:00.000000", "user", "Where is my order 1001?"],
        ["2026-11-01 09:00:05.000000", "desk", "It was shipped today."],
        ["2026-11-01 09:02:00.000000", "user", "Thank you!"],
        ["2026-11-01 09:02:01.000000", "desk", "You are welcome."],
    ],
    "Where was something said?": [
        ["s2", "user", "I want a refund for order 1002."],
        ["s3", "user", "Does order 1003 qualify for a refund?"],
    ],
    "Which agents answer, and how often?": [["desk", 3], ["refunds", 1]],
    "Who hands over to whom, and who hands back?": [["desk", "refunds", 1, None]],
    "How long do users wait for the first answer of a turn?": [
        ["s1", "t1", "Where is my order 1001?", 2_000],
        ["s1", "t2", "Thank you!", 1_000],
        ["s2", "t3", "I want a refund for order 1002.", 4_000],
        ["s3", "t4", "Does order 1003 qualify for a refund?", 1_000],
        ["s4", "t5", "What does shipping to Oslo cost?", 1_000],
        ["s4", "t6", "And?", 1_000],
        ["s6", "t7", "Say something rude.", 60_000],
    ],
    "How many tokens did a session use?": [[3, 100 + 150 + 160, 10 + 20 + 5]],
    "How many tokens did each session use, and what did they cost?": [
        ["s1", 410, 35, None, 0.00021, "gemini-2.5-flash"],
        ["s2", 265, 29, None, 0.000152, "gemini-2.5-flash,gemini-2.5-pro"],
        ["s4", 70, 14, None, 0.000056, "gemini-2.5-flash"],
    ],
    "Which models answer, and with how many tokens?": [
        ["gemini-2.5-flash", 5, 10 + 20 + 5 + 8 + 14],
        ["gemini-2.5-pro", 2, 9 + 12],
    ],
    "Which tools were called in a session, and what did they return?": [
        ["c1", "lookup_order", '{"number":1001}', '{"status":"shipped"}'],
    ],
    "Which tools are called, and which calls fail or have no answer?": [
        ["lookup_order", 1, 0, 0],
        ["pay_back", 1, 1, 0],
        ["quote", 2, 0, 1],
    ],
    "With which arguments was a tool called?": [["s4", "Oslo"], ["s4", "Bergen"]],
    "Which tool calls failed, and why?": [["s2", "pay_back", "card expired"]],
    "How long do tools take (median, 95th percentile, longest)?": [
        ["lookup_order", 1, 1_000, 1_000, 1_000],
        ["pay_back", 1, 4_000, 4_000, 4_000],
        ["quote", 1, 3_000, 3_000, 3_000],
    ],
    "Which calls wait for a human?": [],
    "Which errors do agents meet?": [
        ["RESOURCE_EXHAUSTED", "desk", 2, 2],
        ["SAFETY", "desk", 1, 1],
    ],
    "Which sessions had errors since a time?": [
        *(["s4", "bob", "2026-11-03 08:00:01.000000", "desk", *QUOTA.values()],),
        *(["s6", "carol", "2026-11-03 10:01:00.000000", "desk", *SAFETY.values()],),
    ],
    "What had the user said in the turns that failed?": [
        ["s3", "Does order 1003 qualify for a refund?", "RESOURCE_EXHAUSTED"],
        ["s4", "And?", "RESOURCE_EXHAUSTED"],
        ["s6", "Say something rude.", "SAFETY"],
    ],
}


def test_there_are_30_questions_and_an_answer_to_each():
    assert len(SQL) == 30
    assert list(SQL) == list(ANSWERS)


@pytest.mark.parametrize("question", ANSWERS)
def test_the_sql_of_a_question_gives_its_answer_within_the_budget(call_tool, sent, question):
    sql = SQL[question]
    parameters = {name: value for name, value in PARAMETERS.items() if f":{name}" in sql}

    done = call_tool(
        "query", {"limits": CallLimits(max_requests=10)}, sql=sql, parameters=parameters
    )

    assert not done.is_error, done.content
    assert done.structured_content["rows"] == ANSWERS[question]
    assert done.structured_content["requests"] == sent()

"""The 30 questions: each with the SQL a model would write, its rows, and few requests."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from sessions_vtab.mcp.statements import CallLimits

TEXT = files("sessions_vtab").joinpath("docs", "questions.md").read_text("utf-8")
QUESTIONS = dict(re.findall(r"## \d+\. (.+?)\n\n```sql\n(.+?)\n```", TEXT, re.DOTALL))

# Read off the shop's sessions in conftest.py.
ANSWERS = {
    "How many sessions are there?": [[6]],
    "How many sessions does each user have?": [["bob", 3], ["ann", 2], ["carol", 1]],
    "Which sessions changed last?": [
        ["s6", "carol", "2026-11-03 10:01:00.000000"],
        ["s5", "bob", "2026-11-03 09:00:00.000000"],
        ["s4", "bob", "2026-11-03 08:00:00.000000"],
    ],
    "Which sessions were created on 2 November?": [["s2", "ann"], ["s3", "bob"], ["s4", "bob"]],
    "How many sessions were created on each day?": [
        ["2026-11-01", 1],
        ["2026-11-02", 3],
        ["2026-11-03", 2],
    ],
    "Which sessions of the user ann are from production?": [
        ["s1", "Order 1001"],
        ["s2", "Refund"],
    ],
    "Which values does the label team have?": [["billing", 1], ["refunds", 1]],
    "Which sessions have no title?": [["s3"], ["s5"]],
    "What is in the cart of the session s1?": [[2, 40.5]],
    "What was said in the session s1?": [
        ["user", "Where is my order 1001?"],
        ["desk", "It was shipped today."],
        ["user", "Thank you!"],
        ["desk", "You are welcome."],
    ],
    "How did each session of the user bob begin?": [
        ["s3", "Does order 1003 qualify for a refund?"],
        ["s4", "What does shipping to Oslo cost?"],
        ["s5", None],
    ],
    "How many events does each session have?": [
        *(["s1", 6], ["s2", 5], ["s3", 2]),
        *(["s4", 5], ["s5", 0], ["s6", 2]),
    ],
    "How many turns did each user have?": [["ann", 3], ["bob", 3], ["carol", 1]],
    "Which agents answered, and how often?": [["desk", 3], ["refunds", 1]],
    "Which sessions never had an event?": [["s5"]],
    "Which users mentioned a refund?": [["ann"], ["bob"]],
    "Which tools were called, and how often?": [
        ["quote", 2],
        ["lookup_order", 1],
        ["pay_back", 1],
    ],
    "With which arguments was the tool quote called?": [["s4", "Oslo"], ["s4", "Bergen"]],
    "Which tool calls were never answered?": [["s4", "c4", "quote"]],
    "Which tool calls failed, and why?": [["s2", "pay_back", "card expired"]],
    "How many seconds did each tool call of the session s2 take?": [["pay_back", 4.0]],
    "How many tokens did each session use?": [
        ["s1", 100 + 150 + 160, 10 + 20 + 5],
        ["s2", 80 + 90 + 95, 8 + 9 + 12],
        ["s4", 70, 14],
    ],
    "Which models answered, and with how many tokens?": [
        ["gemini-2.5-flash", 5, 10 + 20 + 5 + 8 + 14],
        ["gemini-2.5-pro", 2, 9 + 12],
    ],
    "Which errors occurred, and how often?": [["RESOURCE_EXHAUSTED", 2], ["SAFETY", 1]],
    "Which users ran into the quota?": [
        ["bob", "2026-11-02 11:00:01.000000"],
        ["bob", "2026-11-03 08:00:01.000000"],
    ],
    "What failed since 3 November?": [
        ["s4", "bob", "RESOURCE_EXHAUSTED", "Quota exceeded."],
        ["s6", "carol", "SAFETY", "Blocked."],
    ],
    "What had the user said in the turns that failed?": [
        ["s3", "Does order 1003 qualify for a refund?", "RESOURCE_EXHAUSTED"],
        ["s4", "And?", "RESOURCE_EXHAUSTED"],
        ["s6", "Say something rude.", "SAFETY"],
    ],
    "Which agent handed over to which?": [["s2", "desk", "refunds"]],
    "How did the state key step change in the session s1?": [
        ["2026-11-01 09:00:05.000000", "answered"],
        ["2026-11-01 09:02:01.000000", "paid"],
    ],
    "How many seconds did users wait for the first answer in each session?": [
        ["s1", 5.0],
        ["s2", 4.0],
    ],
}


def test_there_are_30_questions_and_an_answer_to_each():
    assert len(QUESTIONS) == 30
    assert list(QUESTIONS) == list(ANSWERS)


@pytest.mark.parametrize("question", ANSWERS)
def test_the_sql_of_a_question_gives_its_answer_within_the_budget(call_tool, sent, question):
    done = call_tool("query", {"limits": CallLimits(max_requests=10)}, sql=QUESTIONS[question])

    assert not done.is_error, done.content
    assert done.structured_content["rows"] == ANSWERS[question]
    assert done.structured_content["requests"] == sent()

"""The SELECTs of ``help questions``: the same rows on every source, with the fewest requests."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sessions_vtab import Connection
from sessions_vtab.cli.pages import DASHBOARD, EVAL_SET, QUESTIONS
from sessions_vtab.emulator.serve import Running

PARAMETERS = {"session": "full", "key": "step", "words": "human"}
NINE = "2026-01-05 09:0"

ROWS: list[list[tuple[Any, ...]]] = [
    [
        ("alice", "2026-01-05", 2, 6),
        ("bob@example.com", "2026-01-05", 1, 5),
        ("carol", "2026-01-05", 1, 1),
    ],
    [
        ("user", "Refund my order, please."),
        ("desk", "Let me look."),
        ("desk", "Total 18.50."),
        ("user", "photo"),
        ("refunds", "A human takes over. 😀"),
    ],
    [(session, 320, 51, 100, 0.000224, "gemini-2.5-flash") for session in ("bobs", "full")],
    [("approve", 2, 0, 2), ("lookup", 4, 2, 0), ("transfer_to_agent", 2, 0, 0)],
    [("lookup", 4, 282, 400, 400), ("transfer_to_agent", 2, 100, 100, 100)],
    [(session, "desk", "c2", f"{NINE}0:02.718281") for session in ("bobs", "full")],
    [("RESOURCE_EXHAUSTED", "refunds", 2, 2)],
    [("desk", "refunds", 2, None), ("refunds", None, 2, 2)],
    [
        ("bobs", f"{NINE}0:03.000000", "desk", 1),
        ("bobs", f"{NINE}0:09.000000", "user", 0),
        ("full", f"{NINE}0:03.000000", "desk", 1),
        ("full", f"{NINE}0:09.000000", "user", 0),
        ("ooo", f"{NINE}1:30.000000", "bot", "second"),
        ("ooo", f"{NINE}1:40.000000", "bot", "first"),
    ],
    [("bobs", 0, 17), ("empty", 0, 0), ("full", 0, 17), ("ooo", 0, 2), ("ties", 0, 4)],
    [(session, "refunds", "A human takes over. 😀") for session in ("bobs", "full")],
    [
        ("bobs", "e-1", "Refund my order, please.", 1468),
        ("bobs", "e-2", "photo", 500),
        ("bobs", "e-3", "never mind", 500),
        ("full", "e-1", "Refund my order, please.", 1468),
        ("full", "e-2", "photo", 500),
        ("full", "e-3", "never mind", 500),
        ("ties", "e-1", "go", 1000),
    ],
]


def given(sql: str) -> dict[str, str]:
    return {name: value for name, value in PARAMETERS.items() if f":{name}" in sql}


@pytest.mark.parametrize("number", range(1, len(QUESTIONS) + 1))
def test_an_answer_is_the_same_on_every_source(source: Connection, number: int) -> None:
    sql = QUESTIONS[number - 1].sql
    assert source.execute(sql, given(sql)).fetchall() == ROWS[number - 1]


@pytest.mark.parametrize("number", range(1, len(QUESTIONS) + 1))
def test_an_answer_takes_one_list_for_each_session(
    vertex: Connection, emulator: Running, number: int
) -> None:
    sql = QUESTIONS[number - 1].sql
    emulator.control.reset_log()

    vertex.execute(sql, given(sql)).fetchall()

    # The list of sessions and one of events for each of five; or a session and its events.
    of_one = ":session" in sql
    assert len(emulator.control.requests()) == (2 if of_one else 6)


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

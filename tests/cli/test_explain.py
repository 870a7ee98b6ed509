from __future__ import annotations

import pytest

from sessions_vtab.cli.readings import PlanStep, RequestEstimate, parse_step, steps


@pytest.mark.parametrize(
    ("detail", "expected"),
    [
        (
            (
                "SCAN s VIRTUAL TABLE INDEX 0:get; sent: session_id = ?; here: author LIKE;"
                " order: create_time desc; limit; read: name, user_id"
            ),
            PlanStep(
                "s",
                "get",
                {
                    "sent": "session_id = ?",
                    "here": "author LIKE",
                    "order": "create_time desc",
                    "limit": "",
                    "read": "name, user_id",
                },
            ),
        ),
        (
            "SCAN e EXISTS VIRTUAL TABLE INDEX 0:list; sent: session_id = ?; stops: create_time > ?",
            PlanStep("e", "list", {"sent": "session_id = ?", "stops": "create_time > ?"}),
        ),
        (
            "SCAN e VIRTUAL TABLE INDEX 0:list; read: all; variant 2 LEFT-JOIN",
            PlanStep("e", "list", {"read": "all"}),
        ),
        (
            "SEARCH events VIRTUAL TABLE INDEX 0:fan-out; sent: labels->>'a; b' = ?; read: all",
            PlanStep("events", "fan-out", {"sent": "labels->>'a; b' = ?", "read": "all"}),
        ),
        (
            "SCAN b VIRTUAL TABLE INDEX 0:list; read: all LEFT-JOIN",
            PlanStep("b", "list", {"read": "all"}),
        ),
        ("USE TEMP B-TREE FOR ORDER BY", PlanStep("USE TEMP B-TREE FOR ORDER BY", "", {})),
        ("SCAN notes", PlanStep("SCAN notes", "", {})),
    ],
)
def test_a_plan_in_words_is_taken_apart(detail, expected):
    assert parse_step(detail) == expected


def test_steps_are_indented_as_sqlite_nests_them():
    planned = [(3, 0, "a"), (7, 3, "b"), (9, 7, "c"), (11, 0, "d")]

    assert [step.depth for step in steps(planned)] == [0, 1, 2, 0]


@pytest.mark.parametrize(
    ("estimate", "words"),
    [
        (RequestEstimate(None), "1"),
        (RequestEstimate(None, reads=20), "20"),
        (RequestEstimate(None, reads=2_001, partial=True), "at least 2001"),
        (RequestEstimate(None, reads=300, listed=True), "300, or fewer by reading a list"),
        (RequestEstimate(100, reads=7, partial=True), "1 per 100 rows in each of at least 7 lists"),
        (RequestEstimate(None, each="row of prod.events e"), "1 per row of prod.events e"),
        (RequestEstimate(100), "1 per 100 rows"),
        (RequestEstimate(100, limited=True), "1 per 100 rows, fewer with LIMIT"),
        (RequestEstimate(100, reads=3), "1 per 100 rows in each of 3 lists"),
        (RequestEstimate(100, each="row of s"), "1 or more per row of s"),
        (
            RequestEstimate(100, lists="session"),
            "1 per 100 sessions, then 1 or more per session",
        ),
        (RequestEstimate(None, lists="session"), "1, then 1 or more per session"),
    ],
)
def test_an_estimate_in_words(estimate, words):
    assert str(estimate) == words
